//! The YAML that is left out here, found before anything is made of it, and where every scalar stands.
//!
//! Why a pass of its own: the reader of values stops at the first thing it dislikes, in its own words; and it forgets how
//! a scalar was written, which is needed to point *into* one. **It must never know** what a key means.

use std::{collections::BTreeMap, ops::Range};

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Span};

use super::{
    diagnostic::{Findings, Mark, code},
    limits,
};

/// Where scalars stand in a source, by where they begin.
#[derive(Debug, Default)]
pub(crate) struct Scalars(BTreeMap<Mark, Scalar>);

#[derive(Debug)]
struct Scalar {
    bytes: Range<usize>,
    style: ScalarStyle,
}

/// Walks over a source. `None`: there is something in it that the language leaves out, and it has been said.
pub(crate) fn check(source: &str, findings: &mut Findings) -> Option<Scalars> {
    let mut options = Options::default();
    options.disallow_directives = true;
    options.emit_anchor_events = true;
    options.emit_unresolved_aliases = true;
    let mut scalars = BTreeMap::new();
    let (mut depth, mut nodes, mut documents, mut refused) = (0_usize, 0_usize, 0_usize, false);
    let mut refuse = |at: Mark, message: &str, hint: &str| {
        findings.error(code::YAML, at, message, hint);
        refused = true;
    };
    // YAML begins a new line there, and most editors and tools do not: no place behind it could be pointed at.
    if let Some(at) = lone_return(source) {
        refuse(mark_of(source, at), "a carriage return without a line feed", "end lines with a line feed");
        return None;
    }
    for step in Parser::new_from_str_with_options(source, options) {
        let (event, span) = match step {
            Ok(step) => step,
            Err(error) => {
                let (message, hint) = syntax(&error);
                refuse(mark(error.marker()), &message, hint);
                break;
            }
        };
        let at = mark(&span.start);
        if event.tag().is_some() {
            let at = span.tag_start.as_ref().map_or(at, mark);
            refuse(at, "a tag", "leave it out, and quote what should be a text");
        }
        match &event {
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                refuse(at, "an alias", "write the value out where it is used: a definition is read from top to bottom");
            }
            Event::Anchor(..) => refuse(at, "an anchor", "leave it out, and write the value out where it is used"),
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    refuse(at, "a second document", "one file is one definition: take the `---` out");
                    break;
                }
            }
            Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
            Event::MappingEnd | Event::SequenceEnd => depth = depth.saturating_sub(1),
            Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<" => {
                refuse(at, "a merge key", "write the keys out: a definition is read from top to bottom");
            }
            Event::Scalar(..) => {}
            _ => {}
        }
        nodes += usize::from(event.is_node());
        if depth > limits::DEPTH {
            refuse(at, &format!("more than {} maps and lists inside each other", limits::DEPTH), "make it flatter");
            break;
        }
        if nodes > limits::NODES {
            let hint = "a definition of this size is better several sagas";
            refuse(at, &format!("more than {} keys, values and items", limits::NODES), hint);
            break;
        }
        if let (Some((_, style)), Some(bytes)) = (event.scalar(), bytes(&span)) {
            scalars.insert(at, Scalar { bytes, style });
        }
    }
    (!refused).then_some(Scalars(scalars))
}

fn lone_return(source: &str) -> Option<usize> {
    let bytes = source.as_bytes();
    (0..bytes.len()).find(|at| bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
}

fn bytes(span: &Span) -> Option<Range<usize>> {
    Some(span.start.byte_offset()?..span.end.byte_offset()?)
}

fn mark(marker: &granit_parser::Marker) -> Mark {
    let number = |n: usize| u32::try_from(n.max(1)).unwrap_or(u32::MAX);
    Mark { line: number(marker.line()), column: number(marker.col() + 1) }
}

/// What is no YAML, in our words where writers often meet it.
fn syntax(error: &ScanError) -> (String, &'static str) {
    let (message, hint) = match error.kind() {
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
            ("a tab where spaces are expected", "indent with spaces")
        }
        ErrorKind::DirectiveDisallowed => ("a directive", "leave lines that begin with `%` out"),
        ErrorKind::RecursionLimitExceeded => ("too many maps and lists inside each other", "make it flatter"),
        ErrorKind::UnclosedQuotedScalar => ("this text is not closed", "close it with the quote it began with"),
        ErrorKind::UnclosedFlowCollection { open: '[' } => ("this list is not closed", "close it with `]`"),
        ErrorKind::UnclosedFlowCollection { .. } => ("this map is not closed", "close it with `}`"),
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
            ("a `:` where no value can begin", "put a text that contains `: ` in quotes")
        }
        ErrorKind::UnexpectedCharacter { character: '@' | '`' } => {
            ("a plain text cannot begin with this", "put the text in quotes")
        }
        other => return (format!("not YAML: {other}"), "quote texts with special characters; check the indentation"),
    };
    (message.to_owned(), hint)
}

impl Scalars {
    /// Where byte `offset` of the value `text` of the scalar at `at` stands in the source. Quotes, escapes, folding and
    /// indentation make the two differ: both are walked side by side. If they part, it is where the scalar begins.
    pub(crate) fn place(&self, source: &str, at: Mark, text: &str, offset: usize) -> Mark {
        self.0.get(&at).and_then(|scalar| scalar.find(source, text, offset)).map_or(at, |byte| mark_of(source, byte))
    }
}

impl Scalar {
    fn find(&self, source: &str, text: &str, offset: usize) -> Option<usize> {
        let raw = source.get(self.bytes.clone())?;
        let mut at = match self.style {
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
            ScalarStyle::Literal | ScalarStyle::Folded if raw.starts_with(['|', '>']) => raw.find('\n')? + 1,
            ScalarStyle::Literal | ScalarStyle::Folded | ScalarStyle::Plain => 0,
        };
        for (passed, wanted) in text.char_indices() {
            at += left_out(raw.get(at..)?, wanted, self.style);
            if passed >= offset {
                break;
            }
            at += taken(raw.get(at..)?, wanted, self.style)?;
        }
        Some(self.bytes.start + at)
    }
}

/// Bytes of the source in front of `wanted` that its value does not have.
fn left_out(raw: &str, wanted: char, style: ScalarStyle) -> usize {
    let mut rest = raw;
    if style == ScalarStyle::DoubleQuoted {
        while let Some(next) = rest.strip_prefix("\\\n").or_else(|| rest.strip_prefix("\\\r\n")) {
            rest = next.trim_start();
        }
    }
    if !wanted.is_whitespace() {
        rest = rest.trim_start();
    }
    raw.len() - rest.len()
}

/// Bytes of the source that became `wanted`.
fn taken(raw: &str, wanted: char, style: ScalarStyle) -> Option<usize> {
    let first = raw.chars().next()?;
    match style {
        ScalarStyle::SingleQuoted if wanted == '\'' && raw.starts_with("''") => Some(2),
        ScalarStyle::DoubleQuoted if first == '\\' => Some(match raw.chars().nth(1)? {
            'x' => 4,
            'u' => 6,
            'U' => 10,
            other => 1 + other.len_utf8(),
        }),
        _ if first == wanted => Some(first.len_utf8()),
        // A folded line break with its indentation is one space of the value.
        _ if wanted.is_whitespace() => Some(raw.len() - raw.trim_start().len()),
        _ => None,
    }
}

/// The mark of a byte offset.
fn mark_of(source: &str, offset: usize) -> Mark {
    let before = &source[..offset.min(source.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Mark { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
}
