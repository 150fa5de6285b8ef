//! DescribeUserScramCredentials (key 50, v0): who has which SCRAM credentials, without their secrets (KIP-554).

use crate::api::context::Context;
use crate::metadata::Image;
use crate::schema::describe_user_scram_credentials_request::DescribeUserScramCredentialsRequest;
use crate::schema::describe_user_scram_credentials_response::CredentialInfo;
use crate::schema::describe_user_scram_credentials_response::DescribeUserScramCredentialsResponse;
use crate::schema::describe_user_scram_credentials_response::DescribeUserScramCredentialsResult;
use crate::types::ErrorCode;
use compact_str::CompactString;
use std::collections::BTreeMap;

/// SCRAM-SHA-256 and SCRAM-SHA-512.
const MECHANISMS: [i8; 2] = [1, 2];

pub async fn handle(
    cx: &Context,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let image = cx.handles.image();
    // How often each user is asked for.
    let mut users: BTreeMap<CompactString, usize> = BTreeMap::new();
    match request.users.filter(|users| !users.is_empty()) {
        Some(asked) => asked
            .into_iter()
            .for_each(|user| *users.entry(user.name).or_insert(0) += 1),
        None => users.extend(image.scram_credentials().map(|((user, _), _)| (user.clone(), 1))),
    }
    let results = users
        .into_iter()
        .map(|(user, times)| describe(&image, user, times))
        .collect();
    DescribeUserScramCredentialsResponse {
        results,
        ..DescribeUserScramCredentialsResponse::default()
    }
}

fn describe(image: &Image, user: CompactString, times: usize) -> DescribeUserScramCredentialsResult {
    let infos = MECHANISMS.iter().filter_map(|mechanism| {
        let credential = image.scram(&user, *mechanism)?;
        Some(CredentialInfo {
            mechanism: *mechanism,
            iterations: credential.iterations,
        })
    });
    let credential_infos: Vec<CredentialInfo> = infos.collect();
    let failed = |error: ErrorCode, text: &str| DescribeUserScramCredentialsResult {
        error_code: error.code(),
        error_message: Some(format!("{text}{user}").into()),
        user: user.clone(),
        ..DescribeUserScramCredentialsResult::default()
    };
    match credential_infos.is_empty() {
        _ if times > 1 => failed(
            ErrorCode::DuplicateResource,
            "Cannot describe SCRAM credentials for the same user twice in a single request: ",
        ),
        true => failed(
            ErrorCode::ResourceNotFound,
            "Attempt to describe a user credential that does not exist: ",
        ),
        false => DescribeUserScramCredentialsResult {
            user,
            credential_infos,
            ..DescribeUserScramCredentialsResult::default()
        },
    }
}
