//! A state machine without I/O over one partition of an internal topic: commands in, records and replies out.
//!
//! Hard state changes only by `apply`, which sees each record after it was appended, and at load every one that was ever
//! written. Soft state (a half-done join, who spoke when) may change when a command is judged: if the records of that
//! command cannot be appended, the machine is thrown away and loaded anew.

use crate::schema::wire::DecodeError;
use crate::types::Timestamp;
use bytes::Bytes;

/// Names a question until its reply is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

pub trait Machine: Sized + Send + 'static {
    type Command: Send;
    type Reply: Send;
    type Record: Send;
    type Timer: Clone + Ord + Send;
    /// What the machine may look at beside its own state: the time, the cluster, the configuration.
    type World;

    fn decide(&mut self, world: &Self::World, ticket: Ticket, command: Self::Command) -> Decision<Self>;

    /// A timer has run out. It may mean nothing any more.
    fn expire(&mut self, world: &Self::World, timer: Self::Timer) -> Decision<Self>;

    fn apply(&mut self, record: &Self::Record);

    /// All records that were ever written have been applied; from now on commands come.
    fn loaded(&mut self, world: &Self::World) -> Decision<Self>;
}

/// How the records of a machine are written.
pub trait Written: Sized {
    /// Key and value; no value takes back what was said before.
    fn encode(&self) -> (Bytes, Option<Bytes>);
    /// `None` for a kind that this release does not know.
    fn decode(key: Bytes, value: Option<Bytes>) -> Result<Option<Self>, DecodeError>;
}

/// What comes of a command or a timer.
pub struct Decision<M: Machine> {
    /// To append as one batch, then to apply.
    pub records: Vec<M::Record>,
    /// Due once everything appended so far is committed: to the one who asked, or to those who waited.
    pub replies: Vec<(Ticket, M::Reply)>,
    /// Each replaces the same timer set before; `None` stops it.
    pub timers: Vec<(M::Timer, Option<Timestamp>)>,
}

impl<M: Machine> Default for Decision<M> {
    fn default() -> Decision<M> {
        Decision {
            records: Vec::new(),
            replies: Vec::new(),
            timers: Vec::new(),
        }
    }
}

impl<M: Machine> Decision<M> {
    pub fn none() -> Decision<M> {
        Decision::default()
    }

    pub fn record(mut self, record: M::Record) -> Decision<M> {
        self.records.push(record);
        self
    }

    pub fn reply(mut self, ticket: Ticket, reply: M::Reply) -> Decision<M> {
        self.replies.push((ticket, reply));
        self
    }

    pub fn timer(mut self, timer: M::Timer, at: Timestamp) -> Decision<M> {
        self.timers.push((timer, Some(at)));
        self
    }

    pub fn stop_timer(mut self, timer: M::Timer) -> Decision<M> {
        self.timers.push((timer, None));
        self
    }

    pub fn and(mut self, other: Decision<M>) -> Decision<M> {
        self.records.extend(other.records);
        self.replies.extend(other.replies);
        self.timers.extend(other.timers);
        self
    }
}
