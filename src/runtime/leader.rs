//! Who leads the metadata quorum.

use crate::config::voters::Address;
use crate::types::LeaderEpoch;
use crate::types::NodeId;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    pub id: NodeId,
    pub epoch: LeaderEpoch,
    /// Its first controller listener.
    pub address: Address,
}
