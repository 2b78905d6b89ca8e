//! Scenarios: a run of a saga, what goes wrong in it, and what must come of it. Pure data, read from the
//! `<saga>.test.yaml` beside a definition.
//!
//! Who uses it: whatever carries a scenario out, over real processes or over virtual time. The data is the same, so that
//! a scenario means the same everywhere.
//!
//! **It must never know** how a fault is brought about, or what time it is.

mod keys;
mod model;
mod parse;
mod schema;

pub use model::{
    After, Asked, CalledBack, Cancelled, Ended, Expect, Fault, Scenario, Scenarios, Signalled, Verdict, Wrong, fits,
};
pub use parse::{parse, parse_family};
pub use schema::{documented, json_schema};
