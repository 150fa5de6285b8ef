//! Identity, limits of requests, metrics, quotas and delegation tokens.

use crate::config::key::keys;

keys! { GENERAL:
    "node.id" Int = required, AtLeast(0), High, ReadOnly,
        "Number of this node, unique in the cluster.";
    "broker.id" Int = "-1", Any, High, ReadOnly,
        "Older name of node.id; the two must agree when both are set.";
    "broker.rack" String = null, Any, Medium, ReadOnly,
        "Rack or zone of this broker, for the placement of replicas and for fetching from the nearest one.";
    "process.roles" List = required, SomeOf(&["broker", "controller"]), High, ReadOnly,
        "Roles of this process.";
    "auto.create.topics.enable" Boolean = "true", Any, High, ReadOnly,
        "Whether a topic is created when a client first asks for it.";
    "delete.topic.enable" Boolean = "true", Any, High, ReadOnly,
        "Whether topics may be deleted.";
    "message.max.bytes" Int = "1048588", AtLeast(0), High, ClusterWide,
        "Largest record batch that is accepted, after compression.";
    "fetch.max.bytes" Int = "57671680", AtLeast(1024), Medium, ReadOnly,
        "Most bytes that one fetch returns, but for a first batch that is larger.";
    "max.incremental.fetch.session.cache.slots" Int = "1000", AtLeast(0), Medium, ReadOnly,
        "Incremental fetch sessions kept in memory.";
    "fetch.purgatory.purge.interval.requests" Int = "1000", Any, Medium, ReadOnly,
        "Accepted for compatibility; waiting fetches are removed when they end.";
    "producer.purgatory.purge.interval.requests" Int = "1000", Any, Medium, ReadOnly,
        "Accepted for compatibility; waiting produce requests are removed when they end.";
    "delete.records.purgatory.purge.interval.requests" Int = "1", Any, Medium, ReadOnly,
        "Accepted for compatibility; waiting deletions are removed when they end.";
    "share.fetch.purgatory.purge.interval.requests" Int = "1000", Any, Medium, ReadOnly,
        "Accepted for compatibility; waiting share fetches are removed when they end.";
    "compression.type" String = "producer", OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), High, ClusterWide,
        "Compression of stored batches: a codec, uncompressed, or producer to keep what the producer chose.";
    "compression.gzip.level" Int = "-1", GzipLevel, Medium, ClusterWide,
        "Level for gzip; -1 is the codec's own default.";
    "compression.lz4.level" Int = "9", Between(1, 17), Medium, ClusterWide,
        "Level for lz4.";
    "compression.zstd.level" Int = "3", Between(-131_072, 22), Medium, ClusterWide,
        "Level for zstd.";
    "controlled.shutdown.enable" Boolean = "true", Any, Medium, ReadOnly,
        "Whether a broker hands its leaderships over before it stops.";
    "create.topic.policy.class.name" Class = null, Any, Low, ReadOnly,
        "Class of a policy for new topics; Java classes are not run here.";
    "alter.config.policy.class.name" Class = null, Any, Low, ReadOnly,
        "Class of a policy for changes of configurations; Java classes are not run here.";
    "client.quota.callback.class" Class = null, Any, Low, ReadOnly,
        "Class that decides about quotas; Java classes are not run here.";
    "config.providers" List = "", Names, Low, ClusterWide,
        "Aliases of providers for values written as ${alias:path:key}.";
    "metric.reporters" List = "org.apache.kafka.common.metrics.JmxReporter", Names, Low, ClusterWide,
        "Classes that report metrics; Java classes are not run here.";
    "kafka.metrics.reporters" List = "", Names, Low, ReadOnly,
        "Classes of the older metrics library; Java classes are not run here.";
    "kafka.metrics.polling.interval.secs" Int = "10", AtLeast(1), Low, ReadOnly,
        "Seconds between two readings of those reporters.";
    "metrics.num.samples" Int = "2", AtLeast(1), Low, ReadOnly,
        "Samples that a rate is computed from.";
    "metrics.recording.level" String = "INFO", Any, Low, ReadOnly,
        "Highest level of the metrics that are recorded.";
    "metrics.sample.window.ms" Long = "30000", AtLeast(1), Low, ReadOnly,
        "Time that one of those samples covers.";
    "telemetry.max.bytes" Int = "1048576", AtLeast(1), Low, ReadOnly,
        "Largest push of client metrics that is accepted, as it comes on the wire.";
    "quota.window.num" Int = "11", AtLeast(1), Low, ReadOnly,
        "Samples that client quotas are computed from.";
    "quota.window.size.seconds" Int = "1", AtLeast(1), Low, ReadOnly,
        "Time that one sample of client quotas covers.";
    "replication.quota.window.num" Int = "11", AtLeast(1), Low, ReadOnly,
        "Samples that replication quotas are computed from.";
    "replication.quota.window.size.seconds" Int = "1", AtLeast(1), Low, ReadOnly,
        "Time that one sample of replication quotas covers.";
    "alter.log.dirs.replication.quota.window.num" Int = "11", AtLeast(1), Low, ReadOnly,
        "Samples that quotas for moves between log directories are computed from.";
    "alter.log.dirs.replication.quota.window.size.seconds" Int = "1", AtLeast(1), Low, ReadOnly,
        "Time that one sample of quotas for moves between log directories covers.";
    "controller.quota.window.num" Int = "11", AtLeast(1), Low, ReadOnly,
        "Samples that quotas for controller mutations are computed from.";
    "controller.quota.window.size.seconds" Int = "1", AtLeast(1), Low, ReadOnly,
        "Time that one sample of quotas for controller mutations covers.";
    "delegation.token.secret.key" Password = null, Any, Medium, ReadOnly,
        "Secret that delegation tokens are signed with; the same on all nodes.";
    "delegation.token.max.lifetime.ms" Long = "604800000", AtLeast(1), Medium, ReadOnly,
        "Longest life of a delegation token, renewals included.";
    "delegation.token.expiry.time.ms" Long = "86400000", AtLeast(1), Medium, ReadOnly,
        "Time after which a delegation token must be renewed.";
    "delegation.token.expiry.check.interval.ms" Long = "3600000", AtLeast(1), Low, ReadOnly,
        "Time between two removals of expired delegation tokens.";
    "server.max.startup.time.ms" Long = "9223372036854775807", AtLeast(0), Internal, ReadOnly,
        "How long the start may take before the process gives up.";
    "unstable.api.versions.enable" Boolean = "false", Any, Internal, ReadOnly,
        "Whether request versions that are still in development are offered.";
    "unstable.feature.versions.enable" Boolean = "false", Any, Internal, ReadOnly,
        "Whether feature levels that are still in development are offered.";
}
