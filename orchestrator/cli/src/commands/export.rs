//! `amends export`: sagas with their journals, as JSON lines on stdout. The format is in `docs/operations.md`.
//!
//! Why it exists: a journal outlives retention only where somebody carries it. It reads the store itself and asks no server.
//! It holds a page of rows and the journals that belong to them.
//!
//! A row is read before its journal, and the journal is cut where the row was: what is written is how the saga stood then.
//!
//! **What it must never know:** what an event means.

use std::{
    collections::BTreeSet,
    io::{self, BufWriter, Write},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use amends_core::{
    event::{Event, Recorded},
    ids::SagaId,
    summary::Status,
    time::Time,
};
use amends_store::{Head, Store, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    commands::fsck::Progress,
    exit::{Exit, Usage},
    output,
    store::ToRead,
};

/// Of the format, in its first line.
const FORMAT: u32 = 1;
/// Rows looked at together where no journals are read.
const ROWS: u32 = 1_000;
/// Sagas whose journals are read together.
const SAGAS: u32 = 32;
/// Rows of one journal read at once.
const EVENTS: u32 = 200;

/// Write sagas with their journals to stdout, as JSON lines
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all is written · 1 something cannot be read, and stands in it as such · 2 wrong usage"
)]
pub(crate) struct Args {
    #[command(flatten)]
    store: ToRead,
    /// Only with this status; may be given again
    #[arg(long = "status", value_parser = status, value_name = "STATUS")]
    statuses: Vec<Status>,
    /// Only of this definition
    #[arg(long)]
    name: Option<String>,
    /// Only those started at this time or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// Only those started before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
}

/// # Errors
/// The store cannot be opened or read; stdout cannot be written to.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    if args.since.zip(args.until).is_some_and(|(since, until)| since >= until) {
        return Err(Usage("--since is not before --until: no saga started in between".to_owned()).into());
    }
    let wanted = Wanted {
        statuses: args.statuses,
        name: args.name,
        since: args.since.map(|time| Time(time.timestamp_micros())),
        until: args.until.map(|time| Time(time.timestamp_micros())),
    };
    let opened = args.store.open().await?;
    let store = opened.store();
    let mut export = Export {
        store: &*store,
        wanted,
        out: BufWriter::new(io::stdout()),
        known: BTreeSet::new(),
        sagas: 0,
        unreadable: 0,
    };
    let exported = export.write_all().await;
    let (sagas, unreadable) = (export.sagas, export.unreadable);
    drop(export);
    drop(store);
    opened.close().await;
    match exported {
        Err(error) if is_broken_pipe(&error) => return Ok(Exit::Success),
        other => other?,
    }
    output::say(&format!("{sagas} sagas written, {unreadable} not readable"));
    Ok(if unreadable == 0 { Exit::Success } else { Exit::Failure })
}

fn status(word: &str) -> Result<Status, String> {
    Status::parse(word)
        .ok_or_else(|| "one of running, compensating, completed, compensated, abandoned, succeeded".to_owned())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    let json = |error: &serde_json::Error| error.io_error_kind() == Some(io::ErrorKind::BrokenPipe);
    error.downcast_ref::<io::Error>().is_some_and(kind) || error.downcast_ref::<serde_json::Error>().is_some_and(json)
}

struct Wanted {
    statuses: Vec<Status>,
    name: Option<String>,
    /// Inclusive.
    since: Option<Time>,
    /// Exclusive.
    until: Option<Time>,
}

impl Wanted {
    fn has(&self, head: &Head) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&head.summary.status))
            && self.name.as_deref().is_none_or(|name| name == &*head.name)
            && self.since.is_none_or(|since| head.started_at >= since)
            && self.until.is_none_or(|until| head.started_at < until)
    }
}

struct Export<'s, W: Write> {
    store: &'s dyn Store,
    wanted: Wanted,
    out: W,
    /// Definitions that stand in it already.
    known: BTreeSet<(Arc<str>, u32)>,
    sagas: u64,
    unreadable: u64,
}

