//! Frames and connections as no honest client makes them, beside an ordinary client that must notice nothing. The
//! broker stays up, and its memory within what decoding may take: eight times a frame and a mebibyte.

#[allow(dead_code, reason = "each test uses its part of what they share")]
mod support;

use crate::support::Broker;
use crate::support::Start;
use crate::support::TestFolder;
use crate::support::client::Client;
use crate::support::client::frame;
use crate::support::log::batch;
use crate::support::random::Random;
use bytes::Bytes;
use ottla::record::BatchHeader;
use ottla::record::BatchSpec;
use ottla::record::Codec;
use ottla::record::compress;
use ottla::record::compress::Compression;
use ottla::schema::Message;
use ottla::schema::api_versions_request::ApiVersionsRequest;
use ottla::schema::api_versions_response::ApiVersionsResponse;
use ottla::schema::metadata_request::MetadataRequest;
use ottla::schema::metadata_request::MetadataRequestTopic;
use ottla::schema::produce_request as produce;
use ottla::schema::produce_request::ProduceRequest;
use ottla::schema::request_header::RequestHeader;
use ottla::schema::writer::Records;
use ottla::schema::writer::Writer;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpStream;

/// Threads, allocator and page tables take their share besides the frames.
const SLACK: usize = 8 << 20;
const FETCH: i16 = 1;
const UNREGISTER_BROKER: i16 = 64;

/// A broker, and a client that goes on as if nothing were.
struct World {
    broker: Broker,
    bystander: Client,
    written: i64,
    before: usize,
    _folder: TestFolder,
}

impl World {
    fn new() -> World {
        let folder = TestFolder::make();
        let broker = Start::on(&folder.join("data"))
            // Ten thousand may knock at once.
            .set("socket.listen.backlog.size", "4096")
            .start();
        let mut bystander = Client::connect(broker.address()).unwrap();
        assert_eq!(bystander.create_topic("ordinary", 1, &[]).unwrap(), 0);
        assert_eq!(
            bystander
                .create_topic("repacked", 1, &[("compression.type", "lz4")])
                .unwrap(),
            0
        );
        bystander.await_leaders().unwrap();
        let before = broker.memory().map_or(0, |memory| memory.peak);
        let mut world = World {
            broker,
            bystander,
            written: 0,
            before,
            _folder: folder,
        };
        world.unmoved("at first");
        world
    }

    /// The ordinary client writes and reads.
    fn unmoved(&mut self, case: &str) {
        let sent = batch("ordinary", 1, 50, BatchSpec::default());
        let answer = self.bystander.produce("ordinary", 0, sent).expect(case);
        assert_eq!((answer.error_code, answer.base_offset), (0, self.written), "{case}");
        let read = self.bystander.fetch("ordinary", 0, self.written).expect(case);
        assert_eq!(read.error_code, 0, "{case}");
        assert!(read.records.is_some_and(|records| !records.is_empty()), "{case}");
        self.written += 1;
    }

    fn connect(&self) -> TcpStream {
        Client::connect(self.broker.address()).unwrap().stream
    }

    /// Sends these bytes and no more, and waits until the broker has closed. What it answered before that.
    fn send(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // The broker may close before it has read everything.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    fn memory_is_within(&self, largest_frame: usize) {
        let Some(memory) = self.broker.memory() else { return };
        // The frame itself, and once more while its buffer grows.
        let allowed = self.before + 8 * largest_frame + (1 << 20) + 2 * largest_frame + SLACK;
        let peak = memory.peak;
        assert!(peak <= allowed, "{peak} bytes at most, {allowed} allowed");
    }

    fn served(&mut self) -> Vec<(i16, i16)> {
        let who = ApiVersionsRequest {
            client_software_name: "test".into(),
            client_software_version: "1".into(),
        };
        let answer: ApiVersionsResponse = self.bystander.call(3, &who).unwrap();
        let rows = answer.api_keys.iter();
        rows.flat_map(|row| (row.min_version..=row.max_version).map(|version| (row.api_key, version)))
            .collect()
    }

    fn stops_cleanly(self) {
        let (clean, said) = self.broker.stop();
        assert!(clean && !said.contains("panicked"), "{said}");
    }
}

/// A frame of any API: a whole header, then `body`. `tags` is what stands where the header's tags are.
fn raw(key: i16, version: i16, tags: &[u8], body: &[u8]) -> Vec<u8> {
    let header = RequestHeader {
        request_api_key: key,
        request_api_version: version,
        correlation_id: 1,
        client_id: Some("bad".into()),
    };
    let mut writer = Writer::default();
    header.encode(&mut writer, 1);
    let header = writer.into_bytes();
    let size = (header.len() + tags.len() + body.len()) as u32;
    [&size.to_be_bytes()[..], &header, tags, body].concat()
}

#[test]
fn a_size_that_cannot_be_ends_the_connection() {
    let mut world = World::new();
    for size in [-1, i32::MIN, i32::MAX, 104_857_601, 0, 1, 7] {
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.extend_from_slice(&[0; 7]);
        assert_eq!(world.send(&bytes), [], "{size}");
        world.unmoved(&format!("a size of {size}"));
    }
    world.memory_is_within(0);
    world.stops_cleanly();
}

