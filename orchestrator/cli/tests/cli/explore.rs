//! `amends explore`

use serde_json::Value;

use crate::shell::Shell;

const LETTER: &str = "\
saga: order
steps:
  letter:
    call: mail POST /letters
    body: { text: thank you }
    compensate: none
    reason: nobody can take a letter back
  ship:
    pivot: true
    call: shipping POST /shipments
    body: { order: \"${{ saga.id }}\" }
";

const PAY: &str =
    "saga: pay\nsteps:\n  charge: { call: payments POST /charges, compensate: { call: payments POST /refunds } }\n";

const BARRIERS: &str = "\
[services.mail]
url = \"http://127.0.0.1:9\"
contract = \"barrier\"
[services.shipping]
url = \"http://127.0.0.1:9\"
contract = \"barrier\"
";

/// The same with the letter where it belongs.
fn mended() -> String {
    let (head, tail) = LETTER.split_once("  letter:").expect("a letter");
    let (_, ship) = tail.split_once("  ship:").expect("a pivot");
    format!("{head}  ship:{ship}  letter:\n    call: mail POST /letters\n    body: {{ text: thank you }}\n")
}

#[test]
fn a_letter_that_nobody_takes_back_is_found_and_told_as_a_story() {
    let shell = Shell::new();
    shell.file("order.yaml", LETTER);
    shell.file("server.toml", BARRIERS);
    let ran = shell.amends(&["explore", "order.yaml", "--config", "server.toml"]);
    ran.expect(1)
        .prints("order: findings\n")
        .prints("every run with at most 2 faults was tried")
        .prints("error[F0202]: the saga is undone, and what `letter` did stays: `compensate: none`")
        .prints("the shortest run that shows it, with 1 fault:")
        .prints("amends → mail: letter (compensate: none)")
        .prints("in the end: compensated · letter: done 1, undone 0")
        .prints("for more: amends explain F0202")
        .prints("STEP    PHASE    TRIED");
    assert!(!ran.stdout.contains('\x1b') && ran.stderr.is_empty(), "no terminal: {}", ran.stderr);
    shell.amends(&["explain", "f0202"]).expect(0).prints("F0202: What this step did is never undone");
    shell.amends(&["explain"]).expect(0).prints("F0301  ").prints("E0306  ");
}

#[test]
fn what_is_mended_or_allowed_is_clean() {
    let shell = Shell::new();
    shell.file("order.yaml", LETTER);
    shell.file("mended.yaml", &mended());
    shell.amends(&["explore", "mended.yaml", "--contract", "barrier"]).expect(0).prints("order: clean\n");
    let ran = shell.amends(&["explore", "order.yaml", "--contract", "barrier", "--allow", "F0202:letter"]);
    ran.expect(0).prints("order: clean").prints("error[F0202] (allowed)");
    shell.amends(&["explore", "order.yaml", "--contract", "barrier", "--allow", "F0202:ship"]).expect(1);
    shell.amends(&["explore", "order.yaml", "--allow", "F9999"]).expect(2).says("there is no finding `F9999`");
    shell.amends(&["explore", "order.yaml", "--allow", "V0001"]).expect(2).says("never meant to be");
}

#[test]
fn services_are_what_the_configuration_says_or_what_is_said_here() {
    let shell = Shell::new();
    shell.file("pay.yaml", PAY);
    let plain = shell.amends(&["explore", "pay.yaml", "--faults", "2"]);
    plain.expect(1).prints("payments: taken for plain services").prints("error[F0102]").prints("error[F0204]");
    assert!(!plain.stdout.contains("F0101"), "{}", plain.stdout);
    shell.amends(&["explore", "pay.yaml", "--unkeyed", "payments"]).expect(1).prints("error[F0101]");
    shell.amends(&["explore", "pay.yaml", "--unkeyed", "paymets"]).expect(2).says("it calls payments");
    shell.amends(&["explore", "pay.yaml", "--contract", "barrier"]).expect(0).prints("pay: clean");
    shell.file("server.toml", BARRIERS);
    shell.amends(&["explore", "pay.yaml", "--config", "server.toml"]).expect(1).says("E0303");
}

#[test]
fn a_run_that_was_saved_is_told_again() {
    let shell = Shell::new();
    shell.file("order.yaml", LETTER);
    let ran = shell.amends(&["explore", "order.yaml", "--contract", "barrier", "--save-trace", "traces"]);
    ran.expect(1).says("wrote traces/order-F0202-letter.json");
    let file = "traces/order-F0202-letter.json";
    let ran = shell.amends(&["explore", "order.yaml", "--replay", file]);
    ran.expect(1).prints("amends → mail: letter").prints("→ F0202: the saga is undone");
    let drawn = shell.amends(&["explore", "order.yaml", "--replay", file, "--mermaid"]);
    drawn.expect(1).prints("sequenceDiagram\n").prints("->>");
    let told: Value = serde_json::from_str(
        &shell.amends(&["explore", "order.yaml", "--replay", file, "--format", "json"]).expect(1).stdout,
    )
    .expect("JSON");
    assert_eq!(told["end"], "compensated");
    shell.file("other.yaml", &mended());
    shell.amends(&["explore", "other.yaml", "--replay", file]).expect(1).says("its digest differs");
    shell.file("broken.json", "{}");
    shell.amends(&["explore", "order.yaml", "--replay", "broken.json"]).expect(2).says("no trace");
    shell.amends(&["explore", "order.yaml", "other.yaml", "--replay", file]).expect(2).says("one definition");
}

#[test]
fn the_faults_of_a_run_are_saved_as_a_plan_for_a_server() {
    let shell = Shell::new();
    shell.file("pay.yaml", PAY);
    let explore = ["explore", "pay.yaml", "--contract", "barrier", "--save-plan", "plans"];
    shell
        .amends(&[&explore[..], &["--unkeyed", "payments"]].concat())
        .expect(1)
        .says("wrote plans/pay-F0101-charge.faults.yaml");
    let plan = std::fs::read_to_string(shell.file("empty", "").with_file_name("plans/pay-F0101-charge.faults.yaml"));
    let plan = plan.expect("a plan");
    let rule = "rules:\n  - { name: \"1: doubled\", saga: \"pay\", step: \"charge\", op: \"action\", attempt: 1, replay: \"5s\" }\n";
    assert!(plan.starts_with("# F0101: ") && plan.ends_with(rule), "{plan}");
    // Somebody cancels: that is no fault of a call.
    shell.file("order.yaml", LETTER);
    let ran = shell.amends(&["explore", "order.yaml", "--contract", "barrier", "--save-plan", "plans"]);
    ran.expect(1).says("nothing to write into plans/order-F0202-letter.faults.yaml");
}

#[test]
fn a_plan_is_played_alone_or_with_more_and_one_that_does_nothing_fails() {
    let shell = Shell::new();
    shell.file("pay.yaml", PAY);
    let pay = ["explore", "pay.yaml", "--unkeyed", "payments"];
    shell.amends(&[&pay[..], &["--faults", "1", "--save-plan", "plans"]].concat()).expect(1);
    let found = "plans/pay-F0101-charge.faults.yaml";
    let alone = [&pay[..], &["--plan", found, "--faults", "0"]].concat();
    let ran = shell.amends(&alone);
    ran.expect(1).prints("every run with at most 0 faults was tried").prints("plan: 1: doubled: fired 1 time\n");
    ran.prints("error[F0101]").prints("*** as planned: 1: doubled").prints("with 0 faults");
    let ran = shell.amends(&["explore", "pay.yaml", "--contract", "barrier", "--plan", found, "--faults", "1"]);
    ran.expect(0).prints("pay: clean").prints("as planned ");
    let traced = [&alone[..], &["--save-trace", "traces"]].concat();
    shell.amends(&traced).expect(1);
    let told = shell.amends(&["explore", "pay.yaml", "--replay", "traces/pay-F0101-charge.json"]);
    told.expect(1).prints("*** as planned: 1: doubled").prints("→ F0101");
    shell.file(
        "idle.yaml",
        "rules:\n  - { step: charge, attempt: 1, lose: reply }\n  - { name: typo, step: chrage, cut: true }\n",
    );
    let barrier = ["explore", "pay.yaml", "--contract", "barrier", "--plan", "idle.yaml", "--faults", "0"];
    let ran = shell.amends(&barrier);
    ran.expect(1).prints("pay: clean").prints("plan: rule 1: fired ");
    ran.prints("plan: typo: it never fired: no step is called `chrage`");
    let json = shell.amends(&[&barrier[..], &["--format", "json"]].concat());
    let list: Value = serde_json::from_str(&json.expect(1).stdout).expect("JSON");
    assert_eq!(list[0]["plan"][1]["fired"], 0, "{}", list[0]["plan"]);
    assert!(list[0]["plan"][1]["idle"].is_string() && list[0]["plan"][0]["idle"].is_null(), "{}", list[0]["plan"]);
    let junit = shell.amends(&[&barrier[..], &["--format", "junit"]].concat());
    junit.expect(1).prints("name=\"plan: rule 1\"/>").prints("<failure message=\"it never fired: no step");
    shell.file("bad.yaml", "rules: [{ abort: sometimes }]\n");
    shell.amends(&["explore", "pay.yaml", "--plan", "bad.yaml"]).expect(1).says("error[E0203]").says("bad.yaml:1:");
    shell.amends(&["explore", "pay.yaml", "--plan", "no.yaml"]).expect(1).says("no such file or folder: no.yaml");
}

#[test]
fn programs_get_json_and_builds_get_junit() {
    let shell = Shell::new();
    shell.file("order.yaml", LETTER);
    shell.file("mended.yaml", &mended());
    let ran = shell.amends(&[
        "explore",
        "order.yaml",
        "mended.yaml",
        "--contract",
        "barrier",
        "--format",
        "json",
        "--mermaid",
    ]);
    let list: Value = serde_json::from_str(&ran.expect(1).stdout).expect("JSON");
    assert_eq!((&list[0]["verdict"], &list[1]["verdict"]), (&"findings".into(), &"clean".into()));
    let letter = list[0]["findings"].as_array().and_then(|all| all.iter().find(|found| found["code"] == "F0202"));
    let letter = letter.expect("found");
    assert_eq!(
        (&letter["step"], &letter["faults"], &letter["severity"]),
        (&"letter".into(), &1.into(), &"error".into())
    );
    assert!(letter["mermaid"].as_str().is_some_and(|drawn| drawn.starts_with("sequenceDiagram")), "{letter}");
    assert!(letter["trace"]["choices"].as_array().is_some_and(|choices| !choices.is_empty()), "{letter}");
    assert!(list[0]["coverage"].as_array().is_some_and(|rows| rows.len() > 20), "{}", list[0]["coverage"]);
    let ran = shell.amends(&["explore", "order.yaml", "mended.yaml", "--contract", "barrier", "--format", "junit"]);
    ran.expect(1)
        .prints("<testsuite name=\"order\" tests=\"")
        .prints("name=\"every run with at most 2 faults\"/>")
        .prints("<testcase classname=\"order.yaml\" name=\"F0202 letter\">\n      <failure message=\"error: the saga is undone")
        .prints("<skipped message=\"note: ");
}

#[test]
fn what_was_stopped_says_so_and_is_no_success() {
    let shell = Shell::new();
    shell.file("mended.yaml", &mended());
    let ran = shell.amends(&["explore", "mended.yaml", "--contract", "barrier", "--max-runs", "5"]);
    ran.expect(1).prints("order: clean, incomplete").prints("stopped: every run with at most 0 faults was tried");
    let ran =
        shell.amends(&["explore", "mended.yaml", "--contract", "barrier", "--max-runs", "5", "--format", "junit"]);
    ran.expect(1).prints("stopped before its end");
    shell.amends(&["explore", "mended.yaml", "--contract", "barrier", "--max-seconds", "60"]).expect(0);
}

#[test]
fn bad_input_is_told_as_by_check_and_start() {
    let shell = Shell::new();
    shell.file("bad.yaml", "saga: x\nsteps: []\n");
    shell.amends(&["explore", "bad.yaml"]).expect(1).says("error[E0203]");
    shell.amends(&["explore", "nowhere.yaml"]).expect(1).says("no such file or folder: nowhere.yaml\n  hint: ");
    shell.amends(&["explore", "."]).expect(1).says(". is a folder, and a file is wanted");
    shell.amends(&["explore"]).expect(2);
    shell.amends(&["explore", "bad.yaml", "--faults", "9"]).expect(2);
    let typed = "saga: x\ninput: { type: object, required: [n], properties: { n: { type: string, pattern: '^[0-9]{7}$' } } }\n\
                 steps:\n  a: { call: s POST /a, pivot: true, body: { n: \"${{ input.n }}\" } }\n";
    shell.file("typed.yaml", typed);
    shell.amends(&["explore", "typed.yaml"]).expect(2).says("give one with --input");
    shell.amends(&["explore", "typed.yaml", "--data", "{\"n\": \"1\"}"]).expect(1).says("/input/n");
    shell.amends(&["explore", "typed.yaml", "--data", "{"]).expect(2).says("no JSON");
    shell.file("input.json", "{\"n\": \"1234567\"}");
    shell.amends(&["explore", "typed.yaml", "--input", "input.json", "--contract", "barrier"]).expect(0);
}

#[test]
fn a_saga_is_explored_with_its_children_whose_files_are_beside_it() {
    let shell = Shell::new();
    let trip = "saga: trip\nsteps:\n  post: { saga: post }\n  go: { call: trains POST /tickets, pivot: true }\n";
    let post = "saga: post\nsteps:\n  letter: { call: mail POST /letters, compensate: none, reason: it is out }\n";
    shell.file("trip.yaml", trip);
    let ran = shell.amends(&["explore", "trip.yaml", "--contract", "barrier"]);
    ran.expect(1).says("`trip` runs `post` as a child").says("the same folder");
    shell.file("post.yaml", post);
    let ran = shell.amends(&["explore", "trip.yaml", "--contract", "barrier", "--save-trace", "traces"]);
    ran.expect(1)
        .prints("trip: findings\n")
        .prints("every run with at most 2 faults was tried")
        .prints("error[F0202]: post: the saga is undone, and what `letter` did stays")
        .prints("amends (post) → mail: letter (compensate: none)")
        .prints("post/letter: done 1, undone 0")
        .prints("post.letter  ");
    let file = "traces/trip-F0202-post.letter.json";
    shell.amends(&["explore", "trip.yaml", "--replay", file]).expect(1).prints("→ F0202: post: the saga is undone");
    let drawn = shell.amends(&["explore", "trip.yaml", "--replay", file, "--mermaid"]);
    drawn.expect(1).prints(" as amends (trip)\n").prints(" as amends (post)\n");
    let allowed = ["explore", "trip.yaml", "--contract", "barrier", "--faults", "1", "--allow", "F0202:post.letter"];
    shell.amends(&allowed).expect(0).prints("trip: clean");
    let ran = shell.amends(&["explore", "trip.yaml", "--contract", "barrier", "--faults", "1", "--format", "json"]);
    let list: Value = serde_json::from_str(&ran.expect(1).stdout).expect("JSON");
    assert_eq!((&list[0]["findings"][0]["saga"], &list[0]["findings"][0]["step"]), (&"post".into(), &"letter".into()));
    let sagas: Vec<&Value> = list[0]["coverage"].as_array().into_iter().flatten().map(|row| &row["saga"]).collect();
    assert!(sagas.contains(&&"post".into()) && sagas.contains(&&"trip".into()), "{sagas:?}");
    // The text of a child has changed.
    shell.file("post.yaml", &post.replace("/letters", "/cards"));
    shell.amends(&["explore", "trip.yaml", "--replay", file]).expect(1).says("its digest differs");
}
