//! Every credential at every store: its own must open it, and nobody else's.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use redis::{Client, ErrorKind, RedisError, ServerErrorKind};
use sqlx::{Connection, MySqlConnection, PgConnection};
use tokio::time::timeout;
use url::Url;

use super::{
    credentials::{Access, Credentials},
    report::{Finding, Row, Severity},
};

const TRY_TIMEOUT: Duration = Duration::from_secs(10);
/// By which a store names itself, where it is one that a barrier has made.
const FINGERPRINT: &str = "select fingerprint from barrier_store where id = 1";

/// What came of one try.
enum Tried {
    /// With the store's fingerprint, if it has one.
    Opened(Option<String>),
    /// By whoever guards the store. Nothing else counts as that.
    Refused(String),
    /// It cannot be said.
    Unclear(String),
}

/// What was found, each with whose store it is about.
pub(super) async fn tried(credentials: &Credentials, rows: &[Row]) -> Vec<(String, Finding)> {
    let mut found = vec![];
    let mut say = |whose: &str, severity, code, detail: String| {
        found.push((whose.to_owned(), Finding::new(severity, code, detail)));
    };
    for (owner, store) in credentials.stores() {
        let address = match store {
            Access::File(path) => {
                if let Err((severity, code, detail)) = closed(path) {
                    say(owner, severity, code, detail);
                }
                continue;
            }
            Access::Server(address) => address,
        };
        match open(owner, address, Some(address)).await {
            Tried::Opened(fingerprint) => {
                let row = rows.iter().find(|row| row.service == owner);
                let reported = row.and_then(|row| row.fingerprint.as_ref());
                if let (Some(reported), Some(fingerprint)) = (reported, &fingerprint)
                    && reported != fingerprint
                {
                    let detail = format!(
                        "the credentials' store has the fingerprint {fingerprint}: the service runs on another one"
                    );
                    say(owner, Severity::Error, "other-store", detail);
                }
            }
            Tried::Refused(why) => {
                say(owner, Severity::Error, "own-credential", format!("its own credential does not open it: {why}"));
            }
            Tried::Unclear(why) => {
                // Nor could any other be tried.
                say(owner, Severity::Error, "not-tried", format!("its store cannot be tried: {why}"));
                continue;
            }
        }
        let others = credentials.stores().filter(|(holder, _)| *holder != owner);
        let others = others.filter_map(|(holder, access)| match access {
            Access::Server(credential) => Some((holder, Some(credential))),
            Access::File(_) => None,
        });
        // On a Redis without a password whoever gets there is let in.
        let nobody = (kind(address) == "redis").then_some(("nobody", None));
        for (holder, credential) in others.chain(nobody) {
            match open(owner, address, credential).await {
                Tried::Refused(_) => {}
                Tried::Opened(_) => {
                    let whose = if credential.is_some() {
                        format!("the credential of {holder} opens")
                    } else {
                        "no credential is needed to open".to_owned()
                    };
                    say(owner, Severity::Error, "foreign-credential", format!("{whose} its store"));
                }
                Tried::Unclear(why) => {
                    say(
                        owner,
                        Severity::Error,
                        "not-tried",
                        format!("the credential of {holder} cannot be tried: {why}"),
                    );
                }
            }
        }
    }
    found
}

/// A file is its owner's alone.
fn closed(path: &Path) -> Result<(), (Severity, &'static str, String)> {
    let shown = path.display();
    let metadata = fs::metadata(path)
        .map_err(|error| (Severity::Warning, "not-tried", format!("{shown} cannot be looked at from here: {error}")))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let detail = format!("{shown} is open to others than its owner (mode {mode:03o}); it should have 600");
    Err((Severity::Error, "open-file", detail))
}

fn kind(address: &Url) -> &'static str {
    match address.scheme() {
        "postgres" | "postgresql" => "postgres",
        "mysql" | "mariadb" => "mysql",
        _ => "redis",
    }
}

