//! `amends explore FILE…`: what failures would do to a saga, tried out before it is deployed.

use std::{
    collections::BTreeMap,
    fs,
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use amends_core::{
    definition::{self, Definition, Known, Severity},
    faults::FaultPlan,
    ids::ServiceName,
};
use amends_engine::Catalogue;
use amends_explore::{
    Contract, Planned, Progress, Service, Setup, Trace, Verdict, explore, fault_plan, inputs, replay,
};
use anyhow::{Context as _, anyhow};
use serde_json::Value;

use super::{check, faults};
use crate::{
    absent,
    exit::{Exit, Usage},
    explored::{self, Allowed, Explored},
    json_argument, output,
    snippet::{self, Finding},
    source,
    style::Style,
};

/// Try every failure and every pair of failures out on a definition, without a server
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amends explore sagas/place-order.yaml --config amends.toml\n  \
    amends explore order.yaml --contract barrier --format junit > explore.xml   # for a build\n  \
    amends explore order.yaml --plan plan.yaml --faults 0   # these faults and no others\n  \
    amends explore order.yaml --save-trace traces && amends explore order.yaml --replay traces/order-F0202-mail.json\n\n\
    Exit codes: 0 nothing was found (notes do not count) · 1 something was, or it was stopped before its end · 2 wrong usage\n\
    What each code means: `amends explain`.")]
pub(crate) struct Args {
    /// Definitions (YAML); those of their children are looked for in the same folder
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A server's configuration: which contract each service keeps, and its timeouts
    #[arg(long, visible_alias = "catalogue", value_name = "FILE")]
    config: Option<PathBuf>,
    /// What services promise that stand in no configuration
    #[arg(long, value_enum, default_value_t)]
    contract: Promise,
    /// This service does everything as often as it is told, whatever its contract says; may be given again
    #[arg(long = "unkeyed", value_name = "SERVICE")]
    unkeyed: Vec<String>,
    /// A file with the input (JSON), or - for stdin [default: one or two made up from the schema]
    #[arg(long, value_name = "FILE|-", conflicts_with = "data")]
    input: Option<PathBuf>,
    /// The input itself
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// A plan of faults (YAML), or - for stdin: they befall every run, and are none of those that are counted
    #[arg(long, value_name = "FILE|-", conflicts_with = "replay")]
    plan: Option<String>,
    /// At most so many faults in one run
    #[arg(long, default_value_t = 2, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(0..=6))]
    faults: u8,
    /// Findings that are meant to be: shown, and not counted. May be given again. A child's step is SAGA.STEP
    #[arg(long = "allow", value_name = "CODE[:STEP]", value_delimiter = ',')]
    allow: Vec<Allowed>,
    /// Stop after so many runs of a definition; then the verdict is incomplete
    #[arg(long, value_name = "NUMBER")]
    max_runs: Option<u64>,
    /// Stop after so many seconds for a definition
    #[arg(long, value_name = "SECONDS")]
    max_seconds: Option<u64>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: explored::Format,
    /// Show runs as sequence diagrams, too
    #[arg(long)]
    mermaid: bool,
    /// Write the run that shows a finding into this folder, a file each
    #[arg(long, value_name = "FOLDER", conflicts_with = "replay")]
    save_trace: Option<PathBuf>,
    /// Write the faults of that run into this folder, as a plan for a running server (`amends faults set`)
    #[arg(long, value_name = "FOLDER", conflicts_with = "replay")]
    save_plan: Option<PathBuf>,
    /// Tell the run of such a file, and explore nothing
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
}

/// Words of [`Contract`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Promise {
    /// Any HTTP service that honours the idempotency key
    #[default]
    Plain,
    /// It keeps the participant contract
    Barrier,
    /// It does everything as often as it is told
    Unkeyed,
}

impl From<Promise> for Contract {
    fn from(promise: Promise) -> Self {
        match promise {
            Promise::Plain => Self::Plain,
            Promise::Barrier => Self::Barrier,
            Promise::Unkeyed => Self::Unkeyed,
        }
    }
}

/// # Errors
/// A file cannot be read, or cannot be explored.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let catalogue = args.config.as_deref().map(check::catalogue).transpose()?;
    if let Some(trace) = &args.replay {
        return tell(args, trace, catalogue.as_ref());
    }
    let given = given(args)?;
    let plan = args.plan.as_deref().map(faults::read_parsed).transpose()?.map(|(_, plan)| plan);
    let mut all = Vec::new();
    let mut refused = false;
    for path in &args.files {
        let Some(definition) = read(path, catalogue.as_ref())? else {
            refused = true;
            continue;
        };
        all.push(one(args, path, &definition, catalogue.as_ref(), (given.as_ref(), plan.as_ref()))?);
    }
    let idle = plan.as_ref().map_or_else(Vec::new, |plan| explored::idle(plan, &all));
    for one in &mut all {
        one.idle.clone_from(&idle);
    }
    explored::show(&all, args.format, args.mermaid)?;
    let clean = |one: &Explored| one.verdict() == Verdict::Clean && !one.report.incomplete;
    Ok(if refused || !idle.is_empty() || !all.iter().all(clean) { Exit::Failure } else { Exit::Success })
}

