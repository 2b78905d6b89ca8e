//! The files of `sagas/`.

use amends_core::scenario::differences;
use amends_explore::{Contract, scenarios::play};

use super::support::{family_of, folder, read, scenarios, setup};

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("sagas");
    let names = entries.map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(".test.yaml")?.to_owned())).collect();
    names.sort();
    names
}

/// On real processes they do, too: `tests/scenarios`.
#[test]
fn every_scenario_of_sagas_comes_to_what_it_expects_in_virtual_time() {
    let mut wrong = Vec::new();
    let mut carried_out = 0;
    for name in names() {
        let family = family_of(&name);
        let file = scenarios(&family, &read(&format!("{name}.test.yaml")));
        for scenario in &file.scenarios {
            carried_out += 1;
            let played = play(&family, &file, scenario, &setup(Contract::Barrier));
            let played = played.unwrap_or_else(|why| panic!("{name}: {}: {why}", scenario.name));
            let different = differences(scenario, &played.ran);
            if !different.is_empty() {
                let said: Vec<String> = different.iter().map(|one| format!("  {one}")).collect();
                let story: Vec<String> = played.moments.iter().map(|moment| format!("    {:?}", moment.line)).collect();
                wrong.push(format!("{name}: {}\n{}\n{}", scenario.name, said.join("\n"), story.join("\n")));
            }
        }
    }
    assert!(carried_out > 50, "{carried_out}");
    assert!(wrong.is_empty(), "{} of {carried_out}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_same_scenario_comes_to_the_same_story_to_the_microsecond() {
    for name in names() {
        let family = family_of(&name);
        let file = scenarios(&family, &read(&format!("{name}.test.yaml")));
        for scenario in &file.scenarios {
            let told =
                || format!("{:?}", play(&family, &file, scenario, &setup(Contract::Barrier)).expect("it starts"));
            assert_eq!(told(), told(), "{name}: {}", scenario.name);
        }
    }
}
