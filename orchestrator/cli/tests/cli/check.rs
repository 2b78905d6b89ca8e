//! `amends check`

use serde_json::Value;

use crate::shell::Shell;

const GOOD: &str = "\
saga: pay
deadline: 1m
steps:
  charge:
    call: payments POST /charges
    body: { order: \"${{ saga.id }}\" }
    compensate: { call: \"payments POST /charges/${{ saga.id }}/refund\" }
";

const BAD: &str = "\
saga: pay
steps:
  charge:
    call: payments POST /charges
    compensat: { call: payments POST /refunds }
";

const CATALOGUE: &str = "[services.payments]\nurl = \"http://127.0.0.1:9\"\n";

#[test]
fn a_good_definition_passes_with_a_warning_that_there_is_no_catalogue() {
    let shell = Shell::new();
    shell.file("pay.yaml", GOOD);
    shell.amends(&["check", "pay.yaml"]).expect(0).says("1 file: 0 errors").prints("warning[W0501]");
    shell.amends(&["check", "--deny-warnings", "pay.yaml"]).expect(1);
}

#[test]
fn with_the_catalogue_services_are_checked() {
    let shell = Shell::new();
    shell.file("pay.yaml", GOOD);
    shell.file("server.toml", CATALOGUE);
    let ran = shell.amends(&["check", "--config", "server.toml", "--deny-warnings", "pay.yaml"]);
    assert_eq!(ran.expect(0).stdout, "");
    shell.file("other.toml", &CATALOGUE.replace("payments", "payment"));
    let ran = shell.amends(&["check", "--config", "other.toml", "pay.yaml"]);
    ran.expect(1).prints("error[E0303]").prints("did you mean `payment`?");
}

#[test]
fn an_error_shows_its_place_in_the_source_and_how_to_mend_it() {
    let shell = Shell::new();
    shell.file("sagas/pay.yaml", BAD);
    let ran = shell.amends(&["check", "sagas/pay.yaml"]);
    ran.expect(1)
        .prints("error[E0201]")
        .prints("sagas/pay.yaml:5:5")
        .prints("5 |     compensat: { call: payments POST /refunds }\n  |     ^^^^^^^^^")
        .prints("compensate");
    assert!(!ran.stdout.contains('\x1b'), "not a terminal, so no colour");
}

#[test]
fn json_lists_every_finding_of_every_file() {
    let shell = Shell::new();
    shell.file("good.yaml", GOOD);
    shell.file("bad.yaml", BAD);
    let ran = shell.amends(&["check", "--format", "json", "good.yaml", "bad.yaml"]);
    let list: Vec<Value> = serde_json::from_str(&ran.expect(1).stdout).expect("a JSON list");
    let unknown = list.iter().find(|found| found["code"] == "E0201").expect("the unknown key");
    assert_eq!((&unknown["file"], &unknown["severity"]), (&"bad.yaml".into(), &"error".into()));
    assert_eq!((&unknown["line"], &unknown["column"]), (&5.into(), &5.into()));
    assert!(unknown["hint"].as_str().is_some_and(|hint| hint.contains("compensate")), "{unknown}");
    assert!(list.iter().any(|found| found["file"] == "good.yaml" && found["severity"] == "warning"));
}

#[test]
fn what_cannot_be_read_is_a_failure_and_no_file_at_all_is_wrong_usage() {
    let shell = Shell::new();
    shell.amends(&["check", "nowhere.yaml"]).expect(1).says("no such file or folder: nowhere.yaml\n  hint: ");
    shell.amends(&["check"]).expect(2);
    shell.amends(&["check", "--frmat", "json", "x.yaml"]).expect(2).says("--format");
    shell.amends(&["chekc"]).expect(2).says("check");
}

#[test]
fn hostile_yaml_is_refused_and_nothing_breaks() {
    let shell = Shell::new();
    for (name, text) in [
        ("empty.yaml", ""),
        ("alias.yaml", "a: &x 1\nb: *x\n"),
        ("nul.yaml", "saga: \0"),
        ("tab.yaml", "saga:\n\t- x\n"),
    ] {
        shell.file(name, text);
        shell.amends(&["check", name]).expect(1).prints("error[");
    }
}

#[test]
fn what_is_hardly_meant_is_a_warning_with_a_code_of_its_own() {
    let shell = Shell::new();
    shell.file("server.toml", CATALOGUE);
    shell.file(
        "pay.yaml",
        &GOOD.replace("    compensate", "    output: { id: \"${{ response.body.id }}\" }\n    compensate"),
    );
    let ran = shell.amends(&["check", "--config", "server.toml", "pay.yaml"]);
    ran.expect(0).prints("warning[W0604]").prints("for more: amends explain W0604").says("0 errors, 1 warning");
    shell.amends(&["check", "--config", "server.toml", "--deny-warnings", "pay.yaml"]).expect(1);
}

#[test]
fn how_long_a_saga_can_take_is_said_with_the_timeouts_of_the_catalogue() {
    let shell = Shell::new();
    shell.file("pay.yaml", GOOD);
    shell.file("server.toml", &format!("{CATALOGUE}timeout = \"3s\"\n"));
    let ran = shell.amends(&["check", "--config", "server.toml", "pay.yaml"]);
    ran.expect(0).says("pay.yaml: the way takes at most 17s (charge), or 55s if services ask for longer waits");
    ran.says("at most 2 calls, 5 requests");
    shell.amends(&["check", "pay.yaml"]).expect(0).says("and the timeouts of payments");
}

const DOCUMENT: &str = "\
openapi: 3.1.0
paths:
  /charges:
    post:
      requestBody:
        required: true
        content:
          application/json:
            schema: { type: object, required: [order, amount], properties: { amount: { type: integer } } }
      responses: { 201: { description: charged } }
  /charges/{order}/refund: { post: { responses: { 200: { description: refunded } } } }
";

/// The configuration and the document stand in a folder of their own, elsewhere than the definition.
fn with_document(document: &str) -> Shell {
    let shell = Shell::new();
    shell.file("pay.yaml", GOOD);
    shell.file("etc/server.toml", &format!("{CATALOGUE}openapi = \"docs/payments.yaml\"\n"));
    shell.file("etc/docs/payments.yaml", document);
    shell
}

#[test]
fn calls_are_held_against_the_document_that_the_catalogue_names() {
    let shell = with_document(DOCUMENT);
    let check = ["check", "--config", "etc/server.toml", "pay.yaml"];
    shell.amends(&check).expect(1).prints("error[E0704]").prints("pay.yaml:6:11").prints("requires `amount`");
    shell.file("pay.yaml", &GOOD.replace("}\" }\n    comp", "}\", amount: 7 }\n    comp"));
    assert_eq!(shell.amends(&check).expect(0).stdout, "");
    // JSON is read as well.
    shell.file("etc/docs/payments.yaml", "{\"openapi\": \"3.0.3\", \"paths\": {}}");
    shell.amends(&check).expect(1).prints("error[E0701]").prints("`payments` has no path `/charges`");
}

#[test]
fn a_document_that_cannot_be_read_is_told_with_its_file_and_its_place() {
    for (document, place) in [
        ("openapi: 3.1.0\npaths: [\n", "line "),
        ("openapi: 3.1.0\npaths: { /a: { $ref: other.yaml } }\n", "#/paths/~1a: the reference `other.yaml` leads out"),
        ("swagger: '2.0'\n", "convert it to 3.0 or 3.1"),
    ] {
        let shell = with_document(document);
        for command in [
            vec!["check", "--config", "etc/server.toml", "pay.yaml"],
            vec!["config", "check", "--config", "etc/server.toml"],
            vec!["serve", "--config", "etc/server.toml", "--listen", "127.0.0.1:0"],
        ] {
            let ran = shell.amends(&command);
            ran.expect(1)
                .says("the OpenAPI document of service `payments` cannot be used")
                .says("etc/docs/payments.yaml")
                .says(place);
        }
    }
    let shell = Shell::new();
    shell.file("pay.yaml", GOOD);
    shell.file("server.toml", &format!("{CATALOGUE}openapi = \"nowhere.yaml\"\n"));
    shell.amends(&["check", "--config", "server.toml", "pay.yaml"]).expect(1).says("nowhere.yaml").says("No such file");
}

#[test]
fn files_that_are_given_together_are_each_others_children() {
    let shell = Shell::new();
    let settle = "saga: settle\ndeadline: 1m\nsteps:\n  pay: { saga: pay }\n";
    shell.file("pay.yaml", GOOD);
    shell.file("settle.yaml", settle);
    shell.file("server.toml", CATALOGUE);
    let check = ["check", "--config", "server.toml", "--deny-warnings"];
    shell
        .amends(&[&check[..], &["settle.yaml"]].concat())
        .expect(1)
        .prints("warning[W0504]")
        .says("not counted: what its children cost (pay)");
    shell
        .amends(&[&check[..], &["settle.yaml", "pay.yaml"]].concat())
        .expect(0)
        .says("settle.yaml: the way takes at most 27s (pay), or 1m if services ask for longer waits; at most 2 calls, 5 requests\n");
    let pivot = GOOD
        .replace("    compensate: { call: \"payments POST /charges/${{ saga.id }}/refund\" }\n", "    pivot: true\n");
    shell.file("pay.yaml", &pivot);
    shell.amends(&[&check[..], &["settle.yaml", "pay.yaml"]].concat()).expect(1).prints("error[E0321]");
}
