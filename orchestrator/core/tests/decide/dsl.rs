//! One saga in the hand of a test: what reaches it, and what it then says, in words.

use std::time::Duration;

use amends_core::{
    Answer, Begin, Callback, CanCallBack, CanCancel, CanSignal, Command, Errand, Input, RefusedThere, Reply, Said,
    Signal, Terms, begin, can_call_back, can_cancel, can_signal, decide_in_place,
    definition::Definition,
    event::{Event, Recorded},
    evolve, fold,
    ids::{CallId, SagaId, StepName},
    outstanding,
    state::{Phase, State, StepState},
    summary::Status,
    time::Time,
};
use serde_json::{Value, json};

/// Three steps in a row, each with its undo.
pub(crate) const ROW: &str = "
saga: row
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
  b: { call: x POST /b, compensate: { call: x POST /b/undo } }
  c: { call: x POST /c, compensate: { call: x POST /c/undo } }
";

/// A step, the pivot, a step behind it.
pub(crate) const PIVOT: &str = "
saga: pivot
deadline: 1h
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
  p: { call: x POST /p, pivot: true, retry: { attempts: 3 } }
  z: { call: x POST /z, retry: { attempts: 3 } }
";

/// `b` and `c` side by side, each behind `a` and before `d`; `e` beside them all.
pub(crate) const DIAMOND: &str = "
saga: diamond
steps:
  a: { needs: [], call: x POST /a, compensate: { call: x POST /a/undo } }
  b: { needs: [a], call: x POST /b, compensate: { call: x POST /b/undo } }
  c: { needs: [a], call: x POST /c, compensate: { call: x POST /c/undo } }
  d: { needs: [b, c], call: x POST /d, compensate: { call: x POST /d/undo } }
  e: { needs: [], call: x POST /e, compensate: { call: x POST /e/undo } }
";

pub(crate) struct Run {
    pub(crate) definition: Definition,
    pub(crate) state: State,
    pub(crate) journal: Vec<Recorded>,
    pub(crate) now: Time,
    /// Events of the last input.
    last: Vec<Recorded>,
    /// After which of them nobody had to look any more.
    pub(crate) cleared: Option<u64>,
    terms: Terms,
    pub(crate) commits: usize,
}

pub(crate) fn ok() -> Reply {
    answer(200)
}

pub(crate) fn ok_with(body: Value) -> Reply {
    Reply::Answered(Answer { status: 200, body: body.to_string().into_bytes(), ..Answer::default() })
}

pub(crate) fn html() -> Reply {
    Reply::Answered(Answer { status: 200, body: b"<html>Welcome</html>".to_vec(), ..Answer::default() })
}

pub(crate) fn answer(status: u16) -> Reply {
    Reply::Answered(Answer { status, ..Answer::default() })
}

pub(crate) fn acked(status: u16) -> Reply {
    Reply::Answered(Answer { status, acked: true, ..Answer::default() })
}

pub(crate) fn refused_there(refused: RefusedThere) -> Reply {
    Reply::Answered(Answer { status: 409, acked: true, refused: Some(refused), ..Answer::default() })
}

pub(crate) fn retry_after(seconds: u64) -> Reply {
    Reply::Answered(Answer { status: 503, retry_after: Some(Duration::from_secs(seconds)), ..Answer::default() })
}

pub(crate) fn lost() -> Reply {
    Reply::Lost { reason: "timeout".to_owned() }
}

pub(crate) fn not_sent() -> Reply {
    Reply::NotSent { reason: "connection refused".to_owned() }
}

pub(crate) fn undo(step: &str) -> CallId {
    CallId::compensate(&step.into())
}

pub(crate) fn action(step: &str) -> CallId {
    CallId::action(&step.into())
}

/// The call of one item.
pub(crate) fn nth(index: u32, call: CallId) -> CallId {
    CallId { index: Some(index), ..call }
}

impl Run {
    pub(crate) fn of(yaml: &str) -> Self {
        Self::with_input(yaml, json!({}))
    }

    pub(crate) fn with_input(yaml: &str, input: Value) -> Self {
        Self::begun(yaml, Begin::root(1, input))
    }

