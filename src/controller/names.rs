//! Which names topics may have, and which would share a metric's name.

use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

const LONGEST_NAME: usize = 249;

/// Says in Kafka's words what is wrong with a topic's name.
pub fn check_topic_name(name: &str) -> Result<(), String> {
    let legal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    let reason = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." => "'.' is not allowed".to_owned(),
        ".." => "'..' is not allowed".to_owned(),
        name if name.encode_utf16().count() > LONGEST_NAME => {
            format!("the length of '{name}' is longer than the max allowed length {LONGEST_NAME}")
        }
        name if !name.chars().all(legal) => {
            format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
        }
        _ => return Ok(()),
    };
    Err(format!("Topic name is invalid: {reason}"))
}

/// Topics with `.` or `_` in their names, which metrics cannot tell apart, by the name they share.
#[derive(Default)]
pub(super) struct Collisions(BTreeMap<String, BTreeSet<CompactString>>);

impl Collisions {
    pub fn insert(&mut self, name: &str) {
        if let Some(shared) = shared(name) {
            self.0.entry(shared).or_default().insert(name.into());
        }
    }

    pub fn remove(&mut self, name: &str) {
        let Some(shared) = shared(name) else { return };
        if let Some(names) = self.0.get_mut(&shared) {
            names.remove(name);
            if names.is_empty() {
                self.0.remove(&shared);
            }
        }
    }

    /// An existing topic that collides with this name.
    pub fn find(&self, name: &str) -> Option<&CompactString> {
        self.0.get(&shared(name)?)?.first()
    }
}

fn shared(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_in_kafkas_words() {
        for (name, reason) in [
            ("", "Topic name is invalid: the empty string is not allowed"),
            ("..", "Topic name is invalid: '..' is not allowed"),
            (
                "a b",
                "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
            ),
        ] {
            assert_eq!(check_topic_name(name), Err(reason.to_owned()));
        }
        assert!(check_topic_name(&"x".repeat(250)).is_err());
        assert_eq!(check_topic_name(&"x".repeat(249)), Ok(()));
    }

    #[test]
    fn dots_and_underscores_collide() {
        let mut collisions = Collisions::default();
        collisions.insert("a.b");
        assert_eq!(collisions.find("a_b").map(|name| name.as_str()), Some("a.b"));
        assert_eq!(collisions.find("ab"), None);
        collisions.remove("a.b");
        assert_eq!(collisions.find("a_b"), None);
    }
}
