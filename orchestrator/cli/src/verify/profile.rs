//! The profile of a service: what its verification may send. Read once, checked whole; what follows trusts it.
//!
//! **It must never know** a rule, or how a request is sent.

use std::{collections::BTreeMap, fmt, net::SocketAddr, time::Duration};

use amends_core::definition::parse_duration;
use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::template::{change, fill, fill_text, fill_value};

const TIMEOUT: Duration = Duration::from_secs(5);
const CALLED_BACK_WITHIN: Duration = Duration::from_secs(10);

/// A checked profile.
#[derive(Debug)]
pub(crate) struct Profile {
    /// In every request; secrets, so they are never shown.
    pub(crate) headers: HeaderMap,
    pub(crate) step: String,
    pub(crate) timeout: Duration,
    pub(crate) prepare: Vec<Call>,
    pub(crate) action: Action,
    pub(crate) compensate: Call,
    pub(crate) reject: Option<Reject>,
    pub(crate) effect: Option<Effect>,
    pub(crate) probe: Option<Target>,
    pub(crate) later: Option<Later>,
}

/// A request with places to fill.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    call: Target,
    #[serde(default)]
    body: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Action {
    call: Target,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    other_body: Option<Value>,
}

/// An action that the service says no to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reject {
    call: Target,
    #[serde(default)]
    body: Option<Value>,
    /// After these it would say yes.
    #[serde(default)]
    pub(crate) allow: Vec<Call>,
}

/// Where what the action did can be seen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Effect {
    pub(crate) call: Target,
    /// A JSON pointer into the answer.
    pub(crate) value: String,
}

/// Calls that are accepted with a 202 and called back.
#[derive(Debug)]
pub(crate) struct Later {
    pub(crate) listen: SocketAddr,
    pub(crate) within: Duration,
}

/// `METHOD /path`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Target {
    pub(crate) method: Method,
    pub(crate) path: String,
}

/// Ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<String>,
}

/// As it is written. `prepare` and the rest have their docs in docs/participant.md.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    step: Option<String>,
    #[serde(default)]
    timeout: Option<String>,
    #[serde(default)]
    prepare: Vec<Call>,
    action: Action,
    compensate: Call,
    #[serde(default)]
    reject: Option<Reject>,
    #[serde(default)]
    effect: Option<Effect>,
    #[serde(default)]
    probe: Option<Target>,
    #[serde(default, rename = "async")]
    later: Option<WrittenLater>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLater {
    listen: SocketAddr,
    #[serde(default)]
    within: Option<String>,
}

impl Profile {
    /// Reads a profile. `env` answers `${{ env.NAME }}` in headers.
    ///
    /// # Errors
    /// What is wrong, where, and what to write instead.
    pub(crate) fn parse(text: &str, env: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let written: Written = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
        let step = written.step.unwrap_or_else(|| "verified".to_owned());
        if step.is_empty()
            || !step.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        {
            return Err(format!("step: `{step}` is no step's name; lower case letters, digits and hyphens"));
        }
        let profile = Self {
            headers: headers(&written.headers, env)?,
            step,
            timeout: duration("timeout", written.timeout.as_deref(), TIMEOUT)?,
            prepare: written.prepare,
            action: written.action,
            compensate: written.compensate,
            reject: written.reject,
            effect: written.effect,
            probe: written.probe,
            later: match written.later {
                None => None,
                Some(later) => Some(Later {
                    listen: later.listen,
                    within: duration("async.within", later.within.as_deref(), CALLED_BACK_WITHIN)?,
                }),
            },
        };
        profile.check()?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), String> {
        if let Some(effect) = &self.effect {
            if effect.call.method != Method::GET {
                return Err(format!("effect.call: {} could change something; only GET reads", effect.call.method));
            }
            if !effect.value.is_empty() && !effect.value.starts_with('/') {
                let value = &effect.value;
                return Err(format!("effect.value: `{value}` is no JSON pointer; write e.g. /{value}"));
            }
        }
        if self.probe.as_ref().is_some_and(|probe| probe.method != Method::GET) {
            return Err("probe: it is a GET, with the action's key".to_owned());
        }
        let (one, other) = (Uuid::nil(), Uuid::max());
        if self.action.fill(one)? == self.action.fill(other)?
            && self.compensate.fill(one)? == self.compensate.fill(other)?
        {
            return Err(
                "neither `action` nor `compensate` has `${{ saga.id }}`, so the cases could not be told apart; put it where \
                 your service takes an id"
                    .to_owned(),
            );
        }
        // What cannot be filled is found before anything is sent.
        let saga = Uuid::nil();
        let calls = self.prepare.iter().chain(self.reject.iter().flat_map(|reject| &reject.allow));
        calls.chain([&self.compensate]).try_for_each(|call| call.fill(saga).map(|_| ()))?;
        self.action.fill(saga)?;
        self.action.fill_other(saga)?;
        if let Some(reject) = &self.reject {
            reject.fill(saga)?;
        }
        let targets = self.effect.iter().map(|effect| &effect.call).chain(&self.probe);
        targets.into_iter().try_for_each(|target| fill_text(&target.path, saga).map(|_| ()))
    }
}

