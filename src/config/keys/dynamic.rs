//! Keys of groups, of client metrics subscriptions, of quotas, and of brokers that can only be set while they run.

use crate::config::key::keys;

keys! { GROUP:
    "consumer.assignment.interval.ms" Int = "1000", AtLeast(0), Medium, From(&[("group.consumer.assignment.interval.ms", 1)]),
        "Shortest time between two assignments of the group.";
    "consumer.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium, From(&[("group.consumer.heartbeat.interval.ms", 1)]),
        "Heartbeat interval that members are told.";
    "consumer.session.timeout.ms" Int = "45000", AtLeast(1), Medium, From(&[("group.consumer.session.timeout.ms", 1)]),
        "A member that is silent for longer is removed.";
    "share.assignment.interval.ms" Int = "1000", AtLeast(0), Medium, From(&[("group.share.assignment.interval.ms", 1)]),
        "Shortest time between two assignments of the group.";
    "share.auto.offset.reset" String = "latest", OffsetReset, Medium, Own,
        "Where a share group without a position begins.";
    "share.delivery.count.limit" Int = "5", AtLeast(2), Medium, From(&[("group.share.delivery.count.limit", 1)]),
        "How often a record is delivered before it is given up.";
    "share.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium, From(&[("group.share.heartbeat.interval.ms", 1)]),
        "Heartbeat interval that members are told.";
    "share.isolation.level" String = "read_uncommitted", OneOf(&["read_committed", "read_uncommitted"]), Medium, Own,
        "Whether records of open or aborted transactions are delivered.";
    "share.partition.max.record.locks" Int = "2000", AtLeast(100), Medium, From(&[("group.share.partition.max.record.locks", 1)]),
        "Most records of a share partition that are in flight at a time.";
    "share.record.lock.duration.ms" Int = "30000", AtLeast(1000), Medium, From(&[("group.share.record.lock.duration.ms", 1)]),
        "How long a delivered record waits for its acknowledgement.";
    "share.renew.acknowledge.enable" Boolean = "true", Any, Medium, Own,
        "Whether members may prolong that time.";
    "share.session.timeout.ms" Int = "45000", AtLeast(1), Medium, From(&[("group.share.session.timeout.ms", 1)]),
        "A member that is silent for longer is removed.";
    "streams.assignment.interval.ms" Int = "1000", AtLeast(0), Medium, From(&[("group.streams.assignment.interval.ms", 1)]),
        "Shortest time between two assignments of the group.";
    "streams.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium, From(&[("group.streams.heartbeat.interval.ms", 1)]),
        "Heartbeat interval that members are told.";
    "streams.initial.rebalance.delay.ms" Int = "3000", AtLeast(0), Medium, From(&[("group.streams.initial.rebalance.delay.ms", 1)]),
        "How long a new group waits for more members.";
    "streams.num.standby.replicas" Int = "0", AtLeast(0), Medium, From(&[("group.streams.num.standby.replicas", 1)]),
        "Standby copies of each task.";
    "streams.session.timeout.ms" Int = "45000", AtLeast(1), Medium, From(&[("group.streams.session.timeout.ms", 1)]),
        "A member that is silent for longer is removed.";
}

keys! { CLIENT_METRICS:
    "interval.ms" Int = "300000", Any, Medium, Own,
        "Time between two pushes of a client's metrics.";
    "match" List = "", Names, Medium, Own,
        "Which clients are meant, as name=pattern.";
    "metrics" List = "", Names, Medium, Own,
        "Prefixes of the names of the metrics that are asked for; * means all.";
}

keys! { CLIENT_QUOTA:
    "SCRAM-SHA-256" String = null, Any, Medium, Own,
        "The user's credential for SCRAM-SHA-256.";
    "SCRAM-SHA-512" String = null, Any, Medium, Own,
        "The user's credential for SCRAM-SHA-512.";
    "consumer_byte_rate" Long = "9223372036854775807", Any, Medium, Own,
        "Bytes per second above which the consumer is slowed down.";
    "controller_mutation_rate" Double = "2.147483647E9", Any, Medium, Own,
        "Partitions created and deleted per second above which the client is slowed down.";
    "producer_byte_rate" Long = "9223372036854775807", Any, Medium, Own,
        "Bytes per second above which the producer is slowed down.";
    "request_percentage" Double = "2.147483647E9", Any, Medium, Own,
        "Share of threads' time, in percent, above which the client is slowed down.";
}

keys! { IP_QUOTA:
    "connection_creation_rate" Int = "2147483647", AtLeast(0), Medium, Own,
        "New connections per second above which the address is slowed down.";
}

keys! { BROKER_QUOTA:
    "follower.replication.throttled.rate" Long = "9223372036854775807", AtLeast(0), Medium, ClusterWide,
        "Bytes per second that throttled followers of this broker may receive.";
    "leader.replication.throttled.rate" Long = "9223372036854775807", AtLeast(0), Medium, ClusterWide,
        "Bytes per second that throttled leaders of this broker may send.";
    "replica.alter.log.dirs.io.max.bytes.per.second" Long = "9223372036854775807", AtLeast(0), Medium, ClusterWide,
        "Bytes per second that moves between log directories may take.";
}
