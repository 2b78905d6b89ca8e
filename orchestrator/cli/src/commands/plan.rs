//! `amends plan DEFINITION --input x.json`: every request that a run would send.

use std::{collections::BTreeMap, path::PathBuf, time::SystemTime};

use amends_core::{
    Begin,
    definition::Definition,
    ids::{SagaId, StepName},
    plan::{self, NoPlan, Pretend},
    time::Time,
};
use amends_engine::Catalogue;
use anyhow::{anyhow, bail};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{check, start};
use crate::{
    absent,
    exit::{Exit, Usage},
    json_argument,
    output::{self, Format},
    planned,
    source::{self, Server},
    style::Style,
};

/// Show every request that a run would send, and send nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amends plan sagas/place-order.yaml --input order.json --config amends.toml\n  \
                  amends plan place-order@2 --data '{\"sku\": \"kettle\"}' --reply 'ship={\"tracking\": \"T1\"}'\n\n\
                  What a reply has not told yet is shown as ‹steps.ship.output.tracking›, and the plan goes on.")]
pub(crate) struct Args {
    /// A file, - for stdin, or a definition that a server has
    #[arg(value_name = "FILE|NAME[@VERSION]")]
    definition: String,
    /// A file with the input (JSON), or - for stdin
    #[arg(long, value_name = "FILE|-", conflicts_with = "data")]
    input: Option<PathBuf>,
    /// The input itself
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// A word to find it by; may be given again
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = start::label)]
    labels: Vec<(String, String)>,
    /// A file with outputs of steps to take as given: {"STEP": OUTPUT}
    #[arg(long, value_name = "FILE")]
    outputs: Option<PathBuf>,
    /// The body of a step's reply to take as given; of a `for_each` a list of them, of an `await` the signal; may be given again
    #[arg(long = "reply", value_name = "STEP=JSON")]
    replies: Vec<String>,
    /// The saga's id, for output that does not change [default: a new one]
    #[arg(long, value_name = "UUID", conflicts_with = "key")]
    id: Option<Uuid>,
    /// The id of the saga that a start with this key makes
    #[arg(long)]
    key: Option<String>,
    /// When it starts (RFC 3339), for output that does not change [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    started_at: Option<Time>,
    /// A server's configuration: then each request shows where it would go
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT", conflicts_with = "json")]
    output: Format,
    /// The same as `--output json`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// # Errors
/// A start would be refused, or what is given does not fit.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let (definition, registered) = source::read_versioned(&args.definition, &args.server).await?;
    let catalogue = args.config.as_deref().map(check::catalogue).transpose()?;
    let saga = match (args.id, &args.key) {
        (Some(id), _) => SagaId(id),
        (None, Some(key)) => SagaId::derived(&definition.name, key),
        (None, None) => SagaId(Uuid::now_v7()),
    };
    let labels: Map<String, Value> =
        args.labels.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect();
    let version = registered.or(definition.version).unwrap_or(1);
    let with = Begin { labels, ..Begin::root(version, input(&args)?) };
    let known = source::known(&args.definition, &args.server, &definition).await?;
    let pretend = Pretend { outputs: outputs(&args)?, replies: replies(&args)?, known };
    let at = args.started_at.unwrap_or_else(now);
    let plan = plan::plan(&definition, saga, with, at, &pretend).map_err(refused)?;
    show(&args, &definition, &plan, catalogue.as_ref())?;
    Ok(if plan.stops() { Exit::Failure } else { Exit::Success })
}

fn show(args: &Args, definition: &Definition, plan: &plan::Plan, catalogue: Option<&Catalogue>) -> anyhow::Result<()> {
    let view = planned::view(definition, plan, catalogue).map_err(|why| anyhow!(why))?;
    let format = if args.json { Format::Json } else { args.output };
    output::show(format, &view, || planned::text(&view, Style::of_stdout()))
}

/// In the words of a start that is refused.
fn refused(error: NoPlan) -> anyhow::Error {
    match error {
        NoPlan::Input(errors) => {
            let places: Vec<_> =
                errors.iter().map(|error| format!("\n  /input{}: {}", error.pointer, error.message)).collect();
            anyhow!("{}{}", amends_engine::StartError::Input(errors), places.concat())
        }
        NoPlan::Labels(message) => anyhow!("{}", amends_engine::StartError::Labels { message }),
        NoPlan::Locks(message) => anyhow!("{}", amends_engine::StartError::Locks { message }),
        error @ (NoPlan::NoStep { .. } | NoPlan::Unfit { .. }) => anyhow!(Usage(error.to_string())),
    }
}

fn input(args: &Args) -> anyhow::Result<Value> {
    match (&args.input, &args.data) {
        (Some(file), _) if file.as_os_str() == "-" => json_argument::read("--input", "input", "-"),
        (Some(file), _) => file_json(file),
        (None, Some(text)) => json_argument::read("--data", "input", text),
        (None, None) => Ok(Value::Null),
    }
}

fn outputs(args: &Args) -> anyhow::Result<BTreeMap<StepName, Value>> {
    match args.outputs.as_deref().map(file_json).transpose()? {
        None => Ok(BTreeMap::new()),
        Some(Value::Object(outputs)) => {
            Ok(outputs.into_iter().map(|(step, output)| (StepName::from(step.as_str()), output)).collect())
        }
        Some(_) => {
            bail!(Usage("--outputs: a map of steps to their outputs, e.g. {\"ship\": {\"tracking\": \"T1\"}}".into()))
        }
    }
}

fn replies(args: &Args) -> anyhow::Result<BTreeMap<StepName, Value>> {
    let reply = |text: &String| {
        let (step, json) = text
            .split_once('=')
            .ok_or_else(|| Usage(format!("--reply {text}: write STEP=JSON, e.g. 'ship={{\"tracking\": \"T1\"}}'")))?;
        Ok((StepName::from(step), json_argument::read("--reply", "reply", json)?))
    };
    args.replies.iter().map(reply).collect()
}

fn file_json(file: impl AsRef<std::path::Path>) -> anyhow::Result<Value> {
    let file = file.as_ref();
    let text = absent::text(file)?;
    serde_json::from_str(&text).map_err(|error| anyhow!(Usage(format!("{} is no JSON: {error}", file.display()))))
}

fn time(text: &str) -> Result<Time, String> {
    Time::parse_rfc3339(text).ok_or_else(|| "a time of RFC 3339, e.g. 2026-11-24T12:00:00Z".to_owned())
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::default() + since
}
