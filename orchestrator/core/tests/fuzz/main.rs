//! Fuzzing of what a definition says: the YAML loader, expressions, and the rendering of paths, headers and bodies.
//!
//! Two sources of cases: mutations of a corpus (all sagas, all examples of the docs, all pages of error codes), and a grammar
//! that writes definitions and expressions. `AMENDS_FUZZ_SECONDS` says how long (short without it), `AMENDS_SEED` where to
//! begin; the seed of a case that fails is printed, and a bug that was found becomes a fixed case in the tests of its part.

mod cases;
mod checks;
mod dice;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant, SystemTime},
};

use dice::Dice;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// Runs `case` with one seed after the other, for as long as it is told. At least so many cases must have been of use.
fn run(what: &str, least: u64, mut case: impl FnMut(&mut Dice) -> bool) {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let first = number("AMENDS_SEED").unwrap_or(since_1970.as_secs());
    let long = Duration::from_secs(number("AMENDS_FUZZ_SECONDS").unwrap_or(3));
    println!("{what}: AMENDS_SEED={first}");
    let (start, mut cases, mut of_use) = (Instant::now(), 0_u64, 0_u64);
    while cases < least || start.elapsed() < long {
        let seed = first.wrapping_add(cases);
        match catch_unwind(AssertUnwindSafe(|| case(&mut Dice::new(seed)))) {
            Ok(used) => of_use += u64::from(used),
            Err(_) => panic!("{what}: found something; again with AMENDS_SEED={seed}"),
        }
        cases += 1;
    }
    println!("{what}: {cases} cases, {of_use} of them of use, in {:?}", start.elapsed());
    assert!(of_use * 50 >= cases, "of {cases} cases only {of_use} were of use: the generator is no good");
}

#[test]
fn no_mutation_of_a_definition_panics_takes_long_or_is_told_of_a_place_that_is_not_there() {
    let corpus = cases::corpus();
    assert!(corpus.len() > 80, "{} texts", corpus.len());
    // Of use is what still is YAML of our kind, more or less: it gets beyond the loader.
    run("mutations", 300, |dice| checks::source(&cases::mutated(dice, &corpus)));
}

#[test]
fn generated_definitions_are_read_and_what_they_render_stays_what_it_should_be() {
    run("definitions", 200, |dice| {
        let source = cases::definition(dice);
        checks::source(&source);
        checks::rendering(dice, &source)
    });
}

#[test]
fn generated_expressions_end_in_a_value_or_a_reason_within_time_and_memory() {
    run("expressions", 500, checks::expression);
}
