//! JoinGroup: who becomes a member, and which joins begin a rebalance.

use crate::group::Client;
use crate::group::Reply;
use crate::group::classic::ClassicGroup;
use crate::group::classic::MOST_MEMBERS;
use crate::group::classic::State;
use crate::group::classic::answer_join;
use crate::group::classic::answer_sync;
use crate::group::classic::member::Member;
use crate::group::classic::member::Protocol;
use crate::group::classic::member::Waiting;
use crate::group::classic::member::protocols_of;
use crate::group::classic::most_members;
use crate::group::classic::session;
use crate::group::turn::Turn;
use crate::machine::Ticket;
use crate::schema::join_group_request::JoinGroupRequest;
use crate::schema::join_group_response::JoinGroupResponse;
use crate::schema::join_group_response::JoinGroupResponseMember;
use crate::types::ErrorCode;
use crate::types::Uuid;
use compact_str::CompactString;
use compact_str::format_compact;

/// A new member whose client has gone is forgotten after this time; it has no session yet.
const NEW_MEMBER_TIMEOUT_MS: i32 = 5 * 60 * 1000;

/// From this version on a member first gets its id and then joins with it.
const FIRST_WITH_REQUIRED_ID: i16 = 4;
/// From this version on a leader may be told that the assignment stays as it is.
const FIRST_WITH_SKIPPED_ASSIGNMENT: i16 = 9;

/// A join that the group has let in, with what it keeps of the request.
struct Joining {
    waiting: Waiting,
    protocols: Vec<Protocol>,
    rebalance_timeout_ms: i32,
    session_timeout_ms: i32,
}

impl ClassicGroup {
    pub fn join(&mut self, turn: &mut Turn<'_>, asker: (Ticket, &Client), request: JoinGroupRequest, fresh: Uuid) {
        let (ticket, client) = asker;
        if let Err((id, error)) = self.try_join(turn, asker, &request, fresh) {
            turn.reply(ticket, Reply::Join(refusal(client.version, &id, error)));
        }
    }

    /// What is refused comes with the id that the refusal names.
    fn try_join(
        &mut self,
        turn: &mut Turn<'_>,
        (ticket, client): (Ticket, &Client),
        request: &JoinGroupRequest,
        fresh: Uuid,
    ) -> Result<(), (CompactString, ErrorCode)> {
        let id = &request.member_id;
        if !self.has_room_for(turn, id) {
            self.remove(turn, id);
            return Err((CompactString::default(), ErrorCode::GroupMaxSizeReached));
        }
        if !self.can_work_with(request) {
            return Err((id.clone(), ErrorCode::InconsistentGroupProtocol));
        }
        let joining = Joining {
            waiting: Waiting {
                ticket,
                version: client.version,
            },
            protocols: protocols_of(&request.protocols),
            rebalance_timeout_ms: match client.version {
                0 => request.session_timeout_ms,
                _ => request.rebalance_timeout_ms,
            },
            session_timeout_ms: request.session_timeout_ms,
        };
        if id.is_empty() {
            return self.join_anew(turn, client, request, joining, fresh);
        }
        if self.pending.contains(id) {
            // Only members without an instance id are asked to come back.
            if request.group_instance_id.is_some() {
                return Err((CompactString::default(), ErrorCode::UnknownServerError));
            }
            self.add_member(turn, client, request, joining, id.clone());
            return Ok(());
        }
        let checked = self.check_member(id, request.group_instance_id.as_deref());
        checked.map_err(|error| (id.clone(), error))?;
        self.join_again(turn, id, joining)
    }

    /// While a rebalance is prepared those who wait count, so that a group that became too large can shrink.
    fn has_room_for(&self, turn: &Turn<'_>, id: &str) -> bool {
        let member = self.members.get(id);
        let most = most_members(turn);
        if member.is_none() && self.members.len() + self.pending.len() >= MOST_MEMBERS && !self.pending.contains(id) {
            return false;
        }
        match self.state {
            State::Empty => true,
            State::PreparingRebalance => {
                member.is_some_and(|member| member.joining.is_some()) || self.awaiting_join() < most
            }
            State::CompletingRebalance | State::Stable => member.is_some() || self.members.len() < most,
        }
    }

