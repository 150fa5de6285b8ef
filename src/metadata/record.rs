//! The records of `__cluster_metadata`: their framing, and the version that each is written in.

use crate::metadata::MetadataVersion;
use crate::schema::Message;
use crate::schema::abort_transaction_record::AbortTransactionRecord;
use crate::schema::access_control_entry_record::AccessControlEntryRecord;
use crate::schema::begin_transaction_record::BeginTransactionRecord;
use crate::schema::broker_registration_change_record::BrokerRegistrationChangeRecord;
use crate::schema::clear_elr_record::ClearElrRecord;
use crate::schema::client_quota_record::ClientQuotaRecord;
use crate::schema::config_record::ConfigRecord;
use crate::schema::delegation_token_record::DelegationTokenRecord;
use crate::schema::end_transaction_record::EndTransactionRecord;
use crate::schema::feature_level_record::FeatureLevelRecord;
use crate::schema::fence_broker_record::FenceBrokerRecord;
use crate::schema::no_op_record::NoOpRecord;
use crate::schema::partition_change_record::PartitionChangeRecord;
use crate::schema::partition_record::PartitionRecord;
use crate::schema::producer_ids_record::ProducerIdsRecord;
use crate::schema::register_broker_record::RegisterBrokerRecord;
use crate::schema::register_controller_record::RegisterControllerRecord;
use crate::schema::remove_access_control_entry_record::RemoveAccessControlEntryRecord;
use crate::schema::remove_delegation_token_record::RemoveDelegationTokenRecord;
use crate::schema::remove_topic_record::RemoveTopicRecord;
use crate::schema::remove_user_scram_credential_record::RemoveUserScramCredentialRecord;
use crate::schema::topic_record::TopicRecord;
use crate::schema::unfence_broker_record::UnfenceBrokerRecord;
use crate::schema::unregister_broker_record::UnregisterBrokerRecord;
use crate::schema::user_scram_credential_record::UserScramCredentialRecord;
use crate::schema::wire::DecodeError;
use crate::schema::wire::Reader;
use crate::schema::writer::Writer;
use crate::schema::zk_migration_state_record::ZkMigrationStateRecord;
use bytes::Bytes;
use std::fmt;

/// The first number of every record's value.
const FRAME_VERSION: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Another layout than the one all Kafka releases write.
    FrameVersion(u32),
    /// A record type, or a version of it, that came after this release.
    Unknown {
        key: u32,
        version: u32,
    },
    Malformed(DecodeError),
    /// Bytes follow the record's last field.
    Trailing,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::FrameVersion(version) => write!(f, "metadata frame version {version} is not known"),
            RecordError::Unknown { key, version } => write!(f, "metadata record {key} version {version} is not known"),
            RecordError::Malformed(error) => write!(f, "a metadata record is malformed: {error}"),
            RecordError::Trailing => f.write_str("bytes follow a metadata record"),
        }
    }
}

impl std::error::Error for RecordError {}

impl From<DecodeError> for RecordError {
    fn from(error: DecodeError) -> RecordError {
        RecordError::Malformed(error)
    }
}

macro_rules! metadata_records {
    ($($name:ident($message:ident),)*) => {
        #[derive(Clone, Debug, PartialEq)]
        pub enum MetadataRecord {
            $($name($message),)*
        }

        $(impl From<$message> for MetadataRecord {
            fn from(message: $message) -> MetadataRecord {
                MetadataRecord::$name(message)
            }
        })*

        impl MetadataRecord {
            pub fn key(&self) -> i16 {
                match self {
                    $(MetadataRecord::$name(_) => $message::KEY,)*
                }
            }

            fn encode_body(&self, writer: &mut Writer, version: i16) {
                match self {
                    $(MetadataRecord::$name(message) => message.encode(writer, version),)*
                }
            }

            fn decode_body(key: u32, version: u32, reader: &mut Reader) -> Result<MetadataRecord, RecordError> {
                let unknown = RecordError::Unknown { key, version };
                let version = i16::try_from(version).map_err(|_| unknown)?;
                let key = i16::try_from(key).map_err(|_| unknown)?;
                $(if key == $message::KEY {
                    if !($message::FIRST_VERSION..=$message::LAST_VERSION).contains(&version) {
                        return Err(unknown);
                    }
                    return Ok(MetadataRecord::$name($message::decode(reader, version)?));
                })*
                Err(unknown)
            }

            /// One empty record of each type, with the versions it has.
            #[cfg(test)]
            pub fn samples() -> Vec<(MetadataRecord, std::ops::RangeInclusive<i16>)> {
                vec![$((
                    MetadataRecord::$name($message::default()),
                    $message::FIRST_VERSION..=$message::LAST_VERSION,
                ),)*]
            }
        }
    };
}

