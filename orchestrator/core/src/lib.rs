//! The saga as data: its definition, its events, its state and its decisions.
//!
//! Why it exists: everything a saga *means* is decided here, in plain functions over plain values, so that it can be
//! tested exhaustively, replayed from a journal and explored in virtual time. The engine, the API and the explorer all
//! ask this crate and none of them decides anything itself.
//!
//! **What it must never know:** tokio, sqlx, reqwest, axum, tracing; the wall clock; dice; any other crate of Amends.
//! Time comes in as an argument, jitter from a hash.
//!
//! The way in: [`definition::Definition::parse`] turns YAML into a checked definition; [`decide()`] says what an input means
//! now; [`evolve()`] applies one event; [`outstanding()`] says what the world is owed.

mod callbacks;
mod decide;
pub mod definition;
pub mod diff;
pub mod event;
mod evolve;
pub mod expr;
mod family;
pub mod faults;
pub mod graph;
pub mod ids;
mod labels;
mod lifecycle;
mod locks;
pub mod openapi;
pub mod plan;
mod probe;
mod render;
mod reply;
mod retry;
pub mod scenario;
mod signals;
pub mod state;
pub mod summary;
pub mod time;

pub use callbacks::{Callback, CanCallBack, Said, can_call_back};
pub use decide::{
    Begin, CanCancel, Command, Decision, Input, LockPlace, begin, begin_with, can_cancel, decide, decide_in_place,
    outstanding, take_in_place, why_undone,
};
pub use evolve::{Illegal, begin as begin_state, evolve, fold};
pub use family::{Errand, Report, Settlement, child_begins, child_may_begin};
pub use labels::labels;
pub use lifecycle::Lifecycle;
pub use locks::{locks, locks_declared_by};
pub use render::{Rendered, render, render_probe};
pub use reply::{Answer, Outcome, RefusedThere, Reply, Terms, classify};
pub use signals::{CanSignal, Signal, UnfitSignal, can_signal, check_signal};
