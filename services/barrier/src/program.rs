//! The shell of a participant that is a program of its own: flags, listener, graceful stop. The demo, which runs all
//! services in one process, uses [`serve`] alone.
//!
//! **What it must never know:** which service it runs.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;

use crate::{
    Barrier, Database, Guard,
    fault::{AbortAfterCommit, Faults},
};

/// A client that does not send its headers by then is cut off.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// What is still open after that is cut off at a stop; the barrier's transactions end by themselves.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How soon after its grace an ended saga goes.
const LET_GO_EVERY: Duration = Duration::from_secs(60);
/// After accepting failed (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The flags every service has.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "AMENDS_LISTEN", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// The store that this service and nobody else owns: the path of a SQLite file, made if it is not there, or an address;
    /// one with a password is better given by the environment
    #[arg(long, env = "AMENDS_DATABASE", value_name = "PATH|URL", hide_env_values = true)]
    pub database: Database,
    /// Failure injection: `STEP[:action|compensate[:nth]]`, die right after that call's commit, before its reply
    #[arg(long, env = "AMENDS_ABORT_AFTER_COMMIT", value_name = "STEP[:OP[:NTH]]")]
    pub abort_after_commit: Option<AbortAfterCommit>,
    /// How long a saga's rows stay after the orchestrator said that it has ended; longer than any copy of a call can be
    /// delayed
    #[arg(long, env = "AMENDS_FORGET_GRACE", value_name = "DURATION", default_value = "7d", value_parser = span)]
    pub forget_grace: Duration,
}

impl Options {
    /// The barrier as the flags want it.
    pub fn set(&self, barrier: Barrier) -> Barrier {
        barrier.with_faults(self.faults()).with_forget_grace(self.forget_grace)
    }

    /// The same, for a service that has kinds of stores with nothing in common.
    pub fn set_guard(&self, guard: Guard) -> Guard {
        guard.with_faults(self.faults()).with_forget_grace(self.forget_grace)
    }

    fn faults(&self) -> Faults {
        self.abort_after_commit.clone().map(Faults::abort).unwrap_or_default()
    }
}

/// Logs to stderr, announces the address as the only line on stdout, serves and lets go of ended sagas until SIGTERM or
/// ctrl-c, closes the store.
///
/// # Errors
/// The address is taken, or stdout is gone.
pub async fn run(options: &Options, barrier: impl Into<Guard>, router: Router) -> io::Result<()> {
    let guard = barrier.into();
    let listener = TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    // Before anybody is told that it runs: who hears it may stop it at once.
    let stop = stop_signal()?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on http://{address}")?;
    stdout.flush()?;
    tracing::info!(%address, database = %options.database, "listening");
    tokio::select! {
        () = serve(listener, router, stop) => {}
        never = Box::pin(guard.keep_letting_go(LET_GO_EVERY)) => match never {},
    }
    Box::pin(guard.close()).await;
    tracing::info!("stopped");
    Ok(())
}

/// Logs on stderr; `RUST_LOG` says what, `info` by default.
pub fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}

/// Serves until `stop`, then lets the requests in flight end, within a bound.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let connections = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "accepting failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, connections.shutdown()).await.is_err() {
        tracing::warn!("requests were still open at the end of the drain");
    }
}

/// `7d`, `36h`, `5m`, `30s`, `250ms`.
///
/// # Errors
/// What to write instead.
pub fn span(text: &str) -> Result<Duration, String> {
    let hint = || "write 7d, 36h, 5m, 30s, 250ms or, for at once, 0s".to_owned();
    let (number, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(hint)?);
    let unit_ms = match unit {
        "d" => 24 * 60 * 60 * 1000,
        "h" => 60 * 60 * 1000,
        "m" => 60 * 1000,
        "s" => 1000,
        "ms" => 1,
        _ => return Err(hint()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit_ms))
        .map(Duration::from_millis)
        .ok_or_else(hint)
}

#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "no ctrl-c here, so no graceful stop either");
            std::future::pending::<()>().await;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::let_go::FORGET_GRACE_DEFAULT;

    #[test]
    fn a_span_has_a_number_and_a_unit() {
        assert_eq!(span("7d"), Ok(FORGET_GRACE_DEFAULT));
        assert_eq!(span("36h"), Ok(Duration::from_secs(129_600)));
        assert_eq!((span("5m"), span("0s")), (Ok(Duration::from_secs(300)), Ok(Duration::ZERO)));
        assert_eq!(span("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["", "7", "d", "7 d", "-7d", "7w", "1.5h", "7d1h", "18446744073709551615d"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
