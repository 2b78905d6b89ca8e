//! Tells one webhook, as long as this process may.
//!
//! Events of one saga go one after another, those of several sagas side by side. One that cannot be told blocks those behind it in its saga,
//! and no others: it is written down as blocked, and told again later. What was told is written down behind the telling, so a crash tells
//! some events again and none not at all.

use std::{collections::HashMap, sync::Arc, time::Duration};

use amends_core::{ids::SagaId, time::Time};
use amends_protocol::v1::EventView;
use amends_store::{StoreError, Subscription, Told, Turn};
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Inner, Kept,
    allowed::address,
    report::Report,
    request::{ANSWER_TIMEOUT, Failure},
    run::LEASE,
};
use crate::{Missed, Reader, cursor::Cursor};

/// Requests of one webhook at once.
const AT_ONCE: usize = 8;
/// Between two looks for something new.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// What was told is written down at most so often, unless something is blocked: what a crash may tell again.
const RECORD_EVERY: Duration = Duration::from_millis(500);
/// And on a quiet stream, that all of before has been told.
const RECORD_QUIET_EVERY: Duration = Duration::from_secs(60);
/// The lease is prolonged when so much of it is over.
const RENEW_AFTER: Duration = Duration::from_secs(5);
/// While the store is away.
const PAUSE: Duration = Duration::from_secs(1);

/// One webhook, and the right to tell it.
pub(super) struct Teller {
    pub(super) inner: Arc<Inner>,
    pub(super) id: Uuid,
    pub(super) kept: Kept,
    pub(super) epoch: u64,
    /// Before the claim was sent.
    pub(super) claimed_at: Instant,
    pub(super) stop: CancellationToken,
}

/// Why it is told no more from here.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Stopped,
    /// Somebody else tells it, or it is gone.
    Lost,
}

/// Under way.
struct Progress {
    reader: Reader,
    report: Report,
    /// All of before has been told, or is blocked.
    until: Time,
    recorded_at: Instant,
    /// Something is not written down yet.
    dirty: bool,
}

/// Events of one saga, in order.
struct Line {
    saga: SagaId,
    events: Vec<EventView>,
    turns: Vec<Turn>,
}

/// How far it went with one.
struct Went {
    line: Line,
    told: usize,
    failed: Option<Failure>,
}

impl Teller {
    pub(super) async fn run(mut self) {
        let id = self.id;
        let end = loop {
            match self.tell().await {
                Ok(end) => break end,
                Err(error) => {
                    tracing::warn!(webhook.id = %id, %error, "a webhook waits for the store");
                    tokio::select! {
                        () = self.stop.cancelled() => break End::Stopped,
                        () = sleep(PAUSE) => {}
                    }
                }
            }
        };
        tracing::debug!(webhook.id = %id, ?end, "a webhook is told no more from here");
    }

