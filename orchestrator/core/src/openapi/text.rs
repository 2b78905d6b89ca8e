//! The text of a document as a value. **It must never know** what a document is.

use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, NonFiniteFloatPolicy, Options};

use super::{Unreadable, unreadable};
use crate::definition::limits;

/// An alias of an alias multiplies: the nodes that come out are counted, too.
const ALIASES: usize = 10_000;

pub(super) fn read(text: &str) -> Result<Value, Unreadable> {
    if text.len() > limits::DOCUMENT_BYTES {
        let message = format!("{} bytes; the limit is {} MiB", text.len(), limits::DOCUMENT_BYTES / 1024 / 1024);
        return Err(unreadable("line 1", message));
    }
    let place = |line: u64, column: u64| format!("line {line}, column {column}");
    // JSON is YAML as well, but its own reader is faster by far and knows better what is wrong with it.
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| {
            let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
            unreadable(place(number(error.line()), number(error.column())), format!("no JSON: {error}"))
        });
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let at = error.location().map_or_else(|| "line 1".to_owned(), |at| place(at.line(), at.column()));
        unreadable(at, format!("no YAML that can be read: {}", error.without_snippet()))
    })
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(limits::DOCUMENT_BYTES),
            flow_nesting_limit: limits::DOCUMENT_DEPTH,
            max_depth: limits::DOCUMENT_DEPTH,
            max_nodes: limits::DOCUMENT_NODES,
            max_events: limits::DOCUMENT_NODES * 4,
            max_anchors: ALIASES,
            max_aliases: ALIASES,
            max_documents: 1,
            max_inclusion_depth: 0,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        with_snippet: false,
    }
}
