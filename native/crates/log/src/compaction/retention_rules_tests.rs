use millrace_record::control::end_transaction_batch;
use millrace_record::{BatchBuilder, Compression, stamp_base_offset, validate_stored};

use super::*;

const NOW_MS: i64 = 1_000_000;
const RETENTION_MS: i64 = 500;

struct World {
    map: KeyMap,
    producers: HashMap<i64, ProducerTail>,
    now_ms: i64,
    end_offset: i64,
    stats: CompactionStats,
}

impl World {
    /// Newest offsets by key; the map covers everything up to the highest of them.
    fn new(newest: &[(&str, i64)]) -> World {
        let mut map = KeyMap::new(10_000, 0.9, 100, 1);
        for (key, offset) in newest {
            map.put(key.as_bytes(), *offset).expect("there is room");
        }
        World {
            map,
            producers: HashMap::new(),
            now_ms: NOW_MS,
            end_offset: i64::MAX,
            stats: CompactionStats::default(),
        }
    }

    fn apply(&mut self, batch: &[u8], standing: Standing) -> (Retained, Vec<u8>) {
        let rules = RetentionRules {
            map: &self.map,
            producers: &self.producers,
            now_ms: self.now_ms,
            delete_retention_ms: RETENTION_MS,
            end_offset: self.end_offset,
        };
        let mut out = Vec::new();
        let header = validate_stored(batch).expect("sound");
        let retained = rules
            .apply(
                &header,
                batch,
                standing,
                &mut self.stats,
                &mut Vec::new(),
                &mut out,
            )
            .expect("readable");
        if retained == Retained::Rewritten {
            validate_stored(&out).expect("sound");
        } else {
            assert!(out.is_empty());
        }
        (retained, out)
    }

    fn keep(&mut self, batch: &[u8]) -> (Retained, Vec<u8>) {
        self.apply(batch, Standing::Needed)
    }
}

/// A batch at offset 10 with one record a pair; an empty value is a tombstone.
fn batch(records: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.base_offset(10).producer(5, 1, 100);
    for (index, (key, value)) in records.iter().enumerate() {
        let value = (!value.is_empty()).then_some(value.as_bytes());
        builder.append(900 + index as i64, Some(key.as_bytes()), value, &[]);
    }
    builder.build()
}

fn offsets(batch: &[u8]) -> Vec<i64> {
    let opened = records(batch).expect("records");
    opened
        .iter()
        .map(|record| record.expect("record").offset)
        .collect()
}

#[test]
fn the_newest_record_of_a_key_stays_and_older_ones_go() {
    let mut world = World::new(&[("a", 12), ("b", 11), ("c", 40)]);
    let (retained, out) = world.keep(&batch(&[("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")]));
    assert_eq!(retained, Retained::Rewritten);
    assert_eq!(offsets(&out), [11, 12]);
    assert_eq!(
        (world.stats.records_read, world.stats.records_written),
        (4, 2)
    );
}

#[test]
fn a_batch_of_which_all_stays_is_not_touched() {
    let mut world = World::new(&[("a", 10), ("b", 11)]);
    assert_eq!(
        world.keep(&batch(&[("a", "1"), ("b", "2")])).0,
        Retained::Original
    );
    // Keys the map has never heard of are newest in the clean part.
    let mut world = World::new(&[("z", 50)]);
    assert_eq!(world.keep(&batch(&[("a", "1")])).0, Retained::Original);
}

#[test]
fn records_behind_what_the_map_covers_stay_whatever_they_are() {
    let mut world = World::new(&[("a", 11)]);
    let (retained, _) = world.keep(&batch(&[("q", "1"), ("a", "2"), ("a", "3")]));
    assert_eq!(retained, Retained::Original);
}

#[test]
fn a_tombstone_gets_a_horizon_keeps_it_and_goes_behind_it() {
    let mut world = World::new(&[("a", 10), ("b", 11)]);
    let (retained, first) = world.keep(&batch(&[("a", ""), ("b", "2")]));
    assert_eq!(retained, Retained::Rewritten);
    let header = validate_stored(&first).expect("sound");
    assert_eq!(header.delete_horizon_ms(), Some(NOW_MS + RETENTION_MS));
    assert_eq!((offsets(&first), header.max_timestamp), (vec![10, 11], 901));

    world.now_ms = NOW_MS + RETENTION_MS - 1;
    assert_eq!(world.keep(&first).0, Retained::Original);
    world.now_ms = NOW_MS + RETENTION_MS;
    let (retained, last) = world.keep(&first);
    assert_eq!(retained, Retained::Rewritten);
    assert_eq!(offsets(&last), [11]);
    assert_eq!(
        validate_stored(&last).expect("sound").delete_horizon_ms(),
        Some(NOW_MS + RETENTION_MS)
    );
}

#[test]
fn a_batch_of_nothing_but_expired_tombstones_goes() {
    let mut world = World::new(&[("a", 10)]);
    let (_, marked) = world.keep(&batch(&[("a", "")]));
    world.now_ms = NOW_MS + RETENTION_MS;
    assert_eq!(world.keep(&marked).0, Retained::Nothing);
}

