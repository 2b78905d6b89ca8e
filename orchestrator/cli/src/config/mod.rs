//! What a server is told: a TOML file, the environment and flags, as one checked value.
//!
//! Why it exists: flags > environment > file > defaults, every value knows where it came from, and what is wrong is said
//! with the place where it stands. Who calls it: `serve`, `config`, `check`.
//!
//! **What it must never know:** what a value is used for.

mod errors;
mod load;
mod model;
mod show;

pub(crate) use load::{DEFAULT_FILE, Flags, load};
pub(crate) use model::{Config, EventSource, Secret, Store};
pub(crate) use show::show;
