//! What a person has to look at, and what there is to do.

use amends_protocol::v1::{AttentionReason, AttentionView, Op, SagaView, UnreadableView};

use super::clock;
use crate::style::{Style, Tone, tame};

const DETAIL_CHARS: usize = 240;

pub(super) fn lines(saga: &SagaView, style: Style) -> Vec<String> {
    if saga.attention.is_empty() && saga.unreadable.is_none() {
        return vec![];
    }
    let mut lines = vec![String::new(), format!("  {}", style.paint(Tone::Bad, "! needs a person"))];
    lines.extend(saga.unreadable.iter().flat_map(|unreadable| cannot_be_read(unreadable, style)));
    for raised in &saga.attention {
        let which = match raised.op {
            _ if raised.reason == AttentionReason::TimedOut => "the wait of",
            Op::Action => "the call of",
            Op::Compensate => "the compensation of",
        };
        let item = raised.index.map(|index| format!("[{index}]")).unwrap_or_default();
        let (what, to_do) = advice(raised);
        lines.push(format!(
            "    {which} {}{item} {what}, since {}",
            style.paint(Tone::Strong, &raised.step),
            clock(raised.since)
        ));
        if !raised.detail.is_empty() {
            lines.push(format!("      {}", tame(&raised.detail, DETAIL_CHARS)));
        }
        lines.push(format!("      {} {to_do}", style.paint(Tone::Busy, "→")));
    }
    lines
}

fn cannot_be_read(unreadable: &UnreadableView, style: Style) -> Vec<String> {
    let node = unreadable.node.as_ref().map_or_else(String::new, |node| format!(" by {}", tame(node, DETAIL_CHARS)));
    let since = unreadable.since.map_or_else(String::new, |since| format!(", since {}", clock(since)));
    let to_do = "upgrade, or restore what is damaged (`amends fsck` says where); it then goes on by itself";
    vec![
        format!("    it cannot be read{node} and is not driven{since}"),
        format!("      {}", tame(&unreadable.reason, DETAIL_CHARS)),
        format!("      {} {to_do}", style.paint(Tone::Busy, "→")),
    ]
}

/// What it is, and what to do about it.
fn advice(raised: &AttentionView) -> (&'static str, &'static str) {
    match raised.reason {
        AttentionReason::AttemptsExhausted => (
            "has failed more often than its definition allows without asking",
            "it goes on being tried, at least a minute apart; see whether the service is well",
        ),
        AttentionReason::Rejected => (
            "was rejected where no rejection can be accepted",
            "nothing is sent until an operator decides; find out why the service refuses",
        ),
        AttentionReason::RefusedHere => (
            "cannot be sent as the definition says",
            "nothing is sent until an operator decides; mend the definition for later sagas",
        ),
        AttentionReason::Unusable => (
            "happened, but its reply cannot be used",
            "nothing is sent until an operator gives the output; see what the service answers",
        ),
        AttentionReason::RejectedAfterUnknown => (
            "was rejected after an attempt that may have happened",
            "nothing is undone until an operator decides; look into the service whether it happened",
        ),
        AttentionReason::StaleEpoch => (
            "met a service that has seen a later owner of this saga",
            "it goes on being tried; see whether the service's store is the right one, or an old backup drives it",
        ),
        AttentionReason::TimedOut => (
            "has gone on for longer than its definition allows without asking",
            "it goes on; see why the signal or the callback does not come (`amends signal` gives a signal)",
        ),
        AttentionReason::Unresolved => (
            "may have happened, and must not be sent twice",
            "nothing is sent until an operator decides; look into the service whether it happened",
        ),
        AttentionReason::ChildCompensated => (
            "ran a child that is undone, where nothing is undone any more",
            "nothing goes on until an operator decides; see why the child failed (`amends get` shows it)",
        ),
        AttentionReason::OtherBody => (
            "met a service that knows the same key with another body",
            "it goes on being tried; see whether the service's store belongs to this orchestrator",
        ),
    }
}
