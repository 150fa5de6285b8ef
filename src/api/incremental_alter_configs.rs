//! IncrementalAlterConfigs (key 44, v0–1): single changes of configs (KIP-339).
//!
//! What concerns this broker alone is judged here (its own configs) or done here (log levels); the controller decides
//! the rest.

use crate::api::context::Context;
use crate::api::context::Controlled;
use crate::config::ConfigError;
use crate::config::alter;
use crate::config::alter::Change;
use crate::config::alter::Operation;
use crate::config::loggers;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::metadata::ResourceKind;
use crate::runtime::quorum::Stopped;
use crate::schema::incremental_alter_configs_request::AlterConfigsResource;
use crate::schema::incremental_alter_configs_request::IncrementalAlterConfigsRequest;
use crate::schema::incremental_alter_configs_response::AlterConfigsResourceResponse;
use crate::schema::incremental_alter_configs_response::IncrementalAlterConfigsResponse;
use crate::types::ErrorCode;
use compact_str::CompactString;

pub async fn handle(cx: &Context, request: IncrementalAlterConfigsRequest) -> Result<IncrementalAlterConfigsResponse, Stopped> {
    if cx.peer.controller {
        return cx.control(request).await;
    }
    let resources: Vec<_> = request.resources.iter().map(|resource| (resource.resource_type, &resource.resource_name)).collect();
    let twice = twice(&resources);
    let mut judged = Vec::with_capacity(request.resources.len());
    let mut rest = IncrementalAlterConfigsRequest { validate_only: request.validate_only, ..Default::default() };
    for (resource, twice) in request.resources.iter().zip(twice) {
        let verdict = if twice { Verdict::Settled(Err(named_twice())) } else { judge(cx, &request, resource) };
        if matches!(verdict, Verdict::Forward) {
            rest.resources.push(resource.clone());
        }
        judged.push(verdict);
    }
    let decided = if rest.resources.is_empty() { Vec::new() } else { cx.control(rest).await?.responses };
    let mut decided = decided.into_iter();
    let responses = request.resources.into_iter().zip(judged).filter_map(|(resource, verdict)| match verdict {
        Verdict::Forward => decided.next(),
        Verdict::Settled(result) => Some(encode(resource, result)),
    });
    Ok(    IncrementalAlterConfigsResponse { responses: responses.collect(), ..IncrementalAlterConfigsResponse::default() })
}

/// What this broker makes of one resource.
pub(super) enum Verdict {
    Forward,
    Settled(Result<(), ConfigError>),
}

pub(super) fn named_twice() -> ConfigError {
    ConfigError::BadRequest("Each resource must appear at most once.".into())
}

/// For each resource whether it is named more than once.
pub(super) fn twice(resources: &[(i8, &CompactString)]) -> Vec<bool> {
    let count = |wanted: &(i8, &CompactString)| resources.iter().filter(|resource| *resource == wanted).count();
    resources.iter().map(|resource| count(resource) > 1).collect()
}

fn judge(cx: &Context, request: &IncrementalAlterConfigsRequest, resource: &AlterConfigsResource) -> Verdict {
    let changes: Vec<Change> = resource
        .configs
        .iter()
        .map(|config| Change {
            name: config.name.to_string(),
            operation: Operation::from(config.config_operation),
            value: config.value.as_ref().map(CompactString::to_string),
        })
        .collect();
    if let Err(error) = alter::check_shape(&changes) {
        return Verdict::Settled(Err(error));
    }
    let name = resource.resource_name.as_str();
    match ResourceKind::from_code(resource.resource_type) {
        Some(ResourceKind::BrokerLogger) => {
            let (loggers, node) = (&*cx.handles.loggers, cx.handles.node_id);
            Verdict::Settled(match request.validate_only {
                true => loggers::check_altered(loggers, node, name, &changes),
                false => loggers::alter(loggers, node, name, &changes),
            })
        }
        Some(ResourceKind::Broker) => {
            let stored = cx.handles.stored_configs(ResourceKind::Broker, name);
            match alter::check_broker(&cx.handles.live(), name, &stored, &changes) {
                Ok(()) => Verdict::Forward,
                Err(error) => Verdict::Settled(Err(error)),
            }
        }
        Some(_) => Verdict::Forward,
        None => Verdict::Settled(Err(unknown_type(resource.resource_type))),
    }
}

pub(super) fn unknown_type(number: i8) -> ConfigError {
    ConfigError::BadRequest(format!("Unknown resource type {number}"))
}

fn encode(resource: AlterConfigsResource, result: Result<(), ConfigError>) -> AlterConfigsResourceResponse {
    let error = result.as_ref().err().map_or(ErrorCode::None, ConfigError::code);
    AlterConfigsResourceResponse {
        error_code: error.code(),
        error_message: result.err().map(|error| error.message().into()),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name,
    }
}

impl Controlled for IncrementalAlterConfigsRequest {
    type Answer = IncrementalAlterConfigsResponse;

    fn decide(
        &self,
        controller: &Controller,
        _: &mut Moment<'_>,
        caller: &Caller<'_>,
    ) -> Outcome<IncrementalAlterConfigsResponse> {
        controller.incremental_alter_configs(caller, self)
    }
}
