//! Every file on the disk, with noise in it.

use bytes::Bytes;
use ottla::config::BrokerConfig;
use ottla::config::properties;
use ottla::log::How;
use ottla::log::Log;
use ottla::log::LogSettings;
use ottla::log::OpenHow;
use ottla::log::Place;
use ottla::metadata::MetadataRecord;
use ottla::raft::entries;
use ottla::raft::quorum_state::QuorumState;
use ottla::raft::snapshot;
use ottla::record::BatchBuilder;
use ottla::record::BatchSpec;
use ottla::record::Codec;
use ottla::record::batches;
use ottla::record::compress::Compression;
use ottla::storage::checkpoint;
use ottla::storage::epoch_checkpoint;
use ottla::storage::meta_properties;
use ottla::storage::partition_metadata;
use ottla::storage::producer_snapshot;
use ottla::types::Uuid;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

const NOW: i64 = 1_700_000_000_000;
const BATCHES: i64 = 12;
const TOPIC_ID: Uuid = Uuid([7; 16]);

/// A folder of this thread, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ottla-fuzz-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

thread_local! {
    static SCRATCH: Scratch = Scratch::make();
    static TEMPLATE: Vec<(String, Vec<u8>)> = SCRATCH.with(|scratch| template(&scratch.0.join("template")));
}

fn with_file(name: &str, data: &[u8], look: impl FnOnce(&Path)) {
    SCRATCH.with(|scratch| {
        let path = scratch.0.join(name);
        fs::write(&path, data).expect("a file");
        look(&path);
    });
}

/// The small files, whichever it was meant to be.
pub fn small_files(data: &[u8]) {
    with_file("checkpoint", data, |path| {
        if let Ok(checkpoint::Read::Offsets(offsets)) = checkpoint::read(path) {
            checkpoint::write(path, &offsets).expect("written");
            let again = checkpoint::read(path).expect("readable");
            assert_eq!(again, checkpoint::Read::Offsets(offsets));
        }
    });
    with_file("partition.metadata", data, |path| {
        let _ = partition_metadata::read(path);
    });
    with_file(meta_properties::NAME, data, |path| {
        let _ = meta_properties::read(path.parent().expect("a folder"));
    });
    if let Some(entries) = epoch_checkpoint::decode(data) {
        assert_eq!(
            epoch_checkpoint::decode(epoch_checkpoint::encode(&entries).as_bytes()),
            Some(entries)
        );
    }
    if let Some(state) = QuorumState::parse(&String::from_utf8_lossy(data)) {
        let again = QuorumState::parse(&state.to_text()).expect("it reads its own writing");
        assert_eq!(again.to_text(), state.to_text());
    }
}

/// The snapshot of producers, with its checksum as it is and put right.
pub fn producers(data: &[u8]) {
    let _ = producer_snapshot::decode(data);
    if data.len() < 10 {
        return;
    }
    let mut sound = data.to_vec();
    let crc = crc32c::crc32c(&sound[6..]);
    sound[2..6].copy_from_slice(&crc.to_be_bytes());
    if let Some(entries) = producer_snapshot::decode(&sound) {
        assert_eq!(
            producer_snapshot::decode(&producer_snapshot::encode(&entries)),
            Some(entries)
        );
    }
}

/// The metadata log and its snapshots.
pub fn metadata(data: &[u8]) {
    let record = |value: Bytes| {
        let _ = MetadataRecord::decode(value);
    };
    let _ = entries::each_batch(data, |batch| batch.into_iter().for_each(|entry| record(entry.value)));
    let _ = snapshot::read_snapshot(data, record);
    let mut sound = Vec::new();
    for batch in batches(data) {
        let mut header = batch.header;
        header.crc = crc32c::crc32c_append(header.crc_of_fields(), batch.body);
        sound.extend_from_slice(&header.to_bytes());
        sound.extend_from_slice(batch.body);
    }
    let _ = snapshot::read_snapshot(&sound, record);
    record(Bytes::copy_from_slice(data));
}