impl Call {
    pub(crate) fn fill(&self, saga: Uuid) -> Result<Filled, String> {
        self.call.fill(self.body.as_ref(), saga)
    }
}

impl Action {
    pub(crate) fn fill(&self, saga: Uuid) -> Result<Filled, String> {
        self.call.fill(self.body.as_ref(), saga)
    }

    /// The same call with other bytes: as the profile says, or with the first number of the body changed, or its first text.
    pub(crate) fn fill_other(&self, saga: Uuid) -> Result<Option<Filled>, String> {
        if let Some(other) = &self.other_body {
            return self.call.fill(Some(other), saga).map(Some);
        }
        let Some(mut body) = self.body.clone() else { return Ok(None) };
        let changed = change(&mut body, &|value| match value {
            Value::Number(number) => number.as_i64().map(|number| Value::from(number.saturating_add(1))),
            _ => None,
        }) || change(&mut body, &|value| match value {
            Value::String(text) => Some(Value::from(format!("{text}-other"))),
            _ => None,
        });
        if changed { self.call.fill(Some(&body), saga).map(Some) } else { Ok(None) }
    }
}

impl Reject {
    pub(crate) fn fill(&self, saga: Uuid) -> Result<Filled, String> {
        self.call.fill(self.body.as_ref(), saga)
    }
}

