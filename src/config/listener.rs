//! Listeners: `NAME://host:port`, the map from names to security protocols, and which of them may stand side by side.

use crate::config::error::ConfigError;
use crate::config::value;
use crate::config::voters;
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i16)]
pub enum SecurityProtocol {
    Plaintext = 0,
    Ssl = 1,
    SaslPlaintext = 2,
    SaslSsl = 3,
}

impl SecurityProtocol {
    pub fn from_name(name: &str) -> Option<SecurityProtocol> {
        let all = [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl];
        all.into_iter()
            .find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        }
    }

    pub fn uses_sasl(self) -> bool {
        matches!(self, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl)
    }

    pub fn uses_tls(self) -> bool {
        matches!(self, SecurityProtocol::Ssl | SecurityProtocol::SaslSsl)
    }
}

/// Listener names, in capitals, with their protocols.
pub type ProtocolMap = BTreeMap<String, SecurityProtocol>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// In capitals.
    pub listener: String,
    pub protocol: SecurityProtocol,
    /// None listens on every interface, and is advertised as the name of this machine.
    pub host: Option<String>,
    pub port: i32,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or("");
        match host.contains(':') {
            true => write!(f, "{}://[{host}]:{}", self.listener, self.port),
            false => write!(f, "{}://{host}:{}", self.listener, self.port),
        }
    }
}

/// Reads a list of listeners. Those that are opened must not share a port; advertised ones may.
pub fn parse_listeners(entries: &[String], map: &ProtocolMap, opened: bool) -> Result<Vec<Endpoint>, ConfigError> {
    let parsed: Result<Vec<Endpoint>, String> = entries.iter().map(|entry| parse_listener(entry, map)).collect();
    let checked = parsed.and_then(|endpoints| distinct(&endpoints, entries, opened).map(|()| endpoints));
    checked.map_err(|reason| {
        let list = entries.join(", ");
        ConfigError::Invalid(format!("Error creating broker listeners from '[{list}]': {reason}"))
    })
}

fn parse_listener(entry: &str, map: &ProtocolMap) -> Result<Endpoint, String> {
    let unreadable = || format!("Unable to parse {entry} to a broker endpoint");
    let (name, address) = entry.rsplit_once("://").ok_or_else(unreadable)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(unreadable)?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    let digits = port.strip_prefix('-').unwrap_or(port);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) || !voters::is_host(host) {
        return Err(unreadable());
    }
    let listener = normalized(name)?;
    let range = || format!("Port {port} of listener {listener} must be between 0 and 65535");
    let number = port.parse::<u16>().map_err(|_| range())?;
    let protocol = map
        .get(&listener)
        .ok_or_else(|| format!("No security protocol defined for listener {listener}"))?;
    Ok(Endpoint {
        protocol: *protocol,
        host: (!host.is_empty()).then(|| host.to_owned()),
        port: i32::from(number),
        listener,
    })
}

/// A listener's name as Kafka compares it.
pub fn normalized(name: &str) -> Result<String, String> {
    match name.trim().is_empty() {
        true => Err("The provided listener name is null or empty string".to_owned()),
        false => Ok(name.to_uppercase()),
    }
}

fn distinct(endpoints: &[Endpoint], entries: &[String], opened: bool) -> Result<(), String> {
    let list = format!("[{}]", entries.join(", "));
    let mut names: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.listener.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() != endpoints.len() {
        return Err(format!("Each listener must have a different name, listeners: {list}"));
    }
    let mut by_port: BTreeMap<i32, Vec<&Endpoint>> = BTreeMap::new();
    for endpoint in endpoints.iter().filter(|endpoint| opened && endpoint.port != 0) {
        by_port.entry(endpoint.port).or_default().push(endpoint);
    }
    by_port
        .iter()
        .try_for_each(|(port, sharing)| may_share(*port, sharing, &list))
}

/// Two listeners may share a port when one has an IPv4 address and the other an IPv6 address.
fn may_share(port: i32, sharing: &[&Endpoint], list: &str) -> Result<(), String> {
    let families: Vec<Option<bool>> = sharing
        .iter()
        .map(|endpoint| is_ipv4(endpoint.host.as_deref()))
        .collect();
    let unnamed = families.iter().filter(|family| family.is_none()).count();
    let addresses: Vec<bool> = families.into_iter().flatten().collect();
    if sharing.len() < 2 {
        return Ok(());
    }
    if unnamed > 1 {
        return Err(format!("Each listener must have a different port, listeners: {list}"));
    }
    match addresses[..] {
        [] => Ok(()),
        [first, second] if first != second && unnamed == 0 => Ok(()),
        [_, _] => Err(format!(
            "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, listeners: \
             {list}, port: {port}"
        )),
        _ => Err(format!(
            "Each listener must have a different port unless exactly one listener has an IPv4 address and the other \
             IPv6 address, listeners: {list}, port: {port}"
        )),
    }
}

/// None for a host that is no address.
fn is_ipv4(host: Option<&str>) -> Option<bool> {
    let host = host?;
    let address = host.split_once('%').map_or(host, |(address, _)| address);
    match (host.parse::<Ipv4Addr>(), address.parse::<Ipv6Addr>()) {
        (Ok(_), _) => Some(true),
        (_, Ok(_)) => Some(false),
        _ => None,
    }
}

