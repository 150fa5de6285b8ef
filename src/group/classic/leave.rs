//! LeaveGroup: members that say goodbye, or that an administrator removes by their instance ids.

use crate::group::Client;
use crate::group::Groups;
use crate::group::classic::ClassicGroup;
use crate::group::turn::Turn;
use crate::schema::leave_group_request::LeaveGroupRequest;
use crate::schema::leave_group_request::MemberIdentity;
use crate::schema::leave_group_response::LeaveGroupResponse;
use crate::schema::leave_group_response::MemberResponse;
use crate::types::ErrorCode;

/// Before this version one member left at a time.
const FIRST_WITH_MEMBERS: i16 = 3;

pub fn leave(
    groups: &mut Groups,
    turn: &mut Turn<'_>,
    client: &Client,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    if request.group_id.is_empty() {
        return LeaveGroupResponse {
            error_code: ErrorCode::InvalidGroupId.code(),
            ..Default::default()
        };
    }
    let alone = client.version < FIRST_WITH_MEMBERS;
    let members = match alone {
        true => vec![MemberIdentity {
            member_id: request.member_id,
            ..Default::default()
        }],
        false => request.members,
    };
    let results = match groups.classic_mut(&request.group_id) {
        Some(group) => group.leave(turn, &members),
        None => vec![Err(ErrorCode::UnknownMemberId); members.len()],
    };
    let code = |result: Result<(), ErrorCode>| result.err().unwrap_or(ErrorCode::None).code();
    if alone {
        return LeaveGroupResponse {
            error_code: results.into_iter().map(code).next().unwrap_or(0),
            ..Default::default()
        };
    }
    let members = members.into_iter().zip(results).map(|(member, result)| MemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code: code(result),
    });
    LeaveGroupResponse {
        members: members.collect(),
        ..Default::default()
    }
}

impl ClassicGroup {
    fn leave(&mut self, turn: &mut Turn<'_>, members: &[MemberIdentity]) -> Vec<Result<(), ErrorCode>> {
        let results: Vec<Result<(), ErrorCode>> = members.iter().map(|member| self.leave_one(turn, member)).collect();
        if results.iter().any(Result::is_ok) && !self.is_empty() {
            self.rebalance_or_complete(turn);
        }
        results
    }

    fn leave_one(&mut self, turn: &mut Turn<'_>, member: &MemberIdentity) -> Result<(), ErrorCode> {
        let (id, instance) = (&member.member_id, member.group_instance_id.as_deref());
        if id.is_empty() {
            // Who removes a static member from outside does not know its id.
            let known = instance.and_then(|instance| self.instances.get(instance)).cloned();
            self.remove(turn, &known.ok_or(ErrorCode::UnknownMemberId)?);
            return Ok(());
        }
        if !self.pending.contains(id) {
            self.check_member(id, instance)?;
        }
        self.remove(turn, id);
        Ok(())
    }
}
