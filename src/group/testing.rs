//! A group's coordinator for tests: a clock that is turned by hand, timers, and a log; driven as the runtime does it.

use crate::config::BrokerConfig;
use crate::config::Properties;
use crate::group::Client;
use crate::group::Command;
use crate::group::Groups;
use crate::group::Reply;
use crate::group::Timer;
use crate::group::World;
use crate::group::records::Record;
use crate::machine::Decision;
use crate::machine::Machine;
use crate::machine::Ticket;
use crate::machine::Written;
use crate::metadata::Image;
use crate::record::build::BatchBuilder;
use crate::record::build::BatchSpec;
use crate::record::compress::Compression;
use crate::schema::heartbeat_request::HeartbeatRequest;
use crate::schema::join_group_request::JoinGroupRequest;
use crate::schema::join_group_request::JoinGroupRequestProtocol;
use crate::schema::join_group_response::JoinGroupResponse;
use crate::schema::leave_group_request::LeaveGroupRequest;
use crate::schema::leave_group_request::MemberIdentity;
use crate::schema::leave_group_response::LeaveGroupResponse;
use crate::schema::offset_commit_request::OffsetCommitRequest;
use crate::schema::offset_commit_request::OffsetCommitRequestPartition;
use crate::schema::offset_commit_request::OffsetCommitRequestTopic;
use crate::schema::offset_fetch_request::OffsetFetchRequestGroup;
use crate::schema::sync_group_request::SyncGroupRequest;
use crate::schema::sync_group_request::SyncGroupRequestAssignment;
use crate::schema::sync_group_response::SyncGroupResponse;
use crate::types::ErrorCode;
use crate::types::Timestamp;
use crate::types::Uuid;
use bytes::Bytes;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

pub const SESSION_MS: i64 = 10_000;
pub const REBALANCE_MS: i64 = 60_000;
pub const INITIAL_DELAY_MS: i64 = 3_000;

pub struct Driver {
    pub machine: Groups,
    pub world: World,
    pub log: Vec<(Bytes, Option<Bytes>)>,
    pub timers: BTreeMap<Timer, Timestamp>,
    pub answers: HashMap<Ticket, Reply>,
    pub asked: BTreeSet<Ticket>,
    tickets: u64,
    ids: u128,
}

impl Driver {
    pub fn new() -> Driver {
        Driver::with(&[])
    }

    pub fn with(config: &[(&str, &str)]) -> Driver {
        let given: Properties = config
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let mut driver = Driver {
            machine: Groups::new(),
            world: World {
                now: 1_000_000,
                image: Arc::new(Image::default()),
                config: Arc::new(BrokerConfig::from_properties(&given).expect("a configuration")),
            },
            log: Vec::new(),
            timers: BTreeMap::new(),
            answers: HashMap::new(),
            asked: BTreeSet::new(),
            tickets: 0,
            ids: 0,
        };
        driver.reload();
        driver
    }

    /// The coordinator goes away and comes back with nothing but its log.
    pub fn reload(&mut self) {
        self.machine = Groups::new();
        self.timers.clear();
        self.asked.clear();
        for (key, value) in &self.log {
            if let Some(record) = Record::decode(key.clone(), value.clone()).expect("a record of ours") {
                self.machine.apply(&record);
            }
        }
        let decision = self.machine.loaded(&self.world);
        self.carry_out(decision);
    }

    /// What compaction leaves: the last word on each key.
    pub fn compact(&mut self) {
        let mut last = HashMap::new();
        for (at, (key, _)) in self.log.iter().enumerate() {
            last.insert(key.clone(), at);
        }
        let mut at = 0;
        self.log.retain(|(key, _)| {
            at += 1;
            last.get(key) == Some(&(at - 1))
        });
    }

