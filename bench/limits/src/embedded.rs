//! Owns the bare loops under an embedded log: what memory and the file system let any library do with records of 1 KiB.

use std::fs::{self, OpenOptions};
use std::hint::black_box;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

const RECORD_BYTES: usize = 1024;
const WRITE_BYTES: usize = 1024 * 1024;
const RANDOM_READS: usize = 300_000;

/// Prints, for `bytes` of data: a record copied to memory that is dirty already, the file written in steps of 1 MiB, a byte of a random record
/// of the mapped file, the file read in steps of 1 MiB.
pub fn run(directory: &str, bytes: u64) -> io::Result<()> {
    let bytes = usize::try_from(bytes).expect("fits into memory") / WRITE_BYTES * WRITE_BYTES;
    let records = bytes / RECORD_BYTES;
    let record = [7_u8; RECORD_BYTES];
    let mut memory = vec![1_u8; bytes];
    let copy = time(|| {
        for place in memory.chunks_exact_mut(RECORD_BYTES) {
            place.copy_from_slice(black_box(&record));
        }
        black_box(&memory);
    });

    let path = Path::new(directory).join("limit");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)?;
    let mut failed = Ok(());
    let write = time(|| {
        for start in (0..bytes).step_by(WRITE_BYTES) {
            if let Err(error) = file.write_all_at(&memory[start..start + WRITE_BYTES], start as u64)
            {
                failed = Err(error);
            }
        }
    });
    failed?;

    let map = map(&file, bytes)?;
    let offsets: Vec<usize> = random(records).take(RANDOM_READS).collect();
    let touch = |offsets: &[usize]| {
        let mut sum = 0_usize;
        for &offset in offsets {
            // Each read waits for the one before it, as a program's that looks at what it reads.
            sum += usize::from(map[offset * RECORD_BYTES + (sum & 1)]);
        }
        black_box(sum);
    };
    touch(&offsets);
    let touched = time(|| touch(&offsets));

    let mut buffer = vec![0_u8; WRITE_BYTES];
    let mut failed = Ok(());
    let read = time(|| {
        for start in (0..bytes).step_by(WRITE_BYTES) {
            if let Err(error) = file.read_exact_at(&mut buffer, start as u64) {
                failed = Err(error);
            }
        }
        black_box(&buffer);
    });
    failed?;
    fs::remove_file(&path)?;
    println!(
        "{{\"appendNs\":{:.1},\"batchGB\":{:.3},\"readNs\":{:.1},\"scanGB\":{:.3}}}",
        copy / records as f64,
        bytes as f64 / write,
        touched / RANDOM_READS as f64,
        bytes as f64 / read,
    );
    Ok(())
}

/// Nanoseconds.
fn time(work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_nanos() as f64
}

fn random(below: usize) -> impl Iterator<Item = usize> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    })
}

fn map(file: &fs::File, bytes: usize) -> io::Result<&'static [u8]> {
    use rustix::mm::{MapFlags, ProtFlags, mmap};
    // SAFETY: a new map of a file that nobody cuts while this process lives.
    unsafe {
        let start = mmap(
            std::ptr::null_mut(),
            bytes,
            ProtFlags::READ,
            MapFlags::SHARED,
            file,
            0,
        )?;
        Ok(std::slice::from_raw_parts(start.cast::<u8>(), bytes))
    }
}
