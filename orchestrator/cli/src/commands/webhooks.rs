//! `amends webhooks`: who is told what happens to sagas, by a request for each event.

use amends_protocol::v1::{EventType, WebhookFrom, WebhookRequest, WebhookView};
use clap::Subcommand;
use uuid::Uuid;

use super::events::event_type;
use crate::{exit::Exit, output, remote::Remote, style::tame};

/// Longer texts are for `-o json`.
const TEXT_CHARS: usize = 64;

/// Have events told to a URL, and look how that goes
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Have events told to a URL that the server's configuration allows
    Add(Add),
    /// Show all, and how it goes with each
    List(List),
    /// Tell it nothing until it is resumed
    Pause(One),
    /// Go on telling it
    Resume(One),
    /// Delete it
    Delete(One),
}

#[derive(Debug, clap::Args)]
struct Add {
    /// Where
    #[arg(value_name = "URL")]
    address: String,
    /// What signs the requests: a secret of the server's configuration, by name; two while one replaces the other
    #[arg(long, value_name = "NAME", required = true)]
    secret: Vec<String>,
    /// Only of sagas of this definition; may be repeated
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// Only events of this type; may be repeated
    #[arg(long = "type", value_name = "TYPE", value_parser = event_type)]
    types: Vec<EventType>,
    /// Begin with all events that are kept, and not with those to come
    #[arg(long)]
    from_beginning: bool,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, clap::Args)]
struct One {
    /// Its id, as `amends webhooks list` shows it
    id: Uuid,
    #[command(flatten)]
    remote: Remote,
}

/// # Errors
/// The server refuses, or there is none.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    match args.command {
        Command::Add(add) => {
            let request = WebhookRequest {
                url: add.address,
                secrets: add.secret.into_iter().map(reference).collect(),
                names: add.name,
                types: add.types,
                from: if add.from_beginning { WebhookFrom::Beginning } else { WebhookFrom::Now },
            };
            let added = add.remote.client()?.add_webhook(&request).await.map_err(|error| add.remote.explain(error))?;
            show(&add.remote, &added)
        }
        Command::List(List { remote }) => {
            let all = remote.client()?.webhooks().await.map_err(|error| remote.explain(error))?;
            output::show(remote.output, &all, || table(&all))?;
            if all.is_empty() {
                output::say("there are none");
            }
            Ok(Exit::Success)
        }
        Command::Pause(One { id, remote }) => {
            let paused = remote.client()?.pause_webhook(id).await.map_err(|error| remote.explain(error))?;
            show(&remote, &paused)
        }
        Command::Resume(One { id, remote }) => {
            let resumed = remote.client()?.resume_webhook(id).await.map_err(|error| remote.explain(error))?;
            show(&remote, &resumed)
        }
        Command::Delete(One { id, remote }) => {
            remote.client()?.delete_webhook(id).await.map_err(|error| remote.explain(error))?;
            output::say(&format!("{id} is told nothing any more"));
            Ok(Exit::Success)
        }
    }
}

fn reference(name: String) -> String {
    if name.starts_with("secret:") { name } else { format!("secret:{name}") }
}

fn show(remote: &Remote, webhook: &WebhookView) -> anyhow::Result<Exit> {
    output::show(remote.output, webhook, || table(std::slice::from_ref(webhook)))?;
    Ok(Exit::Success)
}

fn table(webhooks: &[WebhookView]) -> String {
    let rows = webhooks.iter().map(|webhook| {
        let error = webhook.last_error.as_ref();
        vec![
            webhook.id.to_string(),
            webhook.status.as_str().to_owned(),
            webhook.delivered.to_string(),
            webhook.backlog.to_string(),
            format!("{}/{}", webhook.blocked_events, webhook.blocked_sagas),
            webhook.missed.to_string(),
            tame(&webhook.url, TEXT_CHARS),
            error
                .map(|error| format!("{} {}", error.at.format("%H:%M:%S"), tame(&error.reason, TEXT_CHARS)))
                .unwrap_or_default(),
        ]
    });
    let header = ["ID", "STATUS", "TOLD", "BACKLOG", "BLOCKED/SAGAS", "MISSED", "URL", "LAST ERROR (UTC)"];
    output::table(&header, rows.collect())
}
