//! The engine in a simulated town.

mod callbacks;
mod crowds;
mod driving;
mod families;
mod faults;
mod locks;
mod nodes;
mod outages;
mod probes;
mod recovery;
mod retention;
mod sleepers;
mod town;
mod waits;
