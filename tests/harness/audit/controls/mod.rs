//! A checker must be able to fail: for each invariant there is evidence here that breaks it and nothing else, and that
//! evidence, unbroken, passes.

mod broken;
mod callbacks;
mod families;
mod locks;
mod made;
mod probes;
mod waits;
