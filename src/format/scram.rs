//! SCRAM credentials: computed from a password, and read from the notation of `--add-scram`.

use crate::auth::scram::Mechanism;
use crate::format::World;
use crate::format::error::FormatError;
use crate::schema::user_scram_credential_record::UserScramCredentialRecord;
use bytes::Bytes;
use std::collections::BTreeMap;

const LEAST_ITERATIONS: i32 = 4096;
const MOST_ITERATIONS: i32 = 16_384;

/// Reads `SCRAM-SHA-256=[name=alice,password=secret]` and computes the credential.
pub fn parse(argument: &str, world: &mut World<'_>) -> Result<UserScramCredentialRecord, FormatError> {
    let argument = argument.trim();
    let Some((mechanism, rest)) = argument.split_once('=') else {
        return Err(FormatError(format!(
            "Failed to find equals sign in SCRAM argument '{argument}'"
        )));
    };
    let Some(mechanism) = Mechanism::from_name(mechanism) else {
        return Err(FormatError(format!(
            "The add-scram mechanism {mechanism} is not supported."
        )));
    };
    let rest = rest
        .strip_prefix('[')
        .ok_or(FormatError::new("Expected configuration string to start with ["))?;
    let rest = rest
        .strip_suffix(']')
        .ok_or(FormatError::new("Expected configuration string to end with ]"))?;
    credential(mechanism, components(rest)?, world)
}

fn components(text: &str) -> Result<BTreeMap<&str, &str>, FormatError> {
    let mut components = BTreeMap::new();
    for component in text.trim_end_matches(',').split(',') {
        let Some((name, value)) = component.split_once('=') else {
            return Err(FormatError(format!(
                "No equals sign found in SCRAM component: {component}"
            )));
        };
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        components.insert(name, unquoted.unwrap_or(value));
    }
    Ok(components)
}

fn credential(
    mechanism: Mechanism,
    mut given: BTreeMap<&str, &str>,
    world: &mut World<'_>,
) -> Result<UserScramCredentialRecord, FormatError> {
    let name = given
        .remove("name")
        .ok_or(FormatError::new("You must supply 'name' to add-scram"))?;
    let salt = match given.remove("salt") {
        Some(text) => Some(base64(text).ok_or_else(|| FormatError(format!("Failed to decode given salt: {text}")))?),
        None => None,
    };
    let iterations = match given.remove("iterations") {
        Some(text) => text
            .parse()
            .map_err(|_| FormatError(format!("Failed to parse iterations count: {text}")))?,
        None => LEAST_ITERATIONS,
    };
    let (password, salted) = (given.remove("password"), given.remove("saltedpassword"));
    let secret = secret(password, salted, salt.is_some())?;
    if !given.is_empty() {
        let unknown: Vec<&str> = given.into_keys().collect();
        return Err(FormatError(format!(
            "Unknown SCRAM configurations: {}",
            unknown.join(", ")
        )));
    }
    check_iterations(mechanism, iterations)?;
    let salt = salt.unwrap_or_else(|| random_salt(world));
    let salted = match secret {
        Secret::Password(password) => mechanism.salted_password(password, &salt, iterations),
        Secret::Salted(bytes) => bytes,
    };
    Ok(UserScramCredentialRecord {
        name: name.into(),
        mechanism: mechanism as i8,
        salt: Bytes::from(salt),
        stored_key: Bytes::from(mechanism.stored_key(&salted)),
        server_key: Bytes::from(mechanism.server_key(&salted)),
        iterations,
    })
}

enum Secret<'a> {
    Password(&'a str),
    Salted(Vec<u8>),
}

fn secret<'a>(password: Option<&'a str>, salted: Option<&str>, has_salt: bool) -> Result<Secret<'a>, FormatError> {
    match (password, salted) {
        (Some(password), None) => Ok(Secret::Password(password)),
        (Some(password), Some(_)) => Ok(Secret::Password(password)),
        (None, None) => Err(FormatError::new(
            "You must supply one of 'password' or 'saltedpassword' to add-scram",
        )),
        (None, Some(_)) if !has_salt => Err(FormatError::new(
            "You must supply 'salt' with 'saltedpassword' to add-scram",
        )),
        (None, Some(text)) => match base64(text) {
            Some(bytes) => Ok(Secret::Salted(bytes)),
            None => Err(FormatError(format!("Failed to decode given saltedPassword: {text}"))),
        },
    }
}

