//! The places just before a file changes, where `tests/crash.rs` kills the process. Only the feature `crash-points`
//! puts code into them.
//!
//! `OTTLA_CRASH_AT` is the number of the place at which the process ends as by `kill -9`. With `OTTLA_CRASH_TORN` half
//! of what would be written there is written first, as when a disk fills up or a machine dies within a write.

#[cfg(feature = "crash-points")]
pub use counting::*;

#[cfg(feature = "crash-points")]
mod counting {
    use std::io;
    use std::sync::LazyLock;
    use std::sync::Mutex;
    use std::sync::PoisonError;

    static AT: LazyLock<u64> = LazyLock::new(|| {
        let given = std::env::var("OTTLA_CRASH_AT").ok();
        given.and_then(|number| number.parse().ok()).unwrap_or(u64::MAX)
    });
    static TORN: LazyLock<bool> = LazyLock::new(|| std::env::var_os("OTTLA_CRASH_TORN").is_some());
    static REACHED: Mutex<u64> = Mutex::new(0);

    pub fn reached() {
        reached_before_writing(|| Ok(()));
    }

    pub fn reached_before_writing(write_half: impl FnOnce() -> io::Result<()>) {
        // Held to the end of the process, so that no other thread changes a file after the fatal place.
        let mut count = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        if *count == *AT {
            if *TORN {
                let _ = write_half();
            }
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            loop {
                std::thread::park();
            }
        }
    }
}

#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn reached() {}

#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn reached_before_writing(_write_half: impl FnOnce() -> std::io::Result<()>) {}

/// What a torn write leaves.
pub fn half(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() / 2]
}
