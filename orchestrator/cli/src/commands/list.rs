//! `amends list`: sagas, newest first.

use amends_client::List;
use amends_protocol::v1::{PAGE_LIMIT_MAX, Page, SagaItem, SagaStatus};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{exit::Exit, output, remote::Remote};

/// List sagas, newest first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only with this status; may be given again
    #[arg(long = "status", value_parser = status, value_name = "STATUS")]
    statuses: Vec<SagaStatus>,
    /// Only of this definition
    #[arg(long)]
    name: Option<String>,
    /// Only the children of this saga
    #[arg(long, value_name = "ID")]
    parent: Option<Uuid>,
    /// Only those that need a person
    #[arg(long)]
    attention: bool,
    /// Only those started at this time or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    started_from: Option<DateTime<Utc>>,
    /// Only those started before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    started_before: Option<DateTime<Utc>>,
    /// At most so many [default: 50]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(PAGE_LIMIT_MAX)))]
    limit: Option<u32>,
    /// Go on where the page before ended
    #[arg(long, conflicts_with = "all")]
    cursor: Option<String>,
    /// All of them, page after page
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    remote: Remote,
}

/// # Errors
/// The server refuses, or there is none.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let client = args.remote.client()?;
    let mut list = List {
        statuses: args.statuses,
        name: args.name,
        parent: args.parent,
        attention: args.attention.then_some(true),
        started_from: args.started_from.map(|time| time.to_rfc3339()),
        started_before: args.started_before.map(|time| time.to_rfc3339()),
        limit: args.limit.or(args.all.then_some(PAGE_LIMIT_MAX)),
        cursor: args.cursor,
    };
    let mut items = vec![];
    let next_cursor = loop {
        let page = client.sagas(&list).await.map_err(|error| args.remote.explain(error))?;
        items.extend(page.items);
        match page.next_cursor {
            Some(cursor) if args.all => list.cursor = Some(cursor),
            next => break next,
        }
    };
    let page = Page { items, next_cursor };
    output::show(args.remote.output, &page, || table(&page.items))?;
    if let Some(cursor) = &page.next_cursor {
        output::say(&format!("there are more: --cursor {cursor}, or --all"));
    }
    Ok(Exit::Success)
}

fn table(items: &[SagaItem]) -> String {
    let rows = items.iter().map(|item| {
        let took = item.ended_at.map(|ended| format!("{:.3} s", (ended - item.started_at).as_seconds_f64()));
        vec![
            item.id.to_string(),
            item.name.clone(),
            item.version.to_string(),
            if item.attention { format!("{} !", item.status) } else { item.status.to_string() },
            item.started_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            took.unwrap_or_else(|| "-".to_owned()),
        ]
    });
    output::table(&["ID", "NAME", "VERSION", "STATUS", "STARTED (UTC)", "TOOK"], rows.collect())
}

fn status(word: &str) -> Result<SagaStatus, String> {
    serde_json::from_value(serde_json::Value::String(word.to_owned()))
        .map_err(|_| "one of running, compensating, completed, compensated, abandoned, succeeded".to_owned())
}
