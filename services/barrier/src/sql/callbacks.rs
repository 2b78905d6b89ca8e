//! Telling the orchestrator what came of actions that were accepted: their tokens are kept in the transaction of the 202, their
//! verdicts stand in the barrier's rows, and nothing is forgotten before somebody has heard it.

use std::{convert::Infallible, time::Duration};

use super::{Barrier, Readers, rows, tx::on_each};
use crate::{
    Broken,
    call::Place,
    due::{Due, DueRow, Told, keep_calling_back},
};

impl Barrier {
    /// Verdicts that are still to be told, at most so many.
    ///
    /// # Errors
    /// [`Broken`]: the store cannot be read.
    pub async fn due_callbacks(&self, limit: u32) -> Result<Vec<Due>, Broken> {
        let rows = on_each!(Readers of self.readers(), reads::callbacks_due, limit.into())?;
        rows.into_iter().map(DueRow::parse).collect()
    }

    /// It has been heard, and need not be told again.
    ///
    /// # Errors
    /// [`Broken`]: it will be told again, which does no harm.
    pub async fn heard(&self, action: Place) -> Result<(), Broken> {
        self.unguarded(move |tx| Box::pin(async move { rows::drop_token(tx, &action).await })).await
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
