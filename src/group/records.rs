//! The records of `__consumer_offsets`: a key says by its first two bytes what it and its value are.
//!
//! A record without a value takes back what was said before. What a later release writes is kept in the log and has no
//! meaning here.

use crate::machine::Written;
use crate::schema::Message;
use crate::schema::consumer_group_current_member_assignment_key::ConsumerGroupCurrentMemberAssignmentKey;
use crate::schema::consumer_group_current_member_assignment_value::ConsumerGroupCurrentMemberAssignmentValue;
use crate::schema::consumer_group_member_metadata_key::ConsumerGroupMemberMetadataKey;
use crate::schema::consumer_group_member_metadata_value::ConsumerGroupMemberMetadataValue;
use crate::schema::consumer_group_metadata_key::ConsumerGroupMetadataKey;
use crate::schema::consumer_group_metadata_value::ConsumerGroupMetadataValue;
use crate::schema::consumer_group_partition_metadata_key::ConsumerGroupPartitionMetadataKey;
use crate::schema::consumer_group_partition_metadata_value::ConsumerGroupPartitionMetadataValue;
use crate::schema::consumer_group_regular_expression_key::ConsumerGroupRegularExpressionKey;
use crate::schema::consumer_group_regular_expression_value::ConsumerGroupRegularExpressionValue;
use crate::schema::consumer_group_target_assignment_member_key::ConsumerGroupTargetAssignmentMemberKey;
use crate::schema::consumer_group_target_assignment_member_value::ConsumerGroupTargetAssignmentMemberValue;
use crate::schema::consumer_group_target_assignment_metadata_key::ConsumerGroupTargetAssignmentMetadataKey;
use crate::schema::consumer_group_target_assignment_metadata_value::ConsumerGroupTargetAssignmentMetadataValue;
use crate::schema::group_metadata_key::GroupMetadataKey;
use crate::schema::group_metadata_value::GroupMetadataValue;
use crate::schema::offset_commit_key::OffsetCommitKey;
use crate::schema::offset_commit_value::OffsetCommitValue;
use crate::schema::wire::DecodeError;
use crate::schema::wire::Reader;
use crate::schema::writer::Writer;
use bytes::Bytes;

macro_rules! records {
    ($($name:ident($key:ident, $value:ident) $version:expr;)*) => {
        #[derive(Clone, Debug, PartialEq)]
        pub enum Record {
            $($name($key, Option<$value>),)*
        }

        impl Written for Record {
            fn decode(key: Bytes, value: Option<Bytes>) -> Result<Option<Record>, DecodeError> {
                let mut key = Reader::new(key);
                match key.i16()? {
                    $($key::KEY => {
                        let key = $key::decode(&mut key, 0)?;
                        let value = value.map(versioned::<$value>).transpose()?;
                        Ok(Some(Record::$name(key, value)))
                    })*
                    _ => Ok(None),
                }
            }

            fn encode(&self) -> (Bytes, Option<Bytes>) {
                match self {
                    $(Record::$name(key, value) => {
                        let version: fn(&$value) -> i16 = $version;
                        let value = value.as_ref().map(|value| with_version(value, version(value), version(value)));
                        (with_version(key, $key::KEY, 0), value)
                    })*
                }
            }
        }
    };
}

records! {
    Offset(OffsetCommitKey, OffsetCommitValue) offset_version;
    ClassicGroup(GroupMetadataKey, GroupMetadataValue) |_| 3;
    ConsumerGroup(ConsumerGroupMetadataKey, ConsumerGroupMetadataValue) |_| 0;
    ConsumerPartitions(ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue) |_| 0;
    ConsumerMember(ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue) |_| 0;
    ConsumerTarget(ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue) |_| 0;
    ConsumerTargetMember(ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue) |_| 0;
    ConsumerCurrent(ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue) |_| 0;
    ConsumerRegex(ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue) |_| 0;
}

/// Only version 1 has a time of its own at which the offset expires.
fn offset_version(value: &OffsetCommitValue) -> i16 {
    if value.expire_timestamp != -1 { 1 } else { 4 }
}

fn versioned<V: Message>(bytes: Bytes) -> Result<V, DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    if !(V::FIRST_VERSION..=V::LAST_VERSION).contains(&version) {
        return Err(DecodeError::BadTag);
    }
    V::decode(&mut reader, version)
}

fn with_version<M: Message>(message: &M, prefix: i16, version: i16) -> Bytes {
    let mut writer = Writer::with_capacity(128);
    writer.i16(prefix);
    message.encode(&mut writer, version);
    writer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_an_unknown_kind_says_nothing() {
        let key = OffsetCommitKey {
            group: "g".into(),
            topic: "t".into(),
            partition: 3,
        };
        let value = |expire_timestamp| OffsetCommitValue {
            offset: 7,
            metadata: "m".into(),
            commit_timestamp: 9,
            expire_timestamp,
            ..Default::default()
        };
        for (record, version) in [
            (Record::Offset(key.clone(), Some(value(-1))), Some(4)),
            (Record::Offset(key.clone(), Some(value(5))), Some(1)),
            (Record::Offset(key, None), None),
        ] {
            let (key, value) = record.encode();
            assert_eq!(value.as_ref().map(|value| value[1]), version);
            assert_eq!(Record::decode(key, value).unwrap(), Some(record));
        }
        assert_eq!(Record::decode(Bytes::from_static(b"\0\x63abc"), None), Ok(None));
        assert!(Record::decode(Bytes::from_static(b"\0"), None).is_err());
    }
}
