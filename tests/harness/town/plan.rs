//! Which town: its services, its definition, and what its steps do to balances.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

/// What every account and every shelf holds at first.
pub const OPENING: i64 = 1_000_000;
/// Who buys.
pub const CUSTOMER: &str = "ada";
/// What is bought.
pub const SKU: &str = "kettle";

/// Which services a town has, and what its sagas are.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program that drives the sagas.
    pub(crate) orchestrator: &'static str,
    /// Name in the catalogue and program.
    pub(crate) services: Vec<(&'static str, &'static str)>,
    /// As registered.
    pub definition: String,
    /// Definitions that it runs as children, those first that others run.
    pub(crate) children: Vec<String>,
    pub(crate) moves: &'static [Move],
    /// Calls at once that a node makes to each service.
    pub(super) concurrency: u32,
    /// Shipping accepts who can be called back and books so much later.
    pub(super) books_after: Option<String>,
    /// Orchestrators and services log all that they can, but for what others below them say.
    pub(crate) talkative: bool,
    /// The stores of services that have no file, by their names.
    pub(super) stores: BTreeMap<&'static str, String>,
    /// `--abort-after-commit` of one service.
    pub(super) abort: Option<(&'static str, String)>,
    /// What services that do anything answer, by step; JSON.
    pub(super) replies: Option<String>,
    /// What becomes of calls that such services may accept, by step; JSON.
    pub(super) later: Option<String>,
    /// The orchestrator is started with `--allow-faults`.
    pub(crate) allows_faults: bool,
    /// One service, and how many processes it has on its store; every other has one.
    pub(super) replicas: Option<(&'static str, usize)>,
    /// More of the orchestrator's configuration.
    pub(super) config: String,
}

/// What one step does to a balance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) step: &'static str,
    pub(crate) service: &'static str,
    /// Where in the input, or in the item, the account or the article stands.
    pub(crate) whose: &'static str,
    pub(crate) how_much: &'static str,
    pub(crate) sign: i64,
}

/// Attempts of an action before it is given up, or before a person is told.
const FEW: u32 = 3;
/// Enough for a service to be restarted meanwhile.
const MANY: u32 = 50;

impl Plan {
    /// sagas/place-order.yaml with its four services, and quick retries.
    ///
    /// # Panics
    /// The definition is gone.
    pub fn orders() -> Self {
        Self {
            orchestrator: "amends",
            services: vec![
                ("orders", "amends-orders"),
                ("inventory", "amends-inventory"),
                ("payments", "amends-payments"),
                ("shipping", "amends-shipping"),
            ],
            definition: quick("place-order.yaml"),
            moves: &[
                Move { step: "reserve", service: "inventory", whose: "sku", how_much: "quantity", sign: -1 },
                Move { step: "charge", service: "payments", whose: "customer", how_much: "amount", sign: -1 },
            ],
            children: vec![],
            concurrency: 64,
            books_after: None,
            talkative: false,
            stores: BTreeMap::new(),
            abort: None,
            replies: None,
            later: None,
            allows_faults: false,
            replicas: None,
            config: String::new(),
        }
    }

    /// The same with these stores: the address of each by the service's name.
    #[must_use]
    pub fn on(self, stores: BTreeMap<&'static str, String>) -> Self {
        Self { stores, ..self }
    }

    /// sagas/order-basket.yaml with the services of [`Plan::orders`].
    ///
    /// # Panics
    /// The definition is gone.
    pub fn baskets() -> Self {
        Self { definition: quick("order-basket.yaml"), ..Self::orders() }
    }

    /// sagas/pay-third-party.yaml with the services of [`Plan::orders`]; what was sent has settled after a second.
    ///
    /// # Panics
    /// The definition is gone.
    pub fn payments() -> Self {
        Self {
            orchestrator: "amends",
            definition: quick("pay-third-party.yaml").replace("settle: 5s", "settle: 1s"),
            moves: &[Move { step: "pay", service: "payments", whose: "customer", how_much: "amount", sign: -1 }],
            ..Self::orders()
        }
    }

    /// sagas/approve-order.yaml with the services of [`Plan::orders`].
    ///
    /// # Panics
    /// The definition is gone.
    pub fn approvals() -> Self {
        Self { definition: quick("approve-order.yaml"), ..Self::orders() }
    }

    /// sagas/ship-later.yaml with the services of [`Plan::orders`]; shipping calls back so long after it has accepted.
    ///
    /// # Panics
    /// The definition is gone.
    pub fn later(books_after: &str) -> Self {
        let books_after = Some(books_after.to_owned());
        Self { definition: quick("ship-later.yaml"), books_after, ..Self::orders() }
    }

    /// sagas/settle-claim.yaml with its two children, and services that do whatever they are asked to.
    ///
    /// # Panics
    /// A definition is gone.
    pub fn claims() -> Self {
        let services = ["claims", "ledger", "bank", "warehouse", "carrier", "mail"].map(str::to_owned).into();
        let replies = serde_json::json!({ "transfer": { "transfer": "p-1" }, "ship": { "tracking": "T-1" } });
        Self::of_anything(&quick("settle-claim.yaml"), &services, &replies)
            .with_children(&[quick("pay-claim.yaml"), quick("replace-item.yaml")])
    }

    /// The orchestrator is of the build that dies at a crash point.
    pub fn with_crash_points(self) -> Self {
        Self { orchestrator: "amends-crash-points", ..self }
    }

