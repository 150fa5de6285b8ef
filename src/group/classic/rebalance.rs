//! From one generation to the next: everybody joins anew, or is left behind.

use crate::group::Reply;
use crate::group::Timer;
use crate::group::classic::ClassicGroup;
use crate::group::classic::InitialDelay;
use crate::group::classic::State;
use crate::group::classic::answer_sync;
use crate::group::classic::session;
use crate::group::turn::Turn;
use crate::types::ErrorCode;
use bytes::Bytes;
use compact_str::CompactString;

impl ClassicGroup {
    pub(super) fn rebalance_or_complete(&mut self, turn: &mut Turn<'_>) {
        match self.state {
            State::PreparingRebalance => self.complete_if_all_joined(turn),
            _ => self.prepare_rebalance(turn),
        }
    }

    pub(super) fn prepare_rebalance(&mut self, turn: &mut Turn<'_>) {
        if self.state == State::CompletingRebalance {
            self.take_back_assignments(turn);
        }
        self.unsynced.clear();
        turn.stop_timer(Timer::Sync(self.id.clone()));
        let was_empty = self.state == State::Empty;
        self.enter(turn, State::PreparingRebalance);
        if was_empty {
            let delay_ms = turn.int("group.initial.rebalance.delay.ms");
            self.initial = Some(InitialDelay {
                delay_ms,
                remaining_ms: self.rebalance_timeout_ms().saturating_sub(delay_ms).max(0),
                member_came: false,
            });
            turn.set_timer(Timer::Join(self.id.clone()), delay_ms);
        } else if self.have_all_joined() {
            self.complete_join(turn);
        } else {
            turn.set_timer(Timer::Join(self.id.clone()), self.rebalance_timeout_ms());
        }
    }

    /// Those who wait for an assignment must join anew.
    fn take_back_assignments(&mut self, turn: &mut Turn<'_>) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            if member.syncing.is_some() {
                turn.set_timer(session(&self.id, &member.id), member.session_timeout_ms);
                answer_sync(turn, member, ErrorCode::RebalanceInProgress);
            }
        }
    }

    /// The first rebalance of an empty group always takes its time.
    pub(super) fn complete_if_all_joined(&mut self, turn: &mut Turn<'_>) {
        if self.state == State::PreparingRebalance && self.initial.is_none() && self.have_all_joined() {
            self.complete_join(turn);
        }
    }

    pub fn joining_ended(&mut self, turn: &mut Turn<'_>) {
        if self.state != State::PreparingRebalance {
            return;
        }
        match self.initial {
            Some(initial) if initial.member_came && initial.remaining_ms != 0 => {
                let delay_ms = turn.int("group.initial.rebalance.delay.ms").min(initial.remaining_ms);
                self.initial = Some(InitialDelay {
                    delay_ms,
                    remaining_ms: initial.remaining_ms.saturating_sub(initial.delay_ms).max(0),
                    member_came: false,
                });
                turn.set_timer(Timer::Join(self.id.clone()), delay_ms);
            }
            _ => self.complete_join(turn),
        }
    }

    fn complete_join(&mut self, turn: &mut Turn<'_>) {
        turn.stop_timer(Timer::Join(self.id.clone()));
        let absent = self.members.values().filter(|member| member.joining.is_none());
        let left_behind: Vec<CompactString> = absent
            .filter(|member| member.instance.is_none())
            .map(|member| member.id.clone())
            .collect();
        left_behind.iter().for_each(|id| self.remove(turn, id));
        if !self.members.is_empty() && !self.elect_leader() {
            // Only static members, and all are away: their sessions decide.
            turn.set_timer(Timer::Join(self.id.clone()), self.rebalance_timeout_ms());
            return;
        }
        self.initial = None;
        self.unsynced.clear();
        // The number goes round; it is compared for equality only.
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.protocol = self.select_protocol();
        self.topics = self.compute_topics();
        if self.members.is_empty() {
            self.enter(turn, State::Empty);
            turn.record(self.record());
        } else {
            self.enter(turn, State::CompletingRebalance);
            self.answer_joins(turn);
            turn.set_timer(Timer::Sync(self.id.clone()), self.rebalance_timeout_ms());
        }
    }

    /// A leader that did not come back gives way to one who did; `false` if nobody did.
    fn elect_leader(&mut self) -> bool {
        let joined = |id: &CompactString| self.members.get(id).is_some_and(|member| member.joining.is_some());
        if self.leader.as_ref().is_some_and(joined) {
            return true;
        }
        let next = self.members.values().find(|member| member.joining.is_some());
        match next.map(|member| member.id.clone()) {
            Some(id) => {
                self.leader = Some(id);
                true
            }
            None => false,
        }
    }

    fn answer_joins(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<CompactString> = self.members.keys().cloned().collect();
        for id in ids {
            let waiting = self.members.get(&id).and_then(|member| member.joining);
            if let Some(waiting) = waiting {
                let response = self.joined(waiting.version, &id, self.is_leader(&id));
                turn.reply(waiting.ticket, Reply::Join(response));
            }
            if let Some(member) = self.members.get_mut(&id) {
                member.joining = None;
                member.is_new = false;
                turn.set_timer(session(&self.id, &id), member.session_timeout_ms);
            }
            self.unsynced.insert(id);
        }
    }

    /// A member, or somebody who was given an id, has been silent for too long.
    pub fn session_ended(&mut self, turn: &mut Turn<'_>, id: &str) {
        if self.pending.contains(id) {
            self.remove(turn, id);
            if self.state == State::PreparingRebalance && self.have_all_joined() {
                self.complete_join(turn);
            }
            return;
        }
        if self.members.get(id).is_none_or(|member| member.is_waiting()) {
            return;
        }
        self.remove(turn, id);
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(turn),
            State::PreparingRebalance if self.have_all_joined() => self.complete_join(turn),
            State::PreparingRebalance | State::Empty => {}
        }
    }

    /// Those who have joined and do not ask for their assignments hold up the others.
    pub fn syncing_ended(&mut self, turn: &mut Turn<'_>) {
        let under_way = matches!(self.state, State::CompletingRebalance | State::Stable);
        if !under_way || self.unsynced.is_empty() {
            return;
        }
        let silent = std::mem::take(&mut self.unsynced);
        silent.iter().for_each(|id| self.remove(turn, id));
        self.prepare_rebalance(turn);
    }
}
