//! AlterClientQuotas: what users, client ids and addresses may ask of a broker.

use crate::controller::Controller;
use crate::controller::Outcome;
use crate::controller::Refusal;
use crate::controller::refusal::answer;
use crate::metadata::MetadataRecord;
use crate::metadata::QuotaEntity;
use crate::schema::alter_client_quotas_request::AlterClientQuotasRequest;
use crate::schema::alter_client_quotas_request::EntryData;
use crate::schema::alter_client_quotas_response;
use crate::schema::alter_client_quotas_response::AlterClientQuotasResponse;
use crate::schema::client_quota_record::ClientQuotaRecord;
use crate::types::ErrorCode;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::net::IpAddr;

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

#[derive(Clone, Copy)]
enum Number {
    Fraction,
    Int,
    Long,
}

const CLIENT_KEYS: &[(&str, Number)] = &[
    ("producer_byte_rate", Number::Long),
    ("consumer_byte_rate", Number::Long),
    ("request_percentage", Number::Fraction),
    ("controller_mutation_rate", Number::Fraction),
];
const IP_KEYS: &[(&str, Number)] = &[("connection_creation_rate", Number::Int)];

impl Controller {
    pub fn alter_client_quotas(&self, request: &AlterClientQuotasRequest) -> Outcome<AlterClientQuotasResponse> {
        let mut results: BTreeMap<QuotaEntity, Result<(), Refusal>> = BTreeMap::new();
        let mut records = Vec::new();
        for entry in &request.entries {
            let parts = entry
                .entity
                .iter()
                .map(|part| (part.entity_type.clone(), part.entity_name.clone()));
            let entity = QuotaEntity::new(parts);
            let result = if results.contains_key(&entity) {
                let message = format!("Ignoring duplicate entity {}", describe(&entity));
                Err(Refusal::new(ErrorCode::InvalidRequest, message))
            } else {
                self.alter_entity(&entity, entry).map(|altered| records.extend(altered))
            };
            results.insert(entity, result);
        }
        if let Err(refusal) = Controller::bounded(&records) {
            records.clear();
            results.values_mut().for_each(|result| *result = Err(refusal.clone()));
        }
        let row = |(entity, result): (QuotaEntity, Result<(), Refusal>)| {
            let (error_code, error_message) = answer(&result);
            let part = |(entity_type, entity_name)| alter_client_quotas_response::EntityData {
                entity_type,
                entity_name,
            };
            let entity = entity.0.into_iter().map(part).collect();
            alter_client_quotas_response::EntryData {
                error_code,
                error_message,
                entity,
            }
        };
        let entries = results.into_iter().map(row).collect();
        let outcome = Outcome::of(
            records,
            AlterClientQuotasResponse {
                entries,
                ..Default::default()
            },
        );
        if request.validate_only {
            outcome.without_records()
        } else {
            outcome
        }
    }

    fn alter_entity(&self, entity: &QuotaEntity, entry: &EntryData) -> Result<Vec<MetadataRecord>, Refusal> {
        let mut wanted: BTreeMap<&CompactString, Option<f64>> = BTreeMap::new();
        for op in &entry.ops {
            if wanted.insert(&op.key, (!op.remove).then_some(op.value)).is_some() {
                let entity = describe(entity);
                return Err(invalid(format!("Ignoring duplicate entity {entity}")));
            }
        }
        let keys = check_entity(entity)?;
        let current = self.image().quota(entity);
        let mut records = Vec::new();
        for (key, value) in wanted {
            let now = current.and_then(|current| current.get(key)).copied();
            if let Some(value) = value {
                check_value(keys, key, value)?;
            }
            if now != value {
                records.push(MetadataRecord::from(ClientQuotaRecord {
                    entity: entity.to_record(),
                    key: key.clone(),
                    value: value.unwrap_or(0.0),
                    remove: value.is_none(),
                }));
            }
        }
        Ok(records)
    }
}

fn invalid(message: impl Into<CompactString>) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, message)
}

/// As Kafka prints an entity in messages.
fn describe(entity: &QuotaEntity) -> String {
    let part = |(kind, name): &(CompactString, Option<CompactString>)| {
        format!("{kind}={}", name.as_ref().map_or("null", |name| name.as_str()))
    };
    let parts: Vec<String> = entity.0.iter().map(part).collect();
    format!("ClientQuotaEntity(entries={{{}}})", parts.join(", "))
}

/// The quotas that this kind of entity can have.
fn check_entity(entity: &QuotaEntity) -> Result<&'static [(&'static str, Number)], Refusal> {
    if entity.0.is_empty() {
        return Err(invalid("Invalid empty client quota entity"));
    }
    for (kind, name) in &entity.0 {
        if ![USER, CLIENT_ID, IP].contains(&kind.as_str()) {
            return Err(invalid(format!("Unhandled client quota entity type: {kind}")));
        }
        if name.as_ref().is_some_and(|name| name.is_empty()) {
            return Err(invalid(format!("Empty {kind} not supported")));
        }
    }
    let Some((_, address)) = entity.0.iter().find(|(kind, _)| kind == IP) else {
        return Ok(CLIENT_KEYS);
    };
    if entity.0.len() > 1 {
        let message = "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId";
        return Err(invalid(message));
    }
    match address {
        Some(address) if !is_address(address) => {
            Err(invalid(format!("{address} is not a valid IP or resolvable host.")))
        }
        _ => Ok(IP_KEYS),
    }
}

