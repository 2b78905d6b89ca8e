//! Scenarios: a run of a saga, what goes wrong in it, and what must come of it. Pure data, read from the
//! `<saga>.test.yaml` beside a definition.
//!
//! Who uses it: whatever carries a scenario out, over real processes or over virtual time. The data is the same, so that
//! a scenario means the same everywhere.
//!
//! **It must never know** how a fault is brought about, or what time it is.

mod differences;
mod fits;
mod input;
mod keys;
mod model;
mod parse;
mod ran;
mod schema;
mod shorten;

pub use differences::{Difference, differences};
pub use fits::{Misfit, fits};
pub use input::at_times;
pub use model::{
    After, Asked, CalledBack, Cancelled, Ended, Expect, Fault, Scenario, Scenarios, Signalled, Verdict, Wrong,
};
pub use parse::{parse, parse_family};
pub use ran::{Ran, Sent};
pub use schema::{documented, json_schema};
pub use shorten::shortened;
