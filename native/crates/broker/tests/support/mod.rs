//! A broker on real sockets and a client that speaks through an independent codec. Shared by the tests of this folder.
#![allow(dead_code, reason = "each test file uses its own part")]

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse, ProduceRequest,
    ProduceResponse, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use millrace_broker::{
    Broker, BrokerOptions, Delta, FlushPolicy, FlushRules, ListenAddress, PublishedPartition,
    PublishedTopic, TopicConfig,
};
use millrace_log::LogConfig;
use millrace_record::{BatchBuilder, BatchIter, records};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const TOPIC: &str = "events";
pub const TOPIC_ID: [u8; 16] = [7; 16];
pub const WAIT: Duration = Duration::from_secs(10);

pub struct TestBroker {
    pub broker: Arc<Broker>,
    pub address: SocketAddr,
    /// Events as they come up, whole.
    pub events: Receiver<Vec<u8>>,
    dir: Option<tempfile::TempDir>,
}

pub fn topic_config() -> TopicConfig {
    TopicConfig {
        log: LogConfig {
            file_delete_delay_ms: 0,
            message_timestamp_after_max_ms: i64::MAX,
            ..LogConfig::default()
        },
        min_in_sync_replicas: 1,
        flush: flush(FlushPolicy::Replicated),
    }
}

pub fn flush(policy: FlushPolicy) -> FlushRules {
    FlushRules {
        policy,
        messages: u64::MAX,
        ms: u64::MAX,
    }
}

pub fn published(
    name: &str,
    topic_id: [u8; 16],
    partitions: i32,
    config: TopicConfig,
) -> PublishedTopic {
    let partition = |partition| PublishedPartition {
        partition,
        leader_id: 1,
        leader_epoch: 0,
        replicas: vec![1],
        isr: vec![1],
    };
    PublishedTopic {
        name: name.to_string(),
        topic_id,
        is_internal: false,
        config,
        partitions: (0..partitions).map(partition).collect(),
    }
}

impl TestBroker {
    pub fn start() -> TestBroker {
        TestBroker::start_with(|_| {}, topic_config())
    }

    pub fn start_with(adjust: impl FnOnce(&mut BrokerOptions), config: TopicConfig) -> TestBroker {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut started = TestBroker::open(dir.path(), adjust, config);
        started.dir = Some(dir);
        started
    }

    pub fn open(
        dir: &Path,
        adjust: impl FnOnce(&mut BrokerOptions),
        config: TopicConfig,
    ) -> TestBroker {
        let mut options = BrokerOptions {
            log_dirs: vec![dir.to_path_buf()],
            network_threads: 2,
            ..BrokerOptions::default()
        };
        adjust(&mut options);
        let (woken, wakes) = mpsc::channel();
        let woken = Mutex::new(woken);
        let wake = move || {
            // The test may be over.
            let _ = woken.lock().expect("nothing panics here").send(());
        };
        let broker = Arc::new(Broker::new(options, Box::new(wake)).expect("good options"));
        broker.open().expect("the directory is free");
        let bound = broker
            .bind(&[ListenAddress {
                name: "PLAINTEXT".into(),
                host: "127.0.0.1".into(),
                port: 0,
            }])
            .expect("a free port");
        broker.set_api_versions(&[(0, 0, 13), (1, 4, 18), (2, 1, 11), (3, 0, 13), (18, 0, 4)]);
        let failures = broker.publish(&Delta {
            topics: vec![published(TOPIC, TOPIC_ID, 4, config)],
            deleted_topic_ids: vec![],
        });
        assert_eq!(failures.expect("open"), []);
        broker.listen().expect("bound");
        let (sender, events) = mpsc::channel();
        let takes = Arc::downgrade(&broker);
        std::thread::spawn(move || {
            loop {
                match wakes.recv_timeout(Duration::from_millis(50)) {
                    Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                let Some(broker) = takes.upgrade() else {
                    return;
                };
                while let Some(batch) = broker.take_events(1 << 20) {
                    split_events(&batch)
                        .into_iter()
                        .for_each(|event| drop(sender.send(event)));
                }
            }
        });
        let address = SocketAddr::from(([127, 0, 0, 1], bound[0].port));
        TestBroker {
            broker,
            address,
            events,
            dir: None,
        }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    pub fn metric(&self, name: &str) -> f64 {
        self.broker
            .metrics()
            .into_iter()
            .find(|(known, _)| known == name)
            .unwrap_or_else(|| panic!("no metric {name}"))
            .1
    }

    pub fn next_event(&self) -> Vec<u8> {
        self.events.recv_timeout(WAIT).expect("an event")
    }

    /// The next event of a kind; others are passed over.
    pub fn event_of(&self, kind: u8) -> Vec<u8> {
        loop {
            let event = self.next_event();
            if event[0] == kind {
                return event;
            }
        }
    }

    pub fn stop(&self) {
        self.broker.drain(Duration::from_secs(2));
        self.broker.close().expect("a clean close");
    }
}

fn split_events(batch: &[u8]) -> Vec<Vec<u8>> {
    let mut events = Vec::new();
    let mut rest = batch;
    while let Some((size, tail)) = rest.split_first_chunk::<4>() {
        let (event, tail) = tail.split_at(u32::from_le_bytes(*size) as usize);
        events.push(event.to_vec());
        rest = tail;
    }
    events
}

pub struct Client {
    pub stream: TcpStream,
    next_correlation_id: i32,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("the broker listens");
        stream.set_read_timeout(Some(WAIT)).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        Client {
            stream,
            next_correlation_id: 1,
        }
    }

    pub fn send_frame(&mut self, frame: &[u8]) {
        self.stream
            .write_all(&framed(frame))
            .expect("the broker reads");
    }

    pub fn read_frame(&mut self) -> Vec<u8> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).expect("an answer");
        let mut frame = vec![0; i32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut frame).expect("a whole answer");
        frame
    }

    /// True when the broker has closed the connection.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0; 1];
        match self.stream.read(&mut byte) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    /// Sends without waiting for the answer; returns the correlation id.
    pub fn send<R: Encodable + HeaderVersion>(
        &mut self,
        api_key: i16,
        version: i16,
        request: &R,
    ) -> i32 {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id += 1;
        self.send_frame(&request_frame(api_key, version, correlation_id, request));
        correlation_id
    }

    pub fn receive<A: Decodable + HeaderVersion>(&mut self, version: i16) -> (i32, A) {
        let frame = self.read_frame();
        let mut rest = &frame[..];
        let header = ResponseHeader::decode(&mut rest, A::header_version(version))
            .expect("a response header");
        let answer = A::decode(&mut rest, version).expect("a response of this version");
        assert!(rest.is_empty(), "nothing follows the response");
        (header.correlation_id, answer)
    }

    pub fn ask<R: Encodable + HeaderVersion, A: Decodable + HeaderVersion>(
        &mut self,
        api_key: i16,
        version: i16,
        request: &R,
    ) -> A {
        let correlation_id = self.send(api_key, version, request);
        let (answered, answer) = self.receive(version);
        assert_eq!(answered, correlation_id);
        answer
    }

    /// Produces one batch with acks=-1: (error code, base offset).
    pub fn produce(&mut self, partition: i32, batch: Vec<u8>) -> (i16, i64) {
        let answer: ProduceResponse = self.ask(
            0,
            9,
            &produce_request(9, -1, vec![(partition, Some(batch))]),
        );
        let answer = &answer.responses[0].partition_responses[0];
        (answer.error_code, answer.base_offset)
    }

    pub fn fetch(&mut self, version: i16, request: &FetchRequest) -> FetchResponse {
        self.ask(1, version, request)
    }

    pub fn list_offset(&mut self, partition: i32, timestamp: i64) -> (i16, i64, i64) {
        let asked = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_timestamp(timestamp)
            .with_current_leader_epoch(-1);
        let topic = ListOffsetsTopic::default()
            .with_name(name(TOPIC).into())
            .with_partitions(vec![asked]);
        let request = ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_topics(vec![topic]);
        let answer: ListOffsetsResponse = self.ask(2, 7, &request);
        let answer = &answer.topics[0].partitions[0];
        (answer.error_code, answer.timestamp, answer.offset)
    }
}

