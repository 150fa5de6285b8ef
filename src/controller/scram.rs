//! AlterUserScramCredentials: keys are made here, passwords never reach the log.

use crate::auth::scram::Mechanism;
use crate::controller::Controller;
use crate::controller::Outcome;
use crate::controller::Refusal;
use crate::controller::refusal::answer;
use crate::metadata::MetadataRecord;
use crate::schema::alter_user_scram_credentials_request::AlterUserScramCredentialsRequest;
use crate::schema::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use crate::schema::alter_user_scram_credentials_response::AlterUserScramCredentialsResponse;
use crate::schema::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use crate::schema::remove_user_scram_credential_record::RemoveUserScramCredentialRecord;
use crate::schema::user_scram_credential_record::UserScramCredentialRecord;
use crate::types::ErrorCode;
use compact_str::CompactString;
use std::collections::BTreeMap;

const FEWEST_ITERATIONS: i32 = 4096;
const MOST_ITERATIONS: i32 = 16384;

impl Controller {
    pub fn alter_scram(
        &self,
        request: &AlterUserScramCredentialsRequest,
    ) -> Outcome<AlterUserScramCredentialsResponse> {
        let mut users: BTreeMap<CompactString, Result<MetadataRecord, Refusal>> = BTreeMap::new();
        let mut add = |name: &CompactString, record: &dyn Fn() -> Result<MetadataRecord, Refusal>| {
            let result = match users.get(name) {
                Some(Err(_)) => return,
                Some(Ok(_)) => {
                    let message = "A user credential cannot be altered twice in the same request";
                    Err(Refusal::new(ErrorCode::DuplicateResource, message))
                }
                None if !self.level().scram() => {
                    let message = "The current metadata.version does not support SCRAM";
                    Err(Refusal::new(ErrorCode::UnsupportedVersion, message))
                }
                None => record(),
            };
            users.insert(name.clone(), result);
        };
        for deletion in &request.deletions {
            add(&deletion.name, &|| {
                self.delete_scram(&deletion.name, deletion.mechanism)
            });
        }
        for upsertion in &request.upsertions {
            add(&upsertion.name, &|| upsert(upsertion));
        }
        let mut records = Vec::new();
        let mut results = Vec::with_capacity(users.len());
        for (user, result) in users {
            let (error_code, error_message) = answer(&result.map(|record| records.push(record)));
            results.push(AlterUserScramCredentialsResult {
                user,
                error_code,
                error_message,
            });
        }
        Outcome::of(
            records,
            AlterUserScramCredentialsResponse {
                results,
                ..Default::default()
            },
        )
    }

    fn delete_scram(&self, name: &CompactString, mechanism: i8) -> Result<MetadataRecord, Refusal> {
        check_user(name, mechanism)?;
        if self.image().scram(name, mechanism).is_none() {
            let message = "Attempt to delete a user credential that does not exist";
            return Err(Refusal::new(ErrorCode::ResourceNotFound, message));
        }
        Ok(RemoveUserScramCredentialRecord {
            name: name.clone(),
            mechanism,
        }
        .into())
    }
}

fn check_user(name: &str, mechanism: i8) -> Result<Mechanism, Refusal> {
    if name.is_empty() {
        return Err(Refusal::new(
            ErrorCode::UnacceptableCredential,
            "Username must not be empty",
        ));
    }
    let unknown = || Refusal::new(ErrorCode::UnsupportedSaslMechanism, "Unknown SCRAM mechanism");
    Mechanism::from_number(mechanism).ok_or_else(unknown)
}

fn upsert(wanted: &ScramCredentialUpsertion) -> Result<MetadataRecord, Refusal> {
    let mechanism = check_user(&wanted.name, wanted.mechanism)?;
    let unacceptable = |message: &str| Err(Refusal::new(ErrorCode::UnacceptableCredential, message));
    match wanted.iterations {
        ..FEWEST_ITERATIONS => return unacceptable("Too few iterations"),
        MOST_ITERATIONS.. if wanted.iterations > MOST_ITERATIONS => return unacceptable("Too many iterations"),
        _ => {}
    }
    Ok(MetadataRecord::UserScramCredential(UserScramCredentialRecord {
        name: wanted.name.clone(),
        mechanism: wanted.mechanism,
        salt: wanted.salt.clone(),
        stored_key: mechanism.stored_key(&wanted.salted_password).into(),
        server_key: mechanism.server_key(&wanted.salted_password).into(),
        iterations: wanted.iterations,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::World;
    use crate::schema::alter_user_scram_credentials_request::ScramCredentialDeletion;
    use bytes::Bytes;

    fn upsertion(name: &str, mechanism: i8, iterations: i32) -> ScramCredentialUpsertion {
        ScramCredentialUpsertion {
            name: name.into(),
            mechanism,
            iterations,
            salt: Bytes::from_static(b"salt"),
            salted_password: Bytes::from_static(b"password"),
        }
    }

    #[test]
    fn credentials_are_checked_one_by_one() {
        let mut world = World::with_brokers(1);
        let delete = |name: &str| ScramCredentialDeletion {
            name: name.into(),
            mechanism: 1,
        };
        let request = AlterUserScramCredentialsRequest {
            deletions: vec![delete("none"), delete("twice")],
            upsertions: vec![
                upsertion("", 1, 4096),
                upsertion("few", 1, 4095),
                upsertion("good", 2, 16384),
                upsertion("many", 2, 16385),
                upsertion("mech", 3, 4096),
                upsertion("two", 1, 4096),
                upsertion("two", 2, 4096),
            ],
        };
        let reply = world.run(|controller, _| controller.alter_scram(&request));
        let rows: Vec<_> = reply
            .results
            .iter()
            .map(|row| (row.user.as_str(), row.error_code))
            .collect();
        let expected = [
            ("", 93),
            ("few", 93),
            ("good", 0),
            ("many", 93),
            ("mech", 33),
            ("none", 91),
            ("twice", 91),
            ("two", 92),
        ];
        assert_eq!(rows, expected);
        let credential = world.image().scram("good", 2).unwrap();
        assert_eq!((credential.stored_key.len(), credential.server_key.len()), (64, 64));
        assert!(world.image().scram("two", 1).is_none());
        let request = AlterUserScramCredentialsRequest {
            deletions: vec![ScramCredentialDeletion {
                name: "good".into(),
                mechanism: 2,
            }],
            upsertions: Vec::new(),
        };
        world.run(|controller, _| controller.alter_scram(&request));
        assert!(world.image().scram("good", 2).is_none());
    }
}
