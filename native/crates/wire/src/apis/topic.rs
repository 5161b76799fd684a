//! Owns the shape all three APIs share: an array of topics, each with an array of partitions, and walking it flat.
//! Invariant: `check` walked every byte with the same code before a walk is handed out, so a walk cannot fail.

use std::fmt;
use std::marker::PhantomData;

use crate::byte_range::ByteRange;
use crate::error::WireError;
use crate::primitive::{Reader, Uuid, Writer};

/// A topic as a request names it: by name, or by id in newer versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TopicRef<'a> {
    Name(&'a str),
    Id(Uuid),
}

impl TopicRef<'_> {
    /// Writes the topic. The caller's version decides which kind it is; they must agree.
    #[inline]
    pub(crate) fn write(&self, by_id: bool, writer: &mut Writer<'_>) {
        match self {
            TopicRef::Name(name) => {
                assert!(!by_id, "this version names topics by id");
                writer.string(name);
            }
            TopicRef::Id(id) => {
                assert!(by_id, "this version names topics by name");
                writer.uuid(id);
            }
        }
    }
}

/// One partition of a request, with its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicPartition<'a, P> {
    pub topic: TopicRef<'a>,
    /// Where the topic's name (or id) lies in the frame.
    pub topic_range: ByteRange,
    /// Position of the topic in the request.
    pub topic_index: u32,
    pub partition: P,
}

/// What a request says of one partition.
pub(crate) trait PartitionFields: Sized {
    /// True when this version names topics by id.
    fn topic_by_id(version: i16) -> bool;
    /// The least bytes of one partition in this version.
    fn bytes_min(version: i16) -> usize;
    /// Reads one partition up to and including its tagged fields.
    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, WireError>;
}

/// Where a topics array lies, once it has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicArray {
    position: u32,
    flexible: bool,
    version: i16,
    pub partition_count: u32,
}

impl TopicArray {
    /// Nothing to walk: the version has no such array.
    pub const ABSENT: TopicArray = TopicArray {
        position: u32::MAX,
        flexible: false,
        version: 0,
        partition_count: 0,
    };

    /// Walks the array `reader` stands at and leaves it behind it.
    pub fn check<P: PartitionFields>(
        reader: &mut Reader<'_>,
        version: i16,
    ) -> Result<TopicArray, WireError> {
        let position = reader.position() as u32;
        let mut walk = Walk::<P>::begin(*reader, version)?;
        let mut partition_count = 0;
        while walk.next()?.is_some() {
            partition_count += 1;
        }
        *reader = walk.reader;
        Ok(TopicArray {
            position,
            flexible: reader.is_flexible(),
            version,
            partition_count,
        })
    }

    /// Walks the array again. `frame` is the one it was checked in; only record bytes may have changed since.
    #[inline]
    pub fn walk<'a, P>(&self, frame: &'a [u8]) -> Partitions<'a, P>
    where
        P: PartitionFields,
    {
        if self.position == TopicArray::ABSENT.position {
            return Partitions { walk: None };
        }
        let reader = Reader::new(frame, self.position as usize, self.flexible);
        let walk = Walk::begin(reader, self.version).expect("the frame was checked");
        Partitions { walk: Some(walk) }
    }
}

/// The partitions of a request, in its order, with their topics.
pub struct Partitions<'a, P> {
    walk: Option<Walk<'a, P>>,
}

impl<P> fmt::Debug for Partitions<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions").finish_non_exhaustive()
    }
}

#[allow(private_bounds)] // only the codecs of this crate describe partitions
impl<'a, P: PartitionFields> Iterator for Partitions<'a, P> {
    type Item = TopicPartition<'a, P>;

    #[inline]
    fn next(&mut self) -> Option<TopicPartition<'a, P>> {
        self.walk.as_mut()?.next().expect("the frame was checked")
    }
}

struct Walk<'a, P> {
    reader: Reader<'a>,
    version: i16,
    topics_left: u32,
    partitions_left: u32,
    topic: TopicRef<'a>,
    topic_range: ByteRange,
    /// Index of the topic that comes next.
    next_topic: u32,
    partition: PhantomData<fn() -> P>,
}

