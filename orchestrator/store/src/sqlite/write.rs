//! The rows of a batch, one append after the other, each only if its saga is as its writer knows it.
//!
//! Who calls it: `commit`, within its transaction. One row per statement: SQLite runs in this very thread, so there is no trip
//! to be shared, and an append knows at once whether it applied. Many rows in one statement have not been measured here.

use amends_core::{ids::SagaId, time::Time};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Statement, params};

use super::{batches, inbox, rows::signed};
use crate::{
    Append, AppendError, Create, StoreError,
    append::Standing,
    batch::{Numbered, Numbering, push_turns},
};

/// An append that was checked, with its events as the journal keeps them.
pub(super) struct Ready {
    pub(super) append: Append,
    pub(super) events: Vec<String>,
}

impl Ready {
    pub(super) fn of(append: Append) -> Result<Self, AppendError> {
        append.check()?;
        let texts: Result<Vec<String>, _> =
            append.events.iter().map(|recorded| serde_json::to_string(&recorded.event)).collect();
        match texts {
            Ok(events) => Ok(Self { append, events }),
            Err(error) => {
                let reason = format!("an event of saga {} has no text: {error}", append.saga);
                Err(StoreError::Corrupt { reason }.into())
            }
        }
    }
}

/// What became of a batch.
pub(super) struct Done {
    pub(super) answers: Vec<Result<(), AppendError>>,
    /// Appends that wrote something.
    pub(super) applied: u64,
    pub(super) statements: u64,
    /// Among them are turns of sagas: the batch has a number.
    pub(super) numbered: bool,
}

/// Writes a batch. The caller commits, and then says to `numbering` what came of it.
pub(super) fn write(connection: &Connection, batch: &[Ready], numbering: &Numbering) -> rusqlite::Result<Done> {
    let mut statements = Statements::of(connection);
    let mut done = Done { answers: vec![Ok(()); batch.len()], applied: 0, statements: 0, numbered: false };
    // Sorted, so that rows are touched in the order of their pages; those of one saga stay in theirs.
    let mut order: Vec<usize> = (0..batch.len()).collect();
    order.sort_by_key(|index| batch[*index].append.saga);
    let mut turns = Vec::new();
    let mut last_at = Time(i64::MIN);
    for index in order {
        let ready = &batch[index];
        if apply(&mut statements, ready)? {
            done.applied += 1;
            push_turns(&ready.append, &mut turns);
            last_at = last_at.max(ready.append.last_at());
        } else {
            let standing = standing(&mut statements, ready.append.saga)?;
            // One that was made before, and whose answer was lost, is found to be there.
            done.answers[index] = ready.append.judge(standing.as_ref());
        }
    }
    done.statements = statements.used();
    if !turns.is_empty() {
        done.numbered = true;
        done.statements += 1;
        insert_batch(connection, numbering.next(last_at), &turns)?;
    }
    Ok(done)
}

fn insert_batch(connection: &Connection, next: Numbered, turns: &[u8]) -> rusqlite::Result<()> {
    let row = params![next.writer.as_bytes(), signed(next.number), next.at.0, turns];
    let inserted = connection.prepare_cached(batches::INSERT_BATCH)?.execute(row)?;
    assert_eq!(inserted, 1, "invariant: an insert is a row");
    Ok(())
}

/// The statements of a batch: each is fetched from the cache when it is first needed, and then used for every row.
struct Statements<'c> {
    connection: &'c Connection,
    create: Option<CachedStatement<'c>>,
    advance: Option<CachedStatement<'c>>,
    leave: Option<CachedStatement<'c>>,
    insert_event: Option<CachedStatement<'c>>,
    give_verdict: Option<CachedStatement<'c>>,
    standing: Option<CachedStatement<'c>>,
}

impl<'c> Statements<'c> {
    fn of(connection: &'c Connection) -> Self {
        let [create, advance, leave, insert_event, give_verdict, standing] = [const { None }; 6];
        Self { connection, create, advance, leave, insert_event, give_verdict, standing }
    }

    fn used(&self) -> u64 {
        let all = [&self.create, &self.advance, &self.leave, &self.insert_event, &self.give_verdict, &self.standing];
        all.into_iter().flatten().map(|_| 1).sum()
    }
}

fn fetched<'s, 'c>(
    place: &'s mut Option<CachedStatement<'c>>,
    connection: &'c Connection,
    sql: &str,
) -> rusqlite::Result<&'s mut Statement<'c>> {
    Ok(match place {
        Some(statement) => statement,
        none => none.insert(connection.prepare_cached(sql)?),
    })
}

/// The row of the saga and, only if it was as expected, the events and the verdicts. `false`: nothing was written.
fn apply(statements: &mut Statements<'_>, ready: &Ready) -> rusqlite::Result<bool> {
    let append = &ready.append;
    let touched = match &append.create {
        Some(create) => create_saga(statements, append, create)?,
        None if append.leaves() => leave_saga(statements, append)?,
        None => advance_saga(statements, append)?,
    };
    assert!(touched <= 1, "invariant: a saga is one row");
    if touched == 0 {
        return Ok(false);
    }
    insert_events(statements, ready)?;
    if !append.verdicts.is_empty() {
        let give = fetched(&mut statements.give_verdict, statements.connection, inbox::GIVE_VERDICT)?;
        inbox::give_verdicts(give, append.saga, &append.verdicts)?;
    }
    Ok(true)
}

