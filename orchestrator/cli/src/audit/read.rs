//! Reading it over HTTP.

use amends_client::{Client, ClientError};
use amends_protocol::v1::{HistoryEntry, PAGE_LIMIT_MAX};
use anyhow::{Context as _, bail};
use reqwest::header::LINK;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::Record;

/// A saga with its whole journal.
///
/// # Errors
/// See [`ClientError`].
pub(crate) async fn record(client: &Client, id: Uuid) -> Result<Record, ClientError> {
    let view = client.saga(id, None).await?;
    let mut journal: Vec<HistoryEntry> = vec![];
    loop {
        let page = client.history(id, journal.last().map(|entry| entry.seq), Some(PAGE_LIMIT_MAX)).await?;
        journal.extend(page.items);
        if page.next_cursor.is_none() {
            return Ok(Record { view, journal });
        }
    }
}

/// Every row of one list of a service, page after page.
///
/// # Errors
/// It does not answer, or not with a list.
pub(crate) async fn rows<T: DeserializeOwned>(http: &reqwest::Client, list: String) -> anyhow::Result<Vec<T>> {
    let base = list.split('?').next().unwrap_or_default().to_owned();
    let mut url = list;
    let mut rows = vec![];
    loop {
        let answer = http.get(&url).send().await.with_context(|| url.clone())?.error_for_status()?;
        let next = answer.headers().get(LINK).map(|link| link.to_str().map(str::to_owned)).transpose()?;
        rows.extend(answer.json::<Vec<T>>().await.with_context(|| url.clone())?);
        match next {
            None => return Ok(rows),
            Some(link) => match link.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
                Some((query, _)) if query.starts_with('?') => url = format!("{base}{query}"),
                _ => bail!("{url}: cannot read the link to the next page: {link}"),
            },
        }
    }
}
