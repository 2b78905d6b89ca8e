//! The schema of the input.

use crate::case::{Case, ONE, case};

pub(crate) fn cases() -> Vec<Case> {
    let one = ONE;
    vec![
        // ---- the input schema
        case("an input that is no schema", &format!("saga: s\ninput: 3\nsteps:\n{one}"), [("E0203", 2, 8)]),
        case("a bad schema", &format!("saga: s\ninput: {{ type: nonsense }}\nsteps:\n{one}"), [("E0207", 2, 8)]),
        case(
            "a remote $ref",
            &format!("saga: s\ninput: {{ $ref: 'http://169.254.169.254/schema' }}\nsteps:\n{one}"),
            [("E0207", 2, 16)],
        ),
        case(
            "a $ref to a file",
            &format!("saga: s\ninput: {{ $ref: 'file:///etc/passwd' }}\nsteps:\n{one}"),
            [("E0207", 2, 16)],
        ),
        case(
            "a $schema of elsewhere",
            &format!("saga: s\ninput: {{ $schema: 'http://evil/schema' }}\nsteps:\n{one}"),
            [("E0207", 2, 19)],
        ),
        case(
            "a pattern that only backtracking can match",
            &format!("saga: s\ninput: {{ pattern: '(a)\\1' }}\nsteps:\n{one}"),
            [("E0207", 2, 8)],
        ),
        case(
            "a pattern that explodes when it is compiled",
            &format!("saga: s\ninput: {{ pattern: '((a{{1000}}){{1000}}){{1000}}' }}\nsteps:\n{one}"),
            [("E0207", 2, 8)],
        ),
        case(
            "a schema within itself",
            &format!("saga: s\ninput: {{ items: {{ $ref: '#' }} }}\nsteps:\n{one}"),
            [("E0207", 2, 25)],
        ),
        case(
            "a schema that leads back to itself",
            &format!(
                "saga: s\ninput: {{ $ref: '#/$defs/a', $defs: {{ a: {{ items: {{ $ref: '#/$defs/a' }} }} }} }}\nsteps:\n{one}"
            ),
            [("E0207", 2, 58)],
        ),
        case("a schema that multiplies", &multiplying(), [("E0207", 2, 2737)]),
        case(
            "a $ref to nothing",
            &format!("saga: s\ninput: {{ $ref: '#/$defs/gone' }}\nsteps:\n{one}"),
            [("E0207", 2, 16)],
        ),
        case(
            "more patterns than are compiled in time",
            &format!("saga: s\ninput: {{ allOf: [{}] }}\nsteps:\n{one}", "{ pattern: '(a{90}){900}' }, ".repeat(2_000)),
            [("E0207", 2, 1885)],
        ),
    ]
}

/// Each definition of the schema stands for two of the next.
fn multiplying() -> String {
    let defs: String = (0..40)
        .map(|n| format!("a{n}: {{ allOf: [{{ $ref: '#/$defs/a{m}' }}, {{ $ref: '#/$defs/a{m}' }}] }}, ", m = n + 1))
        .collect();
    format!(
        "saga: s\ninput: {{ $ref: '#/$defs/a0', $defs: {{ {defs} a40: {{}} }} }}\nsteps:\n  a: {{ call: x POST /a, compensate: {{ call: x POST /u }} }}\n"
    )
}
