use super::*;

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary directory")
}

#[test]
fn vectored_writes_of_any_number_of_slices_are_whole() {
    let directory = temporary();
    let path = directory.path().join("file");
    let file = PosixDisk.open(&path, OpenMode::Create).expect("open");
    let pieces: Vec<Vec<u8>> = (0..2_500_usize)
        .map(|index| vec![index as u8; index % 7])
        .collect();
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    file.write_all_vectored_at(&mut slices, 3).expect("write");
    let expected = [vec![0; 3], pieces.concat()].concat();
    assert_eq!(PosixDisk.read_file(&path).expect("read"), expected);
    let mut empty = [IoSlice::new(b""), IoSlice::new(b"")];
    file.write_all_vectored_at(&mut empty, 0)
        .expect("nothing to write");
}

#[test]
fn reads_stop_at_the_end() {
    let directory = temporary();
    let file = PosixDisk
        .open(&directory.path().join("file"), OpenMode::Create)
        .expect("open");
    file.write_all_at(b"abcdef", 0).expect("write");
    let mut bytes = [0; 4];
    assert_eq!(file.read_up_to_at(&mut bytes, 4).expect("read"), 2);
    assert_eq!(file.read_at(&mut bytes, 6).expect("read"), 0);
    let error = file.read_exact_at(&mut bytes, 4).expect_err("too short");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    file.set_len(3).expect("truncate");
    file.preallocate(1 << 20).expect("preallocate");
    assert_eq!(file.len().expect("length"), 3);
    file.sync_data().expect("sync");
}

#[test]
fn open_modes_do_what_they_say() {
    let directory = temporary();
    let path = directory.path().join("file");
    let error = PosixDisk
        .open(&path, OpenMode::Existing)
        .expect_err("missing");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    PosixDisk
        .open(&path, OpenMode::Create)
        .expect("create")
        .write_all_at(b"x", 0)
        .expect("write");
    assert_eq!(
        PosixDisk
            .open(&path, OpenMode::Create)
            .expect("open")
            .len()
            .expect("length"),
        1
    );
    assert_eq!(
        PosixDisk
            .open(&path, OpenMode::Truncate)
            .expect("open")
            .len()
            .expect("length"),
        0
    );
}

#[test]
fn directories_are_listed_with_their_files_lengths() {
    let directory = temporary();
    PosixDisk
        .create_dir_all(&directory.path().join("a/b"))
        .expect("create");
    PosixDisk
        .open(&directory.path().join("f"), OpenMode::Create)
        .expect("create")
        .write_all_at(b"xyz", 0)
        .expect("write");
    let mut entries = PosixDisk.list(directory.path()).expect("list");
    entries.sort();
    let expected = [
        DirEntry {
            name: "a".to_owned(),
            is_dir: true,
            len: 0,
        },
        DirEntry {
            name: "f".to_owned(),
            is_dir: false,
            len: 3,
        },
    ];
    assert_eq!(entries, expected);
    PosixDisk.sync_dir(directory.path()).expect("sync");
    PosixDisk
        .rename(&directory.path().join("f"), &directory.path().join("g"))
        .expect("rename");
    assert!(
        PosixDisk
            .exists(&directory.path().join("g"))
            .expect("exists")
    );
    PosixDisk
        .remove_file(&directory.path().join("g"))
        .expect("remove");
    PosixDisk
        .remove_dir_all(&directory.path().join("a"))
        .expect("remove");
    assert!(PosixDisk.list(directory.path()).expect("list").is_empty());
}

#[test]
fn replaced_files_are_whole_and_leave_nothing_beside() {
    let directory = temporary();
    let path = directory.path().join("checkpoint");
    for text in [&b"a long first content"[..], b"short"] {
        crate::disk::replace_file_durably(&PosixDisk, &path, text).expect("replace");
        assert_eq!(PosixDisk.read_file(&path).expect("read"), text);
    }
    assert_eq!(PosixDisk.list(directory.path()).expect("list").len(), 1);
}

#[test]
fn a_lock_excludes_until_dropped() {
    let directory = temporary();
    let path = directory.path().join(".lock");
    let lock = PosixDisk.lock(&path).expect("lock");
    let error = PosixDisk.lock(&path).expect_err("locked");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    drop(lock);
    PosixDisk.lock(&path).expect("lock");
}
