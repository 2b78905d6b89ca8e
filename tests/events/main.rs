//! Events of sagas leave whatever dies: at least once, of each saga in order, none lost. What should have been told is read from journals,
//! what was told from what a receiver wrote down that was killed, too.

mod judge;
mod nodes;
mod receiver;
mod sources;
mod streams;
mod webhooks;
