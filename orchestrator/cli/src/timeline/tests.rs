//! Snapshots: change them only with eyes open (`INSTA_UPDATE=always cargo test -p amends timeline`).

use amends_protocol::v1::SagaView;
use serde_json::{Value, json};

use super::timeline;
use crate::style::Style;

const STARTED_US: i64 = 1_795_539_661_000_000;

/// RFC 3339 so many milliseconds after the start.
fn at(millis: i64) -> String {
    chrono::DateTime::from_timestamp_micros(STARTED_US + millis * 1000).expect("a time").to_rfc3339()
}

fn attempt(number: u32, from: i64, to: i64, outcome: &str, status: Option<u16>, detail: &str) -> Value {
    let mut attempt = json!({ "attempt": number, "intended_at": at(from), "due_at": at(from), "ended_at": at(to), "outcome": outcome });
    if let Some(status) = status {
        attempt["status"] = json!(status);
    }
    if !detail.is_empty() {
        attempt["detail"] = json!(detail);
    }
    attempt
}

fn call(service: &str, method: &str, path: &str, attempts: Vec<Value>) -> Value {
    json!({ "service": service, "method": method, "path": path, "attempts": attempts })
}

fn step(name: &str, status: &str, action: Value, compensation: Option<Value>) -> Value {
    let mut step = json!({ "name": name, "status": status, "pivot": name == "ship", "needs": [], "action": action });
    if let Some(compensation) = compensation {
        step["compensation"] = compensation;
    }
    step
}

fn saga(status: &str, millis: i64, steps: Vec<Value>, more: Value) -> SagaView {
    let mut saga = json!({
        "id": "0198c1a2-0000-7000-8000-000000000001",
        "name": "place-order",
        "version": 1,
        "definition": "0".repeat(64),
        "status": status,
        "attention": [],
        "input": { "customer": "ada" },
        "labels": {},
        "started_at": at(0),
        "updated_at": at(millis),
        "epoch": 1,
        "steps": steps,
    });
    for (key, value) in more.as_object().expect("an object") {
        saga[key] = value.clone();
    }
    serde_json::from_value(saga).expect("a saga's view")
}

fn ok(from: i64, status: u16) -> Vec<Value> {
    vec![attempt(1, from, from + 4, "success", Some(status), "")]
}

fn compensated() -> SagaView {
    let steps = vec![
        step(
            "open",
            "compensated",
            call("orders", "POST", "/orders", ok(2, 201)),
            Some(call("orders", "POST", "/orders/${{ saga.id }}/reject", ok(41, 200))),
        ),
        step(
            "reserve",
            "compensated",
            call("inventory", "POST", "/reservations", ok(9, 201)),
            Some(call("inventory", "DELETE", "/reservations/${{ saga.id }}", ok(30, 200))),
        ),
        step(
            "charge",
            "rejected",
            call(
                "payments",
                "POST",
                "/charges",
                vec![attempt(1, 18, 25, "rejected", Some(402), "402: insufficient funds: 500 wanted, 20 on account")],
            ),
            Some(call("payments", "POST", "/charges/${{ saga.id }}/refund", vec![])),
        ),
        step("ship", "pending", call("shipping", "POST", "/shipments", vec![]), None),
    ];
    let cause = json!({
        "summary": "charge was rejected by payments: 402 insufficient funds",
        "kind": "step_failed", "step": "charge", "failure": "rejected", "reason": "402: insufficient funds",
    });
    saga("compensated", 47, steps, json!({ "ended_at": at(47), "cause": cause }))
}

#[test]
fn a_completed_saga_shows_its_steps_and_its_output() {
    let steps = vec![
        step("open", "succeeded", call("orders", "POST", "/orders", ok(2, 201)), None),
        step("ship", "succeeded", call("shipping", "POST", "/shipments", ok(9, 201)), None),
    ];
    let more = json!({ "ended_at": at(14), "output": { "tracking": "AM-1" } });
    insta::assert_snapshot!(timeline(&saga("completed", 14, steps, more), Style::PLAIN));
}

#[test]
fn a_compensated_saga_shows_why_and_what_was_undone_in_which_order() {
    insta::assert_snapshot!(timeline(&compensated(), Style::PLAIN));
}

#[test]
fn colour_adds_escape_codes_and_changes_no_word() {
    let coloured = timeline(&compensated(), Style::COLOUR);
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, escape)) = rest.split_once('\x1b') {
        stripped.push_str(before);
        rest = escape.split_once('m').expect("an escape code ends").1;
    }
    stripped.push_str(rest);
    assert!(coloured.len() > stripped.len());
    assert_eq!(stripped, timeline(&compensated(), Style::PLAIN));
}

#[test]
fn a_lost_reply_shows_as_unknown_and_then_as_the_stored_reply() {
    let attempts = vec![
        attempt(1, 2, 9, "unknown", None, "connection closed before the answer"),
        attempt(2, 112, 118, "success", Some(201), ""),
    ];
    let steps = vec![step("charge", "succeeded", call("payments", "POST", "/charges", attempts), None)];
    insta::assert_snapshot!(timeline(&saga("completed", 118, steps, json!({ "ended_at": at(118) })), Style::PLAIN));
}

