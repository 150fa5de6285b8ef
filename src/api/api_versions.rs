//! ApiVersions (key 18, v0–4): what this listener serves, and the features of this node and of the cluster.
//!
//! A version that we do not know gets a v0 answer with an error and our range, so that a newer client can step down.

use crate::api::APIS;
use crate::api::IntoOutcome;
use crate::api::Outcome;
use crate::api::context::Context;
use crate::api::context::ControllerAt;
use crate::api::envelope::FORWARDABLE;
use crate::metadata::feature;
use crate::protocol::header::Prefix;
use crate::schema::api_versions_request::ApiVersionsRequest;
use crate::schema::api_versions_response::ApiVersion;
use crate::schema::api_versions_response::ApiVersionsResponse;
use crate::schema::api_versions_response::FinalizedFeatureKey;
use crate::schema::api_versions_response::SupportedFeatureKey;
use crate::types::ErrorCode;

pub async fn handle(cx: &Context, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let version = cx.prefix.version;
    let names = [&request.client_software_name, &request.client_software_version];
    if version >= 3 && !names.into_iter().all(|name| is_software_name(name)) {
        let error_code = ErrorCode::InvalidRequest.code();
        return ApiVersionsResponse {
            error_code,
            ..ApiVersionsResponse::default()
        };
    }
    let image = cx.handles.image();
    let supported = cx
        .handles
        .features
        .supported()
        .iter()
        .filter(|feature| version >= 4 || feature.lowest > 0);
    // The quorum keeps its own version, beside the records of the image.
    let quorum = (feature::KRAFT_VERSION.into(), cx.handles.log.kraft_version());
    let levels = image
        .features()
        .map(|(name, level)| (name.clone(), level))
        .chain([quorum]);
    let finalized = levels
        .filter(|(_, level)| *level > 0)
        .map(|(name, level)| FinalizedFeatureKey {
            name,
            max_version_level: level,
            min_version_level: level,
        });
    ApiVersionsResponse {
        api_keys: api_keys(cx),
        supported_features: supported
            .map(|feature| SupportedFeatureKey {
                name: feature.name.into(),
                min_version: feature.lowest,
                max_version: feature.highest,
            })
            .collect(),
        finalized_features_epoch: image.offset,
        finalized_features: finalized.collect(),
        ..ApiVersionsResponse::default()
    }
}

fn api_keys(cx: &Context) -> Vec<ApiVersion> {
    let served = APIS.iter().filter(|api| api.is_on(cx.peer.controller));
    let told = served.filter_map(|api| {
        let own = api.versions(&cx.handles);
        let (min_version, max_version) = match &cx.handles.controller {
            // What is passed on must be understood where it goes.
            ControllerAt::Elsewhere(remote) if FORWARDABLE.contains(&api.key) => {
                remote.common_versions(api.key, own)?
            }
            _ => own,
        };
        Some(ApiVersion {
            api_key: api.key,
            min_version,
            max_version,
        })
    });
    let mut keys: Vec<ApiVersion> = told.collect();
    keys.sort_by_key(|row| row.api_key);
    keys
}

pub fn refuse(prefix: Prefix) -> Outcome {
    let own = APIS.iter().filter(|api| api.key == prefix.key);
    let api_keys = own
        .map(|api| ApiVersion {
            api_key: api.key,
            min_version: api.advertised.0,
            max_version: api.advertised.1,
        })
        .collect();
    let error_code = ErrorCode::UnsupportedVersion.code();
    let answer = ApiVersionsResponse {
        error_code,
        api_keys,
        ..ApiVersionsResponse::default()
    };
    answer.into_outcome(Prefix { version: 0, ..prefix })
}

/// Letters and digits, with dots and hyphens between them.
fn is_software_name(name: &str) -> bool {
    let plain = |character: char| character.is_ascii_alphanumeric();
    name.starts_with(plain)
        && name.ends_with(plain)
        && name
            .chars()
            .all(|character| plain(character) || character == '.' || character == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_software_name_is_letters_and_digits_with_dots_and_hyphens_between() {
        for (name, good) in [
            ("librdkafka", true),
            ("2.1.0-rc1", true),
            ("a", true),
            ("", false),
            (".a", false),
        ] {
            assert_eq!(is_software_name(name), good, "{name}");
        }
        for name in ["a-", "a b", "a_b", "ä"] {
            assert!(!is_software_name(name), "{name}");
        }
    }
}
