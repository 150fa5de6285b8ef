//! A group among clients that come, go, fall silent and miss answers, held against a model of its own.
//!
//! The model knows nothing of epochs or targets: only which client reads what, and that no two may read the same.

use crate::group::consumer::GroupState;
use crate::group::consumer::testing::House;
use crate::group::consumer::testing::beat;
use crate::schema::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use crate::schema::consumer_group_heartbeat_request::TopicPartitions;
use crate::types::Uuid;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// A small generator of numbers: each seed is one history.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

#[derive(Clone, Default)]
struct Reader {
    instance: Option<String>,
    topics: Vec<String>,
    regex: Option<String>,
    assignor: Option<&'static str>,
    epoch: i32,
    reads: BTreeSet<(Uuid, i32)>,
    /// What it was told to read; it lets go first.
    told: BTreeSet<(Uuid, i32)>,
    /// It says everything when it has something new to say, or has missed an answer.
    says_all: bool,
}

struct Story {
    house: House,
    chance: Chance,
    readers: BTreeMap<String, Reader>,
    away: Vec<Reader>,
    topics: Vec<(String, Uuid, i32)>,
    born: usize,
}

impl Story {
    fn new(seed: u64) -> Story {
        let mut chance = Chance(seed);
        let interval = ["0", "1000", "5000"][chance.below(3)];
        let mut house = House::new(&[("group.consumer.assignment.interval.ms", interval)]);
        let mut topics = Vec::new();
        for name in ["ta", "tb", "tc"] {
            let count = chance.below(6) + 1;
            topics.push((name.to_owned(), house.cluster.topic(name, count), count as i32));
        }
        Story {
            house,
            chance,
            readers: BTreeMap::new(),
            away: Vec::new(),
            topics,
            born: 0,
        }
    }

    fn step(&mut self) {
        match self.chance.below(40) {
            0..=3 => self.arrive(),
            4 => self.depart(),
            5 => self.change_mind(),
            6 => self.change_topics(),
            7 => self.reload(),
            8 => self.sleep(20_000),
            9 => self.sleep(50_000),
            _ => self.talk(),
        }
        self.notice_fenced();
        self.check();
    }

    fn wish(&mut self) -> (Vec<String>, Option<String>) {
        let regex = ["t.*", "t[ab]", "none"][self.chance.below(3)].to_owned();
        let names = ["ta", "tb", "tc", "td"]
            .into_iter()
            .filter(|_| self.chance.below(2) == 0)
            .map(str::to_owned);
        let names: Vec<String> = names.collect();
        match self.chance.below(4) {
            0 => (Vec::new(), Some(regex)),
            1 => (names, Some(regex)),
            _ => (names, None),
        }
    }

    fn arrive(&mut self) {
        if self.readers.len() > 7 {
            return;
        }
        self.born += 1;
        let id = format!("m{}", self.born);
        let mut reader = match self.chance.below(2) {
            0 => self.away.pop().unwrap_or_default(),
            _ => Reader::default(),
        };
        if reader.instance.is_none() {
            (reader.topics, reader.regex) = self.wish();
            reader.assignor = [None, Some("uniform"), Some("range")][self.chance.below(3)];
            reader.instance = (self.chance.below(3) == 0).then(|| format!("i{}", self.born));
        }
        reader.epoch = 0;
        reader.reads.clear();
        reader.told.clear();
        reader.says_all = true;
        self.readers.insert(id.clone(), reader);
        self.send(&id, false);
    }

    fn depart(&mut self) {
        let Some(id) = self.any() else { return };
        let Some(mut reader) = self.readers.remove(&id) else {
            return;
        };
        let stays_known = reader.instance.is_some() && self.chance.below(2) == 0;
        let epoch = if stays_known { -2 } else { -1 };
        let request = ConsumerGroupHeartbeatRequest {
            instance_id: reader.instance.as_deref().map(Into::into),
            ..beat(&id, epoch)
        };
        let _ = self.house.send(&request);
        reader.reads.clear();
        self.away.extend(stays_known.then_some(reader));
    }