    fn can_work_with(&self, request: &JoinGroupRequest) -> bool {
        match self.state {
            State::Empty => !request.protocol_type.is_empty() && !request.protocols.is_empty(),
            _ => {
                self.protocol_type.as_ref() == Some(&request.protocol_type)
                    && request.protocols.iter().any(|protocol| self.is_common(&protocol.name))
            }
        }
    }

    fn join_anew(
        &mut self,
        turn: &mut Turn<'_>,
        client: &Client,
        request: &JoinGroupRequest,
        joining: Joining,
        fresh: Uuid,
    ) -> Result<(), (CompactString, ErrorCode)> {
        let id = new_id(request.group_instance_id.as_ref().unwrap_or(&client.id), fresh);
        if let Some(instance) = &request.group_instance_id {
            match self.instances.get(instance).cloned() {
                Some(before) => self.replace(turn, instance, &before, &id, joining),
                None => self.add_member(turn, client, request, joining, id),
            }
            return Ok(());
        }
        if client.version >= FIRST_WITH_REQUIRED_ID {
            self.pending.insert(id.clone());
            turn.set_timer(session(&self.id, &id), request.session_timeout_ms);
            return Err((id, ErrorCode::MemberIdRequired));
        }
        self.add_member(turn, client, request, joining, id);
        Ok(())
    }

