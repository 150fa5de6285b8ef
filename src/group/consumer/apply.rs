//! The only place where a group's hard state changes: by its records, as they were written or as they are loaded.
//!
//! A compacted log shows what is left of them: a tombstone without its record, a standing before the member that it
//! belongs to. Nothing of that may fail.

use crate::group::consumer::ConsumerGroup;
use crate::group::consumer::Resolved;
use crate::group::consumer::member::About;
use crate::group::consumer::member::Member;
use crate::group::consumer::member::Partitions;
use crate::group::consumer::member::Standing;
use crate::group::records::Record;
use crate::schema::consumer_group_regular_expression_value::ConsumerGroupRegularExpressionValue;
use crate::schema::consumer_group_target_assignment_member_value::ConsumerGroupTargetAssignmentMemberValue;
use compact_str::CompactString;
use std::sync::Arc;

/// The group that a record belongs to, and whether it takes something back; `None` for records of other kinds.
pub fn subject(record: &Record) -> Option<(&CompactString, bool)> {
    match record {
        Record::ConsumerGroup(key, value) => Some((&key.group_id, value.is_none())),
        Record::ConsumerPartitions(key, value) => Some((&key.group_id, value.is_none())),
        Record::ConsumerMember(key, value) => Some((&key.group_id, value.is_none())),
        Record::ConsumerTarget(key, value) => Some((&key.group_id, value.is_none())),
        Record::ConsumerTargetMember(key, value) => Some((&key.group_id, value.is_none())),
        Record::ConsumerCurrent(key, value) => Some((&key.group_id, value.is_none())),
        Record::ConsumerRegex(key, value) => Some((&key.group_id, value.is_none())),
        Record::Offset(..) | Record::ClassicGroup(..) => None,
    }
}

impl ConsumerGroup {
    /// Of this group; records of other kinds mean nothing here.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::ConsumerGroup(_, Some(value)) => {
                self.is_written = true;
                self.epoch = value.epoch;
                self.metadata_hash = value.metadata_hash;
            }
            Record::ConsumerGroup(_, None) => {
                self.is_written = false;
                self.epoch = 1;
                self.metadata_hash = 0;
            }
            Record::ConsumerPartitions(_, value) => self.has_partition_record = value.is_some(),
            Record::ConsumerTarget(_, Some(value)) => {
                self.target_epoch = value.assignment_epoch;
                self.target_timestamp = value.assignment_timestamp;
            }
            Record::ConsumerTarget(_, None) => {
                self.target_epoch = -1;
                self.target_timestamp = 0;
            }
            Record::ConsumerMember(key, Some(value)) => self.told(&key.member_id, About::from_record(value)),
            Record::ConsumerMember(key, None) => self.forget(&key.member_id),
            Record::ConsumerCurrent(key, Some(value)) => self.moved(&key.member_id, Standing::from_record(value)),
            Record::ConsumerCurrent(key, None) => {
                if self.members.contains_key(&key.member_id) {
                    self.moved(&key.member_id, Standing::gone());
                }
            }
            Record::ConsumerTargetMember(key, Some(value)) => {
                let target = Arc::new(read_target(value));
                self.targets.insert(key.member_id.clone(), target);
            }
            Record::ConsumerTargetMember(key, None) => drop(self.targets.remove(&key.member_id)),
            Record::ConsumerRegex(key, value) => self.resolved(&key.regular_expression, value.as_ref()),
            Record::Offset(..) | Record::ClassicGroup(..) => {}
        }
    }

    fn told(&mut self, id: &CompactString, about: About) {
        let member = self
            .members
            .entry(id.clone())
            .or_insert_with(|| Member::new(id.clone()));
        self.index.told(id, &member.about, &about);
        member.about = Arc::new(about);
    }

    fn moved(&mut self, id: &CompactString, standing: Standing) {
        let member = self
            .members
            .entry(id.clone())
            .or_insert_with(|| Member::new(id.clone()));
        self.index.moved(id, &member.standing, &standing);
        member.standing = Arc::new(standing);
    }

    fn forget(&mut self, id: &CompactString) {
        if let Some(member) = self.members.remove(id) {
            self.index.told(id, &member.about, &About::default());
            self.index.moved(id, &member.standing, &Standing::default());
        }
        self.soft.revoking_since.remove(id);
    }

    fn resolved(&mut self, regex: &CompactString, value: Option<&ConsumerGroupRegularExpressionValue>) {
        let now = value.map(|value| Resolved {
            topics: value.topics.iter().cloned().collect(),
            version: value.version,
            timestamp: value.timestamp,
        });
        let before = self.resolved.remove(regex);
        self.index.resolved(
            before.as_ref().map(|before| &before.topics),
            now.as_ref().map(|now| &now.topics),
        );
        self.resolved.extend(now.map(|now| (regex.clone(), now)));
    }
}

fn read_target(value: &ConsumerGroupTargetAssignmentMemberValue) -> Partitions {
    let topics = value.topic_partitions.iter();
    topics
        .map(|topic| (topic.topic_id, topic.partitions.iter().copied().collect()))
        .collect()
}