#[test]
fn half_frames_take_no_memory_for_what_they_claim() {
    let mut world = World::new();
    let whole = frame(&MetadataRequest::default(), 9, 1);
    let mut hanging = Vec::new();
    for index in 0..300 {
        let mut stream = world.connect();
        let bytes = match index % 3 {
            0 => whole[..2].to_vec(),
            1 => whole[..whole.len() - 1].to_vec(),
            _ => [&(100_i32 << 20).to_be_bytes()[..], &[0; 1000]].concat(),
        };
        stream.write_all(&bytes).unwrap();
        hanging.push(stream);
        if index % 50 == 0 {
            world.unmoved("half frames");
        }
    }
    world.unmoved("half frames");
    world.memory_is_within(0);
    // Those that wait for one more byte are answered when it comes.
    let mut stream = hanging.swap_remove(1);
    stream.write_all(&whole[whole.len() - 1..]).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).expect("an answer");
    world.stops_cleanly();
}

#[test]
fn no_count_or_length_of_any_api_brings_the_broker_down() {
    let mut world = World::new();
    let attacks: [(&str, &[u8]); 7] = [
        ("2^31-1 elements", &[0x7f, 0xff, 0xff, 0xff]),
        ("null", &[0xff, 0xff, 0xff, 0xff]),
        ("the most negative count", &[0x80, 0, 0, 0]),
        ("2^31-1 elements in a varint", &[0xff, 0xff, 0xff, 0xff, 0x07]),
        ("2^32-1 elements in a varint", &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ("a varint without end", &[0x80; 12]),
        ("a count of all that follows", &[0, 0, 4, 0]),
    ];
    for (key, version) in world.served() {
        for (case, attack) in attacks {
            // Behind so many zeros a count stands in one API or the other.
            for zeros in [0, 1, 2, 4, 5, 7, 8, 16] {
                let body = [&vec![0; zeros][..], attack, &[1; 1024]].concat();
                let bytes = raw(key, version, &[], &body);
                attempt(&world, key, &bytes);
                let bytes = raw(key, version, &[0], &body);
                attempt(&world, key, &bytes);
            }
            world.unmoved(&format!("{case}, API key {key}, version {version}"));
        }
    }
    world.memory_is_within(4096);
    world.stops_cleanly();
}

/// A Fetch may wait for as long as it says, so nobody waits for it.
fn attempt(world: &World, key: i16, bytes: &[u8]) {
    if key == FETCH {
        let _ = world.connect().write_all(bytes);
    } else {
        world.send(bytes);
    }
}

#[test]
fn what_is_small_on_the_wire_and_large_in_memory_is_refused() {
    const COUNT: usize = 1 << 20;
    let mut world = World::new();
    let count = (COUNT as u32).to_be_bytes();
    let compact = [0x81, 0x80, 0xc0, 0x00];
    let empty_names = [&count[..], &vec![0; 2 * COUNT]].concat();
    let compact_names = [&compact[..], &vec![1; COUNT]].concat();
    for (key, version) in world.served() {
        if key == FETCH || key == UNREGISTER_BROKER {
            continue;
        }
        let classic = raw(key, version, &[], &empty_names);
        world.send(&classic);
        let flexible = raw(key, version, &[0], &compact_names);
        world.send(&flexible);
        world.unmoved(&format!("a million empty names, API key {key}, version {version}"));
    }
    world.memory_is_within(2 * COUNT + 64);
    let names = MetadataRequest {
        topics: Some(vec![
            MetadataRequestTopic {
                name: Some("".into()),
                ..MetadataRequestTopic::default()
            };
            COUNT
        ]),
        ..MetadataRequest::default()
    };
    assert_eq!(
        world.send(&frame(&names, 1, 1)),
        [],
        "a million empty names are refused"
    );
    world.stops_cleanly();
}

#[test]
fn unknown_tags_are_skipped_however_many_there_are() {
    const COUNT: usize = 1 << 20;
    let mut world = World::new();
    let mut tags = vec![0x80, 0x80, 0x40];
    for _ in 0..COUNT {
        tags.extend_from_slice(&[0x63, 0x00]);
    }
    let mut body = Writer::default();
    let who = ApiVersionsRequest {
        client_software_name: "t".into(),
        client_software_version: "1".into(),
    };
    who.encode(&mut body, 3);
    let answer = world.send(&raw(18, 3, &tags, &body.into_bytes()));
    assert!(answer.len() > 100, "the request behind a million tags is answered");
    // A count of tags that are not there.
    assert_eq!(world.send(&raw(18, 3, &[0xff, 0xff, 0xff, 0xff, 0x07], &[])), []);
    world.unmoved("tags");
    world.memory_is_within(2 * COUNT + 64);
    world.stops_cleanly();
}

#[test]
fn garbage_and_damaged_requests_bother_nobody_else() {
    let mut world = World::new();
    let mut random = Random::seeded(4);
    let samples = [
        frame(&MetadataRequest::default(), 12, 1),
        frame(&ApiVersionsRequest::default(), 3, 1),
        frame(&produced("repacked", batch("x", 3, 20, BatchSpec::default())), 9, 1),
        frame(&produced("repacked", batch("x", 3, 20, BatchSpec::default())), 3, 1),
    ];
    for round in 0..3000 {
        let mut bytes = samples[round % samples.len()][4..].to_vec();
        random.mutate(&mut bytes);
        let key = bytes.first_chunk::<2>().map_or(-1, |key| i16::from_be_bytes(*key));
        let framed = [&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat();
        if key != UNREGISTER_BROKER {
            attempt(&world, key, &framed);
        }
        if round % 10 == 0 {
            let count = random.below(5000);
            let noise = random.bytes(count);
            let _ = world.connect().write_all(&noise);
            world.unmoved(&format!("round {round}"));
        }
    }
    world.memory_is_within(8192);
    world.stops_cleanly();
}

fn produced(topic: &str, records: Bytes) -> ProduceRequest {
    let partition = produce::PartitionProduceData {
        index: 0,
        records: Some(Records::Bytes(records)),
    };
    let topic = produce::TopicProduceData {
        name: topic.into(),
        partition_data: vec![partition],
        ..produce::TopicProduceData::default()
    };
    ProduceRequest {
        acks: 1,
        transactional_id: None,
        timeout_ms: 1000,
        topic_data: vec![topic],
    }
}

#[test]
fn batches_that_lie_about_themselves_are_refused() {
    type Lie = fn(&mut BatchHeader);
    let lies: [(&str, Lie); 10] = [
        ("a length beyond the request", |header| header.length = i32::MAX),
        ("a negative length", |header| header.length = -1),
        ("a length inside the header", |header| header.length = 10),
        ("2^31-1 records", |header| header.count = i32::MAX),
        ("a negative count", |header| header.count = -1),
        ("more offsets than records", |header| {
            header.last_offset_delta = i32::MAX
        }),
        ("a negative offset delta", |header| header.last_offset_delta = -1),
        ("another magic", |header| header.magic = 9),
        ("a codec that nobody knows", |header| header.attributes |= 7),
        ("compressed records that are not", |header| header.attributes |= 1),
    ];
    let mut world = World::new();
    for (case, lie) in lies {
        for topic in ["ordinary", "repacked"] {
            let honest = batch("x", 3, 20, BatchSpec::default());
            let mut header = BatchHeader::parse(&honest).unwrap();
            lie(&mut header);
            header.crc = crc32c::crc32c_append(header.crc_of_fields(), &honest[61..]);
            let records = [&header.to_bytes()[..], &honest[61..]].concat();
            let mut client = Client::connect(world.broker.address()).unwrap();
            let refused = client.produce(topic, 0, Bytes::from(records));
            assert!(
                refused.map_or(true, |answer| answer.error_code != 0),
                "{case} into {topic}"
            );
            world.unmoved(case);
        }
    }
    world.memory_is_within(4096);
    world.stops_cleanly();
}

#[test]
fn what_unpacks_to_very_much_takes_little_memory() {
    const UNPACKED: usize = 256 << 20;
    let mut world = World::new();
    let zeros = vec![0; UNPACKED];
    let mut largest = 0;
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let body = compress::compress(Compression::of(codec), &zeros).unwrap();
        let mut header = BatchHeader::parse(&batch("x", 1, 20, BatchSpec::default())).unwrap();
        header.set_codec(codec);
        header.length = 49 + body.len() as i32;
        header.crc = crc32c::crc32c_append(header.crc_of_fields(), &body);
        let records = Bytes::from([&header.to_bytes()[..], &body].concat());
        largest = largest.max(records.len());
        for topic in ["ordinary", "repacked"] {
            let mut client = Client::connect(world.broker.address()).unwrap();
            let refused = client.produce(topic, 0, records.clone());
            assert!(
                refused.map_or(true, |answer| answer.error_code != 0),
                "{codec:?} into {topic}"
            );
            world.unmoved("a bomb");
        }
    }
    world.memory_is_within(largest);
    world.stops_cleanly();
}

#[test]
fn ten_thousand_idle_connections_are_held_beside_a_busy_one() {
    /// What an idle connection may take of the broker.
    const EACH: usize = 20 << 10;
    let allowed = ottla::storage::limits::raise_open_files();
    let wanted = 10_000.min(allowed.saturating_sub(500)) as usize;
    let mut world = World::new();
    let mut idle = Vec::new();
    for index in 0..wanted {
        idle.push(world.connect());
        if index % 1000 == 0 {
            world.unmoved("more and more connections");
        }
    }
    // The latest is served, so all of them were accepted.
    let mut last = Client {
        stream: idle.pop().unwrap(),
        next: 1,
    };
    last.metadata().unwrap();
    world.unmoved("ten thousand connections");
    if let Some(memory) = world.broker.memory() {
        let grown = memory.now.saturating_sub(world.before);
        assert!(grown <= wanted * EACH + SLACK, "{grown} bytes for {wanted} connections");
        println!("{} bytes for each of {wanted} connections", grown / wanted);
    }
    drop(idle);
    world.unmoved("after they are gone");
    world.stops_cleanly();
}
