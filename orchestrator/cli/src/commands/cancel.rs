//! `amends cancel ID`: asks for a saga to be undone.

use uuid::Uuid;

use crate::{exit::Exit, output, remote::Remote, style::Style, timeline::timeline};

/// Ask for a saga to be undone. Refused from the point of no return on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The saga
    id: Uuid,
    /// Why; it is kept and shown
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

/// # Errors
/// It is too late, there is no such saga, or no server.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let client = args.remote.client()?;
    let saga = client.cancel(args.id, args.reason).await.map_err(|error| args.remote.explain(error))?;
    output::show(args.remote.output, &saga, || timeline(&saga, Style::of_stdout()))?;
    if !saga.status.is_terminal() {
        output::say(&format!("it is being undone; follow it with `amends get {} --watch`", saga.id));
    }
    Ok(Exit::Success)
}
