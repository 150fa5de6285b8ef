//! `quorum-state`: the epoch a node is in and whom it voted for, as one line of JSON.
//!
//! Data version 1 belongs to kraft.version 1; version 0 lists the voters instead of naming the voted directory.

use crate::types::LeaderEpoch;
use crate::types::NodeId;
use crate::types::Uuid;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumState {
    /// -1 while nobody is known to lead.
    pub leader_id: NodeId,
    pub leader_epoch: LeaderEpoch,
    /// -1 if this node voted for nobody in the epoch.
    pub voted_id: NodeId,
    pub voted_directory: Uuid,
    /// Only in data version 0.
    pub voters: Option<Vec<NodeId>>,
}

impl QuorumState {
    /// A leader has voted for nobody.
    pub fn led_by(leader_id: NodeId, leader_epoch: LeaderEpoch, voters: Option<Vec<NodeId>>) -> QuorumState {
        QuorumState {
            leader_id,
            leader_epoch,
            voted_id: -1,
            voted_directory: Uuid::ZERO,
            voters,
        }
    }

    pub fn to_text(&self) -> String {
        let QuorumState {
            leader_id,
            leader_epoch,
            voted_id,
            voted_directory,
            voters,
        } = self;
        let common = format!("\"leaderId\":{leader_id},\"leaderEpoch\":{leader_epoch},\"votedId\":{voted_id}");
        match voters {
            None => format!("{{{common},\"votedDirectoryId\":\"{voted_directory}\",\"data_version\":1}}"),
            Some(voters) => {
                let voters: Vec<String> = voters.iter().map(|id| format!("{{\"voterId\":{id}}}")).collect();
                let voters = voters.join(",");
                format!(
                    "{{\"clusterId\":\"\",{common},\"appliedOffset\":0,\"currentVoters\":[{voters}],\"data_version\":0}}"
                )
            }
        }
    }

    /// `None` for anything that neither version writes.
    pub fn parse(text: &str) -> Option<QuorumState> {
        let voters = match number(text, "data_version")? {
            0 => Some(voters(text)?),
            1 => None,
            _ => return None,
        };
        let directory = field(text, "votedDirectoryId").map(|value| value.trim_matches('"'));
        Some(QuorumState {
            leader_id: number(text, "leaderId")?,
            leader_epoch: number(text, "leaderEpoch")?,
            voted_id: number(text, "votedId")?,
            voted_directory: directory.map_or(Some(Uuid::ZERO), Uuid::parse)?,
            voters,
        })
    }
}

/// The raw value of a field: up to the next comma or bracket, which no value here contains.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\"{name}\""))?;
    let rest = rest.trim_start().strip_prefix(':')?;
    Some(rest.split([',', '}', ']']).next()?.trim())
}

fn number(text: &str, name: &str) -> Option<i32> {
    field(text, name)?.parse().ok()
}

fn voters(text: &str) -> Option<Vec<NodeId>> {
    let (_, rest) = text.split_once("\"currentVoters\"")?;
    let (list, _) = rest.split_once(']').unwrap_or((rest, ""));
    let mut ids = Vec::new();
    let mut rest = list;
    while let Some((_, after)) = rest.split_once("\"voterId\"") {
        ids.push(number(
            &rest[rest.len() - after.len() - "\"voterId\"".len()..],
            "voterId",
        )?);
        rest = after;
    }
    Some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_data_versions_are_read_as_kafka_writes_them() {
        let one = "{\"leaderId\":1,\"leaderEpoch\":5,\"votedId\":-1,\"votedDirectoryId\":\"AAAAAAAAAAAAAAAAAAAAAA\",\
                   \"data_version\":1}";
        let zero = "{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":2,\"votedId\":-1,\"appliedOffset\":0,\
                    \"currentVoters\":[{\"voterId\":1},{\"voterId\":2}],\"data_version\":0}";
        for (text, epoch, voters) in [(one, 5, None), (zero, 2, Some(vec![1, 2]))] {
            let state = QuorumState::parse(text).unwrap();
            assert_eq!(state, QuorumState::led_by(1, epoch, voters));
            assert_eq!(state.to_text(), text);
        }
    }

    #[test]
    fn noise_is_no_state() {
        for text in [
            "",
            "{}",
            "{\"data_version\":2}",
            "{\"leaderId\":x,\"data_version\":1}",
            "\u{0}\u{0}",
        ] {
            assert_eq!(QuorumState::parse(text), None, "{text:?}");
        }
    }
}
