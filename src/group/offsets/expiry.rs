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

/// More than this is left for another turn: one turn writes one batch, and others wait for it.
const MOST_IN_A_TURN: usize = 10_000;

impl Groups {
    pub(in crate::group) fn watch_offsets(&self, turn: &mut Turn<'_>) {
        let interval = turn.world.config.values().long("offsets.retention.check.interval.ms");
        let at = turn.now().saturating_add(interval.max(1));
        turn.decision.timers.push((Timer::Expiry, Some(at)));
    }

    pub(in crate::group) fn expire_offsets(&self, turn: &mut Turn<'_>) {
        let retention_ms = i64::from(turn.int("offsets.retention.minutes")) * 60_000;
        for (id, group) in &self.groups {
            if turn.decision.records.len() >= MOST_IN_A_TURN {
                turn.set_timer(Timer::Expiry, 1);
                return;
            }
            let records = match group {
                Group::Classic(group) => expired(id, group, self.offsets.of(id), (turn.now(), retention_ms)),
                Group::Consumer => None,
            };
            let Some(records) = records else {
                continue;
            };
            let are_all = self.offsets.count(id) == records.len();
            records.into_iter().for_each(|record| turn.record(record));
            if are_all && group.is_empty() {
                group.bury(turn);
            }
        }
        self.watch_offsets(turn);
    }

    pub(in crate::group) fn topics_deleted(&self, turn: &mut Turn<'_>, topics: &[CompactString]) {
        for (group, known) in &self.offsets.by_group {
            for (topic, partitions) in topics.iter().filter_map(|topic| known.get_key_value(topic)) {
                // There may be a new topic of this name by now, and offsets for it.
                let present = turn.world.image.topic_id(topic);
                let gone = partitions
                    .iter()
                    .filter(|(_, committed)| present.is_none_or(|id| committed.topic_id != id));
                gone.for_each(|(partition, _)| turn.record(tombstone(group, topic, *partition)));
            }
        }
    }
}

impl Group {
    /// The group is gone once this is written.
    pub(in crate::group) fn bury(&self, turn: &mut Turn<'_>) {
        match self {
            Group::Classic(group) => {
                group.stop_timers(turn);
                turn.record(group.tombstone());
            }
            // It is never empty yet.
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
