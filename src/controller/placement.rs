//! Where new replicas go: in stripes over racks, round-robin inside each, so that load spreads evenly.
//!
//! No broker gets two replicas of one partition. The first replica, which will lead, is never on a fenced broker; fenced
//! brokers of a rack come after its unfenced ones.

use crate::controller::Controller;
use crate::controller::Random;
use crate::controller::Refusal;
use crate::metadata::directory;
use crate::types::ErrorCode;
use crate::types::NodeId;
use crate::types::Uuid;
use compact_str::CompactString;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) struct UsableBroker {
    pub id: NodeId,
    pub rack: Option<CompactString>,
    pub fenced: bool,
}

impl Controller {
    /// Brokers that may get new replicas.
    pub(super) fn usable_brokers(&self) -> Vec<UsableBroker> {
        // As the heartbeats have it: who came back after all says so with them, not with a new registration.
        let leaving = |broker: &crate::metadata::Broker| {
            let known = self.heartbeats.broker(broker.id);
            known.is_some_and(|known| known.shutdown_at.is_some())
        };
        let usable = self
            .image()
            .brokers()
            .filter(|broker| !leaving(broker) && broker.takes_new_replicas());
        let usable = usable.map(|broker| UsableBroker {
            id: broker.id,
            rack: broker.rack.clone(),
            fenced: broker.fenced,
        });
        usable.collect()
    }

    /// Where a new replica lies: known if the broker has one directory, else left for the broker to say.
    pub(super) fn default_directory(&self, broker: NodeId) -> Uuid {
        if !self.level().directory_assignment() {
            return directory::MIGRATING;
        }
        match self.image().broker(broker).map(|broker| &broker.directories[..]) {
            None => directory::UNASSIGNED,
            Some([]) => directory::MIGRATING,
            Some([only]) => *only,
            Some(_) => directory::UNASSIGNED,
        }
    }

    pub(super) fn default_directories(&self, replicas: &[NodeId]) -> Vec<Uuid> {
        replicas
            .iter()
            .map(|replica| self.default_directory(*replica))
            .collect()
    }

    /// Whether a list of replicas that a user wrote can be taken; `count` is how many each partition has.
    pub(super) fn check_assignment(&self, replicas: &[NodeId], count: Option<usize>) -> Result<(), Refusal> {
        let refuse = |message: String| Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
        if replicas.is_empty() {
            return refuse("The manual partition assignment includes an empty replica list.".to_owned());
        }
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        let mut previous = None;
        for broker in &sorted {
            if self.image().broker(*broker).is_none() {
                return refuse(format!(
                    "The manual partition assignment includes broker {broker}, but no such broker is registered."
                ));
            }
            if previous.replace(*broker) == Some(*broker) {
                return refuse(format!(
                    "The manual partition assignment includes the broker {broker} more than once."
                ));
            }
        }
        match count {
            Some(count) if count != sorted.len() => refuse(format!(
                "The manual partition assignment includes a partition with {} replica(s), but this is not consistent \
                 with previous partitions, which have {count} replica(s).",
                sorted.len()
            )),
            _ => Ok(()),
        }
    }
}

/// Replicas for so many partitions, the leader-to-be first; in Kafka's words why there are none.
pub(super) fn place(
    partitions: usize,
    replication_factor: i16,
    brokers: Vec<UsableBroker>,
    random: &mut Random,
) -> Result<Vec<Vec<NodeId>>, String> {
    let wanted = usize::try_from(replication_factor).unwrap_or(0);
    if wanted == 0 {
        return Err(format!(
            "Invalid replication factor {replication_factor}: the replication factor must be positive."
        ));
    }
    let total = brokers.len();
    let mut racks = Racks::new(brokers, random);
    if racks.unfenced == 0 {
        return Err("All brokers are currently fenced, or have all their log directories cordoned.".to_owned());
    }
    if wanted > total {
        return Err(format!(
            "The target replication factor of {replication_factor} cannot be reached because only {total} broker(s) \
             are registered or some brokers have all their log directories cordoned."
        ));
    }
    Ok((0..partitions).map(|_| racks.place(wanted, random)).collect())
}

/// A ring of brokers whose start moves on with every partition.
#[derive(Default)]
struct Ring {
    brokers: Vec<NodeId>,
    taken: usize,
    start: usize,
    epoch: usize,
}

impl Ring {
    fn turn(&mut self, random: &mut Random) {
        if !self.brokers.is_empty() {
            self.start = random.below(self.brokers.len());
        }
    }

    fn next(&mut self, epoch: usize) -> Option<NodeId> {
        let count = self.brokers.len();
        if count > 0 && self.epoch != epoch {
            self.epoch = epoch;
            self.taken = 0;
            self.start = (self.start + 1) % count;
        }
        if self.taken >= count {
            return None;
        }
        let broker = self.brokers[(self.taken + self.start) % count];
        self.taken += 1;
        Some(broker)
    }
}

