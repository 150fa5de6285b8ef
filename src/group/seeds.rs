//! Clients that do whatever a seed says, and what must hold of a group all the same.
//!
//! What is known of it comes from its answers alone: nobody is left without one, each agreement has one leader and one
//! number, everybody gets what the leader gave it, and the log brings back what was agreed on and committed.

use crate::group::Command;
use crate::group::Reply;
use crate::group::testing::Driver;
use crate::group::testing::client;
use crate::group::testing::join;
use crate::group::testing::protocols;
use crate::machine::Ticket;
use crate::schema::describe_groups_response::DescribedGroup;
use crate::schema::join_group_request::JoinGroupRequest;
use crate::schema::join_group_response::JoinGroupResponse;
use crate::schema::sync_group_request::SyncGroupRequest;
use crate::schema::sync_group_request::SyncGroupRequestAssignment;
use crate::schema::sync_group_response::SyncGroupResponse;
use crate::types::ErrorCode;
use bytes::Bytes;
use compact_str::CompactString;
use compact_str::format_compact;
use std::collections::HashMap;

struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Out,
    Joined,
    In,
}

struct Peer {
    instance: Option<CompactString>,
    id: CompactString,
    generation: i32,
    phase: Phase,
    waiting: Option<Ticket>,
    /// All members, if this one leads.
    members: Vec<CompactString>,
    subscription: u64,
}

struct Story {
    driver: Driver,
    chance: Chance,
    peers: Vec<Peer>,
    /// Who an id belongs to: a static member has many, one after the other.
    owners: HashMap<CompactString, CompactString>,
    leaders: HashMap<i32, CompactString>,
    newest: i32,
    committed: Option<i64>,
    agreements: usize,
}

#[test]
fn whatever_clients_do_nobody_is_forgotten_and_nothing_agreed_is_lost() {
    let mut agreements = 0;
    for seed in 1..=150 {
        let mut story = Story::new(seed);
        for _ in 0..1_000 {
            story.step();
        }
        agreements += story.agreements;
        story.end();
    }
    assert!(agreements > 5_000, "the stories went nowhere: {agreements}");
}

impl Story {
    fn new(seed: u64) -> Story {
        let peer = |index: usize| Peer {
            instance: (index < 2).then(|| format_compact!("i{index}")),
            id: CompactString::default(),
            generation: -1,
            phase: Phase::Out,
            waiting: None,
            members: Vec::new(),
            subscription: 0,
        };
        Story {
            driver: Driver::new(),
            chance: Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            peers: (0..5).map(peer).collect(),
            owners: HashMap::new(),
            leaders: HashMap::new(),
            newest: 0,
            committed: None,
            agreements: 0,
        }
    }

    fn step(&mut self) {
        let index = self.chance.below(self.peers.len() as u64) as usize;
        match self.chance.below(400) {
            0 => self.reload(),
            1..=2 => {
                // The client dies; its questions stay.
                let peer = &mut self.peers[index];
                (peer.id, peer.waiting, peer.phase) = (CompactString::default(), None, Phase::Out);
            }
            3..=30 => {
                let pause = self.chance.below(6_000) as i64;
                self.driver.sleep(pause);
            }
            31 => self.driver.sleep(40_000),
            32..=34 => {
                // Somebody else removes it.
                let (id, instance) = (self.peers[index].id.clone(), self.peers[index].instance.clone());
                let id = if instance.is_some() { "" } else { id.as_str() };
                self.driver.leave(5, &[(id, instance.as_deref())]);
            }
            _ => self.go_on(index),
        }
        let offsets: Vec<i64> = self.driver.offsets().iter().map(|(_, _, offset)| *offset).collect();
        assert_eq!(offsets, Vec::from_iter(self.committed));
    }

    fn describe(&mut self) -> DescribedGroup {
        match self.driver.run(Command::Describe(client(5), "g".into())) {
            Reply::Describe(group) => group,
            _ => panic!("not a description"),
        }
    }

    fn reload(&mut self) {
        let before = self.describe();
        if self.chance.below(2) == 0 {
            self.driver.compact();
        }
        self.driver.reload();
        let after = self.describe();
        if ["Stable", "Empty", "Dead"].contains(&before.group_state.as_str()) {
            assert_eq!(before, after);
        } else {
            // What was not agreed on yet has never been; its number is given again.
            (self.newest, self.leaders) = (0, HashMap::new());
        }
        // Whoever waits is told to look for another coordinator.
        self.peers.iter_mut().for_each(|peer| peer.waiting = None);
    }

    fn go_on(&mut self, index: usize) {
        if let Some(ticket) = self.peers[index].waiting {
            match self.driver.answers.remove(&ticket) {
                Some(Reply::Join(response)) => self.joined(index, response),
                Some(Reply::Sync(response)) => self.synced(index, &response),
                _ => return,
            }
            self.peers[index].waiting = None;
            return;
        }
        match (self.peers[index].phase, self.chance.below(20)) {
            (Phase::In, 0) => self.leave(index),
            (Phase::In, 1) | (Phase::Out, _) => self.join(index),
            (Phase::In, 2..=6) => self.commit(index),
            (Phase::In, _) | (Phase::Joined, 0..=3) => self.heartbeat(index),
            (Phase::Joined, _) => self.sync(index),
        }
    }

