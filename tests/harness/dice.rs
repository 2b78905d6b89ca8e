//! Dice that a seed repeats, and how big a run is to be. `AMENDS_SEED` repeats a run's dice, `AMENDS_SOAK_SAGAS` and
//! others scale it.

use std::{env, fmt::Display, str::FromStr};

use sha2::{Digest, Sha256};

use crate::words;

/// Dice.
#[derive(Debug)]
pub struct Dice {
    pub seed: u64,
    thrown: u64,
}

impl Dice {
    /// With the seed that is asked for, or another one each time; either way it is printed.
    pub fn asked() -> Self {
        let seed = asked("AMENDS_SEED").unwrap_or_else(|| words::now().unsigned_abs());
        eprintln!("AMENDS_SEED={seed}");
        Self { seed, thrown: 0 }
    }

    /// The next number from 0 up to and without `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.thrown += 1;
        let digest = Sha256::digest([self.seed.to_be_bytes(), self.thrown.to_be_bytes()].concat());
        let first: [u8; 8] = digest[..8].try_into().expect("a digest has 32 bytes");
        u64::from_be_bytes(first) % limit
    }
}

/// How many sagas a run is to have, if nobody asks for another number.
pub fn sagas(default: usize) -> usize {
    number("AMENDS_SOAK_SAGAS", default)
}

/// A number that can be asked for, and is printed.
pub fn number<T: FromStr + Display>(variable: &str, default: T) -> T {
    let number = asked(variable).unwrap_or(default);
    eprintln!("{variable}={number}");
    number
}

fn asked<T: FromStr>(variable: &str) -> Option<T> {
    env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}
