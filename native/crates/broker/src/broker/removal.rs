//! Owns taking the directories of deleted topics away: renamed on a sync thread, removed later, their names free for others in between.
//! Invariant: a directory is renamed behind the syncs of its log. One under way still writes files there by name, which must not come to lie
//! in the directory of a later topic of that name.

use crate::log_dirs::LogDirs;
use crate::maintenance::{self, Maintenance};
use crate::partition::Partition;
use crate::partition_table::Topic;
use crate::shared::Shared;
use millrace_host::clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The partitions of deleted topics on their way out.
pub(super) struct Removal {
    partitions: Vec<Arc<Partition>>,
    /// Renames to come.
    left: AtomicUsize,
    maintenance: Arc<Maintenance>,
    shared: Arc<Shared>,
    log_dirs: Arc<LogDirs>,
}

impl Removal {
    pub(super) fn start(
        topics: &[Arc<Topic>],
        maintenance: Arc<Maintenance>,
        shared: Arc<Shared>,
        log_dirs: Arc<LogDirs>,
    ) {
        let partitions: Vec<_> = topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().flatten())
            .cloned()
            .collect();
        let removal = Arc::new(Removal {
            left: AtomicUsize::new(partitions.len()),
            partitions,
            maintenance,
            shared,
            log_dirs,
        });
        for topic in topics {
            let delay_ms = topic.config.log.file_delete_delay_ms;
            for partition in topic.partitions.iter().flatten() {
                let path = partition
                    .log_dir
                    .partition_path(&partition.topic_name, partition.index);
                let (renamer, partition) = (Arc::clone(&removal), Arc::clone(partition));
                let task = move || {
                    renamer.rename(&partition, delay_ms);
                    if renamer.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                        renamer.finish();
                    }
                };
                removal
                    .shared
                    .execute_behind_syncs(Arc::from(path), Box::new(task));
            }
        }
    }

    fn rename(&self, partition: &Partition, delay_ms: i64) {
        match partition
            .log_dir
            .delete_partition(&partition.topic_name, partition.index)
        {
            Ok(Some(path)) => {
                if let Err(error) = partition
                    .log_dir
                    .forget_cleaned_offset(&partition.topic_name, partition.index)
                {
                    self.shared
                        .upcalls
                        .log_dir_failed(partition.log_dir.index, &error.to_string());
                }
                let due_ms = clock::wall_ms().saturating_add(delay_ms);
                self.maintenance.remove_later(due_ms, path);
            }
            Ok(None) => {}
            Err(error) => self
                .shared
                .fail_log_dir(&partition.log_dir, &error.to_string()),
        }
    }

    fn finish(&self) {
        // A topic created later under the same name must not be opened with the offsets of this one, least of all after a crash.
        maintenance::checkpoint(&self.shared, &self.log_dirs);
        for partition in &self.partitions {
            partition
                .log_dir
                .end_delete(&partition.topic_name, partition.index);
        }
    }
}
