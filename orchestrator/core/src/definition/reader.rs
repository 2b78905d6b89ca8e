//! Reading one node as something: the small checks that every part of a definition shares.

use std::{collections::BTreeSet, time::Duration};

use super::{
    diagnostic::{Findings, Mark, code},
    duration,
    keys::Keys,
    limits,
    node::{Key, Node, Tree},
    services::Services,
    strict::Scalars,
};
use crate::expr::{Expression, Piece, Template, opening, parse_pieces};

/// Reads nodes and gathers findings.
pub(crate) struct Reader<'s> {
    pub(crate) source: &'s str,
    /// The catalogue's services; `None`: there is no catalogue here.
    pub(crate) services: Option<&'s Services>,
    pub(crate) findings: Findings,
    pub(crate) scalars: Scalars,
    /// Services that it has been said of that there is no catalogue to look them up in.
    pub(crate) not_looked_up: BTreeSet<String>,
}

/// The entries of a map whose keys have been checked.
pub(crate) struct Fields<'n> {
    pub(crate) at: Mark,
    entries: &'n [(Key, Node)],
}

impl<'n> Fields<'n> {
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// Where the key stands.
    pub(crate) fn key_at(&self, name: &str) -> Mark {
        self.entries.iter().find(|(key, _)| key.name == name).map_or(self.at, |(key, _)| key.at)
    }
}

