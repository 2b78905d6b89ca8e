//! What a definition is checked against beside itself: the services that there are, and what they say of themselves.

use std::{collections::BTreeMap, sync::Arc};

use crate::openapi::Api;

/// The services of a catalogue by name.
#[derive(Clone, Debug, Default)]
pub struct Services(BTreeMap<String, Option<Described>>);

/// A service with its OpenAPI document.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) api: Arc<Api>,
    /// The path of the service's address.
    pub(crate) base: String,
}

impl Services {
    /// From now on calls to `service` are checked against its document. `base` is the path of its address in the catalogue.
    pub fn describe(&mut self, service: &str, api: Arc<Api>, base: &str) {
        self.0.insert(service.to_owned(), Some(Described { api, base: base.to_owned() }));
    }

    pub(crate) fn has(&self, service: &str) -> bool {
        self.0.contains_key(service)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn described(&self, service: &str) -> Option<&Described> {
        self.0.get(service)?.as_ref()
    }
}

impl<S: Into<String>> FromIterator<S> for Services {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(|name| (name.into(), None)).collect())
    }
}

impl<S: Into<String>, const N: usize> From<[S; N]> for Services {
    fn from(names: [S; N]) -> Self {
        names.into_iter().collect()
    }
}
