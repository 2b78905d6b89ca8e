//! Group commit: appends of many sagas in one transaction, each applied only if its saga is as its writer knows it.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use amends_core::ids::SagaId;
use sqlx::{Executor, PgConnection, Row};
use uuid::Uuid;

use super::{
    error::{Fault, fault},
    rows::touched,
    write::{Ready, write},
    writer::{Writer, close_transaction, repeatable},
};
use crate::{
    Append, AppendError, StoreError, Written,
    append::{Standing, rounds},
    batch::{Above, Numbering},
    lane_of,
};

type Answer = Result<(), AppendError>;

/// The writers of appends, one per lane, and what they did so far.
pub(super) struct Lanes {
    writers: Vec<Lane>,
    above: Above,
    commits: AtomicU64,
    appends: AtomicU64,
    statements: AtomicU64,
}

/// A connection, over which one batch is committed after another, and what they are called.
struct Lane {
    writer: Arc<Writer>,
    numbering: Arc<Numbering>,
}

impl Lanes {
    pub(super) fn new(writers: Vec<Arc<Writer>>) -> Self {
        assert!(!writers.is_empty(), "invariant: there is a lane");
        let above = Above::default();
        let lane = |writer| Lane { writer, numbering: Arc::new(Numbering::above(above.clone())) };
        let writers = writers.into_iter().map(lane).collect();
        Self { writers, above, commits: AtomicU64::new(0), appends: AtomicU64::new(0), statements: AtomicU64::new(0) }
    }

    pub(super) fn number(&self) -> usize {
        self.writers.len()
    }

    /// What batches of this process are above.
    pub(super) fn above(&self) -> &Above {
        &self.above
    }

    pub(super) fn written(&self) -> Written {
        Written {
            commits: self.commits.load(Ordering::Relaxed),
            appends: self.appends.load(Ordering::Relaxed),
            statements: self.statements.load(Ordering::Relaxed),
        }
    }

    fn count(&self, appends: u64, statements: u64) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.appends.fetch_add(appends, Ordering::Relaxed);
        self.statements.fetch_add(statements, Ordering::Relaxed);
    }

    pub(super) async fn close(&self) {
        for lane in &self.writers {
            lane.writer.close().await;
        }
    }
}

/// A batch of one lane is one transaction; one of several lanes, which the engine does not make, is one on each.
pub(super) async fn commit(lanes: &Arc<Lanes>, batch: Vec<Append>) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::with_capacity(batch.len());
    let mut of_lanes: Vec<(usize, Vec<usize>, Vec<Ready>)> =
        (0..lanes.number()).map(|lane| (lane, Vec::new(), Vec::new())).collect();
    for (place, append) in batch.into_iter().enumerate() {
        match Ready::of(append) {
            Ok(ready) => {
                let (_, places, of_lane) = &mut of_lanes[lane_of(ready.append.saga, lanes.number())];
                places.push(place);
                of_lane.push(ready);
                answers.push(Ok(()));
            }
            Err(broken) => answers.push(Err(broken)),
        }
    }
    of_lanes.retain(|(_, places, _)| !places.is_empty());
    if let [(lane, places, of_lane)] = of_lanes.as_mut_slice() {
        let written = write_all(lanes, *lane, std::mem::take(of_lane).into()).await;
        place_answers(&mut answers, places, written);
        return answers;
    }
    let mut under_way = Vec::new();
    for (lane, places, of_lane) in of_lanes {
        let lanes = Arc::clone(lanes);
        // In tasks, so that the lanes do not wait for each other.
        under_way.push((places, tokio::spawn(async move { write_all(&lanes, lane, of_lane.into()).await })));
    }
    for (places, writing) in under_way {
        let written = match writing.await {
            Ok(written) => written,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => all_away(places.len(), sqlx::Error::WorkerCrashed),
            },
        };
        place_answers(&mut answers, &places, written);
    }
    answers
}

fn place_answers(answers: &mut [Answer], places: &[usize], written: Vec<Answer>) {
    assert_eq!(written.len(), places.len(), "invariant: every append that was tried has an answer");
    for (place, answer) in places.iter().zip(written) {
        answers[*place] = answer;
    }
}

/// One saga's rows may break a rule of the schema. It must not keep the others from going on: the batch is cut in halves until
/// those that do stand alone.
async fn write_all(lanes: &Arc<Lanes>, lane: usize, batch: Arc<[Ready]>) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(batch.len());
    // The next one last: they are written in order.
    let mut left = Vec::from([(0, batch.len())]);
    while let Some((start, end)) = left.pop() {
        let range = start..end;
        match write_some(lanes, lane, Arc::clone(&batch), range.clone()).await {
            Ok(written) => answers.extend(written),
            Err(error) if fault(&error) == Fault::Rule && range.len() > 1 => {
                let middle = start + range.len() / 2;
                left.extend([(middle, end), (start, middle)]);
            }
            Err(error) if range.len() == 1 => answers.push(Err(broken(error, batch[start].append.saga))),
            Err(error) => answers.extend(all_away(range.len(), error)),
        }
    }
    answers
}

fn all_away(number: usize, error: sqlx::Error) -> Vec<Answer> {
    let away = StoreError::of_postgres(error);
    (0..number).map(|_| Err(away.clone().into())).collect()
}

fn broken(error: sqlx::Error, saga: SagaId) -> AppendError {
    match StoreError::of_postgres(error) {
        StoreError::Corrupt { reason } => StoreError::Corrupt { reason: format!("saga {saga}: {reason}") }.into(),
        other => other.into(),
    }
}