impl Target {
    pub(crate) fn fill(&self, body: Option<&Value>, saga: Uuid) -> Result<Filled, String> {
        let body = body.map(|body| fill_value(body, saga).map(|body| body.to_string())).transpose()?;
        Ok(Filled { method: self.method.clone(), path: fill_text(&self.path, saga)?, body })
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad = || format!("`{text}`: write METHOD /path, e.g. POST /charges");
        let (method, path) = text.trim().split_once(' ').ok_or_else(bad)?;
        let path = path.trim();
        let known = ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method);
        if !known || !path.starts_with('/') || path.starts_with("//") {
            return Err(bad());
        }
        let method = method.parse().map_err(|_| bad())?;
        Ok(Self { method, path: path.to_owned() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

fn headers(written: &BTreeMap<String, String>, env: impl Fn(&str) -> Option<String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, text) in written {
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("saga-") || ["idempotency-key", "host", "content-length"].contains(&lower.as_str()) {
            return Err(format!("headers: {name} is the verification's own"));
        }
        let text = fill(text, |variable| {
            let variable = variable.strip_prefix("env.").ok_or_else(|| format!("headers: {name}: only `env.NAME`"))?;
            env(variable).ok_or_else(|| format!("headers: {name}: the environment has no {variable}"))
        })?;
        let name = HeaderName::try_from(name).map_err(|_| format!("headers: `{name}` is no header's name"))?;
        let mut value = HeaderValue::try_from(text).map_err(|_| format!("headers: {name} cannot be sent"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn duration(key: &str, text: Option<&str>, otherwise: Duration) -> Result<Duration, String> {
    let Some(text) = text else { return Ok(otherwise) };
    let read = parse_duration(text).map_err(|error| format!("{key}: {error}"))?;
    if read.is_zero() || read > Duration::from_secs(600) {
        return Err(format!("{key}: from 1ms to 10m"));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "action: { call: POST /coins, body: { order: '${{ saga.id }}', add: 7 } }\n\
                        compensate: { call: 'DELETE /coins/${{ saga.id }}' }\n";

    fn parse(text: &str) -> Result<Profile, String> {
        Profile::parse(text, |name| (name == "TOKEN").then(|| "t0p".to_owned()))
    }

    #[test]
    fn places_are_filled_and_another_body_differs_in_a_number() {
        let profile = parse(GOOD).expect("a profile");
        let saga = Uuid::from_u128(7);
        let action = profile.action.fill(saga).expect("filled");
        assert_eq!(action.body.as_deref(), Some(r#"{"add":7,"order":"00000000-0000-0000-0000-000000000007"}"#));
        assert_eq!(profile.compensate.fill(saga).expect("filled").path, format!("/coins/{saga}"));
        let other = profile.action.fill_other(saga).expect("filled").expect("there is one");
        assert_eq!(other.body.as_deref(), Some(r#"{"add":8,"order":"00000000-0000-0000-0000-000000000007"}"#));
    }

    #[test]
    fn headers_come_from_the_environment_and_are_not_shown() {
        let profile = parse(&format!("{GOOD}headers: {{ Authorization: 'Bearer ${{{{ env.TOKEN }}}}' }}\n"));
        let profile = profile.expect("a profile");
        assert_eq!(profile.headers["authorization"], "Bearer t0p");
        assert!(!format!("{profile:?}").contains("t0p"));
    }

    #[test]
    fn every_mistake_is_told_with_what_to_write() {
        for (text, told) in [
            ("action: { call: POST /a }\n", "missing field `compensate`"),
            ("action: { call: POST /a }\ncompensate: { call: POST /b }\n", "saga.id"),
            (
                "action: { cal: POST /a }\n",
                "unknown field `cal`, expected one of `call`, `body`, `other_body` at line 1",
            ),
            (&format!("{GOOD}proof: GET /x\n"), "unknown field `proof`"),
            (&GOOD.replace("POST /coins", "SEND /coins"), "write METHOD /path"),
            (&GOOD.replace("POST /coins", "POST http://x/"), "write METHOD /path"),
            (&GOOD.replace("saga.id }}' }", "order.id }}' }"), "a profile knows `${{ saga.id }}`"),
            (&GOOD.replace("saga.id }}' }", "saga.id' }"), "without its `}}`"),
            (&format!("{GOOD}effect: {{ call: POST /x, value: /a }}\n"), "only GET reads"),
            (&format!("{GOOD}effect: {{ call: GET /x, value: a.b }}\n"), "write e.g. /a.b"),
            (&format!("{GOOD}probe: POST /x\n"), "it is a GET"),
            (&format!("{GOOD}timeout: 5\n"), "timeout"),
            (&format!("{GOOD}timeout: 1h\n"), "from 1ms to 10m"),
            (&format!("{GOOD}step: Charge It\n"), "no step's name"),
            (&format!("{GOOD}headers: {{ Saga-Id: x }}\n"), "the verification's own"),
            (&format!("{GOOD}headers: {{ X: '${{{{ env.NONE }}}}' }}\n"), "the environment has no NONE"),
            (&format!("{GOOD}async: {{ listen: here }}\n"), "async.listen"),
            (&format!("{GOOD}async: {{ listen: '127.0.0.1:0', within: 0s }}\n"), "async.within"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(told), "{text}\n{error}");
        }
    }
}
