//! One partition as the metadata log describes it.

use crate::metadata::MetadataVersion;
use crate::metadata::directory;
use crate::schema::partition_change_record::PartitionChangeRecord;
use crate::schema::partition_record::PartitionRecord;
use crate::types::LeaderEpoch;
use crate::types::NodeId;
use crate::types::PartitionId;
use crate::types::Uuid;

pub const NO_LEADER: NodeId = -1;
/// In a change record: the leader stays, and so does its epoch.
pub const UNCHANGED_LEADER: NodeId = -2;

/// Whether the leader came from an unclean election and has not yet said that its log is in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaderRecovery {
    #[default]
    Recovered,
    Recovering,
}

impl LeaderRecovery {
    pub fn code(self) -> i8 {
        match self {
            LeaderRecovery::Recovered => 0,
            LeaderRecovery::Recovering => 1,
        }
    }

    pub fn from_code(code: i8) -> Option<LeaderRecovery> {
        match code {
            0 => Some(LeaderRecovery::Recovered),
            1 => Some(LeaderRecovery::Recovering),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    pub index: PartitionId,
    pub leader: NodeId,
    pub leader_epoch: LeaderEpoch,
    pub partition_epoch: i32,
    pub leader_recovery: LeaderRecovery,
    pub replicas: Vec<NodeId>,
    /// Where each of `replicas` lies; as long as they are.
    pub directories: Vec<Uuid>,
    pub isr: Vec<NodeId>,
    pub removing: Vec<NodeId>,
    pub adding: Vec<NodeId>,
    pub eligible_leaders: Vec<NodeId>,
    pub last_known_leaders: Vec<NodeId>,
}

impl Partition {
    /// A partition that begins its life with `isr[0]` as its leader.
    pub fn new(index: PartitionId, replicas: Vec<NodeId>, directories: Vec<Uuid>, isr: Vec<NodeId>) -> Partition {
        Partition {
            index,
            leader: isr.first().copied().unwrap_or(NO_LEADER),
            leader_epoch: 0,
            partition_epoch: 0,
            leader_recovery: LeaderRecovery::Recovered,
            replicas,
            directories,
            isr,
            removing: Vec::new(),
            adding: Vec::new(),
            eligible_leaders: Vec::new(),
            last_known_leaders: Vec::new(),
        }
    }

    pub fn from_record(record: &PartitionRecord) -> Partition {
        Partition {
            index: record.partition_id,
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            leader_recovery: LeaderRecovery::from_code(record.leader_recovery_state).unwrap_or_default(),
            directories: fill(&record.directories, record.replicas.len()),
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            removing: record.removing_replicas.clone(),
            adding: record.adding_replicas.clone(),
            eligible_leaders: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_leaders: record.last_known_elr.clone().unwrap_or_default(),
        }
    }

    pub fn to_record(&self, topic_id: Uuid, level: MetadataVersion, elr: bool) -> PartitionRecord {
        let tagged = |list: &Vec<NodeId>| (elr && !list.is_empty()).then(|| list.clone());
        let directories = level.directory_assignment().then(|| self.directories.clone());
        PartitionRecord {
            partition_id: self.index,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing.clone(),
            adding_replicas: self.adding.clone(),
            leader: self.leader,
            leader_recovery_state: self.leader_recovery.code(),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: directories.unwrap_or_default(),
            eligible_leader_replicas: tagged(&self.eligible_leaders),
            last_known_elr: tagged(&self.last_known_leaders),
        }
    }

    /// A leader that is named, even the same one, raises the leader epoch; every change raises the partition epoch.
    pub fn apply(&mut self, change: &PartitionChangeRecord) {
        set(&mut self.replicas, &change.replicas);
        set(&mut self.directories, &change.directories);
        if self.directories.len() != self.replicas.len() {
            self.directories = fill(&[], self.replicas.len());
        }
        set(&mut self.isr, &change.isr);
        set(&mut self.removing, &change.removing_replicas);
        set(&mut self.adding, &change.adding_replicas);
        set(&mut self.eligible_leaders, &change.eligible_leader_replicas);
        set(&mut self.last_known_leaders, &change.last_known_elr);
        if change.leader != UNCHANGED_LEADER {
            self.leader = change.leader;
            self.leader_epoch = self.leader_epoch.wrapping_add(1);
        }
        if let Some(state) = LeaderRecovery::from_code(change.leader_recovery_state) {
            self.leader_recovery = state;
        }
        self.partition_epoch = self.partition_epoch.wrapping_add(1);
    }

    pub fn has_leader(&self) -> bool {
        self.leader != NO_LEADER
    }

    pub fn preferred_leader(&self) -> NodeId {
        self.replicas.first().copied().unwrap_or(NO_LEADER)
    }

    pub fn is_reassigning(&self) -> bool {
        !self.removing.is_empty() || !self.adding.is_empty()
    }

    /// Where the replica on `broker` lies, if there is one.
    pub fn directory_of(&self, broker: NodeId) -> Option<Uuid> {
        let at = self.replicas.iter().position(|replica| *replica == broker)?;
        self.directories.get(at).copied()
    }
}

fn set<T: Clone>(field: &mut Vec<T>, change: &Option<Vec<T>>) {
    if let Some(value) = change {
        field.clone_from(value);
    }
}

fn fill(directories: &[Uuid], replicas: usize) -> Vec<Uuid> {
    match directories.len() == replicas {
        true => directories.to_vec(),
        false => vec![directory::MIGRATING; replicas],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_leader_raises_its_epoch_even_if_it_is_the_same() {
        for (case, leader, epoch) in [("unnamed", UNCHANGED_LEADER, 0), ("same", 1, 1), ("none", NO_LEADER, 1)] {
            let mut partition = Partition::new(0, vec![1, 2], vec![Uuid::ONE, Uuid::ONE], vec![1, 2]);
            partition.apply(&PartitionChangeRecord {
                leader,
                ..Default::default()
            });
            assert_eq!(
                (partition.leader_epoch, partition.partition_epoch),
                (epoch, 1),
                "{case}"
            );
        }
    }

    #[test]
    fn replicas_without_directories_are_migrating() {
        let record = PartitionRecord {
            replicas: vec![1, 2],
            ..Default::default()
        };
        assert_eq!(
            Partition::from_record(&record).directories,
            vec![directory::MIGRATING; 2]
        );
    }
}
