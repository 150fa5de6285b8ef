//! Why a configuration or a change of it is refused; the messages are Kafka's, because people and tests search for them.

use crate::types::ErrorCode;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A value breaks the rule of its key, or keys contradict each other.
    Invalid(String),
    /// Keys contradict each other; Kafka prefixes the message where it answers a request.
    Requirement(String),
    /// A change that is refused whoever asks: an unknown key, an operation that does not fit.
    Refused(String),
    /// A request that makes no sense.
    BadRequest(String),
}

impl ConfigError {
    /// What Kafka says of a value, with or without a reason.
    pub fn value(name: &str, value: &str, reason: &str) -> ConfigError {
        ConfigError::Invalid(format!("Invalid value {value} for configuration {name}: {reason}"))
    }

    /// What the controller answers.
    pub fn code(&self) -> ErrorCode {
        match self {
            ConfigError::Invalid(_) | ConfigError::Refused(_) => ErrorCode::InvalidConfig,
            ConfigError::Requirement(_) => ErrorCode::UnknownServerError,
            ConfigError::BadRequest(_) => ErrorCode::InvalidRequest,
        }
    }

    /// The text of a response.
    pub fn message(&self) -> String {
        match self {
            ConfigError::Requirement(text) => format!("requirement failed: {text}"),
            _ => self.to_string(),
        }
    }
}

/// One line for the person who starts the broker.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ConfigError::Invalid(text)
        | ConfigError::Requirement(text)
        | ConfigError::Refused(text)
        | ConfigError::BadRequest(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for ConfigError {}
