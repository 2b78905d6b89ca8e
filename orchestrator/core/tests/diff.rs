//! What two versions of a definition differ in.

use amends_core::{
    definition::Definition,
    diff::{Diff, diff},
};

const ONE: &str = r#"
saga: pay
input:
  type: object
  required: [amount]
  properties: { amount: { type: integer, minimum: 1 }, note: { type: string } }
deadline: 1h
defaults: { timeout: 2s }
steps:
  charge:
    call: payments POST /charges
    body: { amount: "${{ input.amount }}" }
    compensate: { call: payments POST /refunds }
  ship:
    pivot: true
    call: shipping POST /shipments
    output: { tracking: "${{ response.body.tracking }}" }
  tell:
    call: mail POST /letters
output: { tracking: "${{ steps.ship.output.tracking }}" }
"#;

fn of(from: &str, to: &str) -> Diff {
    let parse = |yaml: &str| Definition::parse(yaml, None).unwrap_or_else(|found| panic!("{found:#?}\n{yaml}"));
    diff(&parse(from), &parse(to))
}

/// `at: from -> to`, with `!` in front of what running sagas do not get.
fn told(diff: &Diff) -> Vec<String> {
    let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
    let line = |change: &amends_core::diff::Change| {
        let mark = if change.withheld { "!" } else { "" };
        format!("{mark}{}: {} -> {}", change.at, side(&change.from), side(&change.to))
    };
    diff.changes.iter().map(line).collect()
}

#[track_caller]
fn changed(from: &str, to: &str, tells: &[&str]) {
    assert!(ONE.contains(from), "{from}");
    assert_eq!(told(&of(ONE, &ONE.replace(from, to))), tells);
}

#[test]
fn how_it_is_written_is_no_difference() {
    assert!(of(ONE, ONE).is_empty() && of(ONE, ONE).same_text);
    let commented = of(ONE, &format!("{ONE}# a comment\n"));
    assert!(commented.is_empty() && !commented.same_text);
    // A default, written out where it counts.
    let written =
        ONE.replace("    call: payments POST /charges\n", "    call: payments POST /charges\n    timeout: 2s\n");
    assert!(of(ONE, &written).is_empty());
}

#[test]
fn each_change_is_told_at_its_place() {
    changed("deadline: 1h", "deadline: 30m", &["!deadline: 1h -> 30m"]);
    changed("/charges", "/payments", &["!steps.charge.call: payments POST /charges -> payments POST /payments"]);
    changed(
        "{ amount: \"${{ input.amount }}\" }",
        "{ cents: \"${{ input.amount * 100 }}\" }",
        &[
            "!steps.charge.call.body.amount: ${{ input.amount }} -> nothing",
            "!steps.charge.call.body.cents: nothing -> ${{ input.amount * 100 }}",
        ],
    );
    changed(
        "compensate: { call: payments POST /refunds }",
        "compensate: none\n    reason: free",
        &[
            "!steps.charge.compensate: payments POST /refunds -> none: free",
            "!steps.charge.compensate.retry: 10 attempts, backoff 200ms × 2 up to 1m -> nothing",
            "!steps.charge.compensate.timeout: 2s -> nothing",
        ],
    );
    changed(
        "    call: mail POST /letters",
        "    call: mail POST /letters\n    retry: { attempts: 9 }",
        &["!steps.tell.call.retry: 5 attempts, backoff 100ms × 2 up to 10s -> 9 attempts, backoff 100ms × 2 up to 10s"],
    );
    changed(
        "saga: pay\n",
        "saga: pay\nlabels: { a: \"${{ input.amount }}\" }\n",
        &["labels.a: nothing -> ${{ input.amount }}"],
    );
    changed(
        "saga: pay\n",
        "saga: pay\nlocks: [\"a:${{ input.amount }}\"]\n",
        &["locks.1: nothing -> a:${{ input.amount }}"],
    );
}

