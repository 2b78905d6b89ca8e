//! `amends callback`: says what came of a call that a participant accepted, as it would itself.

use std::io::Read as _;

use amends_protocol::{participant::CallbackToken, v1::CallbackRequest};
use anyhow::{Context, bail};
use serde_json::Value;

use crate::{exit::Exit, json_argument, output, remote::Remote};

/// Say what came of a call that was accepted, with the token that it brought
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the token stands: a file, or - for stdin. It is a secret, so it is no argument itself
    #[arg(long, value_name = "FILE|-")]
    token: String,
    /// It happened, with this body: JSON, @FILE with JSON
    #[arg(long, value_name = "JSON|@FILE", conflicts_with = "reject")]
    data: Option<String>,
    /// It did not happen, for this reason
    #[arg(long, value_name = "REASON")]
    reject: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

/// # Errors
/// The token was not given out there, the call is over, or no server.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let token = read(&args.token)?;
    let verdict = match args.reject {
        Some(reason) => CallbackRequest::Rejected { reason: Some(reason) },
        None => {
            let body = args.data.as_deref().map(|data| json_argument::read("--data", "body", data)).transpose()?;
            CallbackRequest::Succeeded { body: body.unwrap_or(Value::Null) }
        }
    };
    let client = args.remote.client()?;
    client.call_back(&token, &verdict).await.map_err(|error| args.remote.explain(error))?;
    output::say("it is written down");
    Ok(Exit::Success)
}

fn read(from: &str) -> anyhow::Result<CallbackToken> {
    let mut text = String::new();
    if from == "-" {
        std::io::stdin().read_to_string(&mut text).context("stdin")?;
    } else {
        text = std::fs::read_to_string(from).with_context(|| from.to_owned())?;
    }
    match CallbackToken::new(text.trim()) {
        Some(token) => Ok(token),
        // What stands there instead may be a secret, too.
        None => bail!("{from}: this is no token of a callback"),
    }
}
