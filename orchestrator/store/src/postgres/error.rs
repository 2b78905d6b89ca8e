//! What an error of the database asks of the caller.

use std::sync::Arc;

use crate::StoreError;

/// What failed, as far as it matters for what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection is of no use any more, and what was under way may or may not have happened.
    Lost,
    /// Others were in the way, nothing was written: at once again.
    Again,
    /// A row broke a rule of the schema or a limit of the server: one saga's fault, and not the database's.
    Rule,
    /// What is stored cannot be read.
    Unreadable,
    /// Anything else: later again.
    Other,
}

pub(super) fn fault(error: &sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some(code) => fault_of(code),
            None => Fault::Other,
        },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => Fault::Unreadable,
        // A timeout too: what it was about may still be running.
        _ => Fault::Lost,
    }
}

/// By SQLSTATE.
fn fault_of(code: &str) -> Fault {
    match code {
        // Serialization failure, deadlock: YugabyteDB and CockroachDB answer so more often than PostgreSQL.
        "40001" | "40P01" => Fault::Again,
        // Shut down, crashed, starting up; the database or the session was ended; and a standby, which was perhaps the server
        // until a moment ago: a new connection finds the one that is it now.
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25006" => Fault::Lost,
        "XX001" | "XX002" => Fault::Unreadable,
        _ => match code.get(..2) {
            Some("08") => Fault::Lost,
            // Data that no column takes (a NUL in a text), a rule of the schema, a row too long for an index.
            Some("22" | "23" | "54") => Fault::Rule,
            _ => Fault::Other,
        },
    }
}

impl StoreError {
    /// Not `From`: the other side has another reading of the same type.
    pub(super) fn of_postgres(error: sqlx::Error) -> Self {
        match fault(&error) {
            Fault::Rule | Fault::Unreadable => Self::Corrupt { reason: error.to_string() },
            Fault::Lost | Fault::Again | Fault::Other => {
                Self::Unavailable { reason: error.to_string(), source: Some(Arc::new(error)) }
            }
        }
    }
}

/// A time that passed without an answer.
pub(super) fn too_late(what: &str) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, format!("{what} took too long")))
}
