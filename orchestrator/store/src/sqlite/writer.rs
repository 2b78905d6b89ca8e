//! The one connection that writes, on a thread of its own, and the only way to it.
//!
//! A transaction is one job for this thread: its statements call SQLite directly, and only the job and its answer go from
//! thread to thread. A caller who goes away cancels nothing: the thread does not know. What a job leaves open, by an error or
//! by a panic, is rolled back; a connection that even then is in a transaction is given up, and a fresh one is opened.
//!
//! **What it must never know:** what a job writes.

use std::{
    io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{batches, lock::ServerLock, open::connect};
use crate::{
    StoreError, Written,
    batch::{Above, Numbering},
};

/// More callers than this wait for a place in the queue; the engine's group commit is one of them.
const JOBS_MAX: usize = 64;

/// What the statements of a transaction come to.
pub(super) enum Work<T> {
    /// It wrote: commit, then answer.
    Wrote(T),
    /// The same, and a batch with a number is part of it.
    WroteBatch(T),
    /// It wrote nothing: no sync is due.
    Untouched(T),
}

type Job = Box<dyn FnOnce(&mut Place) + Send>;

pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    /// Hears when the thread has let go of the file.
    ended: oneshot::Receiver<()>,
    numbering: Arc<Numbering>,
    commits: AtomicU64,
    appends: AtomicU64,
    statements: AtomicU64,
}

impl Writer {
    /// Starts the thread, which has the file as long as the writer lasts and a moment longer.
    pub(super) async fn start(path: &Path, lock: ServerLock) -> Result<Self, StoreError> {
        let place = Place { connection: None, path: path.to_owned(), _lock: lock };
        let (jobs, queue) = mpsc::channel(JOBS_MAX);
        let (end, ended) = oneshot::channel();
        let serving = move || {
            serve(place, queue);
            // After a drop nobody listens.
            let _ = end.send(());
        };
        thread::Builder::new().name("amends-sqlite-writer".to_owned()).spawn(serving).map_err(no_thread)?;
        let [commits, appends, statements] = [const { AtomicU64::new(0) }; 3];
        let above = Above::default();
        let numbering = Arc::new(Numbering::above(above.clone()));
        let writer = Self { jobs, ended, numbering, commits, appends, statements };
        // Whoever had the file before has written all that it will.
        if let Some(latest) = writer.on_its_thread(|place| batches::latest(place.connection()?)).await? {
            above.lift(latest);
        }
        Ok(writer)
    }

    /// Runs `work` in one transaction that holds SQLite's write lock from its first statement on. Any error: nothing was
    /// written, or (an error of the commit itself) it is not known.
    pub(super) async fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<Work<T>> + Send + 'static,
    ) -> rusqlite::Result<T> {
        let numbering = Arc::clone(&self.numbering);
        self.on_its_thread(move |place| {
            let connection = place.connection()?;
            connection.prepare_cached("begin immediate")?.execute([])?;
            match work(connection)? {
                Work::Wrote(answer) => {
                    connection.prepare_cached("commit")?.execute([])?;
                    Ok(answer)
                }
                Work::WroteBatch(answer) => {
                    connection.prepare_cached("commit")?.execute([])?;
                    // Here, and not where the caller waits: the next job may be a batch, too.
                    numbering.written();
                    Ok(answer)
                }
                Work::Untouched(answer) => Ok(answer),
            }
        })
        .await
    }

    /// Runs `work` on the thread, and rolls back what it leaves open.
    async fn on_its_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Place) -> rusqlite::Result<T> + Send + 'static,
    ) -> rusqlite::Result<T> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |place| {
            // Nothing is seen half-done afterwards: whatever the job had in hand ends with it or is rolled back.
            let result = panic::catch_unwind(AssertUnwindSafe(|| work(place)));
            place.roll_back();
            // A caller who went away wants no answer.
            let _ = reply.send(result);
        });
        self.jobs.send(job).await.expect("invariant: the thread lasts as long as its writer");
        match answer.await.expect("invariant: every job is answered") {
            Ok(result) => result,
            Err(panic) => panic::resume_unwind(panic),
        }
    }

    /// Who says what the next batch is called.
    pub(super) fn numbering(&self) -> &Arc<Numbering> {
        &self.numbering
    }

    /// One transaction with appends was committed.
    pub(super) fn count(&self, appends: u64, statements: u64) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.appends.fetch_add(appends, Ordering::Relaxed);
        self.statements.fetch_add(statements, Ordering::Relaxed);
    }

    pub(super) fn written(&self) -> Written {
        Written {
            commits: self.commits.load(Ordering::Relaxed),
            appends: self.appends.load(Ordering::Relaxed),
            statements: self.statements.load(Ordering::Relaxed),
        }
    }

    /// Waits until the jobs under way are done and the file is free. Dropping the writer does the same, a moment later.
    pub(super) async fn close(self) {
        drop(self.jobs);
        // An error: it ended otherwise, which is an end, too.
        let _ = self.ended.await;
    }

    /// For tests that break the connection on purpose.
    #[cfg(test)]
    pub(super) async fn with_connection<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> rusqlite::Result<T> {
        self.on_its_thread(|place| work(place.connection()?)).await
    }
}

/// What the thread has.
struct Place {
    /// `None` before the first job, and after it could not be trusted any more.
    connection: Option<Connection>,
    path: PathBuf,
    /// Last, so that the connection ends before the right to have it.
    _lock: ServerLock,
}

fn serve(mut place: Place, mut queue: mpsc::Receiver<Job>) {
    while let Some(job) = queue.blocking_recv() {
        job(&mut place);
    }
    if let Some(connection) = place.connection.take()
        && let Err((_, error)) = connection.close()
    {
        // Nothing is lost: the next server reads the WAL.
        tracing::warn!(%error, "the SQLite file could not be closed cleanly");
    }
}

impl Place {
    fn connection(&mut self) -> rusqlite::Result<&Connection> {
        Ok(match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.path)?),
        })
    }

    /// Leaves the connection in no transaction, or not at all. After an error SQLite has often rolled back by itself.
    fn roll_back(&mut self) {
        let Some(connection) = &self.connection else { return };
        if connection.is_autocommit() {
            return;
        }
        let rolled_back = connection.prepare_cached("rollback").and_then(|mut statement| statement.execute([]));
        if let Err(error) = rolled_back
            && !connection.is_autocommit()
        {
            tracing::warn!(%error, "a transaction could not be rolled back: the SQLite file is opened anew");
            self.connection = None;
        }
    }
}

fn no_thread(error: io::Error) -> StoreError {
    let reason = format!("no thread to write from: {error}");
    StoreError::Unavailable { reason, source: Some(Arc::new(error)) }
}
