//! Reads the message declarations (`src/schema/api/*.txt`) as data.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

pub type Versions = (i16, i16);

#[derive(Debug)]
pub struct Field {
    pub name: String,
    pub base: String,
    pub array: bool,
    pub nullable: Option<Versions>,
    pub versions: Versions,
    pub tag: Option<u32>,
    pub default: String,
}

#[derive(Debug)]
pub struct Message {
    pub name: String,
    pub key: i16,
    pub flexible: Versions,
    pub structs: HashMap<String, Vec<Field>>,
}

impl Message {
    pub fn is_flexible(&self, version: i16) -> bool {
        within(self.flexible, version)
    }
}

pub fn within((first, last): Versions, version: i16) -> bool {
    (first..=last).contains(&version)
}

pub struct Declarations(HashMap<String, Message>);

impl Declarations {
    pub fn load() -> Declarations {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/schema/api");
        let mut messages = HashMap::new();
        for entry in fs::read_dir(&folder).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
                let message = parse(block);
                messages.insert(message.name.clone(), message);
            }
        }
        Declarations(messages)
    }

    pub fn get(&self, name: &str) -> &Message {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("no message {name} is declared"))
    }
}

fn parse(block: &str) -> Message {
    let rows: Vec<&str> = block.lines().filter(|row| !row.trim().is_empty()).collect();
    let head: Vec<&str> = rows[0].split_whitespace().collect();
    let value = |word: &str| head[head.iter().position(|found| *found == word).unwrap() + 1];
    let mut message = Message {
        name: head[1].into(),
        key: value("key").parse().unwrap(),
        flexible: versions(value("flexible")),
        structs: HashMap::new(),
    };
    let rows: Vec<(usize, &str)> = rows[1..]
        .iter()
        .map(|row| (row.len() - row.trim_start().len(), row.trim()))
        .collect();
    let name = message.name.clone();
    parse_struct(&mut message, &rows, &mut 0, 2, name);
    message
}

fn parse_struct(message: &mut Message, rows: &[(usize, &str)], at: &mut usize, indent: usize, name: String) {
    let mut fields = Vec::new();
    while let Some((depth, row)) = rows.get(*at).filter(|(depth, _)| *depth >= indent) {
        assert_eq!(*depth, indent, "{row}");
        *at += 1;
        if let Some(common) = row.strip_prefix("struct ") {
            parse_struct(message, rows, at, indent + 2, common.into());
            continue;
        }
        let field = parse_field(row);
        if rows.get(*at).is_some_and(|(next, _)| *next > indent) {
            parse_struct(message, rows, at, indent + 2, field.base.clone());
        }
        fields.push(field);
    }
    message.structs.insert(name, fields);
}

fn parse_field(row: &str) -> Field {
    let (left, default) = row.split_once(" = ").unwrap_or((row, ""));
    let words: Vec<&str> = left.split_whitespace().collect();
    let (kind, null) = words[1]
        .split_once('?')
        .map_or((words[1], None), |(kind, null)| (kind, Some(null)));
    let (array, base) = kind.strip_prefix("[]").map_or((false, kind), |base| (true, base));
    let after = |mark: char| words[2..].iter().find_map(|word| word.strip_prefix(mark));
    Field {
        name: words[0].trim_end_matches(':').into(),
        base: base.into(),
        array,
        nullable: null.map(|null| if null.is_empty() { (0, i16::MAX) } else { versions(null) }),
        versions: after('@').map_or((0, i16::MAX), versions),
        tag: after('#').map(|tag| tag.parse().unwrap()),
        default: default.into(),
    }
}

fn versions(text: &str) -> Versions {
    if text == "none" {
        return (i16::MAX, -1);
    }
    match (text.strip_suffix('+'), text.split_once('-')) {
        (Some(first), _) => (first.parse().unwrap(), i16::MAX),
        (_, Some((first, last))) => (first.parse().unwrap(), last.parse().unwrap()),
        _ => (text.parse().unwrap(), text.parse().unwrap()),
    }
}
