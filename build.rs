//! Turns the message declarations in `src/schema/*.txt` into Rust: a struct each, with `decode` and `encode`.
//!
//! The notation is explained in `src/schema/README.md`. What comes out never allocates by a count alone: see `wire.rs`.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

fn main() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/schema");
    println!("cargo::rerun-if-changed={}", schema.display());
    let mut files = declarations(&schema);
    files.extend(declarations(&schema.join("api")));
    files.sort();
    let mut out = String::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a declaration file is readable");
        for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
            let message = Message::parse(block);
            message.write(&mut out);
        }
    }
    let target = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("messages.rs");
    fs::write(target, out).expect("the output folder is writable");
}

fn declarations(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the declarations are there");
    let paths = entries.map(|entry| entry.expect("the folder is readable").path());
    paths
        .filter(|path| path.extension().is_some_and(|kind| kind == "txt"))
        .collect()
}

/// First and last version, both included.
#[derive(Clone, Copy, PartialEq)]
struct Versions(i16, i16);

const ALL: Versions = Versions(0, i16::MAX);
const NONE: Versions = Versions(i16::MAX, -1);

impl Versions {
    fn parse(text: &str) -> Versions {
        let number = |part: &str| part.parse::<i16>().unwrap_or_else(|_| panic!("not a version: {text}"));
        match (text, text.split_once('-')) {
            ("none", _) => NONE,
            (_, Some((first, last))) => Versions(number(first), number(last)),
            _ => match text.strip_suffix('+') {
                Some(first) => Versions(number(first), i16::MAX),
                None => Versions(number(text), number(text)),
            },
        }
    }

    /// A condition on `version`, or `None` when it always holds.
    fn condition(self) -> Option<String> {
        match self {
            ALL => None,
            Versions(first, i16::MAX) if first != i16::MAX => Some(format!("version >= {first}")),
            Versions(0, last) => Some(format!("version <= {last}")),
            Versions(first, last) => Some(format!("({first}..={last}).contains(&version)")),
        }
    }

    fn test(self) -> String {
        self.condition().unwrap_or_else(|| "true".into())
    }
}

struct Field {
    name: String,
    base: String,
    array: bool,
    nullable: Option<Versions>,
    versions: Versions,
    tag: Option<u32>,
    default: String,
}

struct Struct {
    name: String,
    fields: Vec<Field>,
}

struct Message {
    name: String,
    key: Option<i16>,
    versions: Versions,
    flexible: Versions,
    structs: Vec<Struct>,
}

impl Message {
    fn parse(block: &str) -> Message {
        let mut rows = block.lines().filter(|row| !row.trim().is_empty()).peekable();
        let head: Vec<&str> = rows
            .next()
            .expect("a block has a first line")
            .split_whitespace()
            .collect();
        let value = |word: &str| {
            head.iter()
                .position(|found| *found == word)
                .and_then(|at| head.get(at + 1))
                .copied()
        };
        let mut message = Message {
            name: head[1].into(),
            key: value("key").map(|key| key.parse().expect("a key is a number")),
            versions: Versions::parse(value("versions").expect("versions")),
            flexible: Versions::parse(value("flexible").expect("flexible")),
            structs: Vec::new(),
        };
        let rows: Vec<(usize, &str)> = rows
            .map(|row| (row.len() - row.trim_start().len(), row.trim()))
            .collect();
        let mut at = 0;
        let name = message.name.clone();
        message.parse_struct(&rows, &mut at, 2, name);
        message
    }

    fn parse_struct(&mut self, rows: &[(usize, &str)], at: &mut usize, indent: usize, name: String) {
        let mut fields = Vec::new();
        while let Some((depth, row)) = rows.get(*at) {
            if *depth < indent {
                break;
            }
            *at += 1;
            if let Some(common) = row.strip_prefix("struct ") {
                self.parse_struct(rows, at, indent + 2, common.into());
                continue;
            }
            let field = Field::parse(row);
            if rows.get(*at).is_some_and(|(next, _)| *next > indent) {
                self.parse_struct(rows, at, indent + 2, field.base.clone());
            }
            fields.push(field);
        }
        self.structs.push(Struct { name, fields });
    }

    fn write(&self, out: &mut String) {
        let module = snake(&self.name);
        writeln!(out, "pub mod {module} {{\n    use crate::schema::prelude::*;").unwrap();
        for structure in &self.structs {
            structure.write(out, self);
        }
        let Versions(first, last) = self.versions;
        let flexible = if self.flexible == NONE {
            i16::MAX
        } else {
            self.flexible.0
        };
        let key = self.key.unwrap_or(-1);
        writeln!(
            out,
            "    impl Message for {name} {{
        const KEY: i16 = {key};
        const FIRST_VERSION: i16 = {first};
        const LAST_VERSION: i16 = {last};
        const FIRST_FLEXIBLE: i16 = {flexible};
        fn decode(reader: &mut Reader, version: i16) -> Result<Self, DecodeError> {{ Self::read(reader, version) }}
        fn encode(&self, writer: &mut Writer, version: i16) {{ self.write(writer, version) }}
    }}
}}",
            name = self.name
        )
        .unwrap();
    }
}