pub(super) const CREATE_SAGA: &str = "-- create_saga
    insert into sagas (
        id, name, version, definition, start_key, request, status, attention, started_at, updated_at, ended_at, wake_at,
        owner, epoch, next_seq, last_commit, asleep_until, parent
    )
    select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18
    -- Of what is deleted nothing is made: whoever deletes looks afterwards for what was made before.
    where not exists (
        select 1
        from definitions
        where name = ?2
            and version = ?3
            and deleted_at is not null
    )
    -- A start that is repeated meets its first row: the id is derived from its key.
    on conflict (id) do nothing";

fn create_saga(statements: &mut Statements<'_>, append: &Append, create: &Create) -> rusqlite::Result<usize> {
    fetched(&mut statements.create, statements.connection, CREATE_SAGA)?.execute(params![
        append.saga.0.as_bytes(),
        &*create.name,
        create.version,
        &*create.definition.0,
        create.key.as_ref().map(|key| &*key.key),
        create.key.as_ref().map(|key| &*key.request.0),
        append.summary.status.as_str(),
        append.summary.attention,
        append.first_at().0,
        append.last_at().0,
        append.summary.ended_at.map(|time| time.0),
        append.summary.wake_at.map(|time| time.0),
        (!append.release).then_some(create.owner.as_bytes()),
        signed(append.epoch),
        signed(append.next_seq()),
        append.commit.as_bytes(),
        append.asleep_until().map(|time| time.0),
        create.parent.as_ref().map(|parent| parent.0.as_bytes()),
    ])
}

/// For appends after which the saga lives on in its owner's hands, which are nearly all. They name no column of the index of
/// live sagas: SQLite would write its entry anew, though it stays the same. Measured: a third fewer pages in the WAL.
pub(super) const ADVANCE_SAGA: &str = "-- advance_saga
    update sagas
    set status = ?, attention = ?, updated_at = ?, wake_at = ?, next_seq = ?, last_commit = ?
    where id = ?
        -- The fence: an owner whose saga was adopted has an older epoch.
        and epoch = ?
        -- And one that let go has none.
        and owner is not null
        -- The journal goes on where this writer thinks it does.
        and next_seq = ?
        -- What has ended stays so.
        and ended_at is null";

fn advance_saga(statements: &mut Statements<'_>, append: &Append) -> rusqlite::Result<usize> {
    fetched(&mut statements.advance, statements.connection, ADVANCE_SAGA)?.execute(params![
        append.summary.status.as_str(),
        append.summary.attention,
        append.last_at().0,
        append.summary.wake_at.map(|time| time.0),
        signed(append.next_seq()),
        append.commit.as_bytes(),
        append.saga.0.as_bytes(),
        signed(append.epoch),
        signed(append.expected_seq()),
    ])
}

/// For appends after which it does not: it has ended, or it is nobody's.
pub(super) const LEAVE_SAGA: &str = "-- leave_saga
    update sagas
    set status = ?1, attention = ?2, updated_at = ?3, wake_at = ?4, next_seq = ?5, last_commit = ?6,
        ended_at = ?7, owner = iif(?8, null, owner), asleep_until = ?9
    where id = ?10
        -- The fence: an owner whose saga was adopted has an older epoch.
        and epoch = ?11
        -- And one that let go has none.
        and owner is not null
        -- The journal goes on where this writer thinks it does.
        and next_seq = ?12
        -- What has ended stays so.
        and (ended_at is null or ?7 is not null)";

fn leave_saga(statements: &mut Statements<'_>, append: &Append) -> rusqlite::Result<usize> {
    fetched(&mut statements.leave, statements.connection, LEAVE_SAGA)?.execute(params![
        append.summary.status.as_str(),
        append.summary.attention,
        append.last_at().0,
        append.summary.wake_at.map(|time| time.0),
        signed(append.next_seq()),
        append.commit.as_bytes(),
        append.summary.ended_at.map(|time| time.0),
        append.release,
        append.asleep_until().map(|time| time.0),
        append.saga.0.as_bytes(),
        signed(append.epoch),
        signed(append.expected_seq()),
    ])
}

pub(super) const INSERT_EVENT: &str = "-- insert_event
    insert into journal (saga, seq, epoch, at, event)
    values (?, ?, ?, ?, ?)";

fn insert_events(statements: &mut Statements<'_>, ready: &Ready) -> rusqlite::Result<()> {
    let insert = fetched(&mut statements.insert_event, statements.connection, INSERT_EVENT)?;
    let saga = ready.append.saga.0.as_bytes();
    for (recorded, text) in ready.append.events.iter().zip(&ready.events) {
        let row = params![saga, signed(recorded.seq), signed(recorded.epoch), recorded.at.0, text];
        assert_eq!(insert.execute(row)?, 1, "invariant: every event of an append is in the journal");
    }
    Ok(())
}

pub(super) const STANDING: &str = "-- standing
    select epoch, owner is not null, next_seq, last_commit
    from sagas
    where id = ?";

fn standing(statements: &mut Statements<'_>, saga: SagaId) -> rusqlite::Result<Option<Standing>> {
    fetched(&mut statements.standing, statements.connection, STANDING)?
        .query_row([saga.0.as_bytes()], |row| {
            Ok(Standing {
                epoch: unsigned(row, 0)?,
                owned: row.get(1)?,
                next_seq: unsigned(row, 2)?,
                last_commit: uuid::Uuid::from_bytes(row.get(3)?),
            })
        })
        .optional()
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}
