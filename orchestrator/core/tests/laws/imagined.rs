//! What `plan` shows is what the decisions of a run in which everything succeeds ask for: call by call, byte by byte.

use std::{collections::BTreeMap, sync::Arc};

use amends_core::{
    Answer, Begin, CanCancel, Command, Decision, Input, LockPlace, Rendered, Reply, Signal, Terms, begin_with,
    can_cancel, decide_in_place,
    definition::{Definition, Kind, Wait},
    ids::{CallId, Op, SagaId, StepName},
    outstanding,
    plan::{PlannedCall, PlannedUndo, Pretend, What, plan},
    state::State,
    summary::Status,
    time::Time,
};
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::plan::{input, plans};

const SAGA: SagaId = SagaId(Uuid::from_u128(7));
const START: Time = Time(1_000_000_000_000);

fn with() -> Begin {
    Begin::root(1, input())
}

/// Every request of a run until it ends, or until `turn_back` of its calls have been answered: then it is cancelled.
fn driven(definition: &Definition, turn_back: Option<usize>) -> (State, BTreeMap<CallId, Rendered>) {
    let (mut state, Decision { requests, .. }) = begin_with(definition, SAGA, with(), START);
    let mut sent: BTreeMap<CallId, Rendered> = requests.into_iter().collect();
    let (mut now, mut answered) = (START, 0);
    let mut take = |state: &mut State, input: Input, now: Time| {
        sent.extend(decide_in_place(definition, state, input, now).requests);
    };
    for wait in definition.steps.iter().filter_map(|step| match &step.kind {
        Kind::Wait(Wait::Signal(awaited)) => Some(awaited),
        Kind::Wait(_) | Kind::Call(_) | Kind::Saga(_) => None,
    }) {
        let signal = Signal { name: wait.signal.clone(), key: None, payload: Arc::new(json!("go")) };
        take(&mut state, Input::Signalled(signal), now);
    }
    while !state.status.is_terminal() {
        if turn_back == Some(answered) && can_cancel(definition, &state) == CanCancel::Yes {
            take(&mut state, Input::CancelRequested { reason: None }, now);
        }
        match outstanding(definition, &state).into_iter().next() {
            Some(Command::Call { call, attempt, .. }) => {
                let answer = Answer { status: 200, acked: true, body: b"{\"id\":\"r\"}".to_vec(), ..Answer::default() };
                let (reply, terms) = (Reply::Answered(answer), Terms { barrier: true, ..Terms::default() });
                answered += 1;
                take(&mut state, Input::Answered { call, attempt, reply, terms }, now);
            }
            Some(Command::Lock { lock }) => {
                let place = LockPlace { lock, arrived_at: now, held: true };
                take(&mut state, Input::LocksAnswered(vec![place]), now);
            }
            Some(Command::Wake { at }) => {
                now = now.max(at);
                take(&mut state, Input::TimePassed, now);
            }
            // Where every answer is well there is nothing to ask after.
            Some(Command::Probe { .. } | Command::Family(_) | Command::Finish) | None => break,
        }
    }
    (state, sent)
}

fn replies(definition: &Definition) -> BTreeMap<StepName, Value> {
    let reply = |step: &amends_core::definition::Step| match &step.kind {
        Kind::Call(call) => match &call.each {
            // A list that this plan writes down is as long as it says.
            Some(each) => {
                let list = each.list.render(&|_| None).expect("a literal");
                let bodies = vec![json!({ "id": "r" }); list.as_array().map_or(0, Vec::len)];
                Some(Value::Array(bodies))
            }
            None => Some(json!({ "id": "r" })),
        },
        Kind::Wait(Wait::Signal(_)) => Some(json!("go")),
        Kind::Wait(Wait::Sleep(_) | Wait::Until(_)) | Kind::Saga(_) => None,
    };
    definition.steps.iter().filter_map(|step| Some((step.name.clone(), reply(step)?))).collect()
}

/// Actions, and compensations after a success.
fn planned(definition: &Definition) -> BTreeMap<CallId, Rendered> {
    let pretend = Pretend { replies: replies(definition), ..Pretend::default() };
    let plan = plan(definition, SAGA, with(), START, &pretend).expect("a plan");
    let mut planned = BTreeMap::new();
    let mut put = |call: &PlannedCall| {
        assert_eq!(call.request.digest.as_ref(), Some(&call.request.rendered.digest), "everything is known");
        planned.insert(call.id.clone(), call.request.rendered.clone());
        if let PlannedUndo::Call { id, after_success, .. } = &call.undo {
            planned.insert(id.clone(), after_success.as_ref().expect("it renders").rendered.clone());
        }
    };
    for step in &plan.steps {
        match &step.what {
            What::Call(call) => put(call),
            What::Each(each) => each.calls.iter().for_each(&mut put),
            What::NotReached | What::Refused { .. } => panic!("{step:?}"),
            What::Children(_) => panic!("nobody plans children: {step:?}"),
            What::Skipped | What::Sleep { .. } | What::Until { .. } | What::Await { .. } => {}
        }
    }
    planned
}

#[test]
fn a_plan_shows_what_a_run_sends_forward_and_back() {
    let (mut forward, mut back) = (0, 0);
    let counts = std::cell::RefCell::new((&mut forward, &mut back));
    let kept = crate::runner().run(&plans(), |random| {
        let definition = random.definition();
        let planned = planned(&definition);
        let (state, sent) = driven(&definition, None);
        if state.status == Status::Completed {
            let actions = |calls: &BTreeMap<CallId, Rendered>| -> BTreeMap<CallId, Rendered> {
                calls
                    .iter()
                    .filter(|(id, _)| id.op == Op::Action)
                    .map(|(id, call)| (id.clone(), call.clone()))
                    .collect()
            };
            if actions(&planned) != actions(&sent) {
                return Err(TestCaseError::fail(format!("planned {planned:#?}\nsent {sent:#?}")));
            }
            *counts.borrow_mut().0 += 1;
        }
        let (_, sent) = driven(&definition, Some(3));
        for (id, request) in sent {
            if planned.get(&id) != Some(&request) {
                return Err(TestCaseError::fail(format!("{id}: {request:?}\nplanned {planned:#?}")));
            }
            *counts.borrow_mut().1 += usize::from(id.op == Op::Compensate);
        }
        Ok(())
    });
    kept.unwrap_or_else(|error| panic!("{error}"));
    assert!(forward > 20 && back > 20, "{forward} forward, {back} compensations");
}
