//! Reading the books over HTTP: from each service its rows and ledger, from the orchestrator every saga and journal.

use amends_client::{Client, List};
use amends_protocol::v1::{PAGE_LIMIT_MAX, SagaItem};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{
    books::{Books, Money},
    door::Door,
    stage::Stage,
};
use crate::audit::read;

/// Sagas that are read at once.
const AT_ONCE: usize = 16;

pub(super) async fn books(stage: &Stage, acknowledged: Vec<Uuid>) -> anyhow::Result<Books> {
    let mut books = Books { seeded: stage.seeded.clone(), acknowledged, ..Books::default() };
    let client = stage.client()?;
    books.sagas = stream::iter(sagas(&client).await?)
        .map(|saga| read::record(&client, saga.id))
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

/// Every row of one list of a service.
pub(super) async fn rows<T: DeserializeOwned>(stage: &Stage, service: &Door, list: &str) -> anyhow::Result<Vec<T>> {
    read::rows(&stage.http, format!("{}/{list}", service.url)).await
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
