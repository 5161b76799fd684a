//! What readers of committed records see while transactions are open, committed and aborted, also after a restart. The batches and markers
//! come the way the transaction coordinator will send them: as appends of the control plane.

mod support;

use kafka_protocol::messages::ListOffsetsResponse;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{FetchRequest, FetchResponse, ListOffsetsRequest};
use millrace_record::BatchBuilder;
use millrace_record::control::end_transaction_batch;
use support::*;

fn append(broker: &TestBroker, batch: Vec<u8>) -> i64 {
    let token = broker.broker.append(&TOPIC_ID, 0, batch, true);
    let event = broker.event_of(2);
    assert_eq!(event[1..9], token.to_le_bytes());
    assert_eq!(event[9..11], [0, 0], "appended");
    i64::from_le_bytes(event[11..19].try_into().expect("8 bytes"))
}

fn transactional(producer_id: i64, sequence: i32, values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.producer(producer_id, 0, sequence).transactional();
    for value in values {
        builder.append(1_000, None, Some(value.as_bytes()), &[]);
    }
    builder.build()
}

fn marker(producer_id: i64, is_commit: bool) -> Vec<u8> {
    end_transaction_batch(producer_id, 0, is_commit, 1, 2_000)
}

fn request(offset: i64, isolation_level: i8) -> FetchRequest {
    fetch_request(12, &[(0, offset)]).with_isolation_level(isolation_level)
}

fn partition(answer: &FetchResponse) -> &PartitionData {
    &answer.responses[0].partitions[0]
}

/// Values a reader of committed records keeps, by the aborted transactions it is told.
fn committed(answer: &FetchResponse) -> Vec<String> {
    let data = partition(answer);
    let aborted = data.aborted_transactions.as_ref().expect("not null");
    let mut visible = Vec::new();
    let bytes = data.records.as_deref().unwrap_or_default();
    for item in millrace_record::BatchIter::new(bytes) {
        let (header, batch) = item.expect("whole batches");
        let ends_at = |offset: i64| {
            let mut found = millrace_record::BatchIter::new(bytes).map_while(Result::ok);
            found.any(|(other, _)| {
                other.is_control()
                    && other.producer_id == header.producer_id
                    && (offset..header.base_offset).contains(&other.base_offset)
            })
        };
        let is_aborted = header.is_transactional()
            && aborted.iter().any(|transaction| {
                transaction.producer_id.0 == header.producer_id
                    && transaction.first_offset <= header.base_offset
                    && !ends_at(transaction.first_offset)
            });
        if !header.is_control() && !is_aborted {
            visible.extend(values(batch).into_iter().map(|(_, value)| value));
        }
    }
    visible
}

fn latest(client: &mut Client, isolation_level: i8) -> i64 {
    let asked = ListOffsetsPartition::default()
        .with_timestamp(-1)
        .with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default()
        .with_name(name(TOPIC).into())
        .with_partitions(vec![asked]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(isolation_level)
        .with_topics(vec![topic]);
    let answer: ListOffsetsResponse = client.ask(2, 7, &request);
    answer.topics[0].partitions[0].offset
}

#[test]
fn committed_readers_stop_at_the_oldest_open_transaction_and_skip_aborted_ones() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    append(&broker, batch(&["plain"]));
    append(&broker, transactional(7, 0, &["a", "b"]));
    append(&broker, transactional(8, 0, &["c"]));
    let mut client = broker.client();
    let answer = client.fetch(12, &request(0, 1));
    let data = partition(&answer);
    assert_eq!((data.high_watermark, data.last_stable_offset), (4, 1));
    assert_eq!(values(data.records.as_deref().expect("records")).len(), 1);
    assert_eq!(data.aborted_transactions.as_deref(), Some(&[][..]));
    assert_eq!((latest(&mut client, 0), latest(&mut client, 1)), (4, 1));
    // Everyone else reads on, and is told nothing of transactions.
    let answer = client.fetch(12, &request(0, 0));
    assert_eq!(partition(&answer).aborted_transactions, None);
    assert_eq!(partition(&answer).last_stable_offset, 1);
    assert_eq!(fetched(&answer, 0).len(), 4);

    append(&broker, marker(8, true));
    assert_eq!(latest(&mut client, 1), 1, "the older one is still open");
    append(&broker, marker(7, false));
    let check = |client: &mut Client| {
        let answer = client.fetch(12, &request(0, 1));
        let aborted = partition(&answer).aborted_transactions.as_ref();
        let aborted: Vec<_> = aborted
            .expect("not null")
            .iter()
            .map(|transaction| (transaction.producer_id.0, transaction.first_offset))
            .collect();
        assert_eq!(aborted, [(7, 1)]);
        assert_eq!(committed(&answer), ["plain", "c"]);
        assert_eq!(partition(&answer).last_stable_offset, 6);
        assert_eq!((latest(client, 0), latest(client, 1)), (6, 6));
    };
    check(&mut client);
    broker.stop();
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    check(&mut broker.client());
    append(&broker, transactional(7, 2, &["d"]));
    assert_eq!(latest(&mut broker.client(), 1), 6);
    broker.stop();
    let broker = TestBroker::open(dir.path(), |_| {}, topic_config());
    assert_eq!(
        latest(&mut broker.client(), 1),
        6,
        "still open after a restart"
    );
    append(&broker, marker(7, true));
    let answer = broker.client().fetch(12, &request(6, 1));
    assert_eq!(committed(&answer), ["d"]);
    broker.stop();
}

#[test]
fn a_marker_wakes_readers_that_wait_for_more_than_its_own_bytes() {
    let broker = TestBroker::start();
    let large = "x".repeat(4_000);
    append(&broker, transactional(7, 0, &[&large]));
    let mut client = broker.client();
    let waiting = request(0, 1).with_max_wait_ms(60_000).with_min_bytes(3_000);
    client.send(1, 12, &waiting);
    while broker.metric("FetchesParkedTotal") < 1.0 {
        std::thread::yield_now();
    }
    append(&broker, marker(7, true));
    let (_, answer): (i32, FetchResponse) = client.receive(12);
    assert_eq!(committed(&answer), [large]);
    broker.stop();
}

#[test]
fn a_client_may_not_begin_a_transaction_nobody_coordinates() {
    const INVALID_TXN_STATE: i16 = 48;
    let broker = TestBroker::start();
    let mut client = broker.client();
    let (error_code, _) = client.produce(0, transactional(7, 0, &["a"]));
    assert_eq!(error_code, INVALID_TXN_STATE);
    // Nor write outside of the one that is open.
    append(&broker, transactional(7, 0, &["a"]));
    let (error_code, _) = client.produce(0, idempotent_batch(7, 1, &["b"]));
    assert_eq!(error_code, INVALID_TXN_STATE);
    append(&broker, marker(7, true));
    assert_eq!(client.produce(0, idempotent_batch(7, 1, &["b"])), (0, 2));
    broker.stop();
}
