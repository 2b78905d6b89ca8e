//! What of a story explains a difference: the moments that it is about, and what happened right before and after.

use amends_core::scenario::Difference;
use amends_explore::scenarios::Moment;

/// So many moments before and after.
const AROUND: usize = 3;
/// More is no explanation.
const LONGEST: usize = 24;

/// A part of a story.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) from: usize,
    /// Behind the last one.
    pub(super) to: usize,
    /// Those that it is about.
    pub(super) marked: Vec<usize>,
}

/// Where to look.
pub(super) fn around(moments: &[Moment], difference: &Difference) -> Part {
    let marked = marked(moments, difference);
    let (Some(first), Some(last)) = (marked.first(), marked.last()) else {
        return Part { from: moments.len().saturating_sub(LONGEST), to: moments.len(), marked };
    };
    let from = first.saturating_sub(AROUND);
    let to = (last + AROUND + 1).min(moments.len()).min(from + LONGEST);
    Part { from, to, marked }
}

fn marked(moments: &[Moment], difference: &Difference) -> Vec<usize> {
    let is_about = |moment: &Moment| {
        moment.about.as_ref().is_some_and(|(step, of)| {
            difference
                .about
                .iter()
                .any(|(whom, which)| whom == step && (which.is_none() || of.is_none() || which == of))
        })
    };
    let found: Vec<usize> = (0..moments.len()).filter(|nth| is_about(&moments[*nth])).collect();
    if !found.is_empty() {
        return found;
    }
    // It is about the saga as a whole: where it turned, or else how it ended.
    let turns = |moment: &Moment| moment.line.journal && moment.line.text.starts_with("everything is undone");
    let turned = moments.iter().position(turns);
    turned.or(moments.len().checked_sub(1)).into_iter().collect()
}