    fn change_mind(&mut self) {
        let Some(id) = self.any() else { return };
        let (topics, regex) = self.wish();
        if let Some(reader) = self.readers.get_mut(&id) {
            // A pattern is taken back by an empty one.
            reader.regex = regex.or_else(|| reader.regex.as_ref().map(|_| String::new()));
            reader.topics = topics;
            reader.says_all = true;
        }
    }

    fn change_topics(&mut self) {
        let place = self.chance.below(self.topics.len());
        let (name, id, count) = self.topics[place].clone();
        match self.chance.below(4) {
            0 => {
                self.house.cluster.delete(id);
                let id = self.house.cluster.topic(&name, 2);
                self.topics[place] = (name, id, 2);
            }
            1 if self.topics.len() < 4 => {
                let id = self.house.cluster.topic("td", 3);
                self.topics.push(("td".to_owned(), id, 3));
            }
            _ => {
                self.house.cluster.partition(id, count, &[1]);
                self.topics[place].2 += 1;
            }
        }
    }

    /// The group is the same, however much of the log was compacted, and wherever the records then stand.
    fn reload(&mut self) {
        let end = self.house.log.len();
        let place = self.chance.below(end + 1);
        let mut shuffled = self.house.compacted(end);
        for place in (1..shuffled.len()).rev() {
            shuffled.swap(place, self.chance.below(place + 1));
        }
        for records in [&shuffled, &self.house.compacted(place), &self.house.log] {
            let group = House::loaded(records);
            assert_eq!(group.hard_state(), self.house.group.hard_state());
            assert!(group.same_index(&self.house.group));
        }
        let mut loaded = House::loaded(&self.house.compacted(end));
        assert_eq!(loaded.hard_state(), self.house.group.hard_state());
        let world = self.house.world();
        self.house.timers = loaded
            .loaded(&world)
            .into_iter()
            .filter_map(|(timer, due)| Some((timer, due?)))
            .collect();
        self.house.group = loaded;
    }

    fn sleep(&mut self, ms: usize) {
        let ms = self.chance.below(ms);
        self.house.sleep(ms as i64);
    }

    fn talk(&mut self) {
        let Some(id) = self.any() else { return };
        let lost = self.chance.below(8) == 0;
        self.send(&id, lost);
        self.sleep(700);
    }

    fn any(&mut self) -> Option<String> {
        let place = self.chance.below(self.readers.len().max(1));
        self.readers.keys().nth(place).cloned()
    }

    fn send(&mut self, id: &str, lost: bool) {
        let Some(mut reader) = self.readers.get(id).cloned() else {
            return;
        };
        // Letting go takes a while; what is new is read after that.
        if self.chance.below(3) > 0 || reader.epoch == 0 {
            let reads: BTreeSet<_> = reader.reads.intersection(&reader.told).copied().collect();
            reader.says_all |= reads != reader.reads;
            reader.reads = reads;
        }
        let mut owned: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
        reader
            .reads
            .iter()
            .for_each(|(topic, index)| owned.entry(*topic).or_default().push(*index));
        let owned = owned
            .into_iter()
            .map(|(topic_id, partitions)| TopicPartitions { topic_id, partitions });
        let mut request = ConsumerGroupHeartbeatRequest {
            instance_id: reader.instance.as_deref().map(Into::into),
            ..beat(id, reader.epoch)
        };
        if reader.says_all || reader.epoch == 0 {
            request.rebalance_timeout_ms = 30_000;
            request.subscribed_topic_names = Some(reader.topics.iter().map(Into::into).collect());
            request.subscribed_topic_regex = reader.regex.as_deref().map(Into::into);
            request.server_assignor = reader.assignor.map(Into::into);
            request.topic_partitions = Some(owned.collect());
        }
        match self.house.send(&request) {
            Ok(_) if lost => reader.says_all = true,
            Ok(answer) => {
                reader.epoch = answer.member_epoch;
                reader.says_all = false;
                if let Some(assignment) = answer.assignment {
                    let topics = assignment.topic_partitions.iter();
                    reader.told = topics
                        .flat_map(|topic| topic.partitions.iter().map(|index| (topic.topic_id, *index)))
                        .collect();
                }
                if reader.reads.is_subset(&reader.told) && reader.reads != reader.told {
                    reader.reads = reader.told.clone();
                    reader.says_all = true;
                }
            }
            Err(_) => {
                reader.epoch = 0;
                reader.reads.clear();
                reader.told.clear();
                reader.says_all = true;
            }
        }
        self.readers.insert(id.to_owned(), reader);
        self.check();
    }

