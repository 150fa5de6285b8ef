//! The controllers and their log.

use crate::config::key::keys;

keys! { QUORUM:
    "controller.quorum.voters" List = "", Voters, High, ReadOnly,
        "Fixed set of controllers, as id@host:port; empty when the set lives in the metadata log.";
    "controller.quorum.bootstrap.servers" List = "", Servers, High, ReadOnly,
        "Addresses, as host:port, through which a node finds the controllers.";
    "controller.quorum.auto.join.enable" Boolean = "false", Any, Low, ReadOnly,
        "Whether a controller that is not a voter joins the voters by itself.";
    "controller.quorum.election.timeout.ms" Int = "1000", AtLeast(0), High, ReadOnly,
        "How long a candidate waits for votes before it starts anew.";
    "controller.quorum.election.backoff.max.ms" Int = "1000", AtLeast(0), High, ReadOnly,
        "Longest random wait between two elections.";
    "controller.quorum.fetch.timeout.ms" Int = "2000", AtLeast(0), High, ReadOnly,
        "How long a follower goes without a successful fetch before it seeks a new leader.";
    "controller.quorum.fetch.max.bytes" Int = "1048576", AtLeast(1), Low, ReadOnly,
        "Most bytes of the metadata log that one fetch asks for.";
    "controller.quorum.fetch.snapshot.max.bytes" Int = "1048576", AtLeast(1), Low, ReadOnly,
        "Most bytes of a metadata snapshot that one request asks for.";
    "controller.quorum.append.linger.ms" Int = "25", AtLeast(0), Medium, ReadOnly,
        "How long the leader gathers records before it writes them to disk.";
    "controller.quorum.request.timeout.ms" Int = "2000", AtLeast(0), Medium, ReadOnly,
        "How long to wait for an answer from another controller.";
    "controller.quorum.retry.backoff.ms" Int = "20", AtLeast(0), Low, ReadOnly,
        "Wait before a failed request to a controller is sent again.";
    "controller.socket.timeout.ms" Int = "30000", Any, Medium, ReadOnly,
        "Socket timeout of channels to the controller.";
    "controller.performance.sample.period.ms" Long = "60000", AtLeast(100), Internal, ReadOnly,
        "Time between two reports about the controller's speed.";
    "controller.performance.always.log.threshold.ms" Long = "2000", AtLeast(0), Internal, ReadOnly,
        "Controller events that take longer are logged.";
    "metadata.log.dir" String = null, Any, High, ReadOnly,
        "Directory of the metadata log; without it, the first log directory.";
    "metadata.log.segment.bytes" Int = "1073741824", AtLeast(8_388_608), High, ReadOnly,
        "Largest file of the metadata log.";
    "metadata.log.segment.ms" Long = "604800000", Any, High, ReadOnly,
        "Longest time before the metadata log starts a new file.";
    "metadata.log.max.record.bytes.between.snapshots" Long = "20971520", AtLeast(1), High, ReadOnly,
        "New records, in bytes, after which a snapshot is made.";
    "metadata.log.max.snapshot.interval.ms" Long = "3600000", AtLeast(0), High, ReadOnly,
        "Longest time between two snapshots when there are new records; 0 means no limit.";
    "metadata.max.idle.interval.ms" Int = "500", AtLeast(0), Low, ReadOnly,
        "Time after which an idle active controller writes a no-op record; 0 means never.";
    "metadata.max.retention.bytes" Long = "104857600", Any, High, ReadOnly,
        "Size of metadata log and snapshots above which old ones are deleted.";
    "metadata.max.retention.ms" Long = "604800000", Any, High, ReadOnly,
        "Age of metadata log and snapshots above which old ones are deleted.";
    "internal.metadata.delete.delay.millis" Long = "60000", Any, Internal, ReadOnly,
        "Wait before a deleted file of the metadata log leaves the disk.";
    "internal.metadata.log.segment.bytes" Int = null, Any, Internal, ReadOnly,
        "Largest file of the metadata log, without lower limit; for tests.";
    "internal.metadata.max.batch.size.in.bytes" Int = "8388608", Any, Internal, ReadOnly,
        "Largest batch in the metadata log.";
    "initial.broker.registration.timeout.ms" Int = "60000", Any, Medium, ReadOnly,
        "How long a broker tries to register when it starts, before it gives up.";
    "broker.heartbeat.interval.ms" Int = "2000", Any, Medium, ReadOnly,
        "Time between two heartbeats of a broker.";
    "broker.session.timeout.ms" Int = "9000", Any, Medium, ReadOnly,
        "A broker that sends no heartbeat for longer is fenced.";
    "leader.imbalance.check.interval.seconds" Long = "300", AtLeast(1), High, ReadOnly,
        "Time between two checks whether preferred leaders lead.";
    "auto.leader.rebalance.enable" Boolean = "true", Any, High, ReadOnly,
        "Whether leadership goes back to preferred replicas by itself.";
    "unclean.leader.election.enable" Boolean = "false", Any, High, ClusterWide,
        "Whether a replica that is not in sync may lead when no other can, at the price of lost records.";
    "unclean.leader.election.interval.ms" Long = "300000", AtLeast(1), Internal, ReadOnly,
        "Time between two searches for partitions that may be led only by such a replica.";
    "sasl.mechanism.controller.protocol" String = "GSSAPI", Any, High, ReadOnly,
        "SASL mechanism for connections to controllers.";
}
