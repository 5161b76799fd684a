//! Owns opening the logs of a publication that an unclean stop left behind, one job a partition, and what is left to do of it.
//! Invariant: a partition of a held publication is opened once; what no job opened, taking the publication over opens.

use super::JobFigures;
use crate::broker::Broker;
use crate::broker::publish::OpenedPartition;
use crate::error::BrokerError;
use crate::partition_table::TopicId;
use crate::shared::lock;
use millrace_log::RecoveryProgress;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What recovery still has to do and has done, summed over all log directories.
#[derive(Debug, Default)]
pub(in crate::broker) struct Recovery {
    pub(in crate::broker) logs_left: AtomicU64,
    pub(in crate::broker) logs_done: AtomicU64,
    pub(in crate::broker) progress: Arc<RecoveryProgress>,
}

impl Recovery {
    /// By Kafka's names where it has them.
    pub(in crate::broker) fn metrics(&self) -> [(&'static str, u64); 4] {
        [
            (
                "remainingLogsToRecover",
                self.logs_left.load(Ordering::Relaxed),
            ),
            ("remainingSegmentsToRecover", self.progress.segments_left()),
            ("RecoveredLogsTotal", self.logs_done.load(Ordering::Relaxed)),
            ("RecoveryScannedBytesTotal", self.progress.scanned_bytes()),
        ]
    }
}

impl Broker {
    pub(super) fn recover(
        &self,
        topic_id: &TopicId,
        partition: i32,
    ) -> Result<JobFigures, BrokerError> {
        let opening = lock(&self.held)
            .as_mut()
            .and_then(|held| held.take_opening(topic_id, partition));
        let Some(opening) = opening else {
            // Taken over meanwhile: whoever did has opened it.
            return Ok(Vec::new());
        };
        let opened = self.open_partition(&opening);
        let report = match &opened.2 {
            Ok(open) => open.open_report(),
            Err(_) => None,
        };
        self.recovery.logs_left.fetch_sub(1, Ordering::Relaxed);
        self.recovery.logs_done.fetch_add(1, Ordering::Relaxed);
        self.hold_opened(opened);
        let report = report.unwrap_or_default();
        Ok(vec![
            ("recoveredSegments", f64::from(report.recovered_segments)),
            ("scannedBytes", report.scanned_bytes as f64),
            ("truncatedBytes", report.truncated_bytes as f64),
            ("droppedSegments", f64::from(report.dropped_segments)),
        ])
    }

    fn hold_opened(&self, opened: OpenedPartition) {
        if let Some(held) = lock(&self.held).as_mut() {
            held.bring_back(opened);
        }
        // Otherwise the publication was dropped with the broker: so is the log, unopened as far as the checkpoints know.
    }
}
