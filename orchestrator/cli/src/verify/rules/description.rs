//! What a service says of itself, if it does.

use reqwest::Method;
use serde_json::Value;

use super::Rule;
use crate::verify::bench::{Bench, Checked, broken, not_tested, promise};

pub(super) const RULE: Rule = Rule {
    name: "description",
    title: "/.well-known/amends-participant describes the service and its store",
    promise: "which kind of store, which version of this contract, and what the store is known by",
    hint: "answer {\"kind\": \"…\", \"contract\": 1, \"barrier\": true, \"fingerprint\": \"…\"}, the fingerprint made once and kept \
           in the store",
    after: &[],
    check: |bench| Box::pin(check(bench)),
};

async fn check(bench: &Bench) -> Checked {
    let ask = || bench.plain(Method::GET, "/.well-known/amends-participant", None);
    let heard = ask().await?;
    if matches!(heard.status, 404 | 405) {
        return not_tested("the service does not describe itself, and need not");
    }
    heard.succeeded("the description")?;
    let card = heard.json().unwrap_or(Value::Null);
    let text = |field: &str| card[field].as_str().is_some_and(|text| !text.is_empty());
    if !text("kind") || !text("fingerprint") || card["contract"] != 1 || card["barrier"] != true {
        let expected = "kind and fingerprint as texts, \"contract\": 1, \"barrier\": true";
        return Err(broken("the description", expected, heard.told()));
    }
    promise("the description, asked again", &ask().await?.json().unwrap_or(Value::Null), &card)
}
