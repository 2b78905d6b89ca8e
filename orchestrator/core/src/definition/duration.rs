//! Durations as people write them: `250ms`, `30s`, `5m`, `2h`, `7d`, sums of these (`1h30m`), and ISO-8601 (`PT1H30M`).

use std::time::Duration;

/// Reads a duration.
///
/// # Errors
/// Says what is wrong and how to write it.
pub fn parse(text: &str) -> Result<Duration, String> {
    let hint = "write 250ms, 30s, 5m, 2h, 7d or PT1H30M";
    let bytes = text.as_bytes();
    if text.is_empty() || text.len() > 40 {
        return Err(hint.to_owned());
    }
    if bytes.iter().all(u8::is_ascii_digit) {
        return Err(format!("a bare number has no unit: write {text}s or {text}ms"));
    }
    let millis = if let Some(iso) = text.strip_prefix('P') { iso_millis(iso) } else { plain_millis(text) };
    millis.map(Duration::from_millis).ok_or_else(|| hint.to_owned())
}

/// Writes a duration as [`parse`] reads it: `1h30m`, `250ms`.
pub fn write(duration: Duration) -> String {
    let mut left = duration.as_millis();
    let mut text = String::new();
    for (unit, millis) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if left >= millis {
            text.push_str(&format!("{}{unit}", left / millis));
            left %= millis;
        }
    }
    if text.is_empty() { "0ms".to_owned() } else { text }
}

fn plain_millis(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        rest = &rest[letters..];
        total = total.checked_add(number.checked_mul(unit)?)?;
    }
    Some(total)
}

/// `[nD][T[nH][nM][nS]]`, whole numbers; months and years have no fixed length and are refused.
fn iso_millis(text: &str) -> Option<u64> {
    let (days, time) = text.split_once('T').map_or((text, None), |(days, time)| (days, Some(time)));
    let mut total = 0_u64;
    if !days.is_empty() {
        total = days.strip_suffix('D')?.parse::<u64>().ok()?.checked_mul(86_400_000)?;
    }
    let Some(mut rest) = time else { return (!days.is_empty()).then_some(total) };
    if rest.is_empty() {
        return None;
    }
    for (letter, unit) in [('H', 3_600_000), ('M', 60_000), ('S', 1_000)] {
        if let Some((number, after)) = rest.split_once(letter) {
            total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
            rest = after;
        }
    }
    rest.is_empty().then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_people_write_a_duration_are_read() {
        for (text, millis) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
            ("PT1H30M", 5_400_000),
            ("P1DT1S", 86_401_000),
            ("PT5S", 5_000),
            ("P2D", 172_800_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["250ms", "30s", "1h30m", "7d", "1d2h3m4s5ms"] {
            assert_eq!(parse(text).map(write), Ok(text.to_owned()));
        }
        assert_eq!(write(Duration::from_secs(90)), "1m30s");
        assert_eq!(write(Duration::ZERO), "0ms");
    }

    #[test]
    fn what_is_no_duration_is_refused_with_a_hint() {
        for text in ["", "30", "-1s", "1.5s", "5 m", "1M", "P1M", "PT", "P", "s", "99999999999999999999s", "PT1H30"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("30"), Err("a bare number has no unit: write 30s or 30ms".to_owned()));
    }
}
