//! What a group's topics look like, as one number: when it changes, the group needs a new assignment.
//!
//! XXH3 over the same bytes as Kafka's, so that a group that moves between brokers of both kinds is not rebalanced.

use crate::metadata::Image;
use crate::metadata::Topic;
use crate::types::NodeId;
use crate::types::Offset;
use compact_str::CompactString;
use std::collections::HashMap;
use std::sync::Arc;
use twox_hash::XxHash3_64;

/// Version of the way topics are hashed.
const MAGIC: u8 = 0;

/// Hashes of topics that have not changed since they were computed.
#[derive(Debug, Default)]
pub struct TopicHashes {
    at: Option<Offset>,
    racks: Vec<(NodeId, Option<CompactString>)>,
    known: HashMap<CompactString, (Arc<Topic>, u64)>,
}

impl TopicHashes {
    /// Of all these topics that exist; names come sorted and once each.
    pub fn group_hash<'a>(&mut self, image: &Image, names: impl Iterator<Item = &'a CompactString>) -> i64 {
        self.notice_racks(image);
        let mut bytes = Vec::new();
        for name in names {
            if let Some(topic) = image.topic(name) {
                bytes.extend(self.topic_hash(image, topic).to_le_bytes());
            }
        }
        if bytes.is_empty() {
            return 0;
        }
        XxHash3_64::oneshot(&bytes).cast_signed()
    }

    fn topic_hash(&mut self, image: &Image, topic: &Arc<Topic>) -> u64 {
        if let Some((same, hash)) = self.known.get(&topic.name)
            && Arc::ptr_eq(same, topic)
        {
            return *hash;
        }
        let hash = topic_hash(image, topic);
        self.known.insert(topic.name.clone(), (topic.clone(), hash));
        hash
    }

    /// A broker that comes with another rack changes the hash of topics that are themselves as they were.
    fn notice_racks(&mut self, image: &Image) {
        if self.at == Some(image.offset) {
            return;
        }
        self.at = Some(image.offset);
        let racks = || image.brokers().map(|broker| (broker.id, &broker.rack));
        let same = racks().count() == self.racks.len()
            && racks()
                .zip(&self.racks)
                .all(|(now, before)| now.0 == before.0 && *now.1 == before.1);
        if !same {
            self.racks = racks().map(|(id, rack)| (id, rack.clone())).collect();
            self.known.clear();
        }
    }
}

fn topic_hash(image: &Image, topic: &Topic) -> u64 {
    let mut bytes = vec![MAGIC];
    let (most, least) = topic.id.0.split_at(8);
    // Java's two longs of the id, little-endian as everything that is hashed.
    bytes.extend(most.iter().rev());
    bytes.extend(least.iter().rev());
    put_string(&mut bytes, &topic.name);
    put_int(&mut bytes, topic.partitions().len());
    for (index, partition) in topic.partitions().iter().enumerate() {
        put_int(&mut bytes, index);
        let brokers = partition.replicas.iter().filter_map(|replica| image.broker(*replica));
        let mut racks: Vec<&str> = brokers.filter_map(|broker| broker.rack.as_deref()).collect();
        racks.sort_unstable();
        for rack in racks {
            put_int(&mut bytes, rack.encode_utf16().count());
            put_string(&mut bytes, rack);
        }
    }
    XxHash3_64::oneshot(&bytes)
}

fn put_int(bytes: &mut Vec<u8>, value: usize) {
    bytes.extend((value as u32).to_le_bytes());
}

/// A string is its UTF-16 units and then how many they are.
fn put_string(bytes: &mut Vec<u8>, text: &str) {
    let from = bytes.len();
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    put_int(bytes, (bytes.len() - from) / 2);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::consumer::testing::Cluster;
    use crate::types::Uuid;

    /// The numbers come from Kafka 4.3.1's own code.
    #[test]
    fn hashes_equal_those_of_kafka() {
        let id = Uuid([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        let many: Vec<Vec<i32>> = (0..40).map(|i| vec![3 + i % 3, 3 + (i + 1) % 3]).collect();
        let many: Vec<&[i32]> = many.iter().map(Vec::as_slice).collect();
        let racks = ["rack0", "rack1", "eu-west-1a", "eu-west-1b", "eu-west-1c"];
        let image = |name: &str, replicas: &[&[i32]]| {
            let mut cluster = Cluster::default();
            (1..)
                .zip(racks)
                .for_each(|(broker, rack)| cluster.broker(broker, Some(rack)));
            cluster.topic_with_id(name, id, replicas);
            cluster.image()
        };
        for (name, replicas, expected) in [
            ("foo", &[&[][..], &[]][..], -2775853597384077458),
            ("bar", &[&[2, 1], &[2], &[]], 3265324691720873317),
            ("a-long-topic.name", &many, 4322359595441074244),
        ] {
            let image = image(name, replicas);
            let hash = topic_hash(&image, image.topic(name).unwrap());
            assert_eq!(hash.cast_signed(), expected, "{name}");
        }
        let image = image("foo", &[&[], &[]]);
        let mut hashes = TopicHashes::default();
        let mut group = |names: &[&str]| {
            let names: Vec<CompactString> = names.iter().map(|name| (*name).into()).collect();
            hashes.group_hash(&image, names.iter())
        };
        assert_eq!(group(&["foo", "none"]), -8456651657694990948);
        assert_eq!(group(&["none"]), 0);
    }

    #[test]
    fn a_group_hash_takes_topics_in_the_order_of_their_names() {
        let hashes = [3265324691720873317i64, 4322359595441074244, -2775853597384077458];
        let bytes: Vec<u8> = hashes.into_iter().flat_map(i64::to_le_bytes).collect();
        assert_eq!(XxHash3_64::oneshot(&bytes).cast_signed(), -1421365052453443748);
    }

    #[test]
    fn a_broker_in_another_rack_changes_the_hash() {
        let mut cluster = Cluster::default();
        cluster.broker(1, Some("a"));
        cluster.topic("t", 3);
        let (mut hashes, names) = (TopicHashes::default(), [CompactString::from("t")]);
        let before = hashes.group_hash(&cluster.image(), names.iter());
        assert_eq!(hashes.group_hash(&cluster.image(), names.iter()), before);
        cluster.broker(1, Some("b"));
        assert_ne!(hashes.group_hash(&cluster.image(), names.iter()), before);
    }
}
