//! The typed values of all keys of a table. Asking for a key that is not in the table, or by another type, is a mistake
//! of ours and stops the program.

use crate::config::Properties;
use crate::config::error::ConfigError;
use crate::config::key::Key;
use crate::config::value::Value;
use std::collections::HashMap;

#[derive(Clone, Debug, PartialEq)]
pub struct Values(HashMap<&'static str, Value>);

impl Values {
    /// Reads the table's keys from `given`; the rest have their defaults.
    pub fn parse(table: impl Iterator<Item = &'static Key>, given: &Properties) -> Result<Values, ConfigError> {
        let mut values = HashMap::new();
        for key in table {
            let value = match given.get(key.name) {
                Some(text) => key.parse(text)?,
                None => key.default_value()?,
            };
            values.insert(key.name, value);
        }
        Ok(Values(values))
    }

    /// The same values with another one for a key of the table.
    pub fn set(&mut self, key: &'static Key, value: Value) {
        self.0.insert(key.name, value);
    }

    pub fn get(&self, name: &str) -> &Value {
        match self.0.get(name) {
            Some(value) => value,
            None => panic!("no key {name} in this table"),
        }
    }

    pub fn boolean(&self, name: &str) -> bool {
        match self.get(name) {
            Value::Boolean(value) => *value,
            other => wrong(name, other),
        }
    }

    /// Of an INT or a SHORT.
    pub fn int(&self, name: &str) -> i32 {
        match self.get(name) {
            Value::Int(value) => *value,
            Value::Short(value) => i32::from(*value),
            other => wrong(name, other),
        }
    }

    /// Of any whole number.
    pub fn long(&self, name: &str) -> i64 {
        match self.get(name) {
            Value::Long(value) => *value,
            _ => i64::from(self.int(name)),
        }
    }

    pub fn optional_long(&self, name: &str) -> Option<i64> {
        (!self.get(name).is_null()).then(|| self.long(name))
    }

    pub fn double(&self, name: &str) -> f64 {
        match self.get(name) {
            Value::Double(value) => *value,
            other => wrong(name, other),
        }
    }

    /// Of a STRING, CLASS or PASSWORD; none when null.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).as_text()
    }

    /// Empty when null.
    pub fn list(&self, name: &str) -> &[String] {
        self.get(name).as_list()
    }
}

fn wrong(name: &str, value: &Value) -> ! {
    panic!("key {name} is not of the type asked for: {value:?}")
}
