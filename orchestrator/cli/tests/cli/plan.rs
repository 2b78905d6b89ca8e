//! `amends plan`

use serde_json::Value;

use crate::shell::Shell;

const ORDER: &str = include_str!("../../../../sagas/place-order.yaml");
const INPUT: &str = r#"{"customer":"ada","sku":"kettle","quantity":1,"amount":100}"#;
const FIXED: [&str; 4] = ["--id", "00000000-0000-7000-8000-000000000001", "--started-at", "2026-11-24T12:00:00Z"];

fn planned(shell: &Shell, more: &[&str]) -> crate::shell::Ran {
    shell.file("order.yaml", ORDER);
    shell.file("input.json", INPUT);
    shell.amends(&[&["plan", "order.yaml", "--input", "input.json"], &FIXED[..], more].concat())
}

#[test]
fn the_plan_for_people_is_as_it_was() {
    let ran = planned(&Shell::new(), &[]);
    insta::assert_snapshot!(ran.expect(0).stdout);
    assert_eq!(ran.stderr, "");
}

#[test]
fn with_replies_and_a_catalogue_everything_is_known() {
    let shell = Shell::new();
    let services = ["orders", "inventory", "payments", "shipping"];
    let toml: String =
        services.iter().map(|name| format!("[services.{name}]\nurl = \"http://127.0.0.1:9/{name}/\"\n")).collect();
    shell.file("server.toml", &toml);
    shell.file("outputs.json", r#"{"reserve": {"reservation": "r1"}}"#);
    let more =
        ["--config", "server.toml", "--outputs", "outputs.json", "--reply", r#"ship={"tracking":"T1"}"#, "--json"];
    let view: Value = serde_json::from_str(&planned(&shell, &more).expect(0).stdout).expect("JSON");
    let confirm = &view["steps"][4]["call"]["request"];
    assert_eq!(confirm["body"], r#"{"tracking":"T1"}"#);
    assert!(confirm["digest"].is_string(), "{confirm}");
    let url = "http://127.0.0.1:9/orders/orders/00000000-0000-7000-8000-000000000001/confirm";
    assert_eq!(confirm["url"], url);
    assert!(!view.to_string().contains('‹'), "{view}");
}

#[test]
fn the_locks_of_a_saga_come_first_in_the_order_in_which_it_takes_them() {
    let shell = Shell::new();
    shell.file("transfer.yaml", include_str!("../../../../sagas/transfer-money.yaml"));
    let plan = ["plan", "transfer.yaml", "--data", r#"{"from":"b","to":"a","amount":100}"#];
    let ran = shell.amends(&plan);
    let shown = &ran.expect(0).stdout;
    assert_eq!(
        shown.lines().nth(1),
        Some("takes the locks account:a, account:b, and holds them to its end"),
        "{shown}"
    );
    let ran = shell.amends(&[&plan[..], &["--json"]].concat());
    let view: Value = serde_json::from_str(&ran.expect(0).stdout).expect("JSON");
    assert_eq!(view["locks"], serde_json::json!(["account:a", "account:b"]));
}

#[test]
fn what_a_start_would_refuse_is_refused_with_its_places() {
    let shell = Shell::new();
    shell.file("order.yaml", ORDER);
    let ran = shell.amends(&["plan", "order.yaml", "--data", r#"{"customer": 7}"#]);
    ran.expect(1).says("the input does not fit the definition's schema").says("/input/customer: ").says("\"sku\"");
    assert_eq!(ran.stdout, "");
    planned(&shell, &["--reply", "shop={}"]).expect(2).says("there is no step `shop`").says("open, reserve, charge");
    planned(&shell, &["--reply", "ship={}"]).expect(2).says("step `ship`: from this reply its output cannot be taken");
    planned(&shell, &["--reply", "ship"]).expect(2).says("write STEP=JSON");
}

#[test]
fn children_are_named_with_what_they_begin_with() {
    let shell = Shell::new();
    shell.file("claim.yaml", include_str!("../../../../sagas/settle-claim.yaml"));
    let data = r#"{"customer":"ada","policy":"p-7","sku":"kettle","amount":4200}"#;
    let plan = [&["plan", "claim.yaml", "--data", data], &FIXED[..]].concat();
    let ran = shell.amends(&plan);
    ran.expect(0).prints("runs saga pay-claim as ").prints(r#""amount":4200,"#);
    ran.prints("amends plan pay-claim.yaml").prints("replace (pivot");
    let view: Value =
        serde_json::from_str(&shell.amends(&[&plan[..], &["--json"]].concat()).expect(0).stdout).expect("JSON");
    assert_eq!((&view["steps"][1]["kind"], &view["steps"][1]["definition"]), (&"saga".into(), &"pay-claim".into()));
    let close = shell.amends(&[&plan[..], &["--json", "--reply", r#"pay={"payout":"p-1"}"#]].concat());
    close.expect(0).prints(r#"\"payout\":\"p-1\""#);
}