    /// Everybody logs all that there is to say.
    pub fn talkative(self) -> Self {
        Self { talkative: true, ..self }
    }

    /// sagas/transfer-money.yaml with its two banks, and quick retries.
    ///
    /// # Panics
    /// The definition is gone.
    pub fn banks() -> Self {
        Self {
            orchestrator: "amends",
            services: vec![("bank-a", "amends-payments"), ("bank-b", "amends-payments")],
            definition: quick("transfer-money.yaml"),
            moves: &[
                Move { step: "withdraw", service: "bank-a", whose: "from", how_much: "amount", sign: -1 },
                Move { step: "deposit", service: "bank-b", whose: "to", how_much: "amount", sign: 1 },
            ],
            children: vec![],
            concurrency: 64,
            books_after: None,
            talkative: false,
            stores: BTreeMap::new(),
            abort: None,
            replies: None,
            later: None,
            allows_faults: false,
            replicas: None,
            config: String::new(),
        }
    }

    /// Any definition, with services that do whatever they are asked to; `replies` says what they answer, by step.
    pub fn of_anything(definition: &str, services: &BTreeSet<String>, replies: &Value) -> Self {
        // A plan lives as long as its test, and that as long as its process.
        let name = |name: &String| &*name.clone().leak();
        Self {
            orchestrator: "amends",
            services: services.iter().map(|service| (name(service), "amends-anything")).collect(),
            definition: definition.to_owned(),
            moves: &[],
            children: vec![],
            concurrency: 64,
            books_after: None,
            talkative: false,
            stores: BTreeMap::new(),
            abort: None,
            replies: Some(replies.to_string()),
            later: None,
            allows_faults: false,
            replicas: None,
            config: String::new(),
        }
    }

    /// Services that do anything accept actions of these steps that may be called back, and decide them as this says (see
    /// `amends-anything --help`).
    pub fn deciding_later(self, later: &Value) -> Self {
        Self { later: Some(later.to_string()), ..self }
    }

    /// Actions are tried more often than anything these tests do can last.
    pub fn patient(self) -> Self {
        let patient = |definition: &String| definition.replace(&defaults(FEW), &defaults(MANY));
        let children = self.children.iter().map(patient).collect();
        Self { definition: patient(&self.definition), children, ..self }
    }

    /// With these definitions, which others run as children.
    pub fn with_children(self, children: &[String]) -> Self {
        Self { children: children.to_vec(), ..self }
    }

    /// Another definition for the same services.
    pub fn with_definition(self, definition: &str) -> Self {
        Self { definition: definition.to_owned(), ..self }
    }

    /// Two of the steps of an order give up quickly, so that many sagas are undone with something unknown in them.
    ///
    /// # Panics
    /// The definition has no such steps.
    pub fn hasty_in_places(self) -> Self {
        let few = "    retry: { attempts: 2, backoff: 10ms }\n";
        let definition = ["reserve", "charge"].iter().fold(self.definition.clone(), |text, step| {
            let head = format!("  {step}:\n");
            assert!(text.contains(&head), "place-order has a step {step}");
            text.replace(&head, &(head.clone() + few))
        });
        Self { definition, ..self }
    }

    /// A node makes only so many calls to a service at once; the others wait, intended and unsent.
    pub fn narrow(self, concurrency: u32) -> Self {
        Self { concurrency, ..self }
    }

    /// Between two attempts of an action it is this long.
    pub fn with_backoff(self, backoff: &str) -> Self {
        let definition = self.definition.replace("backoff: 20ms", &format!("backoff: {backoff}"));
        let definition = definition.replace("max_backoff: 200ms", &format!("max_backoff: {backoff}"));
        Self { definition, ..self }
    }

    /// This service dies right after a commit: `STEP[:op[:nth]]`.
    pub fn aborting(self, service: &'static str, at: &str) -> Self {
        Self { abort: Some((service, at.to_owned())), ..self }
    }

    /// This service has so many processes on its store.
    pub fn with_replicas(self, service: &'static str, count: usize) -> Self {
        Self { replicas: Some((service, count)), ..self }
    }

    pub(super) fn replicas_of(&self, service: &str) -> usize {
        self.replicas.filter(|(replicated, _)| *replicated == service).map_or(1, |(_, count)| count)
    }

    /// The orchestrator injects faults when it is told to.
    pub fn allowing_faults(self) -> Self {
        Self { allows_faults: true, ..self }
    }

    /// With this in the orchestrator's configuration.
    pub fn with_config(self, config: &str) -> Self {
        Self { config: config.to_owned(), ..self }
    }

    /// What programs log.
    pub(crate) fn log_filter(&self) -> Option<&'static str> {
        self.talkative.then_some("trace")
    }

    /// The definition's name.
    pub(super) fn saga(&self) -> &str {
        let line = self.definition.lines().find_map(|line| line.strip_prefix("saga:"));
        line.map(str::trim).unwrap_or_default()
    }
}

/// A definition of this repository with its `defaults` line replaced.
fn quick(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sagas").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let quick = defaults(FEW);
    let lines = text.lines().map(|line| if line.starts_with("defaults:") { &*quick } else { line });
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// Quick retries. A few seconds are plenty for a local call on a loaded machine.
fn defaults(attempts: u32) -> String {
    format!(
        "defaults: {{ timeout: 3s, retry: {{ attempts: {attempts}, backoff: 20ms, factor: 2, max_backoff: 200ms }} }}"
    )
}
