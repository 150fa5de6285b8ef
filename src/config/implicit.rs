//! What a node is when nobody said: without `process.roles` this is a single node, broker and controller in one process.

use crate::config::Properties;
use crate::config::listener::Endpoint;
use crate::config::listener::SecurityProtocol;
use crate::config::value;

pub const CONTROLLER_LISTENER: &str = "CONTROLLER";
const DATA_FOLDER: &str = "./ottla-data";
const LISTENER: &str = "PLAINTEXT://localhost:9092";

/// Of the topics that brokers create for themselves.
const ALONE: [&str; 5] = [
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "transaction.state.log.min.isr",
    "share.coordinator.state.topic.replication.factor",
    "share.coordinator.state.topic.min.isr",
];

/// Fills in what a single node needs; true when it did. Values that were given stay.
pub fn complete(given: &mut Properties) -> bool {
    let implicit = !given.contains_key("process.roles");
    if implicit {
        default(given, "process.roles", "broker,controller");
        default(given, "controller.listener.names", CONTROLLER_LISTENER);
        if !given.contains_key("listeners") {
            default(given, "listeners", LISTENER);
        }
        if !given.contains_key("log.dir") {
            default(given, "log.dirs", DATA_FOLDER);
        }
        if !given.contains_key("broker.id") {
            default(given, "node.id", "1");
        }
        // One node has no place for more replicas.
        ALONE.iter().for_each(|name| default(given, name, "1"));
    }
    copy(given, "broker.id", "node.id");
    copy(given, "node.id", "broker.id");
    ["listeners", "advertised.listeners"]
        .into_iter()
        .for_each(|name| drop_empty_entries(given, name));
    implicit
}

fn default(given: &mut Properties, name: &str, text: &str) {
    given.entry(name.to_owned()).or_insert_with(|| text.to_owned());
}

fn copy(given: &mut Properties, from: &str, to: &str) {
    if let Some(text) = given.get(from).cloned() {
        default(given, to, &text);
    }
}

/// Kafka took `A://h:1,` until 4.1, and container modules write it still; a list of nothing but commas
/// stays wrong.
fn drop_empty_entries(given: &mut Properties, name: &str) {
    if let Some(text) = given.get_mut(name) {
        let mut entries = value::list(value::trim(text));
        let empty = entries.iter().filter(|entry| entry.is_empty()).count();
        if (1..entries.len()).contains(&empty) {
            entries.retain(|entry| !entry.is_empty());
            *text = entries.join(",");
        }
    }
}

/// The address that a single node's only voter has in the metadata log; nothing listens there unless it is configured.
pub fn controller_endpoint(name: &str) -> Endpoint {
    let listener = name.to_owned();
    Endpoint {
        listener,
        protocol: SecurityProtocol::Plaintext,
        host: Some("localhost".to_owned()),
        port: 9093,
    }
}
