//! `amends diff`

use serde_json::Value;

use crate::shell::Shell;

const ORDER: &str = include_str!("../../../../sagas/place-order.yaml");

#[test]
fn two_files_are_compared_and_the_exit_code_says_whether_they_differ() {
    let shell = Shell::new();
    shell.file("one.yaml", ORDER);
    shell.file("same.yaml", &format!("{ORDER}# a comment\n"));
    shell.file("two.yaml", &ORDER.replace("deadline: 1h", "deadline: 2h").replace("required: [", "required: [gift, "));
    shell.amends(&["diff", "one.yaml", "one.yaml"]).expect(0).prints("are the same text");
    shell.amends(&["diff", "one.yaml", "same.yaml"]).expect(0).prints("mean the same");
    let ran = shell.amends(&["diff", "one.yaml", "two.yaml"]);
    ran.expect(1).prints("deadline\n  - 1h\n  + 2h\n").prints("/input/gift: it is required now");
    ran.prints("finish as they started, on one.yaml. They will not get:\n  deadline\n");
    assert_eq!(ran.stderr, "");
    let json = shell.amends(&["diff", "one.yaml", "two.yaml", "--json"]);
    let diff: Value = serde_json::from_str(&json.expect(1).stdout).expect("JSON");
    assert_eq!((&diff["changes"][0]["at"], &diff["changes"][0]["withheld"]), (&"deadline".into(), &true.into()));
}

#[test]
fn what_cannot_be_compared_is_said_on_stderr() {
    let shell = Shell::new();
    shell.file("one.yaml", ORDER);
    shell
        .amends(&["diff", "one.yaml", "nowhere.yaml"])
        .expect(1)
        .says("no such file or folder: nowhere.yaml\n  hint: ");
    shell.amends(&["diff", "one.yaml"]).expect(2);
    shell.amends(&["diff", "pay", "1", "x"]).expect(2).says("`x` is no version");
    shell
        .amends(&["diff", "pay", "1", "2", "--url", "http://127.0.0.1:9"])
        .expect(1)
        .says("no such file or folder: pay@1");
}
