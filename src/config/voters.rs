//! Addresses of controllers as configurations write them: `id@host:port` and `host:port`.

use crate::config::error::ConfigError;
use crate::types::NodeId;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub port: i32,
}

/// The entries of `controller.quorum.voters`, in their order.
pub fn parse_voters(entries: &[String]) -> Result<Vec<(NodeId, Address)>, ConfigError> {
    entries.iter().map(|entry| parse_voter(entry)).collect()
}

fn parse_voter(entry: &str) -> Result<(NodeId, Address), ConfigError> {
    let mut parts: Vec<&str> = entry.split('@').collect();
    while parts.last() == Some(&"") {
        parts.pop();
    }
    let [id, address] = parts[..] else {
        return Err(ConfigError::Invalid(
            "Invalid configuration value for controller.quorum.voters. Each entry should be in the form \
             `{id}@{host}:{port}`."
                .to_owned(),
        ));
    };
    let parsed = id.parse::<NodeId>();
    let id = parsed.map_err(|_| ConfigError::Invalid(format!("Failed to parse voter ID as an integer from {id}")))?;
    let address = parse_address(address).map_err(|part| {
        ConfigError::Invalid(format!(
            "Failed to parse host {part} from entry {entry} for the configuration controller.quorum.voters. Each \
             entry should be in the form `{{id}}@{{host}}:{{port}}`."
        ))
    })?;
    Ok((id, address))
}

/// An entry of `controller.quorum.bootstrap.servers`.
pub fn parse_server(entry: &str) -> Result<Address, ConfigError> {
    parse_address(entry).map_err(|part| {
        ConfigError::Invalid(format!(
            "Failed to parse host {part} from {entry} for the configuration controller.quorum.bootstrap.servers. Each \
             entry should be in the form \"{{host}}:{{port}}\""
        ))
    })
}

/// `host:port`, perhaps with a protocol before it and brackets around the host; the error names the part that is wrong.
pub fn parse_address(text: &str) -> Result<Address, &'static str> {
    let address = match text.split_once("://") {
        Some((protocol, rest))
            if protocol
                .chars()
                .all(|character| is_host_char(character) && character != ':') =>
        {
            rest
        }
        _ => text,
    };
    let (host, port) = address.rsplit_once(':').ok_or("name")?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) || !is_host(host) {
        return Err("name");
    }
    let port = port.parse().map_err(|_| "port")?;
    Ok(Address {
        host: host.to_owned(),
        port,
    })
}

/// Has no characters that neither a name nor an address may have.
pub fn is_host(text: &str) -> bool {
    text.chars().all(is_host_char)
}

fn is_host_char(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-%._:".contains(character)
}
