use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::*;
use crate::disk::faulty::{Failure, Fault, FaultyDisk, Operation};
use crate::disk::memory::{Crash, MemoryDisk};

fn request<D: Disk>(file: &Arc<D::File>) -> SyncRequest<D> {
    SyncRequest {
        log: Arc::from(Path::new("/")),
        files: vec![Arc::clone(file)],
        paths: Vec::new(),
        replacements: vec![(PathBuf::from("/checkpoint"), Arc::from(&b"0"[..]))],
        directories: vec![PathBuf::from("/")],
    }
}

#[test]
fn synced_bytes_survive_a_crash() {
    let disk = MemoryDisk::new();
    let service = SyncService::start(disk.clone(), 1).expect("start");
    let file = Arc::new(disk.open(Path::new("/a"), OpenMode::Create).expect("open"));
    file.write_all_at(b"kept", 0).expect("write");
    let (sender, receiver) = mpsc::channel();
    service.request(
        request::<MemoryDisk>(&file),
        Box::new(move |result| sender.send(result.is_ok()).expect("send")),
    );
    assert!(receiver.recv().expect("answered"));
    disk.crash(Crash::KeepSynced);
    assert_eq!(disk.read_file(Path::new("/a")).expect("read"), b"kept");
    assert_eq!(
        disk.read_file(Path::new("/checkpoint")).expect("read"),
        b"0"
    );
}

#[test]
fn many_requests_share_syncs_and_all_are_answered() {
    let disk = FaultyDisk::new(MemoryDisk::new());
    let file = Arc::new(disk.open(Path::new("/a"), OpenMode::Create).expect("open"));
    let answered = Arc::new(AtomicUsize::new(0));
    let service = SyncService::start(disk.clone(), 2).expect("start");
    // The gate keeps both threads busy until all requests are queued.
    let (gate_sender, gate) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    for _ in 0..2 {
        let gate = Arc::clone(&gate);
        service.execute(Box::new(move || {
            let _ = gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
        }));
    }
    let before = disk.operations();
    for _ in 0..100 {
        let answered = Arc::clone(&answered);
        service.request(
            request::<FaultyDisk<MemoryDisk>>(&file),
            Box::new(move |result| {
                assert!(result.is_ok());
                answered.fetch_add(1, Ordering::SeqCst);
            }),
        );
    }
    drop(gate_sender);
    drop(service);
    assert_eq!(answered.load(Ordering::SeqCst), 100);
    // One data sync, one replacement (open, write, sync, rename), one directory sync: for all hundred.
    assert_eq!(disk.operations() - before, 6);
}

#[test]
fn failed_sync_fails_every_waiter_and_stays_failed() {
    let disk = FaultyDisk::new(MemoryDisk::new());
    let file = Arc::new(disk.open(Path::new("/a"), OpenMode::Create).expect("open"));
    disk.arm(Fault {
        operation: Some(Operation::Sync),
        after: 0,
        failure: Failure::Io,
        lasting: false,
    });
    let service = SyncService::start(disk.clone(), 1).expect("start");
    let (sender, receiver) = mpsc::channel();
    for _ in 0..3 {
        let sender = sender.clone();
        service.request(
            request::<FaultyDisk<MemoryDisk>>(&file),
            Box::new(move |result| sender.send(result.is_err()).expect("send")),
        );
        assert!(receiver.recv().expect("answered"));
    }
}

#[test]
fn a_full_disk_fails_a_replacement_but_not_for_good() {
    let disk = FaultyDisk::new(MemoryDisk::new());
    let file = Arc::new(disk.open(Path::new("/a"), OpenMode::Create).expect("open"));
    disk.arm(Fault {
        operation: Some(Operation::Write),
        after: 0,
        failure: Failure::NoSpace,
        lasting: false,
    });
    let wanted = request::<FaultyDisk<MemoryDisk>>(&file);
    let failure = wanted.perform(&disk).expect_err("there is no space");
    assert!(failure.is_out_of_space);
    assert!(!disk.exists(Path::new("/checkpoint")).expect("a look"));
    wanted.perform(&disk).expect("there is space again");
    assert!(disk.exists(Path::new("/checkpoint")).expect("a look"));
}

#[test]
fn a_directory_renamed_behind_its_syncs_leaves_nothing_for_the_next_of_its_name() {
    // By `execute` instead of `execute_behind` the replacement lands in the new directory in some of the rounds.
    let disk = MemoryDisk::new();
    let service = SyncService::start(disk.clone(), 4).expect("start");
    let log: Arc<Path> = Arc::from(Path::new("/t-0"));
    for round in 0..2_000 {
        disk.create_dir_all(&log).expect("create");
        let snapshot = log.join("00000000000000000042.snapshot");
        assert!(!disk.exists(&snapshot).expect("look"), "round {round}");
        let request = SyncRequest {
            log: Arc::clone(&log),
            files: Vec::new(),
            paths: Vec::new(),
            replacements: vec![(snapshot, Arc::from(&b"producers"[..]))],
            directories: vec![log.to_path_buf()],
        };
        service.request(request, Box::new(|_| {}));
        let (sender, renamed) = mpsc::channel();
        let (renames, from) = (disk.clone(), Arc::clone(&log));
        let task = move || {
            let to = PathBuf::from(format!("/t-0.{round}-delete"));
            renames.rename(&from, &to).expect("rename");
            sender.send(()).expect("the test waits");
        };
        service.execute_behind(Arc::clone(&log), Box::new(task));
        renamed.recv().expect("renamed");
    }
}
