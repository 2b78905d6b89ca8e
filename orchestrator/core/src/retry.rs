//! When the next attempt is due. Jitter is a hash, not a die: a replay waits the same time.

use std::time::Duration;

use crate::{
    definition::Retry,
    ids::{CallId, Digest, SagaId},
};

/// Once a person has been asked to look, there is no hurry.
const LEAST_AFTER_ATTENTION: Duration = Duration::from_secs(60);

/// The wait between attempt `attempt` and the one after it: exponential, capped, with equal jitter (a half to the whole of
/// it; "Exponential Backoff and Jitter", M. Brooker 2015). `Retry-After` lengthens it, within `max_backoff`.
pub(crate) fn wait(
    retry: &Retry,
    saga: SagaId,
    call: &CallId,
    attempt: u32,
    retry_after: Option<Duration>,
    past_threshold: bool,
) -> Duration {
    let power = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let most = retry.max_backoff.as_secs_f64();
    let whole = (retry.backoff.as_secs_f64() * retry.factor.powi(power)).min(most);
    let mut wait = whole * (0.5 + 0.5 * share(saga, call, attempt));
    if let Some(asked) = retry_after {
        wait = wait.max(asked.as_secs_f64().min(most));
    }
    let wait = Duration::from_secs_f64(wait);
    if past_threshold { wait.max(LEAST_AFTER_ATTENTION) } else { wait }
}

/// A number in [0, 1) that depends on nothing but which attempt this is.
fn share(saga: SagaId, call: &CallId, attempt: u32) -> f64 {
    let index = call.index.map_or(0, |index| u64::from(index) + 1);
    let digest = Digest::of(&[
        saga.0.as_bytes(),
        call.step.as_str().as_bytes(),
        &index.to_be_bytes(),
        call.op.as_str().as_bytes(),
        &attempt.to_be_bytes(),
    ]);
    let bits = u32::from_str_radix(&digest.0[..8], 16).expect("invariant: a digest is hex");
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(attempt: u32, retry_after: Option<u64>, past: bool) -> Duration {
        let call = CallId::action(&"charge".into());
        let saga = SagaId(uuid::Uuid::from_u128(5));
        wait(&Retry::ACTION, saga, &call, attempt, retry_after.map(Duration::from_secs), past)
    }

    #[test]
    fn waits_grow_to_the_cap_and_are_the_same_in_every_replay() {
        for attempt in 1..40 {
            let whole = Duration::from_millis((100.0 * 2_f64.powi(attempt - 1)).min(10_000.0) as u64);
            let attempt = attempt as u32;
            let wait = waits(attempt, None, false);
            assert!(wait >= whole / 2 && wait <= whole, "attempt {attempt}: {wait:?}");
            assert_eq!(wait, waits(attempt, None, false));
        }
        assert_ne!(waits(30, None, false), waits(31, None, false));
    }

    #[test]
    fn retry_after_is_honoured_and_clamped() {
        assert_eq!(waits(1, Some(3), false), Duration::from_secs(3));
        assert_eq!(waits(1, Some(315_360_000), false), Duration::from_secs(10));
        assert!(waits(1, Some(0), false) >= Duration::from_millis(50));
    }

    #[test]
    fn past_the_threshold_of_attention_it_waits_at_least_a_minute() {
        assert_eq!(waits(6, None, true), Duration::from_secs(60));
    }
}
