//! Snapshot files that formatting writes: the records a cluster begins with, and the voters of its metadata log.

use crate::format::voters::Voter;
use crate::metadata::MetadataRecord;
use crate::metadata::MetadataVersion;
use crate::record::BatchBuilder;
use crate::record::BatchSpec;
use crate::record::compress::Compression;
use crate::record::control::ControlType;
use crate::record::control::control_batch;
use crate::record::control::kraft_version;
use crate::record::control::snapshot_footer;
use crate::record::control::snapshot_header;
use crate::schema::Message;
use crate::schema::voters_record;
use crate::schema::voters_record::VotersRecord;
use crate::types::Offset;
use crate::types::Timestamp;
use bytes::Bytes;

/// A record as Kafka's storage tool prints it, but for the keys of credentials.
pub fn shown(record: &MetadataRecord) -> String {
    let message = match record {
        MetadataRecord::FeatureLevel(record) => {
            format!(
                "FeatureLevelRecord(name='{}', featureLevel={})",
                record.name, record.feature_level
            )
        }
        MetadataRecord::UserScramCredential(record) => format!(
            "UserScramCredentialRecord(name='{}', mechanism={}, salt=[hidden], storedKey=[hidden], \
             serverKey=[hidden], iterations={})",
            record.name, record.mechanism, record.iterations
        ),
        other => format!("{other:?}"),
    };
    format!("ApiMessageAndVersion({message} at version 0)")
}

fn at(base_offset: Offset) -> BatchSpec {
    BatchSpec {
        base_offset,
        leader_epoch: 0,
        ..BatchSpec::default()
    }
}

fn footer(offset: Offset, now: Timestamp) -> Bytes {
    control_batch(at(offset), now, &[(ControlType::SnapshotFooter, snapshot_footer())])
}

/// `bootstrap.checkpoint`
pub fn bootstrap(records: &[MetadataRecord], release: MetadataVersion, now: Timestamp) -> Vec<u8> {
    let mut data = BatchBuilder::new(at(1));
    records
        .iter()
        .for_each(|record| data.push(now, None, Some(&record.encode(release)), &[]));
    let head = control_batch(at(0), now, &[(ControlType::SnapshotHeader, snapshot_header(0))]);
    let foot = footer(1 + records.len() as Offset, now);
    [head, data.finish(Compression::NONE), foot].concat()
}

/// The first snapshot of a metadata log whose voters live in the log.
pub fn first_snapshot(voters: &[Voter], listener: &str, now: Timestamp) -> Vec<u8> {
    let voters = VotersRecord {
        version: 0,
        voters: voters.iter().map(|voter| recorded(voter, listener)).collect(),
    };
    let records = [
        (ControlType::SnapshotHeader, snapshot_header(now)),
        (ControlType::KraftVersion, kraft_version(1)),
        (ControlType::KraftVoters, voters.to_bytes(0)),
    ];
    [
        control_batch(at(0), now, &records),
        footer(records.len() as Offset, now),
    ]
    .concat()
}

fn recorded(voter: &Voter, listener: &str) -> voters_record::Voter {
    voters_record::Voter {
        voter_id: voter.id,
        voter_directory_id: voter.directory,
        endpoints: vec![voters_record::Endpoint {
            name: listener.to_uppercase().into(),
            host: voter.host.as_str().into(),
            port: voter.port,
        }],
        k_raft_version_feature: voters_record::KRaftVersionFeature {
            min_supported_version: 0,
            max_supported_version: 1,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::feature_level_record::FeatureLevelRecord;
    use crate::types::Uuid;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex");
        digits.chunks(2).map(pair).collect()
    }

    /// Written by Apache Kafka 4.3.1; its three batches carry times some milliseconds apart, so ours are made one by one.
    #[test]
    fn the_first_snapshot_is_kafkas_byte_for_byte() {
        let directory = Uuid::parse("TF0J5cPzTUWxHd5f4OqFHg").expect("an id");
        let voter = Voter {
            id: 1,
            directory,
            host: "localhost".into(),
            port: 19_593,
        };
        let ours = first_snapshot(&[voter], "Controller", 0x0000_01a1_ff55_d3a9);
        let theirs = bytes(
            "0000000000000000 0000009a 00000000 02 cff7bb87 0020 00000002 000001a1ff55d3a9 000001a1ff55d3a9
             ffffffffffffffff ffff ffffffff 00000003
             2a 00 00 00 08 00000003 16 0000 000001a1ff55d3a3 00 00
             1e 00 00 02 08 00000005 0a 0000 0001 00 00
             8201 00 00 04 08 00000006 6e 0000 02 00000001 4c5d09e5c3f34d45b11dde5fe0ea851e
             02 0b 434f4e54524f4c4c4552 0a 6c6f63616c686f7374 4c89 00 0000 0001 00 00 00 00
             0000000000000003 0000003f 00000000 02 fe914416 0020 00000000 000001a1ff55d3ae 000001a1ff55d3ae
             ffffffffffffffff ffff ffffffff 00000001 1a 00 00 00 08 00000004 06 0000 00 00",
        );
        let expected = without_times(&theirs);
        assert_eq!(without_times(&ours), expected);
    }

    /// The records a default cluster of 4.3.1 begins with.
    #[test]
    fn the_bootstrap_file_is_kafkas_byte_for_byte() {
        let levels = [
            ("metadata.version", 30),
            ("eligible.leader.replicas.version", 1),
            ("transaction.version", 2),
        ];
        let records = levels.map(|(name, feature_level)| {
            MetadataRecord::FeatureLevel(FeatureLevelRecord {
                name: name.into(),
                feature_level,
            })
        });
        let theirs = bytes(
            "0000000000000000 00000047 00000000 02 00000000 0020 00000000 0000000000000000 0000000000000000
             ffffffffffffffff ffff ffffffff 00000001 2a 00 00 00 08 00000003 16 0000 0000000000000000 00 00
             0000000000000001 0000009e 00000000 02 00000000 0000 00000002 0000000000000000 0000000000000000
             ffffffffffffffff ffff ffffffff 00000003
             3a 00 00 00 01 2e 01 0c 00 11 6d657461646174612e76657273696f6e 001e 00 00
             5a 00 00 02 01 4e 01 0c 00 21 656c696769626c652e6c65616465722e7265706c696361732e76657273696f6e 0001 00 00
             40 00 00 04 01 34 01 0c 00 14 7472616e73616374696f6e2e76657273696f6e 0002 00 00
             0000000000000004 0000003f 00000000 02 00000000 0020 00000000 0000000000000000 0000000000000000
             ffffffffffffffff ffff ffffffff 00000001 1a 00 00 00 08 00000004 06 0000 00 00",
        );
        assert_eq!(
            without_times(&bootstrap(&records, MetadataVersion::LATEST, 0)),
            without_times(&theirs)
        );
    }

    /// Batches with their times, and the checksums over them, set to zero.
    fn without_times(file: &[u8]) -> Vec<u8> {
        let mut file = file.to_vec();
        let mut start = 0;
        while start < file.len() {
            let length = i32::from_be_bytes(file[start + 8..start + 12].try_into().expect("four bytes"));
            file[start + 17..start + 21].fill(0);
            file[start + 27..start + 43].fill(0);
            start += 12 + usize::try_from(length).expect("positive");
        }
        // The header record of a first snapshot holds the time as well.
        file[61 + 10 + 2 - 1..61 + 10 + 10].fill(0);
        file
    }
}
