//! Why the controller does not do what it was asked for, in Kafka's numbers and words.

use crate::types::ErrorCode;
use compact_str::CompactString;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: ErrorCode,
    /// `None` where Kafka sends null.
    pub message: Option<CompactString>,
}

impl Refusal {
    pub fn new(code: ErrorCode, message: impl Into<CompactString>) -> Refusal {
        Refusal {
            code,
            message: Some(message.into()),
        }
    }

    /// With the text that the error has anyway.
    pub fn plain(code: ErrorCode) -> Refusal {
        Refusal::new(code, code.text())
    }

    /// Without any text.
    pub fn bare(code: ErrorCode) -> Refusal {
        Refusal { code, message: None }
    }

    pub(super) fn too_large() -> Refusal {
        Refusal::new(
            ErrorCode::PolicyViolation,
            "Unable to perform excessively large batch operation.",
        )
    }
}

/// Code and message of an answer's row: zero and null if all went well.
pub(super) fn answer(result: &Result<(), Refusal>) -> (i16, Option<CompactString>) {
    match result {
        Ok(()) => (0, None),
        Err(refusal) => (refusal.code.code(), refusal.message.clone()),
    }
}
