//! `amends get ID`: a saga as a timeline.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use amends_client::Client;
use amends_protocol::v1::SagaView;
use uuid::Uuid;

use crate::{
    exit::Exit,
    output::{self, Format},
    remote::Remote,
    style::Style,
    timeline::timeline,
};

/// How often a watched saga is drawn anew.
const REDRAW_EVERY: Duration = Duration::from_millis(250);
/// How long one request waits where nothing is drawn in between.
const HOLD: Duration = Duration::from_secs(30);

/// Show a saga as a timeline
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The saga
    id: Uuid,
    /// Follow it until it ends or needs a person
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    remote: Remote,
}

/// # Errors
/// There is no such saga, or no server.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let client = args.remote.client()?;
    let draw = args.remote.output == Format::Table && io::stdout().is_terminal();
    let saga = match (args.watch, draw) {
        (false, _) => client.saga(args.id, None).await.map_err(|error| args.remote.explain(error))?,
        (true, true) => return watch(&client, &args).await,
        (true, false) => loop {
            let saga = client.saga(args.id, Some(HOLD)).await.map_err(|error| args.remote.explain(error))?;
            if settled(&saga) {
                break saga;
            }
        },
    };
    output::show(args.remote.output, &saga, || timeline(&saga, Style::of_stdout()))?;
    Ok(Exit::of_saga(&saga))
}

/// Draws over what it drew before.
async fn watch(client: &Client, args: &Args) -> anyhow::Result<Exit> {
    let mut drawn_lines = 0;
    loop {
        let saga = client.saga(args.id, None).await.map_err(|error| args.remote.explain(error))?;
        let text = timeline(&saga, Style::of_stdout());
        let mut stdout = io::stdout().lock();
        if drawn_lines > 0 {
            write!(stdout, "\x1b[{drawn_lines}A\x1b[J")?;
        }
        stdout.write_all(text.as_bytes())?;
        stdout.flush()?;
        drop(stdout);
        if settled(&saga) {
            return Ok(Exit::of_saga(&saga));
        }
        drawn_lines = text.lines().count();
        tokio::time::sleep(REDRAW_EVERY).await;
    }
}

fn settled(saga: &SagaView) -> bool {
    saga.status.is_terminal() || !saga.attention.is_empty() || saga.unreadable.is_some()
}
