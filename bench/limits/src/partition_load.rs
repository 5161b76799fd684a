//! Owns two loads that no public tool offers: one small record after the other to one of many partitions in turn, each timed from writing the
//! request to reading its answer; and connections that ask for ApiVersions once and then say nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const PRODUCE_KEY: i16 = 0;
const PRODUCE_VERSION: i16 = 7;
const API_VERSIONS_KEY: i16 = 18;
const RECORD_BYTES: usize = 100;
const TIMEOUT_MS: i32 = 30_000;

/// Codes a broker answers while a partition it was told of is not there yet: UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE,
/// NOT_LEADER_OR_FOLLOWER.
const NOT_YET: [i16; 3] = [3, 5, 6];
const NOT_YET_PAUSE: Duration = Duration::from_millis(2);

/// `host:port prefix topics partitions acks count`: partitions of `prefix-0` ..., each `partitions` wide, in turn. Prints what `count` took,
/// and how often a partition was not there yet.
pub fn round_robin(
    address: &str,
    prefix: &str,
    topics: u64,
    partitions: u64,
    acks: i16,
    count: u64,
) -> std::io::Result<()> {
    let mut stream = connect(address)?;
    let mut reply = Vec::new();
    let mut micros: Vec<u64> = Vec::with_capacity(count as usize);
    let mut not_yet = 0;
    let batch = record_batch();
    let begun = Instant::now();
    for turn in 0..count {
        let at = turn % (topics * partitions);
        let topic = format!("{prefix}-{}", at / partitions);
        let request = produce_request(&topic, (at % partitions) as i32, acks, &batch);
        loop {
            let started = Instant::now();
            stream.write_all(&request)?;
            read_reply(&mut stream, &mut reply)?;
            let took = started.elapsed();
            // correlation id, topic count, name, partition count, partition
            let code = 4 + 4 + 2 + topic.len() + 4 + 4;
            let code = i16::from_be_bytes([reply[code], reply[code + 1]]);
            if code == 0 {
                micros.push(took.as_nanos() as u64);
                break;
            }
            assert!(
                NOT_YET.contains(&code),
                "partition {at}: the broker answered error {code}"
            );
            not_yet += 1;
            std::thread::sleep(NOT_YET_PAUSE);
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    micros.sort_unstable();
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
    println!(
        "{{\"p50Us\":{:.1},\"p99Us\":{:.1},\"p999Us\":{:.1},\"seconds\":{seconds:.6},\"notYet\":{not_yet}}}",
        at(0.5),
        at(0.99),
        at(0.999)
    );
    Ok(())
}

/// `host:port count`: prints `ready` once every connection has its answer, and holds them until standard input closes.
pub fn idle_connections(address: &str, count: u64) -> std::io::Result<()> {
    let mut request = request_header(API_VERSIONS_KEY, 0);
    frame(&mut request);
    let mut streams = Vec::with_capacity(count as usize);
    let mut reply = Vec::new();
    for _ in 0..count {
        let mut stream = connect(address)?;
        stream.write_all(&request)?;
        read_reply(&mut stream, &mut reply)?;
        streams.push(stream);
    }
    println!("ready");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

fn connect(address: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn read_reply(stream: &mut TcpStream, reply: &mut Vec<u8>) -> std::io::Result<()> {
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    reply.resize(u32::from_be_bytes(size) as usize, 0);
    stream.read_exact(reply)
}

fn request_header(key: i16, version: i16) -> Vec<u8> {
    let mut request = vec![0; 4];
    request.extend(key.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend(1i32.to_be_bytes()); // correlation id
    string(&mut request, "partition-load");
    request
}

fn frame(request: &mut [u8]) {
    let size = (request.len() - 4) as i32;
    request[..4].copy_from_slice(&size.to_be_bytes());
}

fn string(into: &mut Vec<u8>, text: &str) {
    into.extend((text.len() as i16).to_be_bytes());
    into.extend(text.as_bytes());
}

fn produce_request(topic: &str, partition: i32, acks: i16, batch: &[u8]) -> Vec<u8> {
    let mut request = request_header(PRODUCE_KEY, PRODUCE_VERSION);
    request.extend((-1i16).to_be_bytes()); // transactional id: none
    request.extend(acks.to_be_bytes());
    request.extend(TIMEOUT_MS.to_be_bytes());
    request.extend(1i32.to_be_bytes());
    string(&mut request, topic);
    request.extend(1i32.to_be_bytes());
    request.extend(partition.to_be_bytes());
    request.extend((batch.len() as i32).to_be_bytes());
    request.extend(batch);
    frame(&mut request);
    request
}

/// One batch (magic 2) with one record without a key.
fn record_batch() -> Vec<u8> {
    let value = [b'x'; RECORD_BYTES];
    let mut record = record_head(value.len());
    record.extend(value);
    record.push(0); // headers
    batch_header(&record, 0)
}

/// A record without a key up to its value. The value and the count of headers follow.
pub(crate) fn record_head(value_bytes: usize) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1]; // attributes, timestamp delta, offset delta, key length -1
    varint(&mut body, value_bytes as u64 * 2);
    let mut record = Vec::new();
    varint(&mut record, (body.len() + value_bytes + 1) as u64 * 2);
    record.extend(body);
    record
}

/// A batch of one record, of which `record` is given and `zeros` bytes are to follow.
pub(crate) fn batch_header(record: &[u8], zeros: usize) -> Vec<u8> {
    let now_ms = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64);
    let mut rest = Vec::new(); // what the checksum covers
    rest.extend(0i16.to_be_bytes()); // attributes
    rest.extend(0i32.to_be_bytes()); // last offset delta
    rest.extend(now_ms.to_be_bytes());
    rest.extend(now_ms.to_be_bytes());
    rest.extend((-1i64).to_be_bytes()); // producer id
    rest.extend((-1i16).to_be_bytes());
    rest.extend((-1i32).to_be_bytes());
    rest.extend(1i32.to_be_bytes());
    rest.extend(record);
    let known = rest.len();
    rest.resize(known + zeros, 0);
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &rest) as u32;
    let mut batch = Vec::new();
    batch.extend(0i64.to_be_bytes());
    batch.extend(((4 + 1 + 4 + rest.len()) as i32).to_be_bytes());
    batch.extend((-1i32).to_be_bytes()); // partition leader epoch
    batch.push(2);
    batch.extend(crc.to_be_bytes());
    batch.extend(&rest[..known]);
    batch
}

fn varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}
