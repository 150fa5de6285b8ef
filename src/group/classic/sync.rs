//! SyncGroup and Heartbeat: the leader's assignment reaches everybody, and everybody says that it is alive.

use crate::group::Reply;
use crate::group::Timer;
use crate::group::classic::ClassicGroup;
use crate::group::classic::State;
use crate::group::classic::answer_sync;
use crate::group::classic::session;
use crate::group::turn::Turn;
use crate::machine::Ticket;
use crate::schema::heartbeat_request::HeartbeatRequest;
use crate::schema::sync_group_request::SyncGroupRequest;
use crate::schema::sync_group_response::SyncGroupResponse;
use crate::types::ErrorCode;
use bytes::Bytes;
use compact_str::CompactString;
use std::collections::HashMap;

impl ClassicGroup {
    pub fn sync(&mut self, turn: &mut Turn<'_>, ticket: Ticket, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        let id = &request.member_id;
        self.check_member(id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differs = |said: &Option<CompactString>, known: &Option<CompactString>| said.is_some() && said != known;
        if differs(&request.protocol_type, &self.protocol_type) || differs(&request.protocol_name, &self.protocol) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        match self.state {
            State::Empty => return Err(ErrorCode::UnknownMemberId),
            State::PreparingRebalance => return Err(ErrorCode::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => {}
        }
        self.unsynced.remove(id);
        if self.unsynced.is_empty() {
            turn.stop_timer(Timer::Sync(self.id.clone()));
        }
        let Some(member) = self.members.get_mut(id) else {
            return Err(ErrorCode::UnknownMemberId);
        };
        // Who asks again does not listen to the answer to its first question.
        answer_sync(turn, member, ErrorCode::RebalanceInProgress);
        member.syncing = Some(ticket);
        if self.state == State::Stable {
            self.answer_sync_of(turn, id);
        } else if self.is_leader(id) {
            self.assign(turn, request);
        }
        Ok(())
    }

    /// The leader has spoken: the group is stable as soon as its record is written.
    fn assign(&mut self, turn: &mut Turn<'_>, request: &SyncGroupRequest) {
        let given = request.assignments.iter();
        let given: HashMap<&CompactString, &Bytes> = given.map(|given| (&given.member_id, &given.assignment)).collect();
        for (id, member) in &mut self.members {
            member.assignment = given
                .get(id)
                .map(|bytes| Bytes::copy_from_slice(bytes))
                .unwrap_or_default();
        }
        if !turn.record_if_it_fits(self.record()) {
            return self.refuse_assignment(turn);
        }
        self.enter(turn, State::Stable);
        let waiting = self.members.values().filter(|member| member.syncing.is_some());
        let waiting: Vec<CompactString> = waiting.map(|member| member.id.clone()).collect();
        for id in waiting {
            self.answer_sync_of(turn, &id);
            // Its session may have run out unnoticed while it waited.
            if let Some(member) = self.members.get(&id) {
                turn.set_timer(session(&self.id, &id), member.session_timeout_ms);
            }
        }
    }

    /// It is larger than anything that can be written: the members try again, as with any failed write.
    fn refuse_assignment(&mut self, turn: &mut Turn<'_>) {
        for member in self.members.values_mut() {
            answer_sync(turn, member, ErrorCode::UnknownServerError);
            turn.set_timer(session(&self.id, &member.id), member.session_timeout_ms);
        }
        self.prepare_rebalance(turn);
    }

    fn answer_sync_of(&mut self, turn: &mut Turn<'_>, id: &str) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        if let Some(ticket) = member.syncing.take() {
            let response = SyncGroupResponse {
                protocol_type: self.protocol_type.clone(),
                protocol_name: self.protocol.clone(),
                assignment: member.assignment.clone(),
                ..Default::default()
            };
            turn.reply(ticket, Reply::Sync(response));
        }
    }

    pub fn heartbeat(&mut self, turn: &mut Turn<'_>, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        self.check_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        self.keep_alive(turn, &request.member_id);
        match self.state {
            State::Empty => Err(ErrorCode::UnknownMemberId),
            State::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }

    fn keep_alive(&self, turn: &mut Turn<'_>, id: &str) {
        if let Some(member) = self.members.get(id) {
            turn.set_timer(session(&self.id, id), member.session_timeout_ms);
        }
    }

    /// Whether offsets may be committed in the name of this member; a commit keeps its session alive.
    pub fn check_commit(
        &self,
        turn: &mut Turn<'_>,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        if generation < 0 && self.is_empty() {
            return Ok(());
        }
        if generation < 0 && member.is_empty() && instance.is_none() {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.check_member(member, instance)?;
        if generation != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        match self.state {
            State::CompletingRebalance => Err(ErrorCode::RebalanceInProgress),
            State::Stable | State::PreparingRebalance | State::Empty => {
                self.keep_alive(turn, member);
                Ok(())
            }
        }
    }
}
