//! What is read outside of any script.

use ::redis::{Cmd, FromRedisValue, aio::ConnectionManager, cmd};
use serde::Deserialize;
use uuid::Uuid;

use super::Barrier;
use crate::{Broken, http::Page, participant::LedgerEntry, sql::rows::LedgerRow};

/// For the service's `GET`s.
#[derive(Clone)]
pub struct Reader {
    connection: ConnectionManager,
    prefix: std::sync::Arc<str>,
}

impl Reader {
    /// A key of this service.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// # Errors
    /// [`Broken`]: the store cannot be read.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Broken> {
        Ok(command.query_async(&mut self.connection.clone()).await?)
    }
}

impl Barrier {
    /// For the service's `GET`s.
    pub fn reader(&self) -> Reader {
        Reader { connection: self.connection.clone(), prefix: self.prefix.clone() }
    }

    /// A page of the ledger, of one saga or of all. An entry's `seq` is its place in the list, so there are no gaps.
    pub(crate) async fn ledger(&self, saga: Option<Uuid>, page: Page) -> Result<Vec<LedgerEntry>, Broken> {
        let reader = self.reader();
        let range = |key: String, from: i64, to: i64| cmd("lrange").arg(key).arg(from).arg(to).to_owned();
        let entries: Vec<String> = match saga {
            Some(saga) => reader.query(&range(reader.key(&format!("ledger:{saga}")), 0, -1)).await?,
            None => {
                let until = page.after().saturating_add(page.fetch()) - 1;
                reader.query(&range(reader.key("ledger"), page.after(), until)).await?
            }
        };
        let fetch = usize::try_from(page.fetch()).unwrap_or(usize::MAX);
        let entries = entries.iter().map(|entry| read(entry)).collect::<Result<Vec<_>, _>>()?;
        Ok(entries.into_iter().filter(|entry| entry.seq > page.after()).take(fetch).collect())
    }
}

/// As the script writes it.
#[derive(Deserialize)]
struct Entry {
    seq: i64,
    saga: String,
    step: String,
    item: i64,
    op: String,
    effect: String,
    epoch: String,
    attempt: i64,
    at: String,
}

fn read(text: &str) -> Result<LedgerEntry, Broken> {
    let corrupt = |error: String| Broken::Corrupt(format!("a ledger entry: {error}"));
    let entry: Entry = serde_json::from_str(text).map_err(|error| corrupt(error.to_string()))?;
    LedgerRow {
        seq: entry.seq,
        saga: entry.saga,
        step: entry.step,
        item: entry.item,
        op: entry.op,
        effect: entry.effect,
        epoch: entry.epoch.parse().map_err(|_| corrupt("epoch".to_owned()))?,
        attempt: entry.attempt,
        at: entry.at.parse().map_err(|_| corrupt("at".to_owned()))?,
    }
    .parse()
}
