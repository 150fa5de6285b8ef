//! DeleteTopics, by name and by id.

use crate::controller::Action;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Outcome;
use crate::controller::Refusal;
use crate::controller::refusal::answer;
use crate::metadata::MetadataRecord;
use crate::schema::delete_topics_request::DeleteTopicsRequest;
use crate::schema::delete_topics_response::DeletableTopicResult;
use crate::schema::delete_topics_response::DeleteTopicsResponse;
use crate::schema::remove_topic_record::RemoveTopicRecord;
use crate::types::ErrorCode;
use crate::types::Uuid;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// Rows of the answer, and the topics to delete by id.
#[derive(Default)]
struct Deletion {
    rows: Vec<DeletableTopicResult>,
    topics: BTreeMap<Uuid, CompactString>,
    duplicate_ids: BTreeSet<Uuid>,
}

impl Deletion {
    fn refuse(&mut self, name: Option<&str>, topic_id: Uuid, refusal: Refusal) {
        let (error_code, error_message) = answer(&Err(refusal));
        let name = name.map(|name| name.into());
        self.rows.push(DeletableTopicResult {
            name,
            topic_id,
            error_code,
            error_message,
        });
    }
}

/// What is asked for once, and what is asked for more often.
fn split<T: Ord + Clone>(items: impl Iterator<Item = T>) -> (BTreeSet<T>, BTreeSet<T>) {
    let (mut once, mut more) = (BTreeSet::new(), BTreeSet::new());
    for item in items {
        if more.contains(&item) || !once.insert(item.clone()) {
            once.remove(&item);
            more.insert(item);
        }
    }
    (once, more)
}

impl Controller {
    pub fn delete_topics(&self, caller: &Caller<'_>, request: &DeleteTopicsRequest) -> Outcome<DeleteTopicsResponse> {
        let mut deletion = Deletion::default();
        if !self.config().delete_topic_enable() {
            self.refuse_all(caller, request, &mut deletion);
            return Outcome::reply(DeleteTopicsResponse {
                responses: deletion.rows,
                ..Default::default()
            });
        }
        let invalid = |message| Refusal::new(ErrorCode::InvalidRequest, message);
        for topic in &request.topics {
            match &topic.name {
                None if topic.topic_id == Uuid::ZERO => {
                    deletion.refuse(None, Uuid::ZERO, invalid("Neither topic name nor id were specified."));
                }
                Some(name) if topic.topic_id != Uuid::ZERO => {
                    let refusal = invalid("You may not specify both topic name and topic id.");
                    deletion.refuse(Some(name), topic.topic_id, refusal);
                }
                _ => {}
            }
        }
        let named = request.topics.iter().filter(|topic| topic.topic_id == Uuid::ZERO);
        let named = named.filter_map(|topic| topic.name.clone());
        let (names, twice) = split(request.topic_names.iter().cloned().chain(named));
        twice
            .iter()
            .for_each(|name| deletion.refuse(Some(name), Uuid::ZERO, invalid("Duplicate topic name.")));
        let by_id = request
            .topics
            .iter()
            .filter(|topic| topic.name.is_none() && topic.topic_id != Uuid::ZERO);
        let (ids, twice) = split(by_id.map(|topic| topic.topic_id));
        twice
            .iter()
            .for_each(|id| deletion.refuse(None, *id, invalid("Duplicate topic id.")));
        deletion.duplicate_ids = twice;
        self.find_by_id(caller, &ids, &mut deletion);
        self.find_by_name(caller, &names, &mut deletion);
        self.delete(deletion)
    }

    fn find_by_id(&self, caller: &Caller<'_>, ids: &BTreeSet<Uuid>, deletion: &mut Deletion) {
        let denied = || Refusal::plain(ErrorCode::TopicAuthorizationFailed);
        for id in ids {
            let Some(topic) = self.image().topic_by_id(*id) else {
                deletion.refuse(None, *id, Refusal::plain(ErrorCode::UnknownTopicId));
                continue;
            };
            let visible = caller.rights.topic(Action::Describe, &topic.name);
            if caller.rights.topic(Action::Delete, &topic.name) {
                deletion.topics.insert(*id, topic.name.clone());
            } else {
                deletion.refuse(visible.then_some(&topic.name), *id, denied());
            }
        }
    }

