//! What an error of the database asks of the caller.

use std::sync::Arc;

use crate::StoreError;

/// `SQLITE_CORRUPT`, `SQLITE_CONSTRAINT`, `SQLITE_NOTADB`: trying again does not help. (The low byte of an extended code.)
const FOR_A_PERSON: [i32; 3] = [11, SQLITE_CONSTRAINT, 26];
const SQLITE_CONSTRAINT: i32 = 19;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let for_a_person = match &error {
            sqlx::Error::Database(_) => primary_code(&error).is_some_and(|code| FOR_A_PERSON.contains(&code)),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => true,
            _ => false,
        };
        if for_a_person {
            Self::Corrupt { reason: error.to_string() }
        } else {
            Self::Unavailable { reason: error.to_string(), source: Some(Arc::new(error)) }
        }
    }
}

/// A row broke a rule of the schema: one saga's fault, and not the database's.
pub(super) fn is_constraint(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(SQLITE_CONSTRAINT)
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}
