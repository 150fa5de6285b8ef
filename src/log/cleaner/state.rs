//! What a log knows of its own cleaning.

use crate::log::replica::Log;
use crate::types::Offset;
use crate::types::Timestamp;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

const NEVER: Offset = -1;

pub struct Cleaning {
    /// Where the last round ended, or -1.
    cleaned_to: AtomicI64,
    /// Until then nobody tries again.
    rests_until: AtomicI64,
    busy: AtomicBool,
    /// How often something was cut off at the end: whoever has read the log before knows nothing any more.
    cuts: AtomicU64,
}

impl Default for Cleaning {
    fn default() -> Cleaning {
        Cleaning {
            cleaned_to: AtomicI64::new(NEVER),
            rests_until: AtomicI64::new(Timestamp::MIN),
            busy: AtomicBool::new(false),
            cuts: AtomicU64::new(0),
        }
    }
}

impl Cleaning {
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Acquire)
    }

    /// The end was cut off. Called by the holder of the writer's lock.
    pub(crate) fn cut_to(&self, end: Offset) {
        self.cuts.fetch_add(1, Ordering::AcqRel);
        self.cleaned_to.fetch_min(end, Ordering::AcqRel);
    }

    /// `true` for the only one who may clean until `let_go`.
    pub(crate) fn grab(&self, now: Timestamp) -> bool {
        now >= self.rests_until.load(Ordering::Acquire) && !self.busy.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn let_go(&self) {
        self.busy.store(false, Ordering::Release);
    }

    pub(crate) fn rest_until(&self, until: Timestamp) {
        self.rests_until.store(until, Ordering::Release);
    }
}

impl Log {
    /// Where the last round of cleaning ended; `None` before the first.
    pub fn cleaned_to(&self) -> Option<Offset> {
        Some(self.cleaning.cleaned_to.load(Ordering::Acquire)).filter(|offset| *offset != NEVER)
    }

    pub(crate) fn set_cleaned_to(&self, offset: Option<Offset>) {
        self.cleaning
            .cleaned_to
            .store(offset.unwrap_or(NEVER).max(NEVER), Ordering::Release);
    }

    /// A round has ended, unless the log was cut meanwhile.
    pub(crate) fn cleaned_up_to(&self, offset: Offset, cuts: u64) {
        let _writer = self.writer();
        if self.cleaning.cuts() == cuts {
            self.set_cleaned_to(Some(offset));
        }
    }
}
