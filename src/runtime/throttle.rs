//! How long to wait so that no more than so many bytes a second are moved. Time is what has passed since any beginning.

use std::time::Duration;

/// What was not used for so long may be used at once.
const BURST: Duration = Duration::from_millis(300);
/// Of a rate that means never.
const LONGEST: f64 = 1e9;

/// Those who share one share its rate.
#[derive(Debug, Default)]
pub struct Throttle {
    /// When all that was moved is paid for.
    paid_at: Duration,
}

impl Throttle {
    /// How long to wait now that `bytes` more were moved.
    pub fn moved(&mut self, bytes: u64, bytes_per_second: f64, now: Duration) -> Duration {
        let seconds = (bytes as f64 / bytes_per_second).clamp(0.0, LONGEST);
        let cost = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        self.paid_at = self.paid_at.max(now.saturating_sub(BURST)).saturating_add(cost);
        self.paid_at.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_time_no_more_bytes_pass_than_allowed() {
        for (rate, least_seconds) in [(1_000.0, 49.0), (10_000.0, 4.5), (1e6, 0.0), (f64::MAX, 0.0)] {
            let mut throttle = Throttle::default();
            let mut now = Duration::from_secs(500);
            for _ in 0..100 {
                now += throttle.moved(500, rate, now);
            }
            let took = (now - Duration::from_secs(500)).as_secs_f64();
            assert!((least_seconds..=50_000.0 / rate).contains(&took), "{rate}: {took}");
        }
    }

    #[test]
    fn two_that_share_it_wait_for_each_other() {
        let mut throttle = Throttle::default();
        let now = Duration::from_secs(500);
        let waits = [(); 3].map(|()| throttle.moved(1_000, 1_000.0, now).as_millis());
        assert_eq!(waits, [700, 1_700, 2_700]);
        assert!(
            throttle.moved(1, 0.0, now).as_secs() > 1_000_000,
            "no rate is no way on"
        );
    }
}
