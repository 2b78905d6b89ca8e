//! `amends locks NAME`: who has a lock, and who waits for it.

use amends_protocol::v1::{PAGE_LIMIT_MAX, QueuedSaga};

use crate::{exit::Exit, output, remote::Remote, style::tame};

/// Longer names are for `-o json`.
const NAME_CHARS: usize = 64;

/// Show who has a lock, and who waits for it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The lock, as a saga's definition renders it, e.g. `account:7`
    name: String,
    #[command(flatten)]
    remote: Remote,
}

/// # Errors
/// The server refuses, or there is none.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let client = args.remote.client()?;
    let mut queue: Vec<QueuedSaga> = vec![];
    let mut cursor = None;
    loop {
        let page = client.lock_queue(&args.name, Some(PAGE_LIMIT_MAX), cursor.as_deref()).await;
        let page = page.map_err(|error| args.remote.explain(error))?;
        queue.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    output::show(args.remote.output, &queue, || table(&queue))?;
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
