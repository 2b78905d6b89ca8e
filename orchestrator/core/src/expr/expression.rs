//! One expression: compiled once, evaluated often.

use std::{collections::BTreeMap, fmt};

use minijinja::{
    Value as Jinja,
    value::{Serde, ValueKind},
};
use serde_json::Value;

use super::{
    Lookup,
    budget::{Budget, weight},
    filters::{ENVIRONMENT, NAMES},
    tokens::{PathUse, Refusal, Segment, paths},
};

/// A compiled expression.
pub struct Expression {
    text: String,
    paths: Vec<PathUse>,
    /// `None`: the expression is nothing but its one path, and needs no machine.
    compiled: Option<minijinja::Expression<'static, 'static>>,
}

impl Expression {
    /// Compiles the text between `${{` and `}}`.
    ///
    /// # Errors
    /// Says what is outside the language, and where.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let paths = paths(text)?;
        let compiled = match &paths[..] {
            [path] if !path.guarded && path.to_string() == text.trim() => None,
            _ => Some(ENVIRONMENT.compile_expression_owned(text.to_owned()).map_err(|error| Refusal {
                offset: 0,
                message: error.detail().map_or_else(|| error.to_string(), str::to_owned),
            })?),
        };
        if let Some(compiled) = &compiled {
            // A word of the language where a value is expected is a variable to minijinja, and would be missing for ever.
            let known = |name: &String| name == "null" || paths.iter().any(|path| path.is_in(name));
            if let Some(stray) = compiled.undeclared_variables(false).into_iter().find(|name| !known(name)) {
                return Err(Refusal { offset: 0, message: format!("`{stray}` cannot stand here") });
            }
        }
        let parsed = Self { text: text.trim().to_owned(), paths, compiled };
        parsed.refuse_unknown_filters(text)?;
        Ok(parsed)
    }

    /// minijinja finds an unknown filter only when it runs; the writer should hear of it before.
    fn refuse_unknown_filters(&self, text: &str) -> Result<(), Refusal> {
        let mut quoted = None;
        for (offset, c) in text.char_indices() {
            match (quoted, c) {
                (None, '\'' | '"') => quoted = Some(c),
                (Some(open), c) if open == c => quoted = None,
                (None, '|') => {
                    let name = text[offset + 1..].trim_start();
                    let name = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
                    if !NAMES.contains(&name) {
                        let message = format!("there is no filter `{name}`; there are {}", NAMES.join(", "));
                        return Err(Refusal { offset, message });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// As written between `${{` and `}}`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The paths it reads.
    pub fn paths(&self) -> &[PathUse] {
        &self.paths
    }

    /// Its value.
    ///
    /// # Errors
    /// A missing value without a default, operands that do not fit, out of fuel, or larger than anything may be.
    pub fn evaluate(&self, lookup: &Lookup<'_>) -> Result<Value, String> {
        self.evaluate_within(lookup, &mut Budget::default())
    }

    /// As [`Self::evaluate`], of a budget that is shared with others.
    pub(crate) fn evaluate_within(&self, lookup: &Lookup<'_>, budget: &mut Budget) -> Result<Value, String> {
        let mut seen = Branch::default();
        let mut read: Vec<&[Segment]> = Vec::new();
        for path in &self.paths {
            if read.contains(&&path.segments[..]) {
                continue;
            }
            match lookup(&path.segments) {
                Some(value) => {
                    budget.read(&value)?;
                    if self.compiled.is_none() {
                        budget.make(weight(&value))?;
                        return Ok(value);
                    }
                    seen.put(&path.segments, Jinja::from(Serde(&value)));
                    read.push(&path.segments);
                }
                None if path.guarded => {}
                None => return Err(format!("`{path}` has no value here")),
            }
        }
        let compiled = self.compiled.as_ref().expect("invariant: a lone path was answered above");
        let value = compiled.eval(seen.into_value()).map_err(|error| format!("`{}`: {error}", self.text))?;
        if value.is_undefined() {
            return Err(format!("`{}` has no value here", self.text));
        }
        to_json(&value, budget).map_err(|why| format!("`{}`: {why}", self.text))
    }
}

/// A list may hold the same large value many times without costing anything, until it is written out: so it is counted
/// while it is.
fn to_json(value: &Jinja, budget: &mut Budget) -> Result<Value, String> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            budget.make(2)?;
            let items = value.try_iter().map_err(|error| error.to_string())?;
            items.map(|item| to_json(&item, budget)).collect()
        }
        ValueKind::Map => {
            budget.make(2)?;
            let mut map = serde_json::Map::new();
            for key in value.try_iter().map_err(|error| error.to_string())? {
                let below = value.get_item(&key).map_err(|error| error.to_string())?;
                let name = key.to_string();
                budget.make(name.len() + 4)?;
                map.insert(name, to_json(&below, budget)?);
            }
            Ok(Value::Object(map))
        }
        kind => {
            let json = serde_json::to_value(value).map_err(|error| error.to_string())?;
            // JSON has no word for them, and `null` is not what was meant.
            if kind == ValueKind::Number && json.is_null() {
                return Err("no finite number".to_owned());
            }
            budget.make(weight(&json))?;
            Ok(json)
        }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${{{{ {} }}}}", self.text)
    }
}

/// The part of the world that one expression reads, as a tree.
#[derive(Default)]
struct Branch {
    value: Option<Jinja>,
    below: BTreeMap<String, Branch>,
    items: BTreeMap<usize, Branch>,
}

impl Branch {
    fn put(&mut self, path: &[Segment], value: Jinja) {
        match path {
            [] => self.value = Some(value),
            [Segment::Name(name), rest @ ..] => self.below.entry(name.to_string()).or_default().put(rest, value),
            [Segment::Index(index), rest @ ..] => self.items.entry(*index).or_default().put(rest, value),
        }
    }

    /// A whole value contains whatever is read below it, so it wins.
    fn into_value(self) -> Jinja {
        if let Some(value) = self.value {
            value
        } else if self.items.is_empty() {
            Jinja::from_pairs(self.below.into_iter().map(|(name, branch)| (name, branch.into_value())))
        } else {
            // Indices may be far apart: a map keyed by numbers answers `[0]` like a list and costs only what is read.
            Jinja::from_pairs(self.items.into_iter().map(|(index, branch)| (index, branch.into_value())))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::expr::walk;

    fn evaluate(text: &str) -> Result<Value, String> {
        let world = json!({
            "input": { "n": 3, "name": "Ada", "list": [5, 6, 7], "far": { "a-b": 1.5 }, "big": 9_007_199_254_740_993_u64, "no": null },
            "steps": { "a": { "output": { "id": "r1" } } },
        });
        let expression = Expression::parse(text).map_err(|refusal| format!("refused: {}", refusal.message))?;
        expression.evaluate(&|path| walk(&world, path).cloned())
    }

    #[test]
    fn values_keep_their_type() {
        for (text, value) in [
            ("input.n", json!(3)),
            ("input.big", json!(9_007_199_254_740_993_u64)),
            ("input.list", json!([5, 6, 7])),
            ("input.list[1]", json!(6)),
            ("input.far['a-b']", json!(1.5)),
            ("input.no", json!(null)),
            ("input.n + 1", json!(4)),
            ("input.n * 2 == 6 and not false", json!(true)),
            ("input.list[0] + input.list[2]", json!(12)),
            ("input.list | length", json!(3)),
            ("input.name | upper", json!("ADA")),
            ("'x' if input.n > 2 else 'y'", json!("x")),
            ("input.name ~ '-' ~ input.n", json!("Ada-3")),
            ("input.list | first", json!(5)),
            ("input.list | last", json!(7)),
            ("input.no == null", json!(true)),
            ("input.n == null", json!(false)),
            ("null", json!(null)),
        ] {
            assert_eq!(evaluate(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn a_missing_value_is_an_error_unless_a_default_is_given() {
        assert_eq!(evaluate("input.gone"), Err("`input.gone` has no value here".to_owned()));
        assert!(evaluate("input.gone == 1").is_err());
        assert!(evaluate("'a' ~ steps.b.output.id").is_err());
        assert_eq!(evaluate("steps.b.output.id | default('none')"), Ok(json!("none")));
        assert_eq!(evaluate("steps.a.output.id | default('none')"), Ok(json!("r1")));
        assert_eq!(evaluate("input.no | default(1)"), Ok(json!(null)));
    }

    #[test]
    fn what_is_outside_the_small_language_is_refused() {
        for text in [
            "",
            "range(10)",
            "input.n ** 9",
            "{'a': 1}",
            "input.list[input.n]",
            "(input.list).x",
            "input.n is defined",
            "input.name | replace('a', 'b')",
            "input.",
            "1 +",
            "in",
            "if",
            "input.n + in",
            "input.gone | default",
            "'open",
            "input.n; 1",
            &"(".repeat(10_000),
            &"1+".repeat(1 << 19),
        ] {
            let short: String = text.chars().take(20).collect();
            assert!(evaluate(text).is_err_and(|error| error.starts_with("refused")), "{short}");
        }
    }

    #[test]
    fn an_expression_cannot_use_unbounded_memory() {
        assert!(evaluate("'aaaaaaaaaa' * 9000000").is_err());
        assert!(evaluate("input.list * 9000000 | json").is_err());
        assert!(evaluate("input.list * 9000000 | join(',')").is_err());
    }

    /// Found by looking for it: 400 times the same half a megabyte was 200 MB and five seconds.
    #[test]
    fn a_large_value_cannot_be_repeated_without_end() {
        let text = "x".repeat(500_000);
        let world = json!({ "input": { "s": text, "l": vec![0; 200_000], "q": "\"".repeat(1_000) } });
        for text in [
            format!("[input.s{}]", ", input.s".repeat(400)),
            format!("[input{}]", ", input".repeat(400)),
            format!("input.s{}", " ~ input.s".repeat(300)),
            format!("input.q {}", "| json ".repeat(30)),
            "input.l | join(input.s)".to_owned(),
            (0..100).fold("input.l[0]".to_owned(), |text, n| format!("{text} + (input.l | length) * {n}")),
        ] {
            let expression = Expression::parse(&text).expect("within the language");
            let start = std::time::Instant::now();
            let value = expression.evaluate(&|path| walk(&world, path).cloned());
            // Generous: it took ten times as long when it was unbounded.
            assert!(start.elapsed().as_secs() < 3, "{text:.40}: {:?}", start.elapsed());
            let bytes = value.map(|value| value.to_string().len());
            assert!(bytes.as_ref().is_err() || bytes.as_ref().is_ok_and(|bytes| *bytes < 50), "{text:.40}: {bytes:?}");
        }
    }

    #[test]
    fn what_is_no_finite_number_is_an_error_and_not_null() {
        for text in ["input.n * 1e308 * 10", "1e308 * 10 - 1e308 * 10", "-1e308 * 10"] {
            let text = text.replace("1e308", &format!("1{}.0", "0".repeat(308)));
            assert!(evaluate(&text).is_err_and(|why| why.ends_with("no finite number")), "{:?}", evaluate(&text));
        }
        for text in ["1 / 0", "1 // 0", "1 % 0", "18446744073709551615 * 18446744073709551615"] {
            assert!(evaluate(text).is_err(), "{text}");
        }
        assert_eq!(evaluate("-9223372036854775807 - 1"), Ok(json!(i64::MIN)));
        assert_eq!(evaluate("(-9223372036854775807 - 1) // -1"), Ok(json!(9_223_372_036_854_775_808_u64)));
    }
}
