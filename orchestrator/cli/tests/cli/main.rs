//! The command line from outside: the binary itself, with files, variables and exit codes.

mod check;
mod config;
mod demo;
mod docs;
mod explain;
mod export;
mod fsck;
mod graph;
mod remote;
mod serve;
mod shell;
mod stores;
