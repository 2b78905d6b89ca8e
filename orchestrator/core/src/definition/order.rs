//! Which step comes after which: source order or `needs`, the one pivot, and each step's side of it.

use std::collections::BTreeSet;

use super::{
    diagnostic::code,
    model::{Side, StepIx},
    node::{Key, Node, Tree},
    reader::{Reader, did_you_mean},
};

/// Where a step stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) needs: Vec<StepIx>,
    pub(super) ancestors: BTreeSet<StepIx>,
    pub(super) side: Side,
}

/// The order of all steps.
pub(super) struct Order {
    pub(super) places: Vec<Place>,
}

/// Reads `needs` and `pivot` of all steps. Whatever is wrong, an order comes back, so that the rest can be checked too.
pub(super) fn read(reader: &mut Reader<'_>, entries: &[(Key, Node)]) -> Order {
    let needs = needs(reader, entries);
    let ancestors = ancestors(reader, entries, &needs);
    let pivot = pivot(reader, entries);
    let places = needs
        .into_iter()
        .enumerate()
        .map(|(ix, needs)| {
            let side = match pivot {
                Some(pivot) if pivot == ix => Side::Pivot,
                Some(pivot) if ancestors[ix].contains(&pivot) => Side::After,
                _ => Side::Before,
            };
            Place { needs, ancestors: ancestors[ix].clone(), side }
        })
        .collect();
    if let Some(pivot) = pivot {
        for (ix, (key, _)) in entries.iter().enumerate() {
            if ix != pivot && !ancestors[ix].contains(&pivot) && !ancestors[pivot].contains(&ix) {
                let name = &entries[pivot].0.name;
                let message = format!("`{}` may run beside the pivot `{name}`", key.name);
                let hint = format!(
                    "let one need the other: nothing runs beside the pivot, e.g. `{name}` needs `{}`",
                    key.name
                );
                reader.error(code::PIVOT_NOT_ORDERED, key.at, message, hint);
            }
        }
    }
    Order { places }
}

fn field<'n>(node: &'n Node, name: &str) -> Option<(&'n Key, &'n Node)> {
    match &node.value {
        Tree::Map(fields) => fields.iter().find(|(key, _)| key.name == name).map(|(key, node)| (key, node)),
        _ => None,
    }
}

fn needs(reader: &mut Reader<'_>, entries: &[(Key, Node)]) -> Vec<Vec<StepIx>> {
    let explicit = entries.iter().any(|(_, node)| field(node, "needs").is_some());
    let mut all = Vec::with_capacity(entries.len());
    for (ix, (key, node)) in entries.iter().enumerate() {
        let needs = match field(node, "needs") {
            None if explicit => {
                let message = format!("step `{}` does not say what it needs, but another step does", key.name);
                let hint = "every step says it or none does; `needs: []` starts at once";
                reader.error(code::MISSING_NEEDS, key.at, message, hint);
                vec![]
            }
            None => ix.checked_sub(1).into_iter().collect(),
            Some((_, list)) => need_list(reader, list, ix, entries),
        };
        all.push(needs);
    }
    all
}

fn need_list(reader: &mut Reader<'_>, node: &Node, ix: StepIx, entries: &[(Key, Node)]) -> Vec<StepIx> {
    let Tree::List(items) = &node.value else {
        let message = format!("needs is a list of step names, not {}", node.what());
        reader.error(code::WRONG_TYPE, node.at, message, "needs: [reserve, charge]");
        return vec![];
    };
    let mut needs = BTreeSet::new();
    for item in items {
        let Some(name) = reader.text(item, "a need") else { continue };
        match entries.iter().position(|(key, _)| key.name == name) {
            Some(need) if need == ix => {
                reader.error(
                    code::CYCLE,
                    item.at,
                    format!("step `{name}` needs itself"),
                    "take it out of its own needs",
                );
            }
            Some(need) => drop(needs.insert(need)),
            None => {
                let near = reader.findings.nearest(name, entries.iter().map(|(key, _)| key.name.as_str()));
                let hint = did_you_mean(near, || "needs: names of steps of this saga".to_owned());
                reader.error(code::UNKNOWN_NEED, item.at, format!("there is no step `{name}`"), hint);
            }
        }
    }
    needs.into_iter().collect()
}

/// Everything before each step. A cycle is refused at the step where it closes and cut there.
fn ancestors(reader: &mut Reader<'_>, entries: &[(Key, Node)], needs: &[Vec<StepIx>]) -> Vec<BTreeSet<StepIx>> {
    let mut found: Vec<Option<BTreeSet<StepIx>>> = vec![None; needs.len()];
    // Kahn's algorithm by rounds: at most as many rounds as steps.
    for _ in 0..needs.len() {
        for ix in 0..needs.len() {
            if found[ix].is_none() && needs[ix].iter().all(|need| found[*need].is_some()) {
                let mut all = BTreeSet::new();
                for need in &needs[ix] {
                    all.insert(*need);
                    all.extend(found[*need].iter().flatten());
                }
                found[ix] = Some(all);
            }
        }
    }
    let cut: Vec<StepIx> = (0..needs.len()).filter(|ix| found[*ix].is_none()).collect();
    if let Some(first) = cut.first() {
        let names: Vec<_> = cycle(*first, needs, &cut).into_iter().map(|ix| entries[ix].0.name.as_str()).collect();
        let message = format!("these steps wait for each other: {}", names.join(" → "));
        reader.error(code::CYCLE, entries[*first].0.at, message, "take one of the needs out");
    }
    found.into_iter().map(Option::unwrap_or_default).collect()
}

/// One cycle among the steps that are left over, starting where a walk over their needs first comes back.
fn cycle(start: StepIx, needs: &[Vec<StepIx>], left: &[StepIx]) -> Vec<StepIx> {
    let mut walk = vec![start];
    loop {
        let last = walk[walk.len() - 1];
        let next =
            needs[last].iter().copied().find(|need| left.contains(need)).expect("invariant: it waits for one of them");
        if let Some(at) = walk.iter().position(|ix| *ix == next) {
            walk.push(next);
            return walk.split_off(at);
        }
        walk.push(next);
    }
}

fn pivot(reader: &mut Reader<'_>, entries: &[(Key, Node)]) -> Option<StepIx> {
    let mut pivot = None;
    for (ix, (_, node)) in entries.iter().enumerate() {
        let Some((key, value)) = field(node, "pivot") else { continue };
        if reader.boolean(value, "pivot") == Some(true) {
            if let Some(first) = pivot {
                let first: &(Key, Node) = &entries[first];
                let message = format!("a second pivot; the first is `{}`", first.0.name);
                reader.error(code::PIVOTS, key.at, message, "a saga has at most one point of no return");
            } else {
                pivot = Some(ix);
            }
        }
    }
    pivot
}
