//! Keys of topics; most take their default from a key of the broker.

use crate::config::key::keys;

keys! { TOPIC:
    "cleanup.policy" List = "delete", AnyOf(&["compact", "delete"]), Medium, From(&[("log.cleanup.policy", 1)]),
        "What becomes of old records: delete, compact, or both.";
    "compression.gzip.level" Int = "-1", GzipLevel, Medium, From(&[("compression.gzip.level", 1)]),
        "Level for gzip; -1 is the codec's own default.";
    "compression.lz4.level" Int = "9", Between(1, 17), Medium, From(&[("compression.lz4.level", 1)]),
        "Level for lz4.";
    "compression.type" String = "producer", OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), Medium, From(&[("compression.type", 1)]),
        "Compression of stored batches: a codec, uncompressed, or producer to keep what the producer chose.";
    "compression.zstd.level" Int = "3", Between(-131_072, 22), Medium, From(&[("compression.zstd.level", 1)]),
        "Level for zstd.";
    "delete.retention.ms" Long = "86400000", AtLeast(0), Medium, From(&[("log.cleaner.delete.retention.ms", 1)]),
        "How long tombstones of a compacted topic are kept.";
    "file.delete.delay.ms" Long = "60000", AtLeast(0), Medium, From(&[("log.segment.delete.delay.ms", 1)]),
        "Wait before a deleted file leaves the disk.";
    "flush.messages" Long = "9223372036854775807", AtLeast(1), Medium, From(&[("log.flush.interval.messages", 1)]),
        "Records after which a partition is flushed to disk.";
    "flush.ms" Long = "9223372036854775807", AtLeast(0), Medium, From(&[("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)]),
        "Longest time that a record stays unflushed.";
    "follower.replication.throttled.replicas" List = "", ThrottledReplicas, Medium, Own,
        "Replicas, as partition:broker, whose followers are held to the follower's rate; * means all.";
    "index.interval.bytes" Int = "4096", AtLeast(0), Medium, From(&[("log.index.interval.bytes", 1)]),
        "Bytes of records between two index entries.";
    "internal.segment.bytes" Int = null, Any, Internal, Own,
        "Largest segment file, without lower limit; for tests.";
    "leader.replication.throttled.replicas" List = "", ThrottledReplicas, Medium, Own,
        "Replicas, as partition:broker, whose leaders are held to the leader's rate; * means all.";
    "local.retention.bytes" Long = "-2", AtLeast(-2), Medium, From(&[("log.local.retention.bytes", 1)]),
        "Size of the local part of a partition in remote storage; -2 means as retention.bytes.";
    "local.retention.ms" Long = "-2", AtLeast(-2), Medium, From(&[("log.local.retention.ms", 1)]),
        "How long segments stay on local disk when they are also in remote storage; -2 means as retention.ms.";
    "max.compaction.lag.ms" Long = "9223372036854775807", AtLeast(1), Medium, From(&[("log.cleaner.max.compaction.lag.ms", 1)]),
        "Longest time that a record stays uncompacted.";
    "max.message.bytes" Int = "1048588", AtLeast(0), Medium, From(&[("message.max.bytes", 1)]),
        "Largest record batch that is accepted, after compression.";
    "message.timestamp.after.max.ms" Long = "3600000", AtLeast(0), Medium, From(&[("log.message.timestamp.after.max.ms", 1)]),
        "How far a record's time may lie in the future.";
    "message.timestamp.before.max.ms" Long = "9223372036854775807", AtLeast(0), Medium, From(&[("log.message.timestamp.before.max.ms", 1)]),
        "How far a record's time may lie in the past.";
    "message.timestamp.type" String = "CreateTime", OneOf(&["CreateTime", "LogAppendTime"]), Medium, From(&[("log.message.timestamp.type", 1)]),
        "Whose time a record carries: the producer's (CreateTime) or the broker's (LogAppendTime).";
    "min.cleanable.dirty.ratio" Double = "0.5", Between(0, 1), Medium, From(&[("log.cleaner.min.cleanable.ratio", 1)]),
        "Share of uncompacted bytes at which a log is compacted.";
    "min.compaction.lag.ms" Long = "0", AtLeast(0), Medium, From(&[("log.cleaner.min.compaction.lag.ms", 1)]),
        "Shortest time that a record stays uncompacted.";
    "min.insync.replicas" Int = "1", AtLeast(1), Medium, From(&[("min.insync.replicas", 1)]),
        "In-sync replicas that acks=all needs.";
    "preallocate" Boolean = "false", Any, Medium, From(&[("log.preallocate", 1)]),
        "Whether a new segment file gets its full size at once.";
    "remote.log.copy.disable" Boolean = "false", Any, Medium, Own,
        "Whether no more segments go to remote storage.";
    "remote.log.delete.on.disable" Boolean = "false", Any, Medium, Own,
        "Whether remote data is deleted when remote storage is turned off.";
    "remote.storage.enable" Boolean = "false", Any, Medium, Own,
        "Whether old segments go to remote storage.";
    "retention.bytes" Long = "-1", Any, Medium, From(&[("log.retention.bytes", 1)]),
        "Size of a partition above which old segments are deleted; -1 means no limit.";
    "retention.ms" Long = "604800000", AtLeast(-1), Medium, From(&[("log.retention.ms", 1), ("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000)]),
        "How long segments are kept; -1 means for ever.";
    "segment.bytes" Int = "1073741824", AtLeast(1_048_576), Medium, From(&[("log.segment.bytes", 1)]),
        "Largest segment file.";
    "segment.index.bytes" Int = "10485760", AtLeast(4), Medium, From(&[("log.index.size.max.bytes", 1)]),
        "Largest index file of a segment.";
    "segment.jitter.ms" Long = "0", AtLeast(0), Medium, From(&[("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", 3_600_000)]),
        "Most random time that is taken off segment.ms.";
    "segment.ms" Long = "604800000", AtLeast(1), Medium, From(&[("log.roll.ms", 1), ("log.roll.hours", 3_600_000)]),
        "Longest time before a new segment is started.";
    "unclean.leader.election.enable" Boolean = "false", Any, Medium, From(&[("unclean.leader.election.enable", 1)]),
        "Whether a replica that is not in sync may lead when no other can, at the price of lost records.";
}
