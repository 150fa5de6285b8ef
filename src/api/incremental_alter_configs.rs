//! IncrementalAlterConfigs (key 44, v0–1): single changes of configs (KIP-339).
//!
//! What concerns this broker alone is judged here (its own configs) or done here (log levels); the controller decides
//! the rest.

use crate::api::altering::Verdict;
use crate::api::altering::answer_all;
use crate::api::altering::judge_all;
use crate::api::altering::unknown_type;
use crate::api::context::Context;
use crate::api::context::Controlled;
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

pub async fn handle(
    cx: &Context,
    request: IncrementalAlterConfigsRequest,
) -> Result<IncrementalAlterConfigsResponse, Stopped> {
    if cx.peer.controller {
        return at_controller(cx, request).await;
    }
    let validate_only = request.validate_only;
    let (verdicts, resources) = judge_all(
        &request.resources,
        |resource| (resource.resource_type, &resource.resource_name),
        |resource| judge(cx, validate_only, resource),
    );
    let decided = match resources.is_empty() {
        true => Vec::new(),
        false => {
            cx.control(IncrementalAlterConfigsRequest {
                resources,
                validate_only,
            })
            .await?
            .responses
        }
    };
    let responses = answer_all(request.resources, verdicts, decided, encode);
    Ok(IncrementalAlterConfigsResponse {
        responses,
        ..Default::default()
    })
}

/// A controller decides all but the levels of its own log, whose answers come last.
async fn at_controller(
    cx: &Context,
    request: IncrementalAlterConfigsRequest,
) -> Result<IncrementalAlterConfigsResponse, Stopped> {
    let validate_only = request.validate_only;
    let is_loggers = |resource: &AlterConfigsResource| {
        ResourceKind::from_code(resource.resource_type) == Some(ResourceKind::BrokerLogger)
    };
    let (loggers, resources): (Vec<_>, Vec<_>) = request.resources.into_iter().partition(is_loggers);
    let verdicts = loggers.iter().map(|resource| judge(cx, validate_only, resource));
    let verdicts: Vec<Verdict> = verdicts.collect();
    let decided = IncrementalAlterConfigsRequest {
        resources,
        validate_only,
    };
    let mut response = cx.control(decided).await?;
    response
        .responses
        .extend(answer_all(loggers, verdicts, Vec::new(), encode));
    Ok(response)
}

fn encode(
    resource: AlterConfigsResource,
    error: ErrorCode,
    error_message: Option<CompactString>,
) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse {
        error_code: error.code(),
        error_message,
        resource_type: resource.resource_type,
        resource_name: resource.resource_name,
    }
}

fn judge(cx: &Context, validate_only: bool, resource: &AlterConfigsResource) -> Verdict {
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
            Verdict::Settled(match validate_only {
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
        None => unknown_type(resource.resource_type),
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
