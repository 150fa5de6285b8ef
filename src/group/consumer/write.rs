//! The records of a group, as Kafka writes them.

use crate::group::consumer::ConsumerGroup;
use crate::group::consumer::Resolved;
use crate::group::consumer::member::About;
use crate::group::consumer::member::Partitions;
use crate::group::consumer::member::Standing;
use crate::group::records::Record;
use crate::schema::consumer_group_current_member_assignment_key::ConsumerGroupCurrentMemberAssignmentKey;
use crate::schema::consumer_group_member_metadata_key::ConsumerGroupMemberMetadataKey;
use crate::schema::consumer_group_metadata_key::ConsumerGroupMetadataKey;
use crate::schema::consumer_group_metadata_value::ConsumerGroupMetadataValue;
use crate::schema::consumer_group_partition_metadata_key::ConsumerGroupPartitionMetadataKey;
use crate::schema::consumer_group_regular_expression_key::ConsumerGroupRegularExpressionKey;
use crate::schema::consumer_group_regular_expression_value::ConsumerGroupRegularExpressionValue;
use crate::schema::consumer_group_target_assignment_member_key::ConsumerGroupTargetAssignmentMemberKey;
use crate::schema::consumer_group_target_assignment_member_value::ConsumerGroupTargetAssignmentMemberValue;
use crate::schema::consumer_group_target_assignment_member_value::TopicPartition;
use crate::schema::consumer_group_target_assignment_metadata_key::ConsumerGroupTargetAssignmentMetadataKey;
use crate::schema::consumer_group_target_assignment_metadata_value::ConsumerGroupTargetAssignmentMetadataValue;
use crate::types::Timestamp;
use compact_str::CompactString;

impl ConsumerGroup {
    pub(super) fn epoch_record(&self, epoch: i32, metadata_hash: i64) -> Record {
        let value = ConsumerGroupMetadataValue { epoch, metadata_hash };
        Record::ConsumerGroup(self.key(), Some(value))
    }

    pub(super) fn member_record(&self, member: &CompactString, about: Option<&About>) -> Record {
        let key = ConsumerGroupMemberMetadataKey {
            group_id: self.id.clone(),
            member_id: member.clone(),
        };
        Record::ConsumerMember(key, about.map(About::to_record))
    }

    pub(super) fn current_record(&self, member: &CompactString, standing: Option<&Standing>) -> Record {
        let key = ConsumerGroupCurrentMemberAssignmentKey {
            group_id: self.id.clone(),
            member_id: member.clone(),
        };
        Record::ConsumerCurrent(key, standing.map(Standing::to_record))
    }

    pub(super) fn target_member_record(&self, member: &CompactString, target: Option<&Partitions>) -> Record {
        let key = ConsumerGroupTargetAssignmentMemberKey {
            group_id: self.id.clone(),
            member_id: member.clone(),
        };
        let value = target.map(|target| ConsumerGroupTargetAssignmentMemberValue {
            topic_partitions: target
                .iter()
                .map(|(topic_id, partitions)| TopicPartition {
                    topic_id: *topic_id,
                    partitions: partitions.iter().copied().collect(),
                })
                .collect(),
        });
        Record::ConsumerTargetMember(key, value)
    }

    pub(super) fn target_record(&self, made: Option<(i32, Timestamp)>) -> Record {
        let key = ConsumerGroupTargetAssignmentMetadataKey {
            group_id: self.id.clone(),
        };
        let value = made.map(
            |(assignment_epoch, assignment_timestamp)| ConsumerGroupTargetAssignmentMetadataValue {
                assignment_epoch,
                assignment_timestamp,
            },
        );
        Record::ConsumerTarget(key, value)
    }

    pub(super) fn regex_record(&self, regex: &CompactString, resolved: Option<&Resolved>) -> Record {
        let key = ConsumerGroupRegularExpressionKey {
            group_id: self.id.clone(),
            regular_expression: regex.clone(),
        };
        let value = resolved.map(|resolved| ConsumerGroupRegularExpressionValue {
            topics: resolved.topics.iter().cloned().collect(),
            version: resolved.version,
            timestamp: resolved.timestamp,
        });
        Record::ConsumerRegex(key, value)
    }

    pub(super) fn partition_tombstone(&self) -> Record {
        let key = ConsumerGroupPartitionMetadataKey {
            group_id: self.id.clone(),
        };
        Record::ConsumerPartitions(key, None)
    }

    /// A standing and a target go before the member that they belong to.
    pub(super) fn member_tombstones(&self, member: &CompactString) -> [Record; 3] {
        [
            self.current_record(member, None),
            self.target_member_record(member, None),
            self.member_record(member, None),
        ]
    }

    /// Takes everything back; also of members that are still in it, for a group that becomes a classic one.
    pub fn tombstones(&self) -> Vec<Record> {
        let mut records: Vec<Record> = self.members.keys().map(|id| self.current_record(id, None)).collect();
        // A target may have outlived its member in a log that was cut.
        let mut targets: Vec<&CompactString> = self.members.keys().chain(self.targets.keys()).collect();
        targets.sort_unstable();
        targets.dedup();
        records.extend(targets.into_iter().map(|id| self.target_member_record(id, None)));
        records.push(self.target_record(None));
        records.extend(self.members.keys().map(|id| self.member_record(id, None)));
        records.extend(self.resolved.keys().map(|regex| self.regex_record(regex, None)));
        records.push(self.partition_tombstone());
        records.push(Record::ConsumerGroup(self.key(), None));
        records
    }

    fn key(&self) -> ConsumerGroupMetadataKey {
        ConsumerGroupMetadataKey {
            group_id: self.id.clone(),
        }
    }
}
