//! Bounds of a run that are no limit of the product: beyond them nothing new is seen.

/// An outage of what is tried without end heals after so many attempts.
pub(crate) const HEALS_AFTER: u32 = 16;
/// A run with more steps than this does not end.
pub(crate) const LONGEST: usize = 20_000;
/// After a crash of so many requests on the wire each has a fate of its own; beyond, all the same.
pub(crate) const FATES_EACH: usize = 2;
