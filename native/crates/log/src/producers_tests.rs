use super::producer::WINDOW_BATCHES;
use super::*;
use millrace_record::NO_SEQUENCE;
use proptest::prelude::*;

fn append(
    producer_id: i64,
    epoch: i16,
    base_sequence: i32,
    count: i32,
    base_offset: i64,
) -> ProducerAppend {
    ProducerAppend {
        producer_id,
        producer_epoch: epoch,
        base_sequence,
        last_sequence: sequence_after(base_sequence, count - 1),
        base_offset,
        last_offset: base_offset + i64::from(count) - 1,
        timestamp: 1000 + base_offset,
        is_transactional: false,
    }
}

fn window() -> Producers {
    Producers::new(100, 1000)
}

#[test]
fn a_resent_batch_is_answered_with_its_first_offset() {
    let mut window = window();
    for step in 0..5 {
        assert_eq!(
            window.admit(&append(7, 0, step * 10, 10, i64::from(step) * 10), 0),
            Ok(Admission::Append)
        );
    }
    let duplicate = window.admit(&append(7, 0, 0, 10, 50), 0);
    assert_eq!(
        duplicate,
        Ok(Admission::Duplicate {
            base_offset: 0,
            last_offset: 9,
            timestamp: 1000
        })
    );
}

#[test]
fn a_duplicate_older_than_five_batches_has_no_offset_left() {
    let mut window = window();
    for step in 0..6 {
        window
            .admit(&append(7, 0, step * 10, 10, i64::from(step) * 10), 0)
            .expect("in order");
    }
    assert_eq!(
        window.admit(&append(7, 0, 0, 10, 60), 0),
        Err(ProducerError::BeforeWindow { last_sequence: 59 })
    );
}

#[test]
fn a_gap_is_refused_and_leaves_the_window_as_it_was() {
    let mut window = window();
    window
        .admit(&append(7, 0, 0, 10, 0), 0)
        .expect("first batch");
    assert_eq!(
        window.admit(&append(7, 0, 11, 1, 10), 0),
        Err(ProducerError::OutOfOrder { last_sequence: 9 })
    );
    // Half overlapping the last batch is no duplicate either.
    assert_eq!(
        window.admit(&append(7, 0, 5, 10, 10), 0),
        Err(ProducerError::OutOfOrder { last_sequence: 9 })
    );
    assert_eq!(
        window.admit(&append(7, 0, 10, 1, 10), 0),
        Ok(Admission::Append)
    );
}

#[test]
fn sequences_wrap_to_zero() {
    let mut window = window();
    window
        .admit(&append(7, 0, i32::MAX - 4, 5, 0), 0)
        .expect("unknown producer may start anywhere");
    assert_eq!(
        window.admit(&append(7, 0, 0, 5, 5), 0),
        Ok(Admission::Append)
    );
    let across = append(8, 0, i32::MAX - 1, 4, 10);
    assert_eq!(across.last_sequence, 1);
    window
        .admit(&across, 0)
        .expect("unknown producer may start anywhere");
    assert_eq!(
        window.admit(&append(8, 0, i32::MAX - 1, 4, 14), 0),
        Ok(Admission::Duplicate {
            base_offset: 10,
            last_offset: 13,
            timestamp: 1010
        })
    );
    assert_eq!(
        window.admit(&append(8, 0, 2, 1, 14), 0),
        Ok(Admission::Append)
    );
}

#[test]
fn epochs_fence_and_restart_at_zero() {
    let mut window = window();
    window
        .admit(&append(7, 3, 0, 2, 0), 0)
        .expect("first batch");
    assert_eq!(
        window.admit(&append(7, 2, 2, 1, 2), 0),
        Err(ProducerError::StaleEpoch { current: 3 })
    );
    assert_eq!(
        window.admit(&append(7, 4, 2, 1, 2), 0),
        Err(ProducerError::OutOfOrder { last_sequence: 1 })
    );
    assert_eq!(
        window.admit(&append(7, 4, 0, 1, 2), 0),
        Ok(Admission::Append)
    );
    // What the old epoch wrote is no duplicate for the new one.
    assert_eq!(
        window.admit(&append(7, 4, 0, 2, 3), 0),
        Err(ProducerError::OutOfOrder { last_sequence: 0 })
    );
}

#[test]
fn what_is_not_written_leaves_no_trace() {
    let mut producers = window();
    producers.apply_batch(&append(7, 0, 0, 1, 0), 0);
    producers.begin();
    producers
        .admit(&append(7, 0, 1, 1, 1), 0)
        .expect("in order");
    producers
        .admit(&append(7, 0, 2, 1, 2), 0)
        .expect("in order");
    producers
        .admit(&append(9, 0, 0, 1, 3), 0)
        .expect("new producer");
    producers.begin();
    assert_eq!(producers.len(), 1);
    assert_eq!(
        producers.admit(&append(7, 0, 1, 1, 1), 0),
        Ok(Admission::Append)
    );
}

fn ids(producers: &Producers) -> Vec<i64> {
    producers.entries().map(|entry| entry.producer_id).collect()
}

#[test]
fn the_longest_silent_producer_makes_room_and_silence_expires() {
    let mut producers = Producers::new(2, 1000);
    producers.apply_batch(&append(1, 0, 0, 1, 0), 10);
    producers.apply_batch(&append(2, 0, 0, 1, 1), 20);
    producers.apply_batch(&append(1, 0, 1, 1, 2), 30);
    producers.apply_batch(&append(3, 0, 0, 1, 3), 40);
    assert_eq!(ids(&producers), [1, 3]);
    assert_eq!(producers.expire(1029), 0);
    assert_eq!(producers.expire(1030), 1);
    assert_eq!(ids(&producers), [3]);
    assert_eq!(producers.expire(10_000), 1);
    assert!(producers.is_empty());
}

