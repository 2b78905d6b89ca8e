//! What an input makes of a definition at run time is bounded and stays where it belongs: a step that goes beyond is refused here or
//! unknown, never sent otherwise than it is written, and what came before it is undone.

use std::collections::BTreeSet;

use amends_protocol::v1::{SagaStatus, SagaView};
use amends_tests::{
    proxy::Action,
    town::{Effects, Plan, Town},
    words::Op,
};
use anyhow::Result;
use serde_json::{Value, json};

use crate::{all, assert_effects};

/// Two steps; the second one has `what`.
async fn town(what: &str) -> Result<Town> {
    let definition = format!(
        "saga: bounded\ninput: {{ type: object }}\ndefaults: {{ timeout: 3s, retry: {{ attempts: 2, backoff: 10ms }} }}\nsteps:\n  \
         first: {{ call: things POST /first, body: {{}}, compensate: {{ call: things DELETE /first }} }}\n  \
         second: {{ {what}, compensate: {{ call: things DELETE /second }} }}\noutput: {{ id: \"${{{{ saga.id }}}}\" }}\n"
    );
    let services: BTreeSet<String> = ["things".to_owned()].into();
    Town::start(Plan::of_anything(&definition, &services, &json!({}))).await
}

/// The second step is refused here, for a reason with these words: nothing of it goes out, and the first one is undone.
async fn refused_here(town: &Town, input: Value, why: &str) -> Result<()> {
    let saga = town.run(input, SagaStatus::Compensated).await?;
    for op in [Op::Action, Op::Compensate] {
        assert!(town.wire(saga.id, "second", op).is_empty(), "nothing of it was sent");
    }
    assert_eq!(town.undone(saga.id).await?, ["first"]);
    assert_effects(town, saga.id, &all(&["first"], Effects::UNDONE)).await?;
    says(&saga, why);
    town.audit().await
}

fn says(saga: &SagaView, why: &str) {
    let view = serde_json::to_string(saga).expect("JSON");
    assert!(view.contains(why), "nobody is told `{why}`: {view}");
}

#[tokio::test]
async fn an_expression_that_is_out_of_fuel_is_refused_here_and_what_came_before_is_undone() -> Result<()> {
    let town = town("call: things POST /second, body: { much: \"${{ input.s * 100 }}\" }").await?;
    town.run(json!({ "s": "ab" }), SagaStatus::Completed).await?;
    refused_here(&town, json!({ "s": "x".repeat(900_000) }), "fuel").await
}

#[tokio::test]
async fn a_header_whose_value_would_begin_another_line_is_refused_here() -> Result<()> {
    let town = town("call: things POST /second, body: {}, headers: { X-Note: \"${{ input.note }}\" }").await?;
    let saga = town.run(json!({ "note": "plain" }), SagaStatus::Completed).await?;
    let sent = &town.wire(saga.id, "second", Op::Action)[0].sent;
    assert!(sent.headers.contains(&("x-note".to_owned(), "plain".to_owned())), "{sent:?}");
    for note in ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"] {
        refused_here(&town, json!({ "note": note }), "header").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_value_in_a_path_is_one_segment_whatever_stands_in_it() -> Result<()> {
    let town = town("call: 'things POST /things/${{ input.id }}/x', body: {}").await?;
    for (id, segment) in [
        ("../../admin", "..%2F..%2Fadmin"),
        ("a?x=1#", "a%3Fx%3D1%23"),
        ("%00", "%2500"),
        ("a\\b", "a%5Cb"),
        ("//host", "%2F%2Fhost"),
        ("a\r\nX-Evil: 1", "a%0D%0AX-Evil%3A%201"),
    ] {
        let saga = town.run(json!({ "id": id }), SagaStatus::Completed).await?;
        let wire = town.wire(saga.id, "second", Op::Action);
        let paths: Vec<&str> = wire.iter().map(|request| request.sent.path.as_str()).collect();
        assert_eq!(paths, [format!("/things/{segment}/x")], "{id:?}");
    }
    // What would lead elsewhere even so, or end what reads it, goes nowhere.
    for (id, why) in [("..", "segment"), (".", "segment"), ("", "an empty value"), ("a\0", "a NUL")] {
        refused_here(&town, json!({ "id": id }), why).await?;
    }
    town.audit().await
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_unknown_and_the_step_is_undone() -> Result<()> {
    let town = town("call: things POST /second, body: {}").await?;
    // It was done; of what it says of it nothing can be believed.
    let large = format!("{{\"much\":\"{}\"}}", "x".repeat(1024 * 1024));
    let fault = town.inject("second", Action::StatusInstead(200, large));
    let saga = town.run(json!({}), SagaStatus::Compensated).await?;
    fault.assert_fired(2);
    says(&saga, "the answer is larger than 1048576 bytes");
    assert_eq!(town.undone(saga.id).await?, ["second", "first"]);
    assert_effects(&town, saga.id, &all(&["first", "second"], Effects::UNDONE)).await?;
    town.audit().await
}
