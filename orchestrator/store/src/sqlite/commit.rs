//! Group commit: appends of many sagas in one transaction, each applied only if its saga is as its writer knows it.

use std::{ops::Range, sync::Arc};

use amends_core::ids::SagaId;

use super::{
    error::is_one_sagas_fault,
    write::{self, Done, Ready},
    writer::{Work, Writer},
};
use crate::{Append, AppendError, StoreError};

type Answer = Result<(), AppendError>;

pub(super) async fn commit(writer: &Writer, batch: Vec<Append>) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::with_capacity(batch.len());
    let mut ready = Vec::with_capacity(batch.len());
    for append in batch {
        // Here and not on the thread that writes, where everybody would wait for it.
        match Ready::of(append) {
            Ok(append) => {
                ready.push(append);
                answers.push(Ok(()));
            }
            Err(broken) => answers.push(Err(broken)),
        }
    }
    if !ready.is_empty() {
        let mut written = write_all(writer, ready.into()).await.into_iter();
        for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
            *answer = written.next().expect("invariant: every append that was tried has an answer");
        }
    }
    answers
}

async fn write_all(writer: &Writer, batch: Arc<[Ready]>) -> Vec<Answer> {
    match write(writer, &batch, 0..batch.len()).await {
        Ok(answers) => answers,
        // It must not keep the others from going on: each for itself.
        Err(error) if is_one_sagas_fault(&error) && batch.len() > 1 => {
            let mut answers = Vec::with_capacity(batch.len());
            for index in 0..batch.len() {
                match write(writer, &batch, index..index + 1).await {
                    Ok(answer) => answers.extend(answer),
                    Err(error) => answers.push(Err(broken(error, batch[index].append.saga))),
                }
            }
            answers
        }
        Err(error) if is_one_sagas_fault(&error) => vec![Err(broken(error, batch[0].append.saga))],
        Err(error) => {
            let away = StoreError::from(error);
            batch.iter().map(|_| Err(away.clone().into())).collect()
        }
    }
}

fn broken(error: rusqlite::Error, saga: SagaId) -> AppendError {
    match StoreError::from(error) {
        StoreError::Corrupt { reason } => StoreError::Corrupt { reason: format!("saga {saga}: {reason}") }.into(),
        other => other.into(),
    }
}

async fn write(writer: &Writer, batch: &Arc<[Ready]>, range: Range<usize>) -> rusqlite::Result<Vec<Answer>> {
    let batch = Arc::clone(batch);
    let numbering = Arc::clone(writer.numbering());
    let done: Done = writer
        .transaction(move |connection| {
            let done = write::write(connection, &batch[range], &numbering)
                // Nothing that failed before the commit is committed.
                .inspect_err(|_| numbering.unwritten())?;
            Ok(match done.applied {
                0 => Work::Untouched(done),
                _ if done.numbered => Work::WroteBatch(done),
                _ => Work::Wrote(done),
            })
        })
        .await?;
    if done.applied > 0 {
        writer.count(done.applied, done.statements);
    }
    Ok(done.answers)
}
