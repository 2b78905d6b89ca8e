//! Three nodes on one PostgreSQL server, and everything that can happen to any of them. The judge is the checker, over
//! journals, ledgers and the wire; what nodes say of themselves is only asked where that is what is tested.

mod asleep;
mod cancels;
mod database;
mod deaths;
mod leases;
mod locks;
mod measure;
mod partition;
mod poisoned;
mod pool;
mod soak;
mod starts;
mod stops;
mod storm;
mod versions;
