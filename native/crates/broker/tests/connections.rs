//! What connections do to each other and to the broker: order, pipelining, trickles, backpressure, ends in the middle.

mod support;

use kafka_protocol::messages::{FetchResponse, ProduceResponse};
use millrace_host::Instant;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;
use support::{
    Client, TestBroker, WAIT, batch, fetch_request, fetched, framed, produce_request,
    request_frame, topic_config,
};

fn metadata_frame(correlation_id: i32) -> Vec<u8> {
    let mut frame = vec![0, 3, 0, 1];
    frame.extend_from_slice(&correlation_id.to_be_bytes());
    frame.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    frame
}

/// Answers an upcalled request with its correlation id and a body.
fn answer(broker: &TestBroker, event: &[u8], body: &[u8]) {
    let token = u64::from_le_bytes(event[1..9].try_into().expect("8 bytes"));
    let correlation_id = i32::from_le_bytes(event[19..23].try_into().expect("4 bytes"));
    broker
        .broker
        .respond(token, [&correlation_id.to_be_bytes()[..], body].concat(), 0);
}

#[test]
fn answers_keep_the_order_of_requests_of_all_kinds() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    let produce = |correlation_id| {
        request_frame(
            0,
            9,
            correlation_id,
            &produce_request(9, 1, vec![(0, Some(batch(&["a"])))]),
        )
    };
    let fetch = request_frame(1, 12, 3, &fetch_request(12, &[(0, 0)]));
    let all = [
        framed(&produce(1)),
        framed(&produce(2)),
        framed(&fetch),
        framed(&metadata_frame(4)),
        framed(&produce(5)),
        framed(&metadata_frame(6)),
    ];
    client
        .stream
        .write_all(&all.concat())
        .expect("the broker reads");
    for correlation_id in [1, 2] {
        let (answered, response) = client.receive::<ProduceResponse>(9);
        assert_eq!(
            (
                answered,
                response.responses[0].partition_responses[0].base_offset
            ),
            (correlation_id, i64::from(correlation_id) - 1)
        );
    }
    let (answered, response) = client.receive::<FetchResponse>(12);
    assert_eq!((answered, fetched(&response, 0).len()), (3, 2));
    // The second upcall waits for the produce behind the first, which waits for the first.
    let event = broker.event_of(1);
    assert!(
        broker
            .events
            .recv_timeout(Duration::from_millis(100))
            .is_err(),
        "one request is with the control plane at a time"
    );
    answer(&broker, &event, b"one");
    assert_eq!(
        client.read_frame(),
        [&4i32.to_be_bytes()[..], b"one"].concat()
    );
    assert_eq!(client.receive::<ProduceResponse>(9).0, 5);
    answer(&broker, &broker.event_of(1), b"two");
    assert_eq!(
        client.read_frame(),
        [&6i32.to_be_bytes()[..], b"two"].concat()
    );
    broker.stop();
}

#[test]
fn a_frame_may_come_byte_by_byte() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    let frame = framed(&request_frame(
        0,
        9,
        1,
        &produce_request(9, 1, vec![(0, Some(batch(&["slowly"])))]),
    ));
    for byte in &frame {
        client.stream.write_all(&[*byte]).expect("the broker reads");
    }
    assert_eq!(
        client.receive::<ProduceResponse>(9).1.responses[0].partition_responses[0].error_code,
        0
    );
    broker.stop();
}

#[test]
fn many_producers_and_frames_of_all_sizes_lose_nothing() {
    let broker = TestBroker::start();
    let address = broker.address;
    let producers: Vec<_> = (0..6)
        .map(|producer| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                let sizes = [10, 2_000, 40_000, 70_000, 300_000, 900_000, 100];
                for index in 0..70usize {
                    let text = format!(
                        "{producer}:{index}:{}",
                        "y".repeat(sizes[(index + producer) % sizes.len()])
                    );
                    client.send(
                        0,
                        9,
                        &produce_request(
                            9,
                            -1,
                            vec![
                                ((producer % 4) as i32, Some(batch(&[&text]))),
                                (((producer + 1) % 4) as i32, Some(batch(&["-"]))),
                            ],
                        ),
                    );
                    if index % 5 == 4 {
                        (0..5).for_each(|_| {
                            assert_eq!(
                                client.receive::<ProduceResponse>(9).1.responses[0]
                                    .partition_responses[0]
                                    .error_code,
                                0
                            )
                        });
                    }
                }
            })
        })
        .collect();
    producers
        .into_iter()
        .for_each(|producer| producer.join().expect("a producer"));
    let mut client = broker.client();
    let mut next_of = [0; 6];
    for partition in 0..4 {
        let mut offset = 0;
        loop {
            let answer = client.fetch(12, &fetch_request(12, &[(partition, offset)]));
            let records = fetched(&answer, partition);
            let Some((last, _)) = records.last() else {
                break;
            };
            offset = last + 1;
            for (_, text) in records.iter().filter(|(_, text)| text.as_str() != "-") {
                let mut parts = text.split(':');
                let producer: usize = parts
                    .next()
                    .and_then(|part| part.parse().ok())
                    .expect("a producer");
                assert_eq!(
                    parts.next().and_then(|part| part.parse().ok()),
                    Some(next_of[producer]),
                    "producer {producer} in order"
                );
                next_of[producer] += 1;
            }
        }
    }
    assert_eq!(next_of, [70; 6]);
    broker.stop();
}