#[test]
fn steps_that_are_new_gone_or_of_another_kind_are_told() {
    changed(
        "  tell:\n    call: mail POST /letters\n",
        "  nap: { sleep: 5m }\n",
        &["!steps.nap: nothing -> sleep 5m", "!steps.tell: mail POST /letters -> nothing"],
    );
    changed(
        "  tell:\n    call: mail POST /letters\n",
        "  tell: { await: read, timeout: 1d }\n",
        &[
            "!steps.tell.await: nothing -> read",
            "!steps.tell.call: mail POST /letters -> nothing",
            "!steps.tell.call.retry: 5 attempts, backoff 100ms × 2 up to 10s -> nothing",
            "!steps.tell.call.timeout: 2s -> nothing",
            "!steps.tell.timeout: nothing -> 1d",
        ],
    );
}

#[test]
fn a_pivot_that_moves_and_another_order_are_told_by_name() {
    let one = "saga: s\nsteps:\n  a: { call: x POST /a, pivot: true }\n  b: { call: x POST /b }\n";
    let none = of(
        one,
        "saga: s\nsteps:\n  a: { call: x POST /a, compensate: none, reason: r }\n  b: { call: x POST /b, pivot: true }\n",
    );
    assert!(told(&none).contains(&"!pivot: a -> b".to_owned()), "{none:#?}");
    let turned = of(
        one,
        "saga: s\nsteps:\n  b: { call: x POST /b, compensate: none, reason: r }\n  a: { call: x POST /a, pivot: true }\n",
    );
    assert!(told(&turned).contains(&"!steps.order: a → b -> b → a".to_owned()), "{turned:#?}");
}

#[test]
fn inputs_that_are_refused_now_are_told_and_wider_ones_are_not() {
    let starts = |from: &str, to: &str| -> Vec<(String, bool)> {
        assert!(ONE.contains(from), "{from}");
        let diff = of(ONE, &ONE.replace(from, to));
        diff.starts.into_iter().map(|start| (format!("{}: {}", start.pointer, start.message), start.certain)).collect()
    };
    let certain = |text: &str| vec![(text.to_owned(), true)];
    assert_eq!(starts("[amount]", "[amount, note]"), certain("/note: it is required now"));
    assert_eq!(starts("minimum: 1", "minimum: 10"), certain("/amount: `minimum` is 10, it was 1"));
    assert_eq!(
        starts("type: integer", "type: string"),
        certain("/amount: \"string\" is accepted, no longer \"integer\"")
    );
    assert_eq!(
        starts("note: { type: string }", "note: { type: string, enum: [a] }"),
        certain("/note: only a few values are accepted")
    );
    assert_eq!(
        starts("note: { type: string } }", "note: { type: string } }\n  additionalProperties: false"),
        certain(": what it does not name is no longer accepted")
    );
    let pattern = starts("note: { type: string }", "note: { type: string, pattern: '^a' }");
    assert_eq!(pattern, [("/note: `pattern` is another: it may be refused".to_owned(), false)]);
    for (from, to) in [("minimum: 1", "minimum: 0"), ("type: integer", "type: number"), ("[amount]", "[]")] {
        assert_eq!(starts(from, to), [], "{to}");
    }
}

#[test]
fn what_a_child_begins_with_and_gives_is_told() {
    let family = |step: &str| format!("saga: f\nsteps:\n  k: {{ {step} }}\n");
    let one = family("saga: kid, input: { a: 1 }");
    let two = family("saga: kid, input: { a: 2, b: 3 }, output: \"${{ child.id }}\"");
    let told = told(&of(&one, &two));
    for part in
        ["steps.k.input.a: 1 -> 2", "steps.k.input.b: nothing -> 3", "steps.k.output: nothing -> ${{ child.id }}"]
    {
        assert!(told.iter().any(|line| line.ends_with(part)), "{part}: {told:?}");
    }
    let other = of(&one, &family("saga: cousin, input: { a: 1 }"));
    assert!(self::told(&other).iter().any(|line| line.ends_with("steps.k.saga: kid -> cousin")), "{other:?}");
}
