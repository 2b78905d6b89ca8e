//! A batch as the parameters of its one statement.
//!
//! Who calls it: `commit`, with appends of which no two are of one saga.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use amends_core::{ids::SagaId, time::Time};
use sqlx::{PgConnection, Postgres, Row, postgres::PgArguments, query::Query};
use uuid::Uuid;

use super::{
    rows::{signed, touched},
    statements::{self, Parts},
};
use crate::{
    Append, AppendError, Create, StoreError,
    batch::{Numbered, Numbering, push_turns},
};

/// An append that was checked, with its events as the journal keeps them.
pub(super) struct Ready {
    pub(super) append: Append,
    pub(super) events: Vec<String>,
    /// Which of them are turns in the life of the saga.
    pub(super) turns: Vec<u8>,
}

type Asked<'q> = Query<'q, Postgres, PgArguments>;

impl Ready {
    pub(super) fn of(append: Append) -> Result<Self, AppendError> {
        append.check()?;
        let texts: Result<Vec<String>, _> =
            append.events.iter().map(|recorded| serde_json::to_string(&recorded.event)).collect();
        match texts {
            Ok(events) => {
                let mut turns = Vec::new();
                push_turns(&append, &mut turns);
                Ok(Self { append, events, turns })
            }
            Err(error) => {
                let reason = format!("an event of saga {} has no text: {error}", append.saga);
                Err(StoreError::Corrupt { reason }.into())
            }
        }
    }
}

/// Writes those whose saga is as their writer knows it: which sagas, and how many events.
pub(super) async fn write(
    connection: &mut PgConnection,
    batch: &[&Ready],
    numbering: &Numbering,
) -> Result<(HashSet<SagaId>, usize), sqlx::Error> {
    let creates: Vec<(&Append, &Create)> =
        batch.iter().filter_map(|ready| Some((&ready.append, ready.append.create.as_ref()?))).collect();
    let advances: Vec<&Append> =
        batch.iter().map(|ready| &ready.append).filter(|append| append.create.is_none()).collect();
    let parts = Parts {
        creates: !creates.is_empty(),
        advances: !advances.is_empty(),
        verdicts: batch.iter().any(|ready| !ready.append.verdicts.is_empty()),
        turns: batch.iter().any(|ready| !ready.turns.is_empty()),
    };
    let mut asked = events(sqlx::query(statements::write(parts)), batch);
    if parts.creates {
        asked = bind_creates(asked, &creates);
    }
    if parts.advances {
        asked = bind_advances(asked, &advances);
    }
    if parts.verdicts {
        asked = bind_verdicts(asked, batch);
    }
    if parts.turns {
        let latest = batch.iter().map(|ready| ready.append.last_at()).max().unwrap_or(Time(i64::MIN));
        asked = bind_turns(asked, batch, numbering.next(latest));
    }
    let rows = asked.fetch_all(connection).await?;
    let sagas = rows.iter().map(touched).collect::<Result<HashSet<SagaId>, _>>()?;
    assert_eq!(sagas.len(), rows.len(), "invariant: a write touches each row once");
    if parts.turns {
        let numbered: i64 = rows.first().map_or(Ok(0), |row| row.try_get("numbered"))?;
        if numbered > 0 { numbering.written() } else { numbering.unwritten() }
    }
    let events: i64 = rows.first().map_or(Ok(0), |row| row.try_get("events"))?;
    Ok((sagas, usize::try_from(events).unwrap_or(usize::MAX)))
}

/// One column of the batch.
fn column<'a, S, T>(of: &'a [S], value: impl Fn(&'a S) -> T) -> Vec<T> {
    of.iter().map(value).collect()
}

fn events<'q>(asked: Asked<'q>, batch: &[&Ready]) -> Asked<'q> {
    let rows: Vec<_> = batch
        .iter()
        .flat_map(|ready| {
            ready
                .append
                .events
                .iter()
                .zip(&ready.events)
                .map(|(event, text)| (ready.append.saga.0, event, text.as_str()))
        })
        .collect();
    asked
        .bind(column(&rows, |(saga, ..)| *saga))
        .bind(column(&rows, |(_, event, _)| signed(event.seq)))
        .bind(column(&rows, |(_, event, _)| signed(event.epoch)))
        .bind(column(&rows, |(_, event, _)| event.at.0))
        .bind(column(&rows, |(.., text)| *text))
}