    pub(crate) fn begun(yaml: &str, mut with: Begin) -> Self {
        let definition = Definition::parse(yaml, None).expect("a definition");
        let saga = SagaId(uuid::Uuid::from_u128(7));
        let now = Time(1_000_000_000);
        if with.parent.is_none() {
            with.locks = amends_core::locks(&definition, saga, &with, now).expect("locks that can be rendered");
        }
        let journal = begin(&definition, saga, with, now);
        let state = fold(saga, &journal).expect("a start folds");
        let last = journal.clone();
        Self { definition, state, journal, now, last, cleared: None, terms: Terms::default(), commits: 1 }
    }

    /// From here on answers come from a service with a barrier.
    pub(crate) fn barrier(mut self) -> Self {
        self.terms.barrier = true;
        self
    }

    pub(crate) fn input(mut self, input: Input) -> Self {
        let decision = decide_in_place(&self.definition, &mut self.state.clone(), input, self.now);
        self.last = decision.events;
        let mut cleared = None;
        for event in &self.last {
            let attention = !self.state.attention.is_empty();
            self.state = evolve(self.state, event).expect("what is decided folds");
            if attention && self.state.attention.is_empty() {
                cleared = Some(event.seq);
            }
            // What is stored is read back equal.
            let stored = serde_json::to_string(&event.event).expect("an event is JSON");
            assert_eq!(serde_json::from_str::<Event>(&stored).expect("and read back"), event.event);
        }
        assert_eq!(decision.attention_cleared, cleared, "where nobody has to look any more");
        self.cleared = cleared;
        self.journal.extend(self.last.iter().cloned());
        assert_eq!(fold(self.state.saga, &self.journal).expect("the journal folds"), self.state);
        self.commits += usize::from(!self.last.is_empty());
        self
    }

    pub(crate) fn call_answers(mut self, call: CallId, reply: Reply) -> Self {
        let under_way = self.state.call(&call).unwrap_or_else(|| panic!("{call} is not under way"));
        let Phase::Open { due_at } = under_way.phase else { panic!("{call} has no open attempt") };
        // An attempt is not sent before it is due.
        self.now = self.now.max(due_at);
        let (attempt, terms) = (under_way.attempt, self.terms.clone());
        self.input(Input::Answered { call, attempt, reply, terms })
    }

    /// The open attempt of the step's action comes back.
    pub(crate) fn answers(self, step: &str, reply: Reply) -> Self {
        self.call_answers(action(step), reply)
    }

    /// The same for one item.
    pub(crate) fn item_answers(self, step: &str, index: u32, reply: Reply) -> Self {
        self.call_answers(nth(index, action(step)), reply)
    }

    /// The open attempt of the step's compensation comes back.
    pub(crate) fn undo_answers(self, step: &str, reply: Reply) -> Self {
        self.call_answers(undo(step), reply)
    }

    /// The probe that is due next is sent at that time and comes back.
    pub(crate) fn probe_answers(mut self, step: &str, reply: Reply) -> Self {
        let (attempt, due_at) = self.probe(step).unwrap_or_else(|| panic!("{step} is not asked after"));
        self.now = self.now.max(due_at);
        let (call, asked_at, terms) = (action(step), self.now, self.terms.clone());
        self.input(Input::Probed { call, attempt, asked_at, reply, terms })
    }

    /// The probe that is owed: of which attempt, and when.
    pub(crate) fn probe(&self, step: &str) -> Option<(u32, Time)> {
        let owed = outstanding(&self.definition, &self.state).into_iter();
        owed.into_iter().find_map(|command| match command {
            Command::Probe { call, attempt, due_at } if call == action(step) => Some((attempt, due_at)),
            _ => None,
        })
    }

    pub(crate) fn all_answer(self, steps: &[&str]) -> Self {
        steps.iter().fold(self, |run, step| run.answers(step, ok()))
    }

    pub(crate) fn withdraws(self, step: &str) -> Self {
        let attempt = self.attempt(&action(step));
        self.input(Input::Withdrawn { call: action(step), attempt })
    }

    /// The process dies and another one takes over, `after` later.
    pub(crate) fn adopted(mut self, after: Duration) -> Self {
        self.now = self.now + after;
        let epoch = self.state.epoch + 1;
        self.input(Input::Adopted { epoch })
    }

    pub(crate) fn cancels(self) -> Self {
        self.input(Input::CancelRequested { reason: None })
    }

