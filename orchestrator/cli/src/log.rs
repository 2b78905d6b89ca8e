//! Logs go to stderr; stdout is for results.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// Starts logging. `AMENDS_LOG`, or else `RUST_LOG`, says what is logged; `default` if neither does.
///
/// # Errors
/// The filter cannot be read.
pub(crate) fn init(format: LogFormat, default: &str) -> anyhow::Result<()> {
    let wanted = ["AMENDS_LOG", "RUST_LOG"].into_iter().find_map(|name| std::env::var(name).ok().map(|it| (name, it)));
    let filter = match wanted {
        Some((name, wanted)) => EnvFilter::try_new(&wanted).map_err(|error| anyhow::anyhow!("{name}: {error}"))?,
        None => EnvFilter::new(default),
    };
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).init(),
    }
    Ok(())
}
