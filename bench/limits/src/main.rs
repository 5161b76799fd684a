//! Owns the bare loops beside which a broker's cost is read. Never parses a protocol beyond what discarding needs.
//!
//! Servers (measured): `produce PORT DIR` receives, checks a CRC and writes; `fetch PORT FILE` sends a file with sendfile; `echo PORT` answers 64 bytes.
//! Loads (not measured): `send PORT BYTES CONNECTIONS`, `drain PORT BYTES CONNECTIONS`, `ping PORT COUNT`, `fetch-discard` (see fetch_discard.rs),
//! `round-robin`, `idle-connections` (see partition_load.rs).
//! `sync PATH COUNT BYTES RATE` writes and waits for the disk; `embedded DIR BYTES` times the loops under an embedded log (see embedded.rs);
//! `touch BYTES` prepares memory before a run; `make-directories` and `scan` are limits (see disk_limits.rs), `segments` makes data (segments.rs).
//! A server prints `ready` when it listens and runs until its standard input closes.

mod disk_limits;
mod embedded;
mod fetch_discard;
mod partition_load;
mod segments;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// One Kafka batch of the produce rows: `batch.size` of the clients.
const CHUNK_BYTES: usize = 256 * 1024;
/// One reply of the fetch rows: `fetch.message.max.bytes` of librdkafka, `max.partition.fetch.bytes` of the Java client.
const REPLY_BYTES: usize = 1024 * 1024;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let text = |at: usize| arguments.get(at).map(String::as_str).unwrap_or_default();
    let number = |at: usize| {
        text(at)
            .parse::<u64>()
            .unwrap_or_else(|_| panic!("argument {at} is a number"))
    };
    match text(1) {
        "produce" => produce(number(2) as u16, text(3)),
        "fetch" => fetch(number(2) as u16, text(3)),
        "echo" => echo(number(2) as u16),
        "send" => load(number(2) as u16, number(3), number(4), send_one),
        "drain" => load(number(2) as u16, number(3), number(4), drain_one),
        "ping" => ping(number(2) as u16, number(3)),
        "sync" => sync(text(2), number(3), number(4), number(5)),
        "touch" => touch(number(2)),
        "embedded" => embedded::run(text(2), number(3)),
        "fetch-discard" => {
            fetch_discard::run(text(2), text(3), number(4) as i32, number(5), number(6))
        }
        "round-robin" => partition_load::round_robin(
            text(2),
            text(3),
            number(4),
            number(5),
            text(6).parse().expect("argument 6 is -1, 0 or 1"),
            number(7),
        ),
        "idle-connections" => partition_load::idle_connections(text(2), number(3)),
        "make-directories" => disk_limits::make_directories(text(2), number(3)),
        "scan" => disk_limits::scan(text(2)),
        "segments" => segments::write(text(2), number(3), number(4)),
        other => panic!("unknown loop '{other}'"),
    }
}

fn serve(
    port: u16,
    each: impl Fn(TcpStream, usize) + Send + Sync + Clone + 'static,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("ready");
    std::thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate() {
            let each = each.clone();
            match stream {
                Ok(stream) => drop(std::thread::spawn(move || each(stream, index))),
                Err(error) => eprintln!("accept: {error}"),
            }
        }
    });
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

fn produce(port: u16, directory: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let directory = directory.to_owned();
    serve(port, move |mut stream, index| {
        let name = format!("{directory}/{}-{index}.log", std::process::id());
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .open(name)
            .expect("the limit's own file opens");
        let mut chunk = vec![0u8; CHUNK_BYTES];
        let mut position = 0u64;
        let mut crcs = 0u64;
        while stream.read_exact(&mut chunk).is_ok() {
            crcs ^= crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &chunk);
            file.write_all_at(&chunk, position)
                .expect("the limit's own write succeeds");
            position += chunk.len() as u64;
            // An answer per batch, as a broker gives one.
            if stream.write_all(&crcs.to_le_bytes()).is_err() {
                break;
            }
        }
    })
}

