//! How fast it is: `cargo run --release -p amends-explore --example speed [SAGA.yaml [FAULTS]]`.

use std::{collections::BTreeMap, fs, time::Instant};

use amends_core::definition::Definition;
use amends_explore::{Contract, Setup, explore, inputs};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../sagas/place-order.yaml").to_owned());
    let most: u8 = arguments.next().map_or(2, |text| text.parse().expect("a number of faults"));
    let source = fs::read_to_string(&file).expect("a definition");
    let definition = Definition::parse(&source, None).expect("a valid definition");
    for join in [false, true] {
        for contract in [Contract::Barrier, Contract::Plain] {
            for faults in 1..=most {
                let mut setup = Setup { inputs: inputs(&definition).expect("an input"), faults, join, ..Setup::default() };
                setup.inputs.truncate(1);
                setup.otherwise.contract = contract;
                let begun = Instant::now();
                let report = explore(&definition, &setup, &mut |_| true).expect("it can be explored");
                let seconds = begun.elapsed().as_secs_f64();
                let totals = report.totals;
                println!(
                    "{contract:?} faults ≤ {faults} join {join}: {} runs, {} joined, {} moments in {seconds:.2} s: {:.0} runs/s, {:.0} schedules/s",
                    totals.runs, totals.joined, totals.moments, totals.runs as f64 / seconds,
                    (totals.runs + totals.joined) as f64 / seconds
                );
                let mut found: BTreeMap<String, u32> = BTreeMap::new();
                for finding in &report.findings {
                    *found.entry(format!("{} {:?}", finding.code.as_str(), finding.step)).or_default() += 1;
                    if faults == most && join {
                        println!("   {} {:?} {} ({} faults)\n      {}", finding.code.as_str(), finding.severity, finding.message, finding.faults, finding.trace.choices.join(" | "));
                    }
                }
            }
        }
    }
}
