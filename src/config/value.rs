//! One typed value: read from text as Java reads it, written as Java writes it.

use crate::config::error::ConfigError;
use crate::config::key::Key;
use crate::config::key::Kind;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    String(String),
    Int(i32),
    Short(i16),
    Long(i64),
    Double(f64),
    List(Vec<String>),
    Class(String),
    Password(String),
}

impl Value {
    /// Reads text by the key's type, without the key's own check.
    pub fn parse(key: &Key, text: &str) -> Result<Value, ConfigError> {
        let trimmed = trim(text);
        let parsed = match key.kind {
            Kind::Boolean => return boolean(key, text, trimmed),
            Kind::String => Some(Value::String(trimmed.to_owned())),
            // Whoever names code of their own relies on it: better no start than a start without it.
            Kind::Class if !trimmed.starts_with("org.apache.kafka.") => {
                return Err(ConfigError::value(
                    key.name,
                    text,
                    &format!("Class {text} could not be found."),
                ));
            }
            Kind::Class => Some(Value::Class(trimmed.to_owned())),
            Kind::Password => Some(Value::Password(trimmed.to_owned())),
            Kind::List => Some(Value::List(distinct(list(trimmed)))),
            Kind::Int => trimmed.parse().ok().map(Value::Int),
            Kind::Short => trimmed.parse().ok().map(Value::Short),
            Kind::Long => trimmed.parse().ok().map(Value::Long),
            Kind::Double => double(trimmed).map(Value::Double),
        };
        let type_name = format!("{:?}", key.kind).to_uppercase();
        parsed.ok_or_else(|| ConfigError::value(key.name, text, &format!("Not a number of type {type_name}")))
    }

    pub fn is_null(&self) -> bool {
        *self == Value::Null
    }

    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Int(number) => Some(f64::from(*number)),
            Value::Short(number) => Some(f64::from(*number)),
            Value::Long(number) => Some(*number as f64),
            Value::Double(number) => Some(*number),
            _ => None,
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::String(text) | Value::Class(text) | Value::Password(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a list; none for null.
    pub fn as_list(&self) -> &[String] {
        match self {
            Value::List(entries) => entries,
            _ => &[],
        }
    }

    /// As a description shows it: null stays null, and nobody sees a password.
    pub fn described(&self) -> Option<String> {
        match self {
            Value::Null => None,
            Value::Password(_) => Some("[hidden]".to_owned()),
            _ => self.plain(),
        }
    }

    /// As a file would hold it.
    pub fn plain(&self) -> Option<String> {
        Some(match self {
            Value::Null => return None,
            Value::Boolean(value) => value.to_string(),
            Value::String(text) | Value::Class(text) | Value::Password(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            Value::Short(number) => number.to_string(),
            Value::Long(number) => number.to_string(),
            Value::Double(number) => java_double(*number),
            Value::List(entries) => entries.join(","),
        })
    }

    /// As Kafka's messages print it.
    pub fn shown(&self) -> String {
        match self {
            Value::List(entries) => format!("[{}]", entries.join(", ")),
            other => other.described().unwrap_or_else(|| "null".to_owned()),
        }
    }
}

/// Java's `trim`: everything up to the space goes, at both ends.
pub fn trim(text: &str) -> &str {
    text.trim_matches(|character| character <= ' ')
}

/// Splits at commas; white space around them goes, empty entries stay.
pub fn list(trimmed: &str) -> Vec<String> {
    if trimmed.is_empty() {
        return Vec::new();
    }
    let space = |character: char| character.is_ascii_whitespace() || character == '\u{b}';
    let parts: Vec<&str> = trimmed.split(',').collect();
    let last = parts.len() - 1;
    let clean = parts.iter().enumerate().map(|(index, part)| match index {
        0 if last == 0 => part,
        0 => part.trim_end_matches(space),
        _ if index == last => part.trim_start_matches(space),
        _ => part.trim_matches(space),
    });
    clean.map(str::to_owned).collect()
}

fn distinct(entries: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    entries.into_iter().filter(|entry| seen.insert(entry.clone())).collect()
}

fn boolean(key: &Key, text: &str, trimmed: &str) -> Result<Value, ConfigError> {
    if trimmed.eq_ignore_ascii_case("true") {
        Ok(Value::Boolean(true))
    } else if trimmed.eq_ignore_ascii_case("false") {
        Ok(Value::Boolean(false))
    } else {
        Err(ConfigError::value(
            key.name,
            text,
            "Expected value to be either true or false",
        ))
    }
}

/// Java's decimal notation: no `inf`, but a type suffix.
fn double(trimmed: &str) -> Option<f64> {
    match trimmed.trim_start_matches(['+', '-']) {
        "NaN" => return Some(f64::NAN),
        "Infinity" => {
            return Some(if trimmed.starts_with('-') {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            });
        }
        _ => {}
    }
    let digits = trimmed.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(trimmed);
    let allowed = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    digits.bytes().all(allowed).then(|| digits.parse().ok())?
}

/// Java writes a point always, and an exponent from 10⁷ on and below 10⁻³.
fn java_double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if number == 0.0 || (1e-3..1e7).contains(&number.abs()) {
        return format!("{number:?}");
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_java_does() {
        for (number, text) in [
            (0.9, "0.9"),
            (1.0, "1.0"),
            (f64::MAX, "1.7976931348623157E308"),
            (2_147_483_647.0, "2.147483647E9"),
            (1e7, "1.0E7"),
            (9_999_999.0, "9999999.0"),
            (0.0001, "1.0E-4"),
            (0.0, "0.0"),
        ] {
            assert_eq!(java_double(number), text);
            assert_eq!(double(text), Some(number));
        }
        for text in ["inf", "nan", "", "1,5", "0x1p3", "1 2"] {
            assert_eq!(double(text), None, "{text}");
        }
    }

    #[test]
    fn lists_are_split_at_commas_and_keep_empty_entries() {
        for (text, entries) in [
            ("", vec![]),
            ("a", vec!["a"]),
            ("a , b,c", vec!["a", "b", "c"]),
            ("a,", vec!["a", ""]),
            (",", vec!["", ""]),
        ] {
            assert_eq!(list(text), entries, "{text}");
        }
        assert_eq!(distinct(list("a,b,a")), ["a", "b"]);
    }
}