/// What a transaction came to.
struct Done {
    answers: Vec<Answer>,
    appends: usize,
    statements: u64,
}

async fn write_some(
    lanes: &Arc<Lanes>,
    lane: usize,
    batch: Arc<[Ready]>,
    range: Range<usize>,
) -> Result<Vec<Answer>, sqlx::Error> {
    let Lane { writer, numbering } = &lanes.writers[lane];
    let numbering = Arc::clone(numbering);
    let work = repeatable(move |connection, _again| {
        let (batch, range, numbering) = (Arc::clone(&batch), range.clone(), Arc::clone(&numbering));
        Box::pin(async move { apply(connection, &batch[range], &numbering).await })
    });
    let done = writer.run(work).await?;
    if done.appends > 0 {
        let appends = u64::try_from(done.appends).expect("invariant: a batch fits into memory");
        lanes.count(appends, done.statements);
    }
    Ok(done.answers)
}

/// Everything of a batch. The same append again finds that it was made, so this may be run twice.
async fn apply(connection: &mut PgConnection, batch: &[Ready], numbering: &Numbering) -> Result<Done, sqlx::Error> {
    let mut rounds = rounds(0..batch.len(), |index| batch[*index].append.saga);
    // Sorted, so that rows are locked in the same order by everybody.
    rounds.iter_mut().for_each(|round| round.sort_unstable_by_key(|index| batch[*index].append.saga));
    let mut applied: HashSet<usize> = HashSet::with_capacity(batch.len());
    let statements = match rounds.as_slice() {
        [] => 0,
        [round] => {
            applied.extend(one_round(connection, batch, round, &HashSet::new(), numbering).await?);
            1
        }
        // A saga has at most one append under way, so no engine makes such a batch; but all sides of the store take it.
        _ => {
            connection.execute("begin").await?;
            let done = all_rounds(connection, batch, &rounds, numbering).await;
            let closed = close_transaction(connection, done).await;
            // Some rounds may have taken a number, and the transaction may be gone or not.
            let (all, statements) = closed.inspect_err(|_| numbering.doubt())?;
            applied.extend(all);
            statements
        }
    };
    let answers = judge(connection, batch, &applied).await?;
    Ok(Done { answers, appends: applied.len(), statements })
}

async fn all_rounds(
    connection: &mut PgConnection,
    batch: &[Ready],
    rounds: &[Vec<usize>],
    numbering: &Numbering,
) -> Result<(Vec<usize>, u64), sqlx::Error> {
    let mut applied = Vec::new();
    let mut made = HashSet::new();
    let mut statements = 0;
    for round in rounds {
        applied.extend(one_round(connection, batch, round, &made, numbering).await?);
        let creates = round.iter().filter(|index| batch[**index].append.create.is_some());
        made.extend(creates.map(|index| batch[*index].append.saga));
        statements += 1;
    }
    Ok((applied, statements))
}

/// Which of this round, in which no saga is twice, were applied. Of those in `made` an earlier round tried a create: there is
/// a row, and another create need not be tried.
async fn one_round(
    connection: &mut PgConnection,
    batch: &[Ready],
    round: &[usize],
    made: &HashSet<SagaId>,
    numbering: &Numbering,
) -> Result<Vec<usize>, sqlx::Error> {
    let tried = round.iter().copied().filter(|index| {
        let append = &batch[*index].append;
        append.create.is_none() || !made.contains(&append.saga)
    });
    let tried: Vec<usize> = tried.collect();
    if tried.is_empty() {
        return Ok(tried);
    }
    let all: Vec<&Ready> = tried.iter().map(|index| &batch[*index]).collect();
    let (sagas, events) = write(connection, &all, numbering).await?;
    let applied: Vec<usize> = tried.into_iter().filter(|index| sagas.contains(&batch[*index].append.saga)).collect();
    assert_eq!(applied.len(), sagas.len(), "invariant: a write touches rows of its own batch only");
    let expected: usize = applied.iter().map(|index| batch[*index].events.len()).sum();
    assert_eq!(events, expected, "invariant: every event of an append is in the journal");
    Ok(applied)
}

/// Why those that were not applied were not; an append whose first answer was lost is found to have been made.
async fn judge(
    connection: &mut PgConnection,
    batch: &[Ready],
    applied: &HashSet<usize>,
) -> Result<Vec<Answer>, sqlx::Error> {
    let left = (0..batch.len()).filter(|index| !applied.contains(index)).map(|index| batch[index].append.saga.0);
    let mut left: Vec<Uuid> = left.collect();
    if left.is_empty() {
        return Ok(vec![Ok(()); batch.len()]);
    }
    left.sort_unstable();
    left.dedup();
    let found = sqlx::query(
        "-- standings
        select id, epoch, owner is not null as owned, next_seq, last_commit
        from sagas
        where id = any ($1)",
    )
    .bind(left)
    .fetch_all(connection)
    .await?;
    let mut standings = HashMap::with_capacity(found.len());
    for row in &found {
        let number = |column| row.try_get::<i64, _>(column).map(|number| u64::try_from(number).unwrap_or(0));
        let standing = Standing {
            epoch: number("epoch")?,
            owned: row.try_get("owned")?,
            next_seq: number("next_seq")?,
            last_commit: row.try_get("last_commit")?,
        };
        standings.insert(touched(row)?, standing);
    }
    let judged = batch.iter().enumerate().map(|(index, ready)| {
        if applied.contains(&index) { Ok(()) } else { ready.append.judge(standings.get(&ready.append.saga)) }
    });
    Ok(judged.collect())
}
