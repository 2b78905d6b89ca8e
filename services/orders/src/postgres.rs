//! The statements on PostgreSQL. The twin of this file keeps its names and its order.

use amends_barrier::{Broken, http::Page};
use sqlx::{Executor, PgConnection, PgPool, Postgres};

use crate::order::{NewOrder, Order};

pub(crate) async fn order_open(tx: &mut PgConnection, new: &NewOrder) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- order_open
        insert into orders (id, customer, sku, quantity, amount, status)
        values ($1, $2, $3, $4, $5, 'pending')
        on conflict (id) do nothing",
    )
    .bind(&new.id)
    .bind(&new.customer)
    .bind(&new.sku)
    .bind(new.quantity)
    .bind(new.amount)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

pub(crate) async fn order_end(
    tx: &mut PgConnection,
    id: &str,
    status: &str,
    tracking: Option<&str>,
) -> Result<u64, Broken> {
    let result = sqlx::query(
        "-- order_end
        update orders
        set status = $2, tracking = $3
        where id = $1 and status = 'pending'",
    )
    .bind(id)
    .bind(status)
    .bind(tracking)
    .execute(tx)
    .await?;
    Ok(result.rows_affected())
}

pub(crate) async fn order_get<'c>(
    store: impl Executor<'c, Database = Postgres>,
    id: &str,
) -> Result<Option<Order>, Broken> {
    let order = sqlx::query_as(
        "-- order_get
        select seq, id, customer, sku, quantity, amount, status, tracking
        from orders
        where id = $1",
    )
    .bind(id)
    .fetch_optional(store)
    .await?;
    Ok(order)
}

pub(crate) async fn order_list(store: &PgPool, page: Page) -> Result<Vec<Order>, Broken> {
    let orders = sqlx::query_as(
        "-- order_list
        select seq, id, customer, sku, quantity, amount, status, tracking
        from orders
        where seq > $1
        order by seq
        limit $2",
    )
    .bind(page.after())
    .bind(page.fetch())
    .fetch_all(store)
    .await?;
    Ok(orders)
}
