use super::*;

fn sessions() -> FetchSessions<()> {
    FetchSessions::new(SessionLimits {
        max_sessions: 2,
        max_partitions: 10,
        eviction_ms: 1000,
    })
}

fn name(topic: &str) -> TopicKey {
    TopicKey::Name(topic.into())
}

fn state(records_bytes: u32, high_watermark: i64) -> FetchedState {
    FetchedState {
        records_bytes,
        high_watermark,
        log_start_offset: 0,
        has_error: false,
    }
}

fn following(partitions: i32) -> Box<FetchSession<()>> {
    let mut session = Box::new(FetchSession::detached(false));
    (0..partitions).for_each(|partition| {
        session.insert(CachedPartition::new(name("t"), partition, ()));
    });
    session
}

fn created(sessions: &mut FetchSessions<()>, partitions: i32) -> i32 {
    let mut session = following(partitions);
    assert!(sessions.adopt(&mut session, 5, 0), "there is room");
    let id = session.id();
    sessions.check_in(session, 0);
    id
}

#[test]
fn requests_walk_the_epoch_and_a_repeat_is_refused() {
    let mut sessions = sessions();
    let id = created(&mut sessions, 1);
    let first = SessionRequest {
        session_id: id,
        session_epoch: 1,
    };
    let session = sessions
        .check_out(first, false)
        .expect("first incremental fetch");
    assert_eq!(
        sessions.check_out(first, false).expect_err("busy"),
        SessionError::WrongEpoch
    );
    sessions.check_in(session, 0);
    assert_eq!(
        sessions.check_out(first, false).expect_err("old epoch"),
        SessionError::WrongEpoch
    );
    let second = SessionRequest {
        session_id: id,
        session_epoch: 2,
    };
    assert_eq!(
        sessions
            .check_out(second, true)
            .expect_err("names became ids"),
        SessionError::TopicIdStyle
    );
    assert!(sessions.check_out(second, false).is_ok());
    let unknown = SessionRequest {
        session_id: id + 1,
        session_epoch: 1,
    };
    assert_eq!(
        sessions
            .check_out(unknown, false)
            .expect_err("never created"),
        SessionError::NotFound
    );
}

#[test]
fn a_session_closed_while_in_use_does_not_come_back() {
    let mut sessions = sessions();
    let id = created(&mut sessions, 2);
    let session = sessions
        .check_out(
            SessionRequest {
                session_id: id,
                session_epoch: 1,
            },
            false,
        )
        .expect("in cache");
    assert!(sessions.remove(id));
    sessions.check_in(session, 0);
    assert!(sessions.is_empty());
    assert_eq!(sessions.cached_partitions(), 0);
}

#[test]
fn unchanged_partitions_are_left_out_and_those_with_records_go_last() {
    let mut session: FetchSession<()> = FetchSession::detached(false);
    let places = (0..3)
        .map(|partition| session.insert(CachedPartition::new(name("t"), partition, ())))
        .collect::<Vec<_>>();
    assert!(session.on_response(places[0], state(100, 7)));
    assert!(session.on_response(places[1], state(0, 7)));
    assert!(!session.on_response(places[1], state(0, 7)));
    assert!(session.on_response(
        places[1],
        FetchedState {
            has_error: true,
            ..state(0, 7)
        }
    ));
    assert!(
        session.on_response(places[1], state(0, 7)),
        "the first good answer after an error is sent"
    );
    assert_eq!(
        session
            .places()
            .map(|place| session.at(place).partition)
            .collect::<Vec<_>>(),
        [1, 2, 0]
    );
    session.forget(&name("t"), 2);
    session.forget(&name("other"), 1);
    assert_eq!(
        session
            .places()
            .map(|place| session.at(place).partition)
            .collect::<Vec<_>>(),
        [1, 0]
    );
    assert_eq!(session.find(&name("t"), 2), None);
    assert!(session.find(&name("t"), 1).is_some());
}

#[test]
fn a_full_cache_evicts_only_what_was_not_used_lately() {
    let mut sessions = sessions();
    let first = created(&mut sessions, 1);
    let second = created(&mut sessions, 1);
    assert_ne!(first, second);
    assert!(!sessions.adopt(&mut following(1), 9, 1000));
    assert!(sessions.adopt(&mut following(1), 9, 1001));
    assert_eq!((sessions.len(), sessions.evictions()), (2, 1));
    assert!(
        !sessions.adopt(&mut following(11), 9, 9000),
        "more partitions than the cache may hold"
    );
}

#[test]
fn a_session_that_forgot_everything_is_gone() {
    let mut sessions = sessions();
    let id = created(&mut sessions, 1);
    let mut session = sessions
        .check_out(
            SessionRequest {
                session_id: id,
                session_epoch: 1,
            },
            false,
        )
        .expect("in cache");
    session.forget(&name("t"), 0);
    sessions.check_in(session, 0);
    assert!(sessions.is_empty());
}

#[test]
fn epochs_wrap_to_one() {
    assert_eq!(
        (next_epoch(1), next_epoch(i32::MAX), next_epoch(-1)),
        (2, 1, -1)
    );
}
