//! A deterministic simulation of the engine: the real code, two or three nodes on one store, one thread, virtual time; its three
//! doors are simulated and everything behind them goes wrong by the dice of a seed. The same seed is the same run.
//!
//! `AMENDS_SIMULATION_SEEDS` says how many seeds (default 20000), `AMENDS_SEED` which is the first (default 0). With
//! `AMENDS_SIMULATION_SEEDS=1` the run is printed, whatever becomes of it.
//!
//! The technique is FoundationDB's ("FoundationDB: A Distributed Unbundled Transactional Key Value Store", Zhou et al. 2021).

mod cases;
mod controls;
mod database;
mod dice;
mod judge;
mod network;
mod node;
mod plan;
mod run;
mod sagas;
mod seeds;
mod services;
mod world;
