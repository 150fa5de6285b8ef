//! Offsets go when nobody needs them any more, and a group without members goes with its last offset.

use crate::group::Groups;
use crate::group::Timer;
use crate::group::classic::ClassicGroup;
use crate::group::classic::State;
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
                Group::Consumer => None,
            };
            let Some(records) = records else {
                continue;
            };
            let are_all = self.offsets.count(id) == records.len() && group.is_empty();
            let group_itself = group.tombstone().filter(|_| are_all);
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
    pub(in crate::group) fn tombstone(&self) -> Option<Record> {
        match self {
            Group::Classic(group) => Some(group.tombstone()),
            // It is never empty yet.
            Group::Consumer => None,
        }
    }

    /// The group goes; nothing of it may fire later.
    pub(in crate::group) fn stop_timers(&self, turn: &mut Turn<'_>) {
        match self {
            Group::Classic(group) => group.stop_timers(turn),
            Group::Consumer => {}
        }
    }
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
