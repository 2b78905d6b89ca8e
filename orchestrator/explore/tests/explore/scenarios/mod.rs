//! Scenarios in virtual time: all of `sagas/` come to what they expect, each wrong expectation is noticed, and models do what the page
//! on scenarios says.

mod differences;
mod files;
mod models;
mod support;
mod touched;
