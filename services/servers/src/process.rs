//! A server's process, and what ends it when nobody else can.

use std::{
    fs::File,
    io,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// Recovery of what a test wrote takes a second at most; the rest is for a machine that is busy.
const START_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Somebody else may take a port between our finding it free and the server's binding it.
pub(crate) const PORTS_TRIED: usize = 5;

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Running {
    server: Child,
    /// Ends the server if our process dies without dropping it.
    guard: Child,
}

impl Running {
    /// Starts it, with its output in `log`; returns when it is ready, which `is_ready` says of its number.
    pub(crate) fn start(
        command: &mut Command,
        log: File,
        folder: &Path,
        is_ready: impl Fn(u32) -> bool,
    ) -> io::Result<Self> {
        let mut server = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let guard = match guard(&server, folder) {
            Ok(guard) => guard,
            Err(error) => {
                server.kill()?;
                server.wait()?;
                return Err(error);
            }
        };
        let mut running = Self { server, guard };
        let ready = within(START_WITHIN, || match running.server.try_wait()? {
            Some(status) => Err(io::Error::other(format!("it ended with {status}"))),
            None => Ok(is_ready(running.server.id())),
        });
        let why = match ready {
            Ok(true) => return Ok(running),
            Ok(false) => io::Error::other(format!("it was not ready within {START_WITHIN:?}")),
            Err(error) => error,
        };
        // What did not start need not end well.
        let _killed = running.stop(Signal::KILL);
        Err(why)
    }

    /// Returns when it is gone.
    pub(crate) fn stop(mut self, signal: Signal) -> io::Result<()> {
        // First the guard: it knows the server by its number only, which is free again once the server is gone.
        self.guard.kill()?;
        self.guard.wait()?;
        if self.server.try_wait()?.is_some() {
            return Ok(());
        }
        kill_process(Pid::from_child(&self.server), signal)?;
        let gone = within(STOP_WITHIN, || Ok(self.server.try_wait()?.is_some()));
        if !matches!(gone, Ok(true)) {
            self.server.kill()?;
            self.server.wait()?;
            return Err(io::Error::other("it did not stop and was killed"));
        }
        Ok(())
    }
}

/// Waits for the end of our process, which closes its standard input, and then ends the server and removes the folder.
fn guard(server: &Child, folder: &Path) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", "read -r nothing; kill -QUIT \"$1\"; sleep 1; kill -KILL \"$1\"; rm -rf \"$2\"", "guard"])
        .arg(server.id().to_string())
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn within(limit: Duration, mut there: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    let since = Instant::now();
    loop {
        if there()? {
            return Ok(true);
        }
        if since.elapsed() > limit {
            return Ok(false);
        }
        #[expect(clippy::disallowed_methods, reason = "there is no runtime here")]
        thread::sleep(LOOK_EVERY);
    }
}

pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
