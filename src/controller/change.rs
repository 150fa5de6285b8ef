//! One change of a partition: target replicas, ISR and directories in, a PartitionChange record with its election out.

use crate::controller::Controller;
use crate::metadata::LeaderRecovery;
use crate::metadata::MetadataRecord;
use crate::metadata::NO_LEADER;
use crate::metadata::Partition;
use crate::metadata::Topic;
use crate::metadata::UNCHANGED_LEADER;
use crate::schema::partition_change_record::PartitionChangeRecord;
use crate::types::NodeId;
use crate::types::Uuid;
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Election {
    /// Prefers the first replica over the leader there is.
    Preferred,
    /// Keeps the leader if it may stay.
    Online,
    /// As `Online`, and takes a replica out of sync rather than none.
    Unclean,
}

/// Which brokers may lead: the active ones, but for the one that comes or goes with this change.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Comings {
    pub leaves: Option<NodeId>,
    pub joins: Option<NodeId>,
    pub crashed: Option<NodeId>,
}

pub(super) struct PartitionChange<'a> {
    controller: &'a Controller,
    partition: &'a Partition,
    topic_id: Uuid,
    min_isr: usize,
    elr: bool,
    pub comings: Comings,
    pub election: Election,
    pub isr: Vec<NodeId>,
    pub replicas: Vec<NodeId>,
    pub removing: Vec<NodeId>,
    pub adding: Vec<NodeId>,
    pub recovery: LeaderRecovery,
    directories: Vec<(NodeId, Uuid)>,
    eligible: Vec<NodeId>,
}

impl Controller {
    pub(super) fn change<'a>(&'a self, topic: &Topic, partition: &'a Partition) -> PartitionChange<'a> {
        let replicas = partition.replicas.iter().copied();
        PartitionChange {
            controller: self,
            partition,
            topic_id: topic.id,
            min_isr: self.min_isr(topic),
            elr: self.image().elr_enabled(),
            comings: Comings::default(),
            election: Election::Online,
            isr: partition.isr.clone(),
            replicas: partition.replicas.clone(),
            removing: partition.removing.clone(),
            adding: partition.adding.clone(),
            recovery: partition.leader_recovery,
            directories: replicas.zip(partition.directories.iter().copied()).collect(),
            eligible: partition.eligible_leaders.clone(),
        }
    }

    /// `min.insync.replicas`, but never more than there are replicas.
    fn min_isr(&self, topic: &Topic) -> usize {
        let own = self.topic_value(&topic.name, "min.insync.replicas");
        let own = own.and_then(|value| value.trim().parse::<i32>().ok());
        let configured = own.unwrap_or(self.configuration.topic_defaults.min_insync_replicas);
        let replicas = topic
            .partitions()
            .first()
            .map_or(1, |partition| partition.replicas.len());
        replicas.min(usize::try_from(configured).unwrap_or(0))
    }
}

struct Elected {
    leader: NodeId,
    unclean: bool,
}