#[derive(Default)]
struct Rack {
    unfenced: Ring,
    fenced: Ring,
}

struct Racks {
    racks: Vec<Rack>,
    unfenced: usize,
    epoch: usize,
    start: usize,
}

impl Racks {
    fn new(brokers: Vec<UsableBroker>, random: &mut Random) -> Racks {
        let unfenced = brokers.iter().filter(|broker| !broker.fenced).count();
        let mut by_name: BTreeMap<Option<CompactString>, Rack> = BTreeMap::new();
        for broker in brokers {
            let rack = by_name.entry(broker.rack).or_default();
            match broker.fenced {
                true => rack.fenced.brokers.push(broker.id),
                false => rack.unfenced.brokers.push(broker.id),
            }
        }
        let mut racks: Vec<Rack> = by_name.into_values().collect();
        for rack in &mut racks {
            rack.fenced.turn(random);
            rack.unfenced.turn(random);
        }
        let start = if racks.is_empty() { 0 } else { random.below(racks.len()) };
        Racks {
            racks,
            unfenced,
            epoch: 0,
            start,
        }
    }

    /// There are at least as many brokers as replicas, and one of them is unfenced.
    fn place(&mut self, replicas: usize, random: &mut Random) -> Vec<NodeId> {
        if self.epoch == self.unfenced && self.unfenced > 1 {
            self.shuffle(random);
            self.epoch = 0;
        }
        if self.start == self.racks.len() {
            self.start = 0;
        }
        let count = self.racks.len();
        let epoch = self.epoch;
        let mut placed = Vec::with_capacity(replicas);
        let mut leader_rack = None;
        for step in 0..count {
            let rack = (self.start + step) % count;
            if let Some(broker) = self.racks[rack].unfenced.next(epoch) {
                placed.push(broker);
                leader_rack = Some(rack);
                break;
            }
        }
        let mut rack = self.start;
        while placed.len() < replicas {
            // The leader's rack is skipped once, so that the second replica lies in another.
            if leader_rack == Some(rack) {
                leader_rack = None;
            } else {
                let ring = &mut self.racks[rack];
                placed.extend(ring.unfenced.next(epoch).or_else(|| ring.fenced.next(epoch)));
            }
            rack = (rack + 1) % count;
        }
        self.epoch += 1;
        self.start += 1;
        placed
    }

    fn shuffle(&mut self, random: &mut Random) {
        random.shuffle(&mut self.racks);
        for rack in &mut self.racks {
            random.shuffle(&mut rack.unfenced.brokers);
            random.shuffle(&mut rack.fenced.brokers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn broker(id: NodeId, rack: &str, fenced: bool) -> UsableBroker {
        UsableBroker {
            id,
            rack: Some(rack.into()),
            fenced,
        }
    }

    fn nine() -> Vec<UsableBroker> {
        (0..9)
            .map(|id| broker(id, ["a", "b", "c"][id as usize % 3], false))
            .collect()
    }

    #[test]
    fn replicas_of_a_partition_lie_in_different_racks_and_load_is_even() {
        let placed = place(90, 3, nine(), &mut Random::new([3; 32])).unwrap();
        let mut load = [0; 9];
        for replicas in &placed {
            let racks: BTreeSet<NodeId> = replicas.iter().map(|id| id % 3).collect();
            assert_eq!(racks.len(), 3, "{replicas:?}");
            replicas.iter().for_each(|id| load[*id as usize] += 1);
        }
        assert_eq!(load, [30; 9]);
    }

    #[test]
    fn fenced_brokers_never_lead() {
        let brokers = vec![broker(0, "a", true), broker(1, "a", false), broker(2, "b", true)];
        for replicas in place(20, 3, brokers, &mut Random::new([4; 32])).unwrap() {
            assert_eq!(replicas[0], 1);
            assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 3);
        }
    }

    #[test]
    fn refusals_are_in_kafkas_words() {
        let fenced = "All brokers are currently fenced, or have all their log directories cordoned.";
        let few = "The target replication factor of 2 cannot be reached because only 1 broker(s) are registered or \
                   some brokers have all their log directories cordoned.";
        let negative = "Invalid replication factor 0: the replication factor must be positive.";
        for (factor, brokers, expected) in [
            (1, vec![broker(0, "a", true)], fenced),
            (2, vec![broker(0, "a", false)], few),
            (0, vec![broker(0, "a", false)], negative),
        ] {
            assert_eq!(
                place(1, factor, brokers, &mut Random::new([5; 32])),
                Err(expected.to_owned())
            );
        }
    }
}