impl Field {
    fn parse(row: &str) -> Field {
        let (left, default) = row.split_once(" = ").unwrap_or((row, ""));
        let mut words = left.split_whitespace();
        let name = words
            .next()
            .and_then(|word| word.strip_suffix(':'))
            .unwrap_or_else(|| panic!("no name: {row}"));
        let kind = words.next().unwrap_or_else(|| panic!("no type: {row}"));
        let (kind, null) = kind
            .split_once('?')
            .map_or((kind, None), |(kind, null)| (kind, Some(null)));
        let (array, base) = kind.strip_prefix("[]").map_or((false, kind), |base| (true, base));
        let mut field = Field {
            name: if ["type", "match"].contains(&name) {
                format!("r#{name}")
            } else {
                name.into()
            },
            base: base.into(),
            array,
            nullable: null.map(|null| if null.is_empty() { ALL } else { Versions::parse(null) }),
            versions: ALL,
            tag: None,
            default: default.trim().into(),
        };
        for word in words {
            match (word.strip_prefix('@'), word.strip_prefix('#')) {
                (Some(versions), _) => field.versions = Versions::parse(versions),
                (_, Some(tag)) => field.tag = Some(tag.parse().expect("a tag is a number")),
                _ => panic!("what is {word} in {row}"),
            }
        }
        field
    }

    fn is_struct(&self) -> bool {
        self.base.starts_with(|first: char| first.is_ascii_uppercase())
    }

    fn element_type(&self) -> &str {
        match self.base.as_str() {
            "uuid" => "Uuid",
            "string" => "CompactString",
            "bytes" => "Bytes",
            "records" => "Records",
            other => other,
        }
    }

    fn rust_type(&self) -> String {
        let inner = if self.array {
            format!("Vec<{}>", self.element_type())
        } else {
            self.element_type().into()
        };
        if self.nullable.is_some() {
            format!("Option<{inner}>")
        } else {
            inner
        }
    }

    fn rust_default(&self) -> String {
        match (self.default.as_str(), self.nullable.is_some()) {
            ("null", true) => "None".into(),
            // Without a default of its own a field is empty, not null, even where null is allowed.
            ("", true) if self.array || !self.is_struct() => "Some(Default::default())".into(),
            ("", true) => "None".into(),
            ("", false) => "Default::default()".into(),
            (text, true) => format!("Some({text:?}.into())"),
            (text, false) if self.base == "string" => format!("{text:?}.into()"),
            (text, false) if self.base == "f64" => format!("{text}f64"),
            (text, false) => text.into(),
        }
    }

    /// Reads one element, or the one value of a field that is no array.
    fn read_element(&self) -> String {
        match self.base.as_str() {
            "string" | "bytes" | "records" => format!("reader.{}(flexible)?", self.base),
            _ if self.is_struct() => format!("{}::read(reader, version)?", self.base),
            kind => format!("reader.{kind}()?"),
        }
    }

    fn read(&self) -> String {
        let (some, optional) = if self.array {
            let element = format!("|reader| Ok({})", self.read_element());
            (
                format!("reader.array(flexible, {element})?"),
                format!("reader.nullable_array(flexible, {element})?"),
            )
        } else if self.is_struct() {
            let present = format!(
                "if reader.i8()? < 0 {{ None }} else {{ Some({}) }}",
                self.read_element()
            );
            (self.read_element(), present)
        } else {
            (self.read_element(), format!("reader.nullable_{}(flexible)?", self.base))
        };
        match self.nullable.map(Versions::condition) {
            None => some,
            Some(None) => optional,
            Some(Some(condition)) => format!("if {condition} {{ {optional} }} else {{ Some({some}) }}"),
        }
    }

    fn write_element(&self, value: &str) -> String {
        match self.base.as_str() {
            "string" | "bytes" | "records" => format!("writer.{}(flexible, {value})", self.base),
            _ if self.is_struct() => format!("{value}.write(writer, version)"),
            kind => format!("writer.{kind}(*{value})"),
        }
    }

    fn write_value(&self, value: &str) -> String {
        let element = self.write_element("value");
        if self.array {
            format!("writer.array(flexible, {value}, |writer, value| {element})")
        } else {
            format!("{{ let value = {value}; {element} }}")
        }
    }

