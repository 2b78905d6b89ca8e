//! What came of a scenario and is not as expected. The comparison is the same for whoever carried it out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    fits::fits,
    model::{Asked, Scenario},
    ran::Ran,
};
use crate::{definition::Mark, ids::StepName};

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The key under which it is expected: `status`, `output/tracking`, `attempts.charge`, `never`, `faults`, ….
    pub what: String,
    pub expected: String,
    pub found: String,
    /// The same in other words, where lists are long.
    pub note: Option<String>,
    /// In the scenario file.
    pub at: Mark,
    /// Whom it is about; nobody: the saga as a whole.
    pub about: Vec<(String, Option<Asked>)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.what, self.expected, self.found)?;
        self.note.as_ref().map_or(Ok(()), |note| write!(f, " ({note})"))
    }
}

/// Everything that is not as expected; what explains most of the rest comes first.
pub fn differences(scenario: &Scenario, ran: &Ran) -> Vec<Difference> {
    let mut found: Vec<Difference> = ran.could_not.iter().map(|(at, why)| could_not(*at, why)).collect();
    found.extend(status(scenario, ran));
    found.extend(output(scenario, ran));
    found.extend(steps(scenario, ran));
    found.extend(effects(scenario, ran));
    found.extend(requests(scenario, ran));
    found.extend(bodies(scenario, ran));
    found.extend(unused(scenario, ran));
    found
}

fn could_not(at: Mark, why: &str) -> Difference {
    Difference {
        what: "as written".to_owned(),
        expected: "everything is done as it is written".to_owned(),
        found: why.to_owned(),
        note: None,
        at,
        about: vec![],
    }
}

fn at(scenario: &Scenario, key: &str) -> Mark {
    scenario.expect.places.get(key).copied().unwrap_or(scenario.at)
}

fn status(scenario: &Scenario, ran: &Ran) -> Option<Difference> {
    let expected = scenario.expect.status.as_str();
    (ran.status != expected).then(|| Difference {
        what: "status".to_owned(),
        expected: expected.to_owned(),
        found: ran.status.clone(),
        note: Some(ran.why.clone()).filter(|why| !why.is_empty()),
        at: at(scenario, "status"),
        about: vec![],
    })
}

fn output(scenario: &Scenario, ran: &Ran) -> Option<Difference> {
    let misfit = fits(scenario.expect.output.as_ref()?, &ran.output).err()?;
    Some(Difference {
        what: format!("output{}", misfit.pointer),
        expected: misfit.expected.to_string(),
        found: misfit.found.to_string(),
        note: None,
        at: at(scenario, "output"),
        about: vec![],
    })
}

fn steps(scenario: &Scenario, ran: &Ran) -> Vec<Difference> {
    let lists =
        [("done", &scenario.expect.done, &ran.done, true), ("skipped", &scenario.expect.skipped, &ran.skipped, false)];
    let wrong = lists.into_iter().filter_map(|(what, expected, found, ordered)| {
        let expected: Vec<&str> = expected.as_ref()?.iter().map(StepName::as_str).collect();
        let same = if ordered { expected.iter().eq(found.iter()) } else { sorted(&expected) == sorted(found) };
        (!same).then(|| list(scenario, what, &expected.join(", "), (&expected, found), ", "))
    });
    wrong.collect()
}

fn effects(scenario: &Scenario, ran: &Ran) -> Vec<Difference> {
    let mut wrong = Vec::new();
    if let Some(groups) = scenario.expect.undone.as_ref().filter(|groups| !in_groups(groups, &ran.undone)) {
        let steps: Vec<&str> = groups.iter().flatten().map(StepName::as_str).collect();
        let written: Vec<String> = groups.iter().map(|group| group_in_words(group)).collect();
        wrong.push(list(scenario, "undone", &written.join(" → "), (&steps, &ran.undone), " → "));
    }
    if let Some(expected) = &scenario.expect.nothing {
        let expected: Vec<&str> = expected.iter().map(StepName::as_str).collect();
        let found: BTreeSet<&str> = ran.nothing.iter().map(String::as_str).collect();
        if found != expected.iter().copied().collect() {
            wrong.push(list(scenario, "nothing", &expected.join(", "), (&expected, &ran.nothing), ", "));
        }
    }
    for difference in &mut wrong {
        difference.about.iter_mut().for_each(|(_, of)| *of = Some(Asked::Compensate));
    }
    wrong
}

fn group_in_words(group: &[StepName]) -> String {
    let steps: Vec<&str> = group.iter().map(StepName::as_str).collect();
    if let [alone] = steps[..] { alone.to_owned() } else { format!("[{}]", steps.join(", ")) }
}