metadata_records! {
    RegisterBroker(RegisterBrokerRecord),
    UnregisterBroker(UnregisterBrokerRecord),
    Topic(TopicRecord),
    Partition(PartitionRecord),
    Config(ConfigRecord),
    PartitionChange(PartitionChangeRecord),
    FenceBroker(FenceBrokerRecord),
    UnfenceBroker(UnfenceBrokerRecord),
    RemoveTopic(RemoveTopicRecord),
    DelegationToken(DelegationTokenRecord),
    UserScramCredential(UserScramCredentialRecord),
    FeatureLevel(FeatureLevelRecord),
    ClientQuota(ClientQuotaRecord),
    ProducerIds(ProducerIdsRecord),
    BrokerRegistrationChange(BrokerRegistrationChangeRecord),
    AccessControlEntry(AccessControlEntryRecord),
    RemoveAccessControlEntry(RemoveAccessControlEntryRecord),
    NoOp(NoOpRecord),
    ZkMigrationState(ZkMigrationStateRecord),
    RemoveUserScramCredential(RemoveUserScramCredentialRecord),
    BeginTransaction(BeginTransactionRecord),
    EndTransaction(EndTransactionRecord),
    AbortTransaction(AbortTransactionRecord),
    RemoveDelegationToken(RemoveDelegationTokenRecord),
    RegisterController(RegisterControllerRecord),
    ClearElr(ClearElrRecord),
}

impl MetadataRecord {
    /// The version that Kafka writes at this level: the lowest that holds what the level allows.
    pub fn version_at(&self, level: MetadataVersion) -> i16 {
        match self {
            MetadataRecord::RegisterBroker(_) => match level.0 {
                30.. => 4,
                17.. => 3,
                8.. => 2,
                _ => 1,
            },
            MetadataRecord::Partition(_) | MetadataRecord::PartitionChange(_) => match level.0 {
                23.. => 2,
                17.. => 1,
                _ => 0,
            },
            MetadataRecord::BrokerRegistrationChange(change) => match change {
                change if change.cordoned_log_dirs.is_some() => 3,
                change if !change.log_dirs.is_empty() => 2,
                change if change.in_controlled_shutdown != 0 => 1,
                change if change.fenced != 0 => 0,
                // It says nothing else, so it is about directories, of which none is left.
                _ => 2,
            },
            _ => 0,
        }
    }

    /// The value of the record in the log; the key is null.
    pub fn encode(&self, level: MetadataVersion) -> Bytes {
        self.encode_version(self.version_at(level))
    }

    fn encode_version(&self, version: i16) -> Bytes {
        let mut writer = Writer::with_capacity(128);
        writer.uvarint(FRAME_VERSION);
        writer.uvarint(self.key().unsigned_abs().into());
        writer.uvarint(version.unsigned_abs().into());
        self.encode_body(&mut writer, version);
        writer.into_bytes()
    }

    pub fn decode(value: Bytes) -> Result<MetadataRecord, RecordError> {
        let mut reader = Reader::new(value);
        let frame = reader.uvarint()?;
        if frame != FRAME_VERSION {
            return Err(RecordError::FrameVersion(frame));
        }
        let key = reader.uvarint()?;
        let version = reader.uvarint()?;
        let record = MetadataRecord::decode_body(key, version, &mut reader)?;
        match reader.remaining() {
            0 => Ok(record),
            _ => Err(RecordError::Trailing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Uuid;

    #[test]
    fn every_record_reads_back_in_every_version() {
        for (record, versions) in MetadataRecord::samples() {
            for version in versions {
                let bytes = record.encode_version(version);
                assert_eq!(MetadataRecord::decode(bytes), Ok(record.clone()), "version {version}");
            }
        }
    }

    #[test]
    fn a_level_decides_the_version() {
        let change = |cordoned, dirs: usize, shutdown| {
            MetadataRecord::from(BrokerRegistrationChangeRecord {
                cordoned_log_dirs: cordoned,
                log_dirs: vec![Uuid::ONE; dirs],
                in_controlled_shutdown: shutdown,
                ..Default::default()
            })
        };
        for (record, level, version) in [
            (RegisterBrokerRecord::default().into(), 30, 4),
            (RegisterBrokerRecord::default().into(), 29, 3),
            (RegisterBrokerRecord::default().into(), 7, 1),
            (PartitionRecord::default().into(), 30, 2),
            (PartitionChangeRecord::default().into(), 22, 1),
            (PartitionChangeRecord::default().into(), 16, 0),
            (change(None, 0, 0), 30, 2),
            (change(None, 0, 1), 30, 1),
            (change(None, 1, 1), 30, 2),
            (change(Some(vec![]), 0, 0), 30, 3),
        ] {
            let record: MetadataRecord = record;
            assert_eq!(
                record.version_at(MetadataVersion(level)),
                version,
                "{record:?} at {level}"
            );
        }
    }

    #[test]
    fn a_topic_record_has_the_bytes_that_kafka_writes() {
        let record = MetadataRecord::from(TopicRecord {
            name: "ab".into(),
            topic_id: Uuid::ONE,
        });
        let bytes = record.encode(MetadataVersion::LATEST);
        assert_eq!(
            &bytes[..],
            &[
                1, 2, 0, 3, b'a', b'b', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0
            ]
        );
    }

    #[test]
    fn bytes_that_are_no_record_say_why() {
        for (bytes, expected) in [
            (&[2, 20, 0, 0][..], RecordError::FrameVersion(2)),
            (&[1, 6, 0, 0], RecordError::Unknown { key: 6, version: 0 }),
            (&[1, 20, 1, 0], RecordError::Unknown { key: 20, version: 1 }),
            (&[1, 20, 0], RecordError::Malformed(DecodeError::Truncated)),
            (&[1, 20, 0, 0, 0], RecordError::Trailing),
        ] {
            assert_eq!(MetadataRecord::decode(Bytes::copy_from_slice(bytes)), Err(expected));
        }
    }
}
