//! What expressions see in an imagined run: known values, and those that hang on a reply.

use std::{cell::RefCell, collections::BTreeMap};

use serde_json::Value;

use super::Pretend;
use crate::{
    definition::Definition,
    event::Started,
    expr::{Budget, Expression, Segment, walk},
    ids::SagaId,
    render::start_value,
    time::Time,
};

/// A value as an imagined run sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    Known(Value),
    /// Nobody has said it yet.
    Unknown,
    /// There is none: the step was skipped, or its reply was lost.
    Absent,
}

/// The step whose call is rendered.
pub(super) struct Own<'a> {
    pub(super) step: &'a str,
    pub(super) output: Seen,
    pub(super) item: Option<(Seen, u32)>,
}

/// Texts that stand in requests for values that are not known. In the requests themselves they are words of letters and digits
/// that occur nowhere else, so that they pass through a path, a header and JSON unchanged.
#[derive(Debug)]
pub struct Placeholders {
    word: String,
    texts: RefCell<Vec<String>>,
}

impl Placeholders {
    pub(super) fn new(definition: &Definition, started: &Started, pretend: &Pretend) -> Self {
        let mut told = format!("{}{}", definition.source, started.input);
        for value in started.labels.values().chain(pretend.outputs.values()).chain(pretend.replies.values()) {
            told.push_str(&value.to_string());
        }
        let words = (0_u64..).map(|nonce| format!("unknown{nonce}x"));
        let word = words.into_iter().find(|word| !told.contains(word.as_str()));
        Self { word: word.unwrap_or_default(), texts: RefCell::default() }
    }

    /// The word for what this expression would give.
    fn word(&self, expression: &str) -> String {
        let mut texts = self.texts.borrow_mut();
        let nth = texts.iter().position(|text| text == expression).unwrap_or_else(|| {
            texts.push(expression.to_owned());
            texts.len() - 1
        });
        format!("{}{nth}z", self.word)
    }

    /// Whether a placeholder stands in it.
    pub fn occur_in(&self, text: &str) -> bool {
        text.contains(&self.word)
    }

    /// The text for people: `‹steps.ship.output.tracking›`.
    pub fn shown(&self, text: &str) -> String {
        let texts = self.texts.borrow();
        let mut shown = text.to_owned();
        for (nth, text) in texts.iter().enumerate() {
            shown = shown.replace(&format!("{}{nth}z", self.word), &format!("‹{text}›"));
        }
        shown
    }
}

pub(super) struct World<'a> {
    saga: SagaId,
    started: &'a Started,
    pub(super) at: Time,
    /// Of steps that were planned; the others are absent.
    outputs: BTreeMap<String, Seen>,
    placeholders: Placeholders,
}

impl<'a> World<'a> {
    pub(super) fn new(saga: SagaId, started: &'a Started, at: Time, placeholders: Placeholders) -> Self {
        Self { saga, started, at, outputs: BTreeMap::new(), placeholders }
    }

    pub(super) fn saga(&self) -> SagaId {
        self.saga
    }

    pub(super) fn started(&self) -> &'a Started {
        self.started
    }

    pub(super) fn into_placeholders(self) -> Placeholders {
        self.placeholders
    }

    pub(super) fn placeholders(&self) -> &Placeholders {
        &self.placeholders
    }

    pub(super) fn done(&mut self, step: &str, output: Seen) {
        self.outputs.insert(step.to_owned(), output);
    }

    /// The expression reads what is not known yet.
    pub(super) fn hangs(&self, own: Option<&Own<'_>>, expression: &Expression) -> bool {
        expression.paths().iter().any(|path| self.seen(own, &path.segments) == Seen::Unknown)
    }

    /// Its value, or a placeholder for it.
    pub(super) fn evaluate(
        &self,
        own: Option<&Own<'_>>,
        expression: &Expression,
        budget: &mut Budget,
    ) -> Result<Value, String> {
        if self.hangs(own, expression) {
            return Ok(Value::String(self.placeholders.word(expression.text())));
        }
        let seen = |path: &[Segment]| match self.seen(own, path) {
            Seen::Known(value) => Some(value),
            Seen::Unknown | Seen::Absent => None,
        };
        expression.evaluate_within(&seen, budget)
    }

    fn seen(&self, own: Option<&Own<'_>>, path: &[Segment]) -> Seen {
        let Some(Segment::Name(root)) = path.first() else { return Seen::Absent };
        match (&**root, &path[1..]) {
            ("item", rest) => below(own.and_then(|own| own.item.as_ref()).map(|(item, _)| item), rest),
            ("index", []) => {
                own.and_then(|own| own.item.as_ref()).map_or(Seen::Absent, |(_, index)| Seen::Known((*index).into()))
            }
            ("steps", [Segment::Name(step), Segment::Name(output), rest @ ..]) if &**output == "output" => {
                match own.filter(|own| own.step == &**step) {
                    Some(own) => below(Some(&own.output), rest),
                    None => below(self.outputs.get(&**step), rest),
                }
            }
            _ => start_value(self.saga, self.started, self.at, path).map_or(Seen::Absent, Seen::Known),
        }
    }
}

fn below(seen: Option<&Seen>, path: &[Segment]) -> Seen {
    match seen {
        Some(Seen::Known(value)) => walk(value, path).cloned().map_or(Seen::Absent, Seen::Known),
        Some(Seen::Unknown) => Seen::Unknown,
        Some(Seen::Absent) | None => Seen::Absent,
    }
}
