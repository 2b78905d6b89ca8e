//! The barrier's statements in a service's own SQLite file.
//!
//! One write connection, so writers queue in this process instead of failing on SQLite's lock; `begin immediate`, so a
//! second process on the file queues too. That one write lock is what SEMANTICS calls the row's lock, the fence's
//! shared and its exclusive lock.
//!
//! **What it must never know:** tables of the service, and what a row means.

pub(crate) mod ended;
mod open;
pub(crate) mod reads;
pub(crate) mod rows;

pub use self::open::open;
