//! Words on the wire: the participant contract and the bodies of `/v1`.
//!
//! Why it exists: the orchestrator, its clients and the services' barrier must spell the same words the same way, and
//! none of them may import the other. Who calls it: `engine` and `barrier` (participant contract), `api` and `client`
//! (bodies of `/v1`, problems).
//!
//! **What it must never know:** what a saga decides. It has words and parsers, no rules.

pub mod forget;
pub mod participant;
pub mod problem;
pub mod v1;
