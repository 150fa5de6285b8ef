//! The latest committed batches, for a reader close behind; one further back gets the image.

use crate::metadata::Image;
use crate::runtime::metadata_log::MetadataBatch;
use crate::runtime::metadata_log::MetadataRead;
use crate::types::Offset;
use std::collections::VecDeque;
use std::sync::Arc;

/// Records kept; what an open transaction holds is kept beyond that.
const RECORDS: usize = 1_000;

/// Nothing can be read of it before it has an image.
#[derive(Default)]
pub struct Tail {
    batches: VecDeque<Arc<MetadataBatch>>,
    records: usize,
    /// The cluster at the end of a batch that leaves no transaction open: whoever begins with it misses no record.
    image: Option<Arc<Image>>,
}

impl Tail {
    pub fn has_image(&self) -> bool {
        self.image.is_some()
    }

    /// Forgets what was before: readers begin with this image.
    pub fn begin_with(&mut self, image: Arc<Image>) {
        self.batches.clear();
        self.records = 0;
        self.image = Some(image);
    }

    /// The next batch, and the image with it unless a transaction is open.
    pub fn push(&mut self, batch: MetadataBatch, image: Option<Arc<Image>>) {
        self.records += batch.records.len();
        self.batches.push_back(Arc::new(batch));
        self.image = image.or_else(|| self.image.take());
        let covered = self.image.as_ref().map_or(-1, |image| image.offset);
        // The latest batch stays, however large: it is what the reader is about to read.
        while self.records > RECORDS && self.batches.len() > 1 {
            let Some(oldest) = self.batches.front().filter(|oldest| oldest.last_offset <= covered) else {
                break;
            };
            self.records -= oldest.records.len();
            self.batches.pop_front();
        }
    }

    pub fn read(&self, from: Offset) -> MetadataRead {
        let Some(image) = &self.image else {
            return MetadataRead::Batches(Vec::new());
        };
        match self.batches.front() {
            Some(oldest) if oldest.base_offset <= from => {
                let first = self.batches.partition_point(|batch| batch.last_offset < from);
                MetadataRead::Batches(self.batches.iter().skip(first).cloned().collect())
            }
            _ if from <= image.offset => MetadataRead::Snapshot(image.clone()),
            _ => MetadataRead::Batches(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::MetadataRecord;
    use crate::metadata::Replay;
    use crate::schema::no_op_record::NoOpRecord;

    fn image(offset: Offset) -> Arc<Image> {
        let mut replay = Replay::default();
        replay.passed(offset, 1);
        replay.publish().0
    }

    fn batch(base_offset: Offset, count: usize) -> MetadataBatch {
        let records = vec![MetadataRecord::from(NoOpRecord::default()); count];
        MetadataBatch {
            base_offset,
            last_offset: base_offset + count as Offset - 1,
            epoch: 1,
            timestamp: 0,
            records,
        }
    }

    /// The offset of an image, or the first offsets of batches.
    fn read(tail: &Tail, from: Offset) -> Result<Vec<Offset>, Offset> {
        match tail.read(from) {
            MetadataRead::Batches(batches) => Ok(batches.iter().map(|batch| batch.base_offset).collect()),
            MetadataRead::Snapshot(image) => Err(image.offset),
        }
    }

    #[test]
    fn a_reader_gets_batches_or_the_image_and_never_less_than_all() {
        let mut tail = Tail::default();
        assert_eq!(read(&tail, 0), Ok(vec![]), "before anything is known to be committed");
        tail.begin_with(image(9));
        assert_eq!((read(&tail, 0), read(&tail, 10)), (Err(9), Ok(vec![])));
        tail.push(batch(10, 2), Some(image(11)));
        tail.push(batch(12, 1), Some(image(12)));
        for (from, expected) in [
            (0, Err(12)),
            (9, Err(12)),
            (10, Ok(vec![10, 12])),
            (11, Ok(vec![10, 12])),
            (12, Ok(vec![12])),
            (13, Ok(vec![])),
        ] {
            assert_eq!(read(&tail, from), expected, "from {from}");
        }
    }

    #[test]
    fn what_a_transaction_holds_stays_until_it_ends() {
        let mut tail = Tail::default();
        tail.begin_with(image(-1));
        tail.push(batch(0, 10), Some(image(9)));
        for base in (10..5_010).step_by(100) {
            tail.push(batch(base, 100), None);
        }
        assert_eq!(read(&tail, 0), Err(9), "the image before the transaction");
        assert_eq!(read(&tail, 10).unwrap().len(), 50, "and all of the transaction");
        tail.push(batch(5_010, 1), Some(image(5_010)));
        assert_eq!(read(&tail, 10), Err(5_010));
        assert!(tail.records <= RECORDS);
    }
}
