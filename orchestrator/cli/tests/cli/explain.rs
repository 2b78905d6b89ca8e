//! `amends explain`

use serde_json::Value;

use crate::shell::Shell;

#[test]
fn a_page_says_what_a_code_means_with_a_wrong_and_a_right_example() {
    let shell = Shell::new();
    let ran = shell.amends(&["explain", "e0306"]);
    ran.expect(0).prints("E0306: The step does not say how it is undone\n").prints("\nWrong\n").prints("\nRight\n");
    ran.prints("    compensate: { call: \"payments POST /charges/${{ saga.id }}/refund\" }");
    assert!(!ran.stdout.contains('\x1b') && !ran.stdout.contains("```"), "{}", ran.stdout);
}

#[test]
fn without_a_code_all_are_listed_for_people_and_for_programs() {
    let shell = Shell::new();
    shell.amends(&["explain"]).expect(0).prints("E0101  ").prints("E0406  ").prints("W0501  ");
    let list: Vec<Value> =
        serde_json::from_str(&shell.amends(&["explain", "-o", "json"]).expect(0).stdout).expect("JSON");
    assert!(list.len() > 30 && list.iter().all(|page| page["title"].is_string()), "{list:?}");
    let page: Value =
        serde_json::from_str(&shell.amends(&["explain", "E0101", "-o", "json"]).expect(0).stdout).expect("JSON");
    assert!(page["page"].as_str().is_some_and(|page| page.contains("## Wrong")), "{page}");
}

#[test]
fn a_code_that_is_none_is_wrong_usage_and_the_near_one_is_named() {
    let shell = Shell::new();
    shell
        .amends(&["explain", "E036"])
        .expect(2)
        .says("there is no code `E036`")
        .says("`amends explain` lists them all");
    shell.amends(&["explain", "EO306"]).expect(2).says("did you mean E0306?");
    shell.amends(&["explain", "\x1b[2J"]).expect(2).says("there is no code");
}

#[test]
fn every_finding_says_where_more_is_said() {
    let shell = Shell::new();
    shell.file("x.yaml", "saga: x\nsteps: []\n");
    shell.amends(&["check", "x.yaml"]).expect(1).prints("for more: amends explain E0203");
}
