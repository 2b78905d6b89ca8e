//! Secrets of the configuration: it says where each is, here they are read, and nothing shows them.

use std::{collections::BTreeMap, env, fs};

use amends_events::Secrets;
use anyhow::{Context as _, anyhow};

use crate::config::Secret;

/// # Errors
/// One of them is not there, or is none; its name, and never what it is.
pub(crate) fn read(named: &BTreeMap<String, Secret>) -> anyhow::Result<Secrets> {
    let texts = named.iter().map(|(name, place)| {
        let text = match (&place.env, &place.file) {
            // The error of a variable that is not UTF-8 would show it.
            (Some(env), None) => env::var(env).map_err(|_| anyhow!("there is no text in the variable {env}")),
            (None, Some(file)) => {
                let path = file.relative();
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
            }
            (None, None) | (Some(_), Some(_)) => Err(anyhow!("say where it is: `env = \"…\"` or `file = \"…\"`")),
        };
        Ok((name.clone(), text.with_context(|| format!("secrets.{name}"))?))
    });
    let texts = texts.collect::<anyhow::Result<BTreeMap<String, String>>>()?;
    Secrets::parse(texts).map_err(|(name, why)| {
        anyhow!("secrets.{name}: {why}; make one with `echo \"whsec_$(openssl rand -base64 32)\"`")
    })
}
