//! `amends locks`: which locks sagas have. `amends locks NAME`: who has a lock, and who waits for it.

use amends_client::Client;
use amends_protocol::v1::{HeldLock, PAGE_LIMIT_MAX, QueuedSaga};

use crate::{exit::Exit, output, remote::Remote, style::tame};

/// Longer names are for `-o json`.
const NAME_CHARS: usize = 64;

/// Show which locks sagas have, or who has one and who waits for it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The lock, as a saga's definition renders it, e.g. `account:7`; without it all that sagas have
    name: Option<String>,
    /// Only locks whose names begin with this
    #[arg(long, value_name = "TEXT", conflicts_with = "name")]
    prefix: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

/// # Errors
/// The server refuses, or there is none.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let client = args.remote.client()?;
    match &args.name {
        Some(name) => queue(&client, name, &args.remote).await,
        None => list(&client, args.prefix.as_deref(), &args.remote).await,
    }
}

async fn list(client: &Client, prefix: Option<&str>, remote: &Remote) -> anyhow::Result<Exit> {
    let mut locks: Vec<HeldLock> = vec![];
    let mut cursor = None;
    loop {
        let page = client.locks(prefix, Some(PAGE_LIMIT_MAX), cursor.as_deref()).await;
        let page = page.map_err(|error| remote.explain(error))?;
        locks.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    output::show(remote.output, &locks, || held(&locks))?;
    if locks.is_empty() {
        output::say("no saga has a lock");
    }
    Ok(Exit::Success)
}

fn held(locks: &[HeldLock]) -> String {
    let rows = locks.iter().map(|lock| {
        vec![
            tame(&lock.name, NAME_CHARS),
            lock.waiting.to_string(),
            lock.holder.id.to_string(),
            tame(&lock.holder.name, NAME_CHARS),
            lock.holder.status.to_string(),
            lock.holder.arrived_at.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
        ]
    });
    output::table(&["LOCK", "WAITING", "HELD BY", "NAME", "STATUS", "SINCE (UTC)"], rows.collect())
}

async fn queue(client: &Client, name: &str, remote: &Remote) -> anyhow::Result<Exit> {
    let mut queue: Vec<QueuedSaga> = vec![];
    let mut cursor = None;
    loop {
        let page = client.lock_queue(name, Some(PAGE_LIMIT_MAX), cursor.as_deref()).await;
        let page = page.map_err(|error| remote.explain(error))?;
        queue.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    output::show(remote.output, &queue, || table(&queue))?;
    if queue.is_empty() {
        output::say("nobody has it, and nobody wants it");
    }
    Ok(Exit::Success)
}

fn table(queue: &[QueuedSaga]) -> String {
    let rows = queue.iter().zip(1..).map(|(saga, place)| {
        vec![
            place.to_string(),
            saga.id.to_string(),
            tame(&saga.name, NAME_CHARS),
            saga.status.to_string(),
            saga.arrived_at.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
            (if place == 1 { "has it" } else { "waits" }).to_owned(),
        ]
    });
    output::table(&["PLACE", "ID", "NAME", "STATUS", "ARRIVED (UTC)", ""], rows.collect())
}