impl PartitionChange<'_> {
    pub fn place(&mut self, broker: NodeId, directory: Uuid) {
        self.directories.retain(|(replica, _)| *replica != broker);
        self.directories.push((broker, directory));
    }

    /// `None` if nothing changes.
    pub fn build(mut self) -> Option<MetadataRecord> {
        let mut record = PartitionChangeRecord {
            topic_id: self.topic_id,
            partition_id: self.partition.index,
            ..Default::default()
        };
        self.complete_reassignment();
        self.find_eligible();
        self.elect(&mut record);
        // A replica that is taken away must notice, by a new leader epoch, that it is no follower any more.
        let loses_replica = self
            .partition
            .replicas
            .iter()
            .any(|replica| !self.replicas.contains(replica));
        if record.leader == UNCHANGED_LEADER && loses_replica {
            record.leader = self.partition.leader;
        }
        self.write_eligible(&mut record);
        if record.isr.is_none() && (!self.isr.is_empty() || self.elr) && self.isr != self.partition.isr {
            record.isr = Some(self.isr.clone());
        }
        self.raise_epoch_on_shrink(&mut record);
        self.write_last_known(&mut record);
        self.write_assignment(&mut record);
        if self.recovery != self.partition.leader_recovery {
            record.leader_recovery_state = self.recovery.code();
        }
        let nothing = PartitionChangeRecord {
            topic_id: self.topic_id,
            partition_id: self.partition.index,
            ..Default::default()
        };
        (record != nothing).then(|| record.into())
    }

    /// All replicas that are to be added are in sync: the others can go.
    fn complete_reassignment(&mut self) {
        if self.removing.is_empty() && self.adding.is_empty() {
            return;
        }
        let stays = |replica: &&NodeId| !self.removing.contains(replica);
        let isr: Vec<NodeId> = self.isr.iter().filter(stays).copied().collect();
        let replicas: Vec<NodeId> = self.replicas.iter().filter(stays).copied().collect();
        if !self.removing.is_empty() && (isr.is_empty() || replicas.is_empty()) {
            return;
        }
        let in_sync = |wanted: &[NodeId]| wanted.iter().all(|replica| isr.contains(replica));
        if !in_sync(&self.adding) || (self.adding.len() < self.removing.len() && !in_sync(&replicas)) {
            return;
        }
        self.isr = isr;
        self.replicas = replicas;
        self.removing.clear();
        self.adding.clear();
    }

    /// Who left an ISR that has become too small still has every acknowledged record, unless it crashed.
    fn find_eligible(&mut self) {
        if !self.elr {
            return;
        }
        if self.isr.len() >= self.min_isr {
            self.eligible.clear();
            return;
        }
        let candidates: BTreeSet<NodeId> = self.eligible.iter().chain(&self.partition.isr).copied().collect();
        let keeps = |replica: &NodeId| !self.isr.contains(replica) && self.comings.crashed != Some(*replica);
        self.eligible = candidates.into_iter().filter(keeps).collect();
    }

    fn acceptable(&self, broker: NodeId) -> bool {
        let Comings { leaves, joins, crashed } = self.comings;
        if leaves == Some(broker) || crashed == Some(broker) {
            return false;
        }
        let active = joins == Some(broker) || self.controller.is_active(broker);
        let online = || {
            let place = self.partition.directory_of(broker);
            let known = self.controller.image().broker(broker);
            // A replica that is only about to be assigned lies nowhere yet.
            place.is_some_and(|place| known.is_some_and(|known| known.has_online(place)))
        };
        active && online()
    }

    fn may_lead(&self, broker: NodeId) -> bool {
        let in_sync = self.isr.contains(&broker);
        (in_sync || (self.isr.is_empty() && self.eligible.contains(&broker))) && self.acceptable(broker)
    }

    fn choose(&self) -> Elected {
        let clean = |leader| Elected { leader, unclean: false };
        let unclean = |leader| Elected { leader, unclean: true };
        let preferred = self.replicas.first().filter(|_| self.election == Election::Preferred);
        if let Some(preferred) = preferred.filter(|preferred| self.may_lead(**preferred)) {
            return clean(*preferred);
        }
        if self.may_lead(self.partition.leader) {
            return clean(self.partition.leader);
        }
        if let Some(leader) = self.replicas.iter().find(|replica| self.may_lead(**replica)) {
            return clean(*leader);
        }
        if let Some(leader) = self.last_known_leader() {
            return unclean(leader);
        }
        if self.election == Election::Unclean
            && let Some(leader) = self.replicas.iter().find(|replica| self.acceptable(**replica))
        {
            return unclean(*leader);
        }
        clean(NO_LEADER)
    }

    /// With nobody in sync and nobody eligible, the last leader is the best there is.
    fn last_known_leader(&self) -> Option<NodeId> {
        let nobody = self.elr && self.eligible.is_empty() && self.isr.is_empty();
        match self.partition.last_known_leaders[..] {
            [last] if nobody && self.acceptable(last) => Some(last),
            _ => None,
        }
    }

    fn elect(&mut self, record: &mut PartitionChangeRecord) {
        let Elected { leader, unclean } = self.choose();
        if leader == self.partition.leader {
            return;
        }
        if self.eligible.contains(&leader) {
            self.isr = vec![leader];
            self.eligible.retain(|replica| *replica != leader);
        }
        record.leader = leader;
        if unclean {
            record.isr = Some(vec![leader]);
            if self.partition.leader_recovery != LeaderRecovery::Recovering {
                record.leader_recovery_state = LeaderRecovery::Recovering.code();
            }
        }
    }

    fn write_eligible(&mut self, record: &mut PartitionChangeRecord) {
        let unclean = record.isr.is_some();
        if unclean || !self.elr {
            self.eligible.clear();
        }
        if self.eligible != self.partition.eligible_leaders {
            record.eligible_leader_replicas = Some(self.eligible.clone());
        }
    }

    fn raise_epoch_on_shrink(&self, record: &mut PartitionChangeRecord) {
        if !self.controller.level().isr_shrink_raises_epoch() || record.leader != UNCHANGED_LEADER {
            return;
        }
        let shrinks = |isr: &Vec<NodeId>| self.partition.isr.iter().any(|replica| !isr.contains(replica));
        if record.isr.as_ref().is_some_and(shrinks) {
            record.leader = self.partition.leader;
        }
    }

    fn write_last_known(&self, record: &mut PartitionChangeRecord) {
        if !self.elr {
            return;
        }
        let known = !self.partition.last_known_leaders.is_empty();
        if record.leader == NO_LEADER && !known {
            record.last_known_elr = Some(vec![self.partition.leader]);
        } else if record.leader >= 0 && known {
            record.last_known_elr = Some(Vec::new());
        }
    }

    fn write_assignment(&self, record: &mut PartitionChangeRecord) {
        let partition = self.partition;
        if !self.replicas.is_empty() {
            let known = |replica: &NodeId| self.directories.iter().find(|(broker, _)| broker == replica);
            let place = |replica: &NodeId| {
                known(replica).map_or_else(|| self.controller.default_directory(*replica), |(_, place)| *place)
            };
            if self.controller.level().directory_assignment() {
                let directories: Vec<Uuid> = self.replicas.iter().map(place).collect();
                record.directories = (directories != partition.directories).then_some(directories);
            }
            record.replicas = (self.replicas != partition.replicas).then(|| self.replicas.clone());
        }
        record.removing_replicas = (self.removing != partition.removing).then(|| self.removing.clone());
        record.adding_replicas = (self.adding != partition.adding).then(|| self.adding.clone());
    }
}
