//! All groups of one partition of `__consumer_offsets`: which command and which record concerns whom.
//!
//! A classic group changes while a command is judged, and its record says what became of it; so such a record means
//! something only at load. Offsets, and the end of a group, change when their record is applied.

use crate::group::Client;
use crate::group::Command;
use crate::group::Reply;
use crate::group::World;
use crate::group::classic::ClassicGroup;
use crate::group::classic::leave;
use crate::group::classic::refused_join;
use crate::group::consumer;
use crate::group::consumer::ConsumerGroup;
use crate::group::offsets::Offsets;
use crate::group::records::Record;
use crate::group::size::LONGEST_TEXT;
use crate::group::turn::Turn;
use crate::machine::Decision;
use crate::machine::Machine;
use crate::machine::Ticket;
use crate::schema::heartbeat_request::HeartbeatRequest;
use crate::schema::heartbeat_response::HeartbeatResponse;
use crate::schema::join_group_request::JoinGroupRequest;
use crate::schema::leave_group_request::LeaveGroupRequest;
use crate::schema::sync_group_request::SyncGroupRequest;
use crate::schema::sync_group_response::SyncGroupResponse;
use crate::types::ErrorCode;
use crate::types::Uuid;
use compact_str::CompactString;
use std::collections::BTreeMap;

/// A group of any kind.
pub enum Group {
    Classic(Box<ClassicGroup>),
    /// Of KIP-848.
    Consumer(Box<ConsumerGroup>),
}