impl<'a, P: PartitionFields> Walk<'a, P> {
    #[inline]
    fn begin(mut reader: Reader<'a>, version: i16) -> Result<Walk<'a, P>, WireError> {
        let topics_left = reader.array_count(topic_bytes_min(
            P::topic_by_id(version),
            reader.is_flexible(),
        ))?;
        Ok(Walk {
            reader,
            version,
            topics_left,
            partitions_left: 0,
            topic: TopicRef::Name(""),
            topic_range: ByteRange::default(),
            next_topic: 0,
            partition: PhantomData,
        })
    }

    #[inline]
    fn next(&mut self) -> Result<Option<TopicPartition<'a, P>>, WireError> {
        while self.partitions_left == 0 {
            if self.topics_left == 0 {
                return Ok(None);
            }
            self.begin_topic()?;
        }
        let partition = P::read(&mut self.reader, self.version)?;
        let item = TopicPartition {
            topic: self.topic,
            topic_range: self.topic_range,
            topic_index: self.next_topic - 1,
            partition,
        };
        self.partitions_left -= 1;
        if self.partitions_left == 0 {
            self.end_topic()?;
        }
        Ok(Some(item))
    }

    #[inline]
    fn begin_topic(&mut self) -> Result<(), WireError> {
        if P::topic_by_id(self.version) {
            let start = self.reader.position() as u32;
            self.topic = TopicRef::Id(self.reader.uuid()?);
            self.topic_range = ByteRange { start, len: 16 };
        } else {
            let name = self.reader.string()?;
            let len = name.len() as u32;
            self.topic = TopicRef::Name(name);
            self.topic_range = ByteRange {
                start: self.reader.position() as u32 - len,
                len,
            };
        }
        self.next_topic += 1;
        self.partitions_left = self.reader.array_count(P::bytes_min(self.version))?;
        if self.partitions_left == 0 {
            self.end_topic()?;
        }
        Ok(())
    }

    #[inline]
    fn end_topic(&mut self) -> Result<(), WireError> {
        self.topics_left -= 1;
        self.reader.skip_tagged_fields()
    }
}

/// The least bytes of a topic without partitions.
fn topic_bytes_min(by_id: bool, flexible: bool) -> usize {
    match (by_id, flexible) {
        (true, true) => 16 + 1 + 1,
        (true, false) => 16 + 4,
        (false, true) => 1 + 1 + 1,
        (false, false) => 2 + 4,
    }
}

/// Writes the topics array of a response and keeps its counts honest.
#[derive(Debug)]
pub(crate) struct TopicArrayWriter {
    by_id: bool,
    topics_left: usize,
    partitions_left: usize,
}

impl TopicArrayWriter {
    #[inline]
    pub fn begin(by_id: bool, topic_count: usize, writer: &mut Writer<'_>) -> TopicArrayWriter {
        writer.array_count(topic_count);
        TopicArrayWriter {
            by_id,
            topics_left: topic_count,
            partitions_left: 0,
        }
    }

    #[inline]
    pub fn topic(&mut self, topic: TopicRef<'_>, partition_count: usize, writer: &mut Writer<'_>) {
        assert_eq!(
            self.partitions_left, 0,
            "the topic before has partitions left to write"
        );
        self.topics_left = self
            .topics_left
            .checked_sub(1)
            .expect("no more topics than the count written");
        topic.write(self.by_id, writer);
        writer.array_count(partition_count);
        self.partitions_left = partition_count;
        if partition_count == 0 {
            writer.no_tagged_fields();
        }
    }

    /// Called behind each partition.
    #[inline]
    pub fn end_partition(&mut self, writer: &mut Writer<'_>) {
        self.partitions_left = self
            .partitions_left
            .checked_sub(1)
            .expect("no more partitions than the count written");
        if self.partitions_left == 0 {
            writer.no_tagged_fields();
        }
    }

    #[inline]
    pub fn end(&self) {
        assert_eq!(
            (self.topics_left, self.partitions_left),
            (0, 0),
            "every counted topic and partition is written"
        );
    }
}
