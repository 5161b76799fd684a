use super::*;
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
    }
}

fn window() -> ProducerWindow {
    ProducerWindow::new(100, 1000)
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
fn a_failed_write_is_taken_back() {
    let mut window = window();
    window
        .admit(&append(7, 0, 0, 1, 0), 0)
        .expect("first batch");
    window.begin();
    window.admit(&append(7, 0, 1, 1, 1), 0).expect("in order");
    window.admit(&append(7, 0, 2, 1, 2), 0).expect("in order");
    window
        .admit(&append(9, 0, 0, 1, 3), 0)
        .expect("new producer");
    window.rollback();
    assert_eq!(window.len(), 1);
    assert_eq!(
        window.admit(&append(7, 0, 1, 1, 1), 0),
        Ok(Admission::Append)
    );
}

#[test]
fn the_longest_silent_producer_makes_room_and_silence_expires() {
    let mut window = ProducerWindow::new(2, 1000);
    window
        .admit(&append(1, 0, 0, 1, 0), 10)
        .expect("new producer");
    window
        .admit(&append(2, 0, 0, 1, 1), 20)
        .expect("new producer");
    window.admit(&append(1, 0, 1, 1, 2), 30).expect("in order");
    window
        .admit(&append(3, 0, 0, 1, 3), 40)
        .expect("new producer");
    assert_eq!(
        window
            .states()
            .map(|state| state.producer_id)
            .collect::<Vec<_>>(),
        [1, 3]
    );
    assert_eq!(window.expire(1029), 0);
    assert_eq!(window.expire(1030), 1);
    assert_eq!(
        window
            .states()
            .map(|state| state.producer_id)
            .collect::<Vec<_>>(),
        [3]
    );
    assert_eq!(window.expire(10_000), 1);
    assert!(window.is_empty());
}

#[test]
fn a_snapshot_and_the_log_behind_it_give_back_the_state() {
    let mut first = window();
    first.admit(&append(7, 1, 0, 3, 0), 0).expect("first batch");
    let states = first.states().collect::<Vec<_>>();
    let mut second = window();
    states.iter().for_each(|state| second.restore(state, 0));
    second.replay(&append(7, 1, 3, 2, 3), 0);
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
    // Foreign writers leave odd batches behind: replay follows the log and never refuses.
    second.replay(&append(7, 1, 0, 1, 6), 0);
    assert_eq!(
        second.admit(&append(7, 1, 1, 1, 7), 0),
        Ok(Admission::Append)
    );
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
            match window.admit(&append(1, 0, base_sequence, count, log_end), 0) {
                Ok(Admission::Append) if fails => window.rollback(),
                Ok(Admission::Append) => {
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
