//! `cargo +nightly fuzz run follower`

#![no_main]

#[allow(dead_code, reason = "each program calls one of them")]
#[path = "../targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::follower::follow(data));
