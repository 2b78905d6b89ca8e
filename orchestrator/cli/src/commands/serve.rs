//! `amends serve`: the orchestrator, until it is told to stop.

use std::{fs, path::Path, path::PathBuf, sync::Arc, time::Duration};

use amends_api::{Door, Outside, Streams};
use amends_engine::{
    Engine, Faults, HttpParticipant, Limits, Participant, RegisterError, Retention, Setup, SystemClock,
};
use amends_events::{Allowed, Secrets, Source, Sources, WebhookTerms, Webhooks};
use amends_store::Store;
use anyhow::{Context, bail};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{self, Config, EventSource, Flags},
    documents,
    exit::Exit,
    log::{self, LogFormat},
    output, secrets,
    signals::Signals,
    snippet::{self, Finding},
    store::{self, Opened},
    style::Style,
};

/// Run the orchestrator
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: Flags,
    /// How log lines look; AMENDS_LOG or RUST_LOG says which there are
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
    /// Let `amends faults` and `/v1/faults` make things go wrong on purpose; never where real customers are
    #[arg(long)]
    allow_faults: bool,
}

/// # Errors
/// The configuration is not valid, the address is taken, the store cannot be opened, a definition is not valid.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let loaded = config::load(&args.flags)?;
    log::init(args.log_format, "info")?;
    let mut config = loaded.config;
    documents::read(&mut config.services)?;
    let secrets = secrets::read(&config.secrets)?;
    Allowed::parse(&config.webhooks.allow).map_err(anyhow::Error::msg).context("webhooks.allow")?;
    let stop = stop_on_signals()?;

    let listen = config.server.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let faults = args.allow_faults.then(|| Arc::new(Faults::default()));
    if faults.is_some() {
        tracing::warn!("--allow-faults: whoever reaches this server can make its calls fail, and make it die");
    }
    let (opened, front) = match store::open(&config.store).await {
        Ok(opened) => (opened, Front::Listening(listener)),
        Err(error) if store::may_come_back(&config.store, &error) => {
            let waiting = Waiting::begin(listener, &config, &stop)?;
            match waiting.for_store(&config, &stop, error).await? {
                Some(opened) => (opened, Front::Waiting(waiting)),
                None => return waiting.end().await,
            }
        }
        Err(error) => return Err(error),
    };
    let engine = open_engine(&config, opened.store(), &address.to_string(), faults).await?;
    if let Err(error) = register_folder(&engine, &config).await {
        engine.shutdown(config.limits.drain).await;
        return Err(error);
    }

    let outside = outside(&config, &engine, secrets)?;
    let telling = tokio::spawn(outside.webhooks.clone().run(stop.clone()));
    let router = amends_api::router_with(engine.clone(), outside);
    if matches!(front, Front::Listening(_)) {
        output::print(&format!("listening on http://{address}"))?;
    }
    let file = loaded.file.map(|file| file.display().to_string()).unwrap_or_default();
    let store =
        config.store.url.as_ref().map_or(config.store.path.relative().display().to_string(), |url| format!("{url:?}"));
    tracing::info!(%address, store, config = file, "listening");

    // Both at once: from the first moment on `/readyz` says no and starts are refused, while requests still end.
    let shutdown = async {
        stop.cancelled().await;
        tracing::info!("stopping");
        engine.shutdown(config.limits.drain).await;
    };
    let serve = async {
        match front {
            Front::Listening(listener) => {
                amends_api::serve(listener, router, stop.clone(), config.limits.drain).await;
                Ok(())
            }
            Front::Waiting(waiting) => {
                waiting.door.open(router);
                waiting.serving.await
            }
        }
    };
    let ((), served) = tokio::join!(shutdown, serve);
    telling.await?;
    drop(engine);
    opened.close().await;
    served?;
    tracing::info!("stopped");
    Ok(Exit::Success)
}

/// Who answers.
enum Front {
    /// Nobody yet.
    Listening(TcpListener),
    Waiting(Waiting),
}

/// A server that lives and is not ready, because its database is away.
struct Waiting {
    door: Door,
    serving: JoinHandle<()>,
}

/// Between two tries: quick at first, for a database that starts beside the server; then so that nobody is flooded.
const TRY_FIRST: Duration = Duration::from_millis(200);
const TRY_MOST: Duration = Duration::from_secs(5);

impl Waiting {
    fn begin(listener: TcpListener, config: &Config, stop: &CancellationToken) -> anyhow::Result<Self> {
        let (address, door) = (listener.local_addr()?, Door::default());
        let serving = amends_api::serve(listener, door.router(), stop.clone(), config.limits.drain);
        let serving = tokio::spawn(serving);
        output::print(&format!("listening on http://{address}"))?;
        Ok(Self { door, serving })
    }

