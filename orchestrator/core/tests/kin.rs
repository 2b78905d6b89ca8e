//! A definition beside those of its children: what is said of the family, and where.

use std::sync::Arc;

use amends_core::definition::{Definition, Diagnostic, Known, Severity, check_children};

const CALL: &str = "call: x POST /a, compensate: { call: x POST /u }";

fn read(yaml: &str) -> Arc<Definition> {
    Arc::new(Definition::parse(yaml, None).unwrap_or_else(|found| panic!("{found:#?}\n{yaml}")))
}

fn said(parent: &str, children: &[&str]) -> Vec<Diagnostic> {
    let known: Known = children.iter().map(|yaml| read(yaml)).map(|child| (child.name.clone(), child)).collect();
    check_children(&read(parent), &known, Severity::Error)
}

fn codes(parent: &str, children: &[&str]) -> Vec<(&'static str, u32)> {
    said(parent, children).iter().map(|found| (found.code, found.line)).collect()
}

fn kid() -> String {
    format!("saga: kid\nsteps: {{ a: {{ {CALL} }} }}\noutput: {{ id: 7 }}\n")
}

fn runs(step: &str) -> String {
    format!("saga: s\nsteps:\n  k: {{ saga: kid{step} }}\n  z: {{ {CALL} }}\n")
}

#[test]
fn a_family_that_fits_is_not_spoken_of() {
    assert_eq!(codes(&runs(""), &[&kid()]), []);
    assert_eq!(codes(&format!("{}output: \"${{{{ steps.k.output.id }}}}\"\n", runs("")), &[&kid()]), []);
    let output = ", output: { b: \"${{ child.output.id }}\", c: \"${{ child.output.d | default(1) }}\" }";
    assert_eq!(codes(&runs(output), &[&kid()]), []);
}

#[test]
fn a_child_that_is_not_known_is_said_as_severely_as_asked() {
    assert_eq!(codes(&runs(""), &[]), [("E0323", 3)]);
    let warned = check_children(&read(&runs("")), &Known::new(), Severity::Warning);
    assert_eq!(
        warned.iter().map(|found| (found.code, found.severity)).collect::<Vec<_>>(),
        [("W0504", Severity::Warning)]
    );
}

#[test]
fn a_circle_over_any_number_of_others_is_refused_with_the_way() {
    let by = |name: &str, child: &str| format!("saga: {name}\nsteps: {{ k: {{ saga: {child} }} }}\n");
    let found = said(&runs(""), &[&by("kid", "cousin"), &by("cousin", "s")]);
    assert_eq!(found.iter().map(|found| found.code).collect::<Vec<_>>(), ["E0320"]);
    assert!(found[0].message.contains("s → kid → cousin → s"), "{}", found[0].message);
    // A circle that it only leads to is somebody else's.
    assert_eq!(codes(&runs(""), &[&by("kid", "cousin"), &by("cousin", "kid")]), []);
}

#[test]
fn a_pivot_below_is_refused_before_the_parents_and_nowhere_else() {
    let pivot = "saga: kid\nsteps: { a: { call: x POST /a, pivot: true } }\n";
    assert_eq!(codes(&runs(""), &[pivot]), [("E0321", 3)]);
    let at = "saga: s\nsteps:\n  p: { call: x POST /p, pivot: true }\n  k: { saga: kid }\n";
    assert_eq!(codes(at, &[pivot]), []);
    assert_eq!(codes("saga: s\nsteps:\n  k: { saga: kid, pivot: true }\n", &[pivot]), []);
}

#[test]
fn locks_below_need_locks_above() {
    let locked = format!("{}locks: [a]\n", kid());
    assert_eq!(codes(&runs(""), &[&locked]), [("E0322", 3)]);
    assert_eq!(codes(&format!("{}locks: [b]\n", runs("")), &[&locked]), [], "which ones is seen when it begins");
}

#[test]
fn what_the_child_does_not_answer_cannot_be_read() {
    let whole = |expression: &str| format!("{}output: \"${{{{ {expression} }}}}\"\n", runs(""));
    assert_eq!(codes(&whole("steps.k.output.on"), &[&kid()]), [("E0404", 3)]);
    assert_eq!(codes(&whole("steps.k.output.on | default(1)"), &[&kid()]), []);
    assert_eq!(codes(&runs(", output: \"${{ child.output.on }}\""), &[&kid()]), [("E0404", 3)]);
    let mute = format!("saga: kid\nsteps: {{ a: {{ {CALL} }} }}\n");
    assert_eq!(codes(&whole("steps.k.output"), &[&mute]), [("E0404", 3)]);
    let each = "saga: s\nsteps:\n  k: { for_each: [1], saga: kid }\n  z: { call: x POST /a, body: \"${{ steps.k.output[0].on }}\", compensate: { call: x POST /u } }\n";
    assert_eq!(codes(each, &[&kid()]), [("E0404", 3)]);
    assert_eq!(codes(&each.replace("[0].on", "[0].id"), &[&kid()]), []);
}
