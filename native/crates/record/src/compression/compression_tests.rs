//! Each codec against itself, its cap, and the odd framings that clients send.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn compressed(codec: Compression, src: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    compress(codec, None, src, &mut out);
    out
}

fn decompressed(codec: Compression, src: &[u8], max_bytes: usize) -> Result<Vec<u8>, BatchError> {
    let mut out = Vec::new();
    decompress(codec, src, max_bytes, &mut out).map(|()| out)
}

proptest! {
    #[test]
    fn what_is_compressed_comes_back(src in vec(prop_oneof![Just(b'a'), any::<u8>()], 0..5_000), level in -5..30i32) {
        for codec in Compression::ALL {
            let mut packed = b"before".to_vec();
            compress(codec, Some(level), &src, &mut packed);
            prop_assert_eq!(&packed[..6], b"before");
            prop_assert_eq!(decompressed(codec, &packed[6..], src.len()), Ok(src.clone()));
            if !src.is_empty() {
                let limit_bytes = src.len() - 1;
                let expected = Err(BatchError::DecompressedTooLarge { limit_bytes });
                prop_assert_eq!(decompressed(codec, &packed[6..], limit_bytes), expected);
            }
        }
    }

    #[test]
    fn noise_never_panics_nor_passes_the_cap(src in vec(any::<u8>(), 0..400), max_bytes in 0..2_000usize) {
        for codec in Compression::ALL {
            if let Ok(out) = decompressed(codec, &src, max_bytes) {
                prop_assert!(out.len() <= max_bytes);
            }
        }
    }
}

/// Larger than every codec's block: snappy 32 KiB, lz4 64 KiB, zstd 128 KiB.
fn several_blocks() -> Vec<u8> {
    (0..400_000u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 27) as u8)
        .collect()
}

#[test]
fn several_blocks_come_back() {
    let src = several_blocks();
    for codec in Compression::ALL {
        let packed = compressed(codec, &src);
        assert!(packed.len() < src.len());
        assert!(
            decompressed(codec, &packed, src.len()) == Ok(src.clone()),
            "{codec:?}"
        );
    }
}

#[test]
fn a_cut_stream_is_an_error() {
    let src = several_blocks();
    for codec in Compression::ALL {
        let packed = compressed(codec, &src);
        for len in [packed.len() / 3, packed.len() - 1] {
            let result = decompressed(codec, &packed[..len], src.len());
            assert!(
                result == Err(BatchError::Decompression { codec }),
                "{codec:?} cut at {len}"
            );
        }
    }
}

#[test]
fn raw_snappy_is_read_without_its_frame() {
    let src = b"raw raw raw raw raw snappy from a client that does not frame";
    let raw = snap::raw::Encoder::new().compress_vec(src).unwrap();
    assert_eq!(
        decompressed(Compression::Snappy, &raw, 100).as_deref(),
        Ok(&src[..])
    );
    assert_eq!(
        decompressed(Compression::Snappy, &raw, 10),
        Err(BatchError::DecompressedTooLarge { limit_bytes: 10 })
    );
}

#[test]
fn a_second_xerial_stream_is_read_behind_the_first() {
    let joined = [
        compressed(Compression::Snappy, b"one "),
        compressed(Compression::Snappy, b"two"),
    ]
    .concat();
    assert_eq!(
        decompressed(Compression::Snappy, &joined, 100).as_deref(),
        Ok(&b"one two"[..])
    );
}

#[test]
fn a_second_frame_is_read_behind_the_first() {
    for codec in [Compression::Gzip, Compression::Lz4, Compression::Zstd] {
        let joined = [compressed(codec, b"one "), compressed(codec, b"two")].concat();
        assert_eq!(
            decompressed(codec, &joined, 100).as_deref(),
            Ok(&b"one two"[..]),
            "{codec:?}"
        );
    }
}

#[test]
fn a_snappy_block_that_claims_gigabytes_is_refused_before_memory_is_taken() {
    // Preamble of a raw block: 2^32 - 1 bytes uncompressed.
    let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0];
    let error = decompressed(Compression::Snappy, &claim, usize::MAX).unwrap_err();
    assert_eq!(
        error,
        BatchError::Decompression {
            codec: Compression::Snappy
        }
    );
}

#[test]
fn a_zstd_window_over_the_cap_is_refused() {
    // Frame header: magic, descriptor without content size, window 2^31.
    let frame = [
        0x28,
        0xb5,
        0x2f,
        0xfd,
        0x00,
        (31 - 10) << 3,
        0x01,
        0x00,
        0x00,
    ];
    let error = decompressed(Compression::Zstd, &frame, 1_000).unwrap_err();
    assert_eq!(
        error,
        BatchError::Decompression {
            codec: Compression::Zstd
        }
    );
}