#[test]
fn records_without_a_key_go_and_are_counted() {
    let mut builder = BatchBuilder::new();
    builder.base_offset(10);
    builder.append(1, None, Some(b"lost"), &[]);
    builder.append(2, Some(b"a"), Some(b"kept"), &[]);
    let mut world = World::new(&[("a", 11)]);
    let (_, out) = world.keep(&builder.build());
    assert_eq!((offsets(&out), world.stats.keyless_records), (vec![11], 1));
}

#[test]
fn the_last_batch_of_an_active_producer_stays_as_a_header() {
    let superseded = batch(&[("a", "1"), ("b", "2")]);
    let mut world = World::new(&[("a", 50), ("b", 51)]);
    assert_eq!(world.keep(&superseded).0, Retained::Nothing);
    let mut tail = ProducerTail {
        last_data_offset: Some(11),
        producer_epoch: 1,
    };
    world.producers.insert(5, tail);
    let (retained, out) = world.keep(&superseded);
    assert_eq!(retained, Retained::Rewritten);
    let header = validate_stored(&out).expect("sound");
    assert_eq!(
        (
            header.record_count,
            header.last_offset(),
            header.last_sequence()
        ),
        (0, 11, 101)
    );
    // Once emptied it stays as it is while the producer lives.
    assert_eq!(world.keep(&out), (Retained::Rewritten, out.clone()));
    tail.last_data_offset = Some(90);
    world.producers.insert(5, tail);
    assert_eq!(world.keep(&out).0, Retained::Nothing);
}

#[test]
fn the_batch_at_the_end_of_the_cleaning_stays_as_a_header() {
    let mut world = World::new(&[("a", 50)]);
    world.end_offset = 11;
    let (retained, out) = world.keep(&batch(&[("a", "1")]));
    assert_eq!(retained, Retained::Rewritten);
    assert_eq!(validate_stored(&out).expect("sound").next_offset(), 11);
    world.end_offset = 12;
    assert_eq!(world.keep(&batch(&[("a", "1")])).0, Retained::Nothing);
}

#[test]
fn aborted_data_goes_although_it_is_the_newest() {
    let mut world = World::new(&[("a", 10)]);
    assert_eq!(
        world.apply(&batch(&[("a", "1")]), Standing::Discardable).0,
        Retained::Nothing
    );
}

#[test]
fn a_marker_stays_with_its_data_then_gets_a_horizon_then_goes() {
    let mut marker = end_transaction_batch(7, 2, false, 9, 900);
    stamp_base_offset(&mut marker, 30);
    let mut world = World::new(&[("a", 50)]);
    assert_eq!(world.apply(&marker, Standing::Needed).0, Retained::Original);
    let (retained, waiting) = world.apply(&marker, Standing::Discardable);
    assert_eq!(retained, Retained::Rewritten);
    let header = validate_stored(&waiting).expect("sound");
    assert_eq!(header.delete_horizon_ms(), Some(NOW_MS + RETENTION_MS));
    assert!(header.is_control() && header.is_transactional());
    assert_eq!(
        world.apply(&waiting, Standing::Discardable).0,
        Retained::Original
    );
    world.now_ms = NOW_MS + RETENTION_MS;
    // KAFKA-14055: user data under the marker's key has no say in it.
    assert_eq!(
        world.apply(&waiting, Standing::Needed).0,
        Retained::Original
    );
    // The producer's epoch is only known from here.
    let mut tail = ProducerTail {
        last_data_offset: None,
        producer_epoch: 2,
    };
    world.producers.insert(7, tail);
    let (retained, emptied) = world.apply(&waiting, Standing::Discardable);
    assert_eq!(retained, Retained::Rewritten);
    let header = validate_stored(&emptied).expect("sound");
    assert_eq!((header.record_count, header.producer_epoch), (0, 2));
    tail.producer_epoch = 3;
    world.producers.insert(7, tail);
    assert_eq!(
        world.apply(&waiting, Standing::Discardable).0,
        Retained::Nothing
    );
}

#[test]
fn a_rewritten_batch_keeps_its_codec() {
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new();
        builder.base_offset(10).compression(codec);
        builder.append(1, Some(b"a"), Some(b"1"), &[]);
        builder.append(2, Some(b"b"), Some(b"2"), &[]);
        let mut world = World::new(&[("a", 20), ("b", 11)]);
        let (retained, out) = world.keep(&builder.build());
        assert_eq!(retained, Retained::Rewritten);
        let header = validate_stored(&out).expect("sound");
        assert_eq!(
            (header.compression(), offsets(&out)),
            (Some(codec), vec![11])
        );
    }
}

#[test]
fn records_outside_their_batch_are_damage() {
    let mut bytes = batch(&[("a", "1"), ("b", "2")]);
    // The header now says that the batch ends with its first record.
    bytes[23..27].copy_from_slice(&0_i32.to_be_bytes());
    let header = BatchHeader::parse(&bytes).expect("header");
    let world = World::new(&[("a", 50)]);
    let rules = RetentionRules {
        map: &world.map,
        producers: &world.producers,
        now_ms: NOW_MS,
        delete_retention_ms: 0,
        end_offset: 0,
    };
    let mut stats = CompactionStats::default();
    let applied = rules.apply(
        &header,
        &bytes,
        Standing::Needed,
        &mut stats,
        &mut Vec::new(),
        &mut Vec::new(),
    );
    assert_eq!(
        applied,
        Err(BatchError::MalformedRecord { record_index: 1 })
    );
}
