//! Reading: file, then environment, then flags, each over the one before.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use figment2::{
    Figment,
    providers::{Env, Format, Named, Serialized, Toml},
};

use super::{
    errors,
    model::{Config, is_database_url},
};

/// `AMENDS__SECTION__KEY`
pub(super) const ENV_PREFIX: &str = "AMENDS__";
/// Read if it is in the current folder and no other file is named.
pub(crate) const DEFAULT_FILE: &str = "amends.toml";

/// The configuration's file and the flags that override it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Flags {
    /// The configuration; without it `amends.toml` of the current folder, if there is one
    #[arg(long, env = "AMENDS_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen; loopback only as long as there is no authentication [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// The SQLite file with every saga's journal, made if it is not there; or a PostgreSQL database,
    /// postgres://user:password@host:port/database [default: amends.db]
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) database: Option<String>,
    /// Register every *.yaml of this folder at the start (scenarios, *.test.yaml, left out)
    #[arg(long, value_name = "DIR")]
    pub(crate) sagas: Option<PathBuf>,
}

/// A configuration and where its values came from.
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    pub(super) sources: Figment,
}

/// Reads and checks the whole configuration.
///
/// # Errors
/// Everything that is wrong with it, each with its key and its place.
pub(crate) fn load(flags: &Flags) -> anyhow::Result<Loaded> {
    let file = match &flags.config {
        Some(file) if file.is_file() => Some(file.clone()),
        Some(file) => bail!("there is no configuration file {}", file.display()),
        None => Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.is_file()),
    };
    let mut figment = Figment::new();
    if let Some(file) = &file {
        // Absolute, so that relative paths in it are relative to it wherever the program stands.
        let file = std::path::absolute(file).with_context(|| format!("{} cannot be found", file.display()))?;
        figment = figment.merge(Toml::file(file).search(false));
    }
    let known: Vec<String> = service_names(&figment);
    let env = Env::prefixed(ENV_PREFIX).split("__").map(move |key| service_key(key.as_str(), &known).into());
    figment = figment.merge(env);
    figment = flag(figment, "--listen", "server.listen", flags.listen.as_deref());
    let database = flags.database.as_deref();
    let key = if database.is_some_and(is_database_url) { "store.url" } else { "store.path" };
    figment = flag(figment, "--database", key, database);
    figment = flag(figment, "--sagas", "definitions.folder", flags.sagas.as_deref().map(Path::to_string_lossy));
    match figment.extract() {
        Ok(config) => {
            let mut config = settled(config, flags)?;
            place_documents(&mut config, &figment);
            Ok(Loaded { config, file, sources: figment })
        }
        Err(error) => bail!(errors::explain(error)),
    }
}

/// A file on the command line wins over a URL below it.
fn settled(mut config: Config, flags: &Flags) -> anyhow::Result<Config> {
    if flags.database.as_deref().is_some_and(|database| !is_database_url(database)) {
        config.store.url = None;
    }
    config.lease.terms().map_err(|why| anyhow::anyhow!("the configuration is not valid: {why}"))?;
    Ok(config)
}

/// A relative path in a file is relative to that file.
fn place_documents(config: &mut Config, figment: &Figment) {
    for (name, service) in &mut config.services.services {
        let Some(document) = &mut service.openapi else { continue };
        let source = figment.find_metadata(&format!("services.{name}.openapi")).and_then(|from| from.source.as_ref());
        if let Some(folder) = source.and_then(figment2::Source::file_path).and_then(Path::parent) {
            *document = folder.join(&*document);
        }
    }
}

fn flag(figment: Figment, name: &'static str, key: &str, value: Option<impl serde::Serialize>) -> Figment {
    match value {
        Some(value) => figment.merge(Named::new(format!("flag {name}"), Serialized::default(key, value))),
        None => figment,
    }
}

fn service_names(figment: &Figment) -> Vec<String> {
    match figment.find_value("services") {
        Ok(services) => services.as_dict().map(|names| names.keys().cloned().collect()).unwrap_or_default(),
        Err(_) => vec![],
    }
}

/// The name of a variable cannot hold a `-`: `AMENDS__SERVICES__BANK_A__URL` means the service `bank-a` if the file has one.
fn service_key(key: &str, known: &[String]) -> String {
    let lower = key.to_ascii_lowercase();
    let mut parts: Vec<&str> = lower.split('.').collect();
    if let ["services", name, ..] = parts.as_slice()
        && let Some(known) = known.iter().find(|known| known.replace('-', "_") == **name)
    {
        parts[1] = known;
    }
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_finds_the_service_whose_name_has_a_dash() {
        let known = ["bank-a".to_owned(), "orders".to_owned()];
        assert_eq!(service_key("SERVICES.BANK_A.URL", &known), "services.bank-a.url");
        assert_eq!(service_key("SERVICES.BANK_B.URL", &known), "services.bank_b.url");
        assert_eq!(service_key("SERVER.LISTEN", &known), "server.listen");
    }
}
