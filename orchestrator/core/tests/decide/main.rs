//! The rules of `decide`, one sentence of the contract at a time, through one small language (`dsl`).

mod adoption;
mod callbacks;
mod cancel_and_deadline;
mod children;
mod conditions;
mod dsl;
mod forward;
mod items;
mod lifecycle;
mod locks;
mod pivot;
mod probes;
mod refused_here;
mod signals;
mod undoing;
mod waits;
