//! Remote (tiered) storage.

use crate::config::key::keys;

keys! { REMOTE:
    "remote.log.storage.system.enable" Boolean = "false", Any, Medium, ReadOnly,
        "Whether remote storage may be used.";
    "remote.log.storage.manager.class.name" String = null, NonEmpty, Medium, ReadOnly,
        "Class that moves segments to remote storage; Java classes are not run here.";
    "remote.log.storage.manager.class.path" String = null, Any, Medium, ReadOnly,
        "Where that class is found.";
    "remote.log.storage.manager.impl.prefix" String = "rsm.config.", NonEmpty, Medium, ReadOnly,
        "Prefix of the properties for that class.";
    "remote.log.metadata.manager.class.name" String = "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager", NonEmpty, Medium, ReadOnly,
        "Class that remembers what lies in remote storage; Java classes are not run here.";
    "remote.log.metadata.manager.class.path" String = null, Any, Medium, ReadOnly,
        "Where that class is found.";
    "remote.log.metadata.manager.impl.prefix" String = "rlmm.config.", NonEmpty, Medium, ReadOnly,
        "Prefix of the properties for that class.";
    "remote.log.metadata.manager.listener.name" String = null, NonEmpty, Medium, ReadOnly,
        "Listener that the remote metadata manager connects to.";
    "remote.log.metadata.custom.metadata.max.bytes" Int = "128", AtLeast(0), Low, ReadOnly,
        "Largest metadata that a remote storage plug-in may add to a segment.";
    "remote.log.index.file.cache.total.size.bytes" Long = "1073741824", AtLeast(1), Low, ClusterWide,
        "Disk space for indexes fetched from remote storage.";
    "remote.log.index.file.cache.ttl.ms" Long = "900000", AtLeast(-1), Internal, ReadOnly,
        "How long such an index is kept unused.";
    "remote.log.manager.thread.pool.size" Int = "2", AtLeast(1), Medium, ReadOnly,
        "Older number of threads for followers' remote storage work.";
    "remote.log.manager.copier.thread.pool.size" Int = "10", AtLeast(1), Medium, ClusterWide,
        "Threads that copy segments to remote storage.";
    "remote.log.manager.expiration.thread.pool.size" Int = "10", AtLeast(1), Medium, ClusterWide,
        "Threads that delete expired segments in remote storage.";
    "remote.log.manager.follower.thread.pool.size" Int = "2", AtLeast(1), Medium, ClusterWide,
        "Threads for followers' remote storage work.";
    "remote.log.manager.task.interval.ms" Long = "30000", AtLeast(1), Low, ReadOnly,
        "Time between two rounds of remote storage work.";
    "remote.log.manager.task.retry.backoff.ms" Long = "500", AtLeast(1), Internal, ReadOnly,
        "Wait before failed remote storage work is tried again.";
    "remote.log.manager.task.retry.backoff.max.ms" Long = "30000", AtLeast(1), Internal, ReadOnly,
        "Longest such wait.";
    "remote.log.manager.task.retry.jitter" Double = "0.2", UpTo(0.5), Internal, ReadOnly,
        "Random share of such a wait.";
    "remote.log.manager.copy.max.bytes.per.second" Long = "9223372036854775807", AtLeast(1), Medium, ClusterWide,
        "Most bytes per second that go to remote storage.";
    "remote.log.manager.copy.quota.window.num" Int = "11", AtLeast(1), Medium, ReadOnly,
        "Samples that the copy quota is computed from.";
    "remote.log.manager.copy.quota.window.size.seconds" Int = "1", AtLeast(1), Medium, ReadOnly,
        "Time that one sample of the copy quota covers.";
    "remote.log.manager.fetch.max.bytes.per.second" Long = "9223372036854775807", AtLeast(1), Medium, ClusterWide,
        "Most bytes per second that come from remote storage.";
    "remote.log.manager.fetch.quota.window.num" Int = "11", AtLeast(1), Medium, ReadOnly,
        "Samples that the fetch quota is computed from.";
    "remote.log.manager.fetch.quota.window.size.seconds" Int = "1", AtLeast(1), Medium, ReadOnly,
        "Time that one sample of the fetch quota covers.";
    "remote.log.reader.threads" Int = "10", AtLeast(1), Medium, ClusterWide,
        "Threads that read from remote storage.";
    "remote.log.reader.max.pending.tasks" Int = "100", AtLeast(1), Medium, ReadOnly,
        "Reads from remote storage that may wait.";
    "remote.fetch.max.wait.ms" Int = "500", AtLeast(1), Medium, ClusterWide,
        "Longest wait of a fetch for remote storage.";
    "remote.list.offsets.request.timeout.ms" Long = "30000", AtLeast(1), Medium, ClusterWide,
        "Longest wait of a search for offsets in remote storage.";
}