/// A list of steps that is another one than expected.
fn list(
    scenario: &Scenario,
    what: &str,
    written: &str,
    (expected, found): (&[&str], &[String]),
    between: &str,
) -> Difference {
    let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    let (missing, too_many) = (less(expected, found), less(found, expected));
    let in_words = [("missing", &missing), ("not expected", &too_many)];
    let note: Vec<String> = in_words
        .iter()
        .filter(|(_, steps)| !steps.is_empty())
        .map(|(word, steps)| format!("{word}: {}", steps.join(", ")))
        .collect();
    let mut about: Vec<&String> = missing.iter().chain(&too_many).collect();
    let note = if note.is_empty() {
        let elsewhere = found.iter().zip(expected).find(|(found, expected)| found.as_str() != **expected);
        about.extend(elsewhere.map(|(first, _)| first));
        "the same steps, in another order".to_owned()
    } else {
        note.join("; ")
    };
    Difference {
        what: what.to_owned(),
        expected: or_none(written),
        found: or_none(&found.join(between)),
        note: Some(note),
        at: at(scenario, what),
        about: about.into_iter().map(|step| (step.clone(), None)).collect(),
    }
}

/// What of `these` is not among `those`, each as often as it is too many.
fn less(these: &[impl AsRef<str>], those: &[impl AsRef<str>]) -> Vec<String> {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    those.iter().for_each(|step| *left.entry(step.as_ref()).or_default() += 1);
    let gone = |step: &&str| match left.get_mut(*step) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    these.iter().map(AsRef::as_ref).filter(gone).map(str::to_owned).collect()
}

fn sorted(steps: &[impl AsRef<str>]) -> Vec<&str> {
    let mut steps: Vec<&str> = steps.iter().map(AsRef::as_ref).collect();
    steps.sort_unstable();
    steps
}

fn in_groups(groups: &[Vec<StepName>], found: &[String]) -> bool {
    let mut rest = found;
    for group in groups {
        let Some((these, after)) = rest.split_at_checked(group.len()) else { return false };
        let group: Vec<&str> = group.iter().map(StepName::as_str).collect();
        if sorted(&group) != sorted(these) {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

fn requests(scenario: &Scenario, ran: &Ran) -> Vec<Difference> {
    let expect = &scenario.expect;
    let counted = expect.attempts.iter().map(|(step, of, count)| {
        let what = match of {
            Asked::Action => format!("attempts.{step}"),
            Asked::Compensate | Asked::Probe => format!("attempts.{step}.{}", of.as_str()),
        };
        let at = at(scenario, &what);
        (what, at, step, *of, *count)
    });
    let never = expect.never.iter().map(|step| ("never".to_owned(), at(scenario, "never"), step, Asked::Action, 0));
    let wrong = counted.chain(never).filter_map(|(what, at, step, of, expected)| {
        let found = ran.sent(step.as_str(), of);
        (found != expected as usize).then(|| Difference {
            expected: if what == "never" { format!("no request of {step}") } else { expected.to_string() },
            what,
            found: found.to_string(),
            note: None,
            at,
            about: vec![(step.to_string(), Some(of))],
        })
    });
    wrong.collect()
}

fn bodies(scenario: &Scenario, ran: &Ran) -> Vec<Difference> {
    let wrong = scenario.expect.bodies.iter().filter_map(|(step, expected)| {
        let what = format!("bodies.{step}");
        let at = at(scenario, &what);
        let about = vec![(step.clone(), Some(Asked::Action))];
        let first = ran.requests.iter().find(|sent| sent.step == *step && sent.of == Asked::Action);
        match first.map(|sent| fits(expected, &sent.body)) {
            Some(Ok(())) => None,
            Some(Err(misfit)) => Some(Difference {
                what: format!("{what}{}", misfit.pointer),
                expected: misfit.expected.to_string(),
                found: misfit.found.to_string(),
                note: None,
                at,
                about,
            }),
            None => Some(Difference {
                what,
                expected: "a request".to_owned(),
                found: "none".to_owned(),
                note: Some(format!("{step} was never called")),
                at,
                about,
            }),
        }
    });
    wrong.collect()
}

/// Faults that befell nobody, and callbacks for which there was no call: then something else was tried than is written.
fn unused(scenario: &Scenario, ran: &Ran) -> Vec<Difference> {
    let faults =
        scenario.faults.iter().enumerate().filter(|(nth, _)| ran.befell.get(*nth).is_none_or(|times| *times == 0));
    let faults = faults.map(|(_, fault)| Difference {
        what: "faults".to_owned(),
        expected: format!("`{}` befalls {} ({})", fault.what.as_str(), fault.step, fault.of.as_str()),
        found: "it befell nobody".to_owned(),
        note: None,
        at: fault.at,
        about: vec![(fault.step.to_string(), Some(fault.of))],
    });
    let callbacks =
        scenario.callbacks.iter().enumerate().filter(|(nth, _)| !ran.accepted.get(*nth).copied().unwrap_or(false));
    let callbacks = callbacks.map(|(_, callback)| Difference {
        what: "callbacks".to_owned(),
        expected: format!("{} is accepted", callback.step),
        found: "it was never accepted, so that nobody could call back".to_owned(),
        note: None,
        at: callback.at,
        about: vec![(callback.step.to_string(), Some(Asked::Action))],
    });
    faults.chain(callbacks).collect()
}