impl Reader<'_> {
    pub(crate) fn error(&mut self, code: &'static str, at: Mark, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.error(code, at, message, hint);
    }

    /// A map with no unknown key and every required one.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, keys: &Keys) -> Option<Fields<'n>> {
        let Tree::Map(entries) = &node.value else {
            let hint = format!("its keys: {}", names(keys).join(", "));
            self.error(code::WRONG_TYPE, node.at, format!("{} is a map, not {}", keys.what, node.what()), hint);
            return None;
        };
        for (key, _) in entries {
            let name = key.name.as_str();
            if !keys.known.iter().any(|known| known.name == name) {
                let hint = match self.findings.nearest(name, names(keys)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("its keys: {}", names(keys).join(", ")),
                };
                self.error(code::UNKNOWN_KEY, key.at, format!("{} has no key `{name}`", keys.what), hint);
            }
        }
        for missing in keys.known.iter().filter(|key| key.required && !entries.iter().any(|(k, _)| k.name == key.name))
        {
            let message = format!("{} needs `{}`", keys.what, missing.name);
            self.error(code::MISSING_KEY, node.at, message, missing.doc);
        }
        Some(Fields { at: node.at, entries })
    }

    pub(crate) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            Tree::Text(text) => Some(text),
            _ => {
                let message = format!("{what} is a text, not {}", node.what());
                self.error(code::WRONG_TYPE, node.at, message, "put it in quotes");
                None
            }
        }
    }

    pub(crate) fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        match node.value {
            Tree::Bool(value) => Some(value),
            _ => {
                let message = format!("{what} is `true` or `false`, not {}", node.what());
                self.error(code::WRONG_TYPE, node.at, message, format!("{what}: true"));
                None
            }
        }
    }

    pub(crate) fn integer(&mut self, node: &Node, what: &str, least: u32, most: u32) -> Option<u32> {
        let number = match &node.value {
            Tree::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()),
            _ => {
                let message = format!("{what} is a whole number, not {}", node.what());
                self.error(
                    code::WRONG_TYPE,
                    node.at,
                    message,
                    format!("a number from {least} to {most}, without quotes"),
                );
                return None;
            }
        };
        let fits = number.filter(|n| (least..=most).contains(n));
        if fits.is_none() {
            let hint = format!("a whole number from {least} to {most}");
            self.error(code::OUT_OF_RANGE, node.at, format!("{what} must be from {least} to {most}"), hint);
        }
        fits
    }

    /// A duration above zero and at most `most`.
    pub(crate) fn duration(&mut self, node: &Node, what: &str, most: Duration) -> Option<Duration> {
        let text = match &node.value {
            Tree::Text(text) => text.clone(),
            Tree::Number(number) => number.to_string(),
            _ => {
                let message = format!("{what} is a duration, not {}", node.what());
                self.error(code::WRONG_TYPE, node.at, message, "write 250ms, 30s, 5m, 2h, 7d or PT1H30M");
                return None;
            }
        };
        match duration::parse(&text) {
            Err(hint) => {
                self.error(code::BAD_DURATION, node.at, format!("{what}: `{text}` is no duration"), hint);
                None
            }
            Ok(duration) if duration.is_zero() || duration > most => {
                let message = format!("{what}: `{text}` is out of range");
                self.error(code::OUT_OF_RANGE, node.at, message, format!("above zero, at most {} s", most.as_secs()));
                None
            }
            Ok(duration) => Some(duration),
        }
    }

    /// A name that can stand in headers, keys and paths.
    pub(crate) fn name(&mut self, text: &str, at: Mark, what: &str, dots: bool) -> bool {
        let fits = !text.is_empty()
            && text.len() <= limits::NAME_BYTES
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-' || (dots && c == '.'));
        if !fits {
            let marks = if dots { "`-`, `_` and `.`" } else { "`-` and `_`" };
            let message = format!("`{}` is no name for {what}", text.chars().take(80).collect::<String>());
            let hint = format!("a letter, then letters, digits, {marks}; at most {} bytes", limits::NAME_BYTES);
            self.error(code::BAD_NAME, at, message, hint);
        }
        fits
    }

    /// A JSON value in which expressions may stand.
    pub(crate) fn template(&mut self, node: &Node) -> Option<Template> {
        match &node.value {
            Tree::Text(text) => match Template::parse_text(text) {
                Ok(template) => Some(template),
                Err((nth, refusal)) => {
                    let offset = opening(text, nth) + refusal.offset;
                    self.bad_expression(node.at, text, offset, refusal.message);
                    None
                }
            },
            Tree::List(items) => {
                let items: Vec<_> = items.iter().map(|item| self.template(item)).collect();
                items.into_iter().collect::<Option<_>>().map(Template::List)
            }
            Tree::Map(entries) => {
                let mut map = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    if key.name.contains("${{") {
                        self.error(
                            code::BAD_EXPRESSION,
                            key.at,
                            "an expression cannot stand in a key",
                            "keys are fixed; put it into the value",
                        );
                    }
                    map.push(self.template(value).map(|value| (key.name.clone(), value)));
                }
                map.into_iter().collect::<Option<_>>().map(Template::Map)
            }
            Tree::Null | Tree::Bool(_) | Tree::Number(_) => Some(Template::Literal(node.to_json())),
        }
    }

    /// One expression and nothing beside it: `${{ … }}`.
    pub(crate) fn expression(&mut self, node: &Node, what: &str) -> Option<Expression> {
        match self.template(node)? {
            Template::Whole(expression) => Some(expression),
            _ => {
                let message = format!("{what} is one expression");
                self.error(code::WRONG_TYPE, node.at, message, format!("{what}: \"${{{{ … }}}}\""));
                None
            }
        }
    }

    /// The end of a text from byte `from` on, in which expressions may stand, in pieces.
    pub(crate) fn pieces(&mut self, text: &str, from: usize, at: Mark) -> Option<Vec<Piece>> {
        let part = text[from..].trim_end();
        match parse_pieces(part) {
            Ok(pieces) => Some(pieces),
            Err((nth, refusal)) => {
                let offset = from + opening(part, nth) + refusal.offset;
                self.bad_expression(at, text, offset, refusal.message);
                None
            }
        }
    }

    fn bad_expression(&mut self, at: Mark, text: &str, offset: usize, message: String) {
        let place = self.place(at, text, offset);
        self.error(code::BAD_EXPRESSION, place, message, "see the language's page on expressions");
    }

    /// Where byte `offset` of the value `text` of the scalar at `scalar` stands in the source.
    pub(crate) fn place(&self, scalar: Mark, text: &str, offset: usize) -> Mark {
        self.scalars.place(self.source, scalar, text, offset)
    }
}

/// A hint with the nearest word, or without one.
pub(crate) fn did_you_mean(near: Option<&str>, or: impl FnOnce() -> String) -> String {
    near.map_or_else(or, |near| format!("did you mean `{near}`?"))
}

fn names(keys: &Keys) -> Vec<&'static str> {
    keys.known.iter().map(|key| key.name).collect()
}
