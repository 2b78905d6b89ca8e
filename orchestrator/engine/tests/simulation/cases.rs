//! Seeds that found something once. They are run for ever; but a seed is the same run only as long as the simulation throws its
//! dice in the same order, so what they found has a test of its own, too.

use crate::run::run;

#[test]
fn seeds_that_found_something_find_it_no_more() {
    // A saga that was let go before it had its place in the queue of a lock slept for ever; a lease came back after an attempt had been
    // dropped for it; a journal that was read late was driven by a stale owner, who acknowledged a callback and lost it, or
    // knew nothing of the call.
    for seed in [398, 957, 4267, 472, 4269, 7561, 10226] {
        let run = run(seed, None);
        assert!(run.verdict.is_empty(), "{run}\nseed {seed}: {:#?}", run.verdict);
    }
}
