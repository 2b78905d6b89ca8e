//! Random families: three generations of definitions, with and without pivots, children one by one and for each item.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use amends_core::definition::{Definition, Known, Severity, check_children};

use crate::world::Dice;

/// The definitions of a family by name. The root's is `root`.
pub(crate) struct Tree {
    pub(crate) definitions: BTreeMap<Arc<str>, Arc<Definition>>,
}

impl Tree {
    pub(crate) fn grown(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5eed);
        let mut known = Known::new();
        // Youngest first: each is checked against those that it may run.
        for (name, kids) in [
            ("leaf", &[][..]),
            ("leafp", &[]),
            ("mid", &["leaf"]),
            ("midp", &["leaf", "leafp"]),
            ("root", &["leaf", "leafp", "mid", "midp"]),
        ] {
            let pivot = match name {
                "leafp" | "midp" => true,
                "root" => dice.one_in(2),
                _ => false,
            };
            let source = source(name, kids, pivot, &mut dice);
            let definition = Definition::parse(&source, None).unwrap_or_else(|found| panic!("{source}\n{found:#?}"));
            let found = check_children(&definition, &known, Severity::Error);
            assert!(found.is_empty(), "{source}\n{found:#?}");
            known.insert(definition.name.clone(), Arc::new(definition));
        }
        Self { definitions: known }
    }
}

fn source(name: &str, kids: &[&str], pivot: bool, dice: &mut Dice) -> String {
    let steps = 2 + dice.below(3);
    let at = if pivot { dice.below(steps) } else { steps };
    let mut yaml = format!("saga: {name}\nsteps:\n");
    for step in 0..steps {
        // What has a pivot can only be at the parent's or behind it.
        let may: Vec<&&str> = kids.iter().filter(|kid| !kid.ends_with('p') || step >= at).collect();
        let side = if step == at { ", pivot: true" } else { "" };
        let line = match may.as_slice() {
            kids if !kids.is_empty() && dice.one_in(2) => {
                let kid = kids[dice.below(kids.len() as u64) as usize];
                let each = if step != at && dice.one_in(4) {
                    format!(", for_each: [1, 2, 3], concurrency: {}", 1 + dice.below(2))
                } else {
                    String::new()
                };
                format!("saga: {kid}, input: {{ by: \"${{{{ saga.id }}}}\" }}{each}{side}")
            }
            _ if step < at => "call: x POST /do, compensate: { call: x POST /undo }".to_owned(),
            _ => format!("call: x POST /do{side}"),
        };
        writeln!(yaml, "  s{step}: {{ {line} }}").expect("a text");
    }
    yaml
}
