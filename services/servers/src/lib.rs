//! Private database servers: each test, bench, example or demo starts its own, on a free port of 127.0.0.1, in a folder of its
//! own, and takes both away when it is dropped.
//!
//! Why it exists: a test never relies on a server that already runs, and what is to be proved of a store needs a server that
//! may be stopped in the middle of anything. Who uses it: tests of `store` and of the services, the
//! bench, `commit_rate`, `amends demo --stores real`.
//!
//! **What it must never know:** what is stored; any crate of ours. It blocks (no runtime): call it before or beside one.

mod mariadb;
mod postgres;
mod process;
mod redis;
mod user;

pub use mariadb::Mariadb;
pub use postgres::{Mode, Options, Postgres};
pub use redis::Redis;
