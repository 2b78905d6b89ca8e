//! A finding in a definition, shown in its source.
//!
//! Who calls it: `check` (findings of core), `definitions register` (findings of a server), `serve` (of its folder).

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use crate::style::Style;

/// One finding with its file: what `--format json` lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) code: String,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

/// Whether it can be lived with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    Error,
    Warning,
}

impl Finding {
    /// A finding of core in this file.
    pub(crate) fn of_core(file: &str, found: amends_core::definition::Diagnostic) -> Self {
        let severity = match found.severity {
            amends_core::definition::Severity::Error => Severity::Error,
            amends_core::definition::Severity::Warning => Severity::Warning,
        };
        Self {
            code: found.code.to_owned(),
            severity,
            message: found.message,
            file: file.to_owned(),
            line: found.line,
            column: found.column,
            hint: found.hint,
        }
    }
}

/// The finding with the line it is about, a caret below it and how to mend it.
pub(crate) fn render(finding: &Finding, source: &str, style: Style) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let span = span(source, finding.line, finding.column);
    let snippet = Snippet::source(source).path(finding.file.as_str()).annotation(AnnotationKind::Primary.span(span));
    let mut group = level.primary_title(finding.message.as_str()).id(finding.code.as_str()).element(snippet);
    if let Some(hint) = &finding.hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    // A server of another version may have said a code that this program does not know.
    let more = format!("for more: amends explain {}", finding.code);
    if amends_core::definition::explain(&finding.code).is_some() {
        group = group.element(Level::NOTE.message(more.as_str()));
    }
    let renderer = if style.is_colour() { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// From the place to the end of its word, in bytes. A place behind the text is its end.
fn span(source: &str, line: u32, column: u32) -> std::ops::Range<usize> {
    let before: usize = source.split_inclusive('\n').take(line.saturating_sub(1) as usize).map(str::len).sum();
    let text = source[before..].split('\n').next().unwrap_or_default().trim_end_matches('\r');
    let offset = text.char_indices().nth(column.saturating_sub(1) as usize).map_or(text.len(), |(at, _)| at);
    let rest = &text[offset..];
    let word = rest.split([' ', ',', '}', ']', '#']).next().unwrap_or_default();
    // A key is marked without its colon, and a place always shows at least its character.
    let word = word.trim_end_matches(':').len().max(rest.chars().next().map_or(0, char::len_utf8));
    before + offset..before + offset + word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_in_bytes_though_columns_are_characters() {
        let source = "saga: x\n  ü: open, rest\n";
        assert_eq!(&source[span(source, 1, 1)], "saga");
        assert_eq!(&source[span(source, 2, 3)], "ü");
        assert_eq!(&source[span(source, 2, 6)], "open");
        assert_eq!(span(source, 2, 99), 24..24);
        assert_eq!(span(source, 99, 1), source.len()..source.len());
        assert_eq!(span("", 1, 1), 0..0);
    }
}
