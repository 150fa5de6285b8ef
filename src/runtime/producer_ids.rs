//! Producer ids for idempotent producers: the controller gives blocks of them away, this broker gives them out.

use crate::types::ErrorCode;
use crate::types::ProducerId;
use std::ops::Range;
use tokio::sync::Mutex;

#[derive(Default)]
pub struct ProducerIds {
    left: Mutex<Range<ProducerId>>,
}

impl ProducerIds {
    /// The next id; `fetch` asks the controller for a block when the last one is used up. Whoever comes meanwhile waits
    /// for the same block.
    pub async fn next<F>(&self, fetch: impl FnOnce() -> F) -> Result<ProducerId, ErrorCode>
    where
        F: Future<Output = Result<Range<ProducerId>, ErrorCode>>,
    {
        let mut left = self.left.lock().await;
        if left.is_empty() {
            *left = fetch().await?;
        }
        left.next().ok_or(ErrorCode::CoordinatorNotAvailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_block_is_used_up_before_the_next_is_fetched() {
        let ids = ProducerIds::default();
        let mut given = Vec::new();
        for block in [0..2, 10..12, 20..22] {
            given.push(ids.next(|| async { Ok(block) }).await);
        }
        assert_eq!(given, [Ok(0), Ok(1), Ok(20)]);
        let used_up = ProducerIds::default();
        assert_eq!(
            used_up.next(|| async { Ok(0..0) }).await,
            Err(ErrorCode::CoordinatorNotAvailable)
        );
    }
}
