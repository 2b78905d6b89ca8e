//! Text of others in XML.

/// Characters that XML takes for its own, and those that it cannot have at all.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(letter),
            // XML 1.0 has no way to write them.
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_somebody_says_cannot_end_an_element() {
        assert_eq!(escaped("]]></failure>\u{0}\"&\n"), "]]&gt;&lt;/failure&gt;\u{fffd}&quot;&amp;\n");
    }
}
