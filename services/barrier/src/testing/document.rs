//! Whether a service is what its OpenAPI document says: its paths, their methods, what a body must and may have.

use std::collections::BTreeSet;

use axum::Router;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Attempt, Heard, plain};

/// Asks the service for each path of its document which methods it has, and sends each body that its schema allows or refuses: whole,
/// without each required field, with a field too many, none at all.
///
/// # Panics
/// The two do not agree.
pub async fn assert_documented(router: &Router, document: &Value) {
    let paths = document["paths"].as_object().expect("paths");
    let mut bodies = 0;
    for (template, item) in paths {
        let path: String = template
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let known = ["get", "put", "post", "delete"].into_iter().filter(|method| item.get(method).is_some());
        let mut methods: BTreeSet<String> = known.map(str::to_uppercase).collect();
        for method in methods.clone() {
            bodies += usize::from(body(router, document, &path, &method, &item[method.to_lowercase()]).await);
        }
        if methods.contains("GET") {
            methods.insert("HEAD".to_owned());
        }
        // No route here has this method: the answer names those that it has.
        let heard = plain(router, Method::PATCH, &path, None).await;
        assert_eq!(heard.status, StatusCode::METHOD_NOT_ALLOWED, "{template}: {heard:?}");
        let allowed: BTreeSet<String> = heard.headers["allow"].split(',').map(|word| word.trim().to_owned()).collect();
        assert_eq!(allowed, methods, "{template}");
    }
    assert!(bodies > 0, "no body was looked at");
}

/// Whether it has one.
async fn body(router: &Router, document: &Value, path: &str, method: &str, operation: &Value) -> bool {
    let Some(declared) = operation.get("requestBody").map(|body| resolved(document, body)) else { return false };
    let schema = resolved(document, &declared["content"]["application/json"]["schema"]);
    let properties = schema["properties"].as_object().expect("its fields");
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().expect("a name")).collect();
    let whole: Map<String, Value> =
        properties.iter().map(|(name, of)| (name.clone(), sample(resolved(document, of)))).collect();
    let place = format!("{method} {path}");
    let refused = |heard: &Heard, word: &str| {
        let text = String::from_utf8_lossy(&heard.body);
        heard.status.is_client_error() && text.contains(word)
    };
    for name in required.iter().copied() {
        let mut without = whole.clone();
        without.remove(name);
        let heard = sent(router, method, path, Some(without.into())).await;
        assert!(refused(&heard, &format!("missing field `{name}`")), "{place} without {name}: {heard:?}");
    }
    let only: Map<String, Value> = whole
        .iter()
        .filter(|(name, _)| required.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for fits in [whole.clone(), only] {
        let heard = sent(router, method, path, Some(fits.into())).await;
        for word in ["missing field", "unknown field", "invalid type", "expected"] {
            assert!(!refused(&heard, word), "{place}: {heard:?}");
        }
    }
    assert_eq!(schema["additionalProperties"], false, "{place} takes no other field");
    let mut more = whole;
    more.insert("nobody-knows-it".to_owned(), Value::Null);
    let heard = sent(router, method, path, Some(more.into())).await;
    assert!(refused(&heard, "unknown field `nobody-knows-it`"), "{place} with a field too many: {heard:?}");
    let heard = sent(router, method, path, None).await;
    let needed = declared.get("required") == Some(&Value::Bool(true));
    let none = refused(&heard, "invalid type: null") || refused(&heard, "EOF");
    assert_eq!(none, needed, "{place} without a body: {heard:?}");
    true
}

/// Seeding belongs to no saga; everything else is an action of one.
async fn sent(router: &Router, method: &str, path: &str, body: Option<Value>) -> Heard {
    if method == "PUT" {
        return plain(router, Method::PUT, path, body).await;
    }
    let attempt = Attempt::action(Uuid::now_v7(), "s", path, &json!(null));
    attempt.body(body.map(|body| body.to_string()).unwrap_or_default()).send(router).await
}

fn resolved<'v>(document: &'v Value, value: &'v Value) -> &'v Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect("a place in the document"),
        None => value,
    }
}

/// A value of its type.
fn sample(schema: &Value) -> Value {
    let kind = match &schema["type"] {
        Value::Array(kinds) => &kinds[0],
        kind => kind,
    };
    match kind.as_str() {
        Some("integer") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(false),
        _ => json!("x"),
    }
}
