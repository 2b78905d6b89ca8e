//! `amends events`: what has happened to sagas, and what happens.

use amends_client::{Client, EventStream, Events, Message};
use amends_protocol::v1::{EventType, EventView};
use anyhow::bail;
use uuid::Uuid;

use crate::{
    exit::{Exit, Usage},
    output::{self, Format},
    remote::Remote,
    style::tame,
};

/// Longer texts are for `-o json`.
const TEXT_CHARS: usize = 96;

/// Show what has happened to sagas, a line for each event, and follow what happens
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Wait for what comes; without it, end when everything that is kept has been shown
    #[arg(long, short)]
    follow: bool,
    /// Only of this saga
    #[arg(long, value_name = "ID")]
    saga: Option<Uuid>,
    /// Only of sagas of this definition; may be repeated
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// Only events of this type, e.g. `amends.saga.completed.v1`; may be repeated
    #[arg(long = "type", value_name = "TYPE", value_parser = event_type)]
    types: Vec<EventType>,
    /// Go on behind this place, which was shown at the end of an earlier run
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// With --follow: only what comes from now on
    #[arg(long, requires = "follow", conflicts_with = "cursor")]
    new: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(super) fn event_type(text: &str) -> Result<EventType, String> {
    EventType::parse(text).ok_or_else(|| {
        let all: Vec<&str> = EventType::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("there are {}", all.join(", "))
    })
}

/// # Errors
/// The server refuses, or there is none; or the stream breaks.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    if args.remote.output == Format::Yaml {
        bail!(Usage("events are a line each: -o table or -o json".to_owned()));
    }
    let client = args.remote.client()?;
    let mut asked = Events {
        saga: args.saga,
        names: args.name,
        types: args.types,
        from_beginning: args.cursor.is_none() && !args.new,
        cursor: args.cursor,
        follow: args.follow,
    };
    let mut stream = open(&client, &asked, &args.remote).await?;
    loop {
        match stream.next().await {
            Ok(Some(message)) => show(&message, args.remote.output)?,
            Ok(None) if !args.follow => break,
            // A server that stops ends its streams; another one may go on where it was.
            Ok(None) => {
                asked.cursor = stream.cursor().map(str::to_owned).or(asked.cursor);
                asked.from_beginning &= asked.cursor.is_none();
                output::say("the server has ended the stream; going on from there");
                stream = open(&client, &asked, &args.remote).await?;
            }
            Err(error) => return Err(args.remote.explain(error)),
        }
    }
    if let Some(cursor) = stream.cursor() {
        output::say(&format!("go on with --cursor {cursor}"));
    }
    Ok(Exit::Success)
}

async fn open(client: &Client, events: &Events, remote: &Remote) -> anyhow::Result<EventStream> {
    client.events(events).await.map_err(|error| remote.explain(error))
}

fn show(message: &Message, format: Format) -> anyhow::Result<()> {
    match message {
        Message::Event(event) if format == Format::Json => output::print(&serde_json::to_string(event)?),
        Message::Event(event) => output::print(&line(event)),
        Message::Gap(gap) => {
            output::say(&format!("something is missing here: {}", gap.detail));
            Ok(())
        }
        Message::Other(kind) => {
            output::say(&format!("an event of type {kind}, which this version does not know"));
            Ok(())
        }
    }
}

fn line(event: &EventView) -> String {
    let data = &event.data;
    let kind = event.kind.as_str().trim_start_matches("amends.saga.");
    let more = match (&data.attention, &data.cause, &data.output) {
        (Some(attention), ..) => format!("  {}: {}", attention.step, attention.detail),
        (None, Some(cause), _) => serde_json::to_string(cause).map(|cause| format!("  {cause}")).unwrap_or_default(),
        (None, None, Some(output)) => format!("  {output}"),
        (None, None, None) => String::new(),
    };
    let time = event.time.format("%Y-%m-%d %H:%M:%S%.6f");
    format!("{time}  {kind:<21}  {}  {}{}", data.saga, tame(&data.name, 64), tame(&more, TEXT_CHARS))
}