    /// From what is written down on, until it ends or the store is away.
    async fn tell(&mut self) -> Result<End, StoreError> {
        if !self.holds().await? {
            return Ok(End::Lost);
        }
        // Read behind the claim: whoever told it before has written down all that it will.
        let all = self.inner.store.subscriptions().await?;
        let Some(one) = all.into_iter().find(|one| one.id == self.id && one.epoch == self.epoch) else {
            return Ok(End::Lost);
        };
        let mut progress = self.begin(&one).await?;
        loop {
            if self.stop.is_cancelled() {
                self.record(&mut progress).await?;
                return Ok(End::Stopped);
            }
            if !self.holds().await? {
                return Ok(End::Lost);
            }
            let again = self.tell_again(&mut progress).await?;
            let something = again || self.tell_new(&mut progress).await?;
            let due = progress.recorded_at.elapsed();
            let is_due = progress.dirty && (due >= RECORD_EVERY || !something || !progress.report.blocked.is_empty());
            if (is_due || due >= RECORD_QUIET_EVERY) && !self.record(&mut progress).await? {
                return Ok(End::Lost);
            }
            if !something {
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    () = sleep(LOOK_EVERY) => {}
                }
            }
        }
    }

    async fn begin(&self, one: &Subscription) -> Result<Progress, StoreError> {
        let (store, terms, now) = (self.inner.store.clone(), &self.inner.terms, (self.inner.now)());
        let cursor = Cursor { places: one.told.places.clone(), at: now };
        let (reader, missed) = Reader::resume(store, terms.source.clone(), self.kept.wanted(), cursor, now).await?;
        let mut report = Report::parse(one)?;
        if missed == Missed::Something {
            report.missed += 1;
            tracing::error!(webhook.id = %self.id, "events were dropped before this webhook could be told of them");
        }
        Ok(Progress { reader, report, until: one.told.until, recorded_at: Instant::now(), dirty: false })
    }

    /// Prolongs the lease in time. `false`: somebody else has it.
    async fn holds(&mut self) -> Result<bool, StoreError> {
        if self.claimed_at.elapsed() < RENEW_AFTER {
            return Ok(true);
        }
        let since = Instant::now();
        let epoch = self.inner.store.claim_subscription(self.id, self.inner.owner, LEASE).await?;
        if epoch == Some(self.epoch) {
            self.claimed_at = since;
        }
        Ok(epoch == Some(self.epoch))
    }

    /// Whether something was tried.
    async fn tell_again(&self, progress: &mut Progress) -> Result<bool, StoreError> {
        let due = progress.report.due((self.inner.now)());
        if due.is_empty() {
            return Ok(false);
        }
        let mut lines = Vec::with_capacity(due.len());
        for (saga, blocked) in due {
            let worded = progress.reader.word(blocked.clone()).await?;
            if worded.events.len() < blocked.len() {
                // Purged meanwhile: these can never be told.
                let kept: Vec<(u64, bool)> =
                    worded.turns.iter().map(|turn| (turn.seq, turn.attention_cleared)).collect();
                progress.report.missed += (blocked.len() - kept.len()) as u64;
                if let Some(blocked) = progress.report.blocked.get_mut(&saga.0) {
                    blocked.turns = kept;
                }
                progress.report.unblock(saga, 0);
                progress.dirty = true;
            }
            lines.push(Line { saga, events: worded.events, turns: worded.turns });
        }
        for went in self.tell_lines(lines).await {
            progress.report.unblock(went.line.saga, went.told);
            self.count(progress, &went).await?;
        }
        Ok(true)
    }

    /// Whether there was something.
    async fn tell_new(&self, progress: &mut Progress) -> Result<bool, StoreError> {
        if progress.report.is_full() {
            return Ok(false);
        }
        let now = (self.inner.now)();
        let Some(page) = progress.reader.next().await? else {
            progress.until = now;
            return Ok(false);
        };
        progress.dirty = true;
        progress.until = page.at;
        progress.report.missed += page.untold + u64::from(page.missed);
        let mut lines: Vec<Line> = Vec::new();
        let mut of_sagas: HashMap<SagaId, usize> = HashMap::new();
        for (event, turn) in page.events.into_iter().zip(page.turns) {
            if progress.report.blocked.contains_key(&turn.saga.0) {
                progress.report.block(&[turn], page.at);
                continue;
            }
            let place = *of_sagas.entry(turn.saga).or_insert_with(|| {
                lines.push(Line { saga: turn.saga, events: Vec::new(), turns: Vec::new() });
                lines.len() - 1
            });
            lines[place].events.push(event);
            lines[place].turns.push(turn);
        }
        for went in self.tell_lines(lines).await {
            progress.report.block(&went.line.turns[went.told..], page.at);
            self.count(progress, &went).await?;
        }
        Ok(true)
    }

    async fn tell_lines(&self, lines: Vec<Line>) -> Vec<Went> {
        let telling = lines.into_iter().map(|line| self.tell_line(line));
        stream::iter(telling).buffer_unordered(AT_ONCE).collect().await
    }

    async fn tell_line(&self, line: Line) -> Went {
        for (told, event) in line.events.iter().enumerate() {
            if let Err(failed) = self.tell_one(event).await {
                return Went { line, told, failed: Some(failed) };
            }
        }
        Went { told: line.events.len(), line, failed: None }
    }

    async fn tell_one(&self, event: &EventView) -> Result<(), Failure> {
        let failure = |reason: &str| Failure { reason: reason.to_owned(), again_after: None, gone: false };
        // Nobody else may tell it while the request is under way.
        if self.claimed_at.elapsed() + ANSWER_TIMEOUT + PAUSE > LEASE {
            return Err(failure("the lease is nearly over"));
        }
        if self.stop.is_cancelled() {
            return Err(failure("the server was stopping"));
        }
        // The configuration may have changed since it was added.
        if !address(&self.kept.url).is_ok_and(|url| self.inner.terms.allowed.permits(&url)) {
            return Err(failure("the configuration of this node does not allow its address"));
        }
        self.inner.sender.tell(&self.kept, &self.inner.terms.secrets, event, (self.inner.now)()).await
    }

    async fn count(&self, progress: &mut Progress, went: &Went) -> Result<(), StoreError> {
        let now = (self.inner.now)();
        progress.dirty = true;
        progress.report.delivered += went.told as u64;
        if went.told > 0 {
            progress.report.last_delivered_at = Some(now);
        }
        let Some(failed) = &went.failed else { return Ok(()) };
        let event = &went.line.events[went.told].id;
        progress.report.failed(went.line.saga, event, &failed.reason, failed.again_after, now);
        tracing::debug!(webhook.id = %self.id, event, reason = failed.reason, "an event could not be told");
        if failed.gone {
            tracing::warn!(webhook.id = %self.id, "this webhook answered 410: it is paused");
            self.inner.store.pause_subscription(self.id, Some(now)).await?;
            self.stop.cancel();
        }
        Ok(())
    }

    /// `false`: it is somebody else's, and nothing was written.
    async fn record(&self, progress: &mut Progress) -> Result<bool, StoreError> {
        let until = progress.report.oldest().map_or(progress.until, |oldest| oldest.min(progress.until));
        let told = Told { places: progress.reader.places().clone(), until, report: progress.report.to_text() };
        let recorded = self.inner.store.record_told(self.id, self.epoch, told).await?;
        progress.recorded_at = Instant::now();
        progress.dirty = false;
        Ok(recorded)
    }
}
