//! Makes empty folders into a node's: `meta.properties`, `bootstrap.checkpoint` and the first snapshot of the metadata
//! log, exactly as Kafka's storage tool leaves them.

pub mod checkpoint;
pub mod date;
pub mod error;
pub mod features;
pub mod folders;
pub mod plan;
pub mod scram;
pub mod start;
pub mod voters;

pub use error::FormatError;
pub use folders::format_folders;
pub use plan::Plan;

/// What a formatter cannot know by itself.
pub struct World<'a> {
    pub now: crate::types::Timestamp,
    pub random: &'a mut dyn FnMut(&mut [u8]),
}

impl World<'_> {
    /// An id that means nothing yet and can be given on a command line without looking like an option.
    pub fn fresh_id(&mut self) -> crate::types::Uuid {
        loop {
            let mut bytes = [0; 16];
            (self.random)(&mut bytes);
            let id = crate::types::Uuid::from_random(bytes);
            if !id.is_reserved() && !id.to_string().starts_with('-') {
                return id;
            }
        }
    }
}
