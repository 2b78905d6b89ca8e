//! The check of a whole store: for every saga, fold(journal) = row (invariant 2).
//!
//! Why it exists: the rows beside the journals are what lists, sweeps and owners go by, and nothing else would notice one
//! that is wrong. Who calls it: `amends fsck`, beside a running server or without one. It only reads, and holds a page of
//! sagas at a time, of each journal a page of rows.
//!
//! A row and its journal are read one after the other. What does not fit is looked at again until the row is the same before
//! and after its journal was read: the journal changes in no commit that leaves the row as it is.
//!
//! **What it must never know:** how a store keeps its rows; how anything is mended.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use amends_core::{
    begin_state,
    event::Recorded,
    evolve,
    ids::{Digest, SagaId},
    state::State,
    time::Time,
};

use crate::{Head, Store, StoreError};

/// Sagas looked at together.
const SAGAS: u32 = 64;
/// Rows of one journal read at once.
const EVENTS: u32 = 200;
/// Digests of definitions kept at once; they are read anew beyond it.
const DEFINITIONS: usize = 1_000;
/// Looks at a saga that moves all the time. Between two calls of a saga lie two commits; a look takes less.
const LOOKS: u32 = 8;
const PAUSE_FIRST: Duration = Duration::from_millis(5);

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    RowUnreadable,
    JournalEmpty,
    JournalGap,
    EventUnreadable,
    EventIllegal,
    EventAfterEnd,
    FirstEpoch,
    EpochAboveRow,
    Status,
    Attention,
    WakeAt,
    EndedAt,
    NextSeq,
    StartedAt,
    UpdatedAt,
    Name,
    Version,
    Parent,
    Definition,
    DefinitionMissing,
    DefinitionText,
    Owner,
    StubAlive,
    StubWithoutKey,
    StubWithJournal,
    StubNotAtRest,
    /// Its owner could not read it.
    Poisoned,
    /// It could not be read at rest: nothing is proved of it.
    Moving,
}

impl What {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RowUnreadable => "row_unreadable",
            Self::JournalEmpty => "journal_empty",
            Self::JournalGap => "journal_gap",
            Self::EventUnreadable => "event_unreadable",
            Self::EventIllegal => "event_illegal",
            Self::EventAfterEnd => "event_after_end",
            Self::FirstEpoch => "first_epoch",
            Self::EpochAboveRow => "epoch_above_row",
            Self::Status => "status",
            Self::Attention => "attention",
            Self::WakeAt => "wake_at",
            Self::EndedAt => "ended_at",
            Self::NextSeq => "next_seq",
            Self::StartedAt => "started_at",
            Self::UpdatedAt => "updated_at",
            Self::Name => "name",
            Self::Version => "version",
            Self::Parent => "parent",
            Self::Definition => "definition",
            Self::DefinitionMissing => "definition_missing",
            Self::DefinitionText => "definition_text",
            Self::Owner => "owner",
            Self::StubAlive => "stub_alive",
            Self::StubWithoutKey => "stub_without_key",
            Self::StubWithJournal => "stub_with_journal",
            Self::StubNotAtRest => "stub_not_at_rest",
            Self::Poisoned => "poisoned",
            Self::Moving => "moving",
        }
    }
}

/// Something that a person has to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub saga: SagaId,
    /// Where in the journal, if it is about one place of it.
    pub seq: Option<u64>,
    pub what: What,
    pub detail: String,
}

/// One page of the check.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    pub sagas: u64,
    pub findings: Vec<Finding>,
}

/// A check under way.
pub struct Fsck<'s> {
    store: &'s dyn Store,
    after: Option<SagaId>,
    finished: bool,
    definitions: HashMap<(Arc<str>, u32), Kept>,
}

struct Kept {
    digest: Digest,
    /// What its text says.
    text: Digest,
}

impl<'s> Fsck<'s> {
    pub fn new(store: &'s dyn Store) -> Self {
        Self { store, after: None, finished: false, definitions: HashMap::new() }
    }

    /// Checks the next page of sagas, in order of their ids; `None`: that was all.
    ///
    /// # Errors
    /// The store is away.
    pub async fn next(&mut self) -> Result<Option<Checked>, StoreError> {
        if self.finished {
            return Ok(None);
        }
        let rows = self.store.scan(self.after, SAGAS).await?;
        self.finished = rows.len() < SAGAS as usize;
        self.after = rows.last().map(|(saga, _)| *saga);
        let readable: Vec<SagaId> = rows.iter().filter(|(_, row)| row.is_ok()).map(|(saga, _)| *saga).collect();
        let mut journals = self.store.journals(&readable, EVENTS).await?.into_iter();
        let mut checked = Checked { sagas: rows.len() as u64, findings: Vec::new() };
        for (saga, row) in rows {
            let fits = match row {
                Ok(head) => {
                    let begin = journals.next().expect("invariant: every saga that was asked for has an answer");
                    self.judge(&head, begin).await?.is_empty()
                }
                Err(_) => false,
            };
            if !fits {
                checked.findings.extend(self.look_again(saga).await?);
            }
        }
        Ok(Some(checked))
    }

