//! Where a service lives: one address, or one for each of its replicas.
//!
//! Replicas are the same program on the same private store, so whichever gets a request, its barrier knows what the others did.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};
use url::Url;

/// So many replicas of one service; beyond that a load balancer in front of them is better at it than we are.
pub const REPLICAS_MAX: usize = 32;

/// From one to [`REPLICAS_MAX`] base addresses, none twice, all with the same path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(Vec<Url>);

impl Addresses {
    /// All of them, in the order of the configuration.
    pub fn all(&self) -> &[Url] {
        &self.0
    }

    /// The one that stands for all where a single one is shown.
    pub fn first(&self) -> &Url {
        &self.0[0]
    }

    /// Below which the service lives, wherever it is.
    pub fn path(&self) -> &str {
        self.first().path()
    }

    /// # Errors
    /// What is wrong with them, in words for whoever wrote the configuration.
    fn new(texts: &[String]) -> Result<Self, String> {
        if texts.is_empty() || texts.len() > REPLICAS_MAX {
            return Err(format!("url: from 1 to {REPLICAS_MAX} addresses, not {}", texts.len()));
        }
        let mut urls: Vec<Url> = Vec::with_capacity(texts.len());
        for text in texts {
            let url = base_url(text)?;
            if urls.contains(&url) {
                return Err(format!("url `{text}` is there twice; each replica has an address of its own"));
            }
            if urls.first().is_some_and(|first| first.path() != url.path()) {
                return Err(format!("url `{text}`: replicas of one service live below the same path"));
            }
            urls.push(url);
        }
        Ok(Self(urls))
    }
}

/// `http://` or `https://`, host, port and perhaps a path below which the service lives. No credentials, query or fragment.
fn base_url(text: &str) -> Result<Url, String> {
    let refuse = |why: &str| format!("url `{text}`: {why}");
    let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(refuse("write http://host:port or https://host"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("no credentials, query or fragment belong here"));
    }
    Ok(url)
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMore)
    }
}

struct OneOrMore;

impl<'de> Visitor<'de> for OneOrMore {
    type Value = Addresses;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an address, or a list of those of its replicas")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Addresses, E> {
        Addresses::new(&[text.to_owned()]).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Addresses, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = sequence.next_element::<String>()? {
            texts.push(text);
        }
        Addresses::new(&texts).map_err(A::Error::custom)
    }
}

impl Serialize for Addresses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        match self.0.as_slice() {
            [one] => serializer.serialize_str(&text(one)),
            several => serializer.collect_seq(several.iter().map(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<Addresses, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn one_address_and_several_are_read_and_written_back() {
        for value in [json!("http://a:1/below"), json!(["http://a:1", "http://b:1"])] {
            let addresses = read(value.clone()).expect("addresses");
            assert_eq!(serde_json::to_value(&addresses).expect("JSON"), value);
        }
    }

    #[test]
    fn what_is_no_address_of_a_service_is_refused_with_the_reason() {
        let many: Vec<String> = (0..=REPLICAS_MAX).map(|number| format!("http://a:{}", number + 1)).collect();
        for (value, reason) in [
            (json!([]), "from 1 to 32 addresses, not 0"),
            (json!(many), "from 1 to 32 addresses, not 33"),
            (json!(["http://a", "http://a/"]), "twice"),
            (json!(["http://a/x", "http://b/y"]), "below the same path"),
            (json!(["http://a", "ftp://b"]), "write http://host:port"),
            (json!("http://me:secret@a"), "no credentials"),
            (json!("http://a?x=1"), "no credentials, query or fragment"),
            (json!(7), "an address, or a list of those of its replicas"),
        ] {
            let refused = read(value.clone()).expect_err("it is none");
            assert!(refused.contains(reason), "{value}: {refused}");
        }
    }
}
