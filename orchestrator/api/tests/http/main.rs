//! The API as its callers see it: the real engine over a store in memory, services that do what a test tells them.
#![expect(clippy::unwrap_used, reason = "test code")]

mod bad_input;
mod callbacks;
mod cancel;
mod definition_errors;
mod definitions;
mod events;
mod failures;
mod families;
mod faults;
mod health;
mod kit;
mod language;
mod list;
mod locks;
mod openapi;
mod reading;
mod signal;
mod sockets;
mod start;
mod webhooks;
