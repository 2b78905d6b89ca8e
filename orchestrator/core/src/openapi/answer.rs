//! Whether an answer has what an `output` reads of it.

use serde_json::{Map, Value};

use super::{
    Api,
    schema::{Looks, kinds},
};
use crate::expr::Segment as Step;

/// What a schema says of a place in the values that it describes. The greatest of several alternatives is what they say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Told {
    /// It cannot be there.
    Excluded,
    /// It is described what is there, and this is not among it.
    NotMentioned,
    /// It is there, or may be; or too little is understood.
    Perhaps,
}

/// What `schema` says of the place at `path`, as long as there are `looks` left.
pub(super) fn told(api: &Api, schema: &Value, path: &[Step], looks: &mut Looks) -> Told {
    Walk { api, looks }.told(schema, path, 0).unwrap_or(Told::Perhaps)
}

/// Schemas within schemas within references.
const DEPTH: usize = 64;
/// Words that say more about what is there than is understood here.
const BEYOND: [&str; 5] = ["if", "dependentSchemas", "$dynamicRef", "discriminator", "patternProperties"];

struct Walk<'a, 'l> {
    api: &'a Api,
    looks: &'l mut Looks,
}

impl<'a> Walk<'a, '_> {
    /// `None`: nothing at all.
    fn told(&mut self, schema: &'a Value, path: &[Step], depth: usize) -> Option<Told> {
        let Some((step, rest)) = path.split_first() else {
            return (*schema == Value::Bool(false)).then_some(Told::Excluded);
        };
        let schema = match schema {
            Value::Object(schema) => schema,
            Value::Bool(false) => return Some(Told::Excluded),
            _ => return Some(Told::Perhaps),
        };
        if depth > DEPTH || self.looks.spend(1).is_none() {
            return Some(Told::Perhaps);
        }
        let mut all = vec![];
        if let Some(reference) = schema.get("$ref") {
            let Some(target) = reference.as_str().and_then(|reference| self.api.target(reference)) else {
                return Some(Told::Perhaps);
            };
            all.extend(self.told(target, path, depth + 1));
            if self.api.old {
                return together(&all);
            }
        }
        if BEYOND.iter().any(|word| schema.contains_key(*word)) {
            all.push(Told::Perhaps);
        }
        all.extend(self.here(schema, step, rest, depth));
        let list = |key: &str| schema.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for schema in list("allOf") {
            all.extend(self.told(schema, path, depth + 1));
        }
        for alternatives in [list("anyOf"), list("oneOf")] {
            // One that says nothing allows everything.
            let each = alternatives.iter().map(|schema| self.told(schema, path, depth + 1).unwrap_or(Told::Perhaps));
            all.extend(each.collect::<Vec<_>>().into_iter().max());
        }
        together(&all)
    }

    /// By this schema alone.
    fn here(&mut self, schema: &'a Map<String, Value>, step: &Step, rest: &[Step], depth: usize) -> Option<Told> {
        let needed = match step {
            Step::Name(_) => "object",
            Step::Index(_) => "array",
        };
        if kinds(self.api, schema).is_some_and(|kinds| !kinds.contains(&needed)) {
            return Some(Told::Excluded);
        }
        match step {
            Step::Index(_) if schema.contains_key("prefixItems") => Some(Told::Perhaps),
            Step::Index(_) => self.told(schema.get("items")?, rest, depth + 1).or(Some(Told::Perhaps)),
            Step::Name(name) => {
                let properties = schema.get("properties").and_then(Value::as_object);
                let more = schema.get("additionalProperties");
                match (properties.and_then(|properties| properties.get(&**name)), more) {
                    (Some(property), _) => self.told(property, rest, depth + 1).or(Some(Told::Perhaps)),
                    (None, Some(Value::Bool(false))) if !schema.contains_key("patternProperties") => {
                        Some(Told::Excluded)
                    }
                    (None, Some(more @ Value::Object(_))) => self.told(more, rest, depth + 1).or(Some(Told::Perhaps)),
                    (None, Some(_)) => Some(Told::Perhaps),
                    (None, None) => properties.filter(|properties| !properties.is_empty()).map(|_| Told::NotMentioned),
                }
            }
        }
    }
}

/// What schemas say that all hold: what one of them excludes is excluded, what one of them may allow is not unmentioned.
fn together(all: &[Told]) -> Option<Told> {
    if all.contains(&Told::Excluded) { Some(Told::Excluded) } else { all.iter().copied().max() }
}
