//! The run itself: the plan is set, sagas are started and waited for, the plan is cleared, and what is left comes to its end.
//!
//! **It must never know** what an audit looks at.

use std::time::{Duration, Instant};

use amends_client::{Client, ClientError, Start};
use amends_protocol::v1::{FaultRuleView, StartRequest};
use futures_util::{StreamExt as _, stream};
use uuid::Uuid;

use super::Options;
use crate::{audit::Check, output, signals::Signals};

/// A server that died of the plan is started again by somebody; so long one waits between two tries.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How long one question is held by the server.
const LONG_POLL: Duration = Duration::from_secs(5);

/// What came of it.
#[derive(Debug)]
pub(super) struct Ran {
    /// In order of their numbers.
    pub(super) started: Vec<Uuid>,
    /// Why some were not.
    pub(super) refused: Vec<String>,
    /// What each rule did. `None`: the process that had the plan is gone, and its counts with it.
    pub(super) fired: Option<Vec<FaultRuleView>>,
    pub(super) under_faults: Duration,
    /// From then on until the last one had ended, or was no longer waited for.
    pub(super) to_rest: Duration,
}

/// # Errors
/// The server does not take the plan, or cannot be told to end it.
pub(super) async fn run(client: &Client, options: &Options) -> anyhow::Result<Ran> {
    let mut stop = Signals::listen()?;
    client.set_faults(&options.plan).await?;
    let began = Instant::now();
    let starts = stream::iter(0..options.sagas)
        .map(|number| one(client, options, began, number))
        .buffered(options.concurrency)
        .collect::<Vec<_>>();
    // Whoever stops it in the middle leaves no faults behind.
    let started = tokio::select! {
        started = starts => Some(started),
        () = stop.next() => None,
    };
    let under_faults = began.elapsed();
    let fired = cleared(client, options.within).await?;
    let Some(started) = started else { anyhow::bail!("stopped; the plan of faults is cleared") };
    let (mut ids, mut refused) = (vec![], vec![]);
    for saga in started {
        match saga {
            Ok(saga) => ids.push(saga),
            Err(error) => refused.push(error),
        }
    }
    output::say(&format!("{} sagas started; faults are over, waiting for the last to end", ids.len()));
    let cleared_at = Instant::now();
    let until = cleared_at + options.within;
    for saga in &ids {
        wait(client, *saga, until, false).await;
    }
    Ok(Ran { started: ids, refused, fired, under_faults, to_rest: cleared_at.elapsed() })
}

/// Starts one and waits for it as long as its patience lasts.
async fn one(client: &Client, options: &Options, began: Instant, number: u32) -> Result<Uuid, String> {
    if let Some(rate) = options.rate {
        let due = Duration::from_secs_f64(f64::from(number) / f64::from(rate));
        tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
    }
    let input = options.inputs.get(number as usize % options.inputs.len().max(1)).cloned().unwrap_or_default();
    let request =
        StartRequest { definition: options.saga.clone(), version: options.version, input, ..StartRequest::default() };
    let start = Start { request, key: Some(format!("{}-{number}", options.run)), ..Start::default() };
    let until = Instant::now() + options.within;
    let saga = loop {
        match client.start(&start).await {
            Ok(answer) => break answer.saga.id,
            // The key makes it safe to ask again.
            Err(error) if passes(&error) && Instant::now() < until => tokio::time::sleep(AGAIN_AFTER).await,
            Err(error) => return Err(format!("saga {number}: {error}")),
        }
    };
    wait(client, saga, Instant::now() + options.patience, true).await;
    Ok(saga)
}

/// Until it has ended; or, if a person is asked for, and that is enough, until then.
async fn wait(client: &Client, saga: Uuid, until: Instant, attention_is_enough: bool) {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match client.saga(saga, Some(left.min(LONG_POLL))).await {
            Ok(view) if view.status.is_terminal() => return,
            Ok(view) if attention_is_enough && !view.attention.is_empty() => return,
            Ok(_) | Err(_) if left.is_zero() => return,
            // A saga with attention is answered at once, and may still end by itself.
            Ok(_) | Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
        }
    }
}

async fn cleared(client: &Client, within: Duration) -> Result<Option<Vec<FaultRuleView>>, ClientError> {
    let until = Instant::now() + within;
    loop {
        match client.clear_faults().await {
            Ok(before) => return Ok(before.plan.is_some().then_some(before.rules)),
            Err(error) if passes(&error) && Instant::now() < until => tokio::time::sleep(AGAIN_AFTER).await,
            Err(error) => return Err(error),
        }
    }
}

/// It may be otherwise in a moment: nobody answers, or not now.
fn passes(error: &ClientError) -> bool {
    match error {
        ClientError::Transport(_) => true,
        ClientError::Problem { problem, .. } => matches!(problem.status, 429 | 503),
        _ => false,
    }
}

/// A run in which nothing went wrong says nothing.
pub(super) fn something_went_wrong(ran: &Ran) -> Check {
    let (counted, failures) = match &ran.fired {
        None => ("the process died, and its counts with it".to_owned(), vec![]),
        Some(rules) => {
            let fired: u64 = rules.iter().map(|rule| rule.fired).sum();
            let none =
                (fired == 0).then(|| "no rule of the plan fired: look at its names, or start more sagas".to_owned());
            (format!("{fired} faults"), none.into_iter().collect())
        }
    };
    Check { name: "something went wrong on the way", counted, failures }
}

pub(super) fn all_were_started(ran: &Ran, wanted: u32) -> Check {
    Check {
        name: "every saga was started",
        counted: format!("{} of {wanted}", ran.started.len()),
        failures: ran.refused.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(fired: Option<Vec<u64>>) -> Ran {
        let rule = |fired| FaultRuleView { name: "a".into(), fault: "cut".into(), fired, count: None };
        Ran {
            started: vec![],
            refused: vec![],
            fired: fired.map(|fired| fired.into_iter().map(rule).collect()),
            under_faults: Duration::ZERO,
            to_rest: Duration::ZERO,
        }
    }

    #[test]
    fn a_run_in_which_nothing_went_wrong_fails() {
        assert_eq!(something_went_wrong(&ran(Some(vec![0, 0]))).failures.len(), 1);
        assert_eq!(something_went_wrong(&ran(Some(vec![0, 1]))).failures, [""; 0]);
        assert_eq!(something_went_wrong(&ran(None)).failures, [""; 0], "what killed the process went wrong");
    }

    #[test]
    fn a_start_that_was_refused_fails() {
        let ran = Ran { refused: vec!["saga 3: no".into()], ..ran(None) };
        assert_eq!(all_were_started(&ran, 4).failures, ["saga 3: no"]);
    }
}