    /// A signal comes; `key` empty: it has none.
    pub(crate) fn signal(self, name: &str, key: &str, payload: Value) -> Self {
        self.input(Input::Signalled(signal(name, key, payload)))
    }

    /// What a signal would be now.
    #[track_caller]
    pub(crate) fn can_signal(self, name: &str, key: &str, payload: Value, expected: CanSignal) -> Self {
        assert_eq!(can_signal(&self.definition, &self.state, &signal(name, key, payload)), expected);
        self
    }

    /// The participant says what came of the call that it accepted.
    pub(crate) fn call_calls_back(self, call: CallId, said: Said) -> Self {
        let terms = self.terms.clone();
        self.input(Input::CalledBack { callback: Callback { call, said }, terms })
    }

    /// The same of the step's action.
    pub(crate) fn calls_back(self, step: &str, said: Said) -> Self {
        self.call_calls_back(action(step), said)
    }

    /// What a callback would be now.
    #[track_caller]
    pub(crate) fn can_call_back(self, call: CallId, said: Said, expected: CanCallBack) -> Self {
        assert_eq!(can_call_back(&self.definition, &self.state, &Callback { call, said }), expected);
        self
    }

    pub(crate) fn passes(mut self, time: Duration) -> Self {
        self.now = self.now + time;
        self.input(Input::TimePassed)
    }

    pub(crate) fn passes_an_hour(self) -> Self {
        self.passes(Duration::from_secs(3600))
    }

    // ---- what it says -----------------------------------------------------------------------------------------------

    /// The events of the last input are exactly these.
    #[track_caller]
    pub(crate) fn says<const N: usize>(self, expected: [&str; N]) -> Self {
        let said: Vec<String> = self.last.iter().map(|recorded| words(&recorded.event)).collect();
        assert_eq!(said, expected);
        self
    }

    #[track_caller]
    pub(crate) fn is(self, status: Status) -> Self {
        assert_eq!(
            self.state.status,
            status,
            "{:#?}",
            self.journal.iter().map(|r| words(&r.event)).collect::<Vec<_>>()
        );
        self
    }

    /// The calls owed now are exactly these.
    #[track_caller]
    pub(crate) fn owes<const N: usize>(self, expected: [CallId; N]) -> Self {
        let owed: Vec<CallId> = self.owed();
        assert_eq!(owed, expected);
        self
    }

    /// A person is asked to look at exactly these.
    #[track_caller]
    pub(crate) fn asks_about<const N: usize>(self, expected: [CallId; N]) -> Self {
        assert_eq!(self.state.attention.keys().cloned().collect::<Vec<_>>(), expected);
        assert_eq!(self.state.summary().attention, N > 0);
        self
    }

    #[track_caller]
    pub(crate) fn can_cancel(self, expected: CanCancel) -> Self {
        assert_eq!(can_cancel(&self.definition, &self.state), expected);
        self
    }

    pub(crate) fn owed(&self) -> Vec<CallId> {
        let owed = outstanding(&self.definition, &self.state).into_iter();
        owed.filter_map(|command| match command {
            Command::Call { call, .. } => Some(call),
            Command::Wake { .. }
            | Command::Probe { .. }
            | Command::Lock { .. }
            | Command::Family(_)
            | Command::Finish => None,
        })
        .collect()
    }

    /// What is owed to the family is exactly this.
    #[track_caller]
    pub(crate) fn owes_family<const N: usize>(self, expected: [Errand; N]) -> Self {
        let owed = outstanding(&self.definition, &self.state).into_iter();
        let owed: Vec<Errand> = owed
            .filter_map(|command| if let Command::Family(errand) = command { Some(errand) } else { None })
            .collect();
        assert_eq!(owed, expected);
        self
    }

    pub(crate) fn attempt(&self, call: &CallId) -> u32 {
        self.state.call(call).map_or(0, |call| call.attempt)
    }

    /// How long from now until the open attempt is due.
    pub(crate) fn wait(&self, call: &CallId) -> Duration {
        match self.state.call(call).map(|call| call.phase) {
            Some(Phase::Open { due_at }) => due_at.since(self.now),
            other => panic!("{call} has no open attempt: {other:?}"),
        }
    }

