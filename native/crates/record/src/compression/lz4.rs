//! Owns the LZ4 frame format, with the settings of Kafka's own client: independent 64 KiB blocks, no checksums.

use std::io::{self, Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{Compression, capped::read_capped};
use crate::error::BatchError;

pub(super) fn compress(src: &[u8], out: &mut Vec<u8>) {
    let info = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    encoder.write_all(src).expect("a Vec takes every write");
    encoder.finish().expect("a Vec takes every write");
}

pub(super) fn decompress(
    src: &[u8],
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), BatchError> {
    let frames = Frames(FrameDecoder::new(Source {
        rest: src,
        ran_dry: false,
    }));
    read_capped(Compression::Lz4, frames, max_bytes, out)
}

/// The bytes of the stream, and whether more were asked for than there are.
#[derive(Clone, Copy)]
struct Source<'a> {
    rest: &'a [u8],
    ran_dry: bool,
}

impl Read for Source<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.ran_dry |= buf.len() > self.rest.len();
        self.rest.read(buf)
    }
}

/// Reads every frame of the stream. The decoder alone takes a stream cut between blocks for a finished one, and stops at the end of
/// the first frame. Each frame gets a decoder of its own: they do not expect a second frame with smaller blocks.
struct Frames<'a>(FrameDecoder<Source<'a>>);

impl Read for Frames<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.0.read(buf)?;
            if count > 0 {
                return Ok(count);
            }
            let Source { rest, ran_dry } = *self.0.get_ref();
            if ran_dry {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if rest.is_empty() {
                return Ok(0);
            }
            self.0 = FrameDecoder::new(Source { rest, ran_dry });
        }
    }
}
