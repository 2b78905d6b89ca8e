//! Cuts an expression into tokens, refuses what the small language leaves out, and finds every path it reads.

use std::{fmt, sync::Arc};

use crate::definition::limits;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    Name(Arc<str>),
    Index(usize),
}

/// A path that an expression reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathUse {
    pub segments: Vec<Segment>,
    /// `default(...)` stands right behind it: it may be missing.
    pub guarded: bool,
    /// Bytes from the start of the expression.
    pub offset: usize,
}

impl PathUse {
    /// It begins with this name.
    pub(super) fn is_in(&self, name: &str) -> bool {
        matches!(self.segments.first(), Some(Segment::Name(first)) if &**first == name)
    }
}

impl fmt::Display for PathUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Name(name) if nth == 0 => write!(f, "{name}")?,
                Segment::Name(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Why a text is not an expression: what, and how many bytes from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub offset: usize,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Number(&'a str),
    Text(&'a str),
    Mark(&'static str),
}

const WORDS: [&str; 11] = ["and", "or", "not", "in", "if", "else", "true", "false", "none", "null", "is"];
const MARKS: [&str; 21] =
    ["==", "!=", "<=", ">=", "//", "**", "(", ")", "[", "]", "|", ",", ".", "+", "-", "*", "/", "%", "~", "<", ">"];

/// The paths an expression reads, in order.
///
/// # Errors
/// Anything outside the small language.
pub(super) fn paths(text: &str) -> Result<Vec<PathUse>, Refusal> {
    if text.len() > limits::EXPRESSION_BYTES {
        let message = format!("the expression has {} bytes; the limit is {}", text.len(), limits::EXPRESSION_BYTES);
        return Err(Refusal { offset: 0, message });
    }
    let tokens = tokens(text)?;
    let refuse = |at: usize, message: &str| {
        let offset = tokens.get(at).map_or(text.len(), |(offset, _)| *offset);
        Err(Refusal { offset, message: message.to_owned() })
    };
    let mark = |at: usize, mark: &str| matches!(tokens.get(at), Some((_, Token::Mark(found))) if *found == mark);
    let mut found = Vec::new();
    let (mut at, mut depth) = (0, 0_usize);
    while at < tokens.len() {
        match &tokens[at].1 {
            Token::Mark("(" | "[") => {
                depth += 1;
                if depth > limits::EXPRESSION_DEPTH {
                    return refuse(at, "too many nested parentheses");
                }
            }
            Token::Mark(")" | "]") => {
                depth = depth.saturating_sub(1);
                if mark(at + 1, ".") || mark(at + 1, "[") {
                    return refuse(at + 1, "a member can only be taken from a path: write the whole path");
                }
            }
            Token::Mark("**") => return refuse(at, "`**` is not part of the language"),
            Token::Mark("|") => {
                let Some((_, Token::Word(_))) = tokens.get(at + 1) else {
                    return refuse(at + 1, "the name of a filter is expected behind `|`");
                };
                if matches!(tokens[at + 1].1, Token::Word("default")) && !mark(at + 2, "(") {
                    return refuse(at + 1, "`default` needs a value: default(...)");
                }
                at += 1;
            }
            Token::Word("is") => return refuse(at, "`is` is not part of the language; use default(...) or =="),
            Token::Word(word) if !WORDS.contains(word) => {
                let (path, next) = path(&tokens, at, word)?;
                if mark(next, "(") {
                    return refuse(next, "there are no functions, only filters: `value | filter`");
                }
                let guarded = mark(next, "|") && matches!(tokens.get(next + 1), Some((_, Token::Word("default"))));
                found.push(PathUse { segments: path, guarded, offset: tokens[at].0 });
                at = next;
                continue;
            }
            Token::Word(_) | Token::Number(_) | Token::Text(_) | Token::Mark(_) => {}
        }
        at += 1;
    }
    if tokens.is_empty() { refuse(0, "an expression is expected between `${{` and `}}`") } else { Ok(found) }
}

/// The path that begins with `word` at token `at`, and the token behind it.
fn path(tokens: &[(usize, Token<'_>)], mut at: usize, word: &str) -> Result<(Vec<Segment>, usize), Refusal> {
    let mut segments = vec![Segment::Name(word.into())];
    at += 1;
    loop {
        let refuse = |at: usize, message: &str| {
            let offset = tokens.get(at).or_else(|| tokens.last()).map_or(0, |(offset, _)| *offset);
            Err(Refusal { offset, message: message.to_owned() })
        };
        match tokens.get(at).map(|(_, token)| token) {
            Some(Token::Mark(".")) => {
                let Some((_, Token::Word(name))) = tokens.get(at + 1) else {
                    return refuse(at + 1, "a name is expected behind `.`");
                };
                segments.push(Segment::Name((*name).into()));
                at += 2;
            }
            Some(Token::Mark("[")) => {
                let segment = match (tokens.get(at + 1), tokens.get(at + 2)) {
                    (Some((_, Token::Text(name))), Some((_, Token::Mark("]")))) => Some(Segment::Name((*name).into())),
                    (Some((_, Token::Number(index))), Some((_, Token::Mark("]")))) => {
                        index.parse().ok().map(Segment::Index)
                    }
                    _ => None,
                };
                let Some(segment) = segment else {
                    return refuse(at + 1, "only a literal stands in brackets: `['name']` or `[0]`");
                };
                segments.push(segment);
                at += 3;
            }
            _ => return Ok((segments, at)),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, Refusal> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = rest.find(|c| !word(c)).unwrap_or(rest.len());
            tokens.push((at, Token::Word(&rest[..length])));
            length
        } else if first.is_ascii_digit() {
            let length = number_length(rest);
            tokens.push((at, Token::Number(&rest[..length])));
            length
        } else if first == '\'' || first == '"' {
            let Some(end) = rest[1..].find(first) else {
                return Err(Refusal { offset: at, message: "the text is not closed".to_owned() });
            };
            if rest[1..=end].contains('\\') {
                return Err(Refusal { offset: at, message: "no escapes in texts; use the other quotes".to_owned() });
            }
            tokens.push((at, Token::Text(&rest[1..=end])));
            end + 2
        } else if let Some(mark) = MARKS.into_iter().find(|mark| rest.starts_with(mark)) {
            tokens.push((at, Token::Mark(mark)));
            mark.len()
        } else {
            return Err(Refusal { offset: at, message: format!("`{first}` is not part of the language") });
        };
        at += length;
    }
    Ok(tokens)
}

/// Digits, and a fraction if a digit follows the dot.
fn number_length(text: &str) -> usize {
    let digits = |from: &str| from.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text);
    let fraction = text[whole..].strip_prefix('.').map_or(0, digits);
    if fraction > 0 { whole + 1 + fraction } else { whole }
}