impl Group {
    pub fn is_empty(&self) -> bool {
        match self {
            Group::Classic(group) => group.is_empty(),
            Group::Consumer(group) => group.is_empty(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A member of a classic group, or somebody who was given an id and has not come back with it: silent for too long.
    Session(CompactString, CompactString),
    /// The members of a classic group have had their time to join.
    Join(CompactString),
    /// The members of a classic group have had their time to ask for their assignments.
    Sync(CompactString),
    /// Of a group of KIP-848.
    Consumer(CompactString, consumer::Timer),
    /// Offsets that nobody needs any more are looked for.
    Expiry,
    /// There are more offsets of deleted topics.
    TopicsDeleted(Vec<CompactString>),
}

#[derive(Default)]
pub struct Groups {
    pub(in crate::group) groups: BTreeMap<CompactString, Group>,
    pub(in crate::group) offsets: Offsets,
    live: bool,
}

impl Groups {
    pub fn new() -> Groups {
        Groups::default()
    }

    pub(in crate::group) fn classic(&self, id: &str) -> Option<&ClassicGroup> {
        match self.groups.get(id) {
            Some(Group::Classic(group)) => Some(group),
            Some(Group::Consumer(_)) | None => None,
        }
    }

    pub(in crate::group) fn classic_mut(&mut self, id: &str) -> Option<&mut ClassicGroup> {
        match self.groups.get_mut(id) {
            Some(Group::Classic(group)) => Some(group),
            Some(Group::Consumer(_)) | None => None,
        }
    }

    fn join(&mut self, turn: &mut Turn<'_>, asker: (Ticket, &Client), request: JoinGroupRequest, fresh: Uuid) {
        let (ticket, client) = asker;
        let refuse = |error| Reply::Join(refused_join(client, &request.member_id, error));
        let session = request.session_timeout_ms;
        let sessions = turn.int("group.min.session.timeout.ms")..=turn.int("group.max.session.timeout.ms");
        if request.group_id.is_empty() || request.group_id.len() > LONGEST_TEXT {
            return turn.reply(ticket, refuse(ErrorCode::InvalidGroupId));
        }
        if texts(client, &request).any(|text| text.len() > LONGEST_TEXT) {
            return turn.reply(ticket, refuse(ErrorCode::UnknownServerError));
        }
        if !sessions.contains(&session) {
            return turn.reply(ticket, refuse(ErrorCode::InvalidSessionTimeout));
        }
        // A group of the other protocol makes way if nobody is in it.
        if let Some(Group::Consumer(group)) = self.groups.get(&request.group_id)
            && group.is_empty()
            && request.member_id.is_empty()
        {
            if let Err(error) = turn.record_all(group.tombstones()) {
                return turn.reply(ticket, refuse(error));
            }
            self.groups.remove(&request.group_id);
        }
        if !self.groups.contains_key(&request.group_id) {
            // Only who has no id yet may be the first of a group.
            if !request.member_id.is_empty() {
                return turn.reply(ticket, refuse(ErrorCode::UnknownMemberId));
            }
            let group = ClassicGroup::new(request.group_id.clone(), Some(turn.now()));
            turn.record(group.record_of_new());
            self.groups
                .insert(request.group_id.clone(), Group::Classic(Box::new(group)));
        }
        match self.classic_mut(&request.group_id) {
            Some(group) => group.join(turn, asker, request, fresh),
            None => {
                let refusal = refused_join(client, "", ErrorCode::InconsistentGroupProtocol);
                turn.reply(ticket, Reply::Join(refusal));
            }
        }
    }

    fn sync(&mut self, turn: &mut Turn<'_>, ticket: Ticket, client: &Client, request: &SyncGroupRequest) {
        let refuse = |error: ErrorCode| {
            Reply::Sync(SyncGroupResponse {
                error_code: error.code(),
                ..Default::default()
            })
        };
        if client.version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
            return turn.reply(ticket, refuse(ErrorCode::InconsistentGroupProtocol));
        }
        if request.group_id.is_empty() {
            return turn.reply(ticket, refuse(ErrorCode::InvalidGroupId));
        }
        match self.classic_mut(&request.group_id) {
            Some(group) if !group.is_empty() => {
                if let Err(error) = group.sync(turn, ticket, request) {
                    turn.reply(ticket, refuse(error));
                }
            }
            _ => turn.reply(ticket, refuse(ErrorCode::UnknownMemberId)),
        }
    }

    fn heartbeat(&mut self, turn: &mut Turn<'_>, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        if request.group_id.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        let group = self.classic_mut(&request.group_id);
        group.ok_or(ErrorCode::UnknownMemberId)?.heartbeat(turn, request)
    }

    fn leave(&mut self, turn: &mut Turn<'_>, ticket: Ticket, client: &Client, request: LeaveGroupRequest) {
        let reply = leave(self, turn, client, request);
        turn.reply(ticket, Reply::Leave(reply));
    }
}

/// All that a member would have written of itself.
fn texts<'a>(client: &'a Client, request: &'a JoinGroupRequest) -> impl Iterator<Item = &'a CompactString> {
    let own = [&client.id, &request.protocol_type].into_iter();
    let names = request.protocols.iter().map(|protocol| &protocol.name);
    own.chain(&request.group_instance_id).chain(names)
}

impl Machine for Groups {
    type Command = Command;
    type Reply = Reply;
    type Record = Record;
    type Timer = Timer;
    type World = World;

    fn decide(&mut self, world: &World, ticket: Ticket, command: Command) -> Decision<Groups> {
        let turn = &mut Turn::new(world);
        let reply = match command {
            Command::Join(client, request, fresh) => {
                self.join(turn, (ticket, &client), request, fresh);
                None
            }
            Command::Sync(client, request) => {
                self.sync(turn, ticket, &client, &request);
                None
            }
            Command::Leave(client, request) => {
                self.leave(turn, ticket, &client, request);
                None
            }
            Command::Heartbeat(_, request) => {
                let error = self.heartbeat(turn, &request).err().unwrap_or(ErrorCode::None);
                Some(Reply::Heartbeat(HeartbeatResponse {
                    error_code: error.code(),
                    ..Default::default()
                }))
            }
            Command::Commit(client, request) => Some(Reply::Commit(self.commit(turn, &client, &request))),
            Command::FetchOffsets(_, request) => Some(Reply::FetchOffsets(self.fetch(request))),
            Command::DeleteOffsets(request) => Some(Reply::DeleteOffsets(self.delete_offsets(turn, request))),
            Command::TopicsDeleted(topics) => {
                self.topics_deleted(turn, &topics);
                Some(Reply::Done)
            }
            Command::Describe(client, group) => Some(Reply::Describe(self.describe(&client, group))),
            Command::Delete(group) => Some(Reply::Delete(self.delete(turn, group))),
            Command::List(states, types) => Some(Reply::List(self.list(&states, &types))),
            Command::DescribeConsumer(group) => Some(Reply::DescribeConsumer(self.describe_consumer(turn, group))),
            Command::ConsumerHeartbeat(client, request) => {
                let response = self.consumer_heartbeat(turn, &client, &request);
                Some(Reply::ConsumerHeartbeat(response))
            }
        };
        if let Some(reply) = reply {
            turn.reply(ticket, reply);
        }
        std::mem::take(&mut turn.decision)
    }

    fn expire(&mut self, world: &World, timer: Timer) -> Decision<Groups> {
        let turn = &mut Turn::new(world);
        match &timer {
            Timer::Session(group, member) => {
                if let Some(group) = self.classic_mut(group) {
                    group.session_ended(turn, member);
                }
            }
            Timer::Join(group) => {
                if let Some(group) = self.classic_mut(group) {
                    group.joining_ended(turn);
                }
            }
            Timer::Sync(group) => {
                if let Some(group) = self.classic_mut(group) {
                    group.syncing_ended(turn);
                }
            }
            Timer::Consumer(group, timer) => self.consumer_timer(turn, group, timer),
            Timer::Expiry => self.expire_offsets(turn),
            Timer::TopicsDeleted(topics) => self.topics_deleted(turn, topics),
        }
        std::mem::take(&mut turn.decision)
    }

    fn apply(&mut self, record: &Record) {
        match record {
            Record::Offset(key, Some(value)) => {
                // Offsets without a group make one: somebody who only commits.
                if !self.groups.contains_key(&key.group) {
                    let group = ClassicGroup::new(key.group.clone(), None);
                    self.groups.insert(key.group.clone(), Group::Classic(Box::new(group)));
                }
                self.offsets.put(key, value);
            }
            Record::Offset(key, None) => self.offsets.remove(key),
            Record::ClassicGroup(key, Some(value)) if !self.live => {
                let group = ClassicGroup::loaded(key.group.clone(), value);
                self.groups.insert(key.group.clone(), Group::Classic(Box::new(group)));
            }
            Record::ClassicGroup(_, Some(_)) => {}
            Record::ClassicGroup(key, None) => {
                if self.classic(&key.group).is_some() {
                    self.groups.remove(&key.group);
                }
            }
            Record::ConsumerGroup(..)
            | Record::ConsumerPartitions(..)
            | Record::ConsumerMember(..)
            | Record::ConsumerTarget(..)
            | Record::ConsumerTargetMember(..)
            | Record::ConsumerCurrent(..)
            | Record::ConsumerRegex(..) => self.apply_to_consumer_group(record),
        }
    }

    fn loaded(&mut self, world: &World) -> Decision<Groups> {
        self.live = true;
        // Compaction may have kept the end of a group longer than what came before it: offsets always have a group.
        for group in self.offsets.groups() {
            let missing = || Group::Classic(Box::new(ClassicGroup::new(group.clone(), None)));
            self.groups.entry(group.clone()).or_insert_with(missing);
        }
        let turn = &mut Turn::new(world);
        for (id, group) in &mut self.groups {
            match group {
                Group::Classic(group) => group.resume(turn),
                Group::Consumer(group) => {
                    let timers = group.loaded(turn.world).into_iter();
                    let timers = timers.map(|(timer, at)| (Timer::Consumer(id.clone(), timer), at));
                    turn.decision.timers.extend(timers);
                }
            }
        }
        self.watch_offsets(turn);
        std::mem::take(&mut turn.decision)
    }
}
