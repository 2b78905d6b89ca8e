//! `amends chaos`: many sagas under a plan of faults, against a system that runs; then everything is left to come to its end, and
//! what is written down is audited.
//!
//! Why it exists: one plan, one command and one exit code say whether a definition and its services hold together when
//! everything around them does not.
//!
//! Who calls it: `commands::chaos`.
//!
//! **What it must never know:** how a fault is brought about, what a saga decides, whose services these are.

mod report;
mod run;

use std::{collections::BTreeMap, time::Duration};

use amends_client::Client;
use amends_core::definition::{Definition, Undo};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

pub(crate) use self::report::Report;
use self::run::Ran;
use crate::audit::{LedgerEntry, Record, journals, ledgers, read};

/// Sagas whose journals are read at once.
const AT_ONCE: usize = 16;
/// For one page of a ledger.
const LEDGER_TIMEOUT: Duration = Duration::from_secs(30);

/// What to do.
pub(crate) struct Options {
    pub(crate) plan: String,
    pub(crate) saga: String,
    pub(crate) version: Option<u32>,
    /// In turn.
    pub(crate) inputs: Vec<Value>,
    pub(crate) sagas: u32,
    pub(crate) concurrency: usize,
    /// Starts in a second at most.
    pub(crate) rate: Option<u32>,
    /// How long one saga is waited for while there are faults.
    pub(crate) patience: Duration,
    /// How long all of them are waited for once there are none.
    pub(crate) within: Duration,
    /// The keys of the sagas begin with it: the same again starts nothing new.
    pub(crate) run: String,
    /// Where services show their ledgers.
    pub(crate) ledgers: BTreeMap<String, String>,
}

/// Runs it, clears the plan whatever comes, and audits.
///
/// # Errors
/// The server is not there, does not take the plan, or cannot be read in the end.
pub(crate) async fn chaos(client: &Client, options: &Options) -> anyhow::Result<Report> {
    let definition = client.definition(&options.saga, options.version).await?;
    let never_undone = match definition.source.as_deref().map(|source| Definition::parse(source, None)) {
        Some(Ok(definition)) => definition
            .steps
            .iter()
            .filter(|step| step.call().is_some_and(|call| matches!(call.undo, Undo::Nothing { .. })))
            .map(|step| step.name.to_string())
            .collect(),
        _ => Default::default(),
    };
    let ran = run::run(client, options).await?;
    let sagas: Vec<Record> = stream::iter(ran.started.clone())
        .map(|saga| read::record(client, saga))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let kept = ledgers_of(&options.ledgers).await?;
    let mut checks = vec![
        run::something_went_wrong(&ran),
        run::all_were_started(&ran, options.sagas),
        journals::every_saga_has_ended(&sagas, &ran.started),
        journals::every_journal_is_whole(&sagas),
    ];
    if !kept.is_empty() {
        checks.push(ledgers::agree(&sagas, &kept, &never_undone));
    }
    Ok(Report::new(options, ran, &sagas, checks))
}

async fn ledgers_of(ledgers: &BTreeMap<String, String>) -> anyhow::Result<BTreeMap<String, Vec<LedgerEntry>>> {
    let http = reqwest::Client::builder().no_proxy().timeout(LEDGER_TIMEOUT).build()?;
    let mut kept = BTreeMap::new();
    for (service, url) in ledgers {
        let list = format!("{}/ledger", url.trim_end_matches('/'));
        kept.insert(service.clone(), read::rows(&http, list).await?);
    }
    Ok(kept)
}
