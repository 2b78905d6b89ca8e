//! Headers that mean something to `/v1`.

use std::time::Duration;

use amends_core::ids::SagaId;
use amends_protocol::{
    participant::{IDEMPOTENCY_KEY, TRACEPARENT},
    v1::{LONGEST_WAIT_S, PREFER},
};
use http::{HeaderMap, HeaderValue};

use crate::error::ApiError;

const KEY_CHARS: usize = 255;

/// The key of an idempotent start: 1 to 255 visible ASCII characters, plain or as a quoted string (RFC 9651).
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let refuse = |why| ApiError::InvalidHeader { name: "Idempotency-Key", why };
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refuse("it is given more than once"));
    }
    let visible = "a key is of visible ASCII characters, plain or as a quoted string";
    let text = value.to_str().map_err(|_| refuse(visible))?.trim();
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquoted(quoted).ok_or_else(|| refuse("the quoted string does not end as it should"))?,
        None => text.to_owned(),
    };
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refuse(visible));
    }
    if !(1..=KEY_CHARS).contains(&key.len()) {
        return Err(refuse("a key has 1 to 255 characters"));
    }
    Ok(Some(key))
}

/// The rest of a quoted string, after its first quote.
fn unquoted(text: &str) -> Option<String> {
    let mut key = String::with_capacity(text.len());
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(key),
            '\\' => key.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            other => key.push(other),
        }
    }
}

/// How long the caller wants to be held, from `Prefer: wait=<seconds>` (RFC 7240), cut to what is allowed. Preferences
/// that are not understood are ignored, as the RFC wants it.
pub(crate) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split(',')).find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let digits = value.trim().trim_matches('"');
        let wanted = name.trim().eq_ignore_ascii_case("wait") && !digits.is_empty();
        if !wanted || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // Only digits: what does not fit is more than is allowed.
        let seconds = digits.parse::<u64>().unwrap_or(LONGEST_WAIT_S);
        Some(Duration::from_secs(seconds.min(LONGEST_WAIT_S)))
    })
}

/// Whether the caller asked for no more than how it went: `Prefer: return=minimal` (RFC 7240 §4.2).
pub(crate) fn minimal(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split(',')).any(|preference| {
        let preference = preference.split(';').next().unwrap_or_default();
        preference.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("return") && value.trim().trim_matches('"').eq_ignore_ascii_case("minimal")
        })
    })
}

/// The caller's W3C trace context. What is malformed is as if it were not there, as the recommendation wants it.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let text = values.next()?.to_str().ok().filter(|_| values.next().is_none())?;
    let parts: Vec<_> = text.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { return None };
    let hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let some = |text: &str| text.bytes().any(|byte| byte != b'0');
    let valid = version == "00" && hex(trace, 32) && some(trace) && hex(span, 16) && some(span) && hex(flags, 2);
    valid.then(|| text.to_owned())
}

/// The preferences that were taken up, for `Preference-Applied`; `None`: none was.
pub(crate) fn applied(wait: Option<Duration>, minimal: bool) -> Option<HeaderValue> {
    let text = match (wait.map(|wait| wait.as_secs()), minimal) {
        (None, false) => return None,
        (None, true) => "return=minimal".to_owned(),
        (Some(seconds), false) => format!("wait={seconds}"),
        (Some(seconds), true) => format!("wait={seconds}, return=minimal"),
    };
    Some(HeaderValue::from_str(&text).expect("invariant: digits can stand in a header"))
}

/// Where a saga is found.
pub(crate) fn saga_location(saga: SagaId) -> HeaderValue {
    HeaderValue::from_str(&format!("/v1/sagas/{saga}")).expect("invariant: a UUID can stand in a header")
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn with(name: &HeaderName, values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn keys_are_plain_or_quoted() {
        let longest = "k".repeat(255);
        for (header, key) in [("order-17", "order-17"), ("\"order-17\"", "order-17"), (r#""a\"b\\""#, r#"a"b\"#)] {
            let headers = with(&IDEMPOTENCY_KEY, &[header.as_bytes()]);
            assert_eq!(idempotency_key(&headers).unwrap().as_deref(), Some(key));
        }
        assert_eq!(
            idempotency_key(&with(&IDEMPOTENCY_KEY, &[longest.as_bytes()])).unwrap().as_deref(),
            Some(longest.as_str())
        );
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        let too_long = "k".repeat(256);
        for header in
            [b"".as_slice(), b"\"\"", b"a b", b"a\tb", b"\xc3\xa9", b"\"a", b"\"a\"b", b"\"a\\n\"", too_long.as_bytes()]
        {
            let headers = with(&IDEMPOTENCY_KEY, &[header]);
            assert!(idempotency_key(&headers).is_err(), "{}", String::from_utf8_lossy(header));
        }
        assert!(idempotency_key(&with(&IDEMPOTENCY_KEY, &[b"a", b"b"])).is_err());
    }

    #[test]
    fn a_wait_is_found_among_preferences_and_cut() {
        for (prefer, seconds) in [
            (&["wait=10"][..], Some(10)),
            (&["respond-async, Wait = \"5\""], Some(5)),
            (&["return=minimal", "wait=7; x=y"], Some(7)),
            (&["wait=100000000000000000000000"], Some(LONGEST_WAIT_S)),
            (&["wait=0"], Some(0)),
            (&["wait=-1"], None),
            (&["wait=soon"], None),
            (&["wait"], None),
        ] {
            let values: Vec<_> = prefer.iter().map(|value| value.as_bytes()).collect();
            assert_eq!(wait(&with(&PREFER, &values)), seconds.map(Duration::from_secs), "{prefer:?}");
        }
    }

    #[test]
    fn only_a_well_formed_trace_context_is_passed_on() {
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(&with(&TRACEPARENT, &[valid.as_bytes()])).as_deref(), Some(valid));
        for other in [
            "",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert_eq!(traceparent(&with(&TRACEPARENT, &[other.as_bytes()])), None, "{other}");
        }
    }

    #[test]
    fn a_minimal_answer_is_asked_for_in_any_spelling_of_the_rfc() {
        for (given, asked) in [
            (&b"return=minimal"[..], true),
            (b"wait=10, Return=\"minimal\"", true),
            (b"return=representation", false),
            (b"minimal", false),
        ] {
            assert_eq!(minimal(&with(&PREFER, &[given])), asked, "{}", String::from_utf8_lossy(given));
        }
        assert_eq!(applied(None, false), None);
        assert_eq!(applied(Some(Duration::from_secs(7)), true).unwrap(), "wait=7, return=minimal");
    }
}
