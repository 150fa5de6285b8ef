//! What may differ between two right servers (ids, times, ports, folders, orders of maps) is made equal here.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::collections::HashMap;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// APIs that Apache Kafka serves and the broker does not yet.
const KEYS_TO_COME: &[i64] = &[
    17, 24, 25, 26, 27, 28, 29, 30, 31, 36, 38, 39, 40, 41, 65, 66, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88,
    89, 90, 91, 92,
];
const FEATURES_TO_COME: &[&str] = &["transaction.version", "share.version", "streams.version"];
const METADATA_TOPIC: &str = "00000000000000000000000000000001";
/// No two controllers write logs of the same length.
const OF_METADATA: &[&str] = &["high_watermark", "log_end_offset", "end_offset"];
const A_DAY_MS: i64 = 24 * 3600 * 1000;

pub fn normal(message: &str, answer: &Value, saved: &HashMap<String, Value>) -> Value {
    let topic = &answer["responses"][0]["topic_id"];
    Rules {
        message,
        saved,
        of_metadata: message == "DescribeQuorum" || (message == "Fetch" && *topic == METADATA_TOPIC),
        now: now(),
    }
    .value("", answer)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

struct Rules<'a> {
    message: &'a str,
    saved: &'a HashMap<String, Value>,
    /// The answer tells of the metadata log.
    of_metadata: bool,
    now: i64,
}

impl Rules<'_> {
    fn value(&self, name: &str, value: &Value) -> Value {
        match value {
            _ if name == "records" && self.of_metadata => json!(if is_empty(value) { "none" } else { "some" }),
            Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| (name.clone(), self.value(name, value)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            Value::Array(elements) => self.array(name, elements),
            Value::String(text) => json!(self.text(name, text)),
            Value::Number(number) => number
                .as_i64()
                .map_or(value.clone(), |number| self.number(name, number)),
            other => other.clone(),
        }
    }

    fn array(&self, name: &str, elements: &[Value]) -> Value {
        let kept = elements.iter().filter(|element| !is_to_come(name, element));
        let mut elements: Vec<Value> = kept.map(|element| self.value(name, element)).collect();
        let ordered = ["records", "synonyms"].contains(&name) || elements.iter().any(|element| !element.is_object());
        if !ordered {
            elements.sort_by_key(Value::to_string);
        }
        Value::Array(elements)
    }

    fn text(&self, name: &str, text: &str) -> String {
        let is_uuid = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_uuid && text.bytes().any(|byte| byte != b'0') {
            let known = self.saved.iter().find(|(_, value)| value.as_str() == Some(text));
            return known.map_or("<uuid>".into(), |(name, _)| format!("<{name}>"));
        }
        match name {
            "member_id" | "leader" if text.len() > 36 => {
                let known = self.saved.iter().find(|(_, value)| value.as_str() == Some(text));
                known.map_or("<member>".into(), |(name, _)| format!("<{name}>"))
            }
            "cluster_id" | "host" | "log_dir" => format!("<{name}>"),
            "batch_index_error_message" => without_limits(text),
            _ => text.into(),
        }
    }

    fn number(&self, name: &str, number: i64) -> Value {
        let replaced = match name {
            "throttle_time_ms" => return json!(0),
            "session_id" | "broker_epoch" => number > 0,
            "finalized_features_epoch" => number >= 0,
            name if self.of_metadata && OF_METADATA.contains(&name) => number > 0,
            "producer_id" => self.message == "InitProducerId" && number >= 0,
            "port" => number > 0,
            "total_bytes" | "usable_bytes" => number > 0,
            _ => (number - self.now).abs() < A_DAY_MS,
        };
        if replaced {
            json!(format!("<{name}>"))
        } else {
            json!(number)
        }
    }
}

fn is_empty(records: &Value) -> bool {
    records.is_null() || records.as_str().is_some_and(str::is_empty) || records.as_array().is_some_and(Vec::is_empty)
}

/// Limits of time are counted from now.
fn without_limits(text: &str) -> String {
    text.split_once("within [")
        .map_or(text.into(), |(what, _)| format!("{what}within [...]"))
}

fn is_to_come(array: &str, element: &Value) -> bool {
    match array {
        "api_keys" => element["api_key"]
            .as_i64()
            .is_some_and(|key| KEYS_TO_COME.contains(&key)),
        "supported_features" | "finalized_features" => element["name"]
            .as_str()
            .is_some_and(|name| FEATURES_TO_COME.contains(&name)),
        _ => false,
    }
}
