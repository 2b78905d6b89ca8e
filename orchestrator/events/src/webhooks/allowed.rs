//! Where events may be told: what the operator wrote down, and nowhere else. Whoever may ask for a webhook must not be able to make this
//! server ask its neighbours.

use url::Url;

/// Beginnings of URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed(Vec<Url>);

impl Allowed {
    /// From texts, e.g. `https://hooks.example.com/amends/`.
    ///
    /// # Errors
    /// Which of them is none, and why.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        texts
            .iter()
            .map(|text| address(text).map_err(|why| format!("`{text}`: {why}")))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether it is below one of them: the same scheme, host and port, and a path that goes on at a `/`.
    pub(super) fn permits(&self, url: &Url) -> bool {
        self.0.iter().any(|allowed| {
            let below = url.path().strip_prefix(allowed.path());
            allowed.scheme() == url.scheme()
                && allowed.host() == url.host()
                && allowed.port_or_known_default() == url.port_or_known_default()
                && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || allowed.path().ends_with('/'))
        })
    }
}

/// An address without anything that could hide where it leads.
pub(super) fn address(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "it is no URL")?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("write http://host or https://host and a path");
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("no credentials and no fragment belong here");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_an_allowed_address_is_permitted() {
        let allowed = ["https://hooks.example.com/amends", "http://127.0.0.1:9000/"].map(str::to_owned);
        let allowed = Allowed::parse(&allowed).unwrap();
        for (text, permitted) in [
            ("https://hooks.example.com/amends", true),
            ("https://hooks.example.com/amends/orders?x=1", true),
            ("https://hooks.example.com:443/amends/orders", true),
            ("http://127.0.0.1:9000/anything", true),
            ("https://hooks.example.com/amendsother", false),
            ("https://hooks.example.com/amends/../admin", false),
            ("https://hooks.example.com/amends/%2e%2e/admin", false),
            ("https://hooks.example.com/", false),
            ("http://hooks.example.com/amends", false),
            ("https://hooks.example.com:8443/amends", false),
            ("https://hooks.example.com.evil.test/amends", false),
            ("https://evil.test/https://hooks.example.com/amends", false),
            ("http://127.0.0.1:9001/", false),
            ("http://169.254.169.254/latest/meta-data", false),
        ] {
            assert_eq!(allowed.permits(&address(text).unwrap()), permitted, "{text}");
        }
        for text in ["", "hooks.example.com", "ftp://x/", "https://user@hooks.example.com/amends", "https://x/#y"] {
            assert!(address(text).is_err(), "{text}");
        }
        assert!(
            !Allowed::default().permits(&address("https://hooks.example.com/").unwrap()),
            "nothing is allowed by itself"
        );
    }
}
