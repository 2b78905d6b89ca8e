//! The scenarios that peers can play too: saturation, a refused step, one saga alone, a steady pace.

use anyhow::Result;

use super::Wish;
use crate::{
    figure::{Case, Figure, measure, merged},
    ground::{Ground, StoreKind},
    load::Shape,
    report::{Bound, Report},
    town::{Contender, Saga},
};

const PACE_PER_S: f64 = 50.0;
/// Restate 1.7.12 came to a stand on two busy cores with 512 sagas in flight that all have a refused step.
const REFUSED_IN_FLIGHT_MOST: usize = 128;

pub(super) async fn saturation(ground: &Ground, wish: &Wish, report: &mut Report) -> Result<()> {
    let most = wish.in_flight.iter().copied().max().unwrap_or(1);
    for &in_flight in &wish.in_flight {
        let case = Case { scenario: "saturation", saga: Saga::Three, shape: Shape::Closed { in_flight } };
        let all = compare(ground, wish, case, true).await?;
        if in_flight == most {
            let rate = |figure: &Figure| figure.sagas_per_s;
            let ours = all.ours();
            let (ceiling_least, peer, peer_least) = match ground.store {
                StoreKind::Sqlite => (0.25, Contender::Restate, 6.0),
                StoreKind::Postgres => (0.18, Contender::Dbos, 12.0),
            };
            let what = format!("saturation, {in_flight} in flight");
            report.hold(
                format!("{what}: part of the ceiling"),
                ours.and_then(|ours| ours.ceiling_ratio),
                Bound::AtLeast(ceiling_least),
            );
            // The harder one: no orchestrator can send bytes that were made before.
            report.hold(
                format!("{what}: part of the raw ceiling"),
                ours.and_then(|ours| ours.raw_ceiling_ratio),
                Bound::AtLeast(ceiling_least),
            );
            report.hold_ratio(&what, peer, all.ratio(peer, rate), Bound::AtLeast(peer_least));
            report.hold(
                format!("{what}: peak memory, MiB"),
                ours.and_then(|ours| ours.peak_memory_mib),
                Bound::AtMost(120.0),
            );
            report.hold(
                format!("{what}: commits a saga"),
                ours.and_then(|ours| ours.commits_per_saga),
                Bound::AtMost(0.1),
            );
            report.headline(&all.0);
        }
        report.add(all.0);
    }
    Ok(())
}

pub(super) async fn refused(ground: &Ground, wish: &Wish, report: &mut Report) -> Result<()> {
    let in_flight = wish.in_flight.iter().copied().max().unwrap_or(1).min(REFUSED_IN_FLIGHT_MOST);
    let case = Case { scenario: "refused", saga: Saga::Refused, shape: Shape::Closed { in_flight } };
    let all = compare(ground, wish, case, wish.ceiling).await?;
    for (peer, least) in [(Contender::Restate, 6.0), (Contender::Dbos, 10.0)] {
        let ratio = all.ratio(peer, |figure| figure.sagas_per_s);
        report.hold_ratio("third step refused", peer, ratio, Bound::AtLeast(least));
    }
    report.headline(&all.0);
    report.add(all.0);
    Ok(())
}

pub(super) async fn lone(ground: &Ground, wish: &Wish, report: &mut Report) -> Result<()> {
    let case = Case { scenario: "lone", saga: Saga::Three, shape: Shape::Closed { in_flight: 1 } };
    let all = compare(ground, wish, case, wish.ceiling).await?;
    for peer in [Contender::Restate, Contender::Dbos] {
        let ratio = all.ratio(peer, |figure| figure.p50_ms);
        report.hold_ratio("one in flight, p50", peer, ratio, Bound::AtMost(1.0 / 3.0));
    }
    report.headline(&all.0);
    report.add(all.0);
    Ok(())
}

pub(super) async fn paced(ground: &Ground, wish: &Wish, report: &mut Report) -> Result<()> {
    let case = Case { scenario: "paced", saga: Saga::Three, shape: Shape::Open { per_s: PACE_PER_S } };
    let all = compare(ground, wish, case, wish.ceiling).await?;
    for peer in [Contender::Restate, Contender::Dbos] {
        let ratio = all.ratio(peer, |figure| figure.p99_ms);
        report.hold_ratio("50 starts a second, p99", peer, ratio, Bound::AtMost(0.5));
    }
    report.headline(&all.0);
    report.add(all.0);
    Ok(())
}

/// One figure of each contender.
struct All(Vec<Figure>);

impl All {
    fn of(&self, contender: Contender) -> Option<&Figure> {
        self.0.iter().find(|figure| figure.contender == contender)
    }

    fn ours(&self) -> Option<&Figure> {
        self.of(Contender::Amends)
    }

    /// Ours over the peer's.
    fn ratio(&self, peer: Contender, value: fn(&Figure) -> f64) -> Option<f64> {
        Some(value(self.ours()?) / value(self.of(peer)?))
    }
}

/// In turn, round by round: what else the machine does meanwhile hits everybody.
async fn compare(ground: &Ground, wish: &Wish, case: Case, ceiling: bool) -> Result<All> {
    let mut contenders = vec![Contender::Amends];
    if ceiling {
        contenders.extend([Contender::Ceiling, Contender::CeilingRaw]);
    }
    contenders.extend(&wish.vs);
    let mut rounds: Vec<Vec<Figure>> = contenders.iter().map(|_| vec![]).collect();
    for _ in 0..wish.rounds {
        for (contender, figures) in contenders.iter().zip(&mut rounds) {
            eprintln!("measuring {} {:?} {:?}", case.scenario, case.shape, contender);
            figures.push(measure(ground, *contender, case, wish.seconds).await?);
        }
    }
    let mut all = All(rounds.into_iter().filter_map(merged).collect());
    let part_of = |ceiling: &Figure, figure: &Figure| {
        // At a given pace or alone it is time that can be lost, not throughput.
        let by_time = matches!(case.shape, Shape::Open { .. } | Shape::Closed { in_flight: 1 });
        if by_time { ceiling.p50_ms / figure.p50_ms } else { figure.sagas_per_s / ceiling.sagas_per_s }
    };
    let ceilings = [Contender::Ceiling, Contender::CeilingRaw].map(|which| all.of(which).cloned());
    for figure in &mut all.0 {
        let [part, of_raw] = ceilings.each_ref().map(|ceiling| Some(part_of(ceiling.as_ref()?, figure)));
        (figure.ceiling_ratio, figure.raw_ceiling_ratio) = (part, of_raw);
    }
    Ok(all)
}
