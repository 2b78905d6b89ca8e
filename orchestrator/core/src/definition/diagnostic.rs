//! What is wrong with a definition, where, and how to mend it.

use std::fmt;

use serde::Serialize;

/// A place in the definition's text; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mark {
    pub line: u32,
    pub column: u32,
}

/// Whether it can be lived with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
}

/// One finding. The code is stable; the words are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub code: &'static str,
    pub severity: Severity,
    pub message: String,
    pub line: u32,
    pub column: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} {}", self.line, self.column, self.code, self.message)
    }
}

/// Stable codes. `E` refuses the definition, `W` does not.
pub mod code {
    /// Not YAML, or YAML that this language leaves out (anchors, aliases, tags, merges, several documents).
    pub const YAML: &str = "E0101";
    pub const TOO_LARGE: &str = "E0102";
    /// There is more wrong than is worth saying at once.
    pub const TOO_MANY: &str = "E0103";
    pub const UNKNOWN_KEY: &str = "E0201";
    pub const MISSING_KEY: &str = "E0202";
    pub const WRONG_TYPE: &str = "E0203";
    pub const BAD_NAME: &str = "E0204";
    pub const BAD_DURATION: &str = "E0205";
    pub const OUT_OF_RANGE: &str = "E0206";
    pub const BAD_SCHEMA: &str = "E0207";
    pub const BAD_TIME: &str = "E0209";
    pub const BAD_CALL: &str = "E0301";
    pub const HOST_IN_CALL: &str = "E0302";
    pub const UNKNOWN_SERVICE: &str = "E0303";
    pub const BAD_HEADER: &str = "E0304";
    pub const KINDS: &str = "E0305";
    pub const NO_COMPENSATION: &str = "E0306";
    pub const COMPENSATION_AFTER_PIVOT: &str = "E0307";
    pub const NO_REASON: &str = "E0308";
    pub const PIVOTS: &str = "E0309";
    pub const PIVOT_NOT_ORDERED: &str = "E0310";
    pub const MISSING_NEEDS: &str = "E0311";
    pub const UNKNOWN_NEED: &str = "E0312";
    pub const CYCLE: &str = "E0313";
    pub const UNLIMITED_WITHOUT_DEADLINE: &str = "E0314";
    pub const SECRET: &str = "E0315";
    /// Something that the pivot cannot have: it must be certain to run, and to run once.
    pub const NOT_AT_THE_PIVOT: &str = "E0316";
    /// A key that does not go with what the step does.
    pub const OF_ANOTHER_KIND: &str = "E0317";
    /// A probe that is no question, or a question to somebody else.
    pub const BAD_PROBE: &str = "E0318";
    /// What may have happened at the pivot, and must not be sent again, has to be asked after.
    pub const PIVOT_WITHOUT_PROBE: &str = "E0319";
    /// A saga that would run itself as a child, itself or through others.
    pub const OWN_DESCENDANT: &str = "E0320";
    /// A child with a pivot, before the parent's.
    pub const CHILD_WITH_PIVOT: &str = "E0321";
    /// A child with locks, of a parent without.
    pub const CHILD_WITH_LOCKS: &str = "E0322";
    /// A child that no definition describes.
    pub const UNKNOWN_CHILD: &str = "E0323";
    pub const BAD_EXPRESSION: &str = "E0401";
    pub const UNKNOWN_REFERENCE: &str = "E0402";
    pub const NOT_SUCCEEDED_BY_THEN: &str = "E0403";
    pub const NO_OUTPUT: &str = "E0404";
    pub const EXCLUDED_INPUT: &str = "E0405";
    pub const OWN_OUTPUT_WITHOUT_DEFAULT: &str = "E0406";
    /// The output of a step with `if`, without `default(...)`.
    pub const OUTPUT_MAY_BE_SKIPPED: &str = "E0407";
    /// A header in the `output` of an `async` step, without `default(...)`.
    pub const NO_HEADERS_IN_CALLBACK: &str = "E0409";
    /// From here on: what the OpenAPI document of the called service says.
    pub const PATH_NOT_THERE: &str = "E0701";
    pub const METHOD_NOT_THERE: &str = "E0702";
    pub const BODY_MISSING: &str = "E0703";
    pub const FIELD_MISSING: &str = "E0704";
    pub const FIELD_UNKNOWN: &str = "E0705";
    pub const VALUE_DOES_NOT_FIT: &str = "E0706";
    /// A header, or a part of the query.
    pub const PARAMETER_MISSING: &str = "E0707";
    /// An `output` reads what no answer has.
    pub const NOT_IN_ANSWER: &str = "E0708";
    pub const SERVICE_NOT_CHECKED: &str = "W0501";
    pub const INPUT_MAY_BE_MISSING: &str = "W0502";
    pub const INPUT_NOT_IN_SCHEMA: &str = "W0503";
    /// A child whose definition is not among what is checked.
    pub const CHILD_NOT_CHECKED: &str = "W0504";
    pub const ONLY_WITH_REPLY: &str = "W0601";
    pub const EMPTY_WITHOUT_REPLY: &str = "W0602";
    pub const DEADLINE_TOO_SHORT: &str = "W0603";
    pub const OUTPUT_UNUSED: &str = "W0604";
    pub const INPUT_UNUSED: &str = "W0605";
    pub const IDLE_RETRY: &str = "W0606";
    pub const DEFAULT_UNUSED: &str = "W0607";
    pub const TRANSIENT_SUCCESS: &str = "W0608";
    pub const GET_CHANGES_NOTHING: &str = "W0609";
    pub const NEEDLESS_DEFAULT: &str = "W0610";
    pub const DONE_AGAIN: &str = "W0611";
    pub const WAITS_FOR_A_PERSON: &str = "W0612";
    pub const LOCK_ACROSS_WAIT: &str = "W0620";
    pub const BODY_NOT_DECLARED: &str = "W0701";
    pub const ANSWER_NOT_MENTIONED: &str = "W0702";
}

