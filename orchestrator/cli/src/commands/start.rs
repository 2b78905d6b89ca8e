//! `amends start NAME`: starts a saga, and waits for it if asked.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use amends_client::{Client, ClientError, Start};
use amends_core::definition::parse_duration;
use amends_protocol::v1::{LONGEST_WAIT_S, SagaView, StartRequest};
use serde_json::Value;

use crate::{
    exit::Exit,
    json_argument,
    output::{self, Format},
    remote::Remote,
    style::Style,
    timeline::timeline,
};

/// Start a saga
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The definition's name
    name: String,
    /// The input: JSON, @FILE with JSON, or - for JSON on stdin
    #[arg(long, value_name = "JSON|@FILE|-")]
    input: Option<String>,
    /// Repeats with the same key start nothing new
    #[arg(long)]
    key: Option<String>,
    /// A word to find it by; may be given again
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// The definition's version instead of the latest
    #[arg(long)]
    version: Option<u32>,
    /// Wait for its end, at most so long, e.g. 10s
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    remote: Remote,
}

/// # Errors
/// The input is none, the server refuses, or there is no server.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let client = args.remote.client()?;
    let input = args
        .input
        .as_deref()
        .map(|input| json_argument::read("--input", "input", input))
        .transpose()?
        .unwrap_or(Value::Null);
    let labels: BTreeMap<String, Value> =
        args.labels.into_iter().map(|(key, value)| (key, Value::String(value))).collect();
    let until = args.wait.map(|wait| Instant::now() + wait);
    let start = Start {
        request: StartRequest { definition: args.name, version: args.version, input, labels },
        key: args.key,
        wait: args.wait.map(at_once),
        traceparent: None,
    };
    let answer = client.start(&start).await.map_err(|error| explain(&args.remote, error, start.key.is_some()))?;
    if answer.replayed {
        output::say("this key has started it before; nothing new was started");
    }
    let saga = match until {
        Some(until) => settle(&client, answer.saga, until).await.map_err(|error| args.remote.explain(error))?,
        None => answer.saga,
    };
    if until.is_none() && args.remote.output == Format::Table {
        output::print(&saga.id.to_string())?;
        output::say(&format!("{} is {}; follow it with `amends get {} --watch`", saga.name, saga.status, saga.id));
        return Ok(Exit::Success);
    }
    output::show(args.remote.output, &saga, || timeline(&saga, Style::of_stdout()))?;
    if until.is_some() && !saga.status.is_terminal() && saga.attention.is_empty() {
        output::say(&format!("it is still {}; follow it with `amends get {} --watch`", saga.status, saga.id));
    }
    Ok(if until.is_some() { Exit::of_saga(&saga) } else { Exit::Success })
}

/// What one request may be held for.
fn at_once(wait: Duration) -> Duration {
    wait.min(Duration::from_secs(LONGEST_WAIT_S))
}

/// Asks until the saga has ended or needs a person, or until the time is over.
async fn settle(client: &Client, mut saga: SagaView, until: Instant) -> Result<SagaView, ClientError> {
    while !saga.status.is_terminal() && saga.attention.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        saga = client.saga(saga.id, Some(at_once(left))).await?;
    }
    Ok(saga)
}

fn explain(remote: &Remote, error: ClientError, keyed: bool) -> anyhow::Error {
    let lost = matches!(&error, ClientError::Transport(error) if !error.is_connect() && !error.is_builder());
    let error = remote.explain(error);
    match (lost, keyed) {
        (false, _) => error,
        (true, true) => {
            error.context("it may have been started; the same command with the same --key is safe to repeat")
        }
        (true, false) => {
            error.context("it may have been started; look with `amends list` (with --key one could just repeat)")
        }
    }
}

pub(super) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}
