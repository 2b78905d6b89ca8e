//! `amends signal ID NAME`: gives a saga what one of its steps awaits.

use amends_client::Signal;
use serde_json::Value;
use uuid::Uuid;

use crate::{exit::Exit, json_argument, output, remote::Remote, style::Style, timeline::timeline};

/// Give a saga a signal that one of its steps awaits
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The saga
    id: Uuid,
    /// The signal, as the step's `await` names it
    name: String,
    /// What the step takes its output from: JSON, @FILE with JSON, or - for JSON on stdin
    #[arg(long, value_name = "JSON|@FILE|-")]
    data: Option<String>,
    /// Repeats with the same key are one signal
    #[arg(long)]
    key: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

/// # Errors
/// Nothing awaits it, there is no such saga, or no server.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let client = args.remote.client()?;
    let payload = args.data.as_deref().map(|data| json_argument::read("--data", "payload", data)).transpose()?;
    let signal = Signal { name: args.name, key: args.key, payload: payload.unwrap_or(Value::Null) };
    let saga = client.signal(args.id, &signal).await.map_err(|error| args.remote.explain(error))?;
    output::show(args.remote.output, &saga, || timeline(&saga, Style::of_stdout()))?;
    Ok(Exit::Success)
}