/// So many errors are said at once, and so many warnings: beyond them nobody reads, and looking for hints takes time.
const MOST: usize = 100;

/// So many findings come with a guess at what was meant: it costs a comparison with every known word.
const GUESSED: usize = 20;

/// Gathers findings, so that one look at a definition shows all of them.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) list: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

impl Findings {
    pub(crate) fn error(&mut self, code: &'static str, at: Mark, message: impl Into<String>, hint: impl Into<String>) {
        if self.errors == MOST {
            self.errors += 1;
            let hint = "mend these first".to_owned();
            self.push(Severity::Error, code::TOO_MANY, at, format!("more than {MOST} mistakes"), hint);
        } else if self.errors < MOST {
            self.errors += usize::from(self.push(Severity::Error, code, at, message.into(), hint.into()));
        }
    }

    pub(crate) fn warn(&mut self, code: &'static str, at: Mark, message: impl Into<String>, hint: impl Into<String>) {
        if self.warnings < MOST {
            self.warnings += usize::from(self.push(Severity::Warning, code, at, message.into(), hint.into()));
        }
    }

    /// Nothing more will be said but that there is more.
    pub(crate) fn full(&self) -> bool {
        self.errors >= MOST
    }

    /// No more warnings will be said.
    pub(crate) fn warned_enough(&self) -> bool {
        self.warnings >= MOST
    }

    /// The nearest of `known` to a mistyped word, as long as anybody will read it.
    pub(crate) fn nearest<'a>(&self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        if self.errors + self.warnings >= GUESSED { None } else { nearest(word, known) }
    }

    /// Whether it is news.
    fn push(&mut self, severity: Severity, code: &'static str, at: Mark, message: String, hint: String) -> bool {
        let hint = Some(hint).filter(|hint| !hint.is_empty());
        let found = Diagnostic { code, severity, message, line: at.line, column: at.column, hint };
        let news = !self.list.contains(&found);
        if news {
            self.list.push(found);
        }
        news
    }
}

/// The nearest of `known` to a mistyped word, if it is near: at most a third of its letters differ.
fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .filter(|candidate| word.len().abs_diff(candidate.len()) <= candidate.len().max(3) / 3)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, a row at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word_and_a_stranger_finds_none() {
        assert_eq!(nearest("compensat", ["call", "compensate", "pivot"]), Some("compensate"));
        assert_eq!(nearest("retries", ["call", "compensate", "pivot"]), None);
    }
}
