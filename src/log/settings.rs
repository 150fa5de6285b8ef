//! The settings of a topic as its logs need them: typed, and checked elsewhere.

use crate::record::validate::BatchRules;
use crate::storage::segment::Layout;

/// One value for each of Kafka's topic configs that a log obeys. Retention of -1 means without limit.
#[derive(Clone, Debug, PartialEq)]
pub struct LogSettings {
    /// Also says whether `cleanup.policy` contains `compact`.
    pub batches: BatchRules,
    /// `cleanup.policy` contains `delete`.
    pub delete: bool,
    pub segment_bytes: u32,
    pub segment_ms: i64,
    pub segment_jitter_ms: i64,
    pub index_bytes: u32,
    pub index_interval_bytes: u32,
    pub preallocate: bool,
    pub retention_ms: i64,
    pub retention_bytes: i64,
    pub file_delete_delay_ms: i64,
    pub flush_messages: i64,
    pub flush_ms: i64,
    pub producer_id_expiration_ms: i64,
    pub min_compaction_lag_ms: i64,
    pub max_compaction_lag_ms: i64,
    pub delete_retention_ms: i64,
    pub min_cleanable_dirty_ratio: f64,
}

impl Default for LogSettings {
    /// Kafka's defaults.
    fn default() -> LogSettings {
        LogSettings {
            batches: BatchRules {
                max_message_bytes: 1_048_588,
                log_append_time: false,
                timestamp_before_max_ms: i64::MAX,
                timestamp_after_max_ms: 3_600_000,
                compression: None,
                compacted: false,
            },
            delete: true,
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            segment_jitter_ms: 0,
            index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            preallocate: false,
            retention_ms: 7 * DAY_MS,
            retention_bytes: -1,
            file_delete_delay_ms: 60_000,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            producer_id_expiration_ms: DAY_MS,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: DAY_MS,
            min_cleanable_dirty_ratio: 0.5,
        }
    }
}

const DAY_MS: i64 = 24 * 3_600_000;

impl LogSettings {
    pub(crate) fn layout(&self) -> Layout {
        Layout {
            index_bytes: self.index_bytes,
            index_interval_bytes: self.index_interval_bytes,
            preallocate: self.preallocate.then_some(u64::from(self.segment_bytes)),
        }
    }

    /// `segment.ms`, or less if compaction must come sooner, less a jitter that `seed` decides, so that the segments
    /// of many partitions do not end at the same moment.
    pub(crate) fn segment_age_ms(&self, seed: u64) -> i64 {
        let mut age = self.segment_ms;
        if self.batches.compacted && self.max_compaction_lag_ms > 0 {
            age = age.min(self.max_compaction_lag_ms);
        }
        let span = self.segment_jitter_ms.min(self.segment_ms);
        let jitter = if span > 0 { (seed % span as u64) as i64 } else { 0 };
        age - jitter
    }
}