    pub(crate) fn step(&self, name: &str) -> Option<&StepState> {
        self.state.step(&StepName::from(name))
    }

    /// How often the journal says this.
    pub(crate) fn count(&self, said: &str) -> usize {
        self.journal.iter().filter(|recorded| words(&recorded.event).starts_with(said)).count()
    }
}

pub(crate) fn signal(name: &str, key: &str, payload: Value) -> Signal {
    let key = (!key.is_empty()).then(|| key.into());
    Signal { name: name.into(), key, payload: payload.into() }
}

pub(crate) fn done(body: Value) -> Said {
    Said::Succeeded { body: body.into() }
}

pub(crate) fn no(reason: &str) -> Said {
    Said::Rejected { reason: reason.to_owned() }
}

/// An event in words.
pub(crate) fn words(event: &Event) -> String {
    match event {
        Event::SagaStarted(_) => "started".to_owned(),
        Event::Adopted => "adopted".to_owned(),
        Event::Released => "released".to_owned(),
        Event::CallIntended { call, attempt, .. } => format!("intended {call} {attempt}"),
        Event::CallSucceeded { call, attempt, .. } => format!("succeeded {call} {attempt}"),
        Event::CallUnusable { call, attempt, .. } => format!("unusable {call} {attempt}"),
        Event::CallRejected { call, attempt, .. } => format!("rejected {call} {attempt}"),
        Event::CallNotSent { call, attempt, .. } => format!("not sent {call} {attempt}"),
        Event::CallUnknown { call, attempt, .. } => format!("unknown {call} {attempt}"),
        Event::CallAccepted { call, attempt, .. } => format!("accepted {call} {attempt}"),
        Event::CallbackReceived { call, verdict, .. } => format!("called back {call} {}", word(verdict)),
        Event::CallWithdrawn { call, attempt } => format!("withdrawn {call} {attempt}"),
        Event::CallRefused { call, .. } => format!("refused {call}"),
        Event::CallPostponed { call, .. } => format!("postponed {call}"),
        Event::ProbeIntended { call, attempt, .. } => format!("to be asked {call} {attempt}"),
        Event::CallProbed { call, attempt, verdict, .. } => format!("asked {call} {attempt} {}", word(verdict)),
        Event::LockQueued { lock, .. } => format!("queued {lock}"),
        Event::LockTaken { lock, .. } => format!("locked {lock}"),
        Event::StepSkipped { step } => format!("skipped {step}"),
        Event::StepRefused { step, .. } => format!("cannot begin {step}"),
        Event::SleepStarted { step, .. } => format!("sleeps {step}"),
        Event::SleepEnded { step } => format!("slept {step}"),
        Event::AwaitStarted { step, signal, .. } => format!("awaits {step} {signal}"),
        Event::SignalReceived { signal, .. } => format!("signal {signal}"),
        Event::SignalTaken { step, signal, .. } => format!("taken {step} {signal}"),
        Event::ItemsListed { step, items } => format!("items {step} {}", items.len()),
        Event::StepFailed { step, index: None, how } => format!("failed {step} {}", word(how)),
        Event::StepFailed { step, index: Some(index), how } => format!("failed {step}[{index}] {}", word(how)),
        Event::AttentionRaised { call, reason, .. } => format!("attention {call} {}", word(reason)),
        Event::CancelRequested { .. } => "cancel requested".to_owned(),
        Event::CompensationStarted { .. } => "compensating".to_owned(),
        Event::ChildIntended { call, .. } => format!("child intended {call}"),
        Event::ChildPinned { call, .. } => format!("child pinned {call}"),
        Event::ChildSucceeded { call, .. } => format!("child succeeded {call}"),
        Event::ChildUnusable { call, .. } => format!("child unusable {call}"),
        Event::ChildUndoIntended { call } => format!("child to be undone {call}"),
        Event::ChildCompensated { call, .. } => format!("child compensated {call}"),
        Event::ChildSettled { call } => format!("child settled {call}"),
        Event::SagaSucceeded { .. } => "succeeded".to_owned(),
        Event::SettledByParent => "settled".to_owned(),
        Event::SagaCompleted { .. } => "completed".to_owned(),
        Event::SagaCompensated => "compensated".to_owned(),
    }
}

/// The word an enum is stored as.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).expect("a word").as_str().expect("a word").to_owned()
}
