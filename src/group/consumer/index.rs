//! What follows from the members of a group, kept so that no heartbeat has to look at all of them.

use crate::group::consumer::member::About;
use crate::group::consumer::member::Standing;
use crate::types::PartitionId;
use crate::types::Uuid;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Index {
    /// How many members name a topic, and how many patterns mean it.
    pub topics: BTreeMap<CompactString, usize>,
    /// How many members have a pattern.
    pub regexes: BTreeMap<CompactString, usize>,
    pub assignors: BTreeMap<CompactString, usize>,
    /// Members by their instance ids.
    pub instances: HashMap<CompactString, CompactString>,
    owners: HashMap<Uuid, HashMap<PartitionId, CompactString>>,
}

impl Index {
    pub fn told(&mut self, member: &CompactString, before: &About, now: &About) {
        for topic in &before.topics {
            decrease(&mut self.topics, topic);
        }
        now.topics.iter().for_each(|topic| increase(&mut self.topics, topic));
        before
            .regex()
            .into_iter()
            .for_each(|regex| decrease(&mut self.regexes, regex));
        now.regex()
            .into_iter()
            .for_each(|regex| increase(&mut self.regexes, regex));
        before
            .server_assignor
            .iter()
            .for_each(|name| decrease(&mut self.assignors, name));
        now.server_assignor
            .iter()
            .for_each(|name| increase(&mut self.assignors, name));
        if let Some(instance) = &before.instance_id
            && self.instances.get(instance) == Some(member)
        {
            self.instances.remove(instance);
        }
        if let Some(instance) = &now.instance_id {
            self.instances.insert(instance.clone(), member.clone());
        }
    }

    pub fn moved(&mut self, member: &CompactString, before: &Standing, now: &Standing) {
        for (topic, partition) in before.all_held() {
            if let Some(owners) = self.owners.get_mut(&topic)
                // A compacted log may show the next owner before it shows that the last one let go.
                && owners.get(&partition) == Some(member)
            {
                owners.remove(&partition);
                if owners.is_empty() {
                    self.owners.remove(&topic);
                }
            }
        }
        for (topic, partition) in now.all_held() {
            self.owners.entry(topic).or_default().insert(partition, member.clone());
        }
    }

    pub fn resolved(&mut self, before: Option<&BTreeSet<CompactString>>, now: Option<&BTreeSet<CompactString>>) {
        before
            .into_iter()
            .flatten()
            .for_each(|topic| decrease(&mut self.topics, topic));
        now.into_iter()
            .flatten()
            .for_each(|topic| increase(&mut self.topics, topic));
    }

    pub fn owner(&self, topic: Uuid, partition: PartitionId) -> Option<&CompactString> {
        self.owners.get(&topic)?.get(&partition)
    }

    pub fn members_with(&self, regex: &str) -> usize {
        self.regexes.get(regex).copied().unwrap_or(0)
    }
}

pub fn increase(counts: &mut BTreeMap<CompactString, usize>, name: &CompactString) {
    *counts.entry(name.clone()).or_insert(0) += 1;
}

pub fn decrease(counts: &mut BTreeMap<CompactString, usize>, name: &CompactString) {
    match counts.get_mut(name) {
        Some(count) if *count > 1 => *count -= 1,
        _ => drop(counts.remove(name)),
    }
}
