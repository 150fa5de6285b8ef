//! A member of a classic group.

use crate::machine::Ticket;
use crate::schema::describe_groups_response::DescribedGroupMember;
use crate::schema::group_metadata_value::MemberMetadata;
use crate::schema::join_group_request::JoinGroupRequestProtocol;
use bytes::Bytes;
use compact_str::CompactString;
use std::collections::HashSet;

/// What a member can do, in the order in which it would like to.
#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    pub name: CompactString,
    pub metadata: Bytes,
}

/// Each name once. Copied: a slice would keep the whole frame that it came in.
pub fn protocols_of(protocols: &[JoinGroupRequestProtocol]) -> Vec<Protocol> {
    let mut seen = HashSet::new();
    let first = protocols.iter().filter(|protocol| seen.insert(&protocol.name));
    let copied = first.map(|protocol| Protocol {
        name: protocol.name.clone(),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    });
    copied.collect()
}

/// Somebody who has asked and has no answer yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waiting {
    pub ticket: Ticket,
    pub version: i16,
}

#[derive(Clone, Debug)]
pub struct Member {
    pub id: CompactString,
    pub instance: Option<CompactString>,
    pub client_id: CompactString,
    pub client_host: CompactString,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub protocols: Vec<Protocol>,
    pub assignment: Bytes,
    pub joining: Option<Waiting>,
    pub syncing: Option<Ticket>,
    /// Has never been told the outcome of a rebalance, so it cannot send heartbeats.
    pub is_new: bool,
}

impl Member {
    pub fn loaded(value: &MemberMetadata, protocol: &str) -> Member {
        let rebalance_timeout_ms = match value.rebalance_timeout {
            -1 => value.session_timeout,
            timeout => timeout,
        };
        Member {
            id: value.member_id.clone(),
            instance: value.group_instance_id.clone(),
            client_id: value.client_id.clone(),
            client_host: value.client_host.clone(),
            rebalance_timeout_ms,
            session_timeout_ms: value.session_timeout,
            protocols: vec![Protocol {
                name: protocol.into(),
                metadata: Bytes::copy_from_slice(&value.subscription),
            }],
            assignment: Bytes::copy_from_slice(&value.assignment),
            joining: None,
            syncing: None,
            is_new: false,
        }
    }

    pub fn metadata(&self, protocol: &str) -> Bytes {
        let known = self.protocols.iter().find(|known| known.name == protocol);
        known.map(|known| known.metadata.clone()).unwrap_or_default()
    }

    pub fn names(&self) -> impl Iterator<Item = &CompactString> {
        self.protocols.iter().map(|protocol| &protocol.name)
    }

    /// Who waits for an answer is there, unless it has come with no id: such a client may have gone and come again.
    pub fn is_waiting(&self) -> bool {
        !self.is_new && (self.joining.is_some() || self.syncing.is_some())
    }

    pub fn record(&self, protocol: &str) -> MemberMetadata {
        MemberMetadata {
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout: self.rebalance_timeout_ms,
            session_timeout: self.session_timeout_ms,
            subscription: self.metadata(protocol),
            assignment: self.assignment.clone(),
        }
    }

    /// `protocol` only while the group is stable.
    pub fn described(&self, protocol: Option<&str>) -> DescribedGroupMember {
        DescribedGroupMember {
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            member_metadata: protocol.map(|name| self.metadata(name)).unwrap_or_default(),
            member_assignment: self.assignment.clone(),
        }
    }
}
