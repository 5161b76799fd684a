//! Owns a Kafka consumer that throws everything away: Fetch v11 without a session, one partition per connection, record bytes never looked at
//! beyond the offset of the last batch. It shows what a broker can send when no client decodes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

const FETCH_KEY: i16 = 1;
const FETCH_VERSION: i16 = 11;
const MAX_BYTES: i32 = 1024 * 1024;
/// Size of what precedes the records in a Fetch v11 answer with one topic and one partition, topic name and aborted list apart.
const PARTITION_HEADER_BYTES: usize = 4 + 2 + 8 + 8 + 8;

/// `host:port topic partitions bytes readers`: reader r takes partition r modulo the count, wrapping to offset 0 at the end of the log.
pub fn run(
    address: &str,
    topic: &str,
    partitions: i32,
    bytes: u64,
    readers: u64,
) -> std::io::Result<()> {
    let started = Instant::now();
    let threads: Vec<_> = (0..readers)
        .map(|reader| {
            let (address, topic) = (address.to_owned(), topic.to_owned());
            std::thread::spawn(move || {
                read_partition(
                    &address,
                    &topic,
                    (reader % partitions as u64) as i32,
                    bytes / readers,
                )
            })
        })
        .collect();
    let mut total = 0;
    for thread in threads {
        total += thread.join().expect("a reader ends by itself")?;
    }
    println!(
        "{{\"bytes\":{total},\"seconds\":{:.6}}}",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

fn read_partition(address: &str, topic: &str, partition: i32, bytes: u64) -> std::io::Result<u64> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut reply = vec![0u8; 2 * MAX_BYTES as usize];
    let (mut taken, mut offset) = (0u64, 0i64);
    while taken < bytes {
        stream.write_all(&request(topic, partition, offset))?;
        let mut size = [0u8; 4];
        stream.read_exact(&mut size)?;
        let size = u32::from_be_bytes(size) as usize;
        if size > reply.len() {
            reply.resize(size, 0);
        }
        stream.read_exact(&mut reply[..size])?;
        match next_offset(&reply[..size], topic) {
            Some(next) => {
                taken += size as u64;
                offset = next;
            }
            None => {
                assert!(offset > 0, "partition {partition} of {topic} is empty");
                offset = 0;
            }
        }
    }
    Ok(taken)
}

fn request(topic: &str, partition: i32, offset: i64) -> Vec<u8> {
    let mut body = Vec::with_capacity(128);
    body.extend(FETCH_KEY.to_be_bytes());
    body.extend(FETCH_VERSION.to_be_bytes());
    body.extend(1i32.to_be_bytes()); // correlation id
    body.extend([0, 7]);
    body.extend(b"discard");
    body.extend((-1i32).to_be_bytes()); // replica id
    body.extend(0i32.to_be_bytes()); // max wait ms: the end of the log is answered at once, and reading starts over
    body.extend(1i32.to_be_bytes()); // min bytes
    body.extend((2 * MAX_BYTES).to_be_bytes());
    body.push(0); // read uncommitted
    body.extend(0i32.to_be_bytes()); // session id
    body.extend((-1i32).to_be_bytes()); // session epoch: none
    body.extend(1i32.to_be_bytes());
    body.extend((topic.len() as i16).to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend(1i32.to_be_bytes());
    body.extend(partition.to_be_bytes());
    body.extend((-1i32).to_be_bytes()); // current leader epoch
    body.extend(offset.to_be_bytes());
    body.extend((-1i64).to_be_bytes()); // log start offset
    body.extend(MAX_BYTES.to_be_bytes());
    body.extend(0i32.to_be_bytes()); // forgotten topics
    body.extend([0, 0]); // rack id
    let mut frame = (body.len() as i32).to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

/// Offset after the last whole batch of the answer; none when it carries no batch.
fn next_offset(reply: &[u8], topic: &str) -> Option<i64> {
    // correlation id, throttle, error, session id, topic count, name, partition count
    let mut at = 4 + 4 + 2 + 4 + 4 + 2 + topic.len() + 4;
    let error = i16::from_be_bytes([reply[at + 4], reply[at + 5]]);
    assert_eq!(error, 0, "the broker answered error {error}");
    at += PARTITION_HEADER_BYTES;
    let aborted = i32_at(reply, at).max(0) as usize;
    at += 4 + aborted * 16 + 4; // aborted list, preferred read replica
    let records = i32_at(reply, at).max(0) as usize;
    at += 4;
    let end = at + records;
    let mut next = None;
    while at + 61 <= end {
        let base = i64::from_be_bytes(reply[at..at + 8].try_into().expect("eight bytes"));
        let bytes = 12 + i32_at(reply, at + 8) as usize;
        if at + bytes > end {
            break;
        }
        next = Some(base + i64::from(i32_at(reply, at + 23)) + 1);
        at += bytes;
    }
    next
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
