//! Seeds that found something once. They are run for ever.

use crate::run::run;

#[test]
fn seeds_that_found_something_find_it_no_more() {
    const FOUND: &[u64] = &[];
    for seed in FOUND {
        let run = run(*seed, None);
        assert!(run.verdict.is_empty(), "{run}\nseed {seed}: {:#?}", run.verdict);
    }
}
