//! One question to the script, and how it gets there.

use ::redis::{ErrorKind, FromRedisValue, ServerErrorKind, aio::ConnectionManager, cmd};
use serde_json::{Map, Value};

use crate::{Broken, call::Place};

/// What the script is asked, as its one argument.
pub(super) struct Ask {
    key: String,
    fields: Map<String, Value>,
}

impl Ask {
    pub(super) fn new(ask: &'static str, prefix: &str, place: Option<&Place>, off: String, at_us: i64) -> Self {
        let mut fields = Map::new();
        fields.insert("ask".to_owned(), ask.into());
        fields.insert("prefix".to_owned(), prefix.into());
        fields.insert("off".to_owned(), off.into());
        fields.insert("at".to_owned(), at_us.to_string().into());
        let saga = place.map_or_else(String::new, |place| place.saga.to_string());
        if let Some(place) = place {
            fields.insert("step".to_owned(), place.step.clone().into());
            fields.insert("item".to_owned(), place.index.map_or(-1, i64::from).into());
        }
        let key = format!("{prefix}saga:{saga}");
        fields.insert("saga".to_owned(), saga.into());
        Self { key, fields }
    }

    /// What is null is left out: Lua takes it for something.
    pub(super) fn with(mut self, more: Value) -> Self {
        if let Value::Object(more) = more {
            self.fields.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
        }
        self
    }
}

/// The barrier's part with the service's in it.
#[derive(Debug)]
pub(super) struct Script {
    code: String,
    sha1: String,
}

impl Script {
    /// Leaves it with the server, which names it.
    pub(super) async fn load(mut connection: ConnectionManager, business: &str) -> Result<Self, Broken> {
        let code = include_str!("barrier.lua").replacen("--{business}", business, 1);
        let sha1 = cmd("script").arg("load").arg(&code).query_async(&mut connection).await?;
        Ok(Self { code, sha1 })
    }

    pub(super) async fn run<T: FromRedisValue>(
        &self,
        mut connection: ConnectionManager,
        ask: Ask,
    ) -> Result<T, Broken> {
        let Ask { key, fields } = ask;
        let asked = Value::Object(fields).to_string();
        let known = cmd("evalsha").arg(&self.sha1).arg(1).arg(&key).arg(&asked).query_async(&mut connection).await;
        match known {
            // The server was started again, or is another one. Nothing was run.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                Ok(cmd("eval").arg(&self.code).arg(1).arg(&key).arg(&asked).query_async(&mut connection).await?)
            }
            ran => Ok(ran?),
        }
    }
}