#[test]
fn a_client_that_does_not_read_is_not_read_either() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    for _ in 0..8 {
        client.produce(0, batch(&[&"z".repeat(900_000)]));
    }
    // Far more answers than the socket buffers hold.
    let mut request = fetch_request(12, &[(0, 0)]);
    request.topics[0].partitions[0].partition_max_bytes = 8 << 20;
    let frame = framed(&request_frame(1, 12, 1, &request));
    (0..20).for_each(|_| {
        client
            .stream
            .write_all(&frame)
            .expect("small requests fit the socket")
    });
    std::thread::sleep(Duration::from_millis(300));
    for _ in 0..20 {
        let (_, answer) = client.receive::<FetchResponse>(12);
        assert_eq!(fetched(&answer, 0).len(), 8);
    }
    broker.stop();
}

#[test]
fn acks_zero_is_not_answered_and_an_error_closes() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    client.send(
        0,
        9,
        &produce_request(9, 0, vec![(0, Some(batch(&["quiet"])))]),
    );
    assert_eq!(client.list_offset(0, -1), (0, -1, 1));
    client.send(
        0,
        9,
        &produce_request(9, 0, vec![(77, Some(batch(&["nowhere"])))]),
    );
    assert!(client.is_closed());
    broker.stop();
}

#[test]
fn the_control_plane_hears_of_the_end_of_connections_it_knows() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    client.send_frame(&metadata_frame(1));
    let request = broker.event_of(1);
    drop(client);
    let closed = broker.event_of(3);
    assert_eq!(closed[1..5], request[9..13]);
    // An answer that comes too late finds nobody, and no other connection either.
    let mut other = broker.client();
    other.send_frame(&metadata_frame(2));
    let event = broker.event_of(1);
    answer(&broker, &request, b"late");
    answer(&broker, &event, b"mine");
    assert_eq!(
        other.read_frame(),
        [&2i32.to_be_bytes()[..], b"mine"].concat()
    );
    broker.stop();
}

#[test]
fn a_fetch_that_waits_ends_with_its_connection() {
    let broker = TestBroker::start();
    let mut request = fetch_request(12, &[(0, 0)]);
    request.max_wait_ms = 60_000;
    for _ in 0..20 {
        broker.client().send(1, 12, &request);
    }
    let until = Instant::now() + WAIT;
    while broker.metric("ConnectionCount") > 0.0 {
        assert!(Instant::now() < until, "closed connections go");
        std::thread::sleep(Duration::from_millis(5));
    }
    broker.stop();
}

#[test]
fn draining_answers_what_waits() {
    let broker = TestBroker::start();
    let mut reader = broker.client();
    let mut request = fetch_request(12, &[(0, 0)]);
    request.max_wait_ms = 60_000;
    reader.send(1, 12, &request);
    std::thread::sleep(Duration::from_millis(100));
    let started = Instant::now();
    broker.broker.drain(Duration::from_secs(5));
    assert!((Instant::now() - started) < Duration::from_secs(1));
    assert_eq!(fetched(&reader.receive::<FetchResponse>(12).1, 0), []);
    assert!(reader.is_closed());
    assert!(TcpStream::connect(broker.address).is_err());
    broker.stop();
}

#[test]
fn a_throttled_connection_is_answered_at_once_and_read_later() {
    let broker = TestBroker::start();
    let mut client = broker.client();
    client.send_frame(&metadata_frame(1));
    let event = broker.event_of(1);
    let token = u64::from_le_bytes(event[1..9].try_into().expect("8 bytes"));
    broker
        .broker
        .respond(token, 1i32.to_be_bytes().to_vec(), 300);
    assert_eq!(client.read_frame(), 1i32.to_be_bytes());
    let started = Instant::now();
    assert_eq!(client.produce(0, batch(&["later"])).0, 0);
    assert!((Instant::now() - started) >= Duration::from_millis(200));
    broker.stop();
}

#[test]
fn requests_beyond_the_upcall_queue_wait_and_none_is_lost() {
    let broker = TestBroker::start_with(
        |options| options.upcall_queue_max_bytes = 200,
        topic_config(),
    );
    let mut clients: Vec<_> = (0..30).map(|_| broker.client()).collect();
    for (index, client) in clients.iter_mut().enumerate() {
        client.send_frame(&metadata_frame(index as i32));
    }
    for _ in 0..clients.len() {
        let event = broker.event_of(1);
        answer(&broker, &event, b"");
    }
    for (index, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.read_frame(), (index as i32).to_be_bytes());
    }
    broker.stop();
}

#[test]
fn a_request_behind_a_slow_sync_waits_without_spinning() {
    let mut config = topic_config();
    config.flush.messages = 1;
    let broker = TestBroker::start_with(|_| {}, config);
    let mut client = broker.client();
    for round in 0..50i64 {
        let produce = framed(&request_frame(
            0,
            9,
            1,
            &produce_request(9, -1, vec![(0, Some(batch(&["a"])))]),
        ));
        let fetch = framed(&request_frame(1, 12, 2, &fetch_request(12, &[(0, round)])));
        client
            .stream
            .write_all(&[produce, fetch].concat())
            .expect("the broker reads");
        assert_eq!(
            client.receive::<ProduceResponse>(9).1.responses[0].partition_responses[0].base_offset,
            round
        );
        assert_eq!(fetched(&client.receive::<FetchResponse>(12).1, 0).len(), 1);
    }
    assert!(
        broker.metric("LoopTurnsTotal") < 1_000.0,
        "a handful of turns for each request"
    );
    broker.stop();
}
