//! Plans of faults: which attempts go wrong, and how. Pure data, read from YAML; and the one function that says which rule an
//! attempt falls under.
//!
//! Why it stands in core: whoever brings faults about (a server that was started for it, a test, an explorer) reads the same plan
//! and picks the same attempts.
//!
//! **It must never know** how a fault is brought about, or what time it is. Dice are a hash of which attempt it is.

mod choose;
mod commit;
mod keys;
mod model;
mod parse;
mod schema;
mod write;

pub use choose::{Attempted, chosen};
pub use commit::{Saga, at_commit};
pub use model::{Again, Asked, Attempts, Fault, FaultPlan, Moment, Point, Rule};
pub use parse::parse;
pub use schema::{documented, json_schema};
pub use write::write;
