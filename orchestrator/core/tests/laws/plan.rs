//! A random definition and random weather, as data that shrinks.

use std::{fmt::Write as _, time::Duration};

use amends_core::definition::Definition;
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    steps: Vec<StepPlan>,
    /// Steps say what they need; otherwise they run in source order.
    graph: bool,
    /// Written down in reverse: source order is then not the order of dependency.
    reversed: bool,
    pivot: Option<usize>,
    deadline: bool,
    /// The services have a barrier; otherwise they are plain, with the same care.
    pub(crate) barrier: bool,
    pub(crate) moves: Vec<Move>,
}

#[derive(Clone, Debug)]
enum Kind {
    Call,
    /// Calls for so many items, so many at once.
    Each {
        items: usize,
        concurrency: u8,
    },
    Sleep {
        seconds: u8,
    },
    Until,
    /// Awaits one of two signals.
    Await(u8),
}

#[derive(Clone, Debug)]
struct StepPlan {
    kind: Kind,
    /// Bit `j`: needs step `j`, if that is before it.
    needs: u8,
    /// Its participant may answer 202 and call back.
    later: bool,
    none: bool,
    attempts: u8,
    /// It has an `if`, with this value.
    condition: Option<bool>,
    /// It must not be sent twice, and whether it can be asked after.
    once: bool,
    asks: bool,
    /// Its participant answers what its `output` cannot be computed from.
    unusable: bool,
}

/// What happens next; numbers pick among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Move {
    Send(u8),
    Answer(u8, Fate),
    /// A request that was given up arrives after all.
    Late(u8),
    /// The process dies; bit `n` says whether what was on the wire arrives at once. Another one takes over.
    Crash {
        arrived: u8,
        clock_back: bool,
    },
    /// The process lets go in good order.
    Release,
    Cancel,
    /// A participant finishes something that it accepted, well if so said, and means to call back.
    Finish(u8, bool),
    /// A callback arrives; it may come again.
    CallBack(u8),
    /// A signal of this name with this number as payload and, if it is even, as key.
    Signal(u8, u8),
    UntilDue,
    /// A probe that is due comes back.
    Probe(Fate),
    Wait(u32),
}

/// Twice the timeout of the steps of these plans: what was sent so long ago arrives no more.
pub(crate) const SETTLE: Duration = Duration::from_secs(1);

/// What becomes of a request on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Accepted,
    /// It is accepted for later, if that was asked for.
    Later,
    Refused,
    /// The network makes two of it.
    Doubled,
    LostBefore,
    LostAfter,
    NotSent,
    /// A true owner is told that it is none.
    Fenced,
}

pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    let condition = prop_oneof![4 => Just(None), 1 => any::<bool>().prop_map(Some)];
    let kind = prop_oneof![
        7 => Just(Kind::Call),
        2 => (0_usize..4, 1_u8..4).prop_map(|(items, concurrency)| Kind::Each { items, concurrency }),
        1 => (1_u8..100).prop_map(|seconds| Kind::Sleep { seconds }),
        1 => Just(Kind::Until),
        2 => (0_u8..2).prop_map(Kind::Await),
    ];
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.07), prop::bool::weighted(0.4));
    let once = (prop::bool::weighted(0.3), prop::bool::weighted(0.6));
    let step = (kind, any::<u8>(), 1_u8..5, flags, condition, once);
    let step = step.prop_map(|(kind, needs, attempts, (none, unusable, later), condition, (once, asks))| StepPlan {
        kind,
        needs,
        later,
        none,
        attempts,
        unusable,
        once,
        asks,
        condition,
    });
    let fate = prop_oneof![
        10 => Just(Fate::Accepted),
        6 => Just(Fate::Later),
        2 => Just(Fate::Refused),
        2 => Just(Fate::Doubled),
        3 => Just(Fate::LostBefore),
        3 => Just(Fate::LostAfter),
        2 => Just(Fate::NotSent),
        1 => Just(Fate::Fenced),
    ];
    let step_on = prop_oneof![
        12 => any::<u8>().prop_map(Move::Send),
        12 => (any::<u8>(), fate.clone()).prop_map(|(which, fate)| Move::Answer(which, fate)),
        4 => fate.prop_map(Move::Probe),
        2 => any::<u8>().prop_map(Move::Late),
        1 => (any::<u8>(), prop::bool::weighted(0.2)).prop_map(|(arrived, clock_back)| Move::Crash { arrived, clock_back }),
        1 => Just(Move::Release),
        1 => prop::bool::weighted(0.3).prop_map(|cancel| if cancel { Move::Cancel } else { Move::UntilDue }),
        3 => (any::<u8>(), prop::bool::weighted(0.7)).prop_map(|(which, good)| Move::Finish(which, good)),
        3 => any::<u8>().prop_map(Move::CallBack),
        2 => (0_u8..2, 0_u8..8).prop_map(|(name, number)| Move::Signal(name, number)),
        6 => Just(Move::UntilDue),
        1 => (0_u32..2_000).prop_map(Move::Wait),
    ];
    let shape = (any::<bool>(), any::<bool>(), prop::option::of(0_usize..7), any::<bool>(), any::<bool>());
    (prop::collection::vec(step, 1..8), shape, prop::collection::vec(step_on, 0..90)).prop_map(
        |(steps, (graph, reversed, pivot, deadline, barrier), moves)| {
            let pivot = pivot.filter(|pivot| *pivot < steps.len());
            Plan { steps, graph, reversed, pivot, deadline, barrier, moves }
        },
    )
}

