//! `meta.properties`: which node, cluster and directory a log dir belongs to. Java properties, in any order.

use crate::storage::replace::read_small;
use crate::storage::replace::replace;
use crate::types::NodeId;
use crate::types::Uuid;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

pub const NAME: &str = "meta.properties";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    pub node_id: NodeId,
    pub cluster_id: String,
    /// Missing in folders that an older Kafka formatted.
    pub directory_id: Option<Uuid>,
}

/// `Ok(None)` if the folder is not formatted; an error in words if the file is not what it should be.
pub fn read(folder: &Path) -> io::Result<Option<MetaProperties>> {
    let Some(bytes) = read_small(&folder.join(NAME), 1 << 20)? else {
        return Ok(None);
    };
    decode(&String::from_utf8_lossy(&bytes))
        .map(Some)
        .map_err(|message| io::Error::new(io::ErrorKind::InvalidData, message))
}

/// `date` goes into the comment that Java writes there.
pub fn write(folder: &Path, properties: &MetaProperties, date: &str) -> io::Result<()> {
    let mut text = format!("#\n#{date}\nnode.id={}\n", properties.node_id);
    if let Some(id) = properties.directory_id {
        text.push_str(&format!("directory.id={id}\n"));
    }
    text.push_str(&format!("version=1\ncluster.id={}\n", properties.cluster_id));
    replace(&folder.join(NAME), text.as_bytes(), true)
}

fn decode(text: &str) -> Result<MetaProperties, String> {
    let values: BTreeMap<&str, &str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', '!']))
        .filter_map(|line| line.split_once(['=', ':']))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect();
    let value = |key: &str| {
        values
            .get(key)
            .copied()
            .ok_or_else(|| format!("{NAME}: {key} is missing"))
    };
    let version = value("version")?;
    let (id_key, known) = match version {
        "1" => ("node.id", true),
        "0" => ("broker.id", true),
        _ => ("node.id", false),
    };
    if !known {
        return Err(format!("{NAME}: version={version} is not supported; allowed: 0, 1"));
    }
    let node_id = value(id_key)?;
    let node_id = node_id
        .parse()
        .map_err(|_| format!("{NAME}: {id_key}={node_id} is not a number"))?;
    let directory_id = match values.get("directory.id") {
        Some(id) => Some(Uuid::parse(id).ok_or_else(|| format!("{NAME}: directory.id={id} is not a uuid"))?),
        None => None,
    };
    Ok(MetaProperties {
        node_id,
        cluster_id: value("cluster.id")?.to_string(),
        directory_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::replace::TestFolder;

    #[test]
    fn properties_read_back() {
        let folder = TestFolder::make();
        assert_eq!(read(folder.path()).unwrap(), None);
        let properties = MetaProperties {
            node_id: 7,
            cluster_id: "my-cluster".into(),
            directory_id: Some(Uuid([9; 16])),
        };
        write(folder.path(), &properties, "Thu Jan 01 00:00:00 UTC 1970").unwrap();
        assert_eq!(read(folder.path()).unwrap(), Some(properties));
    }

    #[test]
    fn a_wrong_file_is_refused_in_words() {
        for (text, expected) in [
            ("version=1\ncluster.id=x\n", "node.id is missing"),
            ("version=2\ncluster.id=x\nnode.id=1", "version=2 is not supported"),
            ("version=1\ncluster.id=x\nnode.id=y", "node.id=y is not a number"),
            (
                "version=1\ncluster.id=x\nnode.id=1\ndirectory.id=z",
                "directory.id=z is not a uuid",
            ),
            ("", "version is missing"),
        ] {
            let message = decode(text).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