    fn add_member(
        &mut self,
        turn: &mut Turn<'_>,
        client: &Client,
        request: &JoinGroupRequest,
        joining: Joining,
        id: CompactString,
    ) {
        if let Some(initial) = &mut self.initial {
            initial.member_came = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        turn.set_timer(session(&self.id, &id), NEW_MEMBER_TIMEOUT_MS);
        self.add(Member {
            id,
            instance: request.group_instance_id.clone(),
            client_id: client.id.clone(),
            client_host: client.host.clone(),
            rebalance_timeout_ms: joining.rebalance_timeout_ms,
            session_timeout_ms: joining.session_timeout_ms,
            protocols: joining.protocols,
            assignment: bytes::Bytes::new(),
            joining: Some(joining.waiting),
            syncing: None,
            is_new: true,
        });
        self.rebalance_or_complete(turn);
    }

    fn join_again(
        &mut self,
        turn: &mut Turn<'_>,
        id: &CompactString,
        joining: Joining,
    ) -> Result<(), (CompactString, ErrorCode)> {
        let same = self
            .members
            .get(id)
            .is_some_and(|member| member.protocols == joining.protocols);
        let informed = match self.state {
            State::Empty => return Err((id.clone(), ErrorCode::UnknownMemberId)),
            State::PreparingRebalance => false,
            // It may have missed the answer to its first join.
            State::CompletingRebalance => same,
            // A leader asks for a rebalance by joining: it may know of new partitions.
            State::Stable => same && !self.is_leader(id),
        };
        if informed {
            let leads = self.state == State::CompletingRebalance && self.is_leader(id);
            let response = self.joined(joining.waiting.version, id, leads);
            turn.reply(joining.waiting.ticket, Reply::Join(response));
        } else {
            self.update(turn, id, joining);
            self.rebalance_or_complete(turn);
        }
        Ok(())
    }

    /// The member says anew what it can do, and waits. Whoever has waited in its place will not be heard any more.
    fn update(&mut self, turn: &mut Turn<'_>, id: &CompactString, joining: Joining) {
        let Some(mut member) = self.members.remove(id) else {
            return;
        };
        self.count_support(&member, false);
        answer_join(turn, &mut member, id, ErrorCode::RebalanceInProgress);
        member.protocols = joining.protocols;
        member.rebalance_timeout_ms = joining.rebalance_timeout_ms;
        member.session_timeout_ms = joining.session_timeout_ms;
        member.joining = Some(joining.waiting);
        self.count_support(&member, true);
        self.members.insert(id.clone(), member);
    }

    /// A static member comes back without its id: it gets a new one, and whoever still uses the old one is fenced.
    fn replace(
        &mut self,
        turn: &mut Turn<'_>,
        instance: &CompactString,
        before: &CompactString,
        id: &CompactString,
        joining: Joining,
    ) {
        let Some(mut member) = self.members.remove(before) else {
            return;
        };
        answer_join(turn, &mut member, before, ErrorCode::FencedInstanceId);
        answer_sync(turn, &mut member, ErrorCode::FencedInstanceId);
        turn.stop_timer(session(&self.id, before));
        turn.set_timer(session(&self.id, id), member.session_timeout_ms);
        let leader_before = self.leader.clone();
        if self.is_leader(before) {
            self.leader = Some(id.clone());
        }
        member.id = id.clone();
        member.is_new = false;
        self.members.insert(id.clone(), member);
        self.instances.insert(instance.clone(), id.clone());
        if self.unsynced.remove(before) {
            self.unsynced.insert(id.clone());
        }
        let waiting = joining.waiting;
        self.update(turn, id, joining);
        match self.state {
            // While what the group agreed on still holds, nobody needs to be disturbed.
            State::Stable => {
                let holds = self.select_protocol() == self.protocol;
                match holds && turn.record_if_it_fits(self.record()) {
                    true => self.replaced(turn, id, waiting, leader_before),
                    false => self.rebalance_or_complete(turn),
                }
            }
            // The leader may be assigning partitions to the old id.
            State::CompletingRebalance => self.prepare_rebalance(turn),
            State::PreparingRebalance | State::Empty => self.complete_if_all_joined(turn),
        }
    }

    fn replaced(
        &mut self,
        turn: &mut Turn<'_>,
        id: &CompactString,
        waiting: Waiting,
        leader_before: Option<CompactString>,
    ) {
        let skips = waiting.version >= FIRST_WITH_SKIPPED_ASSIGNMENT;
        let leads = skips && self.is_leader(id);
        let mut response = self.joined(waiting.version, id, leads);
        response.skip_assignment = leads;
        if !skips {
            // An older client that finds itself the leader would send an assignment of its own.
            response.leader = leader_before.unwrap_or_default();
        }
        if let Some(member) = self.members.get_mut(id) {
            member.joining = None;
        }
        turn.reply(waiting.ticket, Reply::Join(response));
    }

    /// What a member of the present generation is told; a leader also hears of all others.
    pub(super) fn joined(&self, version: i16, id: &CompactString, leads: bool) -> JoinGroupResponse {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let member = |member: &Member| JoinGroupResponseMember {
            member_id: member.id.clone(),
            group_instance_id: member.instance.clone(),
            metadata: member.metadata(protocol),
        };
        let members = self.members.values().filter(|_| leads).map(member);
        JoinGroupResponse {
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: present(version, self.protocol.clone()),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: id.clone(),
            members: members.collect(),
            ..Default::default()
        }
    }
}

fn new_id(prefix: &str, fresh: Uuid) -> CompactString {
    let bits = u128::from_be_bytes(fresh.0);
    let (a, b, c) = (bits >> 96, (bits >> 80) & 0xffff, (bits >> 64) & 0xffff);
    let (d, e) = ((bits >> 48) & 0xffff, bits & 0xffff_ffff_ffff);
    format_compact!("{prefix}-{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
}

/// Before version 7 the name of the protocol could not be missing.
fn present(version: i16, protocol: Option<CompactString>) -> Option<CompactString> {
    match version {
        ..=6 => Some(protocol.unwrap_or_default()),
        _ => protocol,
    }
}

pub(super) fn refusal(version: i16, id: &str, error: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: error.code(),
        member_id: id.into(),
        protocol_name: present(version, None),
        ..Default::default()
    }
}

/// The refusal of a join before it comes to a group.
pub fn refused(client: &Client, id: &str, error: ErrorCode) -> JoinGroupResponse {
    refusal(client.version, id, error)
}
