//! The controllers that a metadata log begins with: `id@host:port:directory id`.

use crate::format::error::FormatError;
use crate::types::NodeId;
use crate::types::Uuid;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    pub id: NodeId,
    pub directory: Uuid,
    pub host: String,
    pub port: u16,
}

/// Reads a list; voters come out ordered by id.
pub fn parse(text: &str) -> Result<Vec<Voter>, FormatError> {
    let mut voters = BTreeMap::new();
    for entry in text.trim().split(',').filter(|entry| !entry.is_empty()) {
        let voter = parse_one(entry.trim()).map_err(FormatError::new)?;
        let id = voter.id;
        if voters.insert(id, voter).is_some() {
            return Err(FormatError(format!("Node id {id} was specified more than once.")));
        }
    }
    match voters.is_empty() {
        true => Err(FormatError::new("No voters given.")),
        false => Ok(voters.into_values().collect()),
    }
}

fn parse_one(text: &str) -> Result<Voter, String> {
    let (id, rest) = text.split_once('@').ok_or("No @ found in dynamic voter string.")?;
    if id.is_empty() {
        return Err("Invalid @ at beginning of dynamic voter string.".to_owned());
    }
    let id: NodeId = id
        .parse()
        .map_err(|_| "Failed to parse node id in dynamic voter string.")?;
    if id < 0 {
        return Err(format!("Invalid negative node id {id} in dynamic voter string."));
    }
    if rest.is_empty() {
        return Err("No hostname found after node id.".to_owned());
    }
    let (host, rest) = match rest.strip_prefix('[') {
        Some(rest) => {
            let missing = "Hostname began with left bracket, but no right bracket was found.";
            let (host, rest) = rest.split_once(']').ok_or(missing)?;
            (
                host,
                rest.strip_prefix(':').ok_or("Port section must start with a colon.")?,
            )
        }
        None => rest
            .split_once(':')
            .ok_or("No colon following hostname could be found.")?,
    };
    let (port, directory) = rest.split_once(':').ok_or("No colon following port could be found.")?;
    let port: i32 = port
        .parse()
        .map_err(|_| "Failed to parse port in dynamic voter string.")?;
    let port = u16::try_from(port).map_err(|_| format!("Invalid port {port} in dynamic voter string."))?;
    let directory = Uuid::parse(directory).ok_or("Failed to parse directory ID in dynamic voter string.")?;
    Ok(Voter {
        id,
        directory,
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "JEXY6aqzQY-32P5TStzaFg";

    #[test]
    fn voters_are_read_and_ordered() {
        let voters = parse(&format!("2@[::1]:9093:{ID},0@host.example:8082:{ID},")).expect("voters");
        let shown: Vec<String> = voters
            .iter()
            .map(|voter| format!("{} {} {}", voter.id, voter.host, voter.port))
            .collect();
        assert_eq!(shown, ["0 host.example 8082", "2 ::1 9093"]);
        assert_eq!(
            voters.first().map(|voter| voter.directory.to_string()),
            Some(ID.to_owned())
        );
    }

    #[test]
    fn a_wrong_voter_is_refused_in_the_words_of_kafka() {
        for (text, said) in [
            ("", "No voters given."),
            ("1", "No @ found in dynamic voter string."),
            ("@h", "Invalid @ at beginning of dynamic voter string."),
            ("x@h", "Failed to parse node id in dynamic voter string."),
            ("-1@h", "Invalid negative node id -1 in dynamic voter string."),
            ("1@", "No hostname found after node id."),
            (
                "1@[::1",
                "Hostname began with left bracket, but no right bracket was found.",
            ),
            ("1@[::1]1", "Port section must start with a colon."),
            ("1@h", "No colon following hostname could be found."),
            ("1@h:1", "No colon following port could be found."),
            ("1@h:x:y", "Failed to parse port in dynamic voter string."),
            ("1@h:65536:y", "Invalid port 65536 in dynamic voter string."),
            ("1@h:1:y", "Failed to parse directory ID in dynamic voter string."),
        ] {
            assert_eq!(parse(text), Err(FormatError::new(said)), "{text}");
        }
        let twice = format!("1@h:1:{ID},1@h:2:{ID}");
        assert_eq!(
            parse(&twice),
            Err(FormatError::new("Node id 1 was specified more than once."))
        );
    }
}
