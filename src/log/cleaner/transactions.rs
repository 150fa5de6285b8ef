//! Which transactions are under way while the cleaner passes through a log, and which markers nobody needs any more.

use crate::record::batch::Batch;
use crate::record::control::ControlType;
use crate::record::header::BatchHeader;
use crate::storage::txn_index::AbortedTxn;
use crate::types::Offset;
use crate::types::ProducerId;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;

#[derive(Default)]
pub struct Transactions {
    committed: HashSet<ProducerId>,
    aborted: HashMap<ProducerId, Aborted>,
    /// Aborted ones that begin further on.
    ahead: BTreeMap<(Offset, ProducerId), AbortedTxn>,
}

struct Aborted {
    txn: AbortedTxn,
    /// A batch of it was met, so that its marker is still needed.
    met: bool,
}

/// What a control batch means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// Nothing is left of its transaction.
    pub idle: bool,
    /// The aborted transaction that belongs into the list of the cleaned segment.
    pub aborted: Option<AbortedTxn>,
}

impl Transactions {
    pub fn expect(&mut self, aborted: impl IntoIterator<Item = AbortedTxn>) {
        let keyed = aborted
            .into_iter()
            .map(|txn| ((txn.first_offset, txn.producer_id), txn));
        self.ahead.extend(keyed);
    }

    fn pass(&mut self, offset: Offset) {
        while let Some(entry) = self.ahead.first_entry().filter(|entry| entry.key().0 <= offset) {
            let txn = entry.remove();
            self.aborted
                .entry(txn.producer_id)
                .or_insert(Aborted { txn, met: false });
        }
    }

    /// A batch of data; `true` if it belongs to an aborted transaction.
    pub fn data(&mut self, header: &BatchHeader) -> bool {
        self.pass(header.last_offset());
        if !header.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&header.producer_id) {
            Some(aborted) => {
                aborted.met = true;
                true
            }
            None => {
                self.committed.insert(header.producer_id);
                false
            }
        }
    }

    pub fn control(&mut self, batch: &Batch<'_>) -> Control {
        let header = &batch.header;
        self.pass(header.last_offset());
        let idle = |idle| Control { idle, aborted: None };
        if header.count == 0 {
            // Emptied before.
            return idle(true);
        }
        match ControlType::read(batch) {
            Some(ControlType::Abort) => match self.aborted.remove(&header.producer_id) {
                Some(aborted) if aborted.met => Control {
                    idle: false,
                    aborted: Some(aborted.txn),
                },
                _ => idle(true),
            },
            Some(ControlType::Commit) => idle(!self.committed.remove(&header.producer_id)),
            _ => idle(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::build::BatchBuilder;
    use crate::record::build::BatchSpec;
    use crate::record::compress::Compression;
    use crate::record::control::EndMarker;
    use crate::record::retain;
    use bytes::Bytes;

    fn spec(producer_id: ProducerId, base_offset: Offset) -> BatchSpec {
        BatchSpec {
            producer_id,
            base_offset,
            producer_epoch: 0,
            base_sequence: 0,
            transactional: true,
            ..BatchSpec::default()
        }
    }

    fn data(producer_id: ProducerId, offset: Offset) -> BatchHeader {
        let mut builder = BatchBuilder::new(spec(producer_id, offset));
        builder.push(1, Some(b"k"), None, &[]);
        Batch::parse(&builder.finish(Compression::NONE)).unwrap().header
    }

    fn marker(producer_id: ProducerId, offset: Offset, commit: bool) -> Bytes {
        let marker = EndMarker {
            commit,
            coordinator_epoch: 0,
            timestamp: 5,
        };
        marker.batch(spec(producer_id, offset))
    }

    fn aborted(producer_id: ProducerId, first_offset: Offset, last_offset: Offset) -> AbortedTxn {
        AbortedTxn {
            producer_id,
            first_offset,
            last_offset,
            last_stable_offset: last_offset + 1,
        }
    }

    #[test]
    fn a_marker_is_needed_while_a_batch_of_its_transaction_is_there() {
        let mut seen = Transactions::default();
        seen.expect([aborted(1, 0, 4), aborted(1, 6, 8), aborted(1, 0, 4)]);
        let control = |seen: &mut Transactions, bytes: Bytes| seen.control(&Batch::parse(&bytes).unwrap());
        let idle = |idle| Control { idle, aborted: None };
        assert!(seen.data(&data(1, 0)), "aborted");
        assert!(!seen.data(&data(2, 1)), "committed later");
        let kept = Control {
            idle: false,
            aborted: Some(aborted(1, 0, 4)),
        };
        assert_eq!(control(&mut seen, marker(1, 4, false)), kept);
        assert_eq!(control(&mut seen, marker(2, 5, true)), idle(false));
        assert_eq!(control(&mut seen, marker(1, 8, false)), idle(true), "its data is gone");
        assert!(!seen.data(&data(1, 9)), "the next one of the same producer");
        assert_eq!(control(&mut seen, marker(2, 10, true)), idle(true), "its data is gone");
        assert_eq!(control(&mut seen, marker(1, 11, true)), idle(false));
        let emptied = retain::emptied(&Batch::parse(&marker(1, 12, true)).unwrap().header);
        let emptied = Batch {
            header: emptied,
            body: &[],
        };
        assert_eq!(seen.control(&emptied), idle(true));
    }
}
