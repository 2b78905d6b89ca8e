//! What the rendering of one request, output or list may cost: bytes read and bytes made. A definition of a few kilobytes can
//! name a large input thousands of times, and fuel counts only what happens inside one expression.

use serde_json::Value;

use crate::definition::limits;

/// What is left.
pub(crate) struct Budget {
    read: usize,
    made: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { read: limits::READ_BYTES, made: limits::RENDERED_BYTES }
    }
}

impl Budget {
    /// This value is looked at.
    pub(super) fn read(&mut self, value: &Value) -> Result<(), String> {
        let message = || format!("it reads more than {} bytes", limits::READ_BYTES);
        self.read = self.read.checked_sub(weight(value)).ok_or_else(message)?;
        Ok(())
    }

    /// So many bytes are made.
    pub(super) fn make(&mut self, bytes: usize) -> Result<(), String> {
        let message = || format!("it is larger than {} bytes", limits::RENDERED_BYTES);
        self.made = self.made.checked_sub(bytes).ok_or_else(message)?;
        Ok(())
    }
}

/// About as many bytes as it has in JSON.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 4,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(weight).sum::<usize>() + 2,
        Value::Object(entries) => entries.iter().map(|(key, value)| key.len() + 4 + weight(value)).sum::<usize>() + 2,
    }
}
