//! Patterns of a group, and the topics that they mean.
//!
//! They are held against all names outside of the heartbeat that brings a new one, and all of a group at once, so that
//! new topics lead to one rebalance and not to one for each pattern.

use crate::group::World;
use crate::group::consumer::Changes;
use crate::group::consumer::ConsumerGroup;
use crate::group::consumer::Refusal;
use crate::group::consumer::Resolved;
use crate::group::consumer::Timer;
use crate::group::consumer::index::decrease;
use crate::group::consumer::index::increase;
use crate::group::consumer::regex::Pattern;
use crate::group::consumer::target::Speaker;
use crate::metadata::Image;
use crate::types::ErrorCode;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;

/// Patterns of a group are not resolved more often.
const SHORTEST_INTERVAL_MS: i64 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegexChange {
    None,
    /// The member has another pattern, whose topics are not known yet.
    Unknown,
    /// It is known what the member means now.
    Known,
}

impl ConsumerGroup {
    /// Takes note of the member's pattern, and sees whether it is time to resolve patterns.
    pub(super) fn change_regex(
        &mut self,
        world: &World,
        speaker: &Speaker<'_>,
        changes: &mut Changes,
    ) -> Result<RegexChange, Refusal> {
        let (old, new) = (speaker.member.about.regex(), speaker.about.regex());
        let mut change = RegexChange::None;
        let mut needed = false;
        if speaker.member.about.regex != speaker.about.regex {
            change = RegexChange::Unknown;
            if let Some(old) = old.filter(|old| self.index.members_with(old) == 1) {
                changes.records.push(self.regex_record(old, None));
            }
            match new {
                Some(new) if self.index.members_with(new) == 0 => {
                    Pattern::compile(new).map_err(|why| invalid(new, &why))?;
                    needed = true;
                }
                Some(new) if self.resolved.contains_key(new) => change = RegexChange::Known,
                None if old.is_some() => change = RegexChange::Known,
                _ => {}
            }
        }
        if (needed || !self.index.regexes.is_empty()) && self.is_time_to_resolve(world, speaker, needed) {
            changes.timers.push((Timer::Resolve, Some(world.now)));
        }
        Ok(change)
    }

    fn is_time_to_resolve(&mut self, world: &World, speaker: &Speaker<'_>, needed: bool) -> bool {
        let last = self.resolved.values().map(|resolved| resolved.timestamp).max();
        if self.soft.is_resolving || last.is_some_and(|last| world.now <= last.saturating_add(SHORTEST_INTERVAL_MS)) {
            return false;
        }
        let mut regexes = self.index.regexes.clone();
        speaker
            .member
            .about
            .regex()
            .into_iter()
            .for_each(|old| decrease(&mut regexes, old));
        speaker
            .about
            .regex()
            .into_iter()
            .for_each(|new| increase(&mut regexes, new));
        let interval = i64::from(self.settings(world).regex_refresh_interval_ms);
        let is_old = last.is_none_or(|last| world.now > last.saturating_add(interval));
        let unresolved = regexes.len() != self.resolved.len();
        !regexes.is_empty() && (needed || is_old || unresolved || self.topics_differ(&world.image))
    }

    /// From those that were there when patterns were last resolved.
    fn topics_differ(&mut self, image: &Image) -> bool {
        let now = self.all_topics(image);
        self.soft.resolved_topics != Some(now)
    }

    fn all_topics(&mut self, image: &Image) -> u64 {
        match self.soft.all_topics {
            Some((offset, known)) if offset == image.offset => known,
            _ => {
                let mut hasher = DefaultHasher::new();
                image.topics().for_each(|topic| topic.id.hash(&mut hasher));
                let known = hasher.finish();
                self.soft.all_topics = Some((image.offset, known));
                known
            }
        }
    }

    /// Holds all patterns of the group against all topics.
    pub(super) fn resolve(&mut self, world: &World) -> Changes {
        self.soft.is_resolving = false;
        let mut changes = Changes::default();
        if self.index.regexes.is_empty() {
            return changes;
        }
        let mut topics = self.index.topics.clone();
        let mut bump = false;
        for regex in self.index.regexes.keys() {
            let before = self.resolved.get(regex).map(|before| &before.topics);
            let now = Resolved {
                topics: matching(&world.image, regex),
                version: world.image.offset,
                timestamp: world.now,
            };
            bump |= before.map_or(!now.topics.is_empty(), |before| *before != now.topics);
            before
                .into_iter()
                .flatten()
                .for_each(|topic| decrease(&mut topics, topic));
            now.topics.iter().for_each(|topic| increase(&mut topics, topic));
            changes.records.push(self.regex_record(regex, Some(&now)));
        }
        self.soft.resolved_topics = Some(self.all_topics(&world.image));
        let hash = self.soft.hashes.group_hash(&world.image, topics.keys());
        if bump || hash != self.metadata_hash {
            let epoch = self.epoch.saturating_add(1);
            changes.records.push(self.epoch_record(epoch, hash));
            self.soft.checked = Some(world.image.offset);
        }
        changes
    }

    /// The topics of the group once this member has what it says.
    pub(super) fn topics_with(&self, speaker: &Speaker<'_>) -> BTreeMap<CompactString, usize> {
        let (before, now) = (&speaker.member.about, speaker.about);
        let mut topics = self.index.topics.clone();
        before.topics.iter().for_each(|topic| decrease(&mut topics, topic));
        let last = before
            .regex()
            .filter(|regex| Some(*regex) != now.regex() && self.index.members_with(regex) == 1);
        let meant = last.and_then(|regex| self.resolved.get(regex));
        let meant = meant.into_iter().flat_map(|resolved| &resolved.topics);
        meant.for_each(|topic| decrease(&mut topics, topic));
        now.topics.iter().for_each(|topic| increase(&mut topics, topic));
        topics
    }
}

fn matching(image: &Image, regex: &str) -> BTreeSet<CompactString> {
    // It was checked when a member brought it; a log written by others may hold more than that.
    let Ok(pattern) = Pattern::compile(regex) else {
        return BTreeSet::new();
    };
    let names = image.topics().map(|topic| &topic.name);
    names.filter(|name| pattern.matches(name)).cloned().collect()
}

fn invalid(regex: &str, why: &str) -> Refusal {
    let message = format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {why}.");
    Refusal::new(ErrorCode::InvalidRegularExpression, message)
}
