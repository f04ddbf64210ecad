//! Which trials are the good ones.

use std::cmp::Ordering;

use crate::fronts::{fronts, order};
use crate::history::{History, State, Trial};
use crate::hypervolume::largest_subset;

use super::parzen::Weights;

/// Never more than so many are good, with one metric.
const BELOW_MAX: usize = 25;

/// Trials by their places in the history, in the order of their numbers.
#[derive(Debug)]
pub(super) struct Split {
    /// The good ones.
    pub(super) below: Vec<usize>,
    /// All others, those that run included if they count.
    pub(super) above: Vec<usize>,
    /// How much the good ones count.
    pub(super) below_weights: Weights,
}

impl Split {
    /// Complete trials are better than those that were pruned, and these better than those that break a constraint.
    pub(super) fn new(history: &History, with_running: bool) -> Self {
        let trials = history.trials();
        let (mut complete, mut pruned, mut infeasible) = (Vec::new(), Vec::new(), Vec::new());
        // Those that count and are not good.
        let mut is_above = vec![false; trials.len()];
        for (place, trial) in trials.iter().enumerate() {
            is_above[place] = match trial.state {
                State::Running => with_running,
                State::Failed => false,
                State::Complete | State::Pruned => true,
            };
            match trial.state {
                State::Running | State::Failed => {}
                _ if trial.violation > 0.0 => infeasible.push(place),
                // With several metrics nothing is compared on the way, so a trial that was stopped is as good as any.
                State::Pruned if trial.objectives.len() < 2 => pruned.push(place),
                State::Complete | State::Pruned => complete.push(place),
            }
        }
        let finished = complete.len() + pruned.len() + infeasible.len();
        let has_several = complete
            .iter()
            .any(|place| trials[*place].objectives.len() > 1);
        let tenth = finished.div_ceil(10);
        let mut wanted = if has_several {
            tenth
        } else {
            tenth.min(BELOW_MAX)
        };
        let best = wanted_first(trials, complete, has_several, wanted);
        let mut below = Vec::with_capacity(wanted);
        let mut take = |best: &[usize]| {
            let taken = &best[..wanted.min(best.len())];
            wanted -= taken.len();
            below.extend_from_slice(taken);
        };
        take(&best);
        pruned.sort_by(|a, b| by_progress(&trials[*a], &trials[*b]));
        take(&pruned);
        infeasible.sort_by(|a, b| order(trials[*a].violation, trials[*b].violation));
        take(&infeasible);
        below.sort_unstable();
        for place in &below {
            is_above[*place] = false;
        }
        let above = (0..trials.len()).filter(|place| is_above[*place]).collect();
        Self {
            below,
            above,
            below_weights: if has_several {
                Weights::Equal
            } else {
                Weights::ByAge
            },
        }
    }
}

/// Complete trials, the good ones first.
fn wanted_first(
    trials: &[Trial],
    complete: Vec<usize>,
    has_several: bool,
    wanted: usize,
) -> Vec<usize> {
    if !has_several {
        return least_first(trials, &complete, wanted);
    }
    let points: Vec<&[f64]> = complete
        .iter()
        .map(|place| trials[*place].objectives.as_slice())
        .collect();
    let ranks = fronts(&points, wanted);
    let mut chosen: Vec<usize> = Vec::with_capacity(wanted);
    for front in 0.. {
        let members: Vec<usize> = (0..points.len()).filter(|at| ranks[*at] == front).collect();
        if members.is_empty() || chosen.len() == wanted {
            break;
        }
        let room = wanted - chosen.len();
        if members.len() <= room {
            chosen.extend(members);
            continue;
        }
        let front_points: Vec<&[f64]> = members.iter().map(|at| points[*at]).collect();
        let reference = reference_point(&front_points);
        let best = largest_subset(&front_points, room, &reference);
        chosen.extend(best.into_iter().map(|at| members[at]));
    }
    let mut is_chosen = vec![false; complete.len()];
    for at in &chosen {
        is_chosen[*at] = true;
    }
    let others = (0..complete.len()).filter(|at| !is_chosen[*at]);
    chosen
        .iter()
        .copied()
        .chain(others)
        .map(|at| complete[at])
        .collect()
}

/// So many of the least, in any order, and then the others. Of equal ones the first are the least.
fn least_first(trials: &[Trial], places: &[usize], wanted: usize) -> Vec<usize> {
    let mut keys: Vec<(f64, usize)> = places
        .iter()
        .map(|place| (trials[*place].objectives[0], *place))
        .collect();
    if wanted < keys.len() {
        keys.select_nth_unstable_by(wanted, |a, b| order(a.0, b.0).then(a.1.cmp(&b.1)));
    }
    keys.into_iter().map(|(_, place)| place).collect()
}

/// A tenth worse than the worst of each metric.
fn reference_point(points: &[&[f64]]) -> Vec<f64> {
    (0..points[0].len())
        .map(|metric| {
            let worst = points
                .iter()
                .map(|point| point[metric])
                .fold(f64::NEG_INFINITY, f64::max);
            let beyond = (1.1 * worst).max(0.9 * worst);
            if beyond == 0.0 { 1e-12 } else { beyond }
        })
        .collect()
}

/// Who was pruned later comes first, and then who was better at that time. Who has reported nothing comes last.
fn by_progress(a: &Trial, b: &Trial) -> Ordering {
    let key = |trial: &Trial| match trial.objectives.first() {
        Some(value) if value.is_nan() => (-(trial.last_step as f64), f64::INFINITY),
        Some(value) => (-(trial.last_step as f64), *value),
        None => (1.0, 0.0),
    };
    let (a, b) = (key(a), key(b));
    order(a.0, b.0).then(order(a.1, b.1))
}
