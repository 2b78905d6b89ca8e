//! `amends faults` and `amends chaos` on the command line, and `serve --allow-faults`.

use crate::{serve::Server, shell::Shell};

const PLAN: &str = "rules: [{ name: lost, step: charge, lose: reply, count: 3 }]\n";

#[test]
fn a_plan_is_set_shown_and_cleared() {
    let shell = Shell::new();
    shell.file("plan.yaml", PLAN);
    let server = Server::start(&shell, &["serve", "--allow-faults"]);
    let faults = |arguments: &[&str]| shell.amends(&[&["faults"], arguments, &["--url", &server.url]].concat());
    faults(&["show"]).expect(0).says("there is no plan of faults");
    faults(&["set", "plan.yaml"]).expect(0).says("faults are injected from now on").prints("lost");
    let shown = faults(&["show", "-o", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown.expect(0).stdout).expect("JSON");
    assert_eq!(shown["rules"][0], serde_json::json!({ "name": "lost", "fault": "lose", "fired": 0, "count": 3 }));
    faults(&["clear"]).expect(0).says("nothing goes wrong on purpose any more").prints("lost");
    faults(&["show"]).expect(0).says("there is no plan of faults");
    server.stop();
}

#[test]
fn a_server_without_the_flag_says_how_to_start_one_with_it() {
    let shell = Shell::new();
    shell.file("plan.yaml", PLAN);
    let server = Server::start(&shell, &["serve"]);
    let ran = shell.amends(&["faults", "set", "plan.yaml", "--url", &server.url]);
    ran.expect(1).says("this server does not inject faults").says("amends serve --allow-faults");
    let chaos = ["chaos", "--plan", "plan.yaml", "--saga", "nobody", "--sagas", "1", "--url", &server.url];
    shell.amends(&chaos).expect(1).says("there is no definition `nobody`");
    server.stop();
}

#[test]
fn a_plan_that_is_not_valid_is_shown_at_its_place_and_sent_nowhere() {
    let shell = Shell::new();
    shell.file("plan.yaml", "rules:\n  - { step: charge, lose: both }\n");
    let nobody = ["--url", "http://127.0.0.1:9"];
    for command in [vec!["faults", "set", "plan.yaml"], vec!["chaos", "--plan", "plan.yaml", "--saga", "s"]] {
        let ran = shell.amends(&[command, nobody.to_vec()].concat());
        ran.expect(1).says("lose is one of a few words").says("plan.yaml:2:27").says("is no valid plan of faults");
    }
    shell.amends(&["faults", "set", "nowhere.yaml"]).expect(1).says("no such file or folder: nowhere.yaml\n  hint: ");
    shell.file("good.yaml", PLAN);
    let good = shell.amends(&["chaos", "--plan", "good.yaml", "--saga", "s", "--ledger", "payments"]);
    good.expect(2).says("write SERVICE=URL");
    shell.amends(&["chaos", "--plan", "good.yaml", "--saga", "s@x"]).expect(2).says("a version is a number");
    let ran = shell.amends(&[&["chaos", "--plan", "good.yaml", "--saga", "s"][..], &nobody].concat());
    ran.expect(1).says("no server at http://127.0.0.1:9");
}
