//! What the consumers of a group have subscribed to: the one thing that the coordinator reads of what members say.

use crate::group::classic::CONSUMER;
use crate::group::classic::ClassicGroup;
use crate::schema::Message;
use crate::schema::consumer_protocol_subscription::ConsumerProtocolSubscription;
use crate::schema::wire::Reader;
use bytes::Bytes;
use compact_str::CompactString;
use std::collections::BTreeSet;

impl ClassicGroup {
    pub fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    pub fn knows_topics(&self) -> bool {
        self.topics.is_some()
    }

    /// Where it cannot be told, a group of consumers may need any topic.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    pub(super) fn compute_topics(&self) -> Option<BTreeSet<CompactString>> {
        if !self.uses_consumer_protocol() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol.as_deref()?;
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(topics_of(member.metadata(protocol))?);
        }
        Some(topics)
    }
}

/// Every version begins with the fields of version 0.
fn topics_of(metadata: Bytes) -> Option<Vec<CompactString>> {
    let mut reader = Reader::new(metadata);
    reader.i16().ok()?;
    let subscription = ConsumerProtocolSubscription::decode(&mut reader, 0).ok()?;
    Some(subscription.topics)
}
