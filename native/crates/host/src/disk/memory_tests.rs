use super::*;

fn disk() -> MemoryDisk {
    let disk = MemoryDisk::new();
    disk.create_dir_all(Path::new("/d")).expect("create");
    disk.sync_dir(Path::new("/")).expect("sync");
    disk
}

fn written(disk: &MemoryDisk, path: &str, bytes: &[u8]) -> MemoryFile {
    let file = disk.open(Path::new(path), OpenMode::Create).expect("open");
    file.write_all_at(bytes, 0).expect("write");
    file
}

#[test]
fn crash_keeps_synced_bytes_under_synced_names_only() {
    let disk = disk();
    let file = written(&disk, "/d/a", b"hello");
    file.sync_data().expect("sync");
    disk.sync_dir(Path::new("/d")).expect("sync dir");
    file.write_all_at(b"HELLO world", 0).expect("write");
    written(&disk, "/d/b", b"never synced")
        .sync_data()
        .expect("sync");
    disk.crash(Crash::KeepSynced);
    assert_eq!(disk.read_file(Path::new("/d/a")).expect("read"), b"hello");
    assert!(!disk.exists(Path::new("/d/b")).expect("exists"));
}

#[test]
fn handles_from_before_a_crash_are_dead() {
    let disk = disk();
    let file = written(&disk, "/d/a", b"x");
    disk.crash(Crash::KeepSynced);
    assert!(file.write_all_at(b"y", 0).is_err());
    assert!(file.sync_data().is_err());
}

#[test]
fn kill_keeps_every_byte() {
    let disk = disk();
    let _file = written(&disk, "/d/a", b"page cache");
    disk.kill();
    assert_eq!(
        disk.read_file(Path::new("/d/a")).expect("read"),
        b"page cache"
    );
}

#[test]
fn unsynced_rename_is_undone_and_a_synced_one_stays() {
    let disk = disk();
    written(&disk, "/d/a", b"1").sync_data().expect("sync");
    disk.sync_dir(Path::new("/d")).expect("sync dir");
    disk.rename(Path::new("/d/a"), Path::new("/d/b"))
        .expect("rename");
    disk.crash(Crash::KeepSynced);
    assert!(disk.exists(Path::new("/d/a")).expect("exists"));
    disk.rename(Path::new("/d/a"), Path::new("/d/b"))
        .expect("rename");
    disk.sync_dir(Path::new("/d")).expect("sync dir");
    disk.crash(Crash::KeepSynced);
    assert_eq!(disk.read_file(Path::new("/d/b")).expect("read"), b"1");
    assert!(!disk.exists(Path::new("/d/a")).expect("exists"));
}

#[test]
fn renamed_directory_takes_its_synced_files_along() {
    let disk = disk();
    written(&disk, "/d/a", b"1").sync_data().expect("sync");
    disk.sync_dir(Path::new("/d")).expect("sync dir");
    disk.rename(Path::new("/d"), Path::new("/e"))
        .expect("rename");
    disk.sync_dir(Path::new("/")).expect("sync dir");
    disk.crash(Crash::KeepSynced);
    assert_eq!(disk.read_file(Path::new("/e/a")).expect("read"), b"1");
}

#[test]
fn partial_crash_is_the_same_for_the_same_seed_and_tears_at_sectors() {
    let outcome = |seed| {
        let disk = disk();
        let file = written(&disk, "/d/a", &[1; 4 * SECTOR_BYTES]);
        file.sync_data().expect("sync");
        disk.sync_dir(Path::new("/d")).expect("sync dir");
        file.write_all_at(&[2; 4 * SECTOR_BYTES], 0).expect("write");
        disk.crash(Crash::KeepSome { seed });
        disk.read_file(Path::new("/d/a")).expect("read")
    };
    let mut torn = 0;
    for seed in 0..50 {
        let bytes = outcome(seed);
        assert_eq!(bytes, outcome(seed));
        for sector in bytes.chunks(SECTOR_BYTES) {
            assert!(sector.iter().all(|&byte| byte == sector[0]));
        }
        torn += usize::from(bytes.contains(&1) && bytes.contains(&2));
    }
    assert!(torn > 0);
}

#[test]
fn lock_is_exclusive_until_dropped() {
    let disk = disk();
    let lock = disk.lock(Path::new("/d/.lock")).expect("lock");
    assert!(disk.lock(Path::new("/d/.lock")).is_err());
    drop(lock);
    assert!(disk.lock(Path::new("/d/.lock")).is_ok());
}
