//! What was seen, in windows of time. Called by the closed and the open loop. Must never know how sagas are driven.

use std::time::{Duration, Instant};

use super::{Order, Seen};

/// Enough to see what is wrong; a run that fails need not go on for its whole time.
const ERRORS_MOST: u64 = 100;

/// Sagas by the window in which they ended.
#[derive(Debug)]
pub(crate) struct Tally {
    began: Instant,
    measured_from: Instant,
    window: Duration,
    /// Of each window, how long its sagas took, in microseconds.
    took_us: Vec<Vec<u32>>,
    /// Of those that ended past the last window.
    stragglers_us: Vec<u32>,
    started: u64,
    ended: u64,
    count: u64,
    errors: u64,
    first_error: Option<String>,
}

impl Tally {
    pub(crate) fn new(order: &Order) -> Self {
        let began = Instant::now();
        let windows = order.windows.max(1);
        Self {
            began,
            measured_from: began + Duration::from_secs_f64(order.warmup_s),
            window: Duration::from_secs_f64(order.seconds / windows as f64),
            took_us: vec![vec![]; windows],
            stragglers_us: vec![],
            started: 0,
            ended: 0,
            count: order.count.unwrap_or(u64::MAX),
            errors: 0,
            first_error: None,
        }
    }

    /// Whether one more is to be started.
    pub(crate) fn start(&mut self) -> bool {
        let end = self.measured_from + self.window * u32::try_from(self.took_us.len()).unwrap_or(1);
        let go = self.started < self.count && self.errors < ERRORS_MOST && Instant::now() < end;
        self.started += u64::from(go);
        go
    }

    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// One that began then has ended now.
    pub(crate) fn end(&mut self, began: Instant, outcome: anyhow::Result<()>) {
        let now = Instant::now();
        match outcome {
            Ok(()) => {
                self.ended += 1;
                let Some(since) = now.checked_duration_since(self.measured_from) else { return };
                let which = (since.as_secs_f64() / self.window.as_secs_f64()) as usize;
                let window = self.took_us.get_mut(which).unwrap_or(&mut self.stragglers_us);
                window.push(u32::try_from((now - began).as_micros()).unwrap_or(u32::MAX));
            }
            Err(error) => {
                self.errors += 1;
                self.first_error.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }

    pub(crate) fn seen(self) -> Seen {
        let seconds = self.window.as_secs_f64();
        let rates = self.took_us.iter().map(|window| window.len() as f64 / seconds).collect();
        let mut all = self.took_us.concat();
        if all.is_empty() {
            // Slower than the whole measurement; that is what there is to tell.
            all = self.stragglers_us;
        }
        all.sort_unstable();
        Seen {
            sagas: self.ended,
            measured: all.len(),
            took_s: self.began.elapsed().as_secs_f64(),
            unanswered: self.started - self.ended - self.errors,
            errors: self.errors,
            first_error: self.first_error,
            rates,
            p50_ms: percentile_ms(&all, 0.50),
            p99_ms: percentile_ms(&all, 0.99),
            max_ms: percentile_ms(&all, 1.0),
        }
    }
}

/// Of microseconds in order; nearest rank. Of nothing 0: JSON has no word for what it is not.
pub(crate) fn percentile_ms(sorted_us: &[u32], part: f64) -> f64 {
    let rank = ((sorted_us.len() as f64 * part).ceil() as usize).clamp(1, sorted_us.len().max(1));
    sorted_us.get(rank - 1).map_or(0.0, |us| f64::from(*us) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let hundred: Vec<u32> = (1..=100).map(|ms| ms * 1000).collect();
        assert_eq!(percentile_ms(&hundred, 0.5), 50.0);
        assert_eq!(percentile_ms(&hundred, 0.99), 99.0);
        assert_eq!(percentile_ms(&hundred, 1.0), 100.0);
        assert_eq!(percentile_ms(&[7000], 0.5), 7.0);
        assert_eq!(percentile_ms(&[], 0.5), 0.0);
    }
}
