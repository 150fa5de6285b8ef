//! A log in a folder of its own, with a clock that tests turn.

use crate::log::How;
use crate::log::Log;
use crate::log::LogSettings;
use crate::log::OpenHow;
use crate::log::OpenReport;
use crate::log::Place;
use crate::log::append::Appended;
use crate::log::read::ReadError;
use crate::record::batch::batches;
use crate::record::build::BatchBuilder;
use crate::record::build::BatchSpec;
use crate::record::compress::Codec;
use crate::record::compress::Compression;
use crate::record::control::EndMarker;
use crate::record::validate::Rejection;
use crate::storage::file_pool::FilePool;
use crate::storage::replace::TestFolder;
use crate::types::Offset;
use crate::types::Timestamp;
use crate::types::Uuid;
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;

pub const NOW: Timestamp = 1_700_000_000_000;
pub const TOPIC_ID: Uuid = Uuid([7; 16]);

pub struct World {
    folder: TestFolder,
    pub settings: LogSettings,
    pub now: Timestamp,
    pub log: Log,
}

/// What a broker would know of a log that it opens again.
#[derive(Clone, Copy)]
pub struct Known {
    pub recovery_point: Offset,
    pub high_watermark: Offset,
    pub log_start: Offset,
}

impl World {
    pub fn new() -> World {
        World::with(|_| {})
    }

    /// Segments of some 1,000 bytes, and an index entry for each batch but the first.
    pub fn small_segments() -> World {
        World::with(|settings| {
            settings.segment_bytes = 1_000;
            settings.index_interval_bytes = 1;
            settings.index_bytes = 1_200;
        })
    }

    pub fn with(change: impl FnOnce(&mut LogSettings)) -> World {
        let folder = TestFolder::make();
        let mut settings = LogSettings::default();
        change(&mut settings);
        let log = Log::create(place(&folder), Arc::new(settings.clone()), NOW).unwrap();
        World {
            folder,
            settings,
            now: NOW,
            log,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("t-0").join(name)
    }

    pub fn set(&mut self, change: impl FnOnce(&mut LogSettings)) {
        change(&mut self.settings);
        self.log.set_settings(Arc::new(self.settings.clone()));
    }

    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("t-0")).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub fn append(&self, records: &Bytes) -> Result<Appended, Rejection> {
        let appended = self.log.append(records, &How::client(0), self.now);
        self.log.advance_high_watermark(self.log.end_offset());
        appended
    }

    /// Appends batches of one record each with values of 100 bytes; returns the offset behind them.
    pub fn fill(&self, count: i64) -> Offset {
        for _ in 0..count {
            self.append(&batch(&[self.now], 100)).unwrap();
        }
        self.log.end_offset()
    }

    /// The offsets of all batches from `from` on, as a consumer would read them.
    pub fn read_from(&self, from: Offset) -> Result<Vec<Offset>, ReadError> {
        let mut found = Vec::new();
        let mut next = from;
        while next < self.log.end_offset() {
            let slice = self.log.read(next, 10_000, true, self.log.end_offset())?;
            let bytes = slice.bytes().unwrap();
            let before = next;
            for batch in batches(&bytes) {
                assert!(batch.is_intact());
                found.push(batch.header.base_offset);
                next = batch.header.next_offset();
            }
            if next == before {
                break;
            }
        }
        Ok(found)
    }

    /// What is known at a crash right now.
    pub fn known(&self) -> Known {
        Known {
            recovery_point: self.log.recovery_point(),
            high_watermark: self.log.high_watermark(),
            log_start: 0,
        }
    }

    pub fn reopen(&mut self, clean: bool, known: Known) -> OpenReport {
        let how = OpenHow {
            clean,
            recovery_point: known.recovery_point,
            log_start: known.log_start,
            high_watermark: known.high_watermark,
            now: self.now,
        };
        let (log, report) = Log::open(place(&self.folder), Arc::new(self.settings.clone()), &how).unwrap();
        self.log = log;
        report
    }

    pub fn crash(&mut self) -> OpenReport {
        self.reopen(false, self.known())
    }

    pub fn stop(&mut self) -> Known {
        self.log.close(self.now).unwrap();
        self.known()
    }

    pub fn restart(&mut self) -> OpenReport {
        let known = self.stop();
        self.reopen(true, known)
    }
}

fn place(folder: &TestFolder) -> Place {
    Place {
        folder: folder.path().join("t-0"),
        topic: "t".into(),
        partition: 0,
        topic_id: TOPIC_ID,
        pool: FilePool::new(100),
    }
}

pub fn batch(timestamps: &[Timestamp], value_bytes: usize) -> Bytes {
    batch_of(BatchSpec::default(), timestamps, value_bytes)
}

pub fn batch_of(spec: BatchSpec, timestamps: &[Timestamp], value_bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::new(spec);
    for timestamp in timestamps {
        builder.push(*timestamp, Some(b"key"), Some(&vec![b'v'; value_bytes]), &[]);
    }
    builder.finish(Compression::of(Codec::None))
}

/// One record of an idempotent producer.
pub fn produced(producer_id: i64, epoch: i16, sequence: i32) -> Bytes {
    let spec = BatchSpec {
        producer_id,
        producer_epoch: epoch,
        base_sequence: sequence,
        ..BatchSpec::default()
    };
    batch_of(spec, &[NOW], 10)
}

pub fn transactional(producer_id: i64, epoch: i16, sequence: i32) -> Bytes {
    let spec = BatchSpec {
        producer_id,
        producer_epoch: epoch,
        base_sequence: sequence,
        transactional: true,
        ..BatchSpec::default()
    };
    batch_of(spec, &[NOW], 10)
}

pub fn marker(producer_id: i64, epoch: i16, commit: bool) -> Bytes {
    let spec = BatchSpec {
        producer_id,
        producer_epoch: epoch,
        ..BatchSpec::default()
    };
    EndMarker {
        commit,
        coordinator_epoch: 0,
        timestamp: NOW,
    }
    .batch(spec)
}
