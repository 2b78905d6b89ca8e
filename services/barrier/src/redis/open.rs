//! Opening a service's part of a server: durability first, then the name of the store.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ::redis::{
    Client,
    aio::{ConnectionManager, ConnectionManagerConfig},
    cmd,
};
use uuid::Uuid;

use super::{Barrier, Script};
use crate::{Broken, clock::Clock, fault::Faults, let_go::FORGET_GRACE_DEFAULT};

/// A sync to a busy disk takes longer than most answers; what takes longer than this is not known, and comes again.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects, and leaves the script with the server. All keys begin with `{prefix}:`; `business` is the service's Lua.
///
/// # Errors
/// [`Broken`]: there is no such server, or it may lose what it has answered.
pub async fn open(url: &str, prefix: &str, business: &str) -> Result<Barrier, Broken> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_connection_timeout(Some(CONNECTION_TIMEOUT));
    let connection = ConnectionManager::new_with_config(Client::open(url)?, config).await?;
    keeps_what_it_answers(connection.clone()).await?;
    let script = Script::load(connection.clone(), business).await?;
    let prefix = format!("{{{prefix}}}:");
    let fingerprint = fingerprint(connection.clone(), &prefix).await?;
    Ok(Barrier {
        connection,
        script: Arc::new(script),
        prefix: prefix.into(),
        fingerprint: fingerprint.into(),
        faults: Faults::default(),
        clock: Clock::default(),
        forget_grace: FORGET_GRACE_DEFAULT,
    })
}

/// An answer says that something happened. A server that forgets it makes that a lie.
async fn keeps_what_it_answers(mut connection: ConnectionManager) -> Result<(), Broken> {
    let wanted = ["appendonly", "appendfsync", "maxmemory", "maxmemory-policy"];
    let asked: Result<HashMap<String, String>, _> =
        cmd("config").arg("get").arg(&wanted).query_async(&mut connection).await;
    let settings = asked.map_err(|error| {
        Broken::Forgetful(format!(
            "it cannot be asked whether Redis keeps what it answers; let this user +config|get ({error})"
        ))
    })?;
    let setting = |name: &str| settings.get(name).map_or("", String::as_str);
    let must = |name: &str, word: &str| {
        if setting(name) == word {
            return Ok(());
        }
        Err(Broken::Forgetful(format!("Redis runs with {name} {}; it must be {word}", setting(name))))
    };
    must("appendonly", "yes")?;
    must("appendfsync", "always")?;
    if setting("maxmemory") != "0" { must("maxmemory-policy", "noeviction") } else { Ok(()) }
}

/// A store's name for itself, made once. Two services that report the same one share a store.
async fn fingerprint(mut connection: ConnectionManager, prefix: &str) -> Result<String, Broken> {
    let key = format!("{prefix}store");
    let () = cmd("setnx").arg(&key).arg(Uuid::new_v4().to_string()).query_async(&mut connection).await?;
    Ok(cmd("get").arg(&key).query_async(&mut connection).await?)
}
