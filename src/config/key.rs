//! What is declared of a key, and the notation in which the tables under `keys` declare it.

use crate::config::check::Check;
use crate::config::error::ConfigError;
use crate::config::value::Value;

pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub default: Default,
    pub check: Check,
    pub importance: Importance,
    pub origin: Origin,
    pub documentation: &'static str,
}

/// Type of a key; the numbers are those of DescribeConfigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Kind {
    Boolean = 1,
    String = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    Password = 9,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    Required,
    Null,
    Text(&'static str),
}

/// How much a key matters to people. Internal keys are known and checked, but shown only where somebody set them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
    Internal,
}

/// Where a value may come from besides the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A key of the broker that only its file sets.
    ReadOnly,
    /// A key of the broker that may change while it runs, for each broker by itself.
    PerBroker,
    /// A key of the broker that may change while it runs, for one broker or for all.
    ClusterWide,
    /// A key of a topic or group; the first of these broker keys that is set gives the default, times its factor.
    From(&'static [(&'static str, i64)]),
    /// A key of a topic, group or client without a key of the broker behind it.
    Own,
}

impl Key {
    pub fn is_internal(&self) -> bool {
        self.importance == Importance::Internal
    }

    pub fn is_sensitive(&self) -> bool {
        self.kind == Kind::Password
    }

    /// May change while the broker runs.
    pub fn is_dynamic(&self) -> bool {
        matches!(self.origin, Origin::PerBroker | Origin::ClusterWide)
    }

    /// The broker keys that supply the default of a topic or group key, with the factor to its unit.
    pub fn synonyms(&self) -> &'static [(&'static str, i64)] {
        match self.origin {
            Origin::From(synonyms) => synonyms,
            _ => &[],
        }
    }

    /// Reads and checks a value that was given.
    pub fn parse(&self, text: &str) -> Result<Value, ConfigError> {
        let value = Value::parse(self, text)?;
        self.check.ensure(self.name, &value)?;
        Ok(value)
    }

    /// The value when none was given.
    pub fn default_value(&self) -> Result<Value, ConfigError> {
        match self.default {
            Default::Text(text) => Value::parse(self, text),
            Default::Null => Ok(Value::Null),
            Default::Required => Err(ConfigError::Invalid(format!(
                "Missing required configuration \"{}\" which has no default value.",
                self.name
            ))),
        }
    }

    pub fn default_text(&self) -> Option<&'static str> {
        match self.default {
            Default::Text(text) => Some(text),
            Default::Null | Default::Required => None,
        }
    }
}

/// Declares a table: name, type = default, check, importance, origin, and what people read about it.
macro_rules! keys {
    ($table:ident: $($name:literal $kind:ident = $default:tt, $check:expr, $importance:ident, $origin:expr,
        $documentation:literal;)*) => {
        pub static $table: &[$crate::config::key::Key] = {
            #[allow(unused_imports)]
            use $crate::config::check::Check::*;
            #[allow(unused_imports)]
            use $crate::config::key::Origin::*;
            &[$($crate::config::key::Key {
                name: $name,
                kind: $crate::config::key::Kind::$kind,
                default: $crate::config::key::keys!(@default $default),
                check: $check,
                importance: $crate::config::key::Importance::$importance,
                origin: $origin,
                documentation: $documentation,
            },)*]
        };
    };
    (@default required) => { $crate::config::key::Default::Required };
    (@default null) => { $crate::config::key::Default::Null };
    (@default $text:literal) => { $crate::config::key::Default::Text($text) };
}

pub(crate) use keys;