/// Reads `listener.security.protocol.map`.
pub fn parse_protocol_map(text: &str) -> Result<ProtocolMap, ConfigError> {
    let mut map = ProtocolMap::new();
    for (name, protocol) in pairs("listener.security.protocol.map", text)? {
        let protocol = SecurityProtocol::from_name(&protocol).ok_or_else(|| {
            let known = "one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL is needed";
            ConfigError::Invalid(format!(
                "Invalid security protocol `{protocol}` defined in listener.security.protocol.map: {known}"
            ))
        })?;
        map.insert(normalized(&name).map_err(ConfigError::Invalid)?, protocol);
    }
    Ok(map)
}

/// Reads `a:1,b:c:2`: the last colon of an entry separates.
pub fn pairs(name: &str, text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let entries = value::list(value::trim(text));
    let filled = entries.iter().filter(|entry| !entry.is_empty());
    filled
        .map(|entry| match entry.rsplit_once(':') {
            Some((left, right)) => Ok((left.trim().to_owned(), right.trim().to_owned())),
            None => Err(ConfigError::Invalid(format!(
                "Error parsing configuration property '{name}': `{entry}` has no colon; entries are name:value"
            ))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Endpoint>, ConfigError> {
        let map = parse_protocol_map("PLAINTEXT:PLAINTEXT,TC-0:PLAINTEXT,IN_SIDE:SASL_SSL,C:ssl").expect("map");
        parse_listeners(&value::list(text), &map, true)
    }

    #[test]
    fn listeners_are_read_in_all_their_forms() {
        for (text, shown) in [
            ("PLAINTEXT://:9092", "PLAINTEXT://:9092"),
            ("plaintext://localhost:9092", "PLAINTEXT://localhost:9092"),
            ("TC-0://0.0.0.0:0", "TC-0://0.0.0.0:0"),
            ("IN_SIDE://[::1]:9093", "IN_SIDE://[::1]:9093"),
            ("C://::1:9093", "C://[::1]:9093"),
            (
                "PLAINTEXT://fe80::1%eth0:1 , C://127.0.0.1:1",
                "PLAINTEXT://[fe80::1%eth0]:1 C://127.0.0.1:1",
            ),
        ] {
            let shown_back: Vec<String> = parse(text).expect(text).iter().map(Endpoint::to_string).collect();
            assert_eq!(shown_back.join(" "), shown);
        }
    }

    #[test]
    fn a_wrong_listener_is_refused_with_a_reason() {
        for (text, reason) in [
            ("PLAINTEXT:9092", "Unable to parse PLAINTEXT:9092 to a broker endpoint"),
            ("PLAINTEXT://h", "Unable to parse PLAINTEXT://h to a broker endpoint"),
            ("PLAINTEXT://h:", "Unable to parse PLAINTEXT://h: to a broker endpoint"),
            (
                "PLAINTEXT://h/:1",
                "Unable to parse PLAINTEXT://h/:1 to a broker endpoint",
            ),
            (
                "PLAINTEXT://h:70000",
                "Port 70000 of listener PLAINTEXT must be between 0 and 65535",
            ),
            (
                "PLAINTEXT://h:-1",
                "Port -1 of listener PLAINTEXT must be between 0 and 65535",
            ),
            ("NOPE://h:1", "No security protocol defined for listener NOPE"),
            ("://h:1", "The provided listener name is null or empty string"),
        ] {
            let whole = format!("Error creating broker listeners from '[{text}]': {reason}");
            assert_eq!(parse(text).map_err(|error| error.to_string()), Err(whole));
        }
    }

    #[test]
    fn names_and_ports_are_distinct_but_for_two_address_families() {
        for (text, valid) in [
            ("PLAINTEXT://:1,C://:2", true),
            ("PLAINTEXT://:1,plaintext://:2", false),
            ("PLAINTEXT://a:1,C://b:1", false),
            ("PLAINTEXT://:0,C://:0", true),
            ("PLAINTEXT://127.0.0.1:1,C://[::1]:1", true),
            ("PLAINTEXT://127.0.0.1:1,C://127.0.0.2:1", false),
            ("PLAINTEXT://127.0.0.1:1,C://[::1]:1,TC-0://h:1", false),
            ("PLAINTEXT://127.0.0.1:1,C://h:1", false),
        ] {
            assert_eq!(parse(text).is_ok(), valid, "{text}");
        }
    }

    #[test]
    fn no_listener_text_whatever_stops_the_reader() {
        let pieces = [
            "PLAINTEXT",
            "://",
            ":",
            "[",
            "]",
            "::1",
            "9",
            "-",
            ",",
            " ",
            "%",
            "é",
            "99999999999999999999",
        ];
        for seed in 0..pieces.len().pow(4) {
            let chosen = (0..4).map(|place| pieces[seed / pieces.len().pow(place) % pieces.len()]);
            let text: String = chosen.collect();
            if let Ok(endpoints) = parse(&text) {
                assert!(
                    endpoints.iter().all(|endpoint| (0..=65535).contains(&endpoint.port)),
                    "{text}"
                );
            }
        }
    }
}
