//! Makes time pass: owns live sagas, calls participants, commits decisions, adopts orphans.
//!
//! Why it exists: `core` says what a saga owes; somebody has to wait, send and write it down, in this order: **write
//! first, then act**. One loop (`driver.rs`) does it for every saga, after a start, a restart and an adoption alike:
//! input arrives → `decide` → one durable append → `evolve` → dispatch what is outstanding and not in flight.
//!
//! Who calls it: `api` (start, cancel, signal, callback, register, wait) and `cli` (open, shutdown).
//!
//! **What it must never know:** what an outcome means for a saga (core), SQL (store), HTTP towards its own callers (api).
//!
//! Three doors have a real and a simulated side, and nothing else is a trait: `Store`, [`Participant`], [`Clock`].

mod addresses;
mod bulkhead;
mod callback;
mod calls;
mod cancel;
mod catalogue;
mod clock;
mod committer;
#[cfg(feature = "crash-points")]
mod crash_points;
mod definitions;
mod driver;
mod engine;
mod errands;
mod error;
mod family;
mod faults;
mod headers;
mod here;
mod http;
mod inbox;
mod locks;
mod membership;
mod participant;
mod probes;
mod recovery;
mod registry;
mod replicas;
mod retention;
mod signal;
mod start;
mod sweep;
mod token;
mod wire;

pub use addresses::{Addresses, REPLICAS_MAX};
pub use callback::CalledBack;
pub use cancel::Cancelled;
pub use catalogue::{Catalogue, Contract, Service};
pub use clock::{Clock, SystemClock};
#[cfg(feature = "crash-points")]
pub use crash_points::CrashPoints;
pub use definitions::Registered;
pub use engine::{Engine, Limits, Load, Settled, Setup};
pub use error::{CallbackError, CancelError, OpenError, RegisterError, SignalError, StartError};
pub use faults::{Active, Faults, unreliable};
pub use headers::{call_headers, request_headers};
pub use here::words as node_words;
pub use http::{HttpError, HttpParticipant};
pub use membership::LeaseTerms;
pub use participant::{Forgotten, Participant, Request};
pub use registry::Whole;
pub use retention::Retention;
pub use start::{Start, Started, Watched};