    /// What is wrong with a saga when it does not move.
    async fn look_again(&mut self, saga: SagaId) -> Result<Vec<Finding>, StoreError> {
        let mut pause = PAUSE_FIRST;
        for _ in 0..LOOKS {
            let before = match self.store.head(saga).await {
                Ok(Some(head)) => head,
                // Retention was here in between.
                Ok(None) => return Ok(Vec::new()),
                Err(StoreError::Corrupt { reason }) => return Ok(vec![row_unreadable(saga, reason)]),
                Err(away) => return Err(away),
            };
            let begin = self.store.journal(saga, 1..u64::MAX, EVENTS).await;
            let findings = self.judge(&before, begin).await?;
            if findings.is_empty() {
                return Ok(findings);
            }
            match self.store.head(saga).await {
                Ok(Some(after)) if after == before => return Ok(findings),
                Ok(_) | Err(StoreError::Corrupt { .. }) => {}
                Err(away) => return Err(away),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        let detail = format!("it moved during each of {LOOKS} looks; look again when it is at rest");
        Ok(vec![Finding { saga, seq: None, what: What::Moving, detail }])
    }

    /// `begin`: the first rows of the journal, up to [`EVENTS`].
    async fn judge(
        &mut self,
        head: &Head,
        begin: Result<Vec<Recorded>, StoreError>,
    ) -> Result<Vec<Finding>, StoreError> {
        let mut found = Found { saga: head.saga, findings: Vec::new() };
        if head.purged_at.is_some() {
            // Its definition may be deleted.
            judge_stub(head, &begin, &mut found);
            return Ok(found.findings);
        }
        self.judge_definition(head, &mut found).await?;
        if let Some(state) = self.fold(head.saga, begin, &mut found).await? {
            compare(head, &state, &mut found);
        }
        if (head.summary.attention || !found.findings.is_empty())
            && let Some(poisoned) = self.store.poisoned(head.saga).await?
        {
            // No event says so: that is how it is meant.
            found.findings.retain(|finding| finding.what != What::Attention);
            let (node, since) = (&poisoned.node, poisoned.since.to_rfc3339());
            found.row(What::Poisoned, format!("{node} cannot read it since {since}: {}", poisoned.reason));
        }
        Ok(found.findings)
    }

    async fn judge_definition(&mut self, head: &Head, found: &mut Found) -> Result<(), StoreError> {
        let key = (head.name.clone(), head.version);
        if !self.definitions.contains_key(&key) {
            let kept = match self.store.definition(&head.name, Some(head.version)).await {
                Ok(kept) => kept,
                Err(StoreError::Corrupt { reason }) => {
                    found.row(What::DefinitionText, reason);
                    return Ok(());
                }
                Err(away) => return Err(away),
            };
            let Some(kept) = kept else {
                found.row(What::DefinitionMissing, format!("there is no {} version {}", head.name, head.version));
                return Ok(());
            };
            if self.definitions.len() >= DEFINITIONS {
                self.definitions.clear();
            }
            let text = Digest::of(&[kept.source.as_bytes()]);
            self.definitions.insert(key.clone(), Kept { digest: kept.digest, text });
        }
        let kept = &self.definitions[&key];
        let which = format_args!("{} version {}", head.name, head.version);
        if kept.digest != head.definition {
            found.row(What::Definition, format!("{which} is {}, the row says {}", kept.digest, head.definition));
        }
        if kept.text != kept.digest {
            found.row(What::DefinitionText, format!("the text of {which} is not the one of its digest"));
        }
        Ok(())
    }

    /// The state after a whole journal, read page by page; `None`: it does not fold, and `found` says where.
    async fn fold(
        &self,
        saga: SagaId,
        begin: Result<Vec<Recorded>, StoreError>,
        found: &mut Found,
    ) -> Result<Option<State>, StoreError> {
        let (mut page, mut next) = (begin, 1);
        let mut state: Option<State> = None;
        loop {
            let rows = match page {
                Ok(rows) => rows,
                Err(StoreError::Corrupt { reason }) => {
                    found.findings.push(self.unreadable(saga, next, reason).await?);
                    return Ok(None);
                }
                Err(away) => return Err(away),
            };
            if rows.is_empty() {
                break;
            }
            for recorded in &rows {
                let ended = state.as_ref().is_some_and(|state| state.status.is_terminal());
                let after = match state.take() {
                    None => begin_state(saga, recorded),
                    Some(before) => evolve(before, recorded),
                };
                match after {
                    Ok(after) => state = Some(after),
                    Err(illegal) => {
                        let what = if ended { What::EventAfterEnd } else { What::EventIllegal };
                        found.event(what, recorded.seq, format!("{} cannot follow: {}", illegal.what, illegal.why));
                        return Ok(None);
                    }
                }
                if recorded.seq == 1 && recorded.epoch != 1 {
                    found.event(What::FirstEpoch, 1, format!("a journal begins in epoch 1, not {}", recorded.epoch));
                }
            }
            next += rows.len() as u64;
            // To the very end: a row behind a gap is one too many.
            page = self.store.journal(saga, next..u64::MAX, EVENTS).await;
        }
        if state.is_none() {
            found.row(What::JournalEmpty, "it has no journal".to_owned());
        }
        Ok(state)
    }

    /// Which row of the page from `from` on is missing or cannot be read.
    async fn unreadable(&self, saga: SagaId, from: u64, reason: String) -> Result<Finding, StoreError> {
        for seq in from..=from + u64::from(EVENTS) {
            let (what, detail) = match self.store.journal(saga, seq..seq + 1, 1).await {
                Ok(rows) if rows.is_empty() => (What::JournalGap, "the row is missing, and others follow".to_owned()),
                Ok(_) => continue,
                Err(StoreError::Corrupt { reason }) => (What::EventUnreadable, reason),
                Err(away) => return Err(away),
            };
            return Ok(Finding { saga, seq: Some(seq), what, detail });
        }
        Ok(Finding { saga, seq: None, what: What::EventUnreadable, detail: reason })
    }
}

fn row_unreadable(saga: SagaId, detail: String) -> Finding {
    Finding { saga, seq: None, what: What::RowUnreadable, detail }
}

/// What retention leaves of a saga with a start key.
fn judge_stub(head: &Head, journal: &Result<Vec<Recorded>, StoreError>, found: &mut Found) {
    if !head.summary.status.is_terminal() {
        found.row(What::StubAlive, format!("it is purged and {}", head.summary.status.as_str()));
    }
    if head.key.is_none() {
        found.row(What::StubWithoutKey, "it is purged and kept for no start key".to_owned());
    }
    if !journal.as_ref().is_ok_and(Vec::is_empty) {
        found.row(What::StubWithJournal, "it is purged and has a journal".to_owned());
    }
    if head.owner.is_some() || head.summary.attention || head.summary.wake_at.is_some() {
        found.row(What::StubNotAtRest, "it is purged and has an owner, attention or a wake-up".to_owned());
    }
}

fn compare(head: &Head, state: &State, found: &mut Found) {
    let (row, fold, started) = (&head.summary, state.summary(), &state.started);
    found.differ(What::Status, row.status.as_str(), fold.status.as_str());
    found.differ(What::Attention, row.attention, fold.attention);
    found.differ(What::WakeAt, At(row.wake_at), At(fold.wake_at));
    found.differ(What::EndedAt, At(row.ended_at), At(fold.ended_at));
    found.differ(What::NextSeq, head.next_seq, state.next_seq);
    found.differ(What::StartedAt, At(Some(head.started_at)), At(Some(state.started_at)));
    found.differ(What::UpdatedAt, At(Some(head.updated_at)), At(Some(state.updated_at)));
    found.differ(What::Name, &head.name, &started.name);
    found.differ(What::Version, head.version, started.version);
    let nobody = || "nobody".to_owned();
    let parent = |parent: Option<SagaId>| parent.map_or_else(nobody, |parent| parent.to_string());
    found.differ(What::Parent, parent(head.parent), parent(started.parent.as_ref().map(|parent| parent.saga)));
    found.differ(What::Definition, &head.definition, &started.definition);
    if head.epoch < state.epoch {
        let detail = format!("the journal was written in epoch {}, the row is at {}", state.epoch, head.epoch);
        found.row(What::EpochAboveRow, detail);
    }
    if !row.status.is_terminal() {
        judge_owner(head, state, found);
    }
}

/// A release takes the owner and writes its event in one commit. A claim gives an owner and the next epoch in a commit of its
/// own, before `adopted` stands in the journal: only then an owned saga may be one that was let go.
fn judge_owner(head: &Head, state: &State, found: &mut Found) {
    let claimed = head.epoch > state.epoch;
    let why = match (head.owner, state.released, claimed) {
        (Some(_), false, _) | (Some(_), true, true) | (None, true, false) => return,
        (Some(_), true, false) => "its owner let go of it, and the row still has one",
        (None, false, _) => "the row has no owner, and none let go of it",
        (None, true, true) => "the row has no owner, and an epoch that somebody claimed",
    };
    found.row(What::Owner, why.to_owned());
}

struct Found {
    saga: SagaId,
    findings: Vec<Finding>,
}

impl Found {
    fn row(&mut self, what: What, detail: String) {
        self.findings.push(Finding { saga: self.saga, seq: None, what, detail });
    }

    fn event(&mut self, what: What, seq: u64, detail: String) {
        self.findings.push(Finding { saga: self.saga, seq: Some(seq), what, detail });
    }

    fn differ<T: PartialEq + fmt::Display>(&mut self, what: What, row: T, fold: T) {
        if row != fold {
            self.row(what, format!("the row says {row}, the journal {fold}"));
        }
    }
}

#[derive(PartialEq)]
struct At(Option<Time>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => f.write_str(&time.to_rfc3339()),
            None => f.write_str("never"),
        }
    }
}
