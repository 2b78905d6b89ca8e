//! Texts of a definition on their way into a picture: one line each, not too long, nothing that hides or turns letters round.

use crate::expr::{Piece, Template, written};

/// Of a step or call: what is longer is cut. Six such lines fit beside each other on a wide screen.
pub(super) const LINE_CHARS: usize = 40;
/// Of a description.
pub(super) const TITLE_CHARS: usize = 120;

/// A path as people read it: `/orders/{saga.id}`.
pub(super) fn path(pieces: &[Piece]) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Literal(text) => text.clone(),
        Piece::Value(expression) => format!("{{{}}}", expression.text()),
    };
    pieces.iter().map(piece).collect()
}

/// The name of a lock as people read it: `account:{input.from}`.
pub(super) fn name(template: &Template) -> String {
    match template {
        Template::Text(pieces) => path(pieces),
        Template::Whole(expression) => format!("{{{}}}", expression.text()),
        Template::Literal(value) => written(value),
        // No name, and refused when it is read.
        Template::List(_) | Template::Map(_) => String::new(),
    }
}

/// One line of at most so many characters.
pub(super) fn line(text: &str, longest: usize) -> String {
    let shown = text.chars().filter(|c| !is_invisible(*c)).map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = shown.clone().take(longest).collect();
    if shown.count() > longest {
        line.pop();
        line.push('…');
    }
    line
}

/// Marks that change the direction of what follows, join letters invisibly, or are no characters at all.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_shows_all_its_letters_in_their_order() {
        assert_eq!(line("a\nb\u{202e}c\u{0}", 9), "a bc ");
        assert_eq!(line("abcdef", 3), "ab…");
        assert_eq!(line("äöü", 3), "äöü");
    }
}
