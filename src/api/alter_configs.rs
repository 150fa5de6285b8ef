//! AlterConfigs (key 33, v0–2): states all configs of a resource anew; what it leaves out goes back to its default.

use crate::api::altering::Verdict;
use crate::api::altering::answer_all;
use crate::api::altering::judge_all;
use crate::api::altering::unknown_type;
use crate::api::context::Context;
use crate::api::context::Controlled;
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
use compact_str::CompactString;

pub async fn handle(cx: &Context, request: AlterConfigsRequest) -> Result<AlterConfigsResponse, Stopped> {
    if cx.peer.controller {
        return cx.control(request).await;
    }
    let validate_only = request.validate_only;
    let (verdicts, resources) = judge_all(
        &request.resources,
        |resource| (resource.resource_type, &resource.resource_name),
        |resource| judge(cx, resource),
    );
    let decided = match resources.is_empty() {
        true => Vec::new(),
        false => {
            cx.control(AlterConfigsRequest {
                resources,
                validate_only,
            })
            .await?
            .responses
        }
    };
    let responses = answer_all(
        request.resources,
        verdicts,
        decided,
        |resource, error, error_message| AlterConfigsResourceResponse {
            error_code: error.code(),
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        },
    );
    Ok(AlterConfigsResponse {
        responses,
        ..Default::default()
    })
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
            let values = changes
                .into_iter()
                .filter_map(|change| Some((change.name, change.value?)));
            let values: Properties = values.collect();
            match alter::check_broker_replacement(&cx.handles.live(), &resource.resource_name, &values) {
                Ok(()) => Verdict::Forward,
                Err(error) => Verdict::Settled(Err(error)),
            }
        }
        // Log levels came later and are not known here.
        None | Some(ResourceKind::BrokerLogger) => unknown_type(resource.resource_type),
        Some(_) => Verdict::Forward,
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
