//! The sagas of the simulation: between them, one of everything that a definition can say.

use std::sync::Arc;

use amends_core::definition::Definition;
use serde_json::{Value, json};

/// One of them, and what its clients and participants know of it.
pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
    /// It awaits the signal `go`.
    pub(crate) awaits: bool,
    /// Names of sagas that it runs as children; registered before it.
    pub(crate) children: &'static [&'static str],
}

/// Steps that are never refused: what is at and behind the pivot and would have to wait for a person.
pub(crate) const WILLING: &[&str] = &["confirm", "drive", "points", "look"];

/// The service that follows no contract: it only answers questions.
pub(crate) const PLAIN: &str = "prices";
pub(crate) const BARRIERS: &[&str] = &["town", "money", "parcels"];

macro_rules! defaults {
    ($head:literal, $steps:literal) => {
        concat!(
            $head,
            "\ndefaults: { timeout: 300ms, retry: { attempts: 4, backoff: 40ms, factor: 2, max_backoff: 400ms } }\n",
            $steps
        )
    };
}

pub(crate) const SCRIPTS: &[Script] = &[
    Script {
        name: "row",
        awaits: false,
        children: &[],
        source: defaults!(
            "saga: row\ndeadline: 20s",
            r#"steps:
  ask: { call: "prices GET /prices", output: { amount: "${{ response.body.amount }}" }, compensate: none, reason: reads only }
  open: { call: town POST /orders, compensate: { call: town DELETE /orders } }
  reserve:
    call: town POST /reservations
    output: { id: "${{ response.body.id }}" }
    compensate:
      call: town POST /releases
      body: { id: "${{ steps.reserve.output.id | default('') }}" }
  charge:
    call: money POST /charges
    body: { amount: "${{ steps.ask.output.amount }}" }
    compensate: { call: money POST /refunds }
  ship: { pivot: true, call: parcels POST /shipments }
  confirm: { call: town POST /confirm }
"#
        ),
    },
    Script {
        name: "short",
        awaits: false,
        children: &[],
        source: defaults!(
            "saga: short\ndeadline: 1500ms",
            r#"steps:
  open: { call: town POST /orders, compensate: { call: town DELETE /orders } }
  doze: { sleep: 700ms }
  charge: { call: money POST /charges, compensate: { call: money POST /refunds } }
  pack: { call: town POST /packs, compensate: { call: town DELETE /packs } }
"#
        ),
    },
    Script {
        name: "fan",
        awaits: false,
        children: &[],
        source: defaults!(
            "saga: fan\ninput: { type: object, required: [gift], properties: { gift: { type: boolean } } }",
            r#"steps:
  open: { needs: [], call: town POST /orders, compensate: { call: town DELETE /orders } }
  reserve:
    needs: [open]
    for_each: ["a", "b", "c"]
    concurrency: 2
    call: town POST /reservations
    body: { sku: "${{ item }}" }
    output: { id: "${{ response.body.id }}" }
    compensate: { call: "town DELETE /reservations/${{ index }}" }
  pay:
    needs: [open]
    call: town POST /charges
    idempotent: false
    probe: { call: town GET /charges, settle: 400ms, timeout: 200ms }
    compensate: { call: town POST /refunds }
  wrap:
    needs: [open]
    if: "${{ input.gift }}"
    call: parcels POST /wrappings
    compensate: { call: parcels DELETE /wrappings }
  tag:
    needs: [open]
    call: parcels POST /tags
    idempotent: false
    compensate: { call: parcels DELETE /tags }
  commit: { needs: [reserve, pay, wrap, tag], pivot: true, call: money POST /commit }
  points:
    needs: [commit]
    call: money POST /points
    idempotent: false
    probe: { call: money GET /points, settle: 400ms, timeout: 200ms }
"#
        ),
    },
    Script {
        name: "waits",
        awaits: true,
        children: &[],
        source: defaults!(
            "saga: waits",
            r#"steps:
  open: { call: town POST /orders, compensate: { call: town DELETE /orders } }
  approve: { await: go, timeout: 3s, output: { by: "${{ signal.by }}" } }
  rest: { sleep: 600ms }
  book:
    call: town POST /books
    body: { by: "${{ steps.approve.output.by }}" }
    compensate: { call: town DELETE /books }
"#
        ),
    },
    Script {
        name: "later",
        awaits: false,
        children: &[],
        source: defaults!(
            "saga: later",
            r#"steps:
  open: { needs: [], call: town POST /orders, compensate: { call: town DELETE /orders } }
  carry:
    needs: [open]
    async: true
    timeout: 3s
    call: town POST /shipments
    output: { id: "${{ response.body.id }}" }
    compensate: { call: town POST /cancels }
  insure:
    needs: [open]
    async: true
    timeout: 2s
    call: money POST /policies
    compensate: { call: money DELETE /policies }
  commit: { needs: [carry, insure], pivot: true, call: money POST /commit }
  drive: { needs: [commit], async: true, timeout: 3s, call: parcels POST /drives }
"#
        ),
    },
    Script {
        name: "locked",
        awaits: false,
        children: &[],
        source: defaults!(
            "saga: locked\ninput: { type: object, required: [account], properties: { account: { type: string } } }\nlocks: [\"account:${{ input.account }}\", \"till\"]",
            r#"steps:
  take: { call: money POST /takes, compensate: { call: money DELETE /takes } }
  give: { call: money POST /gives, compensate: { call: money DELETE /gives } }
"#
        ),
    },
    Script {
        name: "child",
        awaits: false,
        children: &[],
        source: defaults!(
            "saga: child",
            r#"steps:
  see: { call: town POST /sees, output: { id: "${{ response.body.id }}" }, compensate: { call: town DELETE /sees } }
  note: { call: parcels POST /notes, compensate: { call: parcels DELETE /notes } }
output: { id: "${{ steps.see.output.id }}" }
"#
        ),
    },
    Script {
        name: "parent",
        awaits: false,
        children: &["child"],
        source: defaults!(
            "saga: parent",
            r#"steps:
  open: { needs: [], call: town POST /orders, compensate: { call: town DELETE /orders } }
  both: { needs: [open], saga: child, for_each: ["a", "b"], concurrency: 2 }
  one: { needs: [], saga: child, output: { id: "${{ child.output.id }}" } }
  close:
    needs: [both, one]
    call: town POST /closes
    compensate: { call: town DELETE /closes }
"#
        ),
    },
];

pub(crate) fn script(name: &str) -> &'static Script {
    SCRIPTS.iter().find(|script| script.name == name).expect("it is one of these")
}

/// Those that clients start.
pub(crate) fn roots() -> Vec<&'static str> {
    SCRIPTS.iter().map(|script| script.name).filter(|name| *name != "child").collect()
}

pub(crate) fn input(name: &str, chance: u64) -> Value {
    match name {
        "fan" => json!({ "gift": chance.is_multiple_of(2) }),
        "locked" => json!({ "account": if chance.is_multiple_of(3) { "ada" } else { "bob" } }),
        _ => json!({}),
    }
}

thread_local! {
    static READ: Vec<(&'static str, Arc<Definition>)> = SCRIPTS.iter().map(read).collect();
}

fn read(script: &Script) -> (&'static str, Arc<Definition>) {
    let definition = Definition::parse(script.source, None).unwrap_or_else(|why| panic!("{}: {why:#?}", script.name));
    (script.name, Arc::new(definition))
}

/// The definition, read once by each thread.
pub(crate) fn definition(name: &str) -> Arc<Definition> {
    READ.with(|all| all.iter().find(|(known, _)| *known == name).expect("it is one of these").1.clone())
}
