//! Secrets that whoever serves the store has in common.

use amends_core::time::Time;
use rusqlite::params;

use super::{
    rows::corrupt,
    writer::{Work, Writer},
};
use crate::{Secret, StoreError};

/// Within one transaction that holds the write lock: the first that is kept stays.
pub(super) async fn share(writer: &Writer, name: &str, offered: Secret, at: Time) -> Result<Secret, StoreError> {
    let (asked, kept_as) = (name.to_owned(), name.to_owned());
    let kept = writer
        .transaction(move |connection| {
            let mut keep = connection.prepare_cached(
                "-- keep_key
                insert into keys (name, secret, created_at)
                values (?, ?, ?)
                on conflict (name) do nothing",
            )?;
            let kept = keep.execute(params![asked, &offered.0[..], at.0])?;
            let mut read = connection.prepare_cached(
                "-- key
                select secret
                from keys
                where name = ?",
            )?;
            let secret: Vec<u8> = read.query_row([&asked], |row| row.get(0))?;
            Ok(if kept > 0 { Work::Wrote(secret) } else { Work::Untouched(secret) })
        })
        .await?;
    Secret::read(&kept).ok_or_else(|| corrupt(format_args!("key {kept_as}"), "it has not 32 bytes"))
}
