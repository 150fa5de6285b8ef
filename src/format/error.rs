//! Why folders are not formatted; the text is Kafka's.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError(pub String);

impl FormatError {
    pub fn new(text: impl Into<String>) -> FormatError {
        FormatError(text.into())
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FormatError {}
