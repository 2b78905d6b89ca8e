//! The command line from outside: the binary itself, with files, variables and exit codes.

mod check;
mod config;
mod demo;
mod diff;
mod docs;
mod explain;
mod explore;
mod export;
mod faults;
mod fsck;
mod graph;
mod plan;
mod remote;
mod serve;
mod shell;
mod stores;
mod test;
mod verify;
