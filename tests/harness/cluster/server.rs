//! What can happen to the database that the nodes share, and what only it can tell of them.

use std::{io, time::Duration};

use amends_servers::Mode;
use anyhow::{Result, bail};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::Cluster;

impl Cluster {
    /// The server stops as in a crash. Needs a runtime with more than one thread, as the server is waited for.
    ///
    /// # Errors
    /// It does not stop.
    pub fn crash_server(&mut self) -> io::Result<()> {
        tokio::task::block_in_place(|| self.server.stop(Mode::Immediate))
    }

    /// The server recovers; returns when it takes connections.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_server(&mut self) -> io::Result<()> {
        tokio::task::block_in_place(|| self.server.start_again())
    }

    /// From now on nothing passes between the first node and the database, in either direction, and neither is told.
    pub fn cut_off_the_first(&self) {
        self.wire.cut();
    }

    /// The first node reaches the database again.
    pub fn reconnect_the_first(&self) {
        self.wire.mend();
    }

    /// The database itself, for whoever reads it.
    pub fn database(&self) -> String {
        self.server.url()
    }

    /// A session of the test's own at the database.
    ///
    /// # Errors
    /// The server does not let it in.
    pub async fn session(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.server.url()).await?)
    }

    /// Sessions that have a transaction open and have asked for nothing for so long: whose they are, and what they asked for last.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn idle_in_transaction(&self, since: Duration) -> Result<Vec<(String, String)>> {
        let mut session = self.session().await?;
        let idle = sqlx::query_as(
            "-- idle_in_transaction
            select application_name, query from pg_stat_activity
            where state like 'idle in transaction%' and clock_timestamp() - state_change >= $1 * interval '1 millisecond'",
        )
        .bind(i64::try_from(since.as_millis())?)
        .fetch_all(&mut session)
        .await?;
        session.close().await?;
        Ok(idle)
    }

    /// For what the nodes' sessions are that wait for a lock at this moment, each word once.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn waiting_sessions(&self) -> Result<Vec<String>> {
        let mut session = self.session().await?;
        let waiting = sqlx::query_scalar(
            "-- waiting_sessions
            select distinct application_name from pg_stat_activity
            where wait_event_type = 'Lock' and application_name like 'amends-%' order by 1",
        )
        .fetch_all(&mut session)
        .await?;
        session.close().await?;
        Ok(waiting)
    }

    /// The identities whose leases have not ended, by the database's clock.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn leased(&self) -> Result<Vec<Uuid>> {
        let mut session = self.session().await?;
        let leased = sqlx::query_scalar(
            "-- leased
            select id from nodes where lease_until > extract(epoch from clock_timestamp()) * 1000000",
        )
        .fetch_all(&mut session)
        .await?;
        session.close().await?;
        Ok(leased)
    }

    /// Changes what is written down about a saga, to see that the checker notices.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn falsify(&self, statement: &'static str, saga: Uuid) -> Result<()> {
        let mut session = self.session().await?;
        let changed = sqlx::query(statement).bind(saga).execute(&mut session).await?.rows_affected();
        session.close().await?;
        if changed == 0 {
            bail!("nothing was changed by: {statement}");
        }
        Ok(())
    }
}
