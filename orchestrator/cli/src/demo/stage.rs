//! Six services on six ports with six stores, a catalogue that names them, an orchestrator.

use std::{collections::BTreeMap, fmt::Write as _};

use amends_client::Client;
use anyhow::Context;
use serde_json::json;
use tempfile::TempDir;

use super::{
    books::Seeded,
    door::Door,
    engines::{self, Engines, Place, Stores},
    orchestrator::Orchestrator,
};

/// What everybody has at the beginning. Money in cents.
pub(super) const RICH: i64 = 1_000_000_000;
pub(super) const POOR: i64 = 2_000;
pub(super) const STOCK: i64 = 1_000_000;

/// Everything that runs.
pub(super) struct Stage {
    pub(super) folder: TempDir,
    pub(super) orders: Door,
    pub(super) inventory: Door,
    pub(super) payments: Door,
    pub(super) shipping: Door,
    pub(super) bank_a: Door,
    pub(super) bank_b: Door,
    pub(super) orchestrator: Orchestrator,
    pub(super) http: reqwest::Client,
    pub(super) seeded: Seeded,
    engines: Option<Engines>,
}

impl Stage {
    pub(super) async fn set_up(stores: Stores) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("amends-demo-").tempdir()?;
        let at = folder.path();
        let engines = Engines::start(stores).await?;
        let place = |service| engines::place(engines.as_ref(), service, at);
        let orders = {
            let place = place("orders")?;
            let barrier = amends_orders::open(&place.address.parse()?).await?;
            let router = amends_orders::router(barrier.clone());
            Door::open("orders", place.shown, router, async move { barrier.close().await }).await?
        };
        let inventory = {
            let place = place("inventory")?;
            let barrier = amends_inventory::open(&place.address.parse()?).await?;
            let router = amends_inventory::router(barrier.clone());
            Door::open("inventory", place.shown, router, async move { barrier.close().await }).await?
        };
        let shipping = {
            let place = place("shipping")?;
            let barrier = amends_shipping::open(&place.address.parse()?).await?;
            let router = amends_shipping::router(barrier.clone());
            Door::open("shipping", place.shown, router, async move { barrier.close().await }).await?
        };
        let payments = money("payments", place("payments")?).await?;
        let bank_a = money("bank-a", place("bank-a")?).await?;
        let bank_b = money("bank-b", place("bank-b")?).await?;

        let doors = [&orders, &inventory, &payments, &shipping, &bank_a, &bank_b];
        std::fs::write(at.join("amends.toml"), catalogue(&doors))?;
        let money = amends_payments::OPENAPI;
        let documents =
            [amends_orders::OPENAPI, amends_inventory::OPENAPI, money, amends_shipping::OPENAPI, money, money];
        for (door, text) in doors.iter().zip(documents) {
            std::fs::write(at.join(document(door.name)), text)?;
        }
        let http = reqwest::Client::builder().no_proxy().build()?;
        let seeded = seed(&http, &inventory, &payments, &bank_a, &bank_b).await?;
        let orchestrator = Orchestrator::start(at).await?;
        Ok(Self { folder, orders, inventory, payments, shipping, bank_a, bank_b, orchestrator, http, seeded, engines })
    }

    pub(super) fn services(&self) -> [&Door; 6] {
        [&self.orders, &self.inventory, &self.payments, &self.shipping, &self.bank_a, &self.bank_b]
    }

    /// A new one each time: an orchestrator that was killed leaves dead connections in an old one.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.orchestrator.url)?)
    }

    pub(super) async fn take_down(mut self) {
        if let Err(error) = self.orchestrator.kill_9().await {
            tracing::error!("{error:#}");
        }
        for door in [self.orders, self.inventory, self.payments, self.shipping, self.bank_a, self.bank_b] {
            door.close().await;
        }
        if let Some(engines) = self.engines {
            engines.stop().await;
        }
        if let Err(error) = self.folder.close() {
            tracing::error!(%error, "the temporary folder could not be removed");
        }
    }
}

async fn money(name: &'static str, place: Place) -> anyhow::Result<Door> {
    let barrier = amends_payments::open(&place.address.parse()?).await?;
    Door::open(name, place.shown, amends_payments::router(barrier.clone()), async move { barrier.close().await }).await
}

fn catalogue(doors: &[&Door]) -> String {
    let mut text = String::from("# Made by `amends demo`.\n[store]\npath = \"orchestrator.db\"\n");
    for door in doors {
        let _ = write!(text, "\n[services.{}]\nurl = \"{}\"\ncontract = \"barrier\"\n", door.name, door.url);
        let _ = writeln!(text, "openapi = \"{}\"", document(door.name));
    }
    text
}

/// The file of a service's OpenAPI document.
fn document(service: &str) -> String {
    format!("{service}.openapi.yaml")
}

async fn seed(
    http: &reqwest::Client,
    inventory: &Door,
    payments: &Door,
    bank_a: &Door,
    bank_b: &Door,
) -> anyhow::Result<Seeded> {
    let stock = [("lamp", STOCK), ("unicorn", 0)];
    for (sku, quantity) in stock {
        put(http, &format!("{}/stock/{sku}", inventory.url), &json!({ "quantity": quantity })).await?;
    }
    let mut accounts = BTreeMap::new();
    /// Name, balance, frozen.
    type Holder = (&'static str, i64, bool);
    let banks: [(&Door, &[Holder]); 3] = [
        (payments, &[("ada", RICH, false), ("bob", POOR, false)]),
        (bank_a, &[("ada", RICH, false)]),
        (bank_b, &[("grace", 0, false), ("frozen-fred", 0, true)]),
    ];
    for (bank, of_bank) in banks {
        let mut seeded = BTreeMap::new();
        for (account, balance, frozen) in of_bank {
            let url = format!("{}/accounts/{account}", bank.url);
            put(http, &url, &json!({ "balance": balance, "frozen": frozen })).await?;
            seeded.insert((*account).to_owned(), *balance);
        }
        accounts.insert(bank.name.to_owned(), seeded);
    }
    Ok(Seeded { stock: stock.iter().map(|(sku, quantity)| ((*sku).to_owned(), *quantity)).collect(), accounts })
}

async fn put(http: &reqwest::Client, url: &str, body: &serde_json::Value) -> anyhow::Result<()> {
    let answer = http.put(url).json(body).send().await.with_context(|| format!("PUT {url}"))?;
    answer.error_for_status().with_context(|| format!("PUT {url}"))?;
    Ok(())
}
