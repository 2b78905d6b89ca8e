//! What definitions say beyond calls, as the API shows it.

use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::kit::{Answer, Server, json_body};

const GIFT: &str = r#"
saga: gift
input:
  type: object
  required: [customer, wrap]
  properties: { customer: { type: string }, wrap: { type: boolean } }
labels: { customer: "${{ input.customer }}" }
steps:
  wrap:
    if: "${{ input.wrap }}"
    call: inventory POST /wrappings
    body: {}
    compensate: { call: "inventory DELETE /wrappings/${{ saga.id }}" }
  ship:
    pivot: true
    call: shipping POST /shipments
    body: {}
"#;

async fn gift(server: &Server, labels: Value) -> Answer {
    let input = json!({ "customer": "ada", "wrap": false });
    let body = json!({ "definition": "gift", "input": input, "labels": labels });
    server.ask(json_body(Request::post("/v1/sagas").header("prefer", "wait=20"), &body)).await
}

#[tokio::test]
async fn a_step_whose_if_is_false_is_shown_as_skipped() {
    let server = Server::new().await;
    server.post_yaml("/v1/definitions", GIFT).await;
    let answer = gift(&server, json!({})).await;
    assert_eq!((answer.status, &answer.body["status"]), (StatusCode::OK, &json!("completed")));
    assert_eq!(answer.body["steps"][0]["status"], "skipped");
    assert_eq!(answer.body["steps"][0]["action"]["attempts"], json!([]));
}

#[tokio::test]
async fn labels_of_the_definition_join_those_of_the_start_which_may_not_contradict_them() {
    let server = Server::new().await;
    server.post_yaml("/v1/definitions", GIFT).await;
    let labelled = gift(&server, json!({ "shop": "north", "customer": "ada" })).await;
    assert_eq!(labelled.body["labels"], json!({ "shop": "north", "customer": "ada" }));
    let refused = gift(&server, json!({ "customer": "bob" })).await;
    assert_eq!(refused.is_problem(422, "invalid-labels").pointers(), ["/labels"]);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("the definition sets the label `customer`"), "{detail}");
}