fn one(
    args: &Args,
    path: &Path,
    definition: &Definition,
    catalogue: Option<&Catalogue>,
    (given, played): (Option<&Value>, Option<&FaultPlan>),
) -> anyhow::Result<Explored> {
    let file = path.display().to_string();
    let made_up = given.is_none();
    let inputs = match given {
        Some(given) => vec![given.clone()],
        None => inputs(definition).map_err(|why| anyhow!(Usage(format!("{file}: {why}; give one with --input"))))?,
    };
    let known = known(path, definition, catalogue)?;
    let (services, unknown) = services(args, definition, &known, catalogue)?;
    let otherwise = Service { contract: args.contract.into(), ..Setup::default().otherwise };
    let (faults, max_runs) = (args.faults, args.max_runs);
    let setup =
        Setup { inputs, services, otherwise, known, faults, max_runs, plan: played.cloned(), ..Setup::default() };
    let begun = Instant::now();
    let until = args.max_seconds.map(|seconds| begun + Duration::from_secs(seconds));
    let mut said = Said::new(&definition.name);
    let report = explore(definition, &setup, &mut |progress| {
        said.say(progress);
        until.is_none_or(|until| Instant::now() < until)
    });
    said.clear();
    let report = report.map_err(|why| anyhow!("{file}: {why}"))?;
    let stories = report.findings.iter().map(|found| replay(definition, &setup.known, &found.trace));
    let stories = stories.collect::<Result<Vec<_>, _>>().with_context(|| format!("{file}: a run does not repeat"))?;
    if let Some(folder) = &args.save_trace {
        let trace =
            |found: &amends_explore::Finding| Ok(Some(format!("{}\n", serde_json::to_string_pretty(&found.trace)?)));
        save(folder, "json", definition, &report.findings, trace)?;
    }
    if let Some(folder) = &args.save_plan {
        let plan =
            |found: &amends_explore::Finding| Ok(plan(&fault_plan(definition, &setup.known, &found.trace)?, found));
        save(folder, "faults.yaml", definition, &report.findings, plan)?;
    }
    Ok(Explored {
        file,
        saga: definition.name.to_string(),
        report,
        stories,
        allowed: args.allow.clone(),
        faults: args.faults,
        inputs: if made_up { Some(setup.inputs) } else { None },
        unknown,
        contract: args.contract.into(),
        rules: setup.plan.map_or_else(Vec::new, |plan| plan.rules.into_iter().map(|rule| rule.name).collect()),
        idle: Vec::new(),
        took: begun.elapsed(),
    })
}

/// What the catalogue says of the definition's services, and which of them it does not know.
fn services(
    args: &Args,
    definition: &Definition,
    known: &Known,
    catalogue: Option<&Catalogue>,
) -> anyhow::Result<(BTreeMap<ServiceName, Service>, Vec<String>)> {
    let mut names = definition.services();
    for child in family(definition, known) {
        names.extend(child.services());
    }
    let stray = args.unkeyed.iter().find(|name| !names.iter().any(|known| known.as_str() == name.as_str()));
    if let Some(stray) = stray.filter(|_| args.files.len() == 1) {
        let known: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
        return Err(anyhow!(Usage(format!(
            "--unkeyed: `{}` calls no service `{stray}`; it calls {}",
            definition.name,
            known.join(", ")
        ))));
    }
    let mut services = BTreeMap::new();
    let mut unknown = Vec::new();
    for name in names {
        let entry = catalogue.and_then(|catalogue| catalogue.services.get(name.as_str()));
        let mut service = match entry {
            Some(entry) => as_catalogued(entry),
            None => {
                unknown.push(name.to_string());
                Service { contract: args.contract.into(), ..Setup::default().otherwise }
            }
        };
        if args.unkeyed.iter().any(|unkeyed| unkeyed == name.as_str()) {
            service.contract = Contract::Unkeyed;
        }
        services.insert(name.clone(), service);
    }
    Ok((services, unknown))
}

/// The definitions that it runs as children, and theirs, as far as they are known.
fn family<'k>(definition: &Definition, known: &'k Known) -> Vec<&'k Definition> {
    let names = |of: &Definition| of.children().map(|(_, child)| child.name.clone()).collect::<Vec<_>>();
    let (mut family, mut wanted) = (Vec::<&Definition>::new(), names(definition));
    while let Some(name) = wanted.pop() {
        let Some(child) = known.get(&name).filter(|_| !family.iter().any(|one| one.name == name)) else { continue };
        wanted.extend(names(child));
        family.push(child);
    }
    family
}