fn bind_creates<'q>(asked: Asked<'q>, creates: &[(&Append, &Create)]) -> Asked<'q> {
    asked
        .bind(column(creates, |(append, _)| append.saga.0))
        .bind(column(creates, |(_, create)| &*create.name))
        .bind(column(creates, |(_, create)| i64::from(create.version)))
        .bind(column(creates, |(_, create)| &*create.definition.0))
        .bind(column(creates, |(_, create)| create.key.as_ref().map(|key| &*key.key)))
        .bind(column(creates, |(_, create)| create.key.as_ref().map(|key| &*key.request.0)))
        .bind(column(creates, |(append, _)| append.summary.status.as_str()))
        .bind(column(creates, |(append, _)| append.summary.attention))
        .bind(column(creates, |(append, _)| append.first_at().0))
        .bind(column(creates, |(append, _)| append.last_at().0))
        .bind(column(creates, |(append, _)| append.summary.ended_at.map(|time| time.0)))
        .bind(column(creates, |(append, _)| append.summary.wake_at.map(|time| time.0)))
        .bind(column(creates, |(append, _)| append.asleep_until().map(|time| time.0)))
        .bind(column(creates, |(append, create)| (!append.release).then_some(create.owner)))
        .bind(column(creates, |(append, _)| signed(append.epoch)))
        .bind(column(creates, |(append, _)| signed(append.next_seq())))
        .bind(column(creates, |(append, _)| append.commit))
        .bind(column(creates, |(_, create)| create.parent.map(|parent| parent.0)))
}

fn bind_advances<'q>(asked: Asked<'q>, advances: &[&Append]) -> Asked<'q> {
    asked
        .bind(column(advances, |append| append.saga.0))
        .bind(column(advances, |append| signed(append.epoch)))
        .bind(column(advances, |append| signed(append.expected_seq())))
        .bind(column(advances, |append| append.summary.status.as_str()))
        .bind(column(advances, |append| append.summary.attention))
        .bind(column(advances, |append| append.last_at().0))
        .bind(column(advances, |append| append.summary.ended_at.map(|time| time.0)))
        .bind(column(advances, |append| append.summary.wake_at.map(|time| time.0)))
        .bind(column(advances, |append| signed(append.next_seq())))
        .bind(column(advances, |append| append.commit))
        .bind(column(advances, |append| append.release))
}

fn bind_verdicts<'q>(asked: Asked<'q>, batch: &[&Ready]) -> Asked<'q> {
    // Of two for one note the first counts; an update takes each row once, but not necessarily with that one.
    let mut first: HashMap<(Uuid, Uuid), &Arc<str>> = HashMap::new();
    for append in batch.iter().map(|ready| &ready.append) {
        for verdict in &append.verdicts {
            first.entry((append.saga.0, verdict.note)).or_insert(&verdict.body);
        }
    }
    let mut rows: Vec<_> = first.into_iter().collect();
    rows.sort_unstable_by_key(|(key, _)| *key);
    asked
        .bind(column(&rows, |((saga, _), _)| *saga))
        .bind(column(&rows, |((_, note), _)| *note))
        .bind(column(&rows, |(_, body)| &***body))
}

fn bind_turns<'q>(asked: Asked<'q>, batch: &[&'q Ready], next: Numbered) -> Asked<'q> {
    let turns: Vec<&Ready> = batch.iter().copied().filter(|ready| !ready.turns.is_empty()).collect();
    asked
        .bind(column(&turns, |ready| ready.append.saga.0))
        .bind(turns.iter().map(|ready| ready.turns.as_slice()).collect::<Vec<&'q [u8]>>())
        .bind(next.writer)
        .bind(signed(next.number))
        .bind(next.at.0)
}
