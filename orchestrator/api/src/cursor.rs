//! Cursors: a place in a list as a text that only this server understands, e.g. `1` + hex of the place + a checksum.
//!
//! The checksum covers the list and its filter, so that a cursor fits nowhere but where it comes from, and says that it does
//! not. It is no secret: a cursor is only a place in a list that its bearer may read anyway.

use amends_core::{
    ids::{Digest, SagaId},
    time::Time,
};
use amends_store::Cursor;
use uuid::Uuid;

use crate::error::ApiError;

/// Of this way to write them.
const VERSION: &str = "1";
/// In hex digits.
const CHECKSUM: usize = 16;

/// A place as a text, for the list that `scope` describes with its filter.
fn seal(scope: &str, place: &[u8]) -> String {
    let place: String = place.iter().map(|byte| format!("{byte:02x}")).collect();
    let checksum = checksum(scope, &place);
    format!("{VERSION}{place}{checksum}")
}

/// The place of a text that [`seal`] made for this very list.
fn open(scope: &str, cursor: &str) -> Result<Vec<u8>, ApiError> {
    let refuse = || ApiError::InvalidCursor;
    let rest = cursor.strip_prefix(VERSION).filter(|rest| rest.is_ascii()).ok_or_else(refuse)?;
    let place_digits = rest.len().checked_sub(CHECKSUM).ok_or_else(refuse)?;
    let (place, sum) = rest.split_at(place_digits);
    if place.len() % 2 != 0 || checksum(scope, place) != sum {
        return Err(refuse());
    }
    (0..place.len()).step_by(2).map(|at| u8::from_str_radix(&place[at..at + 2], 16).map_err(|_| refuse())).collect()
}

fn checksum(scope: &str, place: &str) -> String {
    let digest = Digest::of(&[b"amends:cursor", VERSION.as_bytes(), scope.as_bytes(), place.as_bytes()]);
    digest.0[..CHECKSUM].to_owned()
}

/// A place among sagas.
pub(crate) fn of_saga(scope: &str, place: Cursor) -> String {
    let mut bytes = place.started_at.0.to_be_bytes().to_vec();
    bytes.extend_from_slice(place.saga.0.as_bytes());
    seal(scope, &bytes)
}

pub(crate) fn to_saga(scope: &str, cursor: &str) -> Result<Cursor, ApiError> {
    let bytes = open(scope, cursor)?;
    let (time, id) = bytes.split_at_checked(8).ok_or(ApiError::InvalidCursor)?;
    let time = time.try_into().map_err(|_| ApiError::InvalidCursor)?;
    let id = Uuid::from_slice(id).map_err(|_| ApiError::InvalidCursor)?;
    Ok(Cursor { started_at: Time(i64::from_be_bytes(time)), saga: SagaId(id) })
}

/// A place in a queue.
pub(crate) fn of_time(scope: &str, time: Time) -> String {
    seal(scope, &time.0.to_be_bytes())
}

pub(crate) fn to_time(scope: &str, cursor: &str) -> Result<Time, ApiError> {
    let bytes = open(scope, cursor)?.try_into().map_err(|_| ApiError::InvalidCursor)?;
    Ok(Time(i64::from_be_bytes(bytes)))
}

/// A place among names.
pub(crate) fn of_name(scope: &str, name: &str) -> String {
    seal(scope, name.as_bytes())
}

pub(crate) fn to_name(scope: &str, cursor: &str) -> Result<String, ApiError> {
    String::from_utf8(open(scope, cursor)?).map_err(|_| ApiError::InvalidCursor)
}

/// A place among versions.
pub(crate) fn of_version(scope: &str, version: u32) -> String {
    seal(scope, &version.to_be_bytes())
}

pub(crate) fn to_version(scope: &str, cursor: &str) -> Result<u32, ApiError> {
    let bytes = open(scope, cursor)?.try_into().map_err(|_| ApiError::InvalidCursor)?;
    Ok(u32::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place_in_its_list_and_nowhere_else() {
        let place = Cursor { started_at: Time(1_795_539_661_000_123), saga: SagaId(Uuid::from_u128(7)) };
        let cursor = of_saga("sagas status=running", place);
        assert_eq!(to_saga("sagas status=running", &cursor).unwrap(), place);
        assert!(to_saga("sagas status=", &cursor).is_err());
        assert_eq!(to_name("d", &of_name("d", "place-order")).unwrap(), "place-order");
        assert_eq!(to_version("v", &of_version("v", 3)).unwrap(), 3);
        assert!(to_version("d", &of_name("d", "place-order")).is_err());
    }

    #[test]
    fn forged_cursors_are_refused() {
        let place = Cursor { started_at: Time(0), saga: SagaId(Uuid::from_u128(7)) };
        let cursor = of_saga("s", place);
        for at in 0..cursor.len() {
            let mut forged = cursor.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'7' } else { b'0' };
            assert!(to_saga("s", &String::from_utf8(forged).unwrap()).is_err(), "changed at {at}");
        }
        for forged in ["", "1", "garbage", "1é", &cursor[1..], &cursor[..20], &format!("{cursor}00")] {
            assert!(to_saga("s", forged).is_err(), "{forged}");
        }
    }
}
