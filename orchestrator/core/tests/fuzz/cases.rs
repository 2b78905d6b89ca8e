//! Where cases come from.

use std::{fs, path::Path};

use amends_core::definition::pages;
use serde_json::{Value, json};

use crate::dice::Dice;

/// Everything in this repository that is a definition, or a part of one.
pub(crate) fn corpus() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut texts = Vec::new();
    for (folder, end) in [("sagas", ".yaml"), ("docs", ".md"), (".", "README.md")] {
        let mut paths: Vec<_> =
            fs::read_dir(root.join(folder)).expect("a folder").flatten().map(|e| e.path()).collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.to_string_lossy().ends_with(end)) {
            let text = fs::read_to_string(path).expect("a text");
            match end {
                ".yaml" => texts.push(text),
                _ => texts.extend(
                    text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned),
                ),
            }
        }
    }
    texts.extend(pages().iter().flat_map(|page| [page.wrong().to_owned(), page.right().to_owned()]));
    texts
}

/// What is put into a text: marks of YAML and of expressions, and what readers of texts trip over.
const BITS: [&str; 48] = [
    "${{",
    "}}",
    "${{ input.a }}",
    "${{ steps.b.output.c }}",
    "${{ 'it''s' }}",
    "| default('')",
    "*",
    "&a",
    "!",
    "!!str ",
    "- ",
    "? ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "'",
    "\"",
    "\n",
    "\r\n",
    "\t",
    "\u{0}",
    "\u{feff}",
    "ß",
    "🦀",
    "\u{2028}",
    "\\",
    "#",
    "|",
    ">",
    ">-",
    "|+",
    "%",
    "@",
    "`",
    "---",
    "...",
    "<<",
    "~",
    "null",
    "1e999",
    "-0",
    "0x1F",
    "9999999999999999999",
    "../..",
    "\\u0041",
    "  ",
];

