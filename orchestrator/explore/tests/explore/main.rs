//! The explorer finds what is wrong, and nothing where nothing is; and its judge notices every rule that is broken.

mod controls;
mod families;
mod gallery;
mod given;
mod language;
mod made_up;
mod sagas;
mod scenarios;
mod support;
mod traces;