fn fetch(port: u16, path: &str) -> std::io::Result<()> {
    let path = path.to_owned();
    serve(port, move |mut stream, _| {
        let file = File::open(&path).expect("the file to send exists");
        let length = file.metadata().expect("its length is known").len();
        let mut request = [0u8; 64];
        let mut position = 0u64;
        // One small request for each reply, as a consumer sends.
        while stream.read_exact(&mut request).is_ok() {
            if position + REPLY_BYTES as u64 > length {
                position = 0;
            }
            let end = position + REPLY_BYTES as u64;
            while position < end {
                let left = (end - position) as usize;
                match rustix::fs::sendfile(&stream, &file, Some(&mut position), left) {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
            }
        }
    })
}

fn echo(port: u16) -> std::io::Result<()> {
    serve(port, |mut stream, _| {
        stream.set_nodelay(true).expect("TCP_NODELAY is settable");
        let mut buffer = [0u8; 64];
        while stream.read_exact(&mut buffer).is_ok() && stream.write_all(&buffer).is_ok() {}
    })
}

/// Writes to so much fresh memory and gives it back: free pages that this machine's host has behind them, for whoever runs next.
/// Appends `bytes` and waits for the disk, over and over, in a file whose space was written before: no length changes, nothing is journalled.
/// At `rate` times a second (open loop, the wait for a late one counts), or one after the other when it is 0.
fn sync(path: &str, count: u64, bytes: u64, rate: u64) -> std::io::Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(path)?;
    file.write_all_at(&vec![0; (count * bytes) as usize], 0)?;
    file.sync_all()?;
    let record = vec![7; bytes as usize];
    let mut micros = Vec::with_capacity(count as usize);
    let begun = Instant::now();
    for index in 0..count {
        let due =
            begun + Duration::from_nanos((index * 1_000_000_000).checked_div(rate).unwrap_or(0));
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let started = if rate == 0 { Instant::now() } else { due };
        file.write_all_at(&record, index * bytes)?;
        file.sync_data()?;
        micros.push(started.elapsed().as_nanos() as f64 / 1e3);
    }
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize];
    let seconds = micros.iter().sum::<f64>() / 1e6;
    println!(
        r#"{{"p50Us":{:.1},"p99Us":{:.1},"p999Us":{:.1},"recordsPerSecond":{:.0}}}"#,
        at(0.5),
        at(0.99),
        at(0.999),
        count as f64 / seconds
    );
    std::fs::remove_file(path)
}

fn touch(bytes: u64) -> std::io::Result<()> {
    let mut memory = vec![0u8; bytes as usize];
    for at in (0..memory.len()).step_by(4096) {
        memory[at] = 1;
    }
    println!(
        "{{\"bytes\":{},\"touched\":{}}}",
        memory.len(),
        memory[memory.len() / 2]
    );
    Ok(())
}

fn load(port: u16, bytes: u64, connections: u64, one: fn(TcpStream, u64)) -> std::io::Result<()> {
    let started = Instant::now();
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            let stream = TcpStream::connect(("127.0.0.1", port)).expect("the loop listens");
            stream.set_nodelay(true).expect("TCP_NODELAY is settable");
            std::thread::spawn(move || one(stream, bytes / connections))
        })
        .collect();
    for thread in threads {
        thread.join().expect("a load thread ends by itself");
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{{\"bytes\":{bytes},\"seconds\":{seconds:.6}}}");
    Ok(())
}

fn send_one(mut stream: TcpStream, bytes: u64) {
    let chunk: Vec<u8> = (0..CHUNK_BYTES).map(|at| (at % 251) as u8).collect();
    let chunks = bytes / CHUNK_BYTES as u64;
    let mut answers = stream.try_clone().expect("a socket can be shared");
    let reader = std::thread::spawn(move || {
        let mut answer = [0u8; 8];
        for _ in 0..chunks {
            answers
                .read_exact(&mut answer)
                .expect("each chunk is answered");
        }
    });
    for _ in 0..chunks {
        stream.write_all(&chunk).expect("the loop reads");
    }
    reader.join().expect("the reader ends with the last answer");
}

fn drain_one(mut stream: TcpStream, bytes: u64) {
    let mut buffer = vec![0u8; REPLY_BYTES];
    for _ in 0..bytes / REPLY_BYTES as u64 {
        stream
            .write_all(&[0u8; 64])
            .expect("the loop reads requests");
        stream.read_exact(&mut buffer).expect("the loop answers");
    }
}

fn ping(port: u16, count: u64) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let mut buffer = [0u8; 64];
    let mut micros: Vec<u64> = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let started = Instant::now();
        stream.write_all(&buffer)?;
        stream.read_exact(&mut buffer)?;
        micros.push(started.elapsed().as_nanos() as u64);
    }
    micros.sort_unstable();
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
    println!(
        "{{\"p50Us\":{:.1},\"p99Us\":{:.1},\"p999Us\":{:.1}}}",
        at(0.5),
        at(0.99),
        at(0.999)
    );
    Ok(())
}
