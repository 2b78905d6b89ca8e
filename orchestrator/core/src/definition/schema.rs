//! The `input` schema: JSON Schema 2020-12, compiled once, without any reach outside the document.

use std::fmt;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use super::model::InputError;

/// At most so many findings for one input; the first ones tell the story.
const INPUT_ERRORS: usize = 32;

/// A compiled pattern; what is larger takes long to compile and long to run.
const PATTERN_BYTES: usize = 4 * 1024 * 1024;

/// A compiled schema.
pub struct InputSchema {
    pub schema: Value,
    validator: Validator,
}

impl InputSchema {
    /// Compiles a schema. Patterns run on an engine without backtracking, so no pattern can hang the server.
    ///
    /// # Errors
    /// What is wrong with it; a reference that leaves the document among it.
    pub(crate) fn compile(schema: Value) -> Result<Self, String> {
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES))
            .should_validate_formats(true)
            .build(&schema)
            .map_err(|error| error.to_string())?;
        Ok(Self { schema, validator })
    }

    pub(super) fn check(&self, input: &Value) -> Result<(), Vec<InputError>> {
        let errors: Vec<_> = self
            .validator
            .iter_errors(input)
            .take(INPUT_ERRORS)
            .map(|error| InputError { pointer: error.instance_path().to_string(), message: error.to_string() })
            .collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

impl fmt::Debug for InputSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.schema.fmt(f)
    }
}
