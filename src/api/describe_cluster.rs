//! DescribeCluster (key 60, v0–2): the nodes that can be reached on this listener: brokers, or controllers (KIP-919).

use crate::api::context::Context;
use crate::metadata::Image;
use crate::protocol::operations;
use crate::schema::describe_cluster_request::DescribeClusterRequest;
use crate::schema::describe_cluster_response::DescribeClusterBroker;
use crate::schema::describe_cluster_response::DescribeClusterResponse;
use crate::types::ErrorCode;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub async fn handle(cx: &Context, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let here = if cx.peer.controller { CONTROLLERS } else { BROKERS };
    if let Some(refusal) = refuse(cx.prefix.version, here, request.endpoint_type) {
        return refusal;
    }
    let image = cx.handles.image();
    let brokers = match here {
        CONTROLLERS => controllers(cx, &image),
        _ => brokers(cx, &image, request.include_fenced_brokers),
    };
    let controller = if here == CONTROLLERS {
        cx.handles.node_id
    } else {
        cx.any_broker(&image)
    };
    let known = brokers.iter().any(|node| node.broker_id == controller);
    let mut response = DescribeClusterResponse {
        endpoint_type: here,
        cluster_id: cx.handles.cluster_id.clone(),
        controller_id: if known { controller } else { -1 },
        brokers,
        ..DescribeClusterResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = operations::ON_CLUSTER;
    }
    response
}

fn refuse(version: i16, here: i8, wanted: i8) -> Option<DescribeClusterResponse> {
    let name = |kind: i8| if kind == BROKERS { "BROKER" } else { "CONTROLLER" };
    let (error, message) = match wanted {
        wanted if wanted == here => return None,
        BROKERS | CONTROLLERS => {
            let (here, wanted) = (name(here), name(wanted));
            let text = format!(
                "The request was sent to an endpoint of type {here}, but we wanted an endpoint of type {wanted}"
            );
            (ErrorCode::MismatchedEndpointType, text)
        }
        _ => (
            ErrorCode::UnsupportedEndpointType,
            format!("Unsupported endpoint type {wanted}"),
        ),
    };
    let error = if version == 0 { ErrorCode::InvalidRequest } else { error };
    Some(DescribeClusterResponse {
        error_code: error.code(),
        error_message: Some(message.into()),
        ..DescribeClusterResponse::default()
    })
}

fn brokers(cx: &Context, image: &Image, with_fenced: bool) -> Vec<DescribeClusterBroker> {
    let listed = image.brokers().filter(|broker| with_fenced || !broker.fenced);
    let described = listed.filter_map(|broker| {
        let endpoint = broker.endpoint(&cx.peer.listener)?;
        Some(DescribeClusterBroker {
            broker_id: broker.id,
            host: endpoint.host.clone(),
            port: endpoint.port.into(),
            rack: broker.rack.clone(),
            is_fenced: broker.fenced,
        })
    });
    described.collect()
}

fn controllers(cx: &Context, image: &Image) -> Vec<DescribeClusterBroker> {
    let described = image.controllers().filter_map(|controller| {
        let endpoint = controller
            .endpoints
            .iter()
            .find(|endpoint| *endpoint.listener == *cx.peer.listener)?;
        Some(DescribeClusterBroker {
            broker_id: controller.id,
            host: endpoint.host.clone(),
            port: endpoint.port.into(),
            ..DescribeClusterBroker::default()
        })
    });
    described.collect()
}
