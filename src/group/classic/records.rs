//! A classic group as a record, and back.

use crate::group::classic::ClassicGroup;
use crate::group::classic::State;
use crate::group::classic::member::Member;
use crate::group::records::Record;
use crate::schema::group_metadata_key::GroupMetadataKey;
use crate::schema::group_metadata_value::GroupMetadataValue;
use crate::types::NO_TIMESTAMP;
use compact_str::CompactString;

impl ClassicGroup {
    /// Only groups with members in agreement, and empty ones, are ever written.
    pub(super) fn record(&self) -> Record {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type().into(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            current_state_timestamp: self.state_since.unwrap_or(NO_TIMESTAMP),
            members: self.members.values().map(|member| member.record(protocol)).collect(),
        };
        Record::ClassicGroup(self.key(), Some(value))
    }

    /// Of a group that nobody has joined yet.
    pub fn record_of_new(&self) -> Record {
        let value = GroupMetadataValue {
            current_state_timestamp: self.state_since.unwrap_or(NO_TIMESTAMP),
            ..Default::default()
        };
        Record::ClassicGroup(self.key(), Some(value))
    }

    pub fn tombstone(&self) -> Record {
        Record::ClassicGroup(self.key(), None)
    }

    fn key(&self) -> GroupMetadataKey {
        GroupMetadataKey { group: self.id.clone() }
    }

    pub fn loaded(id: CompactString, value: &GroupMetadataValue) -> ClassicGroup {
        let since = (value.current_state_timestamp != NO_TIMESTAMP).then_some(value.current_state_timestamp);
        let mut group = ClassicGroup::new(id, since);
        group.generation = value.generation;
        group.protocol_type = Some(value.protocol_type.clone()).filter(|name| !name.is_empty());
        group.protocol = value.protocol.clone();
        let protocol = value.protocol.as_deref().unwrap_or_default();
        for member in &value.members {
            group.add(Member::loaded(member, protocol));
        }
        if !group.members.is_empty() {
            group.state = State::Stable;
        }
        let leader = value.leader.clone();
        if let Some(leader) = leader.filter(|leader| group.members.contains_key(leader)) {
            group.leader = Some(leader);
        }
        group.topics = group.compute_topics();
        group
    }
}
