//! What one command or timer may look at, and what comes of it.

use crate::group::Groups;
use crate::group::Reply;
use crate::group::Timer;
use crate::group::World;
use crate::group::records::Record;
use crate::group::size;
use crate::machine::Decision;
use crate::machine::Ticket;
use crate::types::ErrorCode;
use crate::types::Timestamp;

pub struct Turn<'a> {
    pub world: &'a World,
    pub decision: Decision<Groups>,
    /// What is left of the batch that this turn may write.
    room: usize,
}

impl<'a> Turn<'a> {
    pub fn new(world: &'a World) -> Turn<'a> {
        let mut turn = Turn {
            world,
            decision: Decision::none(),
            room: 0,
        };
        turn.room = size::most(&turn);
        turn
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

    /// What is written must have been known to fit, unless it is small.
    pub fn record(&mut self, record: Record) {
        self.room = self.room.saturating_sub(size::of(&record));
        self.decision.records.push(record);
    }

    /// Writes the record if there is still room for it.
    pub fn record_if_it_fits(&mut self, record: Record) -> bool {
        let fits = self.has_room_for(&[&record]);
        if fits {
            self.record(record);
        }
        fits
    }

    /// Writes all of them or none.
    pub fn record_all(&mut self, records: Vec<Record>) -> Result<(), ErrorCode> {
        if !self.has_room_for(&records.iter().collect::<Vec<_>>()) {
            return Err(ErrorCode::UnknownServerError);
        }
        records.into_iter().for_each(|record| self.record(record));
        Ok(())
    }

    fn has_room_for(&self, records: &[&Record]) -> bool {
        records.iter().map(|record| size::of(record)).sum::<usize>() <= self.room
    }

    pub fn set_timer(&mut self, timer: Timer, after_ms: i32) {
        let at = self.now().saturating_add(after_ms.max(0).into());
        self.decision.timers.push((timer, Some(at)));
    }

    pub fn stop_timer(&mut self, timer: Timer) {
        self.decision.timers.push((timer, None));
    }
}
