//! Reading the books over HTTP: from each service its rows and ledger, from the orchestrator every saga and journal.

use amends_client::{Client, List};
use amends_protocol::v1::{HistoryEntry, PAGE_LIMIT_MAX, SagaItem};
use anyhow::{Context, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::header::LINK;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{
    books::{Books, Money, Record},
    door::Door,
    stage::Stage,
};

/// Sagas that are read at once.
const AT_ONCE: usize = 16;

pub(super) async fn books(stage: &Stage, acknowledged: Vec<Uuid>) -> anyhow::Result<Books> {
    let mut books = Books { seeded: stage.seeded.clone(), acknowledged, ..Books::default() };
    let client = stage.client()?;
    books.sagas = stream::iter(sagas(&client).await?)
        .map(|saga| record(&client, saga.id))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    books.orders = rows(stage, &stage.orders, "orders").await?;
    books.stock = rows(stage, &stage.inventory, "stock").await?;
    books.reservations = rows(stage, &stage.inventory, "reservations").await?;
    books.shipments = rows(stage, &stage.shipping, "shipments").await?;
    for bank in [&stage.payments, &stage.bank_a, &stage.bank_b] {
        let accounts = rows(stage, bank, "accounts").await?;
        let entries = rows(stage, bank, "entries").await?;
        books.money.insert(bank.name.to_owned(), Money { accounts, entries });
    }
    for service in stage.services() {
        books.ledgers.insert(service.name.to_owned(), rows(stage, service, "ledger").await?);
    }
    Ok(books)
}

/// Every row of one list of a service, page after page.
pub(super) async fn rows<T: DeserializeOwned>(stage: &Stage, service: &Door, list: &str) -> anyhow::Result<Vec<T>> {
    let mut url = format!("{}/{list}", service.url);
    let base = url.split('?').next().unwrap_or_default().to_owned();
    let mut rows = vec![];
    loop {
        let answer = stage.http.get(&url).send().await.with_context(|| url.clone())?.error_for_status()?;
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

async fn sagas(client: &Client) -> anyhow::Result<Vec<SagaItem>> {
    let mut list = List { limit: Some(PAGE_LIMIT_MAX), ..List::default() };
    let mut items = vec![];
    loop {
        let page = client.sagas(&list).await?;
        items.extend(page.items);
        match page.next_cursor {
            None => return Ok(items),
            cursor => list.cursor = cursor,
        }
    }
}

async fn record(client: &Client, id: Uuid) -> anyhow::Result<Record> {
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
