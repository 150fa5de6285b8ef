//! Record batches: the view, the records, the checks of a Produce, and every codec.

use bytes::Bytes;
use ottla::record::Batch;
use ottla::record::BatchHeader;
use ottla::record::Codec;
use ottla::record::batches;
use ottla::record::compress;
use ottla::record::compress::Compression;
use ottla::record::control::EndMarker;
use ottla::record::header::HEADER_SIZE;
use ottla::record::validate;
use ottla::record::validate::BatchRules;
use ottla::record::validate::Origin;

/// Nothing here may unpack to more.
const LIMIT: usize = 1 << 20;
/// What has been accepted may unpack to this.
const UNPACKED: usize = 64 << 20;
const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

/// Batches as they came.
pub fn view(data: &[u8]) {
    let mut walk = batches(data);
    let mut seen = 0;
    for batch in walk.by_ref() {
        seen += batch.size();
        look(&batch);
    }
    assert_eq!(seen + walk.rest().len(), data.len());
    let _ = validate::check_produce(9, data);
}

fn look(batch: &Batch<'_>) {
    let _ = batch.is_intact();
    let _ = EndMarker::read(batch);
    if let Ok(plain) = batch.plain_body(LIMIT) {
        assert!(plain.len() <= LIMIT.max(batch.body.len()));
    }
    let mut count = 0;
    let read = batch.for_each_record(LIMIT, |record| {
        count += 1;
        record.headers().for_each(drop);
        true
    });
    if read.is_ok() {
        assert_eq!(count, batch.header.count.max(0));
    }
}

/// One batch with its size and checksum put right, so that the checks behind these are reached.
pub fn validated(data: &[u8]) {
    let Some(mut header) = BatchHeader::parse(data) else {
        return;
    };
    let body = &data[HEADER_SIZE..];
    header.magic = 2;
    header.length = (HEADER_SIZE - 12 + body.len()) as i32;
    header.crc = crc32c::crc32c_append(header.crc_of_fields(), body);
    let records = Bytes::from([&header.to_bytes()[..], body].concat());
    view(&records);
    for compression in [
        None,
        Some(Compression::of(Codec::None)),
        Some(Compression::of(Codec::Lz4)),
    ] {
        let rules = BatchRules {
            max_message_bytes: LIMIT as u32,
            log_append_time: header.base_offset & 1 == 1,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 1000,
            compression,
            compacted: header.base_offset & 2 == 2,
        };
        let Ok(accepted) = validate::validate(&records, &rules, Origin::Client, "t-0", 1) else {
            continue;
        };
        let written = [&accepted.header.to_bytes()[..], &accepted.body].concat();
        let batch = Batch::parse(&written).expect("what is accepted is a batch");
        // As Kafka, the checks believe the sizes of single records in what the client has packed itself.
        if batch.header.codec() == Some(Codec::None) {
            let readable = batch.for_each_record(UNPACKED, |_| true);
            assert_eq!(readable, Ok(()), "what is accepted can be read");
        } else {
            assert!(batch.plain_body(UNPACKED).is_ok(), "what is accepted can be unpacked");
        }
    }
}

/// The first byte chooses the codec.
pub fn unpacked(data: &[u8]) {
    let Some((codec, packed)) = data.split_first() else {
        return;
    };
    let codec = CODECS[usize::from(*codec) % CODECS.len()];
    if let Ok(plain) = compress::decompress(codec, packed, LIMIT) {
        assert!(plain.len() <= LIMIT);
    }
}