    /// Whoever was taken out reads nothing more: that is what the time-outs are for.
    fn notice_fenced(&mut self) {
        for (id, reader) in &mut self.readers {
            if self.house.group.member(id).is_none() {
                reader.reads.clear();
                reader.told.clear();
            }
        }
    }

    fn check(&self) {
        let mut seen = BTreeMap::new();
        for (id, reader) in &self.readers {
            if self.house.group.member(id).is_none() {
                continue;
            }
            for partition in &reader.reads {
                let other = seen.insert(*partition, id);
                assert_eq!(other, None, "{id} reads {partition:?} too");
            }
        }
        let mut held = BTreeSet::new();
        for member in self.house.group.members() {
            for partition in member.standing.all_held() {
                assert!(held.insert(partition), "{partition:?} is held twice");
            }
        }
    }

    /// When nothing changes any more, everybody comes to rest with what it wants.
    fn settle(&mut self, seed: u64) {
        self.house.sleep(60_000);
        self.notice_fenced();
        for round in 0..60 {
            let ids: Vec<String> = self.readers.keys().cloned().collect();
            ids.iter().for_each(|id| self.send(id, false));
            self.notice_fenced();
            self.house.sleep(2_000);
            if round > 15 && self.house.group.state() == GroupState::Stable {
                break;
            }
        }
        if self.readers.is_empty() {
            return;
        }
        assert_eq!(self.house.group.state(), GroupState::Stable, "seed {seed}");
        let mut read: BTreeMap<(Uuid, i32), String> = BTreeMap::new();
        for (id, reader) in &self.readers {
            assert_eq!(reader.reads, reader.told, "seed {seed}");
            reader
                .reads
                .iter()
                .for_each(|partition| assert_eq!(read.insert(*partition, id.clone()), None));
        }
        for (name, topic, count) in &self.topics {
            let wanted_by: Vec<&String> = self
                .readers
                .iter()
                .filter(|(_, reader)| wants(reader, name))
                .map(|(id, _)| id)
                .collect();
            for index in 0..*count {
                let reader = read.get(&(*topic, index));
                assert_eq!(reader.is_some(), !wanted_by.is_empty(), "seed {seed}: {name}-{index}");
                assert!(
                    reader.is_none_or(|reader| wanted_by.contains(&reader)),
                    "seed {seed}: {name}-{index}"
                );
            }
        }
        let log = self.house.log.len();
        let ids: Vec<String> = self.readers.keys().cloned().collect();
        ids.iter().for_each(|id| self.send(id, false));
        assert_eq!(self.house.log.len(), log, "seed {seed}: at rest nothing is written");
    }
}

fn wants(reader: &Reader, name: &str) -> bool {
    let by_pattern = match reader.regex.as_deref() {
        Some("t.*") => true,
        Some("t[ab]") => name == "ta" || name == "tb",
        _ => false,
    };
    by_pattern || reader.topics.iter().any(|topic| topic == name)
}

#[test]
fn no_two_clients_ever_read_the_same_and_all_come_to_rest() {
    for seed in 0..60 {
        let mut story = Story::new(seed);
        for _ in 0..300 {
            story.step();
        }
        story.reload();
        story.settle(seed);
    }
}
