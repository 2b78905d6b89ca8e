//! `amends test`

use std::{fs, path::Path};

use serde_json::Value;

use crate::shell::Shell;

const PAY: &str = "\
saga: pay
input: { type: object, required: [amount], properties: { amount: { type: integer } } }
steps:
  reserve: { call: stock POST /reservations, compensate: { call: stock POST /reservations/undo } }
  charge:
    call: payments POST /charges
    body: { amount: \"${{ input.amount }}\" }
    compensate: { call: payments POST /refunds }
output: { paid: \"${{ input.amount }}\" }
";

const RIGHT: &str = "\
scenarios:
  - name: the money is paid
    input: { amount: 5 }
    expect: { status: completed, output: { paid: 5 } }
  - name: the card is refused
    input: { amount: 5 }
    faults: [{ step: charge, reject: 402 }]
    expect: { status: compensated, undone: [reserve], attempts: { charge: 1 } }
";

/// A shell in which `pay` stands with its scenarios.
fn shell(scenarios: &str) -> Shell {
    let shell = Shell::new();
    shell.file("sagas/pay.yaml", PAY);
    shell.file("sagas/pay.test.yaml", scenarios);
    shell
}

/// A shell with all of `sagas/`.
fn all() -> Shell {
    let shell = Shell::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sagas");
    for entry in fs::read_dir(folder).expect("sagas") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        shell.file(&format!("sagas/{name}"), &fs::read_to_string(&path).expect("a text"));
    }
    shell
}

#[test]
fn each_scenario_has_a_line_and_a_folder_is_where_one_stands() {
    let shell = shell(RIGHT);
    let ran = shell.amends(&["test"]);
    ran.expect(0)
        .prints("pay (sagas/pay.test.yaml)\n  ok    the money is paid\n  ok    the card is refused\n")
        .prints("2 scenarios: 2 passed, in ");
    assert!(!ran.stdout.contains('\x1b') && ran.stderr.is_empty(), "no terminal: {}", ran.stderr);
    for path in ["sagas", "sagas/pay.yaml", "sagas/pay.test.yaml", "."] {
        shell.amends(&["test", path]).expect(0).prints("2 passed");
    }
    shell.amends(&["test", "sagas", "sagas/pay.yaml"]).expect(0).prints("2 passed");
    shell.amends(&["test", "--filter", "pay: the card"]).expect(0).prints("1 scenario: 1 passed");
    shell.amends(&["test", "--format", "human"]).expect(0).prints("2 passed");
    shell.file("sagas/.hidden/pay.test.yaml", "not: valid\n");
    shell.file("sagas/more/pay.yaml", PAY);
    shell.file("sagas/more/pay.test.yaml", RIGHT);
    shell.amends(&["test"]).expect(0).prints("4 scenarios: 4 passed").prints("pay (sagas/more/pay.test.yaml)");
    shell.amends(&["test", "--filter", "nobody"]).expect(2).says("no scenario has nobody in it");
    shell
        .amends(&["test", "elsewhere"])
        .expect(2)
        .says("no such file or folder: elsewhere\n  hint: it is looked for in /");
    shell.amends(&["test", "sagas/pay.yml"]).expect(2).says("hint: did you mean sagas/pay.yaml?");
    shell.file("notes.txt", "");
    shell.amends(&["test", "notes.txt"]).expect(2).says("notes.txt: a folder, a saga (*.yaml) or scenarios");
    shell.file("empty/readme", "");
    shell.amends(&["test", "empty"]).expect(2).says("there are no scenarios (*.test.yaml) in empty");
    shell.file("alone/x.test.yaml", RIGHT);
    shell.amends(&["test", "alone"]).expect(2).says("alone/x.test.yaml has no saga beside it");
    shell.file("alone/y.yaml", PAY);
    shell.amends(&["test", "alone/y.yaml"]).expect(2).says("there are no scenarios alone/y.test.yaml");
}

#[test]
fn one_that_fails_says_what_is_different_where_and_what_happened_around_it() {
    let ran = shell(&RIGHT.replace("attempts: { charge: 1 }", "attempts: { charge: 3 }")).amends(&["test"]);
    ran.expect(1).prints(
        "  ok    the money is paid
  FAIL  the card is refused
        sagas/pay.test.yaml:8:67: attempts.charge
          expected  3
          found     1
        what happened around it:
            … 1 line before
              0.000s  amends → stock: reserve
              0.001s  stock → amends: 201
              0.001s      reserve succeeded
        >     0.001s  amends → payments: charge
        >     0.002s  payments → amends: 402
        >     0.002s      charge is rejected
        >     0.002s      charge fails
        >     0.002s      everything is undone: charge failed
              0.002s  amends → stock: undo reserve
              0.003s  stock → amends: 200
              0.003s      undo of reserve succeeded
            … 1 line after
2 scenarios: 1 passed, 1 failed, in ",
    );
}

#[test]
fn every_difference_of_a_scenario_is_told() {
    let wrong = "scenarios:\n  - name: wrong\n    input: { amount: 5 }\n    expect:\n      status: compensated\n      \
                 output: { paid: 6 }\n      undone: [reserve]\n      never: [charge]\n      bodies: { charge: { amount: 6 } }\n";
    let ran = shell(wrong).amends(&["test"]);
    ran.expect(1)
        .prints("sagas/pay.test.yaml:5:7: status\n          expected  compensated\n          found     completed\n")
        .prints("sagas/pay.test.yaml:6:7: output/paid\n          expected  6\n          found     5\n")
        .prints("undone\n          expected  reserve\n          found     none\n          missing: reserve\n")
        .prints("never\n          expected  no request of charge\n          found     1\n")
        .prints("bodies.charge/amount\n          expected  6\n          found     5\n");
    let broken = shell(&RIGHT.replace("amount: 5", "amount: five")).amends(&["test"]);
    broken.expect(1).prints("the input does not fit the schema of `pay`").prints("/input/amount");
}

#[test]
fn a_file_that_is_not_valid_is_told_with_code_place_and_hint() {
    let misspelt = shell(&RIGHT.replace("undone:", "undoen:"));
    misspelt
        .amends(&["test"])
        .expect(1)
        .says("E0201")
        .says("sagas/pay.test.yaml:8:36")
        .says("did you mean `undone`?")
        .prints("FAIL  the file or its saga is not valid")
        .prints("0 scenarios: 0 passed, 1 file not valid");
    let junit = misspelt.amends(&["test", "--format", "junit"]);
    junit.expect(1).prints("<failure message=\"not valid\">sagas/pay.test.yaml:8:36: E0201: ");
    let json: Value = serde_json::from_str(&misspelt.amends(&["test", "--format", "json"]).stdout).expect("JSON");
    assert_eq!((&json["passed"], &json["files"][0]["findings"][0]["code"]), (&false.into(), &"E0201".into()));
    let parent = shell(RIGHT);
    parent.file(
        "sagas/all.yaml",
        "saga: all\nsteps:\n  first: { saga: pays, input: {} }\n  last: { call: x POST /x, pivot: true }\n",
    );
    parent.file("sagas/all.test.yaml", "scenarios: [{ name: n, expect: { status: completed } }]\n");
    parent.amends(&["test", "sagas/all.yaml"]).expect(1).prints("there is no saga pays");
    parent.file("sagas/any.yaml", "saga: pays\nsteps:\n  a: { call: x POST /x, pivot: true }\n");
    parent.amends(&["test", "sagas/all.yaml"]).expect(1).says("sagas/all.yaml:3:").says("E032");
    let shell = shell(RIGHT);
    shell.file("sagas/pay.yaml", &PAY.replace("compensate: { call: payments POST /refunds }", "retries: 3"));
    shell.amends(&["test"]).expect(1).says("E0201").says("sagas/pay.yaml:8:5");
}

#[test]
fn services_are_what_the_configuration_says_or_what_is_said_here() {
    let unheard = "scenarios:\n  - name: n\n    input: { amount: 5 }\n    faults: [{ step: charge, lose: request, attempts: all }]\n    \
                   expect: { status: compensated, nothing: [charge] }\n";
    let shell = shell(unheard);
    shell.amends(&["test"]).expect(0);
    shell.amends(&["test", "--contract", "plain"]).expect(1).prints("a person is asked to look at charge compensate");
    let entry = |name: &str, contract: &str| {
        format!("[services.{name}]\nurl = \"http://127.0.0.1:9\"\ncontract = \"{contract}\"\n")
    };
    shell.file("server.toml", &format!("{}{}", entry("stock", "plain"), entry("payments", "plain")));
    shell.amends(&["test", "--config", "server.toml"]).expect(1).prints("charge compensate: answered 404");
    shell.file("server.toml", &format!("{}{}", entry("stock", "plain"), entry("payments", "barrier")));
    shell.amends(&["test", "--config", "server.toml", "--contract", "plain"]).expect(0);
    shell.file("server.toml", &entry("stock", "barrier"));
    shell.amends(&["test", "--config", "server.toml"]).expect(1).says("E0303");
    shell.amends(&["test", "--live"]).expect(2).says("--live: there is no amends.toml that says where services are");
    shell.amends(&["test", "--live", "--config", "gone.toml"]).expect(2).says("there is no gone.toml");
}

#[test]
fn all_scenarios_of_the_repository_pass_and_programs_and_builds_are_told() {
    let shell = all();
    let json: Value =
        serde_json::from_str(&shell.amends(&["test", "--format", "json", "--trace"]).expect(0).stdout).expect("JSON");
    let files = json["files"].as_array().expect("files");
    assert_eq!((&json["passed"], files.len()), (&true.into(), 13));
    let scenarios: Vec<&Value> = files.iter().flat_map(|file| file["scenarios"].as_array().expect("some")).collect();
    assert!(scenarios.len() > 50 && scenarios.iter().all(|one| one["verdict"] == "passed"), "{json:#}");
    assert!(scenarios.iter().all(|one| one["story"].as_array().is_some_and(|story| story.len() > 4)), "{json:#}");
    let junit = shell.amends(&["test", "--format", "junit"]);
    junit.expect(0).prints("<testsuite name=\"settle-claim\" tests=\"5\" failures=\"0\"");
    let xml: Vec<&str> = junit.stdout.lines().collect();
    assert_eq!(xml.iter().filter(|line| line.contains("<testcase ")).count(), scenarios.len());
}

#[test]
fn what_a_build_reads_is_well_formed_whatever_stands_in_a_name() {
    let odd = RIGHT
        .replace("the card is refused", "\"<a> & \\\"b\\\" ]]>\"")
        .replace("attempts: { charge: 1 }", "attempts: { charge: 3 }");
    let ran = shell(&odd).amends(&["test", "--format", "junit"]);
    ran.expect(1)
        .prints("name=\"&lt;a&gt; &amp; &quot;b&quot; ]]&gt;\"")
        .prints("<failure message=\"attempts.charge: expected 3, found 1\">");
    let mut open = Vec::new();
    for tag in ran.stdout.split('<').skip(2).map(|rest| rest.split('>').next().expect("a tag ends")) {
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name), "{}", ran.stdout),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split(' ').next().unwrap_or_default().to_owned()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn coverage_says_what_no_scenario_brings_about() {
    let ran = shell(RIGHT).amends(&["test", "--coverage"]);
    ran.expect(0);
    let table = ran.stdout.split("\n\n").nth(1).expect("a table behind the scenarios");
    insta::assert_snapshot!(table);
    let json: Value =
        serde_json::from_str(&shell(RIGHT).amends(&["test", "--coverage", "--format", "json"]).stdout).expect("JSON");
    let faults = json["coverage"]["sagas"][0]["faults"].as_array().expect("cells");
    let of_charge = faults.iter().find(|cell| cell["step"] == "charge" && cell["fault"] == "reject").expect("a cell");
    assert_eq!((&of_charge["op"], &of_charge["scenarios"]), (&"action".into(), &1.into()));
}

#[test]
fn too_little_coverage_fails_if_that_is_asked_for() {
    let shell = shell(RIGHT);
    shell.amends(&["test", "--min-coverage", "3"]).expect(0);
    shell.amends(&["test", "--min-coverage", "50"]).expect(1).says("and 50 % are asked for").prints("2 passed");
    shell.amends(&["test", "--min-coverage", "101"]).expect(2);
}
