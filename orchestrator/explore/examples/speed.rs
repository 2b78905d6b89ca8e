//! How fast it is, on one core: `cargo run --release -p amends-explore --example speed [SAGA.yaml [FAULTS]]`.
//!
//! A run is a schedule that was followed to its end; runs share what they have in common. With *joining* those that meet a moment
//! that was there before are not followed, and are counted for themselves; a saga with children is only explored so. Time is that on the processor, so that a neighbour does not count.

use std::{fs, path::Path, sync::Arc};

use amends_core::definition::{Definition, Known};
use amends_explore::{Contract, Setup, explore, inputs};
use mimalloc::MiMalloc;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const ORDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sagas/place-order.yaml");

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_else(|| ORDER.to_owned());
    let most: u8 = arguments.next().map_or(3, |text| text.parse().expect("a number of faults"));
    let source = fs::read_to_string(&file).expect("a definition");
    let definition = Definition::parse(&source, None).expect("a valid definition");
    let first = inputs(&definition).expect("an input").remove(0);
    let known = if definition.children().next().is_some() { beside(Path::new(&file)) } else { Known::new() };
    for (join, contract) in [(false, Contract::Barrier), (false, Contract::Plain), (true, Contract::Barrier)] {
        if !join && !known.is_empty() {
            continue;
        }
        for faults in 1..=most {
            let (inputs, known) = (vec![first.clone()], known.clone());
            let mut setup = Setup { inputs, known, faults, join, ..Setup::default() };
            setup.otherwise.contract = contract;
            let begun = on_processor();
            let report = explore(&definition, &setup, &mut |_| true).expect("it can be explored");
            let seconds = on_processor() - begun;
            let amends_explore::Totals { runs, joined, moments, .. } = report.totals;
            let joining = if join { "joining" } else { "not joining" };
            println!(
                "{contract:?}, at most {faults} faults, {joining}: {runs} runs and {joined} joined, {moments} moments in \
                 {seconds:.2} s: {:.0} runs/s",
                runs as f64 / seconds,
            );
        }
    }
}

/// The valid definitions in its folder.
fn beside(file: &Path) -> Known {
    let folder = file.parent().expect("a folder").read_dir().expect("a folder");
    let texts = folder.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
    let definitions = texts.filter_map(|text| Definition::parse(&text, None).ok());
    definitions.map(|definition| (definition.name.clone(), Arc::new(definition))).collect()
}

/// Seconds that this thread has run.
fn on_processor() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells how long a thread has run");
    let nanoseconds: f64 = text.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number");
    nanoseconds / 1e9
}
