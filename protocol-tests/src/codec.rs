//! Messages as JSON to bytes and back, by their declarations. Uuids are written as 32 hex digits.

use crate::batch;
use crate::declarations::Field;
use crate::declarations::Message;
use crate::declarations::within;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

pub fn encode(message: &Message, version: i16, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_struct(&mut out, message, &message.name, version, value);
    out
}

fn write_struct(out: &mut Vec<u8>, message: &Message, name: &str, version: i16, value: &Value) {
    let flexible = message.is_flexible(version);
    let given = value
        .as_object()
        .unwrap_or_else(|| panic!("{name}: an object is needed, not {value}"));
    let fields = &message.structs[name];
    for known in given.keys() {
        assert!(
            fields.iter().any(|field| &field.name == known),
            "{name} has no field {known}"
        );
    }
    for field in fields
        .iter()
        .filter(|field| field.tag.is_none() && within(field.versions, version))
    {
        let value = given
            .get(&field.name)
            .cloned()
            .unwrap_or_else(|| default_of(message, field));
        write_field(out, message, field, version, &value);
    }
    if !flexible {
        return;
    }
    let tagged: Vec<(u32, Vec<u8>)> = fields
        .iter()
        .filter(|field| within(field.versions, version))
        .filter_map(|field| {
            let (tag, value) = (field.tag?, given.get(&field.name)?);
            let mut bytes = Vec::new();
            write_field(&mut bytes, message, field, version, value);
            Some((tag, bytes))
        })
        .collect();
    uvarint(out, tagged.len() as u32);
    for (tag, bytes) in tagged {
        uvarint(out, tag);
        uvarint(out, bytes.len() as u32);
        out.extend(bytes);
    }
}

fn default_of(message: &Message, field: &Field) -> Value {
    let text = field.default.as_str();
    if field.array {
        return if text == "null" { Value::Null } else { json!([]) };
    }
    match field.base.as_str() {
        _ if text == "null" => Value::Null,
        "bool" => json!(text == "true"),
        "string" => json!(text),
        "uuid" => json!("0".repeat(32)),
        "bytes" | "records" => json!(""),
        base if message.structs.contains_key(base) => json!({}),
        _ if text.starts_with("0x") => json!(i64::from_str_radix(&text[2..], 16).unwrap()),
        _ if text.is_empty() => json!(0),
        _ => json!(text.parse::<i64>().unwrap()),
    }
}

fn write_field(out: &mut Vec<u8>, message: &Message, field: &Field, version: i16, value: &Value) {
    let flexible = message.is_flexible(version);
    if field.array {
        let Some(elements) = value.as_array() else {
            return length(out, flexible, field, None);
        };
        length(out, flexible, field, Some(elements.len()));
        for element in elements {
            write_element(out, message, field, version, element);
        }
    } else {
        write_element(out, message, field, version, value);
    }
}

fn write_element(out: &mut Vec<u8>, message: &Message, field: &Field, version: i16, value: &Value) {
    let flexible = message.is_flexible(version);
    let number = || {
        value
            .as_i64()
            .unwrap_or_else(|| panic!("{}: a number is needed, not {value}", field.name))
    };
    match field.base.as_str() {
        "bool" => out.push(value.as_bool().unwrap().into()),
        "i8" => out.extend((number() as i8).to_be_bytes()),
        "i16" => out.extend((number() as i16).to_be_bytes()),
        "u16" => out.extend((number() as u16).to_be_bytes()),
        "i32" => out.extend((number() as i32).to_be_bytes()),
        "u32" => out.extend((number() as u32).to_be_bytes()),
        "i64" => out.extend(number().to_be_bytes()),
        "f64" => out.extend(value.as_f64().unwrap().to_be_bytes()),
        "uuid" => out.extend(hex(value.as_str().unwrap())),
        "string" => match value.as_str() {
            None => text_length(out, flexible, None),
            Some(text) => {
                text_length(out, flexible, Some(text.len()));
                out.extend(text.as_bytes());
            }
        },
        "bytes" | "records" => match value {
            Value::Null => length(out, flexible, field, None),
            _ => {
                let bytes = batch::bytes_of(value);
                length(out, flexible, field, Some(bytes.len()));
                out.extend(bytes);
            }
        },
        _ => {
            if field.nullable.is_some() && !field.array {
                out.push(if value.is_null() { 0xff } else { 1 });
                if value.is_null() {
                    return;
                }
            }
            write_struct(out, message, &field.base, version, value);
        }
    }
}

fn length(out: &mut Vec<u8>, flexible: bool, field: &Field, length: Option<usize>) {
    assert!(
        length.is_some() || field.nullable.is_some(),
        "{} is never null",
        field.name
    );
    match (flexible, length) {
        (true, None) => uvarint(out, 0),
        (true, Some(length)) => uvarint(out, length as u32 + 1),
        (false, None) => out.extend((-1i32).to_be_bytes()),
        (false, Some(length)) => out.extend((length as i32).to_be_bytes()),
    }
}

