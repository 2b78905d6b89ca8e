//! Database per service, for real: each service on an engine of its own, and nobody with a right on a neighbour's. Servers are
//! private ones; roles, users and databases are made by the scripts that people run (`migrations/provision/`).

mod ground;
mod matrix;
mod sagas;
mod separate;
