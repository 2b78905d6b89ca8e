//! Whether a value is as expected: of maps only what is expected is compared, and the text `*` fits everything.

use std::fmt;

use serde_json::Value;

/// The first place that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Misfit {
    /// A JSON pointer; empty for the whole.
    pub pointer: String,
    pub expected: Value,
    pub found: Value,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at `{}` expected {}, found {}", self.pointer, self.expected, self.found)
    }
}

/// Where `found` is not as `expected`.
///
/// # Errors
/// The first place that differs.
pub fn fits(expected: &Value, found: &Value) -> Result<(), Misfit> {
    fits_at(expected, found, "")
}

fn fits_at(expected: &Value, found: &Value, at: &str) -> Result<(), Misfit> {
    match (expected, found) {
        (Value::String(any), _) if any == "*" => Ok(()),
        (Value::Object(expected), Value::Object(found)) => expected.iter().try_for_each(|(key, value)| {
            fits_at(value, found.get(key).unwrap_or(&Value::Null), &format!("{at}/{key}"))
        }),
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            let pairs = expected.iter().zip(found).enumerate();
            pairs.into_iter().try_for_each(|(nth, (expected, found))| fits_at(expected, found, &format!("{at}/{nth}")))
        }
        _ if expected == found => Ok(()),
        _ => Err(Misfit { pointer: at.to_owned(), expected: expected.clone(), found: found.clone() }),
    }
}
