//! What the controller remembers of brokers beside the log: when each was last heard of, and how far it has read.

use crate::metadata::Image;
use crate::metadata::MetadataRecord;
use crate::types::NodeId;
use crate::types::Offset;
use crate::types::Timestamp;
use std::collections::BTreeMap;

/// A change of this soft state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The broker spoke.
    Contact { broker: NodeId, epoch: i64, at: Timestamp },
    /// The broker has read so far.
    Read { broker: NodeId, offset: Offset },
    /// The broker shuts down; the others must have read what this outcome wrote before it may leave.
    ShuttingDown { broker: NodeId },
    /// The broker has not been heard of for too long.
    Silent { broker: NodeId, epoch: i64 },
}

pub(super) struct BrokerState {
    pub fenced: bool,
    pub read: Offset,
    pub registered_at: Offset,
    /// Where the log ended when its controlled shutdown began.
    pub shutdown_at: Option<Offset>,
}

pub(super) struct Heartbeats {
    contacts: BTreeMap<(NodeId, i64), Timestamp>,
    brokers: BTreeMap<NodeId, BrokerState>,
}

impl Heartbeats {
    pub fn new(image: &Image, now: Timestamp) -> Heartbeats {
        let mut heartbeats = Heartbeats {
            contacts: BTreeMap::new(),
            brokers: BTreeMap::new(),
        };
        for broker in image.brokers() {
            let state = BrokerState {
                fenced: broker.fenced,
                read: -1,
                registered_at: image.offset,
                shutdown_at: None,
            };
            heartbeats.brokers.insert(broker.id, state);
            if !broker.fenced {
                heartbeats.contacts.insert((broker.id, broker.epoch), now);
            }
        }
        heartbeats
    }

    pub fn broker(&self, id: NodeId) -> Option<&BrokerState> {
        self.brokers.get(&id)
    }

    pub fn has_session(&self, broker: NodeId, epoch: i64, (now, timeout_ms): (Timestamp, i64)) -> bool {
        self.contacts
            .get(&(broker, epoch))
            .is_some_and(|at| at + timeout_ms >= now)
    }

    pub fn expired(&self, now: Timestamp, timeout_ms: i64) -> Option<(NodeId, i64)> {
        let late = self.contacts.iter().find(|(_, at)| *at + timeout_ms < now);
        late.map(|(broker, _)| *broker)
    }

    /// When the next session ends, if nobody speaks until then.
    pub fn next_expiry(&self, timeout_ms: i64) -> Option<Timestamp> {
        self.contacts.values().min().map(|at| at + timeout_ms + 1)
    }

    /// What every broker that takes part has read.
    pub fn lowest_read(&self) -> Offset {
        let active = self
            .brokers
            .values()
            .filter(|broker| !broker.fenced && broker.shutdown_at.is_none());
        active.map(|broker| broker.read).min().unwrap_or(Offset::MAX)
    }

    pub fn apply(&mut self, offset: Offset, record: &MetadataRecord) {
        match record {
            MetadataRecord::RegisterBroker(record) => {
                let state = BrokerState {
                    fenced: record.fenced,
                    read: -1,
                    registered_at: offset,
                    shutdown_at: None,
                };
                self.brokers.insert(record.broker_id, state);
            }
            MetadataRecord::UnregisterBroker(record) => {
                self.brokers.remove(&record.broker_id);
            }
            MetadataRecord::FenceBroker(record) => self.fence(record.id, true),
            MetadataRecord::UnfenceBroker(record) => self.fence(record.id, false),
            MetadataRecord::BrokerRegistrationChange(record) if record.fenced != 0 => {
                self.fence(record.broker_id, record.fenced > 0);
            }
            _ => {}
        }
    }

    fn fence(&mut self, broker: NodeId, fenced: bool) {
        if let Some(state) = self.brokers.get_mut(&broker) {
            state.fenced = fenced;
            if fenced {
                state.shutdown_at = None;
            }
        }
    }

    pub fn remember(&mut self, note: &Note, last: Offset) {
        match *note {
            Note::Contact { broker, epoch, at } => {
                self.contacts.retain(|(id, known), _| *id != broker || *known == epoch);
                self.contacts.insert((broker, epoch), at);
            }
            Note::Read { broker, offset } => {
                if let Some(state) = self.brokers.get_mut(&broker) {
                    state.read = offset;
                }
            }
            Note::ShuttingDown { broker } => {
                if let Some(state) = self.brokers.get_mut(&broker)
                    && !state.fenced
                {
                    state.shutdown_at.get_or_insert(last);
                }
            }
            Note::Silent { broker, epoch } => {
                self.contacts.remove(&(broker, epoch));
            }
        }
    }
}
