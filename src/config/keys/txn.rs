//! Transactions.

use crate::config::key::keys;

keys! { TXN:
    "transaction.max.timeout.ms" Int = "900000", AtLeast(1), High, ReadOnly,
        "Longest timeout that a transactional producer may ask for.";
    "transactional.id.expiration.ms" Int = "604800000", AtLeast(1), High, ReadOnly,
        "Time without transactions after which a transactional id is forgotten.";
    "transaction.abort.timed.out.transaction.cleanup.interval.ms" Int = "10000", AtLeast(1), Low, ReadOnly,
        "Time between two searches for transactions that have timed out.";
    "transaction.remove.expired.transaction.cleanup.interval.ms" Int = "3600000", AtLeast(1), Low, ReadOnly,
        "Time between two searches for expired transactional ids.";
    "transaction.partition.verification.enable" Boolean = "true", Any, Low, ClusterWide,
        "Whether a write is checked to belong to a transaction before it is appended.";
    "transaction.two.phase.commit.enable" Boolean = "false", Any, Low, ReadOnly,
        "Whether transactions may be prepared for an outside coordinator.";
    "transaction.state.log.num.partitions" Int = "50", AtLeast(1), High, ReadOnly,
        "Partitions of the transaction topic.";
    "transaction.state.log.replication.factor" Short = "3", AtLeast(1), High, ReadOnly,
        "Replicas of the transaction topic.";
    "transaction.state.log.min.isr" Int = "2", AtLeast(1), High, ReadOnly,
        "In-sync replicas that writes to the transaction topic need.";
    "transaction.state.log.segment.bytes" Int = "104857600", AtLeast(1), High, ReadOnly,
        "Largest segment file of the transaction topic.";
    "transaction.state.log.load.buffer.size" Int = "5242880", AtLeast(1), High, ReadOnly,
        "Bytes read at a time when the transaction topic is loaded.";
    "add.partitions.to.txn.retry.backoff.ms" Int = "20", AtLeast(1), High, ReadOnly,
        "Wait before a partition is added to a transaction again.";
    "add.partitions.to.txn.retry.backoff.max.ms" Int = "100", AtLeast(0), High, ReadOnly,
        "Longest time that a broker keeps trying to add a partition to a transaction.";
}
