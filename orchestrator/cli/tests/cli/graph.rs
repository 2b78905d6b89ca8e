//! `amends graph`

use crate::shell::Shell;

const ORDER: &str = include_str!("../../../../sagas/place-order.yaml");

#[test]
fn a_file_or_stdin_is_drawn_in_each_format() {
    let shell = Shell::new();
    shell.file("order.yaml", ORDER);
    shell.amends(&["graph", "order.yaml"]).expect(0).prints("flowchart TD\n").prints("s0 --> s1");
    shell.amends(&["graph", "order.yaml", "--format", "dot"]).expect(0).prints("digraph \"place-order\" {");
    let svg = shell.amends_reading(&["graph", "-", "--format", "svg"], ORDER);
    svg.expect(0).prints("<svg xmlns=").prints("</svg>");
    assert_eq!(svg.stderr, "");
    assert!(!svg.stdout.contains("<script") && !svg.stdout.contains("href"), "{}", svg.stdout);
}

#[test]
fn what_is_no_definition_is_said_on_stderr_and_nothing_is_drawn() {
    let shell = Shell::new();
    shell.file("bad.yaml", "saga: x\nsteps: []\n");
    let ran = shell.amends(&["graph", "bad.yaml"]);
    ran.expect(1).says("error[E0203]").says("bad.yaml is no valid definition");
    assert_eq!(ran.stdout, "");
    shell.amends(&["graph", "nowhere.yaml"]).expect(1).says("no such file or folder: nowhere.yaml\n  hint: ");
    shell.amends(&["graph", "pay@x"]).expect(2).says("a version is a number from 1, e.g. pay@2");
    let nobody = shell.amends(&["graph", "pay", "--url", "http://127.0.0.1:9"]);
    nobody.expect(1).says("no such file or folder: pay").says("no server at http://127.0.0.1:9");
}
