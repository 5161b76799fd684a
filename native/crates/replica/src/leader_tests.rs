use super::*;
use crate::flush_rules::FlushPolicy;

fn alone(epoch: i32) -> LeaderTerm {
    LeaderTerm {
        leader_epoch: epoch,
        in_sync_replicas: 1,
        min_in_sync_replicas: 1,
    }
}

fn rules(policy: FlushPolicy) -> FlushRules {
    FlushRules {
        policy,
        messages: u64::MAX,
        ms: u64::MAX,
    }
}

/// Appends `first_offset..next_offset` for producers that asked for acks=all, or did not.
fn append(
    leader: &mut Leader,
    first_offset: i64,
    next_offset: i64,
    has_acks_all: bool,
) -> SyncNeed {
    leader.on_append(&Appended {
        first_offset,
        next_offset,
        bytes: 100,
        has_acks_all,
        now_ms: 0,
    })
}

#[test]
fn a_lone_replica_commits_what_it_appends() {
    let mut leader = Leader::new(alone(3), rules(FlushPolicy::Replicated), 0, 10, 0);
    assert_eq!(leader.high_watermark(), 10);
    assert_eq!(append(&mut leader, 10, 15, true), SyncNeed::None);
    assert_eq!((leader.high_watermark(), leader.log_end_offset()), (15, 15));
    assert_eq!(leader.acknowledged_end_offset(Acks::All), 15);
}

#[test]
fn under_sync_acks_all_and_readers_wait_for_the_disk() {
    let mut leader = Leader::new(alone(0), rules(FlushPolicy::Sync), 0, 0, 0);
    assert_eq!(append(&mut leader, 0, 5, true), SyncNeed::Now);
    assert_eq!(leader.acknowledged_end_offset(Acks::All), 0);
    assert_eq!(leader.high_watermark(), 0);
    append(&mut leader, 5, 7, true);
    leader.on_synced(5);
    assert_eq!(leader.acknowledged_end_offset(Acks::All), 5);
    assert_eq!(leader.sync_need(), SyncNeed::Now);
    leader.on_synced(7);
    assert_eq!(
        (leader.high_watermark(), leader.sync_need()),
        (7, SyncNeed::None)
    );
}

#[test]
fn under_sync_acks_one_waits_for_nothing() {
    let mut leader = Leader::new(alone(0), rules(FlushPolicy::Sync), 0, 0, 0);
    assert_eq!(append(&mut leader, 0, 5, false), SyncNeed::None);
    assert_eq!(leader.acknowledged_end_offset(Acks::Leader), 5);
    assert_eq!(leader.high_watermark(), 5, "nobody was promised the disk");
    append(&mut leader, 5, 6, true);
    append(&mut leader, 6, 9, false);
    assert_eq!(leader.acknowledged_end_offset(Acks::Leader), 9);
    assert_eq!(leader.high_watermark(), 5);
    leader.on_synced(9);
    assert_eq!(leader.high_watermark(), 9);
}

#[test]
fn a_flush_that_is_due_on_append_is_waited_for_by_everyone() {
    let rules = FlushRules {
        messages: 3,
        ..rules(FlushPolicy::Replicated)
    };
    let mut leader = Leader::new(alone(0), rules, 0, 0, 0);
    assert_eq!(append(&mut leader, 0, 2, true), SyncNeed::None);
    assert_eq!(leader.acknowledged_end_offset(Acks::All), 2);
    assert_eq!(append(&mut leader, 2, 3, false), SyncNeed::Now);
    assert_eq!(leader.acknowledged_end_offset(Acks::Leader), 2);
    assert_eq!(leader.acknowledged_end_offset(Acks::All), 2);
    leader.on_synced(3);
    assert_eq!(leader.acknowledged_end_offset(Acks::Leader), 3);
    assert_eq!(append(&mut leader, 3, 5, false), SyncNeed::None);
}

