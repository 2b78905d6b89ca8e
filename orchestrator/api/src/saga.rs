//! Reading one saga: its journal, its pinned definition, its view; and waiting for it to settle.

use std::time::{Duration, Instant};

use amends_core::{
    event::{Event, Recorded},
    fold,
    ids::SagaId,
};
use amends_engine::{Engine, Settled, Whole};
use amends_protocol::v1::{LockStatus, PAGE_LIMIT_MAX, SagaResult, SagaView};
use amends_store::StoreError;
use serde_json::Value;

use crate::{
    error::ApiError,
    view::{self, queued, status, stub, view},
};

/// Rows of a journal per question to the store.
const ROWS: u32 = 500;
/// Sagas ahead in a queue that are named; the lock's own page has all.
const AHEAD_SHOWN: usize = 20;
/// A held request looks up so often, to see whether the server is shutting down.
const LOOK_UP_EVERY: Duration = Duration::from_millis(250);
/// The store's seqs are signed.
pub(crate) const LAST_SEQ: u64 = i64::MAX.unsigned_abs();

/// A saga as it stands; with `wait`, held until it has ended or raised attention, at most so long.
pub(crate) async fn read(engine: &Engine, saga: SagaId, wait: Option<Duration>) -> Result<SagaView, ApiError> {
    if let Some(wait) = wait
        && let Some(whole) = settled(engine, saga, wait).await.and_then(|settled| settled.whole)
    {
        return of_whole(saga, &whole);
    }
    match read_journal(engine, saga).await {
        Err(ApiError::Unreadable(reason) | ApiError::Store(StoreError::Corrupt { reason })) => {
            unreadable(engine, saga, reason).await
        }
        read => read,
    }
}

/// What there is to say of a saga whose journal or definition cannot be read. Of one whose row cannot be read either there is nothing.
async fn unreadable(engine: &Engine, saga: SagaId, reason: String) -> Result<SagaView, ApiError> {
    let head = engine.store().head(saga).await?.ok_or(ApiError::Unreadable(reason.clone()))?;
    Ok(view::unreadable(&head, reason, engine.store().poisoned(saga).await?))
}

async fn read_journal(engine: &Engine, saga: SagaId) -> Result<SagaView, ApiError> {
    let journal = journal(engine, saga).await?;
    let Some(Event::SagaStarted(started)) = journal.first().map(|first| &first.event) else {
        if !journal.is_empty() {
            return Err(ApiError::Unreadable(format!("the journal of saga {saga} does not begin with its start")));
        }
        let head = engine.store().head(saga).await?.filter(|head| head.purged_at.is_some());
        return head.map(|head| stub(&head)).ok_or(ApiError::UnknownSaga(saga));
    };
    let definition = engine.definition(&started.name, Some(started.version)).await?;
    let pinned = definition.filter(|definition| definition.digest == started.definition).ok_or_else(|| {
        let (name, version) = (&started.name, started.version);
        ApiError::Unreadable(format!("saga {saga}: definition {name} version {version} is not the one it started with"))
    })?;
    let mut view = view(saga, &journal, &pinned).map_err(|illegal| ApiError::Unreadable(illegal.to_string()))?;
    who_is_ahead(engine, &mut view).await?;
    Ok(view)
}

/// Says of the lock that the saga waits for who comes before.
async fn who_is_ahead(engine: &Engine, view: &mut SagaView) -> Result<(), ApiError> {
    for lock in view.locks.iter_mut().filter(|lock| lock.status == LockStatus::Waiting) {
        let queue = engine.store().lock_queue(&lock.name.as_str().into(), None, PAGE_LIMIT_MAX).await?;
        let before = queue.iter().position(|other| other.saga.0 == view.id);
        lock.place = before.and_then(|before| u32::try_from(before + 1).ok());
        lock.ahead = queue.iter().take(before.unwrap_or(queue.len()).min(AHEAD_SHOWN)).map(queued).collect();
    }
    Ok(())
}

/// No more than how it went; of a saga that has just begun, or that ended here, without making a view of it.
pub(crate) async fn result(
    engine: &Engine,
    saga: SagaId,
    wait: Option<Duration>,
    whole: Option<&Whole>,
) -> Result<SagaResult, ApiError> {
    let result = |status_now, attention, output: &Value| SagaResult {
        id: saga.0,
        status: status(status_now),
        attention,
        output: Some(output.clone()).filter(|output| !output.is_null()),
    };
    if let Some(whole) = whole {
        let state = fold(saga, &*whole.journal).map_err(|illegal| ApiError::Unreadable(illegal.to_string()))?;
        return Ok(result(state.status, !state.attention.is_empty(), &state.output));
    }
    if let Some(wait) = wait
        && let Some(settled) = settled(engine, saga, wait).await
    {
        return Ok(result(settled.status, settled.attention, &settled.output));
    }
    let view = read(engine, saga, None).await?;
    let attention = !view.attention.is_empty() || view.unreadable.is_some();
    Ok(SagaResult { id: view.id, status: view.status, attention, output: view.output })
}

/// A saga that is still in memory as a whole.
pub(crate) fn of_whole(saga: SagaId, whole: &Whole) -> Result<SagaView, ApiError> {
    view(saga, &whole.journal, &whole.definition).map_err(|illegal| ApiError::Unreadable(illegal.to_string()))
}

/// Returns when the saga has settled, the time is over, or the server is shutting down.
async fn settled(engine: &Engine, saga: SagaId, wait: Duration) -> Option<Settled> {
    let until = Instant::now() + wait;
    while engine.accepting() {
        let slice = until.saturating_duration_since(Instant::now()).min(LOOK_UP_EVERY);
        if slice.is_zero() {
            return None;
        }
        if let Ok(settled) = tokio::time::timeout(slice, engine.settled(saga, wait)).await {
            return settled;
        }
    }
    None
}

async fn journal(engine: &Engine, saga: SagaId) -> Result<Vec<Recorded>, ApiError> {
    let mut journal: Vec<Recorded> = Vec::new();
    loop {
        let next = journal.last().map_or(1, |last| last.seq + 1);
        let rows = engine.store().journal(saga, next..LAST_SEQ, ROWS).await?;
        let full = rows.len() == ROWS as usize;
        journal.extend(rows);
        if !full {
            return Ok(journal);
        }
    }
}
