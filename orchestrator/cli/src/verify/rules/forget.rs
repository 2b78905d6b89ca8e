//! The orchestrator's word that a saga has ended.

use amends_protocol::forget::{FORGET_BODY_LIMIT_BYTES, FORGET_PATH, FORGET_SAGAS_MAX};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::Rule;
use crate::verify::bench::{Bench, Checked, Heard, broken, not_tested, promise};

pub(super) const RULE: Rule = Rule {
    name: "forget",
    title: "forget is answered as the contract says, good and bad",
    promise: "One to 1000 ids, at most 64 KiB. Fields that you do not know are to be ignored.",
    hint: "see the table of answers in “Letting go”; a service without this route answers 404 or 405, which is safe",
    after: &[],
    check: |bench| Box::pin(check(bench)),
};

const JSON: &str = "application/json";

async fn check(bench: &Bench) -> Checked {
    let post = |kind: &'static str, body: String| bench.plain(Method::POST, FORGET_PATH, Some((kind, body)));
    let saga = Uuid::now_v7();
    let good = post(JSON, json!({ "sagas": [saga], "since": 1 }).to_string()).await?;
    if matches!(good.status, 404 | 405) {
        return not_tested("the service has no such route, and keeps its rows for ever");
    }
    promise("status of a forget of an unknown saga", &good.status, &204)?;
    let all = post(JSON, json!({ "sagas": vec![saga; FORGET_SAGAS_MAX] }).to_string()).await?;
    promise("status of a forget of 1000 ids", &all.status, &204)?;
    let long = format!("{{\"sagas\": [\"{saga}\"], \"more\": \"{}\"}}", "x".repeat(FORGET_BODY_LIMIT_BYTES));
    for (what, kind, body, status) in [
        ("a body that is no JSON", JSON, "{\"sagas\": [".to_owned(), 400),
        ("no ids", JSON, json!({ "sagas": [] }).to_string(), 422),
        ("more than 1000 ids", JSON, json!({ "sagas": vec![saga; FORGET_SAGAS_MAX + 1] }).to_string(), 422),
        ("an id that is no UUID", JSON, json!({ "sagas": ["x"] }).to_string(), 422),
        ("another shape", JSON, json!([saga]).to_string(), 422),
        ("a body declared as text", "text/plain", json!({ "sagas": [saga] }).to_string(), 415),
        ("more than 64 KiB", JSON, long, 413),
    ] {
        let heard: Heard = post(kind, body).await?;
        promise(&format!("status of a forget with {what}"), &heard.status, &status)?;
    }
    let get = bench.plain(Method::GET, FORGET_PATH, None).await?;
    promise("status of a GET", &get.status, &405)?;
    if get.allow.as_deref().is_some_and(|allow| allow.contains("POST")) {
        return Ok(());
    }
    Err(broken("a GET's answer", "Allow: POST", get.told()))
}