#[test]
fn another_policy_leaves_those_who_wait_waiting() {
    let mut leader = Leader::new(alone(0), rules(FlushPolicy::Sync), 0, 0, 0);
    append(&mut leader, 0, 5, true);
    leader.set_flush_rules(rules(FlushPolicy::Replicated));
    append(&mut leader, 5, 6, true);
    assert_eq!(leader.acknowledged_end_offset(Acks::All), 0);
    assert_eq!(leader.sync_need(), SyncNeed::Now);
    leader.on_synced(5);
    assert_eq!(leader.acknowledged_end_offset(Acks::All), 6);
}

#[test]
fn the_high_watermark_stands_still_while_others_are_in_sync() {
    let term = LeaderTerm {
        leader_epoch: 0,
        in_sync_replicas: 2,
        min_in_sync_replicas: 2,
    };
    let mut leader = Leader::new(term, rules(FlushPolicy::Replicated), 0, 10, 4);
    append(&mut leader, 10, 12, true);
    assert_eq!(leader.high_watermark(), 4);
    leader.on_term(LeaderTerm {
        leader_epoch: 1,
        in_sync_replicas: 1,
        min_in_sync_replicas: 2,
    });
    assert_eq!(leader.high_watermark(), 12);
    assert!(leader.check_replicas(Acks::All).is_err());
    assert!(leader.check_replicas(Acks::Leader).is_ok());
}

#[test]
fn epochs_are_fenced_both_ways() {
    let leader = Leader::new(alone(4), rules(FlushPolicy::Sync), 0, 0, 0);
    assert_eq!(leader.check_epoch(3), Err(EpochMismatch::Fenced));
    assert_eq!(leader.check_epoch(5), Err(EpochMismatch::Unknown));
    assert_eq!(leader.check_epoch(4), Ok(()));
    assert_eq!(leader.check_epoch(-1), Ok(()));
}

#[test]
fn what_is_stable_ends_at_the_oldest_undecided_transaction() {
    let mut leader = Leader::new(alone(0), rules(FlushPolicy::Replicated), 0, 10, 10);
    assert_eq!(leader.last_stable_offset(None), 10);
    append(&mut leader, 10, 15, true);
    assert_eq!(leader.last_stable_offset(Some(10)), 10);
    append(&mut leader, 15, 16, true);
    leader.on_transactions_completed([(10, 15)].into_iter());
    assert_eq!(leader.last_stable_offset(None), 16);
    leader.on_log_start(14);
    assert_eq!(leader.last_stable_offset(Some(3)), 16, "never back");
}

#[test]
fn a_marker_decides_once_the_high_watermark_has_passed_it() {
    let two = LeaderTerm {
        leader_epoch: 0,
        in_sync_replicas: 2,
        min_in_sync_replicas: 1,
    };
    let mut leader = Leader::new(two, rules(FlushPolicy::Replicated), 0, 8, 8);
    append(&mut leader, 8, 10, true);
    leader.on_transactions_completed([(4, 9)].into_iter());
    assert_eq!(leader.last_stable_offset(None), 4);
    leader.on_term(alone(1));
    assert_eq!(leader.last_stable_offset(None), 10);
    // What acks=all waits for on the disk is behind the high watermark too.
    let mut leader = Leader::new(alone(0), rules(FlushPolicy::Sync), 0, 8, 8);
    append(&mut leader, 8, 10, true);
    leader.on_transactions_completed([(4, 9)].into_iter());
    assert_eq!(leader.last_stable_offset(None), 4);
    leader.on_synced(10);
    assert_eq!(leader.last_stable_offset(None), 10);
}

#[test]
#[should_panic(expected = "contiguous")]
fn an_append_with_a_hole_is_a_bug() {
    let mut leader = Leader::new(alone(0), rules(FlushPolicy::Sync), 0, 5, 5);
    append(&mut leader, 6, 7, true);
}
