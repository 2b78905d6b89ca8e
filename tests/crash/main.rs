//! kill -9, of anything, at any moment; and the gentle stop.

mod counter;
mod every_kind;
mod file;
mod halted;
mod orchestrator;
mod participants;
mod soak;
mod stop;