fn text_length(out: &mut Vec<u8>, flexible: bool, length: Option<usize>) {
    match (flexible, length) {
        (true, None) => uvarint(out, 0),
        (true, Some(length)) => uvarint(out, length as u32 + 1),
        (false, None) => out.extend((-1i16).to_be_bytes()),
        (false, Some(length)) => out.extend((length as i16).to_be_bytes()),
    }
}

pub fn uvarint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn hex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0, "{text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decodes the whole answer; anything left over or missing is an error worth failing on.
pub fn decode(message: &Message, version: i16, bytes: &[u8]) -> Result<Value, String> {
    let mut reader = Reader(bytes);
    let value = read_struct(&mut reader, message, &message.name, version)?;
    if reader.0.is_empty() {
        Ok(value)
    } else {
        Err(format!("{} bytes left over: {value}", reader.0.len()))
    }
}

pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    pub fn take(&mut self, length: usize) -> Result<&[u8], String> {
        if length > self.0.len() {
            return Err(format!("{length} bytes wanted, {} are left", self.0.len()));
        }
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        Ok(taken)
    }

    fn integer(&mut self, size: usize) -> Result<i64, String> {
        let bytes = self.take(size)?;
        let negative = bytes[0] & 0x80 != 0;
        let start = if negative { -1 } else { 0 };
        Ok(bytes.iter().fold(start, |value, byte| (value << 8) | i64::from(*byte)))
    }

    pub fn uvarint(&mut self) -> Result<u64, String> {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
    }

    fn length(&mut self, flexible: bool, size: usize) -> Result<Option<usize>, String> {
        let length = if flexible {
            self.uvarint()? as i64 - 1
        } else {
            self.integer(size)?
        };
        Ok(usize::try_from(length).ok())
    }
}

fn read_struct(reader: &mut Reader, message: &Message, name: &str, version: i16) -> Result<Value, String> {
    let mut object = Map::new();
    let fields = &message.structs[name];
    for field in fields
        .iter()
        .filter(|field| field.tag.is_none() && within(field.versions, version))
    {
        let value = read_field(reader, message, field, version).map_err(|error| format!("{}: {error}", field.name))?;
        object.insert(field.name.clone(), value);
    }
    if message.is_flexible(version) {
        for _ in 0..reader.uvarint()? {
            let (tag, size) = (reader.uvarint()? as u32, reader.uvarint()? as usize);
            let mut inner = Reader(reader.take(size)?);
            match fields
                .iter()
                .find(|field| field.tag == Some(tag) && within(field.versions, version))
            {
                Some(field) => {
                    let value = read_field(&mut inner, message, field, version)?;
                    object.insert(field.name.clone(), value);
                }
                None => return Err(format!("unknown tag {tag} in {name}")),
            }
        }
    }
    Ok(Value::Object(object))
}

fn read_field(reader: &mut Reader, message: &Message, field: &Field, version: i16) -> Result<Value, String> {
    if !field.array {
        return read_element(reader, message, field, version);
    }
    let Some(count) = reader.length(message.is_flexible(version), 4)? else {
        return Ok(Value::Null);
    };
    (0..count)
        .map(|_| read_element(reader, message, field, version))
        .collect()
}

fn read_element(reader: &mut Reader, message: &Message, field: &Field, version: i16) -> Result<Value, String> {
    let flexible = message.is_flexible(version);
    Ok(match field.base.as_str() {
        "bool" => json!(reader.integer(1)? != 0),
        "i8" => json!(reader.integer(1)?),
        "i16" => json!(reader.integer(2)?),
        "u16" => json!(reader.integer(2)? & 0xffff),
        "i32" => json!(reader.integer(4)?),
        "u32" => json!(reader.integer(4)? & 0xffff_ffff),
        "i64" => json!(reader.integer(8)?),
        "f64" => json!(f64::from_bits(reader.integer(8)? as u64)),
        "uuid" => json!(to_hex(reader.take(16)?)),
        "string" => match reader.length(flexible, 2)? {
            None => Value::Null,
            Some(length) => json!(String::from_utf8_lossy(reader.take(length)?)),
        },
        "records" => match reader.length(flexible, 4)? {
            None => Value::Null,
            Some(length) => batch::describe(reader.take(length)?),
        },
        "bytes" => match reader.length(flexible, 4)? {
            None => Value::Null,
            Some(length) => json!(to_hex(reader.take(length)?)),
        },
        _ => {
            if field.nullable.is_some() && !field.array && reader.integer(1)? < 0 {
                return Ok(Value::Null);
            }
            read_struct(reader, message, &field.base, version)?
        }
    })
}
