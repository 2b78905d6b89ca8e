//! The open transaction, on whichever database it is: an enum, so that the judge and the business are written once and only
//! statements are twins.
//!
//! On PostgreSQL and MariaDB it runs at READ COMMITTED whatever the server's default: a statement that has waited for
//! somebody's lock must see what he committed. What REPEATABLE READ would add is a snapshot from before the wait.

use sqlx::{Executor, Sqlite, SqliteConnection, SqlitePool, Transaction};
#[cfg(feature = "mysql")]
use sqlx::{MySql, MySqlConnection, MySqlPool};
#[cfg(feature = "postgres")]
use sqlx::{PgConnection, PgPool, Postgres};

use crate::Broken;

/// One name is enough: the barrier opens one savepoint at a time.
const SAVEPOINT: &str = "savepoint barrier";
const BACK: &str = "rollback to savepoint barrier";
const RELEASE: &str = "release savepoint barrier";

/// An open transaction. A service has the kinds of store that it opens; for the others it says [`Tx::foreign`].
#[non_exhaustive]
#[derive(Debug)]
pub enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(Transaction<'static, Postgres>),
    #[cfg(feature = "mysql")]
    Mysql(Transaction<'static, MySql>),
}

/// Connections that write, one for each transaction under way, and others that only read.
#[derive(Clone, Debug)]
pub(crate) enum Pools {
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    #[cfg(feature = "postgres")]
    Postgres {
        writers: PgPool,
        readers: PgPool,
    },
    #[cfg(feature = "mysql")]
    Mysql {
        writers: MySqlPool,
        readers: MySqlPool,
    },
}

/// Read-only connections, for the service's `GET`s.
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub enum Readers<'p> {
    Sqlite(&'p SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(&'p PgPool),
    #[cfg(feature = "mysql")]
    Mysql(&'p MySqlPool),
}

/// The same function of the twin that this transaction, or these readers, belong to.
macro_rules! on_each {
    ($side:ident of $store:expr, $module:ident::$name:ident $(, $argument:expr)*) => {
        match $store {
            $side::Sqlite(store) => $crate::sqlite::$module::$name(store $(, $argument)*).await,
            #[cfg(feature = "postgres")]
            $side::Postgres(store) => $crate::postgres::$module::$name(store $(, $argument)*).await,
            #[cfg(feature = "mysql")]
            $side::Mysql(store) => $crate::mysql::$module::$name(store $(, $argument)*).await,
        }
    };
}
pub(crate) use on_each;

impl Tx {
    /// # Errors
    /// It is another kind of store.
    pub fn sqlite(&mut self) -> Result<&mut SqliteConnection, Broken> {
        match self {
            Self::Sqlite(tx) => Ok(&mut *tx),
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            other => Err(other.foreign()),
        }
    }

    /// # Errors
    /// It is another kind of store.
    #[cfg(feature = "postgres")]
    pub fn postgres(&mut self) -> Result<&mut PgConnection, Broken> {
        match self {
            Self::Postgres(tx) => Ok(&mut *tx),
            other => Err(other.foreign()),
        }
    }

    /// # Errors
    /// It is another kind of store.
    #[cfg(feature = "mysql")]
    pub fn mysql(&mut self) -> Result<&mut MySqlConnection, Broken> {
        match self {
            Self::Mysql(tx) => Ok(&mut *tx),
            other => Err(other.foreign()),
        }
    }

    /// The service has no statements for this kind of store. Its `open` refuses such a store, so this is never seen.
    pub fn foreign(&self) -> Broken {
        Broken::Foreign(self.kind())
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "postgres",
            #[cfg(feature = "mysql")]
            Self::Mysql(_) => "mysql",
        }
    }

    /// What follows can be taken [`back`](Self::back) alone.
    pub(super) async fn savepoint(&mut self) -> Result<(), Broken> {
        self.say(SAVEPOINT).await
    }

    /// To where the savepoint was; locks that were taken since stay.
    pub(super) async fn back(&mut self) -> Result<(), Broken> {
        self.say(BACK).await?;
        self.say(RELEASE).await
    }

    pub(super) async fn release(&mut self) -> Result<(), Broken> {
        self.say(RELEASE).await
    }

    async fn say(&mut self, statement: &'static str) -> Result<(), Broken> {
        let said = match self {
            Self::Sqlite(tx) => tx.execute(statement).await.map(|_| ()),
            #[cfg(feature = "postgres")]
            Self::Postgres(tx) => tx.execute(statement).await.map(|_| ()),
            #[cfg(feature = "mysql")]
            Self::Mysql(tx) => tx.execute(statement).await.map(|_| ()),
        };
        Ok(said?)
    }

    pub(super) async fn commit(self) -> Result<(), Broken> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            #[cfg(feature = "postgres")]
            Self::Postgres(tx) => tx.commit().await?,
            #[cfg(feature = "mysql")]
            Self::Mysql(tx) => tx.commit().await?,
        }
        Ok(())
    }

    pub(super) async fn rollback(self) -> Result<(), Broken> {
        match self {
            Self::Sqlite(tx) => tx.rollback().await?,
            #[cfg(feature = "postgres")]
            Self::Postgres(tx) => tx.rollback().await?,
            #[cfg(feature = "mysql")]
            Self::Mysql(tx) => tx.rollback().await?,
        }
        Ok(())
    }
}

impl Pools {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            #[cfg(feature = "postgres")]
            Self::Postgres { .. } => "postgres",
            #[cfg(feature = "mysql")]
            Self::Mysql { .. } => "mysql",
        }
    }

    pub(super) async fn begin(&self) -> Result<Tx, Broken> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("begin immediate").await?),
            #[cfg(feature = "postgres")]
            Self::Postgres { writers, .. } => {
                Tx::Postgres(writers.begin_with("begin isolation level read committed").await?)
            }
            // Its sessions are set to it when they are opened.
            #[cfg(feature = "mysql")]
            Self::Mysql { writers, .. } => Tx::Mysql(writers.begin().await?),
        })
    }

    pub(super) fn readers(&self) -> Readers<'_> {
        match self {
            Self::Sqlite { readers, .. } => Readers::Sqlite(readers),
            #[cfg(feature = "postgres")]
            Self::Postgres { readers, .. } => Readers::Postgres(readers),
            #[cfg(feature = "mysql")]
            Self::Mysql { readers, .. } => Readers::Mysql(readers),
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            #[cfg(feature = "postgres")]
            Self::Postgres { writers, readers } => {
                readers.close().await;
                writers.close().await;
            }
            #[cfg(feature = "mysql")]
            Self::Mysql { writers, readers } => {
                readers.close().await;
                writers.close().await;
            }
        }
    }
}

impl<'p> Readers<'p> {
    /// # Errors
    /// It is another kind of store.
    pub fn sqlite(self) -> Result<&'p SqlitePool, Broken> {
        match self {
            Self::Sqlite(pool) => Ok(pool),
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            other => Err(other.foreign()),
        }
    }

    /// As [`Tx::foreign`].
    pub fn foreign(self) -> Broken {
        Broken::Foreign(match self {
            Self::Sqlite(_) => "sqlite",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "postgres",
            #[cfg(feature = "mysql")]
            Self::Mysql(_) => "mysql",
        })
    }
}
