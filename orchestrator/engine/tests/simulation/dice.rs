//! The dice of a seed: everything that is left to chance comes from here, so the same seed is the same run.

use std::sync::{Mutex, PoisonError};

/// SplitMix64 (Steele, Lea, Flood 2014, "Fast Splittable Pseudorandom Number Generators").
pub(crate) struct Dice(Mutex<u64>);

/// How often something happens, in a thousand.
pub(crate) type PerMille = u64;

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(mixed(seed)))
    }

    /// Other dice that depend on nothing but these and `what`.
    pub(crate) fn of(seed: u64, what: u64) -> Self {
        Self::new(seed ^ mixed(what).rotate_left(17))
    }

    pub(crate) fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed(*state)
    }

    /// From `least` to `most`, both included.
    pub(crate) fn between(&self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    pub(crate) fn happens(&self, often: PerMille) -> bool {
        often > 0 && self.next() % 1_000 < often
    }

    pub(crate) fn one_of<T: Copy>(&self, all: &[T]) -> T {
        all[usize::try_from(self.next() % all.len() as u64).expect("an index")]
    }
}

pub(crate) fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
