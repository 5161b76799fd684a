use super::*;

fn file(dir: &tempfile::TempDir) -> (MappableDisk, MappableFile) {
    let disk = MappableDisk::default();
    let file = disk
        .open(&dir.path().join("a.log"), OpenMode::Create)
        .expect("can be created");
    let bytes: Vec<u8> = (0..20_000_u32).map(|index| index as u8).collect();
    file.write_all_at(&bytes, 0).expect("can be written");
    (disk, file)
}

#[test]
fn a_map_outlives_truncation_of_its_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let (disk, file) = file(&dir);
    let map = file.map(8_192, 10_000).expect("mapped");
    file.set_len(100).expect("cut");
    assert_eq!(file.len().expect("measured"), 100);
    // Every page of the map is touched, the ones behind the cut too.
    let sum: u64 = map.iter().map(|&byte| u64::from(byte)).sum();
    let expected: u64 = (8_192..18_192_u32)
        .map(|index| u64::from(index as u8))
        .sum();
    assert_eq!(sum, expected);
    // Another handle, and new writes, see the new file only.
    file.write_all_at(b"after", 100).expect("written");
    let again = disk
        .open(&dir.path().join("a.log"), OpenMode::Existing)
        .expect("opened");
    assert_eq!(again.len().expect("measured"), 105);
    assert_eq!(map[0], 8_192_u32 as u8);
    assert!(
        file.map(0, 106).is_err(),
        "nothing beyond the end is mapped"
    );
}

#[test]
fn without_maps_a_cut_is_in_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_disk, file) = file(&dir);
    drop(file.map(0, 20_000).expect("mapped"));
    let kept = file.map(0, 50).expect("mapped");
    let before = file.file();
    file.set_len(50).expect("cut");
    assert!(Arc::ptr_eq(&before, &file.file()), "not below any map");
    file.set_len(49).expect("cut");
    assert!(!Arc::ptr_eq(&before, &file.file()), "below a map");
    assert_eq!(kept[49], 49);
}

#[test]
fn maps_outlive_removal_emptying_and_another_handle() {
    let dir = tempfile::tempdir().expect("a directory");
    let (disk, file) = file(&dir);
    let path = dir.path().join("a.log");
    let map = file.map(0, 20_000).expect("mapped");
    let second = disk.open(&path, OpenMode::Existing).expect("opened");
    second.set_len(10).expect("cut through another handle");
    let emptied = disk.open(&path, OpenMode::Truncate).expect("emptied");
    assert_eq!(emptied.len().expect("measured"), 0);
    disk.remove_file(&path).expect("removed");
    assert!(
        map.iter()
            .enumerate()
            .all(|(index, &byte)| byte == index as u8)
    );
}

#[test]
fn what_an_earlier_owner_may_map_is_replaced_but_zeros_are_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.log");
    std::fs::write(&path, [vec![1; 5_000], vec![0; 5_000]].concat()).expect("written");
    let earlier = MappableDisk::default()
        .open(&path, OpenMode::Existing)
        .expect("opened")
        .map(0, 5_000)
        .expect("mapped");
    let later = MappableDisk::default()
        .open(&path, OpenMode::Existing)
        .expect("opened");
    let before = later.file();
    later.set_len(5_000).expect("cut");
    assert!(Arc::ptr_eq(&before, &later.file()), "only zeros went");
    later.write_all_at(&[2; 100], 5_000).expect("written");
    later.set_len(5_000).expect("cut");
    assert!(
        Arc::ptr_eq(&before, &later.file()),
        "only our own bytes went"
    );
    later.set_len(10).expect("cut");
    assert!(!Arc::ptr_eq(&before, &later.file()));
    assert!(earlier.iter().all(|&byte| byte == 1));
}
