//! Reads an internal topic's partition from its beginning to its end, for the machine that goes on from there.
//!
//! Records of a transaction count once its marker says that it was committed.

use crate::log::Log;
use crate::machine::Written;
use crate::record::batch::Batch;
use crate::record::batch::batches;
use crate::record::control::ControlType;
use crate::types::Offset;
use crate::types::ProducerId;
use bytes::Bytes;
use std::collections::HashMap;

const CHUNK_BYTES: u32 = 4 << 20;
/// Internal topics hold small records; a batch of them never unpacks to more.
const BODY_LIMIT: usize = 256 << 20;

/// Records that wait for the end of their transaction, by its producer.
struct Replaying<R> {
    open: HashMap<ProducerId, Vec<R>>,
}

pub fn replay<R: Written>(log: &Log, mut apply: impl FnMut(&R)) -> Result<(), String> {
    let end = log.end_offset();
    let mut next = log.log_start();
    let mut replaying = Replaying { open: HashMap::new() };
    while next < end {
        let slice = log.read(next, CHUNK_BYTES, true, end);
        let slice = slice.map_err(|error| format!("{error:?} at offset {next}"))?;
        let bytes = slice.bytes().map_err(|error| error.to_string())?;
        let before = next;
        for batch in batches(&bytes) {
            replaying.batch(&batch, &mut apply)?;
            next = batch.header.last_offset() + 1;
        }
        if next == before {
            return Err(format!("no batch at offset {next}"));
        }
    }
    Ok(())
}

impl<R: Written> Replaying<R> {
    fn batch(&mut self, batch: &Batch<'_>, apply: &mut impl FnMut(&R)) -> Result<(), String> {
        let at: Offset = batch.header.base_offset;
        if !batch.is_intact() {
            return Err(format!("the batch at offset {at} is damaged"));
        }
        let (producer, transactional) = (batch.header.producer_id, batch.header.is_transactional());
        let (mut outcome, mut wrong) = (None, None);
        let walked = batch.for_each_record(BODY_LIMIT, |record| {
            if batch.header.is_control() {
                outcome = record.key.and_then(ControlType::from_key);
                return true;
            }
            let key = Bytes::copy_from_slice(record.key.unwrap_or_default());
            let record = match R::decode(key, record.value.map(Bytes::copy_from_slice)) {
                Ok(Some(record)) => record,
                Ok(None) => return true,
                Err(error) => {
                    wrong = Some(format!("{error} in the record at offset {}", record.offset));
                    return false;
                }
            };
            match transactional {
                true => self.open.entry(producer).or_default().push(record),
                false => apply(&record),
            }
            true
        });
        walked.map_err(|fault| format!("{fault} at offset {at}"))?;
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        match outcome {
            Some(ControlType::Commit) => self.open.remove(&producer).iter().flatten().for_each(apply),
            Some(ControlType::Abort) => drop(self.open.remove(&producer)),
            _ => {}
        }
        Ok(())
    }
}
