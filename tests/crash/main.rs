//! kill -9, of anything, at any moment; and the gentle stop.

mod every_kind;
mod orchestrator;
mod participants;
mod soak;
mod stop;