/// Names are not resolved here: the quota applies to addresses, and a name may have another tomorrow.
fn is_address(text: &str) -> bool {
    text == "localhost" || text.parse::<IpAddr>().is_ok()
}

fn check_value(keys: &[(&str, Number)], key: &str, value: f64) -> Result<(), Refusal> {
    let known = keys.iter().find(|(name, _)| *name == key);
    let (_, number) = known.ok_or_else(|| invalid(format!("Invalid configuration key {key}")))?;
    if value <= 0.0 {
        return Err(invalid(format!("Quota {key} must be greater than 0")));
    }
    let (limit, name) = match number {
        Number::Fraction => return Ok(()),
        Number::Int => (f64::from(i32::MAX), "an INT"),
        Number::Long => (i64::MAX as f64, "a LONG"),
    };
    if value > limit {
        return Err(invalid(format!("Proposed value for {key} is too large for {name}.")));
    }
    match (value % 1.0).abs() > 1e-6 {
        true => Err(invalid(format!("{key} cannot be a fractional value."))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::World;
    use crate::schema::alter_client_quotas_request::EntityData;
    use crate::schema::alter_client_quotas_request::OpData;

    fn entry(entity: &[(&str, Option<&str>)], ops: &[(&str, Option<f64>)]) -> EntryData {
        let part = |(kind, name): &(&str, Option<&str>)| EntityData {
            entity_type: (*kind).into(),
            entity_name: name.map(|name| name.into()),
        };
        let op = |(key, value): &(&str, Option<f64>)| OpData {
            key: (*key).into(),
            value: value.unwrap_or_default(),
            remove: value.is_none(),
        };
        EntryData {
            entity: entity.iter().map(part).collect(),
            ops: ops.iter().map(op).collect(),
        }
    }

    #[test]
    fn quotas_are_checked_by_entity_and_key() {
        let user: &[(&str, Option<&str>)] = &[("user", Some("u"))];
        for (entity, key, value, message) in [
            (user, "producer_byte_rate", 10.0, None),
            (user, "request_percentage", 0.5, None),
            (
                user,
                "producer_byte_rate",
                0.5,
                Some("producer_byte_rate cannot be a fractional value."),
            ),
            (
                user,
                "producer_byte_rate",
                0.0,
                Some("Quota producer_byte_rate must be greater than 0"),
            ),
            (
                user,
                "connection_creation_rate",
                1.0,
                Some("Invalid configuration key connection_creation_rate"),
            ),
            (&[("ip", Some("1.2.3.4"))], "connection_creation_rate", 1.0, None),
            (
                &[("ip", None)],
                "connection_creation_rate",
                1e10,
                Some("Proposed value for connection_creation_rate is too large for an INT."),
            ),
            (
                &[("ip", Some("no where"))],
                "connection_creation_rate",
                1.0,
                Some("no where is not a valid IP or resolvable host."),
            ),
            (
                &[("pet", Some("cat"))],
                "producer_byte_rate",
                1.0,
                Some("Unhandled client quota entity type: pet"),
            ),
            (
                &[("user", Some(""))],
                "producer_byte_rate",
                1.0,
                Some("Empty user not supported"),
            ),
            (
                &[],
                "producer_byte_rate",
                1.0,
                Some("Invalid empty client quota entity"),
            ),
            (
                &[("user", None), ("ip", None)],
                "producer_byte_rate",
                1.0,
                Some("Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId"),
            ),
        ] {
            let mut world = World::with_brokers(1);
            let request = AlterClientQuotasRequest {
                entries: vec![entry(entity, &[(key, Some(value))])],
                validate_only: false,
            };
            let reply = world.run(|controller, _| controller.alter_client_quotas(&request));
            assert_eq!(reply.entries[0].error_message.as_deref(), message, "{entity:?} {key}");
            assert_eq!(world.image().quotas().count(), usize::from(message.is_none()));
        }
    }

    #[test]
    fn the_last_quota_takes_its_entity_with_it() {
        let mut world = World::with_brokers(1);
        for (value, left) in [(Some(5.0), 1), (Some(5.0), 1), (None, 0), (None, 0)] {
            let entries = vec![entry(&[("client-id", None)], &[("consumer_byte_rate", value)])];
            let request = AlterClientQuotasRequest {
                entries,
                validate_only: false,
            };
            world.run(|controller, _| controller.alter_client_quotas(&request));
            assert_eq!(world.image().quotas().count(), left);
        }
    }
}
