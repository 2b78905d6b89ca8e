//! The barrier's statements in a service's own PostgreSQL database.
//!
//! **What it must never know:** tables of the service, and what a row means.

pub(crate) mod ended;
mod open;
pub(crate) mod reads;
pub(crate) mod rows;

pub use self::open::open;
