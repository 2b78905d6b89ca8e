//! Letting go of ended sagas, and telling what became of accepted actions: as on a database, a batch at a time, by the script.

use std::{convert::Infallible, time::Duration};

use amends_protocol::forget::ForgetRequest;
use serde_json::json;

use super::Barrier;
use crate::{
    Broken,
    call::Place,
    clock::micros,
    due::{Due, DueRow, Told, keep_calling_back},
    fault::Rule,
    let_go::{BATCH_CALLS, BATCH_SAGAS, BATCHES_PER_FORGET, keep_letting_go, let_go_of},
};

impl Barrier {
    /// Marks these sagas as ended, as far as they are known here; a mark that stands stays. Then lets go of some that
    /// are due.
    ///
    /// # Errors
    /// [`Broken`]: nothing is certain, and the same may be said again.
    pub async fn forget(&self, request: ForgetRequest) -> Result<(), Broken> {
        let ask = self.ask("forget", None);
        let marked: u64 =
            self.run(ask.with(json!({ "sagas": request.sagas, "at": self.clock.now_us().to_string() }))).await?;
        tracing::debug!(marked, "sagas were named as ended");
        let_go_of(BATCHES_PER_FORGET, || self.let_go()).await;
        Ok(())
    }

    /// Deletes one batch of what is due; of how many sagas.
    ///
    /// # Errors
    /// [`Broken`]: it is left to the next time.
    pub async fn let_go(&self) -> Result<u64, Broken> {
        let grace_us = if self.faults.holds(Rule::Grace) { micros(self.forget_grace) } else { 0 };
        let until_us = self.clock.now_us().saturating_sub(grace_us);
        let limits = json!({ "until_us": until_us.to_string(), "sagas_max": BATCH_SAGAS, "calls_max": BATCH_CALLS });
        self.run(self.ask("let_go", None).with(limits)).await
    }

    /// Lets go of what is due, now and again and again; it may be dropped at any moment.
    ///
    /// # Panics
    /// `every` is zero.
    pub async fn keep_letting_go(&self, every: Duration) -> Infallible {
        keep_letting_go(every, || self.let_go()).await
    }

    /// Verdicts that are still to be told, at most so many.
    ///
    /// # Errors
    /// [`Broken`]: the store cannot be read.
    pub async fn due_callbacks(&self, limit: u32) -> Result<Vec<Due>, Broken> {
        type Row = (String, i64, String, String, String, Vec<u8>);
        let rows: Vec<Row> = self.run(self.ask("due", None).with(json!({ "limit": limit }))).await?;
        let rows = rows.into_iter().map(|(saga, item, step, token, state, body)| DueRow {
            saga,
            step,
            item,
            token,
            state,
            body,
        });
        rows.map(DueRow::parse).collect()
    }

    /// It has been heard, and need not be told again.
    ///
    /// # Errors
    /// [`Broken`]: it will be told again, which does no harm.
    pub async fn heard(&self, action: Place) -> Result<(), Broken> {
        let _: i64 = self.run(self.ask("heard", Some(&action))).await?;
        Ok(())
    }

    /// Tells what is due, now and again and again; it may be dropped at any moment. `tell` makes the one request,
    /// `POST {orchestrator}/v1/callbacks`, within a bound.
    ///
    /// # Panics
    /// `every` is zero.
    pub async fn keep_calling_back<F: Future<Output = Told> + Send>(
        &self,
        every: Duration,
        tell: impl Fn(Due) -> F + Sync,
    ) -> Infallible {
        keep_calling_back(every, tell, |limit| self.due_callbacks(limit), |action| self.heard(action)).await
    }
}
