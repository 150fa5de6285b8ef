//! The groups of KIP-848 among the others: who may begin one, and where its records and timers go.

use crate::group::Client;
use crate::group::DescribedConsumerGroup;
use crate::group::Groups;
use crate::group::Timer;
use crate::group::consumer;
use crate::group::consumer::Changes;
use crate::group::consumer::ConsumerGroup;
use crate::group::consumer::Refusal;
use crate::group::consumer::commit::Committer;
use crate::group::groups::Group;
use crate::group::records::Record;
use crate::group::turn::Turn;
use crate::schema::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use crate::schema::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use crate::schema::offset_commit_request::OffsetCommitRequest;
use crate::types::ErrorCode;
use compact_str::CompactString;
use compact_str::format_compact;

/// The epoch of a member that joins.
const JOIN: i32 = 0;

impl Groups {
    pub(in crate::group) fn consumer_heartbeat(
        &mut self,
        turn: &mut Turn<'_>,
        client: &Client,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> ConsumerGroupHeartbeatResponse {
        self.beat(turn, client, request)
            .unwrap_or_else(|refusal| ConsumerGroupHeartbeatResponse {
                error_code: refusal.error.code(),
                error_message: Some(refusal.message.into()),
                ..Default::default()
            })
    }

    fn beat(
        &mut self,
        turn: &mut Turn<'_>,
        client: &Client,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refusal> {
        let id = &request.group_id;
        let mut records = Vec::new();
        match self.groups.get(id) {
            Some(Group::Consumer(_)) | None => {}
            // Members of a classic group cannot be taken over yet; a group without any can.
            Some(Group::Classic(group)) if request.member_epoch == JOIN && group.is_empty() => {
                records.push(group.tombstone());
            }
            Some(Group::Classic(_)) => {
                let message = format!("Group {id} is not a consumer group.");
                return Err(Refusal::new(ErrorCode::GroupIdNotFound, message));
            }
        }
        // It is kept only if somebody joins it.
        let mut begun = Box::new(ConsumerGroup::new(id.clone()));
        let known = match self.groups.get_mut(id) {
            Some(Group::Consumer(group)) => Some(group),
            _ => None,
        };
        let begins = known.is_none();
        let outcome = known.unwrap_or(&mut begun).heartbeat(turn.world, client, request);
        if begins && request.member_epoch != JOIN {
            // What is wrong with the request itself is told first.
            return match outcome {
                Err(refusal) if refusal.error == ErrorCode::InvalidRequest => Err(refusal),
                _ => Err(Refusal::no_such_group(id)),
            };
        }
        let outcome = outcome?;
        records.extend(outcome.changes.records);
        let changes = Changes {
            records,
            ..outcome.changes
        };
        carry(turn, id, changes).map_err(|error| Refusal::new(error, error.text()))?;
        if begins {
            let before = self.groups.insert(id.clone(), Group::Consumer(begun));
            before.iter().for_each(|group| group.stop_timers(turn));
        }
        Ok(outcome.response)
    }

    pub(in crate::group) fn consumer_timer(
        &mut self,
        turn: &mut Turn<'_>,
        id: &CompactString,
        timer: &consumer::Timer,
    ) {
        if let Some(Group::Consumer(group)) = self.groups.get_mut(id) {
            let changes = group.expire(turn.world, timer);
            if carry(turn, id, changes).is_err() {
                tracing::warn!("Group {id} has more to write than a batch of its topic may hold.");
            }
        }
    }

    /// A record of a group of KIP-848: makes the group if it is the first, and ends it with the last.
    pub(in crate::group) fn apply_to_consumer_group(&mut self, record: &Record) {
        let Some((id, takes_back)) = consumer::subject(record) else {
            return;
        };
        if !matches!(self.groups.get(id), Some(Group::Consumer(_))) {
            if takes_back {
                return;
            }
            // At most somebody's who only committed: offsets stay, whoever's they are.
            let group = Box::new(ConsumerGroup::new(id.clone()));
            self.groups.insert(id.clone(), Group::Consumer(group));
        }
        let Some(Group::Consumer(group)) = self.groups.get_mut(id) else {
            return;
        };
        group.apply(record);
        if group.is_gone() {
            self.groups.remove(id);
        }
    }

    pub(in crate::group) fn describe_consumer(&mut self, turn: &Turn<'_>, id: CompactString) -> DescribedConsumerGroup {
        let (error, text) = match self.groups.get_mut(&id) {
            Some(Group::Consumer(group)) => return group.describe(turn.world),
            _ if id.is_empty() => (ErrorCode::InvalidGroupId, None),
            Some(Group::Classic(_)) => {
                let text = format_compact!("Group {id} is not a consumer group.");
                (ErrorCode::GroupIdNotFound, Some(text))
            }
            None => (
                ErrorCode::GroupIdNotFound,
                Some(format_compact!("Group {id} not found.")),
            ),
        };
        DescribedConsumerGroup {
            error_code: error.code(),
            error_message: text,
            group_id: id,
            ..Default::default()
        }
    }
}

/// Whether a client may commit these offsets of the group.
pub fn check_commit(group: &ConsumerGroup, client: &Client, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
    let committer = Committer {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        epoch: request.generation_id_or_member_epoch,
        is_transactional: false,
        api_version: client.version,
    };
    let permit = group.may_commit(&committer).map_err(|refusal| refusal.error)?;
    for topic in &request.topics {
        for partition in &topic.partitions {
            let checked = permit.check(&topic.name, topic.topic_id, partition.partition_index);
            checked.map_err(|refusal| refusal.error)?;
        }
    }
    Ok(())
}

/// Takes over what a group wants to write and when it wants to be woken.
pub fn carry(turn: &mut Turn<'_>, id: &CompactString, changes: Changes) -> Result<(), ErrorCode> {
    turn.record_all(changes.records)?;
    let timers = changes
        .timers
        .into_iter()
        .map(|(timer, at)| (Timer::Consumer(id.clone(), timer), at));
    turn.decision.timers.extend(timers);
    Ok(())
}
