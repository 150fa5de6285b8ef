//! Log levels as a resource (BROKER_LOGGER): they are read and changed like configurations, but not stored.

use crate::config::alter::Change;
use crate::config::alter::Operation;
use crate::config::describe::Entry;
use crate::config::describe::Source;
use crate::config::error::ConfigError;
use crate::types::NodeId;
use std::collections::BTreeMap;

pub const ROOT: &str = "root";
const LEVELS: [&str; 6] = ["DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN"];

/// Whoever writes the log.
pub trait Loggers {
    /// Names with their levels, the root's among them.
    fn levels(&self) -> BTreeMap<String, String>;
    fn set(&self, logger: &str, level: &str);
    /// Back to the level of the logger above.
    fn unset(&self, logger: &str);
}

pub fn describe(loggers: &dyn Loggers) -> Vec<Entry> {
    let levels = loggers.levels().into_iter();
    levels
        .map(|(name, level)| Entry {
            name,
            value: Some(level),
            read_only: false,
            source: Source::BrokerLogger,
            sensitive: false,
            synonyms: Vec::new(),
            kind: None,
            documentation: None,
        })
        .collect()
}

/// The resource's name must be this node's id.
pub fn check_described(resource: &str, node: NodeId) -> Result<(), ConfigError> {
    let refuse = |text: String| Err(ConfigError::BadRequest(text));
    match resource.parse::<NodeId>() {
        _ if resource.is_empty() => refuse("Broker id must not be empty".to_owned()),
        Err(_) => refuse(format!("Broker id must be an integer, but it is: {resource}")),
        Ok(id) if id != node => refuse(format!("Unexpected broker id, expected {node} but received {resource}")),
        Ok(_) => Ok(()),
    }
}

/// All changes or none.
pub fn alter(loggers: &dyn Loggers, node: NodeId, resource: &str, changes: &[Change]) -> Result<(), ConfigError> {
    check_altered(loggers, node, resource, changes)?;
    for change in changes {
        match (&change.operation, &change.value) {
            (Operation::Set, Some(level)) => loggers.set(&change.name, level),
            _ => loggers.unset(&change.name),
        }
    }
    Ok(())
}

/// What `alter` would say, without altering.
pub fn check_altered(
    loggers: &dyn Loggers,
    node: NodeId,
    resource: &str,
    changes: &[Change],
) -> Result<(), ConfigError> {
    let refuse = |text: String| Err(ConfigError::BadRequest(text));
    match resource.parse::<NodeId>() {
        Err(_) => return refuse(format!("Node id must be an integer, but it is: {resource}")),
        Ok(id) if id != node => return refuse(format!("Unexpected node id. Expected {node}, but received {id}")),
        Ok(_) => {}
    }
    let levels = loggers.levels();
    changes.iter().try_for_each(|change| check_one(&levels, change))
}

fn check_one(levels: &BTreeMap<String, String>, change: &Change) -> Result<(), ConfigError> {
    let name = &change.name;
    let refuse = |text: String| Err(ConfigError::BadRequest(text));
    let exists = match levels.contains_key(name) {
        true => Ok(()),
        false => Err(ConfigError::Refused(format!("Logger {name} does not exist!"))),
    };
    match &change.operation {
        Operation::Set => {
            exists?;
            let level = change.value.as_deref().unwrap_or("null");
            match LEVELS.contains(&level) {
                true => Ok(()),
                false => Err(ConfigError::Refused(format!(
                    "Cannot set the log level of {name} to {level} as it is not a supported log level. Valid log levels \
                     are {}",
                    LEVELS.join(", ")
                ))),
            }
        }
        Operation::Delete => {
            exists?;
            match name.as_str() {
                ROOT => refuse(format!("Removing the log level of the {ROOT} logger is not allowed")),
                _ => Ok(()),
            }
        }
        operation @ (Operation::Append | Operation::Subtract) => refuse(format!(
            "{} operation is not allowed for the BROKER_LOGGER resource",
            operation.name()
        )),
        Operation::Unknown(number) => refuse(format!(
            "Unknown operation type {number} is not allowed for the BROKER_LOGGER resource"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    struct Fake(RefCell<BTreeMap<String, String>>);

    impl Loggers for Fake {
        fn levels(&self) -> BTreeMap<String, String> {
            self.0.borrow().clone()
        }

        fn set(&self, logger: &str, level: &str) {
            self.0.borrow_mut().insert(logger.to_owned(), level.to_owned());
        }

        fn unset(&self, logger: &str) {
            self.0.borrow_mut().insert(logger.to_owned(), "INFO".to_owned());
        }
    }

    fn fake() -> Fake {
        let levels = [("root", "INFO"), ("ottla::net", "WARN")];
        Fake(RefCell::new(
            levels.map(|(name, level)| (name.to_owned(), level.to_owned())).into(),
        ))
    }

    fn change(name: &str, operation: i8, value: Option<&str>) -> Change {
        Change {
            name: name.to_owned(),
            operation: Operation::from(operation),
            value: value.map(str::to_owned),
        }
    }

    #[test]
    fn a_level_is_set_and_unset() {
        let loggers = fake();
        assert_eq!(
            alter(&loggers, 1, "1", &[change("ottla::net", 0, Some("TRACE"))]),
            Ok(())
        );
        assert_eq!(describe(&loggers)[0].value.as_deref(), Some("TRACE"));
        assert_eq!(alter(&loggers, 1, "1", &[change("ottla::net", 1, None)]), Ok(()));
        assert_eq!(describe(&loggers)[0].value.as_deref(), Some("INFO"));
    }

    #[test]
    fn one_wrong_change_stops_all_of_them() {
        let loggers = fake();
        for (name, operation, value, message) in [
            ("none", 0, Some("INFO"), "Logger none does not exist!"),
            (
                "root",
                0,
                Some("info"),
                "Cannot set the log level of root to info as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN",
            ),
            (
                "root",
                1,
                None,
                "Removing the log level of the root logger is not allowed",
            ),
            (
                "root",
                2,
                Some("INFO"),
                "APPEND operation is not allowed for the BROKER_LOGGER resource",
            ),
            (
                "root",
                9,
                Some("INFO"),
                "Unknown operation type 9 is not allowed for the BROKER_LOGGER resource",
            ),
        ] {
            let changes = [change("ottla::net", 0, Some("DEBUG")), change(name, operation, value)];
            let refused = alter(&loggers, 1, "1", &changes).map_err(|error| error.message());
            assert_eq!(refused, Err(message.to_owned()));
        }
        assert_eq!(loggers.levels().get("ottla::net").map(String::as_str), Some("WARN"));
        assert!(alter(&loggers, 1, "2", &[]).is_err() && alter(&loggers, 1, "x", &[]).is_err());
    }
}
