//! Who signals and who cancels: in the order in which it is written, each when its step waits.

use amends_core::{
    CanCancel, CanSignal, Input, Signal, can_cancel, can_signal, check_signal, definition::Mark, ids::StepName,
    scenario::Ran,
};

use super::{touched::Touch, world::World};
use crate::story::{AMENDS, CLIENT, Line};

#[derive(Default)]
pub(super) struct Script {
    signals_sent: usize,
    cancelled: bool,
}

impl World<'_> {
    /// Does whatever its time has come for.
    pub(super) fn follow_script(&mut self) {
        while let Some(signal) = self.scenario.signals.get(self.script.signals_sent) {
            if signal.when.as_ref().is_some_and(|step| !self.waits(step)) {
                return;
            }
            self.script.signals_sent += 1;
            let key = format!("scenario-{}", self.script.signals_sent);
            let sent = Signal {
                name: signal.name.clone(),
                key: Some(key.as_str().into()),
                payload: signal.data.clone().into(),
            };
            self.signal(signal.at, sent);
        }
        let Some(cancel) = self.scenario.cancel.as_ref().filter(|_| !self.script.cancelled) else { return };
        if self.waits(&cancel.when) {
            self.script.cancelled = true;
            self.cancel(cancel.at, &cancel.when, cancel.reason.clone());
        }
    }

    fn waits(&self, step: &StepName) -> bool {
        Ran::is_waiting(&self.sagas[&self.root].state, step)
    }

    fn signal(&mut self, at: Mark, signal: Signal) {
        let root = &self.sagas[&self.root];
        let why = match check_signal(&root.definition, &signal.name, &signal.payload) {
            Err(unfit) => Some(unfit.to_string()),
            Ok(()) => match can_signal(&root.definition, &root.state, &signal) {
                CanSignal::Yes | CanSignal::CameBefore => None,
                CanSignal::KeyReused => Some("its key has come before".to_owned()),
                CanSignal::Unfit => Some("its payload is of no use".to_owned()),
                CanSignal::NotAwaited => Some("no step awaits it any more".to_owned()),
                CanSignal::Undoing => Some("the saga is being undone".to_owned()),
                CanSignal::Ended => Some("the saga has ended".to_owned()),
            },
        };
        let name = signal.name.clone();
        self.say(format!("signal {name}"));
        match why {
            Some(why) => self.seen.could_not(at, format!("signal {name} is refused: {why}")),
            None => self.input(self.root, Input::Signalled(signal)),
        }
    }

    fn cancel(&mut self, at: Mark, when: &StepName, reason: Option<String>) {
        let root = &self.sagas[&self.root];
        self.seen.touch(Touch::of(&root.definition.name, when.as_str(), "await", "cancel"));
        let why = match can_cancel(&root.definition, &root.state) {
            CanCancel::Yes | CanCancel::AlreadyUndoing => None,
            CanCancel::PastPivot => Some("the pivot may have been called"),
            CanCancel::Succeeded => Some("its forward path is done"),
            CanCancel::Ended => Some("the saga has ended"),
        };
        self.say("cancel".to_owned());
        match why {
            Some(why) => self.seen.could_not(at, format!("the cancel is refused: {why}")),
            None => self.input(self.root, Input::CancelRequested { reason }),
        }
    }

    fn say(&mut self, text: String) {
        self.seen.tell(Line::new(self.now, CLIENT, Some(AMENDS), text), None);
    }

    /// What is left when nothing happens any more never had its time.
    pub(super) fn end_script(&mut self) {
        let status = self.sagas[&self.root].state.status.as_str();
        for signal in self.scenario.signals.iter().skip(self.script.signals_sent).take(1) {
            let step = signal.when.as_ref().map(StepName::as_str).unwrap_or_default();
            let why =
                format!("signal {} was not sent: {step} never waited for it, and the saga is {status}", signal.name);
            self.seen.could_not(signal.at, why);
        }
        if let Some(cancel) = self.scenario.cancel.as_ref().filter(|_| !self.script.cancelled) {
            let why = format!("nobody cancelled: {} never waited, and the saga is {status}", cancel.when);
            self.seen.could_not(cancel.at, why);
        }
    }
}
