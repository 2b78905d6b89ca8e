//! A place in the stream as a text that only a server of this store understands.

use amends_core::time::Time;
use amends_store::{DROPPED_REMEMBERED, Places};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};

/// Of this way to write them.
const VERSION: u8 = 1;

/// Up to where somebody has been told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub places: Places,
    /// When it was given out.
    pub at: Time,
}

/// A text that is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give back the id of an event of this server's stream, as it is")]
pub struct NotACursor;

impl Cursor {
    /// As a text of letters, digits, `-` and `_`.
    pub fn to_text(&self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.at.0.to_be_bytes());
        bytes.extend_from_slice(&self.places.to_bytes());
        BASE64.encode(bytes)
    }

    /// # Errors
    /// [`Cursor::to_text`] did not make it.
    pub fn parse(text: &str) -> Result<Self, NotACursor> {
        let bytes = BASE64.decode(text).map_err(|_| NotACursor)?;
        let rest = bytes.strip_prefix(&[VERSION]).ok_or(NotACursor)?;
        let (at, places) = rest.split_first_chunk::<8>().ok_or(NotACursor)?;
        let places = Places::of_bytes(places).ok_or(NotACursor)?;
        Ok(Self { places, at: Time(i64::from_be_bytes(*at)) })
    }

    /// Too old to tell whether something is missing.
    pub(crate) fn is_forgotten(&self, now: Time) -> bool {
        self.at + DROPPED_REMEMBERED < now
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_cursor_comes_back_and_nothing_else_is_one() {
        let places = Places(BTreeMap::from([(Uuid::from_u128(7), 300), (Uuid::from_u128(9), u64::MAX >> 1)]));
        let cursor = Cursor { places, at: Time(1_795_539_661_000_123) };
        let text = cursor.to_text();
        assert_eq!(Cursor::parse(&text), Ok(cursor));
        for other in ["", "AA", "!", "AQ", &text[1..], &text[..text.len() - 4], "null", "AgAAAAAAAAAA"] {
            assert_eq!(Cursor::parse(other), Err(NotACursor), "{other}");
        }
    }
}
