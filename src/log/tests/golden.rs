//! Bytes that Apache Kafka 4.3.1 wrote, and what we make of the same records.

use crate::log::How;
use crate::log::tests::world::World;
use crate::record::batch::Batch;
use crate::record::batch::batches;
use crate::record::build::BatchBuilder;
use crate::record::build::BatchSpec;
use crate::record::build::RecordHeader;
use crate::record::compress::Codec;
use crate::record::compress::Compression;
use crate::record::header::BatchHeader;
use crate::record::header::HEADER_SIZE;
use crate::record::validate;
use crate::record::validate::Origin;
use crate::types::Timestamp;
use bytes::Bytes;

const TIME: Timestamp = 1_700_000_000_000;

const NONE: &str = "0000000000000000000000870000000002bc966eb20000000000020000018bcfe568000000018bcfe5681400000000000003\
    e80000000000000000000346000000086b6579303276616c75652076616c75652076616c75652076616c7565203000220014\
    02086b657931010402680278026e013e002804013276616c75652076616c75652076616c75652076616c7565203200";
const GZIP: &str = "00000000000000000000007200000000023ed93fd50001000000020000018bcfe568000000018bcfe5681400000000000003\
    e9000000000000000000031f8b08000000000000ff73636060e0c84ead34302a4bcc294d55c0240d1894184498406a0c1959\
    9832982a98f218ed1834581871ea306200006387ab0256000000";
const SNAPPY: &str = "00000000000000000000008000000000023f83fb400002000000020000018bcfe568000000018bcfe5681400000000000003\
    ea0000000000000000000382534e415050590000000001000000010000003b563c46000000086b6579303276616c75652046\
    06001430002200140201243c31010402680278026e013e0028040132462c001c76616c7565203200";
const LZ4: &str = "00000000000000000000007700000000023e985aed0003000000020000018bcfe568000000018bcfe5681400000000000003\
    eb0000000000000000000304224d1860408237000000fe0146000000086b6579303276616c75652006006030002200140224\
    00ff0031010402680278026e013e0028040132000350756520320000000000";
const ZSTD: &str = "00000000000000000000007200000000023bf43ddb0004000000020000018bcfe568000000018bcfe5681400000000000003\
    ec0000000000000000000328b52ffd0058ac0100b40246000000086b6579303276616c756520300022001402086b65793101\
    0402680278026e013e002804013200020055b50cf10a18010000";
const APPEND: &str = "0000000000000000000000870000000002800ce8550008000000020000018bcfe56800000001a1ff736d6700000000000003\
    ed0000000000000000000346000000086b6579303276616c75652076616c75652076616c75652076616c7565203000220014\
    02086b657931010402680278026e013e002804013276616c75652076616c75652076616c75652076616c7565203200";
const TXN_FIRST_LOG: &str = "00000000000000000000006700000000028c76ebbc0010000000010000018bcfe568000000018bcfe5680a00000000000003\
    ee0000000000000000000246000000086b6579303276616c75652076616c75652076616c75652076616c7565203000220014\
    02086b657931010402680278026e01";
const TXN_FIRST_TIMEINDEX: &str = "0000018bcfe5680a00000001";
const TXN_LOG: &str = "0000000000000002000000420000000002dc8d08b4003000000000000001a1ff736e5a000001a1ff736e5a00000000000003\
    ee0001ffffffff000000012000000008000000010c000000000004000000000000000003000000550000000002ce2f112400\
    10000000000000018bcfe568000000018bcfe5680000000000000003ee0001000000000000000146000000086b6579303276\
    616c75652076616c75652076616c75652076616c756520300000000000000000040000004200000000026ebabade00300000\
    0000000001a1ff736e8c000001a1ff736e8c00000000000003ee0002ffffffff000000012000000008000000000c00000000\
    00040000000000000000050000005100000000020a70467a0010000000000000018bcfe568140000018bcfe5681400000000\
    000003ee000200000000000000013e000000013276616c75652076616c75652076616c75652076616c756520320000000000\
    0000000600000042000000000283b0f3ec003000000000000001a1ff736ea7000001a1ff736ea700000000000003ee0003ff\
    ffffff000000012000000008000000010c00000000000400";
const TXN_TIMEINDEX: &str = "000001a1ff736ea700000004";
const TXN_INDEX: &str = "000000000000000003ee000000000000000300000000000000040000000000000005";
const TXN_ROLL_SNAPSHOT: &str = "000118a3dd9e0000000100000000000003ee0000000000010000000000000001000000010000018bcfe5680affffffff0000\
    000000000000";
const TXN_LAST_SNAPSHOT: &str = "0001f629954b0000000100000000000003ee0003ffffffffffffffffffffffff00000000000001a1ff736ea700000004ffff\
    ffffffffffff";

fn bytes(hex: &str) -> Bytes {
    let digit = |character: u8| (character as char).to_digit(16).unwrap() as u8;
    hex.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect::<Vec<_>>()
        .into()
}

