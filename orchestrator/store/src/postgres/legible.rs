//! Reading on past rows that cannot be read.
//!
//! What sweeps ask for must not stop at a damaged row, nor at as many of them as a page has: each is left out with a word in
//! the log, and the page is filled from what comes after. For sweeps only; a list that a person asked for names the row.
//!
//! **What it must never know:** which rows these are.

use sqlx::postgres::PgRow;

use crate::StoreError;

/// Up to `limit` rows that `read` can read. `page` selects at most so many rows behind a place, in order; `place` is that of a
/// row.
pub(super) async fn legible<P, T, Rows>(
    limit: u32,
    from: P,
    page: impl Fn(P, u32) -> Rows,
    place: impl Fn(&PgRow) -> Result<P, sqlx::Error>,
    read: impl Fn(&PgRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError>
where
    Rows: Future<Output = Result<Vec<PgRow>, StoreError>>,
{
    let mut from = from;
    let mut found = Vec::new();
    let mut wanted = limit;
    while wanted > 0 {
        let rows = page(from, wanted).await?;
        let before = found.len();
        found.extend(rows.iter().filter_map(|row| read(row).map_err(unreadable).ok()));
        let left_out = u32::try_from(rows.len() - (found.len() - before)).unwrap_or(u32::MAX);
        match rows.last() {
            // A whole page, but not of rows that can be used.
            Some(last) if rows.len() >= at_most(wanted) && left_out > 0 => from = place(last)?,
            Some(_) | None => break,
        }
        wanted = left_out;
    }
    Ok(found)
}

fn unreadable(error: StoreError) {
    tracing::error!(%error, "a row cannot be read and is left out");
}

fn at_most(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
