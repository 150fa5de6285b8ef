//! Who somebody is: credentials and what proves them. Pure.

pub mod scram;
