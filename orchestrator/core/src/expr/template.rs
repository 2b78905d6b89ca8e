//! A JSON value in which `${{ … }}` may stand: a body, an output, a path, a header.

use serde_json::{Map, Value};

use super::{
    Evaluate, Expression, Lookup,
    budget::{Budget, weight},
    tokens::Refusal,
};

/// A value with expressions in it. A text that is only one expression keeps that expression's type; inside a longer
/// text a value is written out.
#[derive(Debug)]
pub enum Template {
    Literal(Value),
    Whole(Expression),
    Text(Vec<Piece>),
    List(Vec<Template>),
    Map(Vec<(String, Template)>),
}

/// A piece of a text.
#[derive(Debug)]
pub enum Piece {
    Literal(String),
    Value(Expression),
}

impl Template {
    /// Scans a text for expressions. The `nth` of a refusal counts expressions from 0.
    ///
    /// # Errors
    /// The first expression that is none, with its number.
    pub fn parse_text(text: &str) -> Result<Self, (usize, Refusal)> {
        let mut pieces = parse_pieces(text)?;
        Ok(match &pieces[..] {
            [] => Self::Literal(Value::String(String::new())),
            [Piece::Literal(_)] => Self::Literal(Value::String(text.to_owned())),
            [Piece::Value(_)] => {
                let Some(Piece::Value(expression)) = pieces.pop() else { unreachable!("matched above") };
                Self::Whole(expression)
            }
            _ => Self::Text(pieces),
        })
    }

    /// Every expression in it.
    pub fn expressions(&self) -> Vec<&Expression> {
        match self {
            Self::Literal(_) => vec![],
            Self::Whole(expression) => vec![expression],
            Self::Text(pieces) => pieces.iter().filter_map(Piece::expression).collect(),
            Self::List(items) => items.iter().flat_map(Self::expressions).collect(),
            Self::Map(entries) => entries.iter().flat_map(|(_, value)| value.expressions()).collect(),
        }
    }

    /// Its value.
    ///
    /// # Errors
    /// Of the first expression that has none; or it is larger than anything that is sent or kept.
    pub fn render(&self, lookup: &Lookup<'_>) -> Result<Value, String> {
        self.render_by(&|expression, budget| expression.evaluate_within(lookup, budget))
    }

    /// The same, where it is said otherwise what an expression gives.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub(crate) fn render_by(&self, evaluate: &Evaluate<'_>) -> Result<Value, String> {
        self.render_within(evaluate, &mut Budget::default())
    }

    /// As [`Self::render_by`], of a budget that is shared with others.
    pub(crate) fn render_within(&self, evaluate: &Evaluate<'_>, budget: &mut Budget) -> Result<Value, String> {
        Ok(match self {
            Self::Literal(value) => {
                budget.make(weight(value))?;
                value.clone()
            }
            Self::Whole(expression) => evaluate(expression, budget)?,
            Self::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Literal(literal) => text.push_str(literal),
                        Piece::Value(expression) => text.push_str(&written(&evaluate(expression, budget)?)),
                    }
                }
                Value::String(text)
            }
            Self::List(items) => {
                let items = items.iter().map(|item| item.render_within(evaluate, budget));
                Value::Array(items.collect::<Result<Vec<_>, _>>()?)
            }
            Self::Map(entries) => {
                let entries =
                    entries.iter().map(|(key, value)| Ok((key.clone(), value.render_within(evaluate, budget)?)));
                Value::Object(entries.collect::<Result<Map<_, _>, String>>()?)
            }
        })
    }
}

impl Piece {
    /// The expression, if it is one.
    pub fn expression(&self) -> Option<&Expression> {
        match self {
            Self::Literal(_) => None,
            Self::Value(expression) => Some(expression),
        }
    }
}

/// Cuts a text at `${{` and `}}`. A closing inside quotes of the expression does not count.
pub(crate) fn parse_pieces(text: &str) -> Result<Vec<Piece>, (usize, Refusal)> {
    let mut pieces = Vec::new();
    let (mut rest, mut nth) = (text, 0);
    while let Some(open) = rest.find("${{") {
        if open > 0 {
            pieces.push(Piece::Literal(rest[..open].to_owned()));
        }
        let inside = &rest[open + 3..];
        let Some(close) = closing(inside) else {
            return Err((nth, Refusal { offset: 0, message: "`${{` is not closed by `}}`".to_owned() }));
        };
        pieces.push(Piece::Value(Expression::parse(&inside[..close]).map_err(|refusal| (nth, refusal))?));
        rest = &inside[close + 2..];
        nth += 1;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.to_owned()));
    }
    Ok(pieces)
}

/// Where the `nth` expression (from 0) of a text begins: the byte behind its `${{`.
pub(crate) fn opening(text: &str, nth: usize) -> usize {
    let mut at = 0;
    for left in (0..=nth).rev() {
        let Some(open) = text[at..].find("${{") else { break };
        at += open + 3;
        if left > 0 {
            at += closing(&text[at..]).map_or(0, |close| close + 2);
        }
    }
    at
}

fn closing(text: &str) -> Option<usize> {
    let mut quoted = None;
    for (at, c) in text.char_indices() {
        match (quoted, c) {
            (None, '\'' | '"') => quoted = Some(c),
            (Some(open), c) if open == c => quoted = None,
            (None, '}') if text[at..].starts_with("}}") => return Some(at),
            _ => {}
        }
    }
    None
}

/// A value inside a text: texts as they are, everything else as JSON.
pub(crate) fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render(text: &str) -> Result<Value, String> {
        let template = Template::parse_text(text).map_err(|(nth, refusal)| format!("{nth}: {}", refusal.message))?;
        template.render(&|path| (path.len() == 1).then(|| json!(7)))
    }

    #[test]
    fn only_an_expression_alone_keeps_its_type() {
        assert_eq!(render("${{ n }}"), Ok(json!(7)));
        assert_eq!(render("n=${{ n }}"), Ok(json!("n=7")));
        assert_eq!(render("${{ n }}${{ n }}"), Ok(json!("77")));
        assert_eq!(render("plain {{ }} $"), Ok(json!("plain {{ }} $")));
        assert_eq!(render(""), Ok(json!("")));
        assert_eq!(render("${{ '}}' }}"), Ok(json!("}}")));
    }

    #[test]
    fn a_short_template_cannot_make_a_large_value_out_of_a_large_input() {
        let large = json!("x".repeat(1 << 20));
        let template = Template::List((0..5).map(|_| Template::parse_text("${{ s }}").expect("a text")).collect());
        assert!(template.render(&|_| Some(large.clone())).is_err_and(|why| why.contains("larger")));
        assert!(template.render(&|_| Some(json!("x"))).is_ok());
    }

    #[test]
    fn many_expressions_cannot_read_a_large_input_again_and_again() {
        let input = json!(vec![0; 200_000]);
        let many = Template::List(
            (0..10_000).map(|_| Template::parse_text("${{ input | length }}").expect("a text")).collect(),
        );
        let start = std::time::Instant::now();
        assert!(many.render(&|_| Some(input.clone())).is_err_and(|why| why.contains("reads more")));
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
        assert!(many.render(&|_| Some(json!([1, 2]))).is_ok());
    }

    #[test]
    fn a_refusal_says_which_expression_it_was() {
        assert_eq!(render("${{ n }} ${{ n"), Err("1: `${{` is not closed by `}}`".to_owned()));
        let text = "a ${{ '${{' }} b ${{ n }}";
        assert_eq!((opening(text, 0), opening(text, 1)), (5, text.len() - 5));
    }
}
