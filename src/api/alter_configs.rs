//! AlterConfigs (key 33, v0–2): states all configs of a resource anew; what it leaves out goes back to its default.

use crate::api::context::Context;
use crate::api::context::Controlled;
use crate::api::incremental_alter_configs::Verdict;
use crate::api::incremental_alter_configs::named_twice;
use crate::api::incremental_alter_configs::twice;
use crate::api::incremental_alter_configs::unknown_type;
use crate::config::ConfigError;
use crate::config::Properties;
use crate::config::alter;
use crate::config::alter::Change;
use crate::config::alter::Operation;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::metadata::ResourceKind;
use crate::runtime::quorum::Stopped;
use crate::schema::alter_configs_request::AlterConfigsRequest;
use crate::schema::alter_configs_request::AlterConfigsResource;
use crate::schema::alter_configs_response::AlterConfigsResourceResponse;
use crate::schema::alter_configs_response::AlterConfigsResponse;
use crate::types::ErrorCode;
use compact_str::CompactString;

pub async fn handle(cx: &Context, request: AlterConfigsRequest) -> Result<AlterConfigsResponse, Stopped> {
    if cx.peer.controller {
        return cx.control(request).await;
    }
    let resources: Vec<_> = request.resources.iter().map(|resource| (resource.resource_type, &resource.resource_name)).collect();
    let twice = twice(&resources);
    let mut judged = Vec::with_capacity(request.resources.len());
    let mut rest = AlterConfigsRequest { validate_only: request.validate_only, ..Default::default() };
    for (resource, twice) in request.resources.iter().zip(twice) {
        let verdict = if twice { Verdict::Settled(Err(named_twice())) } else { judge(cx, resource) };
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
    Ok(    AlterConfigsResponse { responses: responses.collect(), ..AlterConfigsResponse::default() })
}

fn judge(cx: &Context, resource: &AlterConfigsResource) -> Verdict {
    let changes: Vec<Change> = resource
        .configs
        .iter()
        .map(|config| Change {
            name: config.name.to_string(),
            operation: Operation::Set,
            value: config.value.as_ref().map(CompactString::to_string),
        })
        .collect();
    if let Err(error) = alter::check_shape(&changes) {
        return Verdict::Settled(Err(error));
    }
    match ResourceKind::from_code(resource.resource_type) {
        Some(ResourceKind::Broker) => {
            let values = changes.into_iter().filter_map(|change| Some((change.name, change.value?)));
            let values: Properties = values.collect();
            match alter::check_broker_replacement(&cx.handles.live(), &resource.resource_name, &values) {
                Ok(()) => Verdict::Forward,
                Err(error) => Verdict::Settled(Err(error)),
            }
        }
        // Log levels came later and are not known here.
        None | Some(ResourceKind::BrokerLogger) => Verdict::Settled(Err(unknown_type(resource.resource_type))),
        Some(_) => Verdict::Forward,
    }
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

impl Controlled for AlterConfigsRequest {
    type Answer = AlterConfigsResponse;

    fn decide(
        &self,
        controller: &Controller,
        _: &mut Moment<'_>,
        caller: &Caller<'_>,
    ) -> Outcome<AlterConfigsResponse> {
        controller.alter_configs(caller, self)
    }
}
