//! Which of a service's replicas the next request goes to.
//!
//! They take turns. What came of each request says how a replica is (health by outcome): nobody is asked only to learn whether
//! he is there. One that refused a connection, or failed several times in a row, rests for a while and is then tried with a single
//! request; the others carry on meanwhile. When all of them rest they are asked all the same: a service is parked by its
//! breaker, and never because of what was true a moment ago.
//!
//! Who calls it: the HTTP side of the services' door. **It must never know** what is sent, and what an answer means for a saga.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use http::{HeaderValue, Uri};
use url::Url;

use crate::{addresses::Addresses, wire::Idle};

/// So many failures in a row make a replica rest: one or two may be the requests' own fault.
const FAILURES: u32 = 3;
/// The first rest; doubled with each trial that fails.
const REST: Duration = Duration::from_secs(1);
/// One that comes back is found within this time.
const REST_MAX: Duration = Duration::from_secs(30);

/// Where a service is.
pub(crate) struct Door {
    service: String,
    /// The path below which it lives, without a slash at its end.
    pub(crate) below: String,
    replicas: Vec<Replica>,
    turn: AtomicUsize,
    began: Instant,
}

/// One process of a service.
pub(crate) struct Replica {
    /// Scheme, host and port.
    pub(crate) address: Uri,
    pub(crate) host: HeaderValue,
    pub(crate) idle: Idle,
    health: Health,
}

/// How a request to a replica came out, as far as the replica is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    /// It, or what stands before it, could not do it now: nothing whole came back, or a 502, 503 or 504.
    Failed,
    /// Nobody listens there.
    Absent,
}

impl Door {
    /// # Errors
    /// An address that cannot be called.
    pub(crate) fn new(service: &str, addresses: &Addresses) -> Result<Self, String> {
        Ok(Self {
            service: service.to_owned(),
            below: addresses.path().trim_end_matches('/').to_owned(),
            replicas: addresses.all().iter().map(Replica::new).collect::<Result<_, _>>()?,
            turn: AtomicUsize::new(0),
            began: Instant::now(),
        })
    }

    /// The replicas in the order in which a request should try them: first those that answer, from the one whose turn it is.
    pub(crate) fn turns(&self) -> impl Iterator<Item = &Replica> {
        let count = self.replicas.len();
        let first = if count == 1 { 0 } else { self.turn.fetch_add(1, Relaxed) };
        let mut tried = 0_u32;
        (0..2 * count).filter_map(move |turn| {
            let at = first.wrapping_add(turn) % count;
            let replica = &self.replicas[at];
            let may = turn >= count || count == 1 || replica.health.may_be_asked(self.now(), tried == 0);
            if !may || tried & (1 << at) != 0 {
                return None;
            }
            tried |= 1 << at;
            Some(replica)
        })
    }

