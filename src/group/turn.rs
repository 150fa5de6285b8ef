//! What one command or timer may look at, and what comes of it.

use crate::group::Groups;
use crate::group::Reply;
use crate::group::Timer;
use crate::group::World;
use crate::group::records::Record;
use crate::machine::Decision;
use crate::machine::Ticket;
use crate::types::Timestamp;

pub struct Turn<'a> {
    pub world: &'a World,
    pub decision: Decision<Groups>,
}

impl<'a> Turn<'a> {
    pub fn new(world: &'a World) -> Turn<'a> {
        Turn {
            world,
            decision: Decision::none(),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.world.now
    }

    /// A number among the broker's values.
    pub fn int(&self, key: &str) -> i32 {
        self.world.config.values().int(key)
    }

    pub fn reply(&mut self, ticket: Ticket, reply: Reply) {
        self.decision.replies.push((ticket, reply));
    }

    pub fn record(&mut self, record: Record) {
        self.decision.records.push(record);
    }

    pub fn set_timer(&mut self, timer: Timer, after_ms: i32) {
        let at = self.now().saturating_add(after_ms.max(0).into());
        self.decision.timers.push((timer, Some(at)));
    }

    pub fn stop_timer(&mut self, timer: Timer) {
        self.decision.timers.push((timer, None));
    }
}