#[test]
fn a_running_saga_after_a_takeover_shows_what_is_open_and_what_comes() {
    let mut open = attempt(2, 3_700_000, 0, "unknown", None, "");
    for gone in ["ended_at", "outcome"] {
        open.as_object_mut().expect("an object").remove(gone);
    }
    let first = attempt(1, 2, 3_600_000, "unknown", None, "its owner died with it open");
    let steps = vec![
        step("ship", "calling", call("shipping", "POST", "/shipments", vec![first, open]), None),
        step("confirm", "pending", call("orders", "POST", "/orders/${{ saga.id }}/confirm", vec![]), None),
    ];
    insta::assert_snapshot!(timeline(&saga("running", 3_700_001, steps, json!({ "epoch": 3 })), Style::PLAIN));
}

#[test]
fn a_saga_that_cannot_be_read_says_why_and_what_to_do() {
    let why = json!({ "reason": "unreadable row: seq 2:\u{1b}[2J no such kind", "since": at(5), "node": "host 7" });
    let told = timeline(&saga("running", 35, vec![], json!({ "unreadable": why })), Style::PLAIN);
    assert!(told.contains("! needs a person\n    it cannot be read by host 7 and is not driven, since "), "{told}");
    assert!(told.contains("seq 2:") && !told.contains('\u{1b}'), "{told}");
    assert!(told.contains("→ upgrade, or restore what is damaged"), "{told}");
}

#[test]
fn attention_says_what_to_do_and_hostile_text_stays_text() {
    let refused = attempt(1, 30, 35, "rejected", Some(409), "409: no\x1b[2J such\ncharge");
    let steps = vec![step(
        "charge",
        "compensating",
        call("payments", "POST", "/charges", ok(2, 201)),
        Some(call("payments", "POST", "/charges/${{ saga.id }}/refund", vec![refused])),
    )];
    let attention = json!([{
        "step": "charge", "op": "compensate", "reason": "rejected", "detail": "409: no such charge", "since": at(35),
    }]);
    let cause = json!({ "summary": "cancelled: wrong address", "kind": "cancelled", "reason": "wrong address" });
    let more = json!({ "attention": attention, "cause": cause });
    insta::assert_snapshot!(timeline(&saga("compensating", 35, steps, more), Style::PLAIN));
}

fn wait(name: &str, status: &str, wait: Value) -> Value {
    json!({ "name": name, "status": status, "pivot": false, "needs": [], "wait": wait })
}

#[test]
fn waits_show_what_they_are_for_how_long_and_what_came_of_them() {
    let slept = json!({ "began_at": at(10), "until": at(3_600_010), "ended_at": at(3_600_020), "outcome": "slept" });
    let came = json!({ "signal": "approved", "began_at": at(20), "until": at(60_000), "ended_at": at(30_000), "outcome": "signalled" });
    let late = json!({ "signal": "paid", "began_at": at(20), "until": at(60_000), "ended_at": at(60_000), "outcome": "timed_out" });
    let cut = json!({ "began_at": at(20), "until": at(60_000), "ended_at": at(30_000), "outcome": "cut_short" });
    let open = json!({ "signal": "delivered", "began_at": at(30), "until": at(86_400_000) });
    let steps = vec![
        wait("nap", "succeeded", slept),
        wait("approve", "succeeded", came),
        wait("paid", "failed", late),
        wait("pause", "failed", cut),
        wait("delivered", "waiting", open),
        wait("later", "pending", json!({})),
        wait("never", "skipped", json!({ "signal": "never" })),
    ];
    let more = json!({ "attention": [{ "step": "delivered", "op": "action", "reason": "timed_out", "detail": "no signal", "since": at(40) }] });
    insta::assert_snapshot!(timeline(&saga("running", 90_000_000, steps, more), Style::PLAIN));
}

#[test]
fn what_is_accepted_shows_until_when_and_what_was_called_back() {
    let mut open = attempt(2, 40, 0, "unknown", None, "");
    for gone in ["ended_at", "outcome"] {
        open.as_object_mut().expect("an object").remove(gone);
    }
    (open["accepted_at"], open["verdict_until"]) = (json!(at(45)), json!(at(172_800_045)));
    let lost = attempt(1, 2, 9, "unknown", None, "timeout");
    let mut told = attempt(1, 2, 60_000, "success", None, "");
    (told["accepted_at"], told["called_back"]) = (json!(at(5)), json!(true));
    let mut refused = attempt(1, 2, 60_000, "rejected", None, "no driver");
    (refused["accepted_at"], refused["called_back"]) = (json!(at(5)), json!(true));
    let mut never = attempt(1, 2, 60_000, "unknown", None, "accepted, and no verdict came");
    never["accepted_at"] = json!(at(5));
    let call = |attempts| call("shipping", "POST", "/shipments", attempts);
    let steps = vec![
        step("told", "succeeded", call(vec![told]), None),
        step("waits", "waiting", call(vec![lost, open]), None),
        step("refused", "rejected", call(vec![refused]), None),
        step("never", "unresolved", call(vec![never]), None),
    ];
    insta::assert_snapshot!(timeline(&saga("running", 60_000, steps, json!({})), Style::PLAIN));
}

