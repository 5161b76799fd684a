//! Owns the least that creating partitions and recovering a segment can cost: directories that are there after a power cut, and the checksum of
//! a file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

const WINDOW_BYTES: usize = 1024 * 1024;

/// Makes `count` directories in `parent` and syncs the parent once.
pub fn make_directories(parent: &str, count: u64) -> std::io::Result<()> {
    std::fs::create_dir_all(parent)?;
    let started = Instant::now();
    for number in 0..count {
        std::fs::create_dir(Path::new(parent).join(format!("many-{number}")))?;
    }
    File::open(parent)?.sync_all()?;
    println!("{{\"seconds\":{:.6}}}", started.elapsed().as_secs_f64());
    Ok(())
}

/// Reads a file a window at a time and computes its CRC-32C.
pub fn scan(path: &str) -> std::io::Result<()> {
    let file = File::open(path)?;
    let mut window = vec![0; WINDOW_BYTES];
    let started = Instant::now();
    let (mut position, mut crcs) = (0u64, 0u64);
    loop {
        let read = file.read_at(&mut window, position)?;
        if read == 0 {
            break;
        }
        crcs ^= crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &window[..read]);
        position += read as u64;
    }
    println!(
        "{{\"bytes\":{position},\"crcs\":{crcs},\"seconds\":{:.6}}}",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}
