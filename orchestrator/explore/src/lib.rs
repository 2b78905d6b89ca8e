//! What failures would do to a saga, before it is deployed: every single one and every pair, tried out in virtual time.
//!
//! Why it exists: nobody sees from a definition what a lost reply in step two and a crash while it is undone come to. Here
//! the very functions that decide for real (`amends-core`) are driven against models of services, each with a ledger, through
//! all the schedules that so many faults allow; a judge holds every end against the invariants.
//!
//! Who calls it: `amends explore`, `amends test`, and tests. [`explore()`] searches, [`replay()`] tells one run as a story, and
//! [`scenarios::play()`] carries out one run that is written down.
//!
//! What is what: [`model`](self) knows the definition and what its services are like; `node` is one moment of a run (the saga's
//! state, the wire, the services' ledgers, the judge's notes); `choices` says what may happen next and what of it is a fault;
//! `apply` makes it happen; `watch` and `kids` read each event, `ends` each end; `family` puts a saga and its children into one world;
//! `search` walks the tree; `trace` writes a run down, and `planned` its faults for a running server; `given` and
//! `played` are such a plan in virtual time.
//!
//! **What it must never know:** IO, a clock, dice, tokio; how a verdict is printed. Whoever calls it watches the time.

mod apply;
mod budget;
mod choices;
mod coverage;
mod ends;
mod family;
mod feed;
mod findings;
mod fingerprint;
mod given;
mod input;
mod kids;
mod look;
mod model;
mod node;
mod pages;
mod planned;
mod played;
mod samples;
pub mod scenarios;
mod search;
mod setup;
mod steps;
mod story;
mod trace;
mod watch;
mod world;

pub use coverage::{Coverage, Phase, Row};
pub use findings::{Code, Finding, Severity};
pub use input::{NoInput, inputs};
pub use model::Unfit;
pub use pages::{explain, pages};
pub use planned::{Planned, fault_plan};
pub use search::{Progress, Report, Totals, Verdict, explore};
pub use setup::{Broken, Contract, Service, Setup};
pub use story::{Line, Story, mermaid};
pub use trace::{CannotReplay, Trace, replay};
