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

const EACH: &str = r#"
saga: each
steps:
  reserve:
    for_each: "${{ input.lines }}"
    concurrency: 2
    call: inventory POST /reservations
    body: { line: "${{ item }}", amount: 1 }
    output: { status: "${{ response.status }}" }
    compensate: { call: "inventory DELETE /reservations/${{ index }}" }
  charge:
    call: payments POST /charges
    body: { amount: "${{ input.amount }}" }
    compensate: { call: "payments POST /refund" }
"#;

async fn each(server: &Server, lines: Value, amount: u32) -> Value {
    server.post_yaml("/v1/definitions", EACH).await;
    let body = json!({ "definition": "each", "input": { "lines": lines, "amount": amount } });
    server.ask(json_body(Request::post("/v1/sagas").header("prefer", "wait=20"), &body)).await.body
}

#[tokio::test]
async fn a_step_with_items_shows_each_of_them() {
    let server = Server::new().await;
    let done = each(&server, json!(["kettle", "cup"]), 1).await;
    let reserve = &done["steps"][0];
    assert_eq!((&done["status"], &reserve["status"]), (&json!("completed"), &json!("succeeded")));
    assert_eq!(reserve["output"], json!([{ "status": 200 }, { "status": 200 }]));
    let items = reserve["items"].as_array().unwrap();
    assert_eq!((&items[1]["index"], &items[1]["item"]), (&json!(1), &json!("cup")));
    assert_eq!((&items[1]["status"], items[1]["attempts"].as_array().unwrap().len()), (&json!("succeeded"), 1));

    let undone = each(&server, json!(["kettle", "cup"]), crate::kit::NO_FUNDS).await;
    let reserve = &undone["steps"][0];
    assert_eq!((&undone["status"], &reserve["status"]), (&json!("compensated"), &json!("compensated")));
    assert_eq!(reserve["items"][0]["undo_attempts"].as_array().unwrap().len(), 1);

    let none = each(&server, json!([]), 1).await;
    assert_eq!((&none["steps"][0]["output"], &none["steps"][0]["items"]), (&json!([]), &json!([])));
    let nonsense = each(&server, json!("kettle"), 1).await;
    let summary = nonsense["cause"]["summary"].as_str().unwrap();
    assert_eq!(summary, "reserve could not be sent to inventory: for_each: no list, but \"kettle\"");
}
