//! What a pattern of an input schema costs to search a text with, before any text is there.
//!
//! Why it exists: the engine behind patterns never backtracks, and mostly takes a step per byte, by an automaton that it makes as it
//! goes. A pattern whose automaton would be huge makes it walk all places of the pattern at each byte instead: one of three
//! thousand places took 89 s for a megabyte. Whether the automaton is small can be tried at registration; the places can be counted.
//!
//! Who asks: the schema, which bounds pattern places times bytes of input. **It must never know** what is searched.

use regex_automata::{dfa::dense, nfa::thompson};
use regex_syntax::hir::{Hir, HirKind};

/// An automaton up to this size is made as a whole; the search keeps some times as much.
const AUTOMATON_BYTES: usize = 128 * 1024;
/// A character of a class is up to this many bytes, each a place.
const CLASS_PLACES: usize = 4;
/// What cannot be read here is nothing that the validator should take; if it does, it may be anything.
const UNREADABLE_PLACES: usize = 1_000_000;

/// How many places are looked at for each byte of a text. 0: its automaton is small, and the text is all that it costs.
pub(super) fn places(pattern: &str) -> usize {
    let Ok(pattern) = jsonschema_regex::to_rust_regex(pattern) else { return UNREADABLE_PLACES };
    if is_small(&pattern, false) && is_small(&pattern, true) {
        return 0;
    }
    regex_syntax::parse(&pattern).map_or(UNREADABLE_PLACES, |parsed| count(&parsed))
}

/// Whether the automaton that reads forwards, or backwards from an end that is fixed, is small.
fn is_small(pattern: &str, backwards: bool) -> bool {
    let within = dense::Config::new()
        .accelerate(false)
        .determinize_size_limit(Some(AUTOMATON_BYTES))
        .dfa_size_limit(Some(AUTOMATON_BYTES));
    let nfa = thompson::Config::new().reverse(backwards).nfa_size_limit(Some(AUTOMATON_BYTES));
    dense::Builder::new().configure(within).thompson(nfa).build(pattern).is_ok()
}

fn count(hir: &Hir) -> usize {
    let all = |parts: &[Hir]| parts.iter().map(count).fold(0, usize::saturating_add);
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(_) => CLASS_PLACES,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            count(&repetition.sub).saturating_mul(usize::try_from(times).unwrap_or(usize::MAX))
        }
        HirKind::Capture(capture) => count(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => all(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_costs_no_more_than_the_text() {
        let patterns = [
            "^[A-Z]{3}-[0-9]{4}$",
            "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
            r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$",
            r"^\w{1,50}$",
            r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$",
            "^/orders/[^/]+$",
            "a+b",
        ];
        for pattern in patterns {
            assert_eq!(places(pattern), 0, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_whose_automaton_is_huge_costs_its_places_in_whichever_direction_it_is_read() {
        for pattern in ["(a|b)*a(a|b){3000}c", "(a|b)*a(a|b){400}c", "c(a|b){400}a(a|b)*$"] {
            let places = places(pattern);
            assert!((400..20_000).contains(&places), "{pattern}: {places}");
        }
        assert_eq!(places("("), UNREADABLE_PLACES);
    }
}
