//! Writes what the plan says into the folders that are not formatted yet.

use crate::format::World;
use crate::format::checkpoint;
use crate::format::date;
use crate::format::error::FormatError;
use crate::format::plan::Plan;
use crate::storage::crash_point;
use crate::storage::meta_properties;
use crate::storage::meta_properties::MetaProperties;
use crate::storage::replace::replace;
use crate::types::NodeId;
use crate::types::Uuid;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

pub const BOOTSTRAP_FILE: &str = "bootstrap.checkpoint";
const METADATA_LOG: &str = "__cluster_metadata-0";
const FIRST_SNAPSHOT: &str = "00000000000000000000-0000000000.checkpoint";

/// What is in some folders now.
#[derive(Debug, Default)]
pub struct Found {
    pub formatted: BTreeMap<String, MetaProperties>,
    pub empty: Vec<String>,
    /// Folders whose `meta.properties` cannot be read.
    pub broken: Vec<String>,
}

pub fn look<'a>(folders: impl Iterator<Item = &'a String>) -> Found {
    let mut found = Found::default();
    for folder in folders {
        match meta_properties::read(Path::new(folder)) {
            Ok(Some(properties)) => drop(found.formatted.insert(folder.clone(), properties)),
            Ok(None) => found.empty.push(folder.clone()),
            Err(_) => found.broken.push(folder.clone()),
        }
    }
    found
}

impl Found {
    /// Whether all folders are this node's and this cluster's; where one is not given, they must agree.
    pub fn verify(&self, cluster_id: Option<&str>, node_id: Option<NodeId>) -> Result<(), FormatError> {
        let (mut cluster_id, mut node_id) = (cluster_id, node_id);
        let mut seen: BTreeMap<Uuid, &str> = BTreeMap::new();
        for (folder, properties) in &self.formatted {
            let path = Path::new(folder).join(meta_properties::NAME);
            let path = path.display();
            let (cluster, node) = (properties.cluster_id.as_str(), properties.node_id);
            let expected = *cluster_id.get_or_insert(cluster);
            if cluster != expected {
                let text = format!("Invalid cluster.id in: {path}. Expected {expected}, but read {cluster}");
                return Err(FormatError(text));
            }
            let expected = *node_id.get_or_insert(node);
            if node != expected {
                return Err(FormatError(format!(
                    "Stored node id {node} doesn't match previous node id {expected} in {path}. If you moved your data, \
                     make sure your configured node id matches. If you intend to create a new node, you should remove \
                     all data in your data directories."
                )));
            }
            let Some(id) = properties.directory_id else { continue };
            if id.is_reserved() {
                return Err(FormatError(format!(
                    "Invalid reserved directory ID {id} found in {folder}"
                )));
            }
            if let Some(other) = seen.insert(id, folder) {
                let text = format!("Duplicate directory ID {id} found. It was the ID of {other}, but also of {folder}");
                return Err(FormatError(text));
            }
        }
        Ok(())
    }
}

/// Formats the empty ones of the folders; `say` gets the lines that Kafka's storage tool prints.
pub fn format_folders(plan: &Plan, world: &mut World<'_>, say: &mut dyn FnMut(&str)) -> Result<(), FormatError> {
    let found = look(plan.folders.iter());
    found.verify(Some(&plan.cluster_id), Some(plan.node_id))?;
    if let Some(first) = found.formatted.keys().next().filter(|_| !plan.ignore_formatted) {
        return Err(FormatError(format!(
            "Log directory {first} is already formatted. Use --ignore-formatted to ignore this directory and format the \
             others."
        )));
    }
    found.broken.iter().for_each(|folder| {
        say(&format!("I/O error trying to read log directory {folder}. Ignoring..."));
    });
    match (
        found.empty.is_empty(),
        found.formatted.is_empty() && !found.broken.is_empty(),
    ) {
        (true, true) => return Err(FormatError::new("No available log directories to format.")),
        (true, false) => say("All of the log directories are already formatted."),
        (false, _) => {}
    }
    if !found.empty.is_empty() {
        say(&bootstrap_line(plan));
    }
    let taken: Vec<Uuid> = found
        .formatted
        .values()
        .filter_map(|properties| properties.directory_id)
        .collect();
    // The folder of the metadata log first: with that one alone, the others can be added later.
    let (metadata, others): (Vec<_>, Vec<_>) = found.empty.iter().partition(|folder| **folder == plan.metadata_folder);
    metadata
        .into_iter()
        .chain(others)
        .try_for_each(|folder| format_one(plan, folder, &taken, world, say))
}