pub fn framed(frame: &[u8]) -> Vec<u8> {
    [&(frame.len() as i32).to_be_bytes()[..], frame].concat()
}

pub fn name(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

pub fn request_frame<R: Encodable + HeaderVersion>(
    api_key: i16,
    version: i16,
    correlation_id: i32,
    request: &R,
) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(api_key)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(name("test")));
    let mut frame = Vec::new();
    header
        .encode(&mut frame, R::header_version(version))
        .expect("a header");
    request.encode(&mut frame, version).expect("a request");
    frame
}

pub fn produce_request(
    version: i16,
    acks: i16,
    partitions: Vec<(i32, Option<Vec<u8>>)>,
) -> ProduceRequest {
    let data = partitions.into_iter().map(|(index, batch)| {
        PartitionProduceData::default()
            .with_index(index)
            .with_records(batch.map(Into::into))
    });
    let mut topic = TopicProduceData::default().with_partition_data(data.collect());
    if version >= 13 {
        topic = topic.with_topic_id(TOPIC_ID.to_vec().try_into().expect("16 bytes"));
    } else {
        topic = topic.with_name(name(TOPIC).into());
    }
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(5_000)
        .with_topic_data(vec![topic])
}

/// (partition, offset) pairs, without a session.
pub fn fetch_request(version: i16, partitions: &[(i32, i64)]) -> FetchRequest {
    let asked = partitions.iter().map(|&(partition, offset)| {
        FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20)
            .with_current_leader_epoch(-1)
    });
    let mut topic = FetchTopic::default().with_partitions(asked.collect());
    if version >= 13 {
        topic = topic.with_topic_id(TOPIC_ID.to_vec().try_into().expect("16 bytes"));
    } else {
        topic = topic.with_topic(name(TOPIC).into());
    }
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_session_epoch(-1)
        .with_topics(if partitions.is_empty() {
            vec![]
        } else {
            vec![topic]
        })
}

pub fn batch(values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for (index, value) in values.iter().enumerate() {
        builder.append(1_000 + index as i64, None, Some(value.as_bytes()), &[]);
    }
    builder.build()
}

pub fn idempotent_batch(producer_id: i64, sequence: i32, values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.producer(producer_id, 0, sequence);
    for value in values {
        builder.append(1_000, None, Some(value.as_bytes()), &[]);
    }
    builder.build()
}

/// (offset, value) of every record in fetched bytes.
pub fn values(bytes: &[u8]) -> Vec<(i64, String)> {
    let mut values = Vec::new();
    for item in BatchIter::new(bytes) {
        let (_, batch) = item.expect("whole batches");
        for record in &records(batch).expect("readable records") {
            let record = record.expect("a sound record");
            values.push((
                record.offset,
                String::from_utf8(record.value.expect("a value").to_vec()).expect("text"),
            ));
        }
    }
    values
}

/// What partition `partition` of a fetch answer brought.
pub fn fetched(answer: &FetchResponse, partition: i32) -> Vec<(i64, String)> {
    let found = answer
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions)
        .find(|answer| answer.partition_index == partition);
    values(
        found
            .expect("the partition was answered")
            .records
            .as_deref()
            .unwrap_or_default(),
    )
}