pub(crate) fn mutated(dice: &mut Dice, corpus: &[String]) -> String {
    let mut bytes = corpus[dice.below(corpus.len())].clone().into_bytes();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(7) {
            0 => drop(bytes.splice(at..at, dice.of(&BITS).bytes())),
            1 => {
                let end = (at + dice.below(12)).min(bytes.len());
                bytes.drain(at..end);
            }
            2 if at < bytes.len() => bytes[at] = u8::try_from(dice.below(256)).expect("a byte"),
            3 => {
                // A part of another text.
                let other = corpus[dice.below(corpus.len())].as_bytes();
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(80)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            4 => {
                // The same again: duplicate keys, deeper lists, longer texts.
                let end = (at + dice.below(40)).min(bytes.len());
                let part = bytes[at..end].repeat(1 + dice.below(6));
                bytes.splice(at..at, part);
            }
            5 => {
                // A line elsewhere, or further in.
                let line = " ".repeat(dice.below(6));
                bytes.splice(at..at, line.into_bytes());
            }
            _ => {
                let number =
                    dice.of(&["0", "-1", "3650d", "1000000000", "1.5", "18446744073709551616", "''", "[]", "{}"]);
                bytes.splice(at..at, number.bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An expression, mostly of the language.
pub(crate) fn expression(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 || dice.one_in(4) {
        return dice
            .of(&[
                "input.a",
                "input.b.c",
                "input.list",
                "input.list[0]",
                "input.n",
                "input.text",
                "input.none",
                "input['x-y']",
                "saga.id",
                "saga.labels.l",
                "1",
                "0",
                "-1",
                "2.5",
                "9223372036854775807",
                "18446744073709551615",
                "true",
                "false",
                "null",
                "'it'",
                "\"q\"",
                "''",
                "[]",
                "[1, 2]",
                "input.gone",
                "input.gone | default(1)",
                "input",
            ])
            .to_owned();
    }
    let mut below = || expression(dice, depth - 1);
    let (left, right) = (below(), below());
    match dice.below(12) {
        0..=4 => {
            let between =
                dice.of(&["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in"]);
            format!("({left}) {between} ({right})")
        }
        5 => format!("not ({left})"),
        6 => format!("{left} if {right} else {left}"),
        7..=9 => {
            let filter = dice.of(&[
                "abs",
                "first",
                "float",
                "int",
                "join(',')",
                "json",
                "last",
                "length",
                "lower",
                "max",
                "min",
                "string",
                "trim",
                "upper",
                "default(0)",
            ]);
            format!("({left}) | {filter}")
        }
        10 => format!("[{left}, {right}]"),
        _ => format!("-({left})"),
    }
}

/// A value as a caller may send it, with everything that a path or a header could trip over.
pub(crate) fn value(dice: &mut Dice, depth: usize) -> Value {
    match dice.below(if depth == 0 { 7 } else { 9 }) {
        0 => Value::Null,
        1 => dice.one_in(2).into(),
        2 => json!(dice.next() as i64 >> dice.below(64)),
        3 => json!(f64::from_bits(dice.next())),
        4 => dice
            .of(&["..", ".", "", "../../admin", "a?x=1#", "%00", "%2e%2e", "a\r\nHost: evil", "\u{0}", "ü \\", "//"])
            .into(),
        5 | 6 => (0..dice.below(8))
            .map(|_| char::from_u32(dice.below(0x3000) as u32).unwrap_or('x'))
            .collect::<String>()
            .into(),
        7 => (0..dice.below(4)).map(|_| value(dice, depth - 1)).collect(),
        _ => ["a", "b", "c", "x-y"].into_iter().map(|key| (key.to_owned(), value(dice, depth - 1))).collect(),
    }
}

/// A definition that is right in most places.
pub(crate) fn definition(dice: &mut Dice) -> String {
    let mut text = "saga: s\ndeadline: 1h\nsteps:\n".to_owned();
    let (steps, pivot) = (1 + dice.below(5), dice.below(8));
    for step in 0..steps {
        text += &format!("  s{step}:\n");
        if step != pivot && dice.one_in(6) {
            text += &match dice.below(3) {
                0 => "    sleep: 30m\n".to_owned(),
                1 => format!("    until: {}\n", quoted(dice, "")),
                _ => "    await: go\n    timeout: 1d\n".to_owned(),
            };
            continue;
        }
        if step != pivot && dice.one_in(5) {
            text += &format!("    if: {}\n", quoted(dice, ""));
        }
        if step != pivot && dice.one_in(5) {
            text += "    for_each: '${{ input.list | default([]) }}'\n";
        }
        if dice.one_in(6) {
            text += &format!("    saga: {}\n", dice.of(&["kid", "kid.2", "k"]));
            if dice.one_in(2) {
                text += &format!("    input: {{ a: {}, b: [1, {}] }}\n", quoted(dice, ""), quoted(dice, "t "));
            }
            if dice.one_in(3) {
                text += "    output: { a: '${{ child.output.a | default(child.id) }}' }\n";
            }
            if step == pivot {
                text += "    pivot: true\n";
            }
            continue;
        }
        text += &format!("    call: {}\n", quoted(dice, "x POST /a/b?q="));
        if dice.one_in(2) {
            text += &format!("    headers: {{ X-A: {} }}\n", quoted(dice, ""));
        }
        if dice.one_in(2) {
            text += &format!("    body: {{ a: {}, b: [1, {}] }}\n", quoted(dice, ""), quoted(dice, "t "));
        }
        if step < pivot {
            text += "    compensate: { call: 'x DELETE /a/${{ saga.id }}' }\n";
        } else if step == pivot {
            text += "    pivot: true\n";
        }
    }
    text
}

/// A text with an expression in it, as YAML.
fn quoted(dice: &mut Dice, before: &str) -> String {
    let depth = dice.below(3);
    let before = if before.contains('?') {
        before.replacen("b?q=", dice.of(&["b?q=", "", "x.", "c/"]), 1)
    } else {
        before.to_owned()
    };
    format!("'{before}${{{{ {} }}}}'", expression(dice, depth).replace('\'', "''"))
}