#[test]
fn a_snapshot_and_the_log_behind_it_give_back_the_state() {
    let mut first = window();
    first.apply_batch(&append(7, 1, 0, 3, 0), 0);
    let entries = first.entries().collect::<Vec<_>>();
    let mut second = window();
    entries.iter().for_each(|entry| second.restore(entry, 0));
    second.apply_batch(&append(7, 1, 3, 2, 3), 0);
    assert_eq!(
        second.admit(&append(7, 1, 0, 3, 5), 0),
        Ok(Admission::Duplicate {
            base_offset: 0,
            last_offset: 2,
            timestamp: 1000
        })
    );
    assert_eq!(
        second.admit(&append(7, 1, 5, 1, 5), 0),
        Ok(Admission::Append)
    );
    second.begin();
    // Foreign writers leave odd batches behind: what lies in the log is taken as it is.
    second.apply_batch(&append(7, 1, 0, 1, 6), 0);
    assert_eq!(
        second.admit(&append(7, 1, 1, 1, 7), 0),
        Ok(Admission::Append)
    );
}

fn in_transaction(producer_id: i64, base_sequence: i32, base_offset: i64) -> ProducerAppend {
    ProducerAppend {
        is_transactional: true,
        ..append(producer_id, 0, base_sequence, 1, base_offset)
    }
}

fn marker_at(producer_id: i64, producer_epoch: i16, offset: i64) -> BatchHeader {
    let mut builder = millrace_record::BatchBuilder::new();
    builder
        .base_offset(offset)
        .producer(producer_id, producer_epoch, NO_SEQUENCE)
        .transactional()
        .control()
        .append(5_000, Some(b"key"), Some(b"value"), &[]);
    BatchHeader::parse(&builder.build()).expect("a batch")
}

const ABORT: Option<TransactionMarker> = Some(TransactionMarker {
    is_commit: false,
    coordinator_epoch: 4,
});

#[test]
fn a_producer_with_an_open_transaction_is_neither_expired_nor_pushed_out() {
    let mut producers = Producers::new(2, 1000);
    producers.apply_batch(&in_transaction(1, 0, 0), 10);
    for id in 2..6 {
        producers.apply_batch(&append(id, 0, 0, 1, id), 20);
    }
    assert_eq!(ids(&producers), [4, 5, 1]);
    assert_eq!(producers.expire(100_000), 2);
    assert_eq!(ids(&producers), [1]);
    assert_eq!(producers.first_open_offset(), Some(0));
    assert_eq!(
        producers.admit(&append(1, 0, 1, 1, 9), 100_000),
        Err(ProducerError::OutsideTransaction)
    );
    producers.begin();
    let completed = producers.apply(&marker_at(1, 0, 9), ABORT, 100_000);
    assert_eq!(
        completed,
        Some(CompletedTransaction {
            producer_id: 1,
            first_offset: 0,
            last_offset: 9,
            is_aborted: true,
            last_stable_offset: 10,
        })
    );
    assert_eq!(producers.first_open_offset(), None);
    let entry = producers.entries().next().expect("still known");
    assert_eq!(
        (
            entry.coordinator_epoch,
            entry.current_txn_first_offset,
            entry.timestamp
        ),
        (4, -1, 5_000)
    );
    assert_eq!(producers.expire(101_000), 1);
}

#[test]
fn a_marker_of_a_newer_epoch_starts_the_sequence_again() {
    let mut producers = window();
    producers.apply_batch(&in_transaction(1, 0, 0), 0);
    producers.apply(&marker_at(1, 1, 1), ABORT, 0);
    let entry = producers.entries().next().expect("known");
    assert_eq!(
        (entry.producer_epoch, entry.last_sequence, entry.last_offset),
        (1, -1, -1)
    );
    // And so it comes back from a snapshot.
    let mut again = window();
    again.restore(&entry, 0);
    assert_eq!(again.entries().next(), Some(entry));
    let next = ProducerAppend {
        producer_epoch: 1,
        ..in_transaction(1, 0, 2)
    };
    assert_eq!(again.admit(&next, 0), Ok(Admission::Append));
}

proptest! {
    /// Whatever a producer resends, in whatever order, the log holds each of its batches once and in order.
    #[test]
    fn resends_never_duplicate_or_reorder(choices in proptest::collection::vec((0u8..8, 1i32..4, any::<bool>()), 1..80)) {
        let mut window = window();
        let mut log: Vec<(i32, i32, i64)> = Vec::new();
        let (mut next_sequence, mut log_end) = (i32::MAX - 20, 0i64);
        for (back, count, fails) in choices {
            let resend = log.len().checked_sub(usize::from(back) + 1).filter(|_| back < 6).map(|index| log[index]);
            let (base_sequence, count) = resend.map_or((next_sequence, count), |(sequence, count, _)| (sequence, count));
            window.begin();
            let batch = append(1, 0, base_sequence, count, log_end);
            match window.admit(&batch, 0) {
                Ok(Admission::Append) if fails => {}
                Ok(Admission::Append) => {
                    window.apply_batch(&batch, 0);
                    prop_assert_eq!(base_sequence, next_sequence);
                    log.push((base_sequence, count, log_end));
                    next_sequence = sequence_after(base_sequence, count);
                    log_end += i64::from(count);
                }
                Ok(Admission::Duplicate { base_offset, .. }) => {
                    prop_assert!(log.contains(&(base_sequence, count, base_offset)));
                }
                Err(error) => {
                    let is_before_window = matches!(error, ProducerError::BeforeWindow { .. });
                    prop_assert!(is_before_window && usize::from(back) >= WINDOW_BATCHES);
                }
            }
        }
    }
}