/// Time, key, value and headers of the records in the samples.
type Sample = (
    Timestamp,
    Option<&'static [u8]>,
    Option<&'static [u8]>,
    &'static [RecordHeader<'static>],
);

const SAMPLES: [Sample; 3] = [
    (TIME, Some(b"key0"), Some(b"value value value value 0"), &[]),
    (TIME + 10, Some(b"key1"), None, &[(b"h", Some(b"x")), (b"n", None)]),
    (TIME + 20, None, Some(b"value value value value 2"), &[]),
];

#[test]
fn kafkas_batches_are_read_in_every_codec() {
    let all = [
        (NONE, Codec::None),
        (GZIP, Codec::Gzip),
        (SNAPPY, Codec::Snappy),
        (LZ4, Codec::Lz4),
        (ZSTD, Codec::Zstd),
    ];
    for (hex, codec) in all {
        let stored = bytes(hex);
        let batch = Batch::parse(&stored).unwrap();
        assert!(batch.is_intact());
        assert_eq!(batch.header.codec(), Some(codec));
        let mut expected = SAMPLES.into_iter();
        let read = batch.for_each_record(1 << 20, |record| {
            let headers: Vec<_> = record.headers().collect();
            let (time, key, value, wanted) = expected.next().unwrap();
            assert_eq!(
                (record.timestamp, record.key, record.value),
                (time, key, value),
                "{codec:?}"
            );
            assert_eq!(headers, wanted, "{codec:?}");
            true
        });
        assert_eq!((read, expected.next()), (Ok(()), None), "{codec:?}");
    }
}

#[test]
fn the_same_records_make_the_same_batch() {
    let spec = BatchSpec {
        leader_epoch: 0,
        producer_id: 1000,
        producer_epoch: 0,
        base_sequence: 0,
        ..BatchSpec::default()
    };
    let mut builder = BatchBuilder::new(spec);
    for (time, key, value, headers) in SAMPLES {
        builder.push(time, key, value, headers);
    }
    assert_eq!(builder.finish(Compression::NONE), bytes(NONE));
}

/// A stored batch as its producer had sent it.
fn as_sent(batch: &Batch<'_>) -> Bytes {
    let mut header = batch.header;
    header.base_offset = 0;
    header.leader_epoch = -1;
    Bytes::from([&header.to_bytes(), batch.body].concat())
}

#[test]
fn log_append_time_is_stamped_as_kafka_does() {
    let stored = bytes(APPEND);
    let batch = Batch::parse(&stored).unwrap();
    let mut header = BatchHeader {
        max_timestamp: TIME + 20,
        leader_epoch: -1,
        ..batch.header
    };
    header.set_log_append_time(false);
    header.crc = crc32c::crc32c_append(header.crc_of_fields(), batch.body);
    let sent = Bytes::from([&header.to_bytes(), batch.body].concat());
    let mut world = World::new();
    world.set(|settings| settings.batches.log_append_time = true);
    let rules = &world.settings.batches;
    let accepted = validate::validate(&sent, rules, Origin::Client, "t-0", batch.header.max_timestamp).unwrap();
    let header = BatchHeader {
        leader_epoch: 0,
        ..accepted.header
    };
    assert_eq!([&header.to_bytes(), &accepted.body[..]].concat(), stored);
    assert_eq!(stored.len(), HEADER_SIZE + accepted.body.len());
}

#[test]
fn the_same_transactions_leave_the_same_files() {
    let mut world = World::new();
    let stored = [bytes(TXN_FIRST_LOG), bytes(TXN_LOG)].concat();
    for batch in batches(&stored) {
        let how = match batch.header.is_control() {
            true => How {
                transaction_version: 2,
                ..How::coordinator(0)
            },
            false => How::client(0),
        };
        let now = batch.header.max_timestamp;
        let appended = world.log.append(&as_sent(&batch), &how, now).unwrap();
        assert_eq!(appended.first_offset, batch.header.base_offset);
        world.log.advance_high_watermark(appended.last_offset + 1);
    }
    world.stop();
    for (name, expected) in [
        ("00000000000000000000.log", TXN_FIRST_LOG),
        ("00000000000000000000.index", ""),
        ("00000000000000000000.timeindex", TXN_FIRST_TIMEINDEX),
        ("00000000000000000002.log", TXN_LOG),
        ("00000000000000000002.index", ""),
        ("00000000000000000002.timeindex", TXN_TIMEINDEX),
        ("00000000000000000002.txnindex", TXN_INDEX),
        ("00000000000000000002.snapshot", TXN_ROLL_SNAPSHOT),
        ("00000000000000000007.snapshot", TXN_LAST_SNAPSHOT),
        ("leader-epoch-checkpoint", "300a310a3020300a"),
    ] {
        assert_eq!(std::fs::read(world.path(name)).unwrap(), bytes(expected), "{name}");
    }
    assert_eq!(world.names().len(), 11, "and no others: {:?}", world.names());
}
