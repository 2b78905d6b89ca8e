//! Children of a saga, from its own journal: what they are to it is what calls are to other steps, without attempts.

use uuid::Uuid;

use super::{Life, Status, begin::intend_child};
use crate::{
    audit::{
        journal::How,
        shape::{Shape, Undone},
    },
    words::{Call, Op},
};

/// A child as its parent's journal has it.
#[derive(Clone, Debug)]
pub(in crate::audit) struct Kid {
    pub(in crate::audit) saga: Uuid,
    pub(in crate::audit) stands: Stands,
    /// The row in which it was over, if it was undone in its turn.
    pub(in crate::audit) undone: Option<u64>,
    /// The row that says that it is to be undone.
    pub(in crate::audit) undoing: Option<u64>,
    pub(in crate::audit) succeeded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::audit) enum Stands {
    /// Without a version: it cannot be there.
    Intended,
    UnderWay,
    Succeeded,
    Unusable,
    Undoing,
    Settled,
    Compensated,
    Refused,
}

impl Kid {
    pub(in crate::audit) fn is_under_way(&self) -> bool {
        matches!(self.stands, Stands::Intended | Stands::UnderWay | Stands::Undoing)
    }

    /// There may be such a saga.
    pub(in crate::audit) fn may_be_there(&self) -> bool {
        !matches!(self.stands, Stands::Intended | Stands::Refused)
    }
}

type Legal = Result<(), String>;

pub(super) fn intended(life: &mut Life, shape: &Shape, call: &Call, saga: Uuid) -> Legal {
    intend_child(life, shape, call)?;
    let kid = Kid { saga, stands: Stands::Intended, undone: None, undoing: None, succeeded: false };
    life.past_return |= shape.step(&call.step).is_some_and(|step| step.pivot);
    match life.kids.insert(call.clone(), kid) {
        Some(_) => Err("a child begins once".to_owned()),
        None => Ok(()),
    }
}

/// The child of this call goes from one of `from` to `to`.
pub(super) fn becomes(life: &mut Life, call: &Call, from: &[Stands], to: Stands) -> Legal {
    let kid = life.kids.get_mut(&call.with_op(Op::Action)).ok_or("the step runs no child")?;
    if !from.contains(&kid.stands) {
        return Err(format!("not while its child is {:?}", kid.stands));
    }
    kid.succeeded |= matches!(to, Stands::Succeeded | Stands::Unusable);
    kid.stands = to;
    Ok(())
}

pub(super) fn undo(life: &mut Life, shape: &Shape, call: &Call, seq: u64) -> Legal {
    if life.status != Status::Compensating || call.op != Op::Compensate {
        return Err("only a saga that is undone undoes its children".to_owned());
    }
    if shape.step(&call.step).is_none_or(|step| step.undone != Undone::ByChild) {
        return Err("this step is never undone".to_owned());
    }
    becomes(life, call, &[Stands::Succeeded, Stands::Unusable], Stands::Undoing)?;
    life.kids.entry(call.with_op(Op::Action)).and_modify(|kid| kid.undoing = Some(seq));
    Ok(())
}

pub(super) fn compensated(life: &mut Life, call: &Call, seq: u64) -> Legal {
    match call.op {
        Op::Action => becomes(life, call, &[Stands::UnderWay], Stands::Compensated),
        Op::Compensate => {
            becomes(life, call, &[Stands::Undoing], Stands::Compensated)?;
            life.kids.entry(call.with_op(Op::Action)).and_modify(|kid| kid.undone = Some(seq));
            Ok(())
        }
    }
}

pub(super) fn refused(life: &mut Life, call: &Call) -> Legal {
    if life.kids.contains_key(call) {
        return becomes(life, call, &[Stands::Intended], Stands::Refused);
    }
    // Its input has no value: it was not even intended.
    let kid = Kid { saga: Uuid::nil(), stands: Stands::Refused, undone: None, undoing: None, succeeded: false };
    life.kids.insert(call.clone(), kid);
    Ok(())
}

/// How a step without a child that succeeded may fail.
pub(super) fn fail(kid: &Kid, how: How) -> Legal {
    let legal = match kid.stands {
        Stands::Intended | Stands::Refused => how == How::NeverSent,
        Stands::Compensated => how == How::Rejected,
        Stands::Unusable => how == How::Unusable,
        Stands::UnderWay | Stands::Succeeded | Stands::Undoing | Stands::Settled => false,
    };
    if legal { Ok(()) } else { Err(format!("its child, {:?}, does not say {how:?}", kid.stands)) }
}

/// What must not be left lying in nobody's memory.
pub(super) fn due(life: &Life) -> Option<i64> {
    let to_pin = life.status == Status::Running && life.kids.values().any(|kid| kid.stands == Stands::Intended);
    let call_under_way = |(call, under_way): (&Call, &super::CallLife)| {
        let done = under_way.succeeded().is_some();
        match call.op {
            Op::Action => under_way.open().is_some() || under_way.accepted().is_some(),
            Op::Compensate => !done,
        }
    };
    let undone = life.status == Status::Compensating
        && life.parent.is_some()
        && !life.calls.iter().any(call_under_way)
        && !life.kids.values().any(Kid::is_under_way)
        && life.waits.open.is_empty();
    let unsaid = life.status == Status::Succeeded && life.parent.is_some() && !life.settled && life.epoch == 1;
    (to_pin || undone || unsaid).then_some(life.last_at)
}
