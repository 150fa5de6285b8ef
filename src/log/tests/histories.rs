//! Compaction of histories made by chance, against an independent model.

use crate::log::CleanerLimits;
use crate::log::tests::compacting::compacted;
use crate::log::tests::compacting::table;
use crate::log::tests::world::World;
use crate::record::build::BatchBuilder;
use crate::record::build::BatchSpec;
use crate::record::compress::Codec;
use crate::record::compress::Compression;
use crate::types::Offset;
use crate::types::Timestamp;
use std::collections::HashSet;

/// An independent judge: of a history of batches of all kinds, after any number of rounds, the table is the same, what
/// is there is a part of what was written, in order, and the latest of each key is among it.
#[test]
fn any_history_keeps_its_table_its_offsets_and_its_order() {
    for seed in 0..40u64 {
        let mut random = Random(seed);
        let mut world = compacted();
        world.set(|settings| settings.segment_bytes = 1_500);
        let mut written = Vec::new();
        for _ in 0..60 {
            append_some(&mut world, &mut random, &mut written);
            match random.below(12) {
                0 => drop(world.log.roll(world.now)),
                1..4 => drop(world.clean_with(&random.limits()).unwrap()),
                4 => drop(world.restart()),
                5 => drop(world.crash()),
                6 => world.now += random.below(1_500) as Timestamp,
                _ => {}
            }
            let records = world.records();
            let all: HashSet<_> = written.iter().collect();
            assert!(records.iter().all(|record| all.contains(record)), "seed {seed}");
            assert!(records.is_sorted_by(|one, next| one.0 < next.0), "seed {seed}");
            assert_eq!(table(&records), table(&written), "seed {seed}");
            assert_eq!(
                world.log.end_offset(),
                written.last().map_or(0, |last| last.0 + 1),
                "seed {seed}"
            );
        }
        world.roll_and_clean();
        world.roll_and_clean();
        let mut keys = HashSet::new();
        let twice = world
            .records()
            .iter()
            .filter(|record| !keys.insert(record.1.clone()))
            .count();
        assert_eq!(twice, 0, "seed {seed}: every key once");
    }
}

fn append_some(world: &mut World, random: &mut Random, written: &mut Vec<(Offset, Option<String>, Option<String>)>) {
    let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    let mut builder = BatchBuilder::new(BatchSpec::default());
    let first = world.log.end_offset();
    for offset in first..=first + random.below(6) as i64 {
        let key = format!("k{}", random.below(12));
        let value = (random.below(4) > 0).then(|| format!("{offset}{}", "y".repeat(random.below(80) as usize)));
        let time = world.now + random.below(100) as i64;
        builder.push(time, Some(key.as_bytes()), value.as_deref().map(str::as_bytes), &[]);
        written.push((offset, Some(key), value));
    }
    let codec = codecs[random.below(5) as usize];
    world.append(&builder.finish(Compression::of(codec))).unwrap();
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn limits(&mut self) -> CleanerLimits {
        CleanerLimits {
            map_bytes: 24 * (2 + self.below(30)),
            load_factor: 0.8,
            buffer_bytes: 200 + self.below(5_000) as usize,
        }
    }
}
