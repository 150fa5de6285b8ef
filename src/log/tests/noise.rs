//! Bytes changed at random, by a seed: nothing panics, nothing runs away, and the log goes on.

use crate::log::How;
use crate::log::tests::world::Known;
use crate::log::tests::world::NOW;
use crate::log::tests::world::World;
use crate::log::tests::world::batch;
use crate::log::tests::world::produced;
use crate::record::batch::Batch;
use crate::record::batch::batches;
use crate::record::build::BatchBuilder;
use crate::record::build::BatchSpec;
use crate::record::compress::Codec;
use crate::record::compress::Compression;
use crate::record::header::BatchHeader;
use crate::record::header::HEADER_SIZE;
use crate::record::validate;
use crate::record::validate::Origin;
use crate::storage::epoch_checkpoint;
use crate::storage::producer_snapshot;
use bytes::Bytes;

/// Numbers that look like chance and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    /// Flips, overwrites, cuts or repeats a few bytes.
    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => bytes.extend_from_within(at..),
                2 => bytes
                    .get_mut(at..)
                    .unwrap_or_default()
                    .iter_mut()
                    .take(8)
                    .for_each(|byte| *byte = 0xff),
                3 => bytes
                    .get_mut(at..)
                    .unwrap_or_default()
                    .iter_mut()
                    .take(8)
                    .for_each(|byte| *byte = 0),
                _ => bytes
                    .iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|byte| *byte ^= 1 << (self.0 % 8)),
            }
        }
    }
}

fn sample(codec: Codec) -> Bytes {
    let mut builder = BatchBuilder::new(BatchSpec::default());
    for index in 0..20 {
        builder.push(
            NOW + index,
            Some(b"key"),
            Some(&[index as u8; 40]),
            &[(b"header", Some(b"value"))],
        );
    }
    builder.finish(Compression::of(codec))
}

/// Makes the checksum fit, so that the noise is looked at.
fn reseal(bytes: Vec<u8>) -> Bytes {
    let Some(mut header) = BatchHeader::parse(&bytes) else {
        return bytes.into();
    };
    header.length = (bytes.len() - 12) as i32;
    let body = &bytes[HEADER_SIZE..];
    header.crc = crc32c::crc32c_append(header.crc_of_fields(), body);
    [&header.to_bytes(), body].concat().into()
}

#[test]
fn no_batch_brings_down_its_reader() {
    let mut chance = Chance(0x5eed);
    let world = World::new();
    let rules = &world.settings.batches;
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let good = sample(codec);
        for round in 0..2_000 {
            let mut bytes = good.to_vec();
            chance.spoil(&mut bytes);
            let bytes = if round % 2 == 0 { reseal(bytes) } else { bytes.into() };
            let _ = validate::check_produce(9, &bytes);
            if let Ok(accepted) = validate::validate(&bytes, rules, Origin::Client, "t-0", NOW) {
                let batch = Batch {
                    header: accepted.header,
                    body: &accepted.body,
                };
                assert!(batch.is_intact(), "what is accepted can be stored");
                let mut count = 0;
                let walked = batch.for_each_record(1 << 20, |_| {
                    count += 1;
                    true
                });
                assert_eq!((walked, count), (Ok(()), batch.header.count), "and read");
            }
            for batch in batches(&bytes) {
                let _ = batch.for_each_record(1 << 20, |record| record.headers().count() < usize::MAX);
            }
        }
    }
}

#[test]
fn no_side_file_brings_down_its_reader() {
    let mut chance = Chance(0xf11e);
    let world = World::new();
    world.append(&produced(5, 0, 0)).unwrap();
    world.log.close(NOW).unwrap();
    let snapshot = std::fs::read(world.path("00000000000000000001.snapshot")).unwrap();
    for _ in 0..5_000 {
        for good in [&snapshot[..], b"0\n2\n0 0\n3 17\n"] {
            let mut bytes = good.to_vec();
            chance.spoil(&mut bytes);
            let _ = producer_snapshot::decode(&bytes);
            let _ = epoch_checkpoint::decode(&bytes);
        }
    }
}

#[test]
fn no_folder_brings_down_its_log() {
    for seed in 1..150 {
        let mut chance = Chance(seed * 0x9e37_79b9);
        let mut world = World::small_segments();
        world.fill(12);
        (0..6).for_each(|sequence| assert!(!world.append(&produced(5, 0, sequence)).unwrap().duplicate));
        let known = world.stop();
        for name in world.names() {
            if chance.below(3) == 0 {
                let mut bytes = std::fs::read(world.path(&name)).unwrap();
                chance.spoil(&mut bytes);
                std::fs::write(world.path(&name), bytes).unwrap();
            }
        }
        // A spoiled id makes the folder somebody else's; that is another story.
        let _ = std::fs::remove_file(world.path("partition.metadata"));
        let recovery_point = if seed % 3 == 0 { 0 } else { known.recovery_point };
        world.reopen(
            seed % 2 == 0,
            Known {
                recovery_point,
                ..known
            },
        );
        assert!(
            seed % 3 == 0 || world.log.end_offset() >= 18,
            "seed {seed}: no offset is given out again"
        );
        // A batch may claim any offset, so that the end may be far away.
        for from in (0..world.log.end_offset()).take(30) {
            let _ = world.log.read(from, 500, true, world.log.end_offset());
        }
        let _ = world.log.offset_for_timestamp(NOW);
        let _ = world.log.max_timestamp_offset();
        let end = world.log.end_offset();
        let appended = world.log.append(&batch(&[NOW], 10), &How::client(7), NOW).unwrap();
        assert_eq!(appended.first_offset, end, "seed {seed}");
        assert_eq!(world.read_from(end).unwrap(), [end], "seed {seed}");
    }
}