    /// Tries until it is open; `None`: it was told to stop.
    async fn for_store(
        &self,
        config: &Config,
        stop: &CancellationToken,
        mut error: anyhow::Error,
    ) -> anyhow::Result<Option<Opened>> {
        let mut pause = TRY_FIRST;
        loop {
            tracing::warn!(error = format!("{error:#}"), retry_in = ?pause, "the database is away: not ready, trying again");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return Ok(None),
            }
            pause = (pause * 2).min(TRY_MOST);
            error = tokio::select! {
                opened = store::open(&config.store) => match opened {
                    Ok(opened) => return Ok(Some(opened)),
                    Err(error) if store::may_come_back(&config.store, &error) => error,
                    Err(error) => return Err(error),
                },
                () = stop.cancelled() => return Ok(None),
            };
        }
    }

    async fn end(self) -> anyhow::Result<Exit> {
        self.serving.await?;
        tracing::info!("stopped");
        Ok(Exit::Success)
    }
}

async fn open_engine(
    config: &Config,
    store: Arc<dyn Store>,
    address: &str,
    faults: Option<Arc<Faults>>,
) -> anyhow::Result<Engine> {
    let latest = store.latest_at().await?;
    let participant: Arc<dyn Participant> =
        Arc::new(HttpParticipant::new(&config.services).context("HTTP towards services")?);
    #[cfg(feature = "crash-points")]
    let (store, participant) = {
        let points = amends_engine::CrashPoints::of_environment().map_err(anyhow::Error::msg)?;
        (points.around_store(store), points.around_services(participant))
    };
    let setup = Setup {
        store,
        participant,
        clock: Arc::new(SystemClock::anchored(latest)),
        catalogue: config.services.clone(),
        limits: Limits { max_live_sagas: config.limits.max_live_sagas, release_after: config.limits.release_after },
        name: node_name(address).into(),
        lease: config.lease.terms().map_err(anyhow::Error::msg)?,
        retention: Retention {
            keep: config.retention.keep,
            keep_events: config.events.keep,
            hold_events: config.events.hold,
            look_every: config.retention.look_every,
        },
        faults,
    };
    Ok(Engine::open(setup).await?)
}

/// How the world outside hears of sagas.
fn outside(config: &Config, engine: &Engine, secrets: Secrets) -> anyhow::Result<Outside> {
    let source: Arc<str> = config.events.source.as_str().into();
    let sources = config.event_sources.iter().map(|(name, source)| {
        let EventSource { saga, version, secrets, types, input } = source.clone();
        (name.clone(), Source { saga, version, secrets, types, input })
    });
    let sources = Sources::new(sources.collect(), secrets.clone()).map_err(anyhow::Error::msg)?;
    let terms = WebhookTerms {
        source: source.clone(),
        allowed: Allowed::parse(&config.webhooks.allow).map_err(anyhow::Error::msg)?,
        secrets,
        hold: config.events.hold,
    };
    let clock = engine.clone();
    let webhooks =
        Webhooks::new(engine.store().clone(), terms, move || clock.now()).context("HTTP towards webhooks")?;
    Ok(Outside { streams: Streams::new(source, config.events.max_streams), webhooks, sources })
}

/// For people: where this process is.
fn node_name(address: &str) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host} {address} pid {}", std::process::id())
}

/// Every definition of the folder, or none of the server: a server that knows half of its definitions helps nobody.
async fn register_folder(engine: &Engine, config: &Config) -> anyhow::Result<()> {
    let Some(folder) = &config.definitions.folder else { return Ok(()) };
    let folder = folder.relative();
    let files = definitions_in(&folder)?;
    if files.is_empty() {
        bail!("there is no definition (*.yaml) in {}", folder.display());
    }
    let mut refused = 0;
    for file in files {
        let source = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        match engine.register(&source).await {
            Ok(registered) => {
                let name = &*registered.definition.name;
                tracing::info!(name, version = registered.version, new = registered.created, "definition registered");
            }
            Err(RegisterError::Invalid(found)) => {
                refused += 1;
                for found in found {
                    let finding = Finding::of_core(&file.display().to_string(), found);
                    output::say(&format!("{}\n", snippet::render(&finding, &source, Style::of_stderr())));
                }
            }
            Err(error) => return Err(error).with_context(|| file.display().to_string()),
        }
    }
    if refused > 0 {
        bail!("{refused} of the definitions in {} are not valid", folder.display());
    }
    Ok(())
}

/// In order of their names; scenarios (`*.test.yaml`) are no definitions.
fn definitions_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut files = vec![];
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".yaml") && !name.ends_with(".test.yaml") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The first SIGTERM or ctrl-c asks for a stop; the second does not ask.
fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let asked = stop.clone();
    let mut signals = Signals::listen()?;
    tokio::spawn(async move {
        signals.next().await;
        asked.cancel();
        signals.next().await;
        output::say("stopped by force; what was in flight counts as unknown");
        std::process::exit(Exit::Failure as i32);
    });
    Ok(stop)
}
