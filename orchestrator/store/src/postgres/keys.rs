//! Secrets that all nodes have in common.

use std::sync::Arc;

use amends_core::time::Time;
use sqlx::PgConnection;

use super::{
    rows::corrupt,
    writer::{Writer, repeatable},
};
use crate::{Secret, StoreError};

/// Of many who offer one at once the first is kept, and all read that.
pub(super) async fn share(writer: &Arc<Writer>, name: &str, offered: Secret, at: Time) -> Result<Secret, StoreError> {
    let asked: Arc<str> = name.into();
    let work = repeatable(move |connection, _again| {
        let asked = Arc::clone(&asked);
        Box::pin(async move { keep(connection, &asked, offered, at).await })
    });
    let kept = writer.run(work).await.map_err(StoreError::of_postgres)?;
    Secret::read(&kept).ok_or_else(|| corrupt(format_args!("key {name}"), "it has not 32 bytes"))
}

async fn keep(connection: &mut PgConnection, name: &str, offered: Secret, at: Time) -> Result<Vec<u8>, sqlx::Error> {
    sqlx::query(
        "-- keep_key
        insert into keys (name, secret, created_at)
        values ($1, $2, $3)
        on conflict (name) do nothing",
    )
    .bind(name)
    .bind(&offered.0[..])
    .bind(at.0)
    .execute(&mut *connection)
    .await?;
    sqlx::query_scalar(
        "-- key
        select secret
        from keys
        where name = $1",
    )
    .bind(name)
    .fetch_one(connection)
    .await
}
