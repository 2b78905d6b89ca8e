//! Real processes, a wire that fails on command, and a checker that believes nothing but what was written down.
//!
//! Why it exists: a saga orchestrator is only as good as its worst moment, so its tests make the worst moments happen
//! (kill -9, lost replies, duplicates, late copies) and then prove the invariants of SEMANTICS §6 from the journal, the
//! wire and the participants' own ledgers, never through the API under test. Who calls it: the tests beside it.
//!
//! **What it must never know:** the inside of the orchestrator. It starts it, speaks to it by its client, and reads its
//! file when it audits.

pub mod audit;
mod books;
pub mod cluster;
pub mod dice;
mod gather;
pub mod port;
pub mod process;
pub mod proxy;
pub mod relay;
pub mod town;
pub mod wait;
pub mod words;
