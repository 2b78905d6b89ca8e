//! Faults that a server injects into its own calls, over real processes: `amends serve --allow-faults`.

mod command;
mod plans;
mod points;
