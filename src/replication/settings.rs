//! What a topic's configuration means to its logs.

use crate::config::BrokerConfig;
use crate::config::TopicConfig;
use crate::config::topic::Compression;
use crate::config::topic::TimestampType;
use crate::log::LogSettings;
use crate::record::compress;
use crate::record::compress::Codec;
use crate::record::validate::BatchRules;

pub fn log_settings(topic: &TopicConfig, broker: &BrokerConfig) -> LogSettings {
    LogSettings {
        batches: batch_rules(topic),
        delete: topic.delete,
        segment_bytes: unsigned(topic.segment_bytes),
        segment_ms: topic.segment_ms,
        segment_jitter_ms: topic.segment_jitter_ms,
        index_bytes: unsigned(topic.segment_index_bytes),
        index_interval_bytes: unsigned(topic.index_interval_bytes),
        preallocate: topic.preallocate,
        retention_ms: topic.retention_ms,
        retention_bytes: topic.retention_bytes,
        file_delete_delay_ms: topic.file_delete_delay_ms,
        flush_messages: topic.flush_messages,
        flush_ms: topic.flush_ms,
        producer_id_expiration_ms: broker.producer_id_expiration_ms().into(),
        min_compaction_lag_ms: topic.min_compaction_lag_ms,
        max_compaction_lag_ms: topic.max_compaction_lag_ms,
        delete_retention_ms: topic.delete_retention_ms,
        min_cleanable_dirty_ratio: topic.min_cleanable_dirty_ratio,
    }
}

fn batch_rules(topic: &TopicConfig) -> BatchRules {
    BatchRules {
        max_message_bytes: unsigned(topic.max_message_bytes),
        log_append_time: topic.timestamp_type == TimestampType::LogAppendTime,
        timestamp_before_max_ms: topic.timestamp_before_max_ms,
        timestamp_after_max_ms: topic.timestamp_after_max_ms,
        compression: target(topic.compression),
        compacted: topic.compact,
    }
}

fn target(compression: Compression) -> Option<compress::Compression> {
    let (codec, level) = match compression {
        Compression::Producer => return None,
        Compression::Uncompressed => (Codec::None, None),
        Compression::Gzip { level } => (Codec::Gzip, Some(level)),
        Compression::Snappy => (Codec::Snappy, None),
        Compression::Lz4 { level } => (Codec::Lz4, Some(level)),
        Compression::Zstd { level } => (Codec::Zstd, Some(level)),
    };
    Some(compress::Compression { codec, level })
}

/// The checks of the keys leave no negative value.
fn unsigned(value: i32) -> u32 {
    value.max(0) as u32
}
