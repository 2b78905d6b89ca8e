//! Who has which store, and how it is opened: the file that `amends services check` is given.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use figment2::{
    Figment,
    providers::{Format as _, Toml},
};
use url::Url;

/// The stores by whose they are. A name that is no service's is the orchestrator's, or anybody's who must reach none.
#[derive(Debug, Default)]
pub(crate) struct Credentials(BTreeMap<String, Access>);

/// A store and what opens it.
#[derive(Clone)]
pub(super) enum Access {
    /// What opens a file is who one is on its machine: there is nothing to be tried elsewhere.
    File(PathBuf),
    Server(Url),
}

impl Credentials {
    /// # Errors
    /// What is wrong with it. Nothing of it is repeated: it is full of secrets.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lines: BTreeMap<String, String> = Figment::from(Toml::string(text))
            .extract()
            .map_err(|_| "it is not a list of NAME = \"PATH or URL\"".to_owned())?;
        let access = |(name, store): (String, String)| match store.split_once("://") {
            None => Ok((name, Access::File(store.into()))),
            Some((scheme, _)) => {
                let known = ["postgres", "postgresql", "mysql", "mariadb", "redis"].contains(&scheme);
                let url = Url::parse(&store).ok().filter(|url| known && url.has_host());
                let wanted =
                    "write postgres://, mysql:// or redis:// with user, password, host and database, or a path";
                url.map(|url| (name.clone(), Access::Server(url))).ok_or_else(|| format!("{name}: {wanted}"))
            }
        };
        lines.into_iter().map(access).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn stores(&self) -> impl Iterator<Item = (&str, &Access)> {
        self.0.iter().map(|(name, access)| (name.as_str(), access))
    }

    /// Of everybody's credential and everybody's store, those that can be tried.
    pub(super) fn pairs(&self) -> usize {
        let servers = self.0.values().filter(|access| matches!(access, Access::Server(_))).count();
        servers * servers
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(_) => "a file",
            Self::Server(_) => "a server",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_credentials_names_stores_and_nothing_of_it_is_repeated() {
        let text =
            "orders = \"postgres://o:hunter2@db/orders\"\nshipping = \"/data/s.db\"\ninventory = \"redis://i:p@h/0\"";
        let credentials = Credentials::parse(text).expect("credentials");
        assert_eq!((credentials.stores().count(), credentials.pairs()), (3, 4));
        assert!(!format!("{credentials:?}").contains("hunter2"));
        for bad in
            ["orders = 3", "orders", "orders = \"mongo://o:hunter2@h/d\"", "orders = \"postgres://hunter2\"\n[x]"]
        {
            let why = Credentials::parse(bad).expect_err(bad);
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
