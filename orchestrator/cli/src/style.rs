//! Colour or none. Everything that is printed for people goes through here, so that plain output is plain everywhere.

use std::io::IsTerminal as _;

use owo_colors::OwoColorize as _;

/// What a word means, and so how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    /// Undone, or asked again: not lost, but not straight on either.
    Back,
    Busy,
    /// Of second importance.
    Dim,
    Strong,
    /// The words of a person who explains.
    Voice,
}

/// How things are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    colour: bool,
}

impl Style {
    /// No escape codes at all.
    pub(crate) const PLAIN: Self = Self { colour: false };
    /// With colours, whoever reads it.
    #[cfg(test)]
    pub(crate) const COLOUR: Self = Self { colour: true };

    /// What stdout can take: a terminal gets colours, unless `NO_COLOR` is set.
    pub(crate) fn of_stdout() -> Self {
        Self::of(std::io::stdout().is_terminal())
    }

    /// The same for stderr.
    pub(crate) fn of_stderr() -> Self {
        Self::of(std::io::stderr().is_terminal())
    }

    fn of(terminal: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { colour: terminal && !refused && !dumb }
    }

    /// Whether there is colour.
    pub(crate) fn is_colour(self) -> bool {
        self.colour
    }

    /// `text` in a tone. Pad before, not after: escape codes have no width.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        match tone {
            Tone::Good => text.green().to_string(),
            Tone::Bad => text.red().bold().to_string(),
            Tone::Back => text.yellow().to_string(),
            Tone::Busy => text.cyan().to_string(),
            Tone::Dim => text.dimmed().to_string(),
            Tone::Strong => text.bold().to_string(),
            Tone::Voice => text.blue().bold().to_string(),
        }
    }
}

/// Text of somebody else on one line: no control characters (a terminal would obey them), at most `longest` characters.
pub(crate) fn tame(text: &str, longest: usize) -> String {
    let mut tame: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(longest).collect();
    if text.chars().nth(longest).is_some() {
        tame.push('…');
    }
    tame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_steer_a_terminal() {
        assert_eq!(tame("a\x1b[2Jb\r\nc", 100), "a [2Jb  c");
        assert_eq!(tame("abcdef", 3), "abc…");
        assert_eq!(tame("abc", 3), "abc");
    }

    #[test]
    fn plain_is_plain() {
        assert_eq!(Style::PLAIN.paint(Tone::Bad, "x"), "x");
        assert!(Style::COLOUR.paint(Tone::Bad, "x").contains('\x1b'));
    }
}
