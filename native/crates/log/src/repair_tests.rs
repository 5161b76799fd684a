use std::path::Path;

use millrace_host::disk::Disk;

use super::*;
use crate::test_log::{
    DIR, append_one, batch, clean_hints, file_names, fill, memory_disk, open, open_with, read_all,
    read_file, small_config, write_file,
};

const FIRST_LOG: &str = "00000000000000000000.log";

fn options(truncate: bool) -> RepairOptions {
    RepairOptions {
        verify: VerifyOptions::default(),
        truncate,
        config: small_config(),
    }
}

fn repaired<D: Disk>(disk: &D, truncate: bool) -> RepairReport {
    repair_partition(disk, Path::new(DIR), None, &options(truncate), 0).expect("repair")
}

#[test]
fn a_sound_directory_is_left_alone() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    fill(&mut log, 60, 100);
    log.close(true).expect("close");
    let names = file_names(&disk);
    let report = repaired(&disk, true);
    assert_eq!(report.before.findings, []);
    assert!(report.after.is_none());
    assert_eq!(file_names(&disk), names);
}

#[test]
fn broken_and_missing_derived_files_are_built_anew_and_the_log_is_as_it_was() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    fill(&mut log, 60, 100);
    let all = read_all(&mut log);
    log.close(true).expect("close");
    for name in file_names(&disk) {
        if name.ends_with(".log") || name.ends_with(".snapshot") {
            continue;
        }
        if name.ends_with(".index") {
            disk.remove_file(&Path::new(DIR).join(&name))
                .expect("remove");
        } else {
            let mut bytes = read_file(&disk, &name);
            if let Some(byte) = bytes.get_mut(5) {
                *byte ^= 0x10;
                write_file(&disk, &name, &bytes);
            }
        }
    }
    let report = repaired(&disk, false);
    assert_eq!(report.before.worst(), Severity::Broken);
    assert_eq!(report.after.expect("changed").findings, []);
    assert_eq!(report.cut_bytes, 0);
    let mut log = open_with(&disk, small_config(), clean_hints());
    assert_eq!(read_all(&mut log), all);
}

#[test]
fn damage_is_cut_off_only_when_asked_and_kept_beside() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    fill(&mut log, 60, 100);
    let all = read_all(&mut log);
    log.close(true).expect("close");
    let whole = read_file(&disk, FIRST_LOG);
    let mut damaged = whole.clone();
    let position: usize = all[..7].iter().map(Vec::len).sum();
    damaged[position + 80] ^= 1;
    write_file(&disk, FIRST_LOG, &damaged);
    let names = file_names(&disk);

    let report = repaired(&disk, false);
    assert_eq!(report.before.worst(), Severity::Damage);
    assert!(report.after.is_none());
    assert_eq!(
        (file_names(&disk), read_file(&disk, FIRST_LOG)),
        (names, damaged.clone())
    );

    let report = repaired(&disk, true);
    assert_eq!(report.after.expect("changed").worst(), Severity::Note);
    assert!(report.cut_bytes > 0);
    let kept = format!("{FIRST_LOG}.{position}.bak");
    assert!(report.backups.contains(&kept));
    assert_eq!(read_file(&disk, &kept), damaged[position..]);
    assert!(report.backups.len() > 1, "later segments are kept too");
    let mut log = open_with(&disk, small_config(), clean_hints());
    assert_eq!(read_all(&mut log), all[..7]);
    assert_eq!(append_one(&mut log, batch(&[1], 10)), 7);
}

#[test]
fn a_directory_in_use_is_refused() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    fill(&mut log, 5, 100);
    log.close(true).expect("close");
    let lock = Path::new("/data/.lock");
    let _held = disk.lock(lock).expect("lock");
    let refused = repair_partition(&disk, Path::new(DIR), Some(lock), &options(true), 0);
    assert!(matches!(refused, Err(RepairError::Locked)));
}
