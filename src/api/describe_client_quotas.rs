//! DescribeClientQuotas (key 48, v0–1): the quotas whose entities match a filter (KIP-546).

use crate::api::context::Context;
use crate::metadata::QuotaEntity;
use crate::schema::describe_client_quotas_request::ComponentData;
use crate::schema::describe_client_quotas_request::DescribeClientQuotasRequest;
use crate::schema::describe_client_quotas_response::DescribeClientQuotasResponse;
use crate::schema::describe_client_quotas_response::EntityData;
use crate::schema::describe_client_quotas_response::EntryData;
use crate::schema::describe_client_quotas_response::ValueData;
use crate::types::ErrorCode;
use compact_str::CompactString;
use std::collections::BTreeMap;

pub async fn handle(cx: &Context, request: DescribeClientQuotasRequest) -> DescribeClientQuotasResponse {
    let filter = match filter(&request.components) {
        Ok(filter) => filter,
        Err((error, message)) => {
            return DescribeClientQuotasResponse {
                error_code: error.code(),
                error_message: Some(message),
                entries: None,
                ..DescribeClientQuotasResponse::default()
            };
        }
    };
    let image = cx.handles.image();
    let matching = image
        .quotas()
        .filter(|(entity, _)| matches(entity, &filter, request.strict));
    let entries = matching.map(|(entity, values)| EntryData {
        entity: entity
            .0
            .iter()
            .map(|(kind, name)| EntityData {
                entity_type: kind.clone(),
                entity_name: name.clone(),
            })
            .collect(),
        values: values
            .iter()
            .map(|(key, value)| ValueData {
                key: key.clone(),
                value: *value,
            })
            .collect(),
    });
    let entries = Some(entries.collect());
    DescribeClientQuotasResponse {
        entries,
        ..DescribeClientQuotasResponse::default()
    }
}

/// What an entity's part of one type must be.
enum Part {
    Named(CompactString),
    Default,
    Any,
}

type Filter = BTreeMap<CompactString, Part>;

fn filter(components: &[ComponentData]) -> Result<Filter, (ErrorCode, CompactString)> {
    let invalid = |message: String| Err((ErrorCode::InvalidRequest, message.into()));
    let mut filter = Filter::new();
    for component in components {
        let kind = &component.entity_type;
        if kind.is_empty() {
            return invalid("Invalid empty entity type.".into());
        }
        if filter.contains_key(kind) {
            return invalid(format!(
                "Entity type {kind} cannot appear more than once in the filter."
            ));
        }
        if !["ip", "user", "client-id"].contains(&kind.as_str()) {
            return Err((
                ErrorCode::UnsupportedVersion,
                format!("Unsupported entity type {kind}").into(),
            ));
        }
        let part = match (component.match_type, &component.r#match) {
            (0, Some(name)) => Part::Named(name.clone()),
            (0, None) => return invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.".into()),
            (1, None) => Part::Default,
            (2, None) => Part::Any,
            (1, Some(_)) => {
                return invalid("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.".into());
            }
            (2, Some(_)) => {
                return invalid("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.".into());
            }
            (other, _) => return invalid(format!("Unknown match type {other}")),
        };
        filter.insert(kind.clone(), part);
    }
    if filter.contains_key("ip") && filter.len() > 1 {
        return invalid(
            "Invalid entity filter component combination. IP filter component should not be used with user or \
             clientId filter component."
                .into(),
        );
    }
    Ok(filter)
}

fn matches(entity: &QuotaEntity, filter: &Filter, strict: bool) -> bool {
    if strict && entity.0.len() != filter.len() {
        return false;
    }
    filter.iter().all(|(kind, part)| {
        let found = entity.0.iter().find(|(of, _)| of == kind);
        match (part, found) {
            (_, None) => false,
            (Part::Any, Some(_)) => true,
            (Part::Default, Some((_, name))) => name.is_none(),
            (Part::Named(wanted), Some((_, name))) => name.as_ref() == Some(wanted),
        }
    })
}