/// Whether formatting leaves this behind when it is cut off before the folder counts as formatted.
pub fn is_unfinished(path: &Path) -> bool {
    let name_of = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name_of(path).unwrap_or_default();
    let whole = name.strip_suffix(".tmp").unwrap_or(&name);
    if name != METADATA_LOG {
        return whole == BOOTSTRAP_FILE || whole == meta_properties::NAME;
    }
    let Ok(mut entries) = fs::read_dir(path) else {
        return false;
    };
    entries.all(|entry| {
        let name = entry.ok().and_then(|entry| name_of(&entry.path())).unwrap_or_default();
        name.strip_suffix(".tmp").unwrap_or(&name) == FIRST_SNAPSHOT
    })
}

fn bootstrap_line(plan: &Plan) -> String {
    let records: Vec<String> = plan.records.iter().map(checkpoint::shown).collect();
    format!(
        "Bootstrap metadata: BootstrapMetadata(records=[{}], metadataVersionLevel={}, source=format command)",
        records.join(", "),
        plan.release.0
    )
}

fn format_one(
    plan: &Plan,
    folder: &str,
    taken: &[Uuid],
    world: &mut World<'_>,
    say: &mut dyn FnMut(&str),
) -> Result<(), FormatError> {
    let voters = plan.voters.as_deref().filter(|_| folder == plan.metadata_folder);
    let own = voters.and_then(|voters| voters.iter().find(|voter| voter.id == plan.node_id));
    let kind = match (folder == plan.metadata_folder, voters, own) {
        (false, ..) => "data directory",
        (true, None, _) => "metadata directory",
        (true, Some(_), None) => "dynamic metadata directory",
        (true, Some(_), Some(_)) => "dynamic metadata voter directory",
    };
    say(&format!(
        "Formatting {kind} {folder} with metadata.version {}.",
        plan.release.name()
    ));
    let directory_id = own.map_or_else(|| free_id(taken, world), |voter| voter.directory);
    let properties = MetaProperties {
        node_id: plan.node_id,
        cluster_id: plan.cluster_id.clone(),
        directory_id: Some(directory_id),
    };
    let path = Path::new(folder);
    let written = fs::create_dir_all(path)
        .and_then(|()| {
            replace(
                &path.join(BOOTSTRAP_FILE),
                &checkpoint::bootstrap(&plan.records, plan.release, world.now),
                true,
            )
        })
        .and_then(|()| match voters {
            Some(voters) => write_snapshot(
                path,
                &checkpoint::first_snapshot(voters, &plan.controller_listener, world.now),
            ),
            None => Ok(()),
        })
        // Last, because a folder that has this file counts as formatted.
        .and_then(|()| meta_properties::write(path, &properties, &date::java_date(world.now)));
    written.map_err(|error| FormatError(format!("Error while writing meta.properties file {folder}: {error}")))
}

fn free_id(taken: &[Uuid], world: &mut World<'_>) -> Uuid {
    loop {
        let id = world.fresh_id();
        if !taken.contains(&id) {
            return id;
        }
    }
}

fn write_snapshot(folder: &Path, bytes: &[u8]) -> io::Result<()> {
    let log = folder.join(METADATA_LOG);
    crash_point::reached();
    fs::create_dir_all(&log)?;
    let path = log.join(FIRST_SNAPSHOT);
    replace(&path, bytes, true)?;
    // Snapshots never change; Kafka takes the right to write away, too.
    let mut permissions = fs::metadata(&path)?.permissions();
    only_readable(&mut permissions);
    crash_point::reached();
    fs::set_permissions(&path, permissions)
}

#[cfg(unix)]
fn only_readable(permissions: &mut fs::Permissions) {
    std::os::unix::fs::PermissionsExt::set_mode(permissions, 0o400);
}