/// The store of `owner` with the user and the password of somebody's credential; without one, with none.
async fn open(owner: &str, store: &Url, credential: Option<&Url>) -> Tried {
    let mut address = store.clone();
    let prefix = query(&mut address, "prefix").unwrap_or_else(|| owner.to_owned());
    let (user, password) = credential.map_or(("", None), |credential| (credential.username(), credential.password()));
    if address.set_username(user).is_err() || address.set_password(password).is_err() {
        return Tried::Unclear("an address without a host".to_owned());
    }
    let trying = async {
        match kind(store) {
            "postgres" => postgres(address.as_str()).await,
            "mysql" => mysql(&address.as_str().replacen("mariadb://", "mysql://", 1)).await,
            _ => redis(address.as_str(), &prefix).await,
        }
    };
    timeout(TRY_TIMEOUT, trying).await.unwrap_or_else(|_| Tried::Unclear(format!("no answer within {TRY_TIMEOUT:?}")))
}

/// Takes one parameter, and those that would bring another credential, out of an address.
fn query(address: &mut Url, name: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = address.query_pairs().into_owned().collect();
    address.set_query(None);
    let found = pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let rest: Vec<_> = pairs.iter().filter(|(key, _)| ![name, "user", "password"].contains(&key.as_str())).collect();
    if !rest.is_empty() {
        address.query_pairs_mut().extend_pairs(rest);
    }
    found
}

async fn postgres(address: &str) -> Tried {
    match PgConnection::connect(address).await {
        Ok(mut connection) => {
            Tried::Opened(sqlx::query_scalar(FINGERPRINT).fetch_optional(&mut connection).await.ok().flatten())
        }
        // 28: who one is; 42501: what one may.
        Err(error) => refused(&error, |code| code.starts_with("28") || code == "42501"),
    }
}

async fn mysql(address: &str) -> Tried {
    match MySqlConnection::connect(address).await {
        Ok(mut connection) => {
            Tried::Opened(sqlx::query_scalar(FINGERPRINT).fetch_optional(&mut connection).await.ok().flatten())
        }
        // 28000: who one is; 42000: what one may.
        Err(error) => refused(&error, |code| code == "28000" || code == "42000"),
    }
}

fn refused(error: &sqlx::Error, is_no: impl Fn(&str) -> bool) -> Tried {
    match error {
        sqlx::Error::Database(said) if said.code().is_some_and(|code| is_no(&code)) => {
            Tried::Refused(said.message().to_owned())
        }
        other => Tried::Unclear(other.to_string()),
    }
}

async fn redis(address: &str, prefix: &str) -> Tried {
    let reading = async {
        let mut connection = Client::open(address)?.get_multiplexed_async_connection().await?;
        redis::cmd("get").arg(format!("{{{prefix}}}:store")).query_async::<Option<String>>(&mut connection).await
    };
    let is_no = |error: &RedisError| {
        let code = error.code();
        matches!(error.kind(), ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm))
            || code.is_some_and(|code| ["NOAUTH", "WRONGPASS", "NOPERM"].contains(&code))
    };
    match reading.await {
        Ok(fingerprint) => Tried::Opened(fingerprint),
        Err(error) if is_no(&error) => Tried::Refused(error.to_string()),
        Err(error) => Tried::Unclear(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_says_of_credentials_is_taken_out_of_it() {
        let mut address =
            Url::parse("postgres://u:p@h/d?sslmode=disable&user=x&password=y&prefix=z").expect("an address");
        assert_eq!(query(&mut address, "prefix").as_deref(), Some("z"));
        assert_eq!(address.as_str(), "postgres://u:p@h/d?sslmode=disable");
        assert_eq!(query(&mut address, "prefix"), None);
    }

    #[test]
    fn a_file_that_others_may_read_is_not_its_owners_alone() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        for (mode, good) in [(0o600, true), (0o640, false), (0o604, false), (0o660, false)] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).expect("a mode");
            assert_eq!(closed(file.path()).is_ok(), good, "{mode:o}");
        }
    }
}
