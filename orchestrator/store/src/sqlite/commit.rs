//! Group commit: appends of many sagas in one transaction, each applied only if its saga is as its writer knows it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock},
};

use amends_core::ids::SagaId;
use sqlx::Row;
use uuid::Uuid;

use super::{
    error::is_constraint,
    inbox::give_verdicts,
    lone,
    multirow::MultiRow,
    rows::{signed, touched},
    writer::{Counted, Work, Writer},
};
use crate::{
    Append, AppendError, Create, StoreError, Verdict,
    append::{Standing, rounds},
};

type Answer = Result<(), AppendError>;

/// An append that was checked, with its events as the journal keeps them.
pub(super) struct Ready {
    pub(super) append: Append,
    pub(super) events: Vec<Arc<str>>,
}

pub(super) async fn commit(writer: &Arc<Writer>, batch: Vec<Append>) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::with_capacity(batch.len());
    let mut ready = Vec::with_capacity(batch.len());
    for append in batch {
        match prepare(append) {
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

fn prepare(append: Append) -> Result<Ready, AppendError> {
    append.check()?;
    let texts: Result<Vec<Arc<str>>, _> =
        append.events.iter().map(|recorded| serde_json::to_string(&recorded.event).map(Arc::from)).collect();
    match texts {
        Ok(events) => Ok(Ready { append, events }),
        Err(error) => {
            Err(StoreError::Corrupt { reason: format!("an event of saga {} has no text: {error}", append.saga) }.into())
        }
    }
}

async fn write_all(writer: &Arc<Writer>, batch: Arc<[Ready]>) -> Vec<Answer> {
    match write(writer, Arc::clone(&batch), 0..batch.len()).await {
        Ok(answers) => answers,
        // One saga's rows break a rule of the schema. It must not keep the others from going on: each for itself.
        Err(error) if is_constraint(&error) && batch.len() > 1 => {
            let mut answers = Vec::with_capacity(batch.len());
            for index in 0..batch.len() {
                match write(writer, Arc::clone(&batch), index..index + 1).await {
                    Ok(answer) => answers.extend(answer),
                    Err(error) => answers.push(Err(broken(error, batch[index].append.saga))),
                }
            }
            answers
        }
        Err(error) if is_constraint(&error) => vec![Err(broken(error, batch[0].append.saga))],
        Err(error) => {
            let away = StoreError::from(error);
            batch.iter().map(|_| Err(away.clone().into())).collect()
        }
    }
}

fn broken(error: sqlx::Error, saga: SagaId) -> AppendError {
    match StoreError::from(error) {
        StoreError::Corrupt { reason } => StoreError::Corrupt { reason: format!("saga {saga}: {reason}") }.into(),
        other => other.into(),
    }
}

async fn write(
    writer: &Arc<Writer>,
    batch: Arc<[Ready]>,
    range: std::ops::Range<usize>,
) -> Result<Vec<Answer>, sqlx::Error> {
    if range.len() == 1 && lone::fits(&batch[range.start]) {
        let (alone, at) = (Arc::clone(&batch), range.start);
        let written =
            writer.in_one_trip(move |connection| Box::pin(async move { lone::write(connection, &alone[at]).await }));
        if written.await? {
            writer.count(1, lone::STATEMENTS);
            return Ok(vec![Ok(())]);
        }
        // It was refused: the common way finds out why.
    }
    let counter = Arc::clone(writer);
    let (answers, applied, statements) = writer
        .transaction(move |connection| {
            Box::pin(async move {
                let mut connection = Counted::new(connection);
                let (answers, applied) = apply(&mut connection, &batch[range]).await?;
                let done = (answers, applied, connection.statements());
                Ok(if applied == 0 { Work::Untouched(done) } else { Work::Wrote(done) })
            })
        })
        .await?;
    if applied > 0 {
        counter.count(applied, statements);
    }
    Ok(answers)
}

/// Everything of a batch within its transaction: the answers, and how many appends wrote something.
async fn apply(connection: &mut Counted<'_>, batch: &[Ready]) -> Result<(Vec<Answer>, u64), sqlx::Error> {
    let mut applied: HashSet<usize> = HashSet::new();
    let mut made: HashSet<SagaId> = HashSet::new();
    for mut round in rounds(0..batch.len(), |index| batch[*index].append.saga) {
        // Sorted, so that rows are touched in the order of their pages.
        round.sort_unstable_by_key(|index| batch[*index].append.saga);
        let mut creates = Vec::new();
        let mut advances = Vec::new();
        for &index in &round {
            match &batch[index].append.create {
                // After an earlier create of the same id in this batch there is a row: nothing to try.
                Some(create) if made.insert(batch[index].append.saga) => creates.push((&batch[index].append, create)),
                Some(_) => {}
                None => advances.push(&batch[index].append),
            }
        }
        let mut touched = create_sagas(connection, &creates).await?;
        touched.extend(advance_sagas(connection, &advances).await?);
        round.retain(|index| touched.contains(&batch[*index].append.saga));
        assert_eq!(round.len(), touched.len(), "invariant: a write touches rows of its own batch only");
        insert_events(connection, round.iter().map(|index| &batch[*index])).await?;
        give_verdicts(connection, round.iter().map(|index| &batch[*index].append).flat_map(answered)).await?;
        applied.extend(round);
    }
    let count = u64::try_from(applied.len()).expect("invariant: a batch fits into memory");
    Ok((judge(connection, batch, &applied).await?, count))
}

/// The notes that an append answers, with the saga that they are to.
fn answered(append: &Append) -> impl Iterator<Item = (SagaId, &Verdict)> {
    append.verdicts.iter().map(|verdict| (append.saga, verdict))
}

static CREATE_SAGAS: LazyLock<MultiRow> = LazyLock::new(|| {
    MultiRow::new(
        "-- create_sagas
        insert into sagas (
            id, name, version, definition, start_key, request, status, attention, started_at, updated_at, ended_at,
            wake_at, owner, epoch, next_seq, last_commit, asleep_until
        )
        values",
        17,
        "-- A start that is repeated meets its first row: the id is derived from its key.
        on conflict (id) do nothing
        returning id",
    )
});

async fn create_sagas(
    connection: &mut Counted<'_>,
    creates: &[(&Append, &Create)],
) -> Result<HashSet<SagaId>, sqlx::Error> {
    let mut created = HashSet::with_capacity(creates.len());
    for (statement, chunk) in CREATE_SAGAS.chunks(creates) {
        let mut query = sqlx::query(statement);
        for (append, create) in chunk {
            let key = create.key.as_ref();
            query = query
                .bind(append.saga.0)
                .bind(Arc::clone(&create.name))
                .bind(i64::from(create.version))
                .bind(Arc::clone(&create.definition.0))
                .bind(key.map(|key| Arc::clone(&key.key)))
                .bind(key.map(|key| Arc::clone(&key.request.0)))
                .bind(append.summary.status.as_str())
                .bind(append.summary.attention)
                .bind(append.first_at().0)
                .bind(append.last_at().0)
                .bind(append.summary.ended_at.map(|time| time.0))
                .bind(append.summary.wake_at.map(|time| time.0))
                .bind((!append.release).then_some(create.owner))
                .bind(signed(append.epoch))
                .bind(signed(append.next_seq()))
                .bind(append.commit)
                .bind(append.asleep_until().map(|time| time.0));
        }
        for row in query.fetch_all(connection.statement()).await? {
            created.insert(touched(&row)?);
        }
    }
    Ok(created)
}

/// For appends after which the saga lives on in its owner's hands, which are nearly all. They name no column of the index of
/// live sagas: SQLite would write its entry anew, though it stays the same. Measured: a third fewer pages in the WAL.
pub(super) static ADVANCE_SAGAS: LazyLock<MultiRow> = LazyLock::new(|| {
    MultiRow::new(
        "-- advance_sagas
        with advance (
            id, epoch, expected_seq, status, attention, updated_at, wake_at, next_seq, last_commit
        ) as (
            values",
        9,
        ")
        update sagas
        set status = advance.status,
            attention = advance.attention,
            updated_at = advance.updated_at,
            wake_at = advance.wake_at,
            next_seq = advance.next_seq,
            last_commit = advance.last_commit
        from advance
        where sagas.id = advance.id
            -- The fence: an owner whose saga was adopted has an older epoch.
            and sagas.epoch = advance.epoch
            -- And one that let go has none.
            and sagas.owner is not null
            -- The journal goes on where this writer thinks it does.
            and sagas.next_seq = advance.expected_seq
            -- What has ended stays so.
            and sagas.ended_at is null
        returning sagas.id",
    )
});

/// For appends after which it does not: it has ended, or it is nobody's.
pub(super) static LEAVE_SAGAS: LazyLock<MultiRow> = LazyLock::new(|| {
    MultiRow::new(
        "-- leave_sagas
        with advance (
            id, epoch, expected_seq, status, attention, updated_at, wake_at, next_seq, last_commit, ended_at, released
        ) as (
            values",
        11,
        ")
        update sagas
        set status = advance.status,
            attention = advance.attention,
            updated_at = advance.updated_at,
            wake_at = advance.wake_at,
            next_seq = advance.next_seq,
            last_commit = advance.last_commit,
            ended_at = advance.ended_at,
            owner = iif(advance.released, null, sagas.owner),
            asleep_until = iif(advance.released, advance.wake_at, null)
        from advance
        where sagas.id = advance.id
            -- The fence: an owner whose saga was adopted has an older epoch.
            and sagas.epoch = advance.epoch
            -- And one that let go has none.
            and sagas.owner is not null
            -- The journal goes on where this writer thinks it does.
            and sagas.next_seq = advance.expected_seq
            -- What has ended stays so.
            and (sagas.ended_at is null or advance.ended_at is not null)
        returning sagas.id",
    )
});

async fn advance_sagas(connection: &mut Counted<'_>, advances: &[&Append]) -> Result<HashSet<SagaId>, sqlx::Error> {
    let (leaving, staying): (Vec<&Append>, Vec<&Append>) = advances.iter().partition(|append| append.leaves());
    let mut advanced = HashSet::with_capacity(advances.len());
    for (statement, chunk) in ADVANCE_SAGAS.chunks(&staying).into_iter().chain(LEAVE_SAGAS.chunks(&leaving)) {
        let mut query = sqlx::query(statement);
        for append in chunk {
            query = query
                .bind(append.saga.0)
                .bind(signed(append.epoch))
                .bind(signed(append.expected_seq()))
                .bind(append.summary.status.as_str())
                .bind(append.summary.attention)
                .bind(append.last_at().0)
                .bind(append.summary.wake_at.map(|time| time.0))
                .bind(signed(append.next_seq()))
                .bind(append.commit);
            if append.leaves() {
                query = query.bind(append.summary.ended_at.map(|time| time.0)).bind(append.release);
            }
        }
        for row in query.fetch_all(connection.statement()).await? {
            advanced.insert(touched(&row)?);
        }
    }
    Ok(advanced)
}

static INSERT_EVENTS: LazyLock<MultiRow> = LazyLock::new(|| {
    MultiRow::new(
        "-- insert_events
        insert into journal (saga, seq, epoch, at, event)
        values",
        5,
        "",
    )
});

async fn insert_events(connection: &mut Counted<'_>, appends: impl Iterator<Item = &Ready>) -> Result<(), sqlx::Error> {
    let rows: Vec<_> = appends
        .flat_map(|ready| {
            ready.append.events.iter().zip(&ready.events).map(|(event, text)| (&ready.append, event, text))
        })
        .collect();
    for (statement, chunk) in INSERT_EVENTS.chunks(&rows) {
        let mut query = sqlx::query(statement);
        for (append, recorded, text) in chunk {
            query = query
                .bind(append.saga.0)
                .bind(signed(recorded.seq))
                .bind(signed(recorded.epoch))
                .bind(recorded.at.0)
                .bind(Arc::clone(text));
        }
        let inserted = query.execute(connection.statement()).await?.rows_affected();
        assert_eq!(usize::try_from(inserted), Ok(chunk.len()), "invariant: every event of an append is in the journal");
    }
    Ok(())
}

static STANDINGS: LazyLock<MultiRow> = LazyLock::new(|| {
    MultiRow::new(
        "-- standings
        select id, epoch, owner is not null as owned, next_seq, last_commit
        from sagas
        where id in (
            values",
        1,
        ")",
    )
});

/// Why those that were not applied were not; an append whose first answer was lost is found to have been made.
async fn judge(
    connection: &mut Counted<'_>,
    batch: &[Ready],
    applied: &HashSet<usize>,
) -> Result<Vec<Answer>, sqlx::Error> {
    let left: HashSet<SagaId> =
        (0..batch.len()).filter(|index| !applied.contains(index)).map(|index| batch[index].append.saga).collect();
    let mut left: Vec<SagaId> = left.into_iter().collect();
    left.sort_unstable();
    let mut standings = HashMap::with_capacity(left.len());
    for (statement, chunk) in STANDINGS.chunks(&left) {
        let mut query = sqlx::query(statement);
        for saga in chunk {
            query = query.bind(saga.0);
        }
        for row in query.fetch_all(connection.statement()).await? {
            let standing = Standing {
                epoch: row.try_get("epoch")?,
                owned: row.try_get("owned")?,
                next_seq: row.try_get("next_seq")?,
                last_commit: row.try_get::<Uuid, _>("last_commit")?,
            };
            standings.insert(touched(&row)?, standing);
        }
    }
    let judged = batch.iter().enumerate().map(|(index, ready)| {
        if applied.contains(&index) { Ok(()) } else { ready.append.judge(standings.get(&ready.append.saga)) }
    });
    Ok(judged.collect())
}
