//! What an error of the database asks of the caller.

use std::sync::Arc;

use rusqlite::ffi::{SQLITE_CONSTRAINT, SQLITE_CORRUPT, SQLITE_NOTADB};

use crate::StoreError;

/// Trying again does not help.
const FOR_A_PERSON: [i32; 3] = [SQLITE_CORRUPT, SQLITE_CONSTRAINT, SQLITE_NOTADB];

/// Of the readers.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let for_a_person = match &error {
            sqlx::Error::Database(_) => sqlx_code(&error).is_some_and(is_for_a_person),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => true,
            _ => false,
        };
        told(for_a_person, error.to_string(), error)
    }
}

fn sqlx_code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// Of the writer.
impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match rusqlite_code(&error) {
            // The text alone does not tell a full disk from a broken one.
            Some(code) => told(is_for_a_person(code), format!("(code: {code}) {error}"), error),
            None => told(is_unreadable(&error), error.to_string(), error),
        }
    }
}

fn rusqlite_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}

fn told(for_a_person: bool, reason: String, error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    if for_a_person {
        StoreError::Corrupt { reason }
    } else {
        StoreError::Unavailable { reason, source: Some(Arc::new(error)) }
    }
}

fn is_for_a_person(extended_code: i32) -> bool {
    FOR_A_PERSON.contains(&primary(extended_code))
}

/// The low byte of an extended code.
fn primary(extended_code: i32) -> i32 {
    extended_code & 0xff
}

/// A row broke a rule of the schema, or cannot be read: one saga's fault, and not the database's.
pub(super) fn is_one_sagas_fault(error: &rusqlite::Error) -> bool {
    rusqlite_code(error).is_some_and(|code| primary(code) == SQLITE_CONSTRAINT) || is_unreadable(error)
}

fn is_unreadable(error: &rusqlite::Error) -> bool {
    use rusqlite::Error;
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
    )
}
