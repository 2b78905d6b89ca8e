//! Query parameters: decoded strictly, each known, each at most once unless it says otherwise.

use std::str::FromStr;

use amends_core::time::Time;
use amends_protocol::v1::{PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX};
use axum::extract::FromRequestParts;
use chrono::DateTime;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::error::ApiError;

/// The parameters of a request. A handler takes those it knows and then calls [`Query::end`].
#[derive(Debug)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

/// For routes without parameters: any parameter is one too many.
pub(crate) struct NoQuery;

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Query::from_request_parts(parts, state).await?.end(&[]).map(|()| Self)
    }
}

impl Query {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        });
        Ok(Self { pairs: pairs.collect::<Result<_, ApiError>>()? })
    }

    /// All values of a parameter, in order.
    pub(crate) fn all(&mut self, name: &str) -> Vec<String> {
        let (taken, left) = std::mem::take(&mut self.pairs).into_iter().partition(|pair| pair.0 == name);
        self.pairs = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|pair| pair.1).collect()
    }

    /// The value of a parameter that may be given once.
    pub(crate) fn one(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let mut values = self.all(name);
        match values.len() {
            0 | 1 => Ok(values.pop()),
            _ => Err(ApiError::InvalidQuery(format!("`{name}` is given more than once"))),
        }
    }

    /// The same, parsed.
    pub(crate) fn parsed<T: FromStr>(&mut self, name: &str, expected: &str) -> Result<Option<T>, ApiError> {
        self.one(name)?
            .map(|value| value.parse().map_err(|_| ApiError::InvalidQuery(format!("`{name}` is {expected}"))))
            .transpose()
    }

    /// A moment.
    pub(crate) fn time(&mut self, name: &str) -> Result<Option<Time>, ApiError> {
        let expected = "an RFC 3339 time, e.g. 2026-11-24T17:00:00Z (write `+` as %2B)";
        let refuse = || ApiError::InvalidQuery(format!("`{name}` is {expected}"));
        self.one(name)?
            .map(|value| {
                let time = DateTime::parse_from_rfc3339(&value).map_err(|_| refuse())?;
                Ok(Time(time.timestamp_micros()))
            })
            .transpose()
    }

    /// How many items a page has.
    pub(crate) fn limit(&mut self) -> Result<u32, ApiError> {
        let limit = self.parsed("limit", "a number")?.unwrap_or(PAGE_LIMIT_DEFAULT);
        if (1..=PAGE_LIMIT_MAX).contains(&limit) {
            Ok(limit)
        } else {
            Err(ApiError::InvalidQuery(format!("`limit` is from 1 to {PAGE_LIMIT_MAX}")))
        }
    }

    /// Refuses what was not taken. `known` is for the one who mistyped.
    pub(crate) fn end(self, known: &[&str]) -> Result<(), ApiError> {
        let Some((name, _)) = self.pairs.first() else { return Ok(()) };
        let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        let known = match known {
            [] => "there are none here".to_owned(),
            known => format!("there are {}", known.join(", ")),
        };
        Err(ApiError::InvalidQuery(format!("`{name}` is no parameter; {known}")))
    }
}

fn decoded(text: &str) -> Result<String, ApiError> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| ApiError::InvalidQuery("a parameter is not UTF-8".to_owned()))?;
    if decoded.contains('\0') {
        return Err(ApiError::InvalidQuery("a parameter contains a NUL".to_owned()));
    }
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_taken_and_the_rest_refused() {
        let mut query = Query::parse("status=running&limit=5&status=a%2Cb&x=1").unwrap();
        assert_eq!(query.all("status"), ["running", "a,b"]);
        assert_eq!(query.limit().unwrap(), 5);
        let refused = query.end(&["status", "limit"]).unwrap_err().to_string();
        assert_eq!(refused, "`x` is no parameter; there are status, limit");
    }

    #[test]
    fn what_is_not_as_it_should_be_is_refused() {
        for limit in ["0", "-1", "201", "1000000000", "99999999999999999999", "x", ""] {
            assert!(Query::parse(&format!("limit={limit}")).unwrap().limit().is_err(), "{limit}");
        }
        assert!(Query::parse("a=1&a=2").unwrap().one("a").is_err());
        assert!(Query::parse("a=%ff").is_err());
        assert!(Query::parse("a=%00").is_err());
        assert!(Query::parse("t=yesterday").unwrap().time("t").is_err());
        let time = Query::parse("t=2026-11-24T18:01:01.000123%2B01:00").unwrap().time("t").unwrap();
        assert_eq!(time, Some(Time(1_795_539_661_000_123)));
    }
}