/// What every saga of these tests is started with.
pub(crate) fn input() -> serde_json::Value {
    // Twenty seconds after the clock of these tests begins.
    serde_json::json!({ "yes": true, "no": false, "later": "1970-01-12T13:47:00Z" })
}

impl Plan {
    pub(crate) fn definition(&self) -> Definition {
        let yaml = self.yaml();
        Definition::parse(&yaml, None).unwrap_or_else(|found| panic!("{found:?}\n{yaml}"))
    }

    /// Steps whose participants answer uselessly.
    pub(crate) fn unusable(&self) -> Vec<String> {
        let useless = self.steps.iter().enumerate().filter(|(_, step)| step.unusable);
        useless.map(|(ix, _)| format!("s{ix}")).collect()
    }

    fn yaml(&self) -> String {
        let mut steps: Vec<String> = (0..self.steps.len()).map(|ix| self.step(ix)).collect();
        if self.reversed && self.graph {
            steps.reverse();
        }
        let deadline = if self.deadline { "deadline: 1m\n" } else { "" };
        format!("saga: s\n{deadline}steps:\n{}", steps.concat())
    }

    fn step(&self, ix: usize) -> String {
        let plan = &self.steps[ix];
        let waits = match &plan.kind {
            _ if self.pivot == Some(ix) => None,
            Kind::Call | Kind::Each { .. } => None,
            Kind::Sleep { seconds } => Some(format!("sleep: {seconds}s")),
            Kind::Until => Some("until: '${{ input.later }}'".to_owned()),
            Kind::Await(name) => Some(format!("await: g{name}\n    timeout: 30s\n    output: '${{{{ signal }}}}'")),
        };
        let mut text = match &waits {
            Some(wait) => format!("  s{ix}:\n    {wait}\n"),
            None => self.call(ix),
        };
        if self.graph {
            let needs: Vec<String> =
                (0..ix).filter(|need| self.needs(ix, *need)).map(|need| format!("s{need}")).collect();
            writeln!(text, "    needs: [{}]", needs.join(", ")).expect("a text");
        }
        if let Some(runs) = plan.condition.filter(|_| self.pivot != Some(ix)) {
            let name = if runs { "yes" } else { "no" };
            writeln!(text, "    if: '${{{{ input.{name} }}}}'").expect("a text");
        }
        text
    }

    fn call(&self, ix: usize) -> String {
        let plan = &self.steps[ix];
        let mut text = format!(
            "  s{ix}:\n    call: x POST /s{ix}\n    output: {{ id: '${{{{ response.body.id }}}}' }}\n    retry: {{ attempts: {}, backoff: 10ms, max_backoff: 1s }}\n",
            plan.attempts
        );
        if let (Kind::Each { items, concurrency }, false) = (&plan.kind, self.pivot == Some(ix)) {
            writeln!(text, "    for_each: {:?}\n    concurrency: {concurrency}", &[1, 2, 3][..*items]).expect("a text");
        }
        if plan.later {
            text.push_str("    async: true\n    timeout: 30s\n");
        }
        if plan.once {
            text.push_str("    idempotent: false\n");
        }
        // The pivot needs one.
        if plan.asks || plan.once && self.pivot == Some(ix) {
            writeln!(text, "    probe: {{ call: x GET /s{ix}, settle: 1s }}").expect("a text");
        }
        match self.pivot {
            Some(pivot) if pivot == ix => text.push_str("    pivot: true\n"),
            Some(pivot) if pivot < ix => {}
            _ if plan.none => text.push_str("    compensate: none\n    reason: reads only\n"),
            _ => writeln!(
                text,
                "    compensate: {{ call: x POST /s{ix}/undo, retry: {{ attempts: 3, max_backoff: 1s }} }}"
            )
            .expect("a text"),
        }
        text
    }

    /// Nothing runs beside the pivot: it needs all before it, and all behind it need it.
    fn needs(&self, ix: usize, need: usize) -> bool {
        match self.pivot {
            Some(pivot) if ix == pivot || (pivot < ix && need == pivot) => true,
            _ => self.steps[ix].needs >> need & 1 == 1,
        }
    }
}