    fn find_by_name(&self, caller: &Caller<'_>, names: &BTreeSet<CompactString>, deletion: &mut Deletion) {
        let denied = || Refusal::plain(ErrorCode::TopicAuthorizationFailed);
        for name in names {
            if !caller.rights.topic(Action::Describe, name) && !caller.rights.topic(Action::Delete, name) {
                deletion.refuse(Some(name), Uuid::ZERO, denied());
                continue;
            }
            let Some(id) = self.image().topic_id(name) else {
                deletion.refuse(
                    Some(name),
                    Uuid::ZERO,
                    Refusal::plain(ErrorCode::UnknownTopicOrPartition),
                );
                continue;
            };
            if !caller.rights.topic(Action::Delete, name) {
                deletion.refuse(Some(name), Uuid::ZERO, denied());
            } else if deletion.duplicate_ids.contains(&id) || deletion.topics.insert(id, name.clone()).is_some() {
                deletion.topics.remove(&id);
                let message = "The provided topic name maps to an ID that was already supplied.";
                deletion.refuse(Some(name), id, Refusal::new(ErrorCode::InvalidRequest, message));
            }
        }
    }

    fn delete(&self, deletion: Deletion) -> Outcome<DeleteTopicsResponse> {
        let Deletion { mut rows, topics, .. } = deletion;
        let mut records: Vec<MetadataRecord> = Vec::with_capacity(topics.len());
        for (topic_id, name) in topics {
            records.push(RemoveTopicRecord { topic_id }.into());
            rows.push(DeletableTopicResult {
                name: Some(name),
                topic_id,
                ..Default::default()
            });
        }
        if let Err(refusal) = Controller::bounded(&records) {
            records.clear();
            for row in rows.iter_mut().filter(|row| row.error_code == 0) {
                (row.error_code, row.error_message) = answer(&Err(refusal.clone()));
            }
        }
        Outcome::of(
            records,
            DeleteTopicsResponse {
                responses: rows,
                ..Default::default()
            },
        )
    }

    fn refuse_all(&self, caller: &Caller<'_>, request: &DeleteTopicsRequest, deletion: &mut Deletion) {
        let refusal = match caller.version {
            ..3 => Refusal::new(
                ErrorCode::InvalidRequest,
                "This version does not support topic deletion.",
            ),
            _ => Refusal::bare(ErrorCode::TopicDeletionDisabled),
        };
        for name in &request.topic_names {
            deletion.refuse(Some(name), Uuid::ZERO, refusal.clone());
        }
        for topic in &request.topics {
            deletion.refuse(topic.name.as_deref(), topic.topic_id, refusal.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::World;
    use crate::schema::delete_topics_request::DeleteTopicState;

    #[test]
    fn each_topic_is_deleted_once_and_doubtful_ones_not_at_all() {
        let mut world = World::with_brokers(1);
        let ids: Vec<Uuid> = ["a", "b", "c", "d"]
            .iter()
            .map(|name| world.topic(name, 1, 1))
            .collect();
        let state = |name: Option<&str>, topic_id| DeleteTopicState {
            name: name.map(|name| name.into()),
            topic_id,
        };
        let request = DeleteTopicsRequest {
            topics: vec![
                state(Some("a"), Uuid::ZERO),
                state(None, ids[1]),
                state(Some("c"), Uuid::ZERO),
                state(None, ids[2]),
                state(None, Uuid::ZERO),
                state(Some("d"), ids[3]),
                state(Some("x"), Uuid::ZERO),
                state(None, Uuid([9; 16])),
                state(Some("y"), Uuid::ZERO),
                state(Some("y"), Uuid::ZERO),
            ],
            ..Default::default()
        };
        let reply = world.run(|controller, _| controller.delete_topics(&Caller::any(6), &request));
        let row = |name: Option<&str>, id: Uuid| {
            let found = reply
                .responses
                .iter()
                .find(|row| row.name.as_deref() == name && row.topic_id == id);
            found.map(|row| (row.error_code, row.error_message.clone().unwrap_or_default()))
        };
        let plain = |code: ErrorCode| Some((code.code(), code.text().into()));
        let invalid = |message: &str| Some((42, message.into()));
        assert_eq!(row(Some("a"), ids[0]), Some((0, "".into())));
        assert_eq!(row(Some("b"), ids[1]), Some((0, "".into())));
        let twice = "The provided topic name maps to an ID that was already supplied.";
        assert_eq!(row(Some("c"), ids[2]), invalid(twice));
        assert_eq!(
            row(None, Uuid::ZERO),
            invalid("Neither topic name nor id were specified.")
        );
        assert_eq!(
            row(Some("d"), ids[3]),
            invalid("You may not specify both topic name and topic id.")
        );
        assert_eq!(row(Some("x"), Uuid::ZERO), plain(ErrorCode::UnknownTopicOrPartition));
        assert_eq!(row(None, Uuid([9; 16])), plain(ErrorCode::UnknownTopicId));
        assert_eq!(row(Some("y"), Uuid::ZERO), invalid("Duplicate topic name."));
        let left: Vec<_> = world.image().topics().map(|topic| topic.name.as_str()).collect();
        assert_eq!(left, ["c", "d"]);
    }
}
