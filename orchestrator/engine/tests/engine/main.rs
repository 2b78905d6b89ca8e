//! The engine in a simulated town.

mod driving;
mod recovery;
mod town;