    /// What came of a request to one of them.
    pub(crate) fn tell(&self, replica: &Replica, outcome: Outcome) {
        if self.replicas.len() == 1 {
            return;
        }
        match replica.health.after(self.now(), outcome) {
            Change::None => {}
            Change::Rests(rest) => tracing::warn!(
                service = self.service, replica = %replica.address, rest_ms = rest.as_millis(),
                "a replica does not answer; its requests go to the others for a while"
            ),
            Change::Back => {
                tracing::info!(service = self.service, replica = %replica.address, "a replica answers again");
            }
        }
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self) {
        self.replicas.iter().for_each(|replica| replica.idle.sweep());
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Replica {
    fn new(url: &Url) -> Result<Self, String> {
        let said = |error: http::Error| error.to_string();
        let host = url.host_str().ok_or("its address has no host")?;
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let address = Uri::builder().scheme(url.scheme()).authority(authority.as_str()).path_and_query("/");
        Ok(Self {
            address: address.build().map_err(said)?,
            host: HeaderValue::try_from(authority).map_err(|error| said(error.into()))?,
            idle: Idle::default(),
            health: Health::default(),
        })
    }
}

/// What is known of a replica from its last requests. Times are milliseconds since its door was made.
#[derive(Default)]
struct Health {
    /// In a row.
    failures: AtomicU32,
    /// Zero while it does not rest.
    rests_until: AtomicU64,
    /// Since it began to rest.
    trials: AtomicU32,
}

#[derive(Debug, PartialEq, Eq)]
enum Change {
    None,
    Rests(Duration),
    Back,
}

impl Health {
    /// Whether a request may go there. When a rest is over that is one request, and no other until it is known what came of it;
    /// `first` says that the request would try nobody else before.
    fn may_be_asked(&self, now: u64, first: bool) -> bool {
        let until = self.rests_until.load(Relaxed);
        if until == 0 || now < until || !first {
            return until == 0;
        }
        // Whoever moves the end of the rest has the trial. If nothing is ever heard of it, the next one is due then.
        let next = now + millis(rest(self.trials.load(Relaxed) + 1));
        let mine = self.rests_until.compare_exchange(until, next, Relaxed, Relaxed).is_ok();
        self.trials.fetch_add(u32::from(mine), Relaxed);
        mine
    }

    fn after(&self, now: u64, outcome: Outcome) -> Change {
        if outcome == Outcome::Answered {
            self.failures.store(0, Relaxed);
            self.trials.store(0, Relaxed);
            return if self.rests_until.swap(0, Relaxed) == 0 { Change::None } else { Change::Back };
        }
        let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        if failures < FAILURES && outcome != Outcome::Absent {
            return Change::None;
        }
        // Not when it rests already: that was a trial, which has set its end, or was on its way when the rest began.
        let until = now + millis(REST);
        match self.rests_until.compare_exchange(0, until, Relaxed, Relaxed) {
            Ok(_) => Change::Rests(REST),
            Err(_) => Change::None,
        }
    }
}

/// How long it rests after so many trials.
fn rest(trials: u32) -> Duration {
    REST.saturating_mul(1 << trials.min(5)).min(REST_MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(count: usize) -> Door {
        let urls: Vec<String> = (0..count).map(|number| format!("http://127.0.0.1:{}", 7001 + number)).collect();
        Door::new("inventory", &serde_json::from_value(urls.into()).expect("addresses")).expect("a door")
    }

    fn ports(door: &Door) -> Vec<u16> {
        door.turns().map(|replica| replica.address.port_u16().expect("a port")).collect()
    }

    #[test]
    fn replicas_take_turns_and_each_is_tried_once() {
        let door = door(3);
        assert_eq!(ports(&door), [7001, 7002, 7003]);
        assert_eq!(ports(&door), [7002, 7003, 7001]);
        assert_eq!(ports(&door), [7003, 7001, 7002]);
    }

    #[test]
    fn one_where_nobody_listens_rests_and_is_asked_last() {
        let door = door(3);
        door.tell(&door.replicas[0], Outcome::Absent);
        assert_eq!(ports(&door), [7002, 7003, 7001]);
        assert_eq!(ports(&door), [7002, 7003, 7001]);
        assert_eq!(ports(&door), [7003, 7002, 7001]);
        door.tell(&door.replicas[0], Outcome::Answered);
        assert_eq!(ports(&door), [7001, 7002, 7003]);
    }

    #[test]
    fn failures_in_a_row_make_it_rest_and_an_answer_between_them_does_not() {
        let health = Health::default();
        for outcome in [Outcome::Failed, Outcome::Failed, Outcome::Answered, Outcome::Failed, Outcome::Failed] {
            assert_eq!(health.after(0, outcome), Change::None);
        }
        assert_eq!(health.after(0, Outcome::Failed), Change::Rests(REST));
        assert!(!health.may_be_asked(999, true));
    }

    #[test]
    fn a_rest_ends_with_one_trial_and_the_next_is_longer() {
        let health = Health::default();
        health.after(0, Outcome::Absent);
        assert!(!health.may_be_asked(1_000, false), "only as the first that a request tries");
        assert!(health.may_be_asked(1_000, true));
        assert!(!health.may_be_asked(1_000, true), "one trial at a time");
        assert_eq!(health.after(1_010, Outcome::Absent), Change::None);
        assert!(!health.may_be_asked(2_999, true));
        assert!(health.may_be_asked(3_000, true));
        assert_eq!(health.after(3_010, Outcome::Answered), Change::Back);
        assert!(health.may_be_asked(3_011, true) && health.may_be_asked(3_011, true));
    }

    #[test]
    fn a_rest_is_never_longer_than_its_bound_however_many_trials_fail() {
        let health = Health::default();
        health.after(0, Outcome::Absent);
        let mut now = 0;
        for _ in 0..40 {
            now += millis(REST_MAX);
            assert!(health.may_be_asked(now, true));
            health.after(now, Outcome::Failed);
        }
    }

    #[test]
    fn many_that_fail_at_once_are_one_reason_to_rest() {
        let health = Health::default();
        for _ in 0..500 {
            health.after(0, Outcome::Absent);
        }
        assert!(health.may_be_asked(1_000, true));
    }

    #[test]
    fn when_all_of_them_rest_they_are_asked_all_the_same() {
        let door = door(2);
        door.replicas.iter().for_each(|replica| door.tell(replica, Outcome::Absent));
        assert_eq!(ports(&door).len(), 2);
    }
}
