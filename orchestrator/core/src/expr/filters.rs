//! The few filters, and the one environment in which every expression is compiled. Filters that would be unbounded,
//! read a clock or roll dice are not here.

use std::sync::LazyLock;

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value, filters};

use crate::definition::limits;

/// Names of the filters, for messages.
pub(super) const NAMES: [&str; 15] = [
    "abs", "default", "first", "float", "int", "join", "json", "last", "length", "lower", "max", "min", "string",
    "trim", "upper",
];

pub(super) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(limits::EXPRESSION_FUEL));
    // JSON's and YAML's word for what minijinja calls `none`.
    environment.add_global("null", ());
    environment.add_filter("abs", filters::abs);
    environment.add_filter("default", |value: Value, other: Value| if value.is_undefined() { other } else { value });
    environment.add_filter("first", |value: Value| there(filters::first(&value)));
    environment.add_filter("float", filters::float);
    environment.add_filter("int", filters::int);
    environment.add_filter("join", filters::join);
    environment.add_filter("json", |value: Value| {
        serde_json::to_string(&value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
    });
    environment.add_filter("last", |value: Value| there(filters::last(value)));
    environment.add_filter("length", filters::length);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("max", filters::max);
    environment.add_filter("min", filters::min);
    environment.add_filter("string", |value: Value| value.to_string());
    environment.add_filter("trim", filters::trim);
    environment.add_filter("upper", filters::upper);
    environment
});

/// An empty list has no first and no last item, and that is an error like every missing value.
fn there(item: Result<Value, Error>) -> Result<Value, Error> {
    item.and_then(|item| {
        if item.is_undefined() { Err(Error::new(ErrorKind::InvalidOperation, "the list is empty")) } else { Ok(item) }
    })
}