    fn write(&self) -> String {
        let place = format!("&self.{}", self.name);
        let Some(nullable) = self.nullable else {
            return self.write_value(&place);
        };
        let some = self.write_value("some");
        let mark = if self.is_struct() && !self.array {
            "writer.i8(1); "
        } else {
            ""
        };
        let null = match (self.is_struct() && !self.array, self.array, self.base.as_str()) {
            (true, ..) => "writer.i8(-1)".to_string(),
            (_, true, _) => "writer.null_array(flexible)".to_string(),
            (_, _, base) => format!("writer.null_{base}(flexible)"),
        };
        match nullable.condition() {
            None => format!("match {place} {{ Some(some) => {{ {mark}{some} }} None => {null} }}"),
            Some(condition) => {
                let empty = if self.base == "string" && !self.array {
                    "empty_string"
                } else {
                    "empty_array"
                };
                format!(
                    "match {place} {{ Some(some) => {{ {mark}{some} }} None if {condition} => {null}, None => writer.{empty}(flexible) }}"
                )
            }
        }
    }
}

impl Struct {
    fn write(&self, out: &mut String, message: &Message) {
        let name = &self.name;
        writeln!(out, "    #[derive(Clone, Debug, PartialEq)]\n    pub struct {name} {{").unwrap();
        for field in &self.fields {
            writeln!(out, "        pub {}: {},", field.name, field.rust_type()).unwrap();
        }
        writeln!(
            out,
            "    }}\n    impl Default for {name} {{\n        fn default() -> Self {{\n            Self {{"
        )
        .unwrap();
        for field in &self.fields {
            writeln!(out, "                {}: {},", field.name, field.rust_default()).unwrap();
        }
        writeln!(out, "            }}\n        }}\n    }}\n    impl {name} {{").unwrap();
        let flexible = message.flexible.test();
        self.write_read(out, &flexible);
        self.write_write(out, &flexible);
        writeln!(out, "    }}").unwrap();
    }

    fn write_read(&self, out: &mut String, flexible: &str) {
        writeln!(
            out,
            "        pub fn read(reader: &mut Reader, version: i16) -> Result<Self, DecodeError> {{"
        )
        .unwrap();
        writeln!(
            out,
            "            let flexible = {flexible};\n            let mut this = Self::default();"
        )
        .unwrap();
        for field in self.fields.iter().filter(|field| field.tag.is_none()) {
            let assign = format!("this.{} = {};", field.name, field.read());
            match field.versions.condition() {
                Some(condition) => writeln!(out, "            if {condition} {{ {assign} }}").unwrap(),
                None => writeln!(out, "            {assign}").unwrap(),
            }
        }
        writeln!(
            out,
            "            if flexible {{\n                for _ in 0..reader.tag_count()? {{"
        )
        .unwrap();
        writeln!(
            out,
            "                    let (tag, end) = reader.tag()?;\n                    match tag {{"
        )
        .unwrap();
        for field in &self.fields {
            let Some(tag) = field.tag else { continue };
            let condition = field.versions.test();
            writeln!(
                out,
                "                        {tag} if {condition} => this.{} = {},",
                field.name,
                field.read()
            )
            .unwrap();
        }
        writeln!(
            out,
            "                        _ => reader.skip_to(end)?,\n                    }}"
        )
        .unwrap();
        writeln!(
            out,
            "                    reader.end_tag(end)?;\n                }}\n            }}"
        )
        .unwrap();
        writeln!(out, "            Ok(this)\n        }}").unwrap();
    }

    fn write_write(&self, out: &mut String, flexible: &str) {
        writeln!(out, "        pub fn write(&self, writer: &mut Writer, version: i16) {{").unwrap();
        writeln!(out, "            let flexible = {flexible};").unwrap();
        for field in self.fields.iter().filter(|field| field.tag.is_none()) {
            match field.versions.condition() {
                Some(condition) => writeln!(out, "            if {condition} {{ {}; }}", field.write()).unwrap(),
                None => writeln!(out, "            {};", field.write()).unwrap(),
            }
        }
        let mut tagged: BTreeMap<u32, &Field> = BTreeMap::new();
        tagged.extend(self.fields.iter().filter_map(|field| field.tag.map(|tag| (tag, field))));
        if tagged.is_empty() {
            writeln!(out, "            if flexible {{ writer.no_tags(); }}\n        }}").unwrap();
            return;
        }
        writeln!(
            out,
            "            if flexible {{\n                let mut tags = Tags::default();"
        )
        .unwrap();
        for (tag, field) in tagged {
            let (name, kind) = (&field.name, field.rust_type());
            let condition = field.versions.test();
            writeln!(
                out,
                "                {{ let unset: {kind} = {}; if {condition} && self.{name} != unset {{ tags.add({tag}, |writer| {{ {}; }}); }} }}",
                field.rust_default(),
                field.write()
            )
            .unwrap();
        }
        writeln!(out, "                tags.write(writer);\n            }}\n        }}").unwrap();
    }
}

fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let previous_is_lower = at > 0 && !letters[at - 1].is_ascii_uppercase();
        let next_is_lower = letters.get(at + 1).is_some_and(|next| next.is_ascii_lowercase());
        if letter.is_ascii_uppercase() && at > 0 && (previous_is_lower || next_is_lower) {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
