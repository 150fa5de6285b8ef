//! How an epoch begins: the leader says so in the log, and the first one also who the voters are.

use crate::record::build::BatchSpec;
use crate::record::control::ControlType;
use crate::record::control::control_batch;
use crate::record::control::kraft_version;
use crate::record::control::leader_change;
use crate::types::LeaderEpoch;
use crate::types::NodeId;
use crate::types::Offset;
use crate::types::Timestamp;
use bytes::Bytes;

/// The voters of a quorum whose members can change, as KRAFT_VOTERS holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoterSet(pub Bytes);

/// The control batch that begins an epoch of a sole voter. `first_voters`: nothing has been written before, and the
/// folder was formatted for a quorum whose members can change.
pub fn begin_epoch(
    base_offset: Offset,
    leader_epoch: LeaderEpoch,
    leader: NodeId,
    first_voters: Option<&VoterSet>,
    now: Timestamp,
) -> Bytes {
    let mut records = vec![(ControlType::LeaderChange, leader_change(leader, &[leader], &[leader]))];
    if let Some(voters) = first_voters {
        records.push((ControlType::KraftVersion, kraft_version(1)));
        records.push((ControlType::KraftVoters, voters.0.clone()));
    }
    control_batch(
        BatchSpec {
            base_offset,
            leader_epoch,
            ..BatchSpec::default()
        },
        now,
        &records,
    )
}
