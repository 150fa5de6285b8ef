//! DescribeGroups, ListGroups and DeleteGroups.

use crate::group::Client;
use crate::group::Groups;
use crate::group::classic::State;
use crate::group::groups::Group;
use crate::group::turn::Turn;
use crate::schema::delete_groups_response::DeletableGroupResult;
use crate::schema::describe_groups_response::DescribedGroup;
use crate::schema::list_groups_response::ListedGroup;
use crate::types::ErrorCode;
use compact_str::CompactString;
use compact_str::format_compact;

/// Before this version an unknown group was a dead one.
const FIRST_WITH_GROUP_ID_NOT_FOUND: i16 = 6;

const CLASSIC: &str = "classic";

impl Groups {
    pub(in crate::group) fn describe(&self, client: &Client, id: CompactString) -> DescribedGroup {
        let group = match self.groups.get(&id) {
            Some(Group::Classic(group)) => group,
            Some(Group::Consumer(_)) => return dead(client, id, "is not a classic group."),
            None => return dead(client, id, "not found."),
        };
        let protocol = group.protocol().filter(|_| group.state() == State::Stable);
        DescribedGroup {
            group_id: id,
            group_state: group.state().name().into(),
            protocol_type: group.protocol_type().into(),
            protocol_data: protocol.unwrap_or_default().into(),
            members: group.members().map(|member| member.described(protocol)).collect(),
            ..Default::default()
        }
    }

    /// A type that is not known has no groups; nor has a state.
    pub(in crate::group) fn list(&self, states: &[String], types: &[String]) -> Vec<ListedGroup> {
        let fits = |wanted: &[String], have: &str| {
            wanted.is_empty() || wanted.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(have))
        };
        let listed = self.groups.iter().filter_map(|(id, group)| {
            let row = match group {
                Group::Classic(group) => ListedGroup {
                    group_id: id.clone(),
                    protocol_type: group.protocol_type().into(),
                    group_state: group.state().name().into(),
                    group_type: CLASSIC.into(),
                },
                Group::Consumer(group) => group.list(),
            };
            (fits(states, &row.group_state) && fits(types, &row.group_type)).then_some(row)
        });
        listed.collect()
    }

    pub(in crate::group) fn delete(&self, turn: &mut Turn<'_>, id: CompactString) -> DeletableGroupResult {
        let error = match self.groups.get(&id) {
            None => ErrorCode::GroupIdNotFound,
            Some(group) if !group.is_empty() => ErrorCode::NonEmptyGroup,
            Some(group) => {
                let mut records = self.offsets.tombstones(&id);
                records.extend(group.tombstones());
                match turn.record_all(records) {
                    Ok(()) => {
                        group.stop_timers(turn);
                        ErrorCode::None
                    }
                    Err(error) => error,
                }
            }
        };
        DeletableGroupResult {
            group_id: id,
            error_code: error.code(),
        }
    }
}

fn dead(client: &Client, id: CompactString, why: &str) -> DescribedGroup {
    let dead = DescribedGroup {
        group_id: id,
        group_state: "Dead".into(),
        ..Default::default()
    };
    if client.version < FIRST_WITH_GROUP_ID_NOT_FOUND {
        return dead;
    }
    DescribedGroup {
        error_code: ErrorCode::GroupIdNotFound.code(),
        error_message: Some(format_compact!("Group {} {why}", dead.group_id)),
        ..dead
    }
}
