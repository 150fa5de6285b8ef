//! Record batches from JSON and back, by hand: the broker's own code is not to be trusted here.
//!
//! `{"records": [["key", "value"], …], "codec": 0, "timestamp": …, "producer": [id, epoch, sequence], …}`; an array of
//! them is several batches; a string is hex. `"broken": "crc"` and the like make a batch bad on purpose.

use crate::codec::Reader;
use crate::codec::hex;
use crate::codec::to_hex;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use serde_json::json;
use std::io::Read;
use std::io::Write;

pub fn bytes_of(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => hex(text),
        Value::Array(batches) => batches.iter().flat_map(bytes_of).collect(),
        Value::Object(_) => batch(value),
        _ => panic!("not records: {value}"),
    }
}

fn batch(value: &Value) -> Vec<u8> {
    let number = |name: &str, default: i64| value.get(name).map_or(default, |found| found.as_i64().unwrap());
    let broken = value.get("broken").and_then(Value::as_str).unwrap_or("");
    let records = value["records"].as_array().unwrap();
    let timestamp = number("timestamp", 1_700_000_000_000);
    let mut body = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let delta = if broken == "offsets" {
            index as i64 * 2
        } else {
            index as i64
        };
        write_record(&mut body, record, delta, number("step", 1) * index as i64);
    }
    let codec = number("codec", 0);
    if codec == 1 {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&body).unwrap();
        body = encoder.finish().unwrap();
    }
    let count = records.len() as i64;
    let last = number("last_offset_delta", count - 1);
    let mut checked = Vec::new();
    checked.extend((number("attributes", codec) as i16).to_be_bytes());
    checked.extend((last as i32).to_be_bytes());
    checked.extend(timestamp.to_be_bytes());
    checked.extend(number("max_timestamp", timestamp + number("step", 1) * (count - 1).max(0)).to_be_bytes());
    let producer = value.get("producer").and_then(Value::as_array);
    let of_producer = |at: usize| producer.map_or(-1, |parts| parts[at].as_i64().unwrap());
    checked.extend(of_producer(0).to_be_bytes());
    checked.extend((of_producer(1) as i16).to_be_bytes());
    checked.extend((of_producer(2) as i32).to_be_bytes());
    checked.extend((number("count", count) as i32).to_be_bytes());
    checked.extend(body);
    let crc = crc32c::crc32c(&checked) ^ u32::from(broken == "crc");
    let mut out = Vec::new();
    out.extend(number("base_offset", 0).to_be_bytes());
    out.extend((number("length", checked.len() as i64 + 9) as i32).to_be_bytes());
    out.extend((number("leader_epoch", -1) as i32).to_be_bytes());
    out.push(number("magic", 2) as u8);
    out.extend(crc.to_be_bytes());
    out.extend(checked);
    out
}

fn write_record(out: &mut Vec<u8>, record: &Value, offset_delta: i64, timestamp_delta: i64) {
    let mut body = vec![0];
    varint(&mut body, timestamp_delta);
    varint(&mut body, offset_delta);
    for part in [&record[0], &record[1]] {
        match part.as_str() {
            None => varint(&mut body, -1),
            Some(text) => {
                varint(&mut body, text.len() as i64);
                body.extend(text.as_bytes());
            }
        }
    }
    varint(&mut body, 0);
    varint(out, body.len() as i64);
    out.extend(body);
}

fn varint(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

/// What a reader sees: each batch by its header, and its records where they can be read without a library.
pub fn describe(bytes: &[u8]) -> Value {
    let mut batches = Vec::new();
    let mut rest = bytes;
    while rest.len() >= 61 {
        let at = |from: usize, to: usize| {
            rest[from..to]
                .iter()
                .fold(0u64, |value, byte| (value << 8) | u64::from(*byte))
        };
        let length = at(8, 12) as usize + 12;
        if length > rest.len() {
            break;
        }
        let attributes = at(21, 23);
        let (now, _) = rest.split_at(length);
        let body = match attributes & 7 {
            0 => Some(now[61..].to_vec()),
            1 => {
                let mut plain = Vec::new();
                let read = flate2::read::GzDecoder::new(&now[61..]).read_to_end(&mut plain);
                read.ok().map(|_| plain)
            }
            _ => None,
        };
        batches.push(json!({
            "base_offset": at(0, 8) as i64,
            "leader_epoch": at(12, 16) as u32 as i32,
            "magic": at(16, 17),
            "crc_is_right": at(17, 21) as u32 == crc32c::crc32c(&now[21..]),
            "attributes": attributes,
            "last_offset_delta": at(23, 27) as u32 as i32,
            "base_timestamp": at(27, 35) as i64,
            "max_timestamp": at(35, 43) as i64,
            "producer_id": at(43, 51) as i64,
            "producer_epoch": at(51, 53) as u16 as i16,
            "base_sequence": at(53, 57) as u32 as i32,
            "count": at(57, 61),
            "records": body.and_then(|body| records(&body, at(57, 61)).ok()),
        }));
        rest = &rest[length..];
    }
    if !rest.is_empty() {
        batches.push(json!({ "cut": true }));
    }
    Value::Array(batches)
}

fn records(body: &[u8], count: u64) -> Result<Vec<Value>, String> {
    let mut reader = Reader(body);
    (0..count)
        .map(|_| {
            let size = zigzag(&mut reader)?;
            let mut record = Reader(reader.take(size as usize)?);
            record.take(1)?;
            let (timestamp, offset) = (zigzag(&mut record)?, zigzag(&mut record)?);
            let mut part = || -> Result<Value, String> {
                let length = zigzag(&mut record)?;
                let bytes = if length < 0 {
                    return Ok(Value::Null);
                } else {
                    record.take(length as usize)?
                };
                Ok(json!(
                    String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| to_hex(bytes))
                ))
            };
            Ok(json!([offset, timestamp, part()?, part()?]))
        })
        .collect()
}

fn zigzag(reader: &mut Reader) -> Result<i64, String> {
    let value = reader.uvarint()?;
    Ok((value >> 1) as i64 ^ -((value & 1) as i64))
}
