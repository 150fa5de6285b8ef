//! What a node does with its folders when it starts: a single node formats empty ones by itself, and a node that was
//! given one more folder takes it into use.

use crate::config::BrokerConfig;
use crate::format::World;
use crate::format::date;
use crate::format::error::FormatError;
use crate::format::folders;
use crate::format::folders::Found;
use crate::format::plan::Plan;
use crate::storage::meta_properties;
use crate::storage::meta_properties::MetaProperties;
use std::fs;
use std::path::Path;

/// Makes sure that the node's folders are formatted. The line says what was done; none if nothing was.
pub fn prepare(config: &BrokerConfig, world: &mut World<'_>) -> Result<Option<String>, FormatError> {
    let mut folders: Vec<String> = config.log_dirs().to_vec();
    folders.push(config.metadata_log_dir().to_owned());
    folders.sort();
    folders.dedup();
    let found = folders::look(folders.iter());
    found.verify(None, Some(config.node_id))?;
    if found.empty.is_empty() {
        return Ok(None);
    }
    if found.formatted.is_empty() && found.broken.is_empty() {
        return format_all(config, &found, world).map(Some);
    }
    add(config, &found, world).map(Some)
}

fn format_all(config: &BrokerConfig, found: &Found, world: &mut World<'_>) -> Result<String, FormatError> {
    let names = found.empty.join(", ");
    // Only a node that is the whole cluster may invent the cluster's id.
    if !(config.roles.broker && config.roles.controller) {
        return Err(FormatError(format!(
            "No readable meta.properties files found. No `meta.properties` found in {names} (have you run `ottla storage \
             format` to format the directory?)"
        )));
    }
    if let Some(folder) = found.empty.iter().find(|folder| holds_something(Path::new(folder))) {
        return Err(FormatError(format!(
            "{folder}: neither empty nor a node's; name another directory in log.dirs"
        )));
    }
    let plan = Plan::of_its_own(config, world)?;
    folders::format_folders(&plan, world, &mut |_| ())?;
    Ok(format!("Formatted {names} for a new cluster {}", plan.cluster_id))
}

/// Files that systems put into every folder do not count, nor do those of a formatting that was cut off.
fn holds_something(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let counts = !name.to_string_lossy().starts_with('.') && name != "lost+found";
        counts && !folders::is_unfinished(&entry.path())
    })
}

fn add(config: &BrokerConfig, found: &Found, world: &mut World<'_>) -> Result<String, FormatError> {
    let metadata = config.metadata_log_dir();
    if found.empty.iter().any(|folder| folder == metadata) {
        return Err(FormatError(format!(
            "{metadata}: holds no metadata log, though other directories of this node are formatted; check log.dirs and \
             metadata.log.dir"
        )));
    }
    let Some(cluster_id) = found
        .formatted
        .values()
        .next()
        .map(|properties| properties.cluster_id.clone())
    else {
        return Err(FormatError(format!(
            "{}: meta.properties cannot be read",
            found.broken.join(", ")
        )));
    };
    for folder in &found.empty {
        let properties = MetaProperties {
            node_id: config.node_id,
            cluster_id: cluster_id.clone(),
            directory_id: Some(world.fresh_id()),
        };
        let path = Path::new(folder);
        let written = fs::create_dir_all(path)
            .and_then(|()| meta_properties::write(path, &properties, &date::java_date(world.now)));
        written.map_err(|error| FormatError(format!("{folder}: {error}")))?;
    }
    Ok(format!("Took {} into use", found.empty.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Properties;
    use crate::storage::replace::TestFolder;

    fn run(lines: &[(&str, &str)], dirs: &[&Path]) -> Result<Option<String>, String> {
        let mut given: Properties = lines
            .iter()
            .map(|(name, text)| ((*name).into(), (*text).into()))
            .collect();
        let dirs: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
        given.insert("log.dirs".to_owned(), dirs.join(","));
        let config = BrokerConfig::from_properties(&given).expect("valid");
        let mut next = 0;
        let mut random = |bytes: &mut [u8]| {
            next += 1;
            bytes.fill(next);
        };
        prepare(
            &config,
            &mut World {
                now: 0,
                random: &mut random,
            },
        )
        .map_err(|error| error.0)
    }

    #[test]
    fn a_single_node_formats_its_empty_folder_once() {
        let folder = TestFolder::make();
        let data = folder.path().join("data");
        let line = run(&[], &[&data]).expect("formatted").expect("something to do");
        assert!(
            line.starts_with(&format!("Formatted {} for a new cluster ", data.display())),
            "{line}"
        );
        assert_eq!(run(&[], &[&data]), Ok(None));
        fs::create_dir_all(folder.path().join("mount/lost+found")).expect("a folder");
        assert!(run(&[], &[&folder.path().join("mount")]).is_ok());
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_left_alone() {
        let folder = TestFolder::make();
        fs::write(folder.path().join("thesis.txt"), "words").expect("a file");
        let said = format!(
            "{}: neither empty nor a node's; name another directory in log.dirs",
            folder.path().display()
        );
        assert_eq!(run(&[], &[folder.path()]), Err(said));
    }

    #[test]
    fn what_a_formatting_left_that_was_cut_off_is_formatted_anew() {
        for left in [
            "bootstrap.checkpoint.tmp",
            "bootstrap.checkpoint",
            "meta.properties.tmp",
            "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint.tmp",
            "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint",
        ] {
            let folder = TestFolder::make();
            let path = folder.path().join(left);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, "half").expect("a file");
            assert!(run(&[], &[folder.path()]).is_ok_and(|line| line.is_some()), "{left}");
        }
        let folder = TestFolder::make();
        let log = folder.path().join("__cluster_metadata-0");
        fs::create_dir_all(&log).expect("a folder");
        fs::write(log.join("00000000000000000000.log"), "records").expect("a file");
        assert!(run(&[], &[folder.path()]).is_err(), "a log is never thrown away");
    }

    #[test]
    fn a_further_folder_joins_those_that_are_there() {
        let folder = TestFolder::make();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        run(&[], &[&one]).expect("formatted");
        assert_eq!(
            run(&[], &[&one, &two]),
            Ok(Some(format!("Took {} into use", two.display())))
        );
        let ids = [&one, &two].map(|path| meta_properties::read(path).expect("readable").expect("formatted"));
        assert_eq!(ids[0].cluster_id, ids[1].cluster_id);
        let three = folder.path().join("three");
        assert!(run(&[], &[&three, &one]).is_err_and(|line| line.contains("holds no metadata log")));
    }

    #[test]
    fn part_of_a_cluster_does_not_invent_the_clusters_id() {
        let folder = TestFolder::make();
        let lines = [
            ("process.roles", "broker"),
            ("node.id", "2"),
            ("controller.listener.names", "C"),
            ("controller.quorum.bootstrap.servers", "h:1"),
        ];
        let refused = run(&lines, &[&folder.path().join("data")]);
        assert!(refused.is_err_and(|line| line.starts_with("No readable meta.properties files found.")));
    }
}