    fn carry_out(&mut self, decision: Decision<Groups>) {
        let written: Vec<_> = decision.records.iter().map(Record::encode).collect();
        let mut batch = BatchBuilder::new(BatchSpec::default());
        for (key, value) in &written {
            batch.push(self.world.now, Some(key), value.as_deref(), &[]);
        }
        let bytes = batch.finish(Compression::NONE).len();
        assert!(written.is_empty() || bytes <= self.world.config.message_max_bytes() as usize);
        self.log.extend(written);
        decision.records.iter().for_each(|record| self.machine.apply(record));
        for (timer, at) in decision.timers {
            match at {
                Some(at) => self.timers.insert(timer, at),
                None => self.timers.remove(&timer),
            };
        }
        for (ticket, reply) in decision.replies {
            assert!(self.asked.remove(&ticket), "{ticket:?} was answered twice");
            self.answers.insert(ticket, reply);
        }
    }

    pub fn ask(&mut self, command: Command) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.asked.insert(ticket);
        let decision = self.machine.decide(&self.world, ticket, command);
        self.carry_out(decision);
        ticket
    }

    pub fn run(&mut self, command: Command) -> Reply {
        let ticket = self.ask(command);
        self.answers.remove(&ticket).expect("an answer at once")
    }

    pub fn sleep(&mut self, milliseconds: i64) {
        let until = self.world.now + milliseconds;
        loop {
            let due = self.timers.iter().min_by_key(|(_, at)| **at);
            let Some((timer, at)) = due
                .map(|(timer, at)| (timer.clone(), *at))
                .filter(|(_, at)| *at <= until)
            else {
                break;
            };
            self.world.now = self.world.now.max(at);
            self.timers.remove(&timer);
            let decision = self.machine.expire(&self.world, timer);
            self.carry_out(decision);
        }
        self.world.now = until;
    }

    pub fn fresh(&mut self) -> Uuid {
        self.ids += 1;
        Uuid(self.ids.to_be_bytes())
    }

    pub fn join_with(&mut self, version: i16, request: JoinGroupRequest) -> Ticket {
        let fresh = self.fresh();
        self.ask(Command::Join(client(version), request, fresh))
    }

    pub fn joined(&mut self, ticket: Ticket) -> JoinGroupResponse {
        match self.answers.remove(&ticket) {
            Some(Reply::Join(response)) => response,
            _ => panic!("{ticket:?} has no answer to its join"),
        }
    }

    /// A new member of group `g` that has its id and waits.
    pub fn arrive(&mut self) -> (CompactString, Ticket) {
        let first = self.join_with(5, join("", None));
        let id = self.joined(first).member_id;
        let second = self.join_with(5, join(&id, None));
        (id, second)
    }

    pub fn sync(&mut self, id: &str, generation: i32, assignments: &[(&str, &'static str)]) -> Ticket {
        let request = SyncGroupRequest {
            group_id: "g".into(),
            generation_id: generation,
            member_id: id.into(),
            assignments: assignments
                .iter()
                .map(|(id, text)| SyncGroupRequestAssignment {
                    member_id: (*id).into(),
                    assignment: Bytes::from_static(text.as_bytes()),
                })
                .collect(),
            ..Default::default()
        };
        self.ask(Command::Sync(client(3), request))
    }

    pub fn synced(&mut self, ticket: Ticket) -> SyncGroupResponse {
        match self.answers.remove(&ticket) {
            Some(Reply::Sync(response)) => response,
            _ => panic!("{ticket:?} has no answer to its sync"),
        }
    }

    pub fn heartbeat(&mut self, id: &str, generation: i32) -> ErrorCode {
        self.heartbeat_of(id, generation, None)
    }

    pub fn heartbeat_of(&mut self, id: &str, generation: i32, instance: Option<&str>) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: "g".into(),
            generation_id: generation,
            member_id: id.into(),
            group_instance_id: instance.map(CompactString::from),
        };
        match self.run(Command::Heartbeat(client(4), request)) {
            Reply::Heartbeat(response) => ErrorCode::from_code(response.error_code),
            _ => panic!("not a heartbeat"),
        }
    }

    pub fn leave(&mut self, version: i16, members: &[(&str, Option<&str>)]) -> LeaveGroupResponse {
        let request = LeaveGroupRequest {
            group_id: "g".into(),
            member_id: members.first().map(|(id, _)| (*id).into()).unwrap_or_default(),
            members: members
                .iter()
                .map(|(id, instance)| MemberIdentity {
                    member_id: (*id).into(),
                    group_instance_id: instance.map(CompactString::from),
                    reason: None,
                })
                .collect(),
        };
        match self.run(Command::Leave(client(version), request)) {
            Reply::Leave(response) => response,
            _ => panic!("not a goodbye"),
        }
    }

    pub fn commit(&mut self, member: &str, generation: i32, offset: i64) -> ErrorCode {
        self.commit_with(9, commit(member, generation, offset))
    }

    pub fn commit_with(&mut self, version: i16, request: OffsetCommitRequest) -> ErrorCode {
        match self.run(Command::Commit(client(version), request)) {
            Reply::Commit(response) => ErrorCode::from_code(response.topics[0].partitions[0].error_code),
            _ => panic!("not a commit"),
        }
    }

    /// All offsets of group `g`.
    pub fn offsets(&mut self) -> Vec<(CompactString, i32, i64)> {
        let request = OffsetFetchRequestGroup {
            group_id: "g".into(),
            topics: None,
            ..Default::default()
        };
        let Reply::FetchOffsets(response) = self.run(Command::FetchOffsets(client(8), request)) else {
            panic!("not a fetch");
        };
        let mut offsets = Vec::new();
        for topic in response.topics {
            let of = |partition: &crate::schema::offset_fetch_response::OffsetFetchResponsePartitions| {
                (
                    topic.name.clone(),
                    partition.partition_index,
                    partition.committed_offset,
                )
            };
            offsets.extend(topic.partitions.iter().map(of));
        }
        offsets
    }

    pub fn state(&mut self) -> CompactString {
        match self.run(Command::Describe(client(5), "g".into())) {
            Reply::Describe(group) => group.group_state,
            _ => panic!("not a description"),
        }
    }

    /// A stable group `g` of that many members in generation 1; the leader first.
    pub fn stable(&mut self, members: usize) -> Vec<CompactString> {
        let arrived: Vec<(CompactString, Ticket)> = (0..members).map(|_| self.arrive()).collect();
        self.sleep(INITIAL_DELAY_MS * 2);
        let mut ids: Vec<CompactString> = arrived.iter().map(|(id, _)| id.clone()).collect();
        let mut leader = CompactString::default();
        for (_, ticket) in arrived {
            let response = self.joined(ticket);
            assert_eq!(response.generation_id, 1);
            leader = response.leader;
        }
        ids.sort_by_key(|id| *id != leader);
        let tickets: Vec<Ticket> = ids.iter().rev().map(|id| self.sync(id, 1, &[(id, "mine")])).collect();
        for ticket in tickets {
            assert_eq!(self.synced(ticket).error_code, 0);
        }
        assert_eq!(self.state(), "Stable");
        ids
    }
}

pub fn client(version: i16) -> Client {
    Client {
        version,
        id: "app".into(),
        host: "/127.0.0.1".into(),
    }
}

pub fn join(member: &str, instance: Option<&str>) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: SESSION_MS as i32,
        rebalance_timeout_ms: REBALANCE_MS as i32,
        member_id: member.into(),
        group_instance_id: instance.map(CompactString::from),
        protocol_type: "consumer".into(),
        protocols: protocols(&["range"], "t"),
        ..Default::default()
    }
}

/// Each with a subscription to the topic.
pub fn protocols(names: &[&str], topic: &str) -> Vec<JoinGroupRequestProtocol> {
    let metadata = [&[0, 1, 0, 0, 0, 1, 0, topic.len() as u8], topic.as_bytes(), &[255; 4]].concat();
    let protocol = |name: &&str| JoinGroupRequestProtocol {
        name: (*name).into(),
        metadata: Bytes::from(metadata.clone()),
    };
    names.iter().map(protocol).collect()
}

pub fn commit(member: &str, generation: i32, offset: i64) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: generation,
        member_id: member.into(),
        topics: vec![OffsetCommitRequestTopic {
            name: "t".into(),
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: offset,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}