#[cfg(not(unix))]
fn only_readable(permissions: &mut fs::Permissions) {
    permissions.set_readonly(true);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BrokerConfig;
    use crate::config::Properties;
    use crate::storage::replace::TestFolder;

    fn config(dirs: &[&Path]) -> BrokerConfig {
        let dirs: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
        let given = Properties::from([("log.dirs".to_owned(), dirs.join(","))]);
        BrokerConfig::from_properties(&given).expect("valid")
    }

    fn run(config: &BrokerConfig, change: impl Fn(&mut Plan)) -> Result<Vec<String>, String> {
        let mut next = 0;
        let mut random = |bytes: &mut [u8]| {
            next += 1;
            bytes.fill(next);
        };
        let mut world = World {
            now: 0,
            random: &mut random,
        };
        let mut plan = Plan::of_its_own(config, &mut world).map_err(|error| error.0)?;
        plan.cluster_id = "cluster".to_owned();
        change(&mut plan);
        let mut lines = Vec::new();
        format_folders(&plan, &mut world, &mut |line| lines.push(line.to_owned())).map_err(|error| error.0)?;
        Ok(lines)
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn empty_folders_become_a_nodes() {
        let folder = TestFolder::make();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let lines = run(&config(&[&one, &two]), |_| ()).expect("formatted");
        assert!(lines[0].starts_with("Bootstrap metadata: BootstrapMetadata(records=[ApiMessageAndVersion(FeatureLevelRecord(name='metadata.version', featureLevel=30) at version 0), "));
        assert_eq!(
            lines[1],
            format!(
                "Formatting dynamic metadata voter directory {} with metadata.version 4.3-IV0.",
                one.display()
            )
        );
        assert_eq!(
            lines[2],
            format!(
                "Formatting data directory {} with metadata.version 4.3-IV0.",
                two.display()
            )
        );
        assert_eq!(names(&one), [METADATA_LOG, BOOTSTRAP_FILE, meta_properties::NAME]);
        assert_eq!(names(&two), [BOOTSTRAP_FILE, meta_properties::NAME]);
        assert_eq!(names(&one.join(METADATA_LOG)), [FIRST_SNAPSHOT]);
        let found = look([one.display().to_string(), two.display().to_string()].iter());
        let ids: Vec<_> = found
            .formatted
            .values()
            .map(|properties| properties.directory_id)
            .collect();
        assert!(ids.iter().all(Option::is_some) && ids[0] != ids[1], "{ids:?}");
    }

    #[test]
    fn formatted_folders_stay_as_they_are() {
        let folder = TestFolder::make();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        run(&config(&[&one]), |_| ()).expect("formatted");
        let before = fs::read(one.join(meta_properties::NAME)).expect("a file");
        let refused = run(&config(&[&one, &two]), |plan| plan.ignore_formatted = false).expect_err("formatted before");
        assert!(refused.starts_with(&format!("Log directory {} is already formatted.", one.display())));
        assert!(!two.exists());
        assert_eq!(run(&config(&[&one, &two]), |_| ()).expect("the other one").len(), 2);
        assert_eq!(
            run(&config(&[&one, &two]), |_| ()).expect("nothing"),
            ["All of the log directories are already formatted."]
        );
        assert_eq!(fs::read(one.join(meta_properties::NAME)).expect("a file"), before);
    }

    #[test]
    fn folders_of_others_are_refused() {
        let folder = TestFolder::make();
        let one = folder.path().join("one");
        run(&config(&[&one]), |_| ()).expect("formatted");
        let path = one.join(meta_properties::NAME);
        let refused = run(&config(&[&one]), |plan| plan.cluster_id = "other".to_owned());
        assert_eq!(
            refused,
            Err(format!(
                "Invalid cluster.id in: {}. Expected other, but read cluster",
                path.display()
            ))
        );
        let refused = run(&config(&[&one]), |plan| plan.node_id = 2).expect_err("another node's");
        assert!(
            refused.starts_with("Stored node id 1 doesn't match previous node id 2 in "),
            "{refused}"
        );
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_passed_over() {
        let folder = TestFolder::make();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        fs::create_dir_all(&two).expect("a folder");
        fs::write(two.join(meta_properties::NAME), "noise").expect("a file");
        let lines = run(&config(&[&one, &two]), |_| ()).expect("the other one");
        assert_eq!(
            lines[0],
            format!("I/O error trying to read log directory {}. Ignoring...", two.display())
        );
        assert_eq!(lines.len(), 3);
        let refused = run(&config(&[&two]), |_| ());
        assert_eq!(refused, Err("No available log directories to format.".to_owned()));
    }
}