    fn join(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        if self.chance.below(10) == 0 {
            peer.subscription += 1;
        }
        let topic = format!("t{}", peer.subscription);
        let names: &[&str] = match self.chance.below(8) {
            0 => &["sticky", "range"],
            _ => &["range", "sticky"],
        };
        let request = JoinGroupRequest {
            protocols: protocols(names, &topic),
            ..join(&peer.id, peer.instance.as_deref())
        };
        let ticket = self.driver.join_with(9, request);
        self.peers[index].waiting = Some(ticket);
    }

    fn joined(&mut self, index: usize, response: JoinGroupResponse) {
        let peer = &mut self.peers[index];
        peer.phase = Phase::Out;
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {}
            ErrorCode::MemberIdRequired => {
                assert!(peer.instance.is_none());
                peer.id = response.member_id;
                return;
            }
            ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => {
                peer.id = CompactString::default();
                return;
            }
            ErrorCode::RebalanceInProgress => return,
            error => panic!("{error:?}"),
        }
        let owner = peer.instance.clone().unwrap_or_else(|| response.member_id.clone());
        self.owners.insert(response.member_id.clone(), owner);
        (peer.id, peer.generation) = (response.member_id.clone(), response.generation_id);
        peer.phase = Phase::Joined;
        peer.members = response.members.iter().map(|member| member.member_id.clone()).collect();
        for member in &response.members {
            let owner = member
                .group_instance_id
                .clone()
                .unwrap_or_else(|| member.member_id.clone());
            self.owners.insert(member.member_id.clone(), owner);
        }
        assert_eq!(
            peer.members.is_empty(),
            response.leader != response.member_id,
            "only the leader knows all"
        );
        if let Some(leader) = self.owners.get(&response.leader).cloned() {
            let known = self.leaders.entry(response.generation_id).or_insert(leader.clone());
            assert_eq!(*known, leader, "one leader for each agreement");
        }
        self.newest = self.newest.max(response.generation_id);
    }

    /// What everybody gets follows from its name and the number of the agreement.
    fn share(&self, id: &CompactString, generation: i32) -> Bytes {
        let owner = self.owners.get(id).expect("somebody");
        Bytes::from(format!("{generation}/{owner}"))
    }

    fn sync(&mut self, index: usize) {
        let peer = &self.peers[index];
        let assignments = peer.members.iter().map(|id| SyncGroupRequestAssignment {
            member_id: id.clone(),
            assignment: self.share(id, peer.generation),
        });
        let request = SyncGroupRequest {
            group_id: "g".into(),
            generation_id: peer.generation,
            member_id: peer.id.clone(),
            group_instance_id: peer.instance.clone(),
            protocol_type: Some("consumer".into()),
            protocol_name: None,
            assignments: assignments.collect(),
        };
        let ticket = self.driver.ask(Command::Sync(client(3), request));
        self.peers[index].waiting = Some(ticket);
    }

    fn synced(&mut self, index: usize, response: &SyncGroupResponse) {
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {
                let peer = &self.peers[index];
                assert_eq!(response.assignment, self.share(&peer.id, peer.generation));
                self.peers[index].phase = Phase::In;
                self.agreements += 1;
            }
            error => self.refused(index, error),
        }
    }

    fn refused(&mut self, index: usize, error: ErrorCode) {
        let peer = &mut self.peers[index];
        peer.phase = Phase::Out;
        match error {
            ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration => {}
            ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => peer.id = CompactString::default(),
            error => panic!("{error:?}"),
        }
    }

    fn heartbeat(&mut self, index: usize) {
        let (id, instance) = (self.peers[index].id.clone(), self.peers[index].instance.clone());
        let generation = self.peers[index].generation;
        match self.driver.heartbeat_of(&id, generation, instance.as_deref()) {
            ErrorCode::None => {
                assert!(generation >= self.newest, "an old agreement is over");
                self.newest = generation;
            }
            error => self.refused(index, error),
        }
    }

    fn commit(&mut self, index: usize) {
        let offset = self.chance.below(1_000_000) as i64;
        let (id, generation) = (self.peers[index].id.clone(), self.peers[index].generation);
        match self.driver.commit(&id, generation, offset) {
            ErrorCode::None => self.committed = Some(offset),
            // Nobody has told it yet that the group is gone.
            error => self.refused(index, error),
        }
    }

    fn leave(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        peer.phase = Phase::Out;
        let id = std::mem::take(&mut peer.id);
        let instance = peer.instance.clone();
        self.driver.leave(5, &[(&id, instance.as_deref())]);
    }

    /// All fall silent.
    fn end(mut self) {
        self.driver.sleep(20 * 60 * 1000);
        assert!(
            self.driver.asked.is_empty(),
            "{:?} never got an answer",
            self.driver.asked
        );
        assert!(["Empty", "Dead"].contains(&self.driver.state().as_str()));
        assert_eq!(self.driver.timers.len(), 1, "{:?}", self.driver.timers);
        let offsets = self.driver.offsets();
        self.driver.compact();
        self.driver.reload();
        assert_eq!(self.driver.offsets(), offsets);
    }
}
