//! `${{ … }}`: small, total expressions over a saga's data.
//!
//! Parsing and arithmetic are minijinja's; what is ours is the scanner, the restriction to a small language (paths,
//! literals, arithmetic, comparison, `and/or/not`, a few filters), and strictness: a missing value is an error unless a
//! `default(...)` stands right behind it. Bounded in time and memory by minijinja's fuel and by `definition::limits`.
//! **It must never know** a clock, dice or IO; what a step is.

mod budget;
mod expression;
mod filters;
mod template;
mod tokens;

use serde_json::Value;

pub(crate) use budget::Budget;
pub use expression::Expression;
pub use template::{Piece, Template};
pub(crate) use template::{opening, parse_pieces, written};
pub use tokens::{PathUse, Refusal, Segment};

/// What an expression can see: answers the value at a path whose first segment is one of the language's names (`input`,
/// `saga`, `steps`, …), or `None` where there is none.
pub type Lookup<'a> = dyn Fn(&[Segment]) -> Option<Value> + 'a;

/// What an expression gives: as a rule [`Expression::evaluate_within`] with a [`Lookup`]. A plan says it otherwise for what is not known yet.
pub(crate) type Evaluate<'a> = dyn Fn(&Expression, &mut Budget) -> Result<Value, String> + 'a;

/// Follows `path` into a value.
pub fn walk<'v>(value: &'v Value, path: &[Segment]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Name(name) => value.get(&**name),
        Segment::Index(index) => value.get(*index),
    })
}