/// The valid definitions beside it, if it runs children.
///
/// # Errors
/// The folder cannot be read; or the catalogue does not have a service that a child calls.
fn known(path: &Path, definition: &Definition, catalogue: Option<&Catalogue>) -> anyhow::Result<Known> {
    let known = source::known_beside(path, definition)?;
    for child in catalogue.iter().flat_map(|_| family(definition, &known)) {
        let checked = definition::parse(&child.source, catalogue.map(Catalogue::described).as_ref());
        if let Some(wrong) = checked.diagnostics.iter().find(|found| found.severity == Severity::Error) {
            return Err(anyhow!("{}: its child {}: {}: {}", path.display(), child.name, wrong.code, wrong.message));
        }
    }
    Ok(known)
}

/// What the catalogue says of a service.
pub(super) fn as_catalogued(entry: &amends_engine::Service) -> Service {
    Service {
        contract: match entry.contract {
            amends_engine::Contract::Plain => Contract::Plain,
            amends_engine::Contract::Barrier => Contract::Barrier,
        },
        timeout: entry.timeout,
        reject_on: entry.reject_on.clone(),
    }
}

/// Reads a definition as `check` does; `None`: what is wrong with it has been said.
fn read(path: &Path, catalogue: Option<&Catalogue>) -> anyhow::Result<Option<Definition>> {
    let file = path.display().to_string();
    let source = absent::text(path)?;
    let checked = definition::parse(&source, catalogue.map(Catalogue::described).as_ref());
    let wrong = checked.diagnostics.into_iter().filter(|found| found.severity == Severity::Error);
    for finding in wrong.map(|found| Finding::of_core(&file, found)) {
        output::say(&format!("{}\n", snippet::render(&finding, &source, Style::of_stderr())));
    }
    Ok(checked.definition)
}

fn given(args: &Args) -> anyhow::Result<Option<Value>> {
    match (&args.input, &args.data) {
        (Some(file), _) if file.as_os_str() == "-" => json_argument::read("--input", "input", "-").map(Some),
        (Some(file), _) => json_argument::read("--input", "input", &format!("@{}", file.display())).map(Some),
        (None, Some(text)) => json_argument::read("--data", "input", text).map(Some),
        (None, None) => Ok(None),
    }
}

fn tell(args: &Args, trace: &Path, catalogue: Option<&Catalogue>) -> anyhow::Result<Exit> {
    let [path] = &args.files[..] else {
        return Err(anyhow!(Usage("--replay: a trace is of one definition".to_owned())));
    };
    let Some(definition) = read(path, catalogue)? else { return Ok(Exit::Failure) };
    let name = trace.display().to_string();
    let text = absent::text(trace)?;
    let trace: Trace = serde_json::from_str(&text)
        .map_err(|why| anyhow!(Usage(format!("{name} is no trace of `amends explore`: {why}"))))?;
    let known = known(path, &definition, None)?;
    let story = replay(&definition, &known, &trace).map_err(|why| anyhow!("{name}: {why}"))?;
    explored::tell(&story, args.format, args.mermaid)?;
    Ok(if story.findings.is_empty() { Exit::Success } else { Exit::Failure })
}

/// With what it shows above it, and what it does not bring about. `None`: no fault of a call is needed, or none that could be planned.
fn plan(planned: &Planned, found: &amends_explore::Finding) -> Option<String> {
    if planned.plan.rules.is_empty() {
        return None;
    }
    let comment = |text: &str| text.lines().map(|line| format!("# {line}\n")).collect::<String>();
    let mut text = comment(&format!("{}: {}", found.code.as_str(), found.message));
    if !planned.left_out.is_empty() {
        text.push_str(&comment("In the run that shows it this happened, too, and no plan brings it about:"));
        planned.left_out.iter().for_each(|what| text.push_str(&comment(&format!("- {what}"))));
    }
    Some(format!("{text}{}", amends_core::faults::write(&planned.plan)))
}

/// One file for each finding.
fn save(
    folder: &Path,
    extension: &str,
    definition: &Definition,
    findings: &[amends_explore::Finding],
    written: impl Fn(&amends_explore::Finding) -> anyhow::Result<Option<String>>,
) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for found in findings {
        let step = found.place().map_or(String::new(), |step| format!("-{step}"));
        let file = folder.join(format!("{}-{}{step}.{extension}", definition.name, found.code.as_str()));
        let Some(text) = written(found)? else {
            output::say(&format!("nothing to write into {}: it takes no fault that a plan could have", file.display()));
            continue;
        };
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        output::say(&format!("wrote {}", file.display()));
    }
    Ok(())
}

/// How far it is, on one line that goes away again; only where somebody looks.
struct Said<'a> {
    saga: &'a str,
    shows: bool,
    last: Option<Instant>,
}

impl<'a> Said<'a> {
    fn new(saga: &'a str) -> Self {
        Self { saga, shows: std::io::stderr().is_terminal(), last: None }
    }

    fn say(&mut self, progress: Progress) {
        const EVERY: Duration = Duration::from_millis(200);
        if !self.shows || self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        let Progress { runs, findings, faults } = progress;
        // Nobody is there to see: nothing to be done about it.
        let _ =
            write!(std::io::stderr(), "\r\x1b[K{}: up to {faults} faults, {runs} runs, {findings} findings", self.saga);
    }

    fn clear(&self) {
        if self.last.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
