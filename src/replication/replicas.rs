//! All partitions on this broker, by topic id and index.
//!
//! A partition takes writes from the moment that it is planned here: its folder and files are made at the first use, or
//! in the background shortly after. A topic with a thousand partitions does not wait for a thousand folders.

use crate::log::Choice;
use crate::log::LogSettings;
use crate::metadata::Image;
use crate::replication::partition::Partition;
use crate::replication::partition::Role;
use crate::types::ErrorCode;
use crate::types::PartitionId;
use crate::types::Uuid;
use compact_str::CompactString;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::RwLockWriteGuard;

/// A partition whose log is still to be made.
#[derive(Clone)]
pub struct Plan {
    pub topic: CompactString,
    pub topic_id: Uuid,
    pub index: PartitionId,
    pub choice: Choice,
    pub settings: Arc<LogSettings>,
    pub role: Role,
}

/// Makes the log of a plan; `None` if it cannot, which has been logged.
pub type Make = Box<dyn Fn(&Plan) -> Option<Arc<Partition>> + Send + Sync>;

#[derive(Clone)]
enum Held {
    Here(Arc<Partition>),
    Planned(Arc<Plan>),
    /// Its log directory has failed.
    Offline,
}

type Key = (Uuid, PartitionId);

pub struct Replicas {
    held: RwLock<HashMap<Key, Held>>,
    /// Held while a plan is carried out or changed, so that a log is made once and in the latest role.
    making: Mutex<()>,
    make: Make,
}

impl Replicas {
    pub fn new(make: Make) -> Replicas {
        Replicas {
            held: RwLock::default(),
            making: Mutex::default(),
            make,
        }
    }

    /// The partition if it is here; makes it if it is only planned.
    pub fn get(&self, topic_id: Uuid, index: PartitionId) -> Option<Arc<Partition>> {
        self.made((topic_id, index)).ok().flatten()
    }

    /// The partition, or what Kafka answers when it is not here.
    pub fn find(&self, image: &Image, topic_id: Uuid, index: PartitionId) -> Result<Arc<Partition>, ErrorCode> {
        match self.made((topic_id, index))? {
            Some(partition) => Ok(partition),
            None if image.partition(topic_id, index).is_some() => Err(ErrorCode::NotLeaderOrFollower),
            None => Err(ErrorCode::UnknownTopicOrPartition),
        }
    }

    fn made(&self, key: Key) -> Result<Option<Arc<Partition>>, ErrorCode> {
        match self.held().get(&key) {
            None => return Ok(None),
            Some(Held::Here(partition)) => return Ok(Some(partition.clone())),
            Some(Held::Offline) => return Err(ErrorCode::KafkaStorageError),
            Some(Held::Planned(_)) => {}
        }
        let _making = self.making();
        let found = self.held().get(&key).cloned();
        match found {
            None => Ok(None),
            Some(Held::Here(partition)) => Ok(Some(partition)),
            Some(Held::Offline) => Err(ErrorCode::KafkaStorageError),
            Some(Held::Planned(plan)) => {
                let made = (self.make)(&plan);
                let held = made.clone().map_or(Held::Offline, Held::Here);
                self.put(key, held);
                made.map(Some).ok_or(ErrorCode::KafkaStorageError)
            }
        }
    }

    /// Gives a partition that is here or planned its role; `false` if it is neither.
    pub fn set_role(&self, topic_id: Uuid, index: PartitionId, role: Role) -> bool {
        let _making = self.making();
        let found = self.held().get(&(topic_id, index)).cloned();
        match found {
            Some(Held::Here(partition)) => partition.set_role(role),
            Some(Held::Planned(plan)) => {
                let plan = Plan {
                    role,
                    ..(*plan).clone()
                };
                self.plan(plan);
            }
            // It stays offline until the broker starts again.
            Some(Held::Offline) => {}
            None => return false,
        }
        true
    }

    pub fn plan(&self, plan: Plan) {
        let key = (plan.topic_id, plan.index);
        self.put(key, Held::Planned(Arc::new(plan)));
    }

    /// Marks a partition whose directory has failed, so that it is not taken for one that is elsewhere.
    pub fn take_offline(&self, topic_id: Uuid, index: PartitionId) -> Option<Arc<Partition>> {
        here(self.put((topic_id, index), Held::Offline))
    }

    pub fn remove(&self, topic_id: Uuid, index: PartitionId) -> Option<Arc<Partition>> {
        let _making = self.making();
        here(self.held_mut().remove(&(topic_id, index)))
    }

    /// Those whose logs are there.
    pub fn all(&self) -> Vec<Arc<Partition>> {
        let held = self.held();
        held.values().filter_map(|held| here(Some(held.clone()))).collect()
    }

    /// Makes all logs that are planned, as long as `go_on` says so.
    pub fn make_planned(&self, go_on: impl Fn() -> bool) {
        let planned: Vec<Key> = {
            let held = self.held();
            let planned = held.iter().filter(|(_, held)| matches!(held, Held::Planned(_)));
            planned.map(|(key, _)| *key).collect()
        };
        for (topic_id, index) in planned.into_iter().take_while(|_| go_on()) {
            self.get(topic_id, index);
        }
    }

    /// New settings for logs that are not made yet.
    pub fn configure_planned(&self, settings: impl Fn(Uuid) -> Option<Arc<LogSettings>>) {
        let _making = self.making();
        for held in self.held_mut().values_mut() {
            let Held::Planned(plan) = held else { continue };
            if let Some(settings) = settings(plan.topic_id) {
                *held = Held::Planned(Arc::new(Plan {
                    settings,
                    ..(**plan).clone()
                }));
            }
        }
    }

    fn put(&self, key: Key, held: Held) -> Option<Held> {
        self.held_mut().insert(key, held)
    }

    fn making(&self) -> MutexGuard<'_, ()> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> RwLockReadGuard<'_, HashMap<Key, Held>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_mut(&self) -> RwLockWriteGuard<'_, HashMap<Key, Held>> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn here(held: Option<Held>) -> Option<Arc<Partition>> {
    match held {
        Some(Held::Here(partition)) => Some(partition),
        _ => None,
    }
}
