//! DescribeConfigs (key 32, v1–4): every config of topics, brokers, loggers, groups and metrics subscriptions, with
//! what stands behind each value.

use crate::api::context::Context;
use crate::config::ConfigError;
use crate::config::describe;
use crate::config::describe::Entry;
use crate::config::describe::Synonym;
use crate::config::loggers;
use crate::controller::check_topic_name;
use crate::metadata::Image;
use crate::metadata::ResourceKind;
use crate::schema::describe_configs_request::DescribeConfigsRequest;
use crate::schema::describe_configs_request::DescribeConfigsResource;
use crate::schema::describe_configs_response::DescribeConfigsResourceResult;
use crate::schema::describe_configs_response::DescribeConfigsResponse;
use crate::schema::describe_configs_response::DescribeConfigsResult;
use crate::schema::describe_configs_response::DescribeConfigsSynonym;
use crate::types::ErrorCode;
use compact_str::CompactString;

pub async fn handle(cx: &Context, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let unknown = |resource: &&DescribeConfigsResource| ResourceKind::from_code(resource.resource_type).is_none();
    if request.resources.iter().any(|resource| unknown(&resource)) {
        let refused = request.resources.iter().map(refused_whole);
        return DescribeConfigsResponse {
            results: refused.collect(),
            ..DescribeConfigsResponse::default()
        };
    }
    let image = cx.handles.image();
    let results = request.resources.iter().map(|resource| {
        let answer = DescribeConfigsResult {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            ..DescribeConfigsResult::default()
        };
        match entries(cx, &image, resource) {
            Ok(entries) => DescribeConfigsResult {
                error_message: Some(CompactString::default()),
                configs: entries.into_iter().map(|entry| encode(&request, entry)).collect(),
                ..answer
            },
            Err((error, error_message)) => DescribeConfigsResult {
                error_code: error.code(),
                error_message,
                ..answer
            },
        }
    });
    DescribeConfigsResponse {
        results: results.collect(),
        ..DescribeConfigsResponse::default()
    }
}

/// A type that nobody knows spoils the whole request.
fn refused_whole(resource: &DescribeConfigsResource) -> DescribeConfigsResult {
    DescribeConfigsResult {
        error_code: ErrorCode::InvalidRequest.code(),
        error_message: Some(ErrorCode::InvalidRequest.text().into()),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
        ..DescribeConfigsResult::default()
    }
}

type Failure = (ErrorCode, Option<CompactString>);

fn failure(error: ConfigError) -> Failure {
    (error.code(), Some(error.message().into()))
}

fn entries(cx: &Context, image: &Image, resource: &DescribeConfigsResource) -> Result<Vec<Entry>, Failure> {
    let name = resource.resource_name.as_str();
    let mut entries = match ResourceKind::from_code(resource.resource_type) {
        Some(ResourceKind::Topic) => topic(cx, image, name)?,
        Some(ResourceKind::Broker) => broker(cx, name)?,
        Some(ResourceKind::BrokerLogger) => {
            loggers::check_described(name, cx.handles.node_id).map_err(failure)?;
            loggers::describe(&*cx.handles.loggers)
        }
        Some(ResourceKind::ClientMetrics) if name.is_empty() => {
            return Err(invalid("Client metrics subscription name must not be empty"));
        }
        Some(ResourceKind::ClientMetrics) => {
            describe::client_metrics(&cx.handles.stored_configs(ResourceKind::ClientMetrics, name)).map_err(failure)?
        }
        Some(ResourceKind::Group) if name.is_empty() => return Err(invalid("Group name must not be empty")),
        Some(ResourceKind::Group) => describe::group(
            &cx.handles.live(),
            &cx.handles.stored_configs(ResourceKind::Group, name),
        )
        .map_err(failure)?,
        None => return Err(invalid("Unsupported resource type")),
    };
    let wanted = resource.configuration_keys.as_ref();
    let wanted: Option<Vec<String>> = wanted.map(|keys| keys.iter().map(|key| key.to_string()).collect());
    describe::keep_requested(&mut entries, wanted.as_deref());
    Ok(entries)
}

fn invalid(text: &str) -> Failure {
    (ErrorCode::InvalidRequest, Some(text.into()))
}

fn topic(cx: &Context, image: &Image, name: &str) -> Result<Vec<Entry>, Failure> {
    check_topic_name(name).map_err(|reason| (ErrorCode::InvalidTopicException, Some(reason.into())))?;
    if image.topic(name).is_none() {
        return Err((ErrorCode::UnknownTopicOrPartition, Some(CompactString::default())));
    }
    describe::topic(
        &cx.handles.live(),
        &cx.handles.stored_configs(ResourceKind::Topic, name),
    )
    .map_err(failure)
}

fn broker(cx: &Context, name: &str) -> Result<Vec<Entry>, Failure> {
    let live = cx.handles.live();
    match name.parse::<i32>() {
        _ if name.is_empty() => Ok(describe::all_brokers(&live)),
        Ok(id) if id == cx.handles.node_id => Ok(describe::broker(&live)),
        Ok(_) => {
            let own = cx.handles.node_id;
            let text = format!("Unexpected broker id, expected {own} or empty string, but received {name}");
            Err(invalid(&text))
        }
        Err(_) => Err(invalid(&format!("Broker id must be an integer, but it is: {name}"))),
    }
}

fn encode(request: &DescribeConfigsRequest, entry: Entry) -> DescribeConfigsResourceResult {
    let synonym = |synonym: Synonym| DescribeConfigsSynonym {
        name: synonym.name.into(),
        value: synonym.value.map(CompactString::from),
        source: synonym.source as i8,
    };
    DescribeConfigsResourceResult {
        read_only: entry.read_only,
        config_source: entry.source as i8,
        is_sensitive: entry.sensitive,
        config_type: entry.kind_number(),
        documentation: entry
            .documentation
            .filter(|_| request.include_documentation)
            .map(CompactString::from),
        name: entry.name.into(),
        value: entry.value.map(CompactString::from),
        synonyms: match request.include_synonyms {
            true => entry.synonyms.into_iter().map(synonym).collect(),
            false => Vec::new(),
        },
    }
}
