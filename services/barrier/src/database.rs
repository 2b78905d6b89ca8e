//! Where a participant's store is: a path, or an address with a password in it that no log shows.

use std::{
    convert::Infallible,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::Broken;

/// A store by its kind. A service opens the kinds that it has statements for, and refuses the others at its start.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A file, made if it is not there.
    Sqlite(PathBuf),
    /// `postgres://user:password@host:port/database`
    Postgres(String),
    /// `mysql://user:password@host:port/database`, which is MariaDB's, too
    Mysql(String),
    /// `redis://user:password@host:port/number`
    Redis(String),
}

impl Database {
    /// A service that opens no store of this kind says so at its start.
    pub fn foreign(&self) -> Broken {
        Broken::Foreign(match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
            Self::Mysql(_) => "mysql",
            Self::Redis(_) => "redis",
        })
    }

    /// Without user, password and parameters, any of which may be secret.
    fn shown(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(url) | Self::Mysql(url) | Self::Redis(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("", ""));
                let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
                format!("{scheme}://…@{}", place.split('?').next().unwrap_or_default())
            }
        }
    }
}

impl FromStr for Database {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.split_once("://").map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => Self::Postgres(text.to_owned()),
            Some("mysql" | "mariadb") => Self::Mysql(text.replacen("mariadb://", "mysql://", 1)),
            Some("redis" | "rediss") => Self::Redis(text.to_owned()),
            _ => Self::Sqlite(text.into()),
        })
    }
}

impl From<&Path> for Database {
    fn from(path: &Path) -> Self {
        Self::Sqlite(path.to_owned())
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Database {
        match text.parse() {
            Ok(database) => database,
            Err(never) => match never {},
        }
    }

    #[test]
    fn a_scheme_says_which_kind_and_what_has_none_is_a_file() {
        assert_eq!(parsed("/data/a.db"), Database::Sqlite("/data/a.db".into()));
        assert_eq!(parsed("postgresql://h/d"), Database::Postgres("postgresql://h/d".into()));
        assert_eq!(parsed("mariadb://h/d"), Database::Mysql("mysql://h/d".into()));
        assert_eq!(parsed("redis://h/0"), Database::Redis("redis://h/0".into()));
    }

    #[test]
    fn no_secret_of_an_address_is_shown() {
        for text in ["postgres://ada:hun@ter2@db:5432/orders?password=hunter2", "mysql://ada:hunter2@db/orders"] {
            let shown = format!("{:?} {}", parsed(text), parsed(text));
            assert!(shown.contains("db") && shown.contains("orders"), "{shown}");
            assert!(!shown.contains("ter2") && !shown.contains("ada"), "{shown}");
        }
    }
}
