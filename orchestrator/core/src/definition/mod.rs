//! A saga's definition: read from YAML, checked as a whole, valid for good.
//!
//! **It must never know** a run of it: no state, no events.

mod callback;
mod calls;
mod children;
pub(crate) mod diagnostic;
mod documents;
mod duration;
pub(crate) mod json_schema;
pub(crate) mod keys;
mod labels;
pub mod limits;
mod lints;
mod locks;
mod model;
pub(crate) mod node;
mod order;
mod pages;
mod parse;
mod pattern;
mod probe;
pub(crate) mod reader;
mod references;
mod schema;
mod services;
mod steps;
mod strict;
mod waits;
mod worst;

pub use children::{Known, check_children};
pub use diagnostic::{Diagnostic, Mark, Severity, code};
pub use duration::{parse as parse_duration, write as write_duration};
pub use json_schema::json_schema;
pub use model::{
    Await, Call, CallStep, ChildStep, Definition, Each, InputError, Kind, Method, Probe, Retry, Side, Step, StepIx,
    Undo, Wait,
};
pub use pages::{Page, explain, pages};
pub use parse::{Checked, parse};
pub use schema::InputSchema;
pub use services::Services;
pub use worst::{ServiceTimeout, WorstCase};
