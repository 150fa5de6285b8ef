//! A group whose members agree among themselves who reads what; the coordinator only counts them in and out.
//!
//! It is about consumers in no way: Connect's workers and schema registries form such groups as well.

mod join;
mod leave;
mod member;
mod rebalance;
mod records;
mod subscription;
mod sync;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_keeping;

pub use join::refused as refused_join;
pub use leave::leave;

use crate::group::Reply;
use crate::group::Timer;
use crate::group::classic::member::Member;
use crate::group::turn::Turn;
use crate::schema::sync_group_response::SyncGroupResponse;
use crate::types::ErrorCode;
use crate::types::Timestamp;
use compact_str::CompactString;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// The protocol type of consumers: the only one whose subscriptions the coordinator reads.
pub const CONSUMER: &str = "consumer";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Empty,
    /// Members are asked to join anew.
    PreparingRebalance,
    /// All are there; the leader makes up its mind.
    CompletingRebalance,
    Stable,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
        }
    }
}

/// The first rebalance of an empty group is put off, as long as members keep coming.
#[derive(Clone, Copy, Debug)]
struct InitialDelay {
    delay_ms: i32,
    remaining_ms: i32,
    member_came: bool,
}

pub struct ClassicGroup {
    id: CompactString,
    state: State,
    state_since: Option<Timestamp>,
    generation: i32,
    protocol_type: Option<CompactString>,
    protocol: Option<CompactString>,
    leader: Option<CompactString>,
    members: BTreeMap<CompactString, Member>,
    /// Instance id to member id.
    instances: BTreeMap<CompactString, CompactString>,
    /// Ids that were given out and have not joined yet.
    pending: BTreeSet<CompactString>,
    /// Members of this generation that have not asked for their assignment yet.
    unsynced: BTreeSet<CompactString>,
    /// How many members know a protocol.
    supporters: BTreeMap<CompactString, usize>,
    initial: Option<InitialDelay>,
    /// What consumers have subscribed to, where that can be told.
    topics: Option<BTreeSet<CompactString>>,
}

impl ClassicGroup {
    pub fn new(id: CompactString, since: Option<Timestamp>) -> ClassicGroup {
        ClassicGroup {
            id,
            state: State::Empty,
            state_since: since,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            pending: BTreeSet::new(),
            unsynced: BTreeSet::new(),
            supporters: BTreeMap::new(),
            initial: None,
            topics: None,
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn is_empty(&self) -> bool {
        self.state == State::Empty
    }

    pub fn state_since(&self) -> Option<Timestamp> {
        self.state_since
    }

    pub fn protocol_type(&self) -> &str {
        self.protocol_type.as_deref().unwrap_or_default()
    }

    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Sessions of a group that was just loaded begin anew.
    pub fn resume(&mut self, turn: &mut Turn<'_>) {
        for member in self.members.values() {
            turn.set_timer(session(&self.id, &member.id), member.session_timeout_ms);
        }
        if self.members.len() > most_members(turn) {
            self.prepare_rebalance(turn);
        }
    }

    pub fn stop_timers(&self, turn: &mut Turn<'_>) {
        for member in self.members.keys().chain(&self.pending) {
            turn.stop_timer(session(&self.id, member));
        }
        turn.stop_timer(Timer::Join(self.id.clone()));
        turn.stop_timer(Timer::Sync(self.id.clone()));
    }

    fn enter(&mut self, turn: &Turn<'_>, state: State) {
        self.state = state;
        self.state_since = Some(turn.now());
    }

    /// The member, if it is who it claims to be.
    fn check_member(&self, member: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(known) if known != member => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        match self.members.contains_key(member) {
            true => Ok(()),
            false => Err(ErrorCode::UnknownMemberId),
        }
    }

    fn add(&mut self, member: Member) {
        if let Some(before) = self.members.remove(&member.id) {
            self.count_support(&before, false);
        }
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), member.id.clone());
        }
        self.leader.get_or_insert_with(|| member.id.clone());
        self.pending.remove(&member.id);
        self.count_support(&member, true);
        self.members.insert(member.id.clone(), member);
    }

    /// Whoever still waits for an answer is told that it is no member.
    fn remove(&mut self, turn: &mut Turn<'_>, id: &str) {
        if let Some(mut member) = self.members.remove(id) {
            self.count_support(&member, false);
            if let Some(instance) = &member.instance
                && self.instances.get(instance).is_some_and(|known| known == id)
            {
                self.instances.remove(instance);
            }
            answer_join(turn, &mut member, "", ErrorCode::UnknownMemberId);
            answer_sync(turn, &mut member, ErrorCode::UnknownMemberId);
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.pending.remove(id);
        self.unsynced.remove(id);
        turn.stop_timer(session(&self.id, id));
    }

    fn count_support(&mut self, member: &Member, more: bool) {
        for name in member.names() {
            let count = self.supporters.entry(name.clone()).or_default();
            *count = if more { *count + 1 } else { count.saturating_sub(1) };
            if *count == 0 {
                self.supporters.remove(name);
            }
        }
    }

    /// What all members can do.
    fn is_common(&self, protocol: &str) -> bool {
        self.supporters.get(protocol).copied().unwrap_or(0) == self.members.len()
    }

    /// Each member votes for what it likes best of what all can do.
    fn select_protocol(&self) -> Option<CompactString> {
        let mut votes: BTreeMap<&CompactString, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some(vote) = member.names().find(|name| self.is_common(name)) {
                *votes.entry(vote).or_default() += 1;
            }
        }
        let most = votes
            .into_iter()
            .max_by_key(|(name, count)| (*count, Reverse(bucket(name))));
        most.map(|(name, _)| name.clone())
    }

    fn rebalance_timeout_ms(&self) -> i32 {
        let timeouts = self.members.values().map(|member| member.rebalance_timeout_ms);
        timeouts.max().unwrap_or(0).max(0)
    }

    fn awaiting_join(&self) -> usize {
        self.members.values().filter(|member| member.joining.is_some()).count()
    }

    fn have_all_joined(&self) -> bool {
        self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some())
    }

    fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }
}

fn session(group: &CompactString, member: &str) -> Timer {
    Timer::Session(group.clone(), member.into())
}

/// Where a text lies in a small hash table of Java's: of protocols with as many votes Kafka takes the first it finds.
fn bucket(text: &str) -> u32 {
    let units = text.encode_utf16().map(u32::from);
    let hash = units.fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(unit));
    (hash ^ (hash >> 16)) & 15
}

/// Groups hold their members in memory, whatever the configuration says.
const MOST_MEMBERS: usize = 100_000;

fn most_members(turn: &Turn<'_>) -> usize {
    let allowed = usize::try_from(turn.int("group.max.size")).unwrap_or(MOST_MEMBERS);
    allowed.min(MOST_MEMBERS)
}

/// Refuses the join that the member waits for, if it does.
fn answer_join(turn: &mut Turn<'_>, member: &mut Member, id: &str, error: ErrorCode) {
    if let Some(waiting) = member.joining.take() {
        turn.reply(waiting.ticket, Reply::Join(join::refusal(waiting.version, id, error)));
    }
}

fn answer_sync(turn: &mut Turn<'_>, member: &mut Member, error: ErrorCode) {
    if let Some(ticket) = member.syncing.take() {
        let response = SyncGroupResponse {
            error_code: error.code(),
            ..Default::default()
        };
        turn.reply(ticket, Reply::Sync(response));
    }
}
