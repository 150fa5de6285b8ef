//! Offsets go when nobody needs them any more, and a group without members goes with its last offset.

use crate::group::Groups;
use crate::group::Timer;
use crate::group::classic::ClassicGroup;
use crate::group::classic::State;
use crate::group::consumer::ConsumerGroup;
use crate::group::groups::Group;
use crate::group::offsets::ByTopic;
use crate::group::offsets::Committed;
use crate::group::offsets::tombstone;
use crate::group::records::Record;
use crate::group::turn::Turn;
use crate::types::Timestamp;
use compact_str::CompactString;

impl Groups {
    pub(in crate::group) fn watch_offsets(&self, turn: &mut Turn<'_>) {
        let interval = turn.world.config.values().long("offsets.retention.check.interval.ms");
        let at = turn.now().saturating_add(interval.max(1));
        turn.decision.timers.push((Timer::Expiry, Some(at)));
    }

    pub(in crate::group) fn expire_offsets(&self, turn: &mut Turn<'_>) {
        let retention_ms = i64::from(turn.int("offsets.retention.minutes")) * 60_000;
        for (id, group) in &self.groups {
            let records = match group {
                Group::Classic(group) => expired(id, group, self.offsets.of(id), (turn.now(), retention_ms)),
                Group::Consumer(group) => Some(unread(id, group, self.offsets.of(id), (turn.now(), retention_ms))),
            };
            let Some(records) = records else {
                continue;
            };
            let are_all = self.offsets.count(id) == records.len() && group.is_empty();
            let group_itself = if are_all { group.tombstones() } else { Vec::new() };
            // What does not fit into a batch is left for another turn.
            if !records
                .into_iter()
                .chain(group_itself)
                .all(|record| turn.record_if_it_fits(record))
            {
                return self.go_on_later(turn, Timer::Expiry);
            }
            if are_all {
                group.stop_timers(turn);
            }
        }
        self.watch_offsets(turn);
    }

    /// What does not even fit into a batch of its own is looked at again with everything else.
    fn go_on_later(&self, turn: &mut Turn<'_>, timer: Timer) {
        match turn.decision.records.is_empty() {
            true => self.watch_offsets(turn),
            false => turn.set_timer(timer, 1),
        }
    }

    pub(in crate::group) fn topics_deleted(&self, turn: &mut Turn<'_>, topics: &[CompactString]) {
        for (group, known) in &self.offsets.by_group {
            for (topic, partitions) in topics.iter().filter_map(|topic| known.get_key_value(topic)) {
                // There may be a new topic of this name by now, and offsets for it.
                let present = turn.world.image.topic_id(topic);
                let gone = |committed: &Committed| present.is_none_or(|id| committed.topic_id != id);
                for (partition, _) in partitions.iter().filter(|(_, committed)| gone(committed)) {
                    if !turn.record_if_it_fits(tombstone(group, topic, *partition)) {
                        return self.go_on_later(turn, Timer::TopicsDeleted(topics.to_vec()));
                    }
                }
            }
        }
    }
}

impl Group {
    pub(in crate::group) fn is_subscribed_to(&self, topic: &str) -> bool {
        match self {
            Group::Classic(group) => group.is_subscribed_to(topic),
            Group::Consumer(group) => group.is_subscribed_to(topic),
        }
    }

    /// Of the group itself, not of its offsets.
    pub(in crate::group) fn tombstones(&self) -> Vec<Record> {
        match self {
            Group::Classic(group) => vec![group.tombstone()],
            Group::Consumer(group) => group.tombstones(),
        }
    }

    /// The group goes; nothing of it may fire later.
    pub(in crate::group) fn stop_timers(&self, turn: &mut Turn<'_>) {
        match self {
            Group::Classic(group) => group.stop_timers(turn),
            // What fires for a group that is gone finds nothing.
            Group::Consumer(_) => {}
        }
    }
}

/// Offsets of topics that no member of a group of KIP-848 reads any more.
fn unread(
    id: &CompactString,
    group: &ConsumerGroup,
    offsets: Option<&ByTopic>,
    (now, retention_ms): (Timestamp, i64),
) -> Vec<Record> {
    let is_over = |committed: &Committed| match committed.expire_timestamp {
        Some(at) => now >= at,
        None => now.saturating_sub(committed.commit_timestamp) >= retention_ms,
    };
    let topics = offsets.into_iter().flatten();
    let read_no_more = topics.filter(|(topic, _)| !group.is_subscribed_to(topic));
    let over = read_no_more.flat_map(|(topic, partitions)| {
        let over = partitions.iter().filter(|(_, committed)| is_over(committed));
        over.map(move |(partition, _)| tombstone(id, topic, *partition))
    });
    over.collect()
}

/// `None` while nothing of the group may expire.
fn expired(
    id: &CompactString,
    group: &ClassicGroup,
    offsets: Option<&ByTopic>,
    (now, retention_ms): (Timestamp, i64),
) -> Option<Vec<Record>> {
    let Some(offsets) = offsets else {
        return Some(Vec::new());
    };
    let since_empty = match (group.protocol_type(), group.state()) {
        // Somebody who only commits.
        ("", _) => None,
        (_, State::Empty) => group.state_since(),
        (_, State::Stable) if group.uses_consumer_protocol() && group.knows_topics() => None,
        _ => return None,
    };
    let is_over = |committed: &Committed| match committed.expire_timestamp {
        Some(at) => now >= at,
        None => now.saturating_sub(since_empty.unwrap_or(committed.commit_timestamp)) >= retention_ms,
    };
    let mut records = Vec::new();
    for (topic, partitions) in offsets.iter().filter(|(topic, _)| !group.is_subscribed_to(topic)) {
        let over = partitions.iter().filter(|(_, committed)| is_over(committed));
        records.extend(over.map(|(partition, _)| tombstone(id, topic, *partition)));
    }
    Some(records)
}
