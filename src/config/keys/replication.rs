//! Followers and their leaders.

use crate::config::key::keys;

keys! { REPLICATION:
    "default.replication.factor" Int = "1", Any, Medium, ReadOnly,
        "Replicas of a topic that is created without a number.";
    "num.replica.fetchers" Int = "1", AtLeast(1), High, ClusterWide,
        "Threads that fetch from each other broker.";
    "num.replica.alter.log.dirs.threads" Int = null, Any, High, ReadOnly,
        "Threads that copy replicas between log directories.";
    "replica.fetch.max.bytes" Int = "1048576", AtLeast(0), Medium, ReadOnly,
        "Bytes that a follower asks for of each partition.";
    "replica.fetch.min.bytes" Int = "1", Any, High, ReadOnly,
        "Fewest bytes for which a follower's fetch is answered at once.";
    "replica.fetch.wait.max.ms" Int = "500", Any, High, ReadOnly,
        "Longest wait of a follower's fetch.";
    "replica.fetch.response.max.bytes" Int = "10485760", AtLeast(0), Medium, ReadOnly,
        "Most bytes that a follower asks for in one fetch.";
    "replica.fetch.backoff.ms" Int = "1000", AtLeast(0), Medium, ReadOnly,
        "Wait after a failed fetch of a partition.";
    "replica.lag.time.max.ms" Long = "30000", Any, High, ReadOnly,
        "A follower that has not caught up for longer leaves the in-sync replicas.";
    "replica.socket.timeout.ms" Int = "30000", Any, High, ReadOnly,
        "Socket timeout of fetches between brokers.";
    "replica.socket.receive.buffer.bytes" Int = "65536", Any, High, ReadOnly,
        "SO_RCVBUF of sockets for fetches between brokers.";
    "replica.high.watermark.checkpoint.interval.ms" Long = "5000", Any, High, ReadOnly,
        "Time between two savings of high watermarks.";
    "replica.selector.class" String = null, Any, Medium, ReadOnly,
        "Class that chooses the replica a consumer reads from.";
    "follower.fetch.last.tiered.offset.enable" Boolean = "false", Any, Medium, ClusterWide,
        "Whether an empty follower begins behind what lies in remote storage.";
}
