//! The laws of families: parents, children and grandchildren in a world where notes are lost, doubled and late, owners die and go
//! on half-dead, anybody cancels; and controls that show that each law can be broken.
//!
//! `AMENDS_CASES` says how many families (default 400), `AMENDS_SEED` from which on (default 0).

mod laws;
mod tree;
mod world;

use std::collections::BTreeMap;

use amends_core::summary::Status;

use crate::{laws::kept, tree::Tree, world::World};

/// A rule of the world that is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Nothing,
    /// A child is told that it is completed as soon as it has succeeded.
    SettledTooEarly,
    /// A child that is not there is not made as one that is undone: it is enough that it was not seen.
    NoTombstone,
    /// What is told is lost for good.
    NotesLost,
    /// A child that had succeeded is never told to undo itself.
    ForgottenToUndo,
    /// A child is undone while those that came after it still stand.
    UndoneOutOfTurn,
}

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// One family from its start to its end, and what it says of the laws.
fn lived(seed: u64, broken: Broken) -> Result<Status, String> {
    let mut world = World::new(Tree::grown(seed), seed, broken);
    world.weather(120);
    world.clears()?;
    kept(&world)?;
    Ok(world.root().status)
}

#[test]
fn every_family_ends_as_one_in_any_weather() {
    let (cases, first) = (env("AMENDS_CASES", 400), env("AMENDS_SEED", 0));
    println!("AMENDS_CASES={cases} AMENDS_SEED={first}");
    let mut seen = BTreeMap::<Status, u64>::new();
    for seed in first..first + cases {
        match lived(seed, Broken::Nothing) {
            Ok(status) => *seen.entry(status).or_default() += 1,
            Err(why) => panic!("AMENDS_SEED={seed}: {why}"),
        }
    }
    println!("{seen:?}");
    let often = |status| seen.get(&status).copied().unwrap_or(0) * 20 > cases;
    assert!(often(Status::Completed) && often(Status::Compensated), "the weather was one-sided: {seen:?}");
}

#[track_caller]
fn is_noticed(broken: Broken, says: &str) {
    let mut others = Vec::new();
    for seed in 0..2_000 {
        match std::panic::catch_unwind(|| lived(seed, broken)) {
            Ok(Err(why)) if why.contains(says) => return,
            Ok(Err(why)) => others.push(why),
            Ok(Ok(_)) | Err(_) => {}
        }
    }
    others.truncate(3);
    panic!("{broken:?} was not noticed by the law; others said: {others:#?}");
}

#[test]
fn a_child_that_is_settled_too_early_is_noticed() {
    is_noticed(Broken::SettledTooEarly, "has a child that is completed");
}

#[test]
fn a_child_that_is_made_after_it_was_given_up_is_noticed() {
    is_noticed(Broken::NoTombstone, "is left behind");
}

#[test]
fn a_note_that_is_lost_for_good_is_noticed() {
    is_noticed(Broken::NotesLost, "is not over");
}

#[test]
fn a_child_that_is_left_standing_is_noticed() {
    is_noticed(Broken::ForgottenToUndo, "is left behind");
}

#[test]
fn a_child_that_is_undone_out_of_turn_is_noticed() {
    is_noticed(Broken::UndoneOutOfTurn, "before");
}