pub fn server_properties(data: &[u8]) {
    if let Ok(given) = properties::parse(&String::from_utf8_lossy(data)) {
        let _ = BrokerConfig::from_properties(&given);
    }
}

/// The first byte chooses the file of a partition that the rest stands in, the second how the log is opened. Without
/// its side files a log has all it had; whatever is in it, it opens and takes records.
pub fn partition(data: &[u8]) {
    let Some(([which, how], noise)) = data.split_first_chunk::<2>() else {
        return;
    };
    let clean = how & 1 == 1;
    SCRATCH.with(|scratch| {
        let folder = scratch.0.join("t-0");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("a folder");
        let damaged = TEMPLATE.with(|files| {
            for (name, bytes) in files {
                fs::write(folder.join(name), bytes).expect("a file");
            }
            files[usize::from(*which) % files.len()].0.clone()
        });
        fs::write(folder.join(&damaged), noise).expect("a file");
        // The first epoch begins where the log does since DeleteRecords, so sound epochs are believed.
        let believed = damaged == "leader-epoch-checkpoint" && epoch_checkpoint::decode(noise).is_some();
        let all_there = !damaged.ends_with(".log") && !believed;
        let known = if clean || how & 2 == 2 { BATCHES } else { 0 };
        let how = OpenHow {
            clean,
            recovery_point: known,
            log_start: 0,
            high_watermark: known,
            now: NOW,
        };
        let opened = Log::open(place(&folder), settings(), &how);
        if damaged == "partition.metadata" && opened.is_err() {
            // It may name another topic.
            return;
        }
        let (log, _) = opened.expect("it opens");
        if all_there {
            assert_eq!((log.log_start(), log.end_offset()), (0, BATCHES), "{damaged}");
            assert_eq!(read(&log), (0..BATCHES).collect::<Vec<_>>(), "{damaged}");
        } else {
            read(&log);
        }
        let end = log.end_offset();
        if clean || !all_there {
            let _ = log.append(&one(), &How::client(1), NOW);
        } else {
            let appended = log.append(&one(), &How::client(1), NOW).expect("it takes records");
            assert_eq!(appended.first_offset, end);
        }
        let _ = log.close(NOW);
    });
}

/// What can be read, and over how many offsets that cannot; never without end.
fn read(log: &Log) -> Vec<i64> {
    let (mut at, mut found) = (log.log_start(), Vec::new());
    while at < log.end_offset() {
        let Ok(slice) = log.read(at, 300, true, log.end_offset()) else {
            break;
        };
        let bytes = slice.bytes().expect("readable");
        let before = at;
        for batch in batches(&bytes) {
            found.push(batch.header.base_offset);
            at = at.max(batch.header.next_offset());
        }
        if at == before {
            break;
        }
    }
    found
}

fn settings() -> Arc<LogSettings> {
    Arc::new(LogSettings {
        segment_bytes: 600,
        index_interval_bytes: 1,
        index_bytes: 1200,
        ..LogSettings::default()
    })
}

fn place(folder: &Path) -> Place {
    Place::alone(folder.to_path_buf(), "t", 0, TOPIC_ID)
}

fn one() -> Bytes {
    let mut builder = BatchBuilder::new(BatchSpec::default());
    builder.push(NOW, None, Some(&[b'.'; 100]), &[]);
    builder.finish(Compression::of(Codec::None))
}

/// The files of a partition of several segments.
fn template(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let log = Log::create(place(folder), settings(), NOW).expect("a log");
    log.assign_epoch_start(1);
    for _ in 0..BATCHES {
        log.append(&one(), &How::client(1), NOW).expect("appended");
    }
    log.close(NOW).expect("closed");
    let entries = fs::read_dir(folder).expect("a folder");
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

/// Good beginnings for `partition`: each file as it was.
pub fn partition_seeds() -> Vec<Vec<u8>> {
    TEMPLATE.with(|files| {
        let rows = files.iter().enumerate();
        rows.flat_map(|(index, (_, bytes))| (0..4).map(move |how| [&[index as u8, how][..], bytes].concat()))
            .collect()
    })
}
