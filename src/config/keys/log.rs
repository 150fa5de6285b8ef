//! Logs on disk; most are defaults of topics.

use crate::config::key::keys;

keys! { LOG:
    "log.dir" List = "/tmp/kafka-logs", SomeNames, High, ReadOnly,
        "Directory of the logs, when log.dirs is not set.";
    "log.dirs" List = null, SomeNamesOrNull, High, ReadOnly,
        "Directories of the logs.";
    "cordoned.log.dirs" List = "", NamesOrNull, Medium, PerBroker,
        "Log directories that get no new partitions; * means all.";
    "num.partitions" Int = "1", AtLeast(1), Medium, ReadOnly,
        "Partitions of a topic that is created without a number.";
    "log.segment.bytes" Int = "1073741824", AtLeast(1_048_576), High, ClusterWide,
        "Largest segment file.";
    "log.roll.ms" Long = null, Any, High, ClusterWide,
        "Longest time before a new segment is started.";
    "log.roll.hours" Int = "168", AtLeast(1), High, ReadOnly,
        "The same in hours, when log.roll.ms is not set.";
    "log.roll.jitter.ms" Long = null, Any, High, ClusterWide,
        "Most random time that is taken off log.roll.ms.";
    "log.roll.jitter.hours" Int = "0", AtLeast(0), High, ReadOnly,
        "The same in hours, when log.roll.jitter.ms is not set.";
    "log.retention.ms" Long = null, Any, High, ClusterWide,
        "How long segments are kept; -1 means for ever.";
    "log.retention.minutes" Int = null, Any, High, ReadOnly,
        "The same in minutes, when log.retention.ms is not set.";
    "log.retention.hours" Int = "168", Any, High, ReadOnly,
        "The same in hours, when neither log.retention.ms nor log.retention.minutes is set.";
    "log.retention.bytes" Long = "-1", Any, High, ClusterWide,
        "Size of a partition above which old segments are deleted; -1 means no limit.";
    "log.retention.check.interval.ms" Long = "300000", AtLeast(1), Medium, ReadOnly,
        "Time between two searches for segments to delete.";
    "log.cleanup.policy" List = "delete", AnyOf(&["compact", "delete"]), Medium, ClusterWide,
        "What becomes of old records: delete, compact, or both.";
    "log.index.size.max.bytes" Int = "10485760", AtLeast(4), Medium, ClusterWide,
        "Largest index file of a segment.";
    "log.index.interval.bytes" Int = "4096", AtLeast(0), Medium, ClusterWide,
        "Bytes of records between two index entries.";
    "log.flush.interval.messages" Long = "9223372036854775807", AtLeast(1), High, ClusterWide,
        "Records after which a partition is flushed to disk.";
    "log.flush.interval.ms" Long = null, Any, High, ClusterWide,
        "Longest time that a record stays unflushed; without it, log.flush.scheduler.interval.ms.";
    "log.flush.scheduler.interval.ms" Long = "9223372036854775807", Any, High, ReadOnly,
        "Time between two searches for logs to flush.";
    "log.flush.offset.checkpoint.interval.ms" Int = "60000", AtLeast(0), High, ReadOnly,
        "Time between two savings of recovery points.";
    "log.flush.start.offset.checkpoint.interval.ms" Int = "60000", AtLeast(0), High, ReadOnly,
        "Time between two savings of log start offsets.";
    "log.segment.delete.delay.ms" Long = "60000", AtLeast(0), High, ClusterWide,
        "Wait before a deleted file leaves the disk.";
    "log.initial.task.delay.ms" Long = "30000", AtLeast(0), Internal, ReadOnly,
        "Wait before housekeeping of logs begins.";
    "log.preallocate" Boolean = "false", Any, Medium, ClusterWide,
        "Whether a new segment file gets its full size at once.";
    "log.message.timestamp.type" String = "CreateTime", OneOf(&["CreateTime", "LogAppendTime"]), Medium, ClusterWide,
        "Whose time a record carries: the producer's (CreateTime) or the broker's (LogAppendTime).";
    "log.message.timestamp.before.max.ms" Long = "9223372036854775807", AtLeast(0), Medium, ClusterWide,
        "How far a record's time may lie in the past.";
    "log.message.timestamp.after.max.ms" Long = "3600000", AtLeast(0), Medium, ClusterWide,
        "How far a record's time may lie in the future.";
    "log.local.retention.ms" Long = "-2", AtLeast(-2), Medium, ClusterWide,
        "How long segments stay on local disk when they are also in remote storage; -2 means as long as they are kept at all.";
    "log.local.retention.bytes" Long = "-2", AtLeast(-2), Medium, ClusterWide,
        "Size of the local part of a partition in remote storage; -2 means as its whole size.";
    "log.dir.failure.timeout.ms" Long = "30000", AtLeast(1), Low, ReadOnly,
        "How long a broker may fail to tell the controller about a failed log directory before it stops.";
    "log.cleaner.enable" Boolean = "true", Any, Medium, ReadOnly,
        "Accepted for compatibility; compacted topics are always cleaned.";
    "log.cleaner.threads" Int = "1", AtLeast(0), Medium, ClusterWide,
        "Threads that compact logs.";
    "log.cleaner.backoff.ms" Long = "15000", AtLeast(0), Medium, ClusterWide,
        "Wait when there is nothing to compact.";
    "log.cleaner.dedupe.buffer.size" Long = "134217728", Any, Medium, ClusterWide,
        "Memory for the keys of logs being compacted, over all threads.";
    "log.cleaner.io.buffer.size" Int = "524288", AtLeast(0), Medium, ClusterWide,
        "Memory for reading and writing while compacting, over all threads.";
    "log.cleaner.io.buffer.load.factor" Double = "0.9", Any, Medium, ClusterWide,
        "How full the key memory may get.";
    "log.cleaner.io.max.bytes.per.second" Double = "1.7976931348623157E308", Any, Medium, ClusterWide,
        "Most bytes per second that compaction reads and writes.";
    "log.cleaner.min.cleanable.ratio" Double = "0.5", Between(0, 1), Medium, ClusterWide,
        "Share of uncompacted bytes at which a log is compacted.";
    "log.cleaner.min.compaction.lag.ms" Long = "0", AtLeast(0), Medium, ClusterWide,
        "Shortest time that a record stays uncompacted.";
    "log.cleaner.max.compaction.lag.ms" Long = "9223372036854775807", AtLeast(1), Medium, ClusterWide,
        "Longest time that a record stays uncompacted.";
    "log.cleaner.delete.retention.ms" Long = "86400000", AtLeast(0), Medium, ClusterWide,
        "How long tombstones of compacted topics are kept.";
    "min.insync.replicas" Int = "1", AtLeast(1), High, ClusterWide,
        "In-sync replicas that acks=all needs.";
    "num.recovery.threads.per.data.dir" Int = "2", AtLeast(1), High, ClusterWide,
        "Threads per log directory that open, recover and close logs.";
    "producer.id.expiration.ms" Int = "86400000", AtLeast(1), Low, ClusterWide,
        "Time without writes after which an idempotent producer is forgotten.";
    "producer.id.expiration.check.interval.ms" Int = "600000", AtLeast(1), Internal, ReadOnly,
        "Time between two searches for such producers.";
}
