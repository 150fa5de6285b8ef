//! Who may commit and fetch the offsets of a consumer group.

use crate::group::consumer::ConsumerGroup;
use crate::group::consumer::Refusal;
use crate::group::consumer::member::Member;
use crate::types::ErrorCode;
use crate::types::PartitionId;
use crate::types::Uuid;

/// From this version of OffsetCommit on, a client knows of member epochs.
const KNOWS_MEMBER_EPOCHS: i16 = 9;

/// Who commits, as OffsetCommit and TxnOffsetCommit say it.
pub struct Committer<'a> {
    pub member_id: &'a str,
    pub instance_id: Option<&'a str>,
    pub epoch: i32,
    pub is_transactional: bool,
    pub api_version: i16,
}

/// What a committer may commit.
#[derive(Debug)]
pub enum Permit<'a> {
    Everything,
    /// A member that has not heard of its new epoch yet: what it has had since then.
    Since(i32, &'a Member),
}

impl Permit<'_> {
    /// One partition that is refused refuses the whole commit.
    pub fn check(&self, topic: &str, topic_id: Uuid, index: PartitionId) -> Result<(), Refusal> {
        let Permit::Since(epoch, member) = self else {
            return Ok(());
        };
        let named = match member.is_classic() {
            true => "generation id",
            false => "member epoch",
        };
        match member.standing.held_since(topic_id, index) {
            None => Err(stale(
                member,
                format!("Partition {topic}-{index} is not assigned or pending revocation for member."),
            )),
            Some(since) if *epoch < since => Err(stale(
                member,
                format!(
                    "Received {named} {epoch} is older than assignment epoch {since} for partition {topic}-{index}."
                ),
            )),
            Some(_) => Ok(()),
        }
    }
}

impl ConsumerGroup {
    pub fn may_commit(&self, committer: &Committer<'_>) -> Result<Permit<'_>, Refusal> {
        let epoch = committer.epoch;
        // A tool, or a consumer that assigns partitions to itself.
        if epoch < 0 && self.is_empty() {
            return Ok(Permit::Everything);
        }
        let says_nothing = epoch == -1 && committer.member_id.is_empty() && committer.instance_id.is_none();
        if committer.is_transactional && says_nothing {
            return Ok(Permit::Everything);
        }
        let member = self.members.get(committer.member_id);
        let member = member.ok_or_else(|| self.unknown_member(committer.member_id))?;
        if !committer.is_transactional && !member.is_classic() && committer.api_version < KNOWS_MEMBER_EPOCHS {
            return Err(Refusal::new(
                ErrorCode::UnsupportedVersion,
                "OffsetCommit version 9 or above must be used by members using the consumer group protocol",
            ));
        }
        let known = member.epoch();
        if epoch == known {
            return Ok(Permit::Everything);
        }
        if epoch < known {
            return Ok(Permit::Since(epoch, member));
        }
        let named = match member.is_classic() {
            true => "generation id",
            false => "member epoch",
        };
        let message = format!("Received {named} {epoch} is newer than current member epoch {known}.");
        Err(stale(member, message))
    }

    /// Without a member id and an epoch everybody may ask.
    pub fn may_fetch(&self, member_id: Option<&str>, epoch: i32) -> Result<(), Refusal> {
        if member_id.is_none() && epoch < 0 {
            return Ok(());
        }
        // Java prints a member id that is not there.
        let named = member_id.unwrap_or("null");
        let member = member_id
            .and_then(|id| self.members.get(id))
            .ok_or_else(|| self.unknown_member(named))?;
        if epoch == member.epoch() {
            return Ok(());
        }
        let named = match member.is_classic() {
            true => "generation id",
            false => "member epoch",
        };
        let known = member.epoch();
        let message = format!("The received {named} {epoch} does not match the expected member epoch {known}.");
        Err(stale(member, message))
    }
}

fn stale(member: &Member, message: String) -> Refusal {
    let error = match member.is_classic() {
        true => ErrorCode::IllegalGeneration,
        false => ErrorCode::StaleMemberEpoch,
    };
    Refusal::new(error, message)
}