impl<W: Write> Export<'_, W> {
    async fn write_all(&mut self) -> anyhow::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let filter = &self.wanted;
        let header = json!({
            "amends_export": FORMAT,
            "program": env!("CARGO_PKG_VERSION"),
            "exported_at": (Time(0) + now).to_rfc3339(),
            "filter": {
                "status": filter.statuses,
                "name": filter.name,
                "since": filter.since.map(Time::to_rfc3339),
                "until": filter.until.map(Time::to_rfc3339),
            },
        });
        self.line(&header)?;
        self.definitions_used().await?;
        self.sagas().await?;
        Ok(self.out.flush()?)
    }

    async fn definitions_used(&mut self) -> anyhow::Result<()> {
        let mut after = None;
        loop {
            let page = self.store.scan(after, ROWS).await?;
            for head in page.iter().filter_map(|(_, row)| row.as_ref().ok()) {
                if self.wanted.has(head) {
                    self.definition(head).await?;
                }
            }
            match page.last() {
                Some((saga, _)) if page.len() == ROWS as usize => after = Some(*saga),
                _ => return Ok(()),
            }
        }
    }

    async fn definition(&mut self, head: &Head) -> anyhow::Result<()> {
        let key = (head.name.clone(), head.version);
        if self.known.contains(&key) {
            return Ok(());
        }
        let which = json!({ "name": head.name, "version": head.version });
        match self.store.definition(&head.name, Some(head.version)).await {
            Ok(Some(kept)) => self.line(&json!({ "definition": {
                "name": kept.name,
                "version": kept.version,
                "digest": kept.digest,
                "created_at": kept.created_at.to_rfc3339(),
                "source": kept.source,
            } }))?,
            // What only stubs refer to may have been deleted.
            Ok(None) if head.purged_at.is_some() => {}
            Ok(None) => self.unreadable("definition", &which, "it is not there")?,
            Err(StoreError::Corrupt { reason }) => self.unreadable("definition", &which, &reason)?,
            Err(away) => return Err(away.into()),
        }
        self.known.insert(key);
        Ok(())
    }

    async fn sagas(&mut self) -> anyhow::Result<()> {
        let mut progress = Progress::new("sagas written");
        let mut after = None;
        loop {
            let page = self.store.scan(after, SAGAS).await?;
            let wanted = |row: &Result<Head, StoreError>| row.as_ref().is_ok_and(|head| self.wanted.has(head));
            let ids: Vec<SagaId> = page.iter().filter(|(_, row)| wanted(row)).map(|(saga, _)| *saga).collect();
            let mut journals = self.store.journals(&ids, EVENTS).await?.into_iter();
            let last = page.last().map(|(saga, _)| *saga).filter(|_| page.len() == SAGAS as usize);
            for (saga, row) in page {
                match row {
                    Ok(head) if self.wanted.has(&head) => {
                        let begin = journals.next().expect("invariant: every saga that was asked for has an answer");
                        self.saga(head, begin).await?;
                    }
                    Ok(_) => {}
                    // Whether it is wanted cannot be known.
                    Err(error) => self.unreadable("saga", &json!(saga), &error.to_string())?,
                }
            }
            progress.show(self.sagas);
            let Some(last) = last else { break };
            after = Some(last);
        }
        progress.clear();
        Ok(())
    }

    async fn saga(&mut self, head: Head, begin: Result<Vec<Recorded>, StoreError>) -> anyhow::Result<()> {
        // One that started since the definitions were written.
        self.definition(&head).await?;
        match self.whole(&head, begin).await {
            Ok(journal) if head.purged_at.is_some() || journal.len() as u64 + 1 == head.next_seq => {
                self.sagas += 1;
                self.line(&Line { saga: Row::of(&head), journal: journal.iter().map(Entry::of).collect() })
            }
            Ok(journal) => match self.store.head(head.saga).await? {
                // Retention was here in between.
                None => Ok(()),
                Some(stub) if stub.purged_at.is_some() => {
                    self.sagas += 1;
                    self.line(&Line { saga: Row::of(&stub), journal: vec![] })
                }
                Some(_) => {
                    let reason = format!(
                        "its journal has {} rows, its row says {}",
                        journal.len(),
                        head.next_seq.saturating_sub(1)
                    );
                    self.unreadable("saga", &json!(head.saga), &reason)
                }
            },
            Err(StoreError::Corrupt { reason }) => self.unreadable("saga", &json!(head.saga), &reason),
            Err(away) => Err(away.into()),
        }
    }

    /// The journal as far as the row knew it.
    async fn whole(&self, head: &Head, begin: Result<Vec<Recorded>, StoreError>) -> Result<Vec<Recorded>, StoreError> {
        let mut journal = begin?;
        while journal.len() as u64 + 1 < head.next_seq {
            let next = journal.len() as u64 + 1;
            let rows = self.store.journal(head.saga, next..head.next_seq, EVENTS).await?;
            if rows.is_empty() {
                break;
            }
            journal.extend(rows);
        }
        journal.retain(|recorded| recorded.seq < head.next_seq);
        Ok(journal)
    }

    fn unreadable(&mut self, what: &str, which: &Value, reason: &str) -> anyhow::Result<()> {
        self.unreadable += 1;
        self.line(&json!({ "unreadable": { what: which, "reason": reason } }))
    }

    fn line(&mut self, line: &impl Serialize) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        Ok(self.out.write_all(b"\n")?)
    }
}

#[derive(Serialize)]
struct Line<'a> {
    saga: Row<'a>,
    journal: Vec<Entry<'a>>,
}

/// Everything that the row says.
#[derive(Serialize)]
struct Row<'a> {
    id: String,
    name: &'a str,
    version: u32,
    definition: &'a str,
    key: Option<&'a str>,
    request: Option<&'a str>,
    parent: Option<String>,
    status: &'static str,
    attention: bool,
    started_at: String,
    updated_at: String,
    ended_at: Option<String>,
    wake_at: Option<String>,
    purged_at: Option<String>,
    owner: Option<String>,
    epoch: u64,
    next_seq: u64,
}

impl<'a> Row<'a> {
    fn of(head: &'a Head) -> Self {
        let text = |time: Option<Time>| time.map(Time::to_rfc3339);
        Self {
            id: head.saga.to_string(),
            name: &head.name,
            version: head.version,
            definition: &head.definition.0,
            key: head.key.as_ref().map(|key| &*key.key),
            request: head.key.as_ref().map(|key| &*key.request.0),
            parent: head.parent.map(|parent| parent.to_string()),
            status: head.summary.status.as_str(),
            attention: head.summary.attention,
            started_at: head.started_at.to_rfc3339(),
            updated_at: head.updated_at.to_rfc3339(),
            ended_at: text(head.summary.ended_at),
            wake_at: text(head.summary.wake_at),
            purged_at: text(head.purged_at),
            owner: head.owner.map(|owner| owner.to_string()),
            epoch: head.epoch,
            next_seq: head.next_seq,
        }
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    seq: u64,
    epoch: u64,
    at: String,
    event: &'a Event,
}

impl<'a> Entry<'a> {
    fn of(recorded: &'a Recorded) -> Self {
        Self { seq: recorded.seq, epoch: recorded.epoch, at: recorded.at.to_rfc3339(), event: &recorded.event }
    }
}
