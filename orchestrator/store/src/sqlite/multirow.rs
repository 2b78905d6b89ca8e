//! Reads over many rows whose number varies, from a fixed set of texts.
//!
//! SQLite compiles a statement anew for each text, so rows go in chunks of a few sizes whose compiled statements stay in
//! the connection's cache; each trip to the thread of a connection then brings many rows. Writes need no such thing: they are
//! made on the thread that has the connection (`writer`).

use std::sync::Arc;

use sqlx::AssertSqlSafe;

const SIZES: [usize; 4] = [64, 16, 4, 1];

/// A statement with a list of rows in it.
pub(super) struct MultiRow {
    texts: [Arc<str>; SIZES.len()],
}

impl MultiRow {
    /// `head`, then the rows, then `tail`; a row is `columns` parameters.
    pub(super) fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        Self { texts: SIZES.map(|rows| text(head, rows, columns, tail)) }
    }

    /// Cuts `rows` into chunks, each with the statement that takes as many.
    pub(super) fn chunks<'r, T>(&self, rows: &'r [T]) -> Vec<(AssertSqlSafe<Arc<str>>, &'r [T])> {
        let mut chunks = Vec::new();
        let mut rest = rows;
        for (text, size) in self.texts.iter().zip(SIZES) {
            while let Some((chunk, after)) = rest.split_at_checked(size) {
                // Safe: `new` made it of constants.
                chunks.push((AssertSqlSafe(Arc::clone(text)), chunk));
                rest = after;
            }
        }
        chunks
    }
}

fn text(head: &str, rows: usize, columns: usize, tail: &str) -> Arc<str> {
    let row = format!("({})", vec!["?"; columns].join(", "));
    format!("{head}\n{}\n{tail}", vec![row; rows].join(",\n")).into()
}
