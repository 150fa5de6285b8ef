//! ListConfigResources (key 74, v0–1): what has configs: groups, metrics subscriptions, brokers, topics (KIP-1142).

use crate::api::context::Context;
use crate::metadata::ResourceKind;
use crate::schema::list_config_resources_request::ListConfigResourcesRequest;
use crate::schema::list_config_resources_response::ConfigResource;
use crate::schema::list_config_resources_response::ListConfigResourcesResponse;
use crate::types::ErrorCode;
use compact_str::CompactString;
use compact_str::ToCompactString;

/// In the order in which Kafka lists them.
const ALL: [ResourceKind; 5] = [
    ResourceKind::Group,
    ResourceKind::ClientMetrics,
    ResourceKind::BrokerLogger,
    ResourceKind::Broker,
    ResourceKind::Topic,
];

pub async fn handle(cx: &Context, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse {
    // Version 0 was about metrics subscriptions only.
    let supported = if cx.prefix.version == 0 { &ALL[1..2] } else { &ALL[..] };
    let wanted = &request.resource_types;
    let known = |code: &i8| supported.iter().any(|kind| kind.code() == *code);
    if !wanted.iter().all(known) {
        let error_code = ErrorCode::UnsupportedVersion.code();
        return ListConfigResourcesResponse {
            error_code,
            ..ListConfigResourcesResponse::default()
        };
    }
    let chosen = supported
        .iter()
        .filter(|kind| wanted.is_empty() || wanted.contains(&kind.code()));
    let named = chosen.flat_map(|kind| {
        let resource_type = kind.code();
        let names = names(cx, *kind).into_iter();
        names.map(move |resource_name| ConfigResource {
            resource_name,
            resource_type,
        })
    });
    ListConfigResourcesResponse {
        config_resources: named.collect(),
        ..ListConfigResourcesResponse::default()
    }
}

fn names(cx: &Context, kind: ResourceKind) -> Vec<CompactString> {
    let image = cx.handles.image();
    match kind {
        ResourceKind::Topic => image.topics().map(|topic| topic.name.clone()).collect(),
        ResourceKind::Broker | ResourceKind::BrokerLogger => {
            let here = image
                .brokers()
                .filter(|broker| broker.endpoint(&cx.peer.listener).is_some());
            here.map(|broker| broker.id.to_compact_string()).collect()
        }
        ResourceKind::Group | ResourceKind::ClientMetrics => {
            let of_kind = image.configs().filter(|(resource, _)| resource.kind == kind);
            of_kind.map(|(resource, _)| resource.name.clone()).collect()
        }
    }
}
