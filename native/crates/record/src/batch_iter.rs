//! Owns the walk over batches that lie one behind the other, as in a segment or a Fetch answer. Checks lengths and magic, not
//! checksums. Invariant: after an error, or the end, it yields nothing more.

use crate::error::BatchError;
use crate::header::BatchHeader;

/// Walks the batches of `bytes`. The end of a range that was cut in the middle of a batch shows as `BatchError::Incomplete`.
#[derive(Clone, Debug)]
pub struct BatchIter<'a> {
    bytes: &'a [u8],
    position: usize,
    done: bool,
}

impl<'a> BatchIter<'a> {
    pub fn new(bytes: &'a [u8]) -> BatchIter<'a> {
        BatchIter {
            bytes,
            position: 0,
            done: false,
        }
    }

    /// Where the next batch begins; after an error, where the bad one does.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl<'a> Iterator for BatchIter<'a> {
    type Item = Result<(BatchHeader, &'a [u8]), BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.bytes[self.position..];
        if self.done || rest.is_empty() {
            return None;
        }
        let parsed =
            BatchHeader::parse(rest).and_then(|header| match rest.get(..header.size_bytes()) {
                Some(batch) => Ok((header, batch)),
                None => Err(BatchError::Incomplete {
                    needed_bytes: header.size_bytes(),
                    present_bytes: rest.len(),
                }),
            });
        match &parsed {
            Ok((_, batch)) => self.position += batch.len(),
            Err(_) => self.done = true,
        }
        Some(parsed)
    }
}

impl std::iter::FusedIterator for BatchIter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BatchBuilder;

    fn batch(base_offset: i64) -> Vec<u8> {
        let mut builder = BatchBuilder::new();
        builder
            .base_offset(base_offset)
            .append(1, None, Some(b"value"), &[]);
        builder.build()
    }

    #[test]
    fn yields_every_batch_and_stops_at_the_cut_one() {
        let whole = [batch(0), batch(1), batch(2)].concat();
        let one = whole.len() / 3;
        for len in 0..=whole.len() {
            let mut iter = BatchIter::new(&whole[..len]);
            let offsets: Vec<i64> = iter
                .by_ref()
                .map_while(Result::ok)
                .map(|(header, _)| header.base_offset)
                .collect();
            assert_eq!(offsets, (0..(len / one) as i64).collect::<Vec<_>>());
            assert_eq!(iter.position(), len / one * one);
            assert!(iter.next().is_none());
        }
    }
}
