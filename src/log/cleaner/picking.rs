//! Finds the log that is cleaned next, among all of a broker, and writes down how far each is clean.

use crate::log::cleaner::Brake;
use crate::log::cleaner::CleanError;
use crate::log::cleaner::CleanReport;
use crate::log::cleaner::CleanerLimits;
use crate::log::cleaner::choice::Dirt;
use crate::log::cleaner::choice::LogFacts;
use crate::log::cleaner::choice::SegmentFacts;
use crate::log::dirs::Hosted;
use crate::log::dirs::LogDirs;
use crate::log::replica::Log;
use crate::log::settings::LogSettings;
use crate::types::Timestamp;
use std::io;
use std::sync::Arc;

/// A log whose turn it is. Nobody else cleans it until this is dropped.
pub struct Dirty {
    log: Arc<Log>,
    dirt: Dirt,
}

impl Drop for Dirty {
    fn drop(&mut self) {
        self.log.cleaning.let_go();
    }
}

/// A log that had no room on its disk tries again after this time.
const FULL_DISK_MS: i64 = 60_000;

impl Dirty {
    pub fn name(&self) -> &Arc<str> {
        &self.log.name
    }

    pub fn clean(&self, limits: &CleanerLimits, brake: &dyn Brake, now: Timestamp) -> Result<CleanReport, CleanError> {
        let done = self.log.clean(&self.dirt, limits, brake, now);
        match &done {
            Ok(_) | Err(CleanError::Stopped | CleanError::Failed(_)) => {}
            Err(CleanError::Io(error)) if error.kind() == io::ErrorKind::StorageFull => {
                self.log.cleaning.rest_until(now.saturating_add(FULL_DISK_MS));
            }
            // It would only fail again.
            Err(CleanError::Io(_) | CleanError::Damaged { .. }) => self.log.cleaning.rest_until(Timestamp::MAX),
        }
        done
    }
}

impl LogDirs {
    /// The dirtiest log that is dirty enough.
    pub fn grab_dirtiest(&self, now: Timestamp) -> Option<Dirty> {
        let mut dirtiest: Option<(f64, Dirty)> = None;
        for hosted in self.all() {
            let Some((ratio, dirty)) = grab(&hosted, now) else {
                continue;
            };
            if dirtiest.as_ref().is_none_or(|(most, _)| ratio > *most) {
                dirtiest = Some((ratio, dirty));
            }
        }
        dirtiest.map(|(_, dirty)| dirty)
    }
}

fn grab(hosted: &Hosted, now: Timestamp) -> Option<(f64, Dirty)> {
    let log = &hosted.log;
    let settings = log.settings();
    if !settings.batches.compacted || log.usable().is_err() || !log.cleaning.grab(now) {
        return None;
    }
    let mut dirty = Dirty {
        log: log.clone(),
        dirt: Dirt::default(),
    };
    // A log that cannot be looked at is left to those who find out why.
    let facts = log.facts(&settings).ok()?;
    dirty.dirt = Dirt::of(&facts, now)?;
    let ratio = dirty.dirt.ratio();
    dirty
        .dirt
        .is_enough(settings.min_cleanable_dirty_ratio)
        .then_some((ratio, dirty))
}

impl Log {
    pub(crate) fn facts(&self, settings: &LogSettings) -> io::Result<LogFacts> {
        // In this order: what is stable now is in one of these segments, unless it is cut off meanwhile.
        let cuts = self.cleaning.cuts();
        let stable = self.last_stable_offset();
        let segments = self.segments();
        let (start, cleaned_to) = (self.log_start(), self.cleaned_to());
        let sealed = segments.len().saturating_sub(1);
        let dirty_from = cleaned_to.unwrap_or(start).max(start);
        let mut facts = Vec::with_capacity(segments.len());
        for (index, segment) in segments.iter().enumerate() {
            let ends = segments.get(index + 1).map_or(i64::MAX, |next| next.base_offset);
            // Only what decides is looked up: it costs a look into files.
            let dirty = index < sealed && ends > dirty_from;
            let largest = dirty && settings.min_compaction_lag_ms > 0;
            let first = dirty && settings.max_compaction_lag_ms < i64::MAX;
            facts.push(SegmentFacts {
                base_offset: segment.base_offset,
                bytes: segment.size(),
                first_timestamp: first.then(|| segment.first_timestamp()).flatten(),
                largest_timestamp: match largest {
                    true => Some(segment.largest()?.timestamp),
                    false => None,
                },
            });
        }
        Ok(LogFacts {
            segments: facts,
            start,
            end: self.end_offset(),
            stable,
            cleaned_to,
            min_lag_ms: settings.min_compaction_lag_ms,
            max_lag_ms: settings.max_compaction_lag_ms,
            cuts,
        })
    }
}