#[test]
fn items_are_counted_and_those_that_went_differently_are_shown() {
    let item = |index: u32, status: &str, attempts: Vec<Value>, undo: Vec<Value>| json!({ "index": index, "status": status, "item": { "sku": format!("s{index}") }, "attempts": attempts, "undo_attempts": undo });
    let mut step = step(
        "reserve",
        "unresolved",
        call("inventory", "POST", "/reservations/${{ item.sku }}", vec![]),
        Some(call("inventory", "DELETE", "/reservations/${{ item.sku }}", vec![])),
    );
    let lost = vec![attempt(1, 2, 5, "unknown", Some(503), ""), attempt(2, 7, 9, "unknown", None, "timeout")];
    step["items"] = json!([
        item(0, "compensated", ok(2, 201), ok(41, 200)),
        item(1, "compensating", lost, vec![attempt(1, 30, 35, "rejected", Some(409), "409: busy")]),
        item(2, "rejected", vec![attempt(1, 10, 12, "rejected", Some(409), "409: sold out")], vec![]),
        item(3, "pending", vec![], vec![]),
        item(4, "succeeded", ok(2, 201), vec![]),
    ]);
    insta::assert_snapshot!(timeline(&saga("compensating", 47, vec![step], json!({})), Style::PLAIN));
}

#[test]
fn a_saga_that_waits_for_a_lock_says_for_whom() {
    let ahead = json!({ "id": "0198c1a2-0000-7000-8000-000000000002", "name": "transfer-money", "status": "compensating", "arrived_at": at(0) });
    let locks = json!([
        { "name": "account:ada", "status": "held", "since": at(5) },
        { "name": "account:grace", "status": "waiting", "since": at(9), "place": 2, "ahead": [ahead] },
        { "name": "zone:1", "status": "needed" },
    ]);
    let steps = || vec![step("reserve", "pending", call("inventory", "POST", "/reservations", vec![]), None)];
    insta::assert_snapshot!(timeline(&saga("running", 9, steps(), json!({ "locks": locks })), Style::PLAIN));
    let over = json!([{ "name": "account:ada", "status": "released" }]);
    let ended = timeline(&saga("completed", 9, steps(), json!({ "locks": over, "ended_at": at(9) })), Style::PLAIN);
    assert!(!ended.contains("account:ada"), "{ended}");
}

fn child(id: u32, index: Option<u32>, status: &str, from: i64, more: Value) -> Value {
    let mut child = json!({
        "id": format!("0198c1a2-0000-8000-8000-{id:012}"), "version": 2, "status": status, "intended_at": at(from),
    });
    if let Some(index) = index {
        child["index"] = json!(index);
    }
    for (key, value) in more.as_object().expect("an object") {
        child[key] = value.clone();
    }
    child
}

fn runs(name: &str, status: &str, definition: &str, sagas: Vec<Value>) -> Value {
    let children = json!({ "definition": definition, "sagas": sagas });
    json!({ "name": name, "status": status, "pivot": false, "needs": [], "children": children })
}

#[test]
fn children_are_told_with_what_came_of_them() {
    let reason = "step ship failed: 409: nobody drives";
    let steps = vec![
        runs(
            "pay",
            "compensated",
            "pay-claim",
            vec![child(
                1,
                None,
                "compensated",
                5,
                json!({ "undo_at": at(60), "told_at": at(80), "detail": "its parent is undone" }),
            )],
        ),
        runs(
            "replace",
            "rejected",
            "replace-item",
            vec![child(2, None, "compensated", 20, json!({ "told_at": at(60), "detail": reason }))],
        ),
        runs("tell", "pending", "tell-all", vec![]),
    ];
    let parent = json!({ "id": "0198c1a2-0000-7000-8000-000000000009", "step": "settle", "index": 3 });
    let view = saga("compensated", 90, steps, json!({ "ended_at": at(90), "parent": parent }));
    insta::assert_snapshot!(timeline(&view, Style::PLAIN));
    let steps = vec![runs(
        "pay",
        "waiting",
        "pay-claim",
        vec![
            child(1, Some(0), "succeeded", 5, json!({ "told_at": at(30) })),
            child(2, Some(1), "under_way", 6, json!({})),
            child(3, Some(2), "under_way", 7, json!({ "version": null })),
            child(4, Some(3), "refused", 8, json!({ "version": null, "detail": "there is no saga pay-claim" })),
        ],
    )];
    insta::assert_snapshot!(timeline(&saga("running", 90, steps, json!({})), Style::PLAIN));
}
