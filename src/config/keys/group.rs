//! Group coordinators: classic, consumer, share and streams groups and their offsets.

use crate::config::key::keys;

keys! { GROUP:
    "group.coordinator.rebalance.protocols" List = "classic,consumer,streams", SomeOf(&["consumer", "classic", "share", "streams"]), Medium, ReadOnly,
        "Kinds of groups that are served; deprecated in favour of feature levels.";
    "group.coordinator.threads" Int = "4", AtLeast(1), High, ReadOnly,
        "Threads of the group coordinator.";
    "group.coordinator.background.threads" Int = "2", AtLeast(1), High, ReadOnly,
        "Threads for the coordinator's longer work.";
    "group.coordinator.append.linger.ms" Int = "-1", AtLeast(-1), Medium, ReadOnly,
        "How long the coordinator gathers records before it writes them; -1 adapts to the load.";
    "group.coordinator.cached.buffer.max.bytes" Int = "1048588", AtLeast(524_288), Medium, ClusterWide,
        "Largest write buffer that the coordinator keeps for reuse.";
    "group.min.session.timeout.ms" Int = "6000", Any, Medium, ReadOnly,
        "Shortest session that a member of a classic group may ask for.";
    "group.max.session.timeout.ms" Int = "1800000", Any, Medium, ReadOnly,
        "Longest session that a member of a classic group may ask for.";
    "group.initial.rebalance.delay.ms" Int = "3000", Any, Medium, ReadOnly,
        "How long an empty group waits for more members before its first rebalance.";
    "group.max.size" Int = "2147483647", AtLeast(1), Medium, ReadOnly,
        "Most members of a classic group.";
    "group.consumer.session.timeout.ms" Int = "45000", AtLeast(1), Medium, ReadOnly,
        "A member of a consumer group that is silent for longer is removed.";
    "group.consumer.min.session.timeout.ms" Int = "45000", AtLeast(1), Medium, ReadOnly,
        "Smallest consumer session that a group may be given.";
    "group.consumer.max.session.timeout.ms" Int = "60000", AtLeast(1), Medium, ReadOnly,
        "Largest consumer session that a group may be given.";
    "group.consumer.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium, ReadOnly,
        "Heartbeat interval that members of consumer groups are told.";
    "group.consumer.min.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium, ReadOnly,
        "Smallest consumer heartbeat interval that a group may be given.";
    "group.consumer.max.heartbeat.interval.ms" Int = "15000", AtLeast(1), Medium, ReadOnly,
        "Largest consumer heartbeat interval that a group may be given.";
    "group.consumer.assignment.interval.ms" Int = "1000", AtLeast(0), Medium, ClusterWide,
        "Shortest time between two assignments of a consumer group.";
    "group.consumer.min.assignment.interval.ms" Int = "0", AtLeast(0), Medium, ReadOnly,
        "Smallest consumer assignment interval that a group may be given.";
    "group.consumer.max.assignment.interval.ms" Int = "15000", AtLeast(0), Medium, ReadOnly,
        "Largest consumer assignment interval that a group may be given.";
    "group.consumer.max.size" Int = "2147483647", AtLeast(1), Medium, ReadOnly,
        "Most members of a consumer group.";
    "group.consumer.assignors" List = "uniform,range", SomeNames, Medium, ReadOnly,
        "Assignors of consumer groups; the first is the default.";
    "group.consumer.migration.policy" String = "bidirectional", OneOfAnyCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]), Medium, ReadOnly,
        "Between which protocols a group with members may move.";
    "group.consumer.regex.refresh.interval.ms" Int = "600000", AtLeast(10_000), Internal, ReadOnly,
        "Time between two evaluations of subscribed patterns.";
    "group.share.session.timeout.ms" Int = "45000", AtLeast(1), Medium, ReadOnly,
        "A member of a share group that is silent for longer is removed.";
    "group.share.min.session.timeout.ms" Int = "45000", AtLeast(1), Medium, ReadOnly,
        "Smallest share session that a group may be given.";
    "group.share.max.session.timeout.ms" Int = "60000", AtLeast(1), Medium, ReadOnly,
        "Largest share session that a group may be given.";
    "group.share.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium, ReadOnly,
        "Heartbeat interval that members of share groups are told.";
    "group.share.min.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium, ReadOnly,
        "Smallest share heartbeat interval that a group may be given.";
    "group.share.max.heartbeat.interval.ms" Int = "15000", AtLeast(1), Medium, ReadOnly,
        "Largest share heartbeat interval that a group may be given.";
    "group.share.assignment.interval.ms" Int = "1000", AtLeast(0), Medium, ClusterWide,
        "Shortest time between two assignments of a share group.";
    "group.share.min.assignment.interval.ms" Int = "0", AtLeast(0), Medium, ReadOnly,
        "Smallest share assignment interval that a group may be given.";
    "group.share.max.assignment.interval.ms" Int = "15000", AtLeast(0), Medium, ReadOnly,
        "Largest share assignment interval that a group may be given.";
    "group.share.max.size" Int = "200", Between(1, 1000), Medium, ReadOnly,
        "Most members of a share group.";
    "group.share.assignors" List = "simple", SomeNames, Medium, ReadOnly,
        "The assignor of share groups.";
    "group.share.delivery.count.limit" Int = "5", Between(2, 10), Medium, ReadOnly,
        "How often a record is delivered to a share group before it is given up.";
    "group.share.min.delivery.count.limit" Int = "2", Between(2, 5), Medium, ReadOnly,
        "Smallest delivery limit that a group may be given.";
    "group.share.max.delivery.count.limit" Int = "10", Between(5, 25), Medium, ReadOnly,
        "Largest delivery limit that a group may be given.";
    "group.share.partition.max.record.locks" Int = "2000", Between(100, 10_000), Medium, ReadOnly,
        "Most records of a share partition that are in flight at a time.";
    "group.share.min.partition.max.record.locks" Int = "100", Between(100, 2000), Medium, ReadOnly,
        "Smallest limit of records in flight that a group may be given.";
    "group.share.max.partition.max.record.locks" Int = "4000", Between(2000, 10_000), Medium, ReadOnly,
        "Largest limit of records in flight that a group may be given.";
    "group.share.record.lock.duration.ms" Int = "30000", Between(1000, 3_600_000), Medium, ReadOnly,
        "How long a delivered record waits for its acknowledgement.";
    "group.share.min.record.lock.duration.ms" Int = "15000", Between(1000, 30_000), Medium, ReadOnly,
        "Smallest acknowledgement time that a group may be given.";
    "group.share.max.record.lock.duration.ms" Int = "60000", Between(30_000, 3_600_000), Medium, ReadOnly,
        "Largest acknowledgement time that a group may be given.";
    "group.share.max.share.sessions" Int = "2000", AtLeast(1), Medium, ReadOnly,
        "Most share sessions of this broker.";
    "group.share.initialize.retry.interval.ms" Int = "30000", AtLeast(1), Internal, ReadOnly,
        "Wait before the state of a share partition is initialised again.";
    "group.share.persister.class.name" String = "org.apache.kafka.server.share.persister.DefaultStatePersister", Any, Internal, ReadOnly,
        "Class that stores the state of share groups; only the default one exists here.";
    "group.streams.session.timeout.ms" Int = "45000", AtLeast(1), Medium, ReadOnly,
        "A member of a streams group that is silent for longer is removed.";
    "group.streams.min.session.timeout.ms" Int = "45000", AtLeast(1), Medium, ReadOnly,
        "Smallest streams session that a group may be given.";
    "group.streams.max.session.timeout.ms" Int = "60000", AtLeast(1), Medium, ReadOnly,
        "Largest streams session that a group may be given.";
    "group.streams.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium, ReadOnly,
        "Heartbeat interval that members of streams groups are told.";
    "group.streams.min.heartbeat.interval.ms" Int = "5000", AtLeast(1), Medium, ReadOnly,
        "Smallest streams heartbeat interval that a group may be given.";
    "group.streams.max.heartbeat.interval.ms" Int = "15000", AtLeast(1), Medium, ReadOnly,
        "Largest streams heartbeat interval that a group may be given.";
    "group.streams.assignment.interval.ms" Int = "1000", AtLeast(0), Medium, ClusterWide,
        "Shortest time between two assignments of a streams group.";
    "group.streams.min.assignment.interval.ms" Int = "0", AtLeast(0), Medium, ReadOnly,
        "Smallest streams assignment interval that a group may be given.";
    "group.streams.max.assignment.interval.ms" Int = "15000", AtLeast(0), Medium, ReadOnly,
        "Largest streams assignment interval that a group may be given.";
    "group.streams.max.size" Int = "2147483647", AtLeast(1), Medium, ReadOnly,
        "Most members of a streams group.";
    "group.streams.num.standby.replicas" Int = "0", AtLeast(0), Medium, ReadOnly,
        "Standby copies of each task of a streams group.";
    "group.streams.max.standby.replicas" Int = "2", AtLeast(0), Medium, ReadOnly,
        "Most standby copies that a group may be given.";
    "group.streams.initial.rebalance.delay.ms" Int = "3000", AtLeast(0), Medium, ReadOnly,
        "How long a new streams group waits for more members.";
    "offset.metadata.max.bytes" Int = "4096", Any, High, ReadOnly,
        "Longest text that may come with a committed offset.";
    "offsets.commit.timeout.ms" Int = "5000", AtLeast(1), High, ReadOnly,
        "How long a commit waits for the replicas of the offsets topic.";
    "offsets.load.buffer.size" Int = "5242880", AtLeast(1), High, ReadOnly,
        "Bytes read at a time when the offsets topic is loaded.";
    "offsets.retention.minutes" Int = "10080", AtLeast(1), High, ReadOnly,
        "How long offsets of a group without members are kept.";
    "offsets.retention.check.interval.ms" Long = "600000", AtLeast(1), High, ReadOnly,
        "Time between two searches for expired offsets.";
    "offsets.topic.num.partitions" Int = "50", AtLeast(1), High, ReadOnly,
        "Partitions of the offsets topic.";
    "offsets.topic.replication.factor" Short = "3", AtLeast(1), High, ReadOnly,
        "Replicas of the offsets topic.";
    "offsets.topic.segment.bytes" Int = "104857600", AtLeast(1), High, ReadOnly,
        "Largest segment file of the offsets topic.";
    "offsets.topic.compression.codec" Int = "0", Any, High, ReadOnly,
        "Number of the codec of the offsets topic.";
    "share.coordinator.threads" Int = "1", AtLeast(1), Medium, ReadOnly,
        "Threads of the share coordinator.";
    "share.coordinator.append.linger.ms" Int = "-1", AtLeast(-1), Medium, ReadOnly,
        "How long the share coordinator gathers records before it writes them; -1 adapts to the load.";
    "share.coordinator.cached.buffer.max.bytes" Int = "1048588", AtLeast(524_288), Medium, ClusterWide,
        "Largest write buffer that the share coordinator keeps for reuse.";
    "share.coordinator.cold.partition.snapshot.interval.ms" Int = "300000", AtLeast(1), Internal, ReadOnly,
        "Time after which the state of a quiet share partition is written anew.";
    "share.coordinator.load.buffer.size" Int = "5242880", AtLeast(1), High, ReadOnly,
        "Bytes read at a time when the share state topic is loaded.";
    "share.coordinator.snapshot.update.records.per.snapshot" Int = "500", Between(0, 500), Medium, ReadOnly,
        "Updates of a share partition between two snapshots of its state.";
    "share.coordinator.state.topic.num.partitions" Int = "50", AtLeast(1), High, ReadOnly,
        "Partitions of the share state topic.";
    "share.coordinator.state.topic.replication.factor" Short = "3", AtLeast(1), High, ReadOnly,
        "Replicas of the share state topic.";
    "share.coordinator.state.topic.min.isr" Short = "2", AtLeast(1), High, ReadOnly,
        "In-sync replicas that writes to the share state topic need.";
    "share.coordinator.state.topic.segment.bytes" Int = "104857600", AtLeast(1), High, ReadOnly,
        "Largest segment file of the share state topic.";
    "share.coordinator.state.topic.compression.codec" Int = "0", Any, High, ReadOnly,
        "Number of the codec of the share state topic.";
    "share.coordinator.state.topic.prune.interval.ms" Int = "300000", AtLeast(1), Internal, ReadOnly,
        "Time between two prunings of the share state topic.";
    "share.coordinator.write.timeout.ms" Int = "5000", AtLeast(1), High, ReadOnly,
        "How long a write waits for the replicas of the share state topic.";
}