fn check_iterations(mechanism: Mechanism, iterations: i32) -> Result<(), FormatError> {
    let name = mechanism.constant();
    let refuse = |relation: &str, limit: i32| {
        Err(FormatError(format!(
            "The 'iterations' value must be {relation} {limit} for add-scram using {name}"
        )))
    };
    match iterations {
        few if few < LEAST_ITERATIONS => refuse(">=", LEAST_ITERATIONS),
        many if many > MOST_ITERATIONS => refuse("<=", MOST_ITERATIONS),
        _ => Ok(()),
    }
}

/// Letters and digits, as Kafka's salts are: some of its tools print them.
fn random_salt(world: &mut World<'_>) -> Vec<u8> {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let mut bytes = vec![0; 26];
    (world.random)(&mut bytes);
    bytes.iter().map(|byte| LETTERS[usize::from(byte % 32)]).collect()
}

/// Standard base64, with or without padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    if digits.len() % 4 == 1 || padding > 2 || (padding > 0 && !text.len().is_multiple_of(4)) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let (mut held, mut bits) = (0u32, 0);
    for digit in digits.bytes() {
        let six = ALPHABET.iter().position(|known| *known == digit)? as u32;
        held = (held << 6) | six;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(argument: &str) -> Result<UserScramCredentialRecord, String> {
        let mut random = |bytes: &mut [u8]| bytes.fill(7);
        parse(
            argument,
            &mut World {
                now: 0,
                random: &mut random,
            },
        )
        .map_err(|error| error.0)
    }

    /// As Apache Kafka computed them.
    #[test]
    fn credentials_are_those_of_kafka() {
        let alice = read("SCRAM-SHA-256=[name=alice,salt=MWZqYW4zdnZpNGtsYndlZDN1amg1eWFibno=,password=alice-secret]");
        let alice = alice.expect("alice");
        assert_eq!(
            (alice.name.as_str(), alice.mechanism, alice.iterations),
            ("alice", 1, 4096)
        );
        assert_eq!(alice.stored_key[..4], [0xb2, 0x73, 0x41, 0x2d]);
        assert_eq!(alice.server_key[..4], [0x6b, 0x40, 0xbe, 0xfe]);
        let bob = read("SCRAM-SHA-512=[name=bob,iterations=8192,salt=\"N3E=\",saltedpassword=\"YCE=\"]").expect("bob");
        assert_eq!((bob.mechanism, bob.iterations, &bob.salt[..]), (2, 8192, &b"7q"[..]));
        assert_eq!(bob.stored_key[..4], [0x71, 0x76, 0xa3, 0x49]);
        assert_eq!(bob.server_key[..4], [0x4c, 0x61, 0x7c, 0x0e]);
        assert_eq!(
            read("SCRAM-SHA-256=[name=a,password=b]")
                .expect("random salt")
                .salt
                .len(),
            26
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_in_the_words_of_kafka() {
        for (argument, said) in [
            ("SCRAM", "Failed to find equals sign in SCRAM argument 'SCRAM'"),
            ("MD5=[]", "The add-scram mechanism MD5 is not supported."),
            ("SCRAM-SHA-256=name", "Expected configuration string to start with ["),
            ("SCRAM-SHA-256=[name=a", "Expected configuration string to end with ]"),
            ("SCRAM-SHA-256=[name]", "No equals sign found in SCRAM component: name"),
            ("SCRAM-SHA-256=[password=a]", "You must supply 'name' to add-scram"),
            (
                "SCRAM-SHA-256=[name=a]",
                "You must supply one of 'password' or 'saltedpassword' to add-scram",
            ),
            (
                "SCRAM-SHA-256=[name=a,saltedpassword=YCE=]",
                "You must supply 'salt' with 'saltedpassword' to add-scram",
            ),
            (
                "SCRAM-SHA-256=[name=a,password=b,salt=%]",
                "Failed to decode given salt: %",
            ),
            (
                "SCRAM-SHA-256=[name=a,salt=YCE=,saltedpassword=Y]",
                "Failed to decode given saltedPassword: Y",
            ),
            (
                "SCRAM-SHA-256=[name=a,password=b,iterations=x]",
                "Failed to parse iterations count: x",
            ),
            (
                "SCRAM-SHA-256=[name=a,password=b,iterations=4095]",
                "The 'iterations' value must be >= 4096 for add-scram using SCRAM_SHA_256",
            ),
            (
                "SCRAM-SHA-512=[name=a,password=b,iterations=16385]",
                "The 'iterations' value must be <= 16384 for add-scram using SCRAM_SHA_512",
            ),
            (
                "SCRAM-SHA-256=[name=a,password=b,c=d]",
                "Unknown SCRAM configurations: c",
            ),
        ] {
            assert_eq!(read(argument).map(|_| ()), Err(said.to_owned()));
        }
    }
}
