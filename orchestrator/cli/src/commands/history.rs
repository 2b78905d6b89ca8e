//! `amends history ID`: the journal itself, the only truth.

use amends_protocol::v1::{HistoryEntry, PAGE_LIMIT_MAX};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{exit::Exit, output, remote::Remote, style::tame};

/// Longer values are for `-o json`.
const REST_CHARS: usize = 100;

/// Show a saga's journal
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The saga
    id: Uuid,
    #[command(flatten)]
    remote: Remote,
}

/// # Errors
/// There is no such saga, or no server.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let client = args.remote.client()?;
    let mut entries: Vec<HistoryEntry> = vec![];
    loop {
        let after = entries.last().map(|entry| entry.seq);
        let page = client.history(args.id, after, Some(PAGE_LIMIT_MAX)).await;
        let page = page.map_err(|error| args.remote.explain(error))?;
        let last = page.next_cursor.is_none() || page.items.is_empty();
        entries.extend(page.items);
        if last {
            break;
        }
    }
    output::show(args.remote.output, &entries, || table(&entries))?;
    Ok(Exit::Success)
}

fn table(entries: &[HistoryEntry]) -> String {
    let Some(first) = entries.first() else { return String::new() };
    let rows = entries.iter().map(|entry| {
        vec![
            entry.seq.to_string(),
            entry.epoch.to_string(),
            format!("+{:.3} s", (entry.at - first.at).as_seconds_f64()),
            entry.event.get("kind").and_then(Value::as_str).unwrap_or("?").to_owned(),
            about(&entry.event),
        ]
    });
    output::table(&["SEQ", "EPOCH", "TIME", "EVENT", "ABOUT"], rows.collect())
}

/// The call first, then the rest in short.
fn about(event: &Map<String, Value>) -> String {
    let mut parts = vec![];
    if let Some(call) = event.get("call") {
        let field = |name: &str| call.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
        let attempt = event.get("attempt").map(|attempt| format!(" #{attempt}")).unwrap_or_default();
        let index = call.get("index").map(|index| format!("[{index}]")).unwrap_or_default();
        parts.push(format!("{}{index} {}{attempt}", field("step"), field("op")));
    }
    for (key, value) in
        event.iter().filter(|(key, _)| !["kind", "call", "attempt", "request", "due_at"].contains(&key.as_str()))
    {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        parts.push(format!("{key}={value}"));
    }
    tame(&parts.join("  "), REST_CHARS)
}
