use millrace_host::disk::Disk;
use millrace_host::disk::memory::MemoryDisk;

use crate::Log;
use crate::test_log::{
    clean_hints, file_names, file_path, fill, memory_disk, open, open_with, read_all, read_file,
    small_config, write_file,
};

/// Segments whose headers were all read because of an index.
fn scanned(log: &Log<MemoryDisk>) -> Vec<usize> {
    (0..log.segments.len())
        .filter(|&index| log.segments[index].scans > 0)
        .collect()
}

#[test]
fn one_damaged_file_of_many_segments_makes_its_own_segment_be_read_and_no_other() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    fill(&mut log, 150, 150);
    let all = read_all(&mut log);
    let bases: Vec<i64> = log
        .segments
        .iter()
        .map(|segment| segment.base_offset)
        .collect();
    assert!(bases.len() > 5);
    log.close(true).expect("close");
    let damaged = bases.len() / 2;
    let name = |suffix: &str| format!("{:020}{suffix}", bases[damaged]);
    for suffix in [".index", ".timeindex"] {
        let sound = read_file(&disk, &name(suffix));
        let mut garbled = sound.clone();
        garbled.iter_mut().for_each(|byte| *byte ^= 0x35);
        let zeros = vec![0; sound.len()];
        let cut = sound[..sound.len() - 1].to_vec();
        for damage in [None, Some(garbled), Some(zeros), Some(cut)] {
            match &damage {
                Some(bytes) => write_file(&disk, &name(suffix), bytes),
                None => disk.remove_file(&file_path(&name(suffix))).expect("remove"),
            }
            let mut log = open_with(&disk, small_config(), clean_hints());
            assert_eq!(log.open_report().recovered_segments, 0);
            assert_eq!(read_all(&mut log), all);
            for offset in 0..150 {
                let found = log.offset_for_timestamp(offset * 10).expect("lookup");
                assert_eq!(found.map(|found| found.offset), Some(offset));
            }
            assert_eq!(scanned(&log), [damaged], "{suffix} {:?}", damage.is_some());
            assert_eq!(
                read_file(&disk, &name(suffix)),
                sound,
                "and it is as it was"
            );
        }
    }
    // The leader epochs are of the whole log; a snapshot is of what lies below it. Neither makes a segment's indexes be made anew.
    for damage in [None, Some(b"nonsense".to_vec())] {
        for name in ["leader-epoch-checkpoint".to_owned(), name(".snapshot")] {
            match &damage {
                Some(bytes) => write_file(&disk, &name, bytes),
                None => disk.remove_file(&file_path(&name)).expect("remove"),
            }
        }
        let mut log = open_with(&disk, small_config(), clean_hints());
        assert_eq!(log.latest_leader_epoch().expect("epochs"), Some(0));
        assert_eq!(
            log.leader_epoch_end_offset(0).expect("epochs").end_offset,
            150
        );
        assert_eq!(log.producers().expect("producers").len(), 0);
        assert_eq!(scanned(&log), [] as [usize; 0]);
        log.close(true).expect("close");
        assert!(file_names(&disk).contains(&"leader-epoch-checkpoint".to_owned()));
        write_file(&disk, &name(".snapshot"), b"x");
    }
}
