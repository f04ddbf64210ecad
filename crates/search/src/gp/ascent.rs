//! Where an acquisition is greatest: many points at once, and from the best of them uphill.
//!
//! As Optuna 5's `_gp/optim_mixed.py`: the best one of the points that fill the cube, some of the others by chance, the better the more
//! likely, and the best trial. From each of them all numbers climb along the slope, then each parameter with steps or choices takes its
//! best value, until nothing changes. All searches take a step at the same time, so that their points are looked at together.

use crate::random::Random;

use super::acquisition::Acquisition;
use super::axes::{Axes, Axis};
use super::minimizer::{Limits, Minimizer};

/// Where a search along the slope ends: Optuna's.
const LIMITS: Limits = Limits {
    slope: 1e-2,
    gain: 1e7 * f64::EPSILON,
    steps: 200,
};

/// How often parameters with steps take turns with the others, at most.
const ROUNDS_MAX: usize = 100;

/// With no more values than this all are looked at; with more of them so many at a time.
const VALUES: usize = 16;

/// Where a search stands.
#[derive(Clone, Debug)]
struct Place {
    point: Vec<f64>,
    value: f64,
}

/// The point at which an acquisition is greatest, as far as this is found from so many points by so many searches, of which one begins
/// at the best trial.
pub(super) fn maximize(
    acquisition: &Acquisition,
    stretch: &[f64],
    axes: &Axes,
    best_trial: Option<&[f64]>,
    (candidates, searches): (usize, usize),
    random: &mut Random,
) -> Vec<f64> {
    let spread = axes.spread(candidates.max(1), random);
    let values = acquisition.values(&spread);
    let others = searches.saturating_sub(1 + usize::from(best_trial.is_some()));
    let mut starts = axes.points();
    for index in chosen(&values, others, random) {
        starts.cells.extend_from_slice(spread.row(index));
    }
    if let Some(point) = best_trial {
        starts.cells.extend_from_slice(point);
    }
    let mut places: Vec<Place> = acquisition
        .values(&starts)
        .into_iter()
        .enumerate()
        .map(|(index, value)| Place {
            point: starts.row(index).to_vec(),
            value,
        })
        .collect();
    climb(acquisition, stretch, axes, &mut places);
    let mut best = places.swap_remove(0);
    for place in places {
        if place.value > best.value {
            best = place;
        }
    }
    best.point
}

/// The best one, and so many others by chance: what is better by one is e times as likely.
fn chosen(values: &[f64], others: usize, random: &mut Random) -> Vec<usize> {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    let mut weights: Vec<f64> = values
        .iter()
        .map(|value| (value - values[best]).exp())
        .collect();
    let mut chosen = vec![best];
    for _ in 0..others {
        weights[chosen[chosen.len() - 1]] = 0.0;
        if !weights.iter().any(|weight| *weight > 0.0) {
            break;
        }
        chosen.push(random.weighted(&weights));
    }
    chosen
}

/// Moves all places uphill until they stand on tops.
fn climb(acquisition: &Acquisition, stretch: &[f64], axes: &Axes, places: &mut [Place]) {
    let continuous: Vec<usize> = (0..stretch.len())
        .filter(|axis| axes.get(*axis).count().is_none())
        .collect();
    let discrete: Vec<usize> = (0..axes.iter().count())
        .filter(|axis| axes.get(*axis).count().is_some())
        .collect();
    let mut active: Vec<usize> = (0..places.len()).collect();
    for _ in 0..ROUNDS_MAX {
        if !continuous.is_empty() {
            follow_slope(acquisition, stretch, &continuous, axes, places, &active);
        }
        let before: Vec<f64> = active.iter().map(|at| places[*at].value).collect();
        for axis in &discrete {
            choose_value(acquisition, axes, *axis, places, &active);
        }
        // Where no step was taken, the slope is the one that was followed to its end.
        let mut before = before.into_iter();
        active.retain(|at| {
            before
                .next()
                .is_some_and(|before| places[*at].value > before)
        });
        if active.is_empty() {
            return;
        }
    }
}

/// Follows the slope along the axes without steps, which are stretched so that all matter alike.
fn follow_slope(
    acquisition: &Acquisition,
    stretch: &[f64],
    continuous: &[usize],
    axes: &Axes,
    places: &mut [Place],
    active: &[usize],
) {
    let high: Vec<f64> = continuous.iter().map(|axis| stretch[*axis]).collect();
    let low = vec![0.0; high.len()];
    let mut searches: Vec<(usize, Minimizer)> = active
        .iter()
        .map(|at| {
            let point = &places[*at].point;
            let start = continuous
                .iter()
                .map(|axis| point[*axis].clamp(0.0, 1.0) * stretch[*axis]);
            (
                *at,
                Minimizer::new(start.collect(), low.clone(), high.clone(), LIMITS),
            )
        })
        .collect();
    let moved = |place: &Place, to: &[f64]| {
        let mut point = place.point.clone();
        for (axis, value) in continuous.iter().zip(to) {
            point[*axis] = value / stretch[*axis];
        }
        point
    };
    while searches.iter().any(|(_, search)| !search.is_done()) {
        let mut points = axes.points();
        for (at, search) in searches.iter().filter(|(_, search)| !search.is_done()) {
            points.cells.extend(moved(&places[*at], search.point()));
        }
        let mut found = acquisition.values_and_slopes(&points).into_iter();
        for (_, search) in searches.iter_mut().filter(|(_, search)| !search.is_done()) {
            if let Some((value, slope)) = found.next() {
                let slope = continuous.iter().map(|axis| -slope[*axis] / stretch[*axis]);
                search.tell(-value, slope.collect());
            }
        }
    }
    for (at, search) in searches {
        let (point, value) = search.best();
        if search.steps() > 0 && -value > places[at].value {
            places[at] = Place {
                point: moved(&places[at], point),
                value: -value,
            };
        }
    }
}

/// Each place takes the best value of an axis. Where there are many, it looks at some that are spread over all, and then between the
/// neighbours of the best one.
fn choose_value(
    acquisition: &Acquisition,
    axes: &Axes,
    axis: usize,
    places: &mut [Place],
    active: &[usize],
) {
    let values = axes.get(axis);
    let count = values.count().unwrap_or(1);
    let at_a_time = if values.choices().is_some() {
        count
    } else {
        VALUES
    };
    let mut spans: Vec<(usize, (usize, usize))> =
        active.iter().map(|at| (*at, (0, count - 1))).collect();
    while !spans.is_empty() {
        let mut points = axes.points();
        let mut owners = Vec::new();
        for (at, span) in &spans {
            let current = values.index(places[*at].point[axis]);
            for index in spread_over(*span, at_a_time).filter(|index| *index != current) {
                let first = points.cells.len();
                points.cells.extend_from_slice(&places[*at].point);
                points.cells[first + axis] = values.step(index);
                owners.push(*at);
            }
        }
        for (index, (value, owner)) in acquisition
            .values(&points)
            .into_iter()
            .zip(owners)
            .enumerate()
        {
            if value > places[owner].value {
                places[owner] = Place {
                    point: points.row(index).to_vec(),
                    value,
                };
            }
        }
        spans.retain_mut(|(at, span)| narrow(span, at_a_time, values, &places[*at].point[axis]));
    }
}

/// Narrows a span to the neighbours of where a search stands. False if all of it was looked at.
fn narrow(span: &mut (usize, usize), at_a_time: usize, axis: &Axis, place: &f64) -> bool {
    let distance = distance_of(*span, at_a_time);
    if distance == 1 {
        return false;
    }
    let at = axis.index(*place);
    *span = (
        at.saturating_sub(distance).max(span.0),
        (at + distance).min(span.1),
    );
    true
}

/// Indices from the first to the last one of a span, equally far from each other but for the last.
fn spread_over(span: (usize, usize), at_a_time: usize) -> impl Iterator<Item = usize> {
    let distance = distance_of(span, at_a_time);
    let inner = (span.0..span.1).step_by(distance);
    inner.chain(std::iter::once(span.1))
}

fn distance_of((first, last): (usize, usize), at_a_time: usize) -> usize {
    (last - first).div_ceil(at_a_time.max(2) - 1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Domain;
    use crate::gp::kernel::{Kernel, Points};
    use crate::gp::posterior::Posterior;
    use crate::random::Purpose;
    use crate::space::{Parameter, Space};

    #[test]
    fn spans_are_looked_at_from_end_to_end() {
        for (span, expected) in [
            ((3, 3), vec![3]),
            ((0, 4), vec![0, 1, 2, 3, 4]),
            ((0, 9), vec![0, 3, 6, 9]),
            ((10, 18), vec![10, 13, 16, 18]),
        ] {
            let at_a_time = if span.1 - span.0 < 5 { 16 } else { 4 };
            assert_eq!(spread_over(span, at_a_time).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn what_is_better_is_chosen_more_often() {
        let mut random = Random::new(3, Purpose::Model, 0);
        let values = [0.0, 1.0, f64::NEG_INFINITY, 3.0, -1.0];
        let mut counts = [0; 5];
        for _ in 0..1_000 {
            let chosen = chosen(&values, 2, &mut random);
            assert_eq!((chosen[0], chosen.len()), (3, 3));
            assert_ne!(chosen[1], chosen[2]);
            chosen.iter().for_each(|at| counts[*at] += 1);
        }
        assert!(counts[1] > counts[0] && counts[0] > counts[4] && counts[4] > 0 && counts[2] == 0);
        assert_eq!(super::chosen(&values, 9, &mut random).len(), 4);
    }

    #[test]
    fn it_finds_the_top_among_numbers_steps_and_choices() {
        let domains = [
            Domain::Categorical { count: 4 },
            Domain::Float {
                low: 0.0,
                high: 1.0,
                is_log: false,
            },
            Domain::integers(0, 100_000, false),
            Domain::integers(1, 6, false),
        ];
        let parameter = |domain| Parameter {
            domain,
            condition: None,
        };
        let space = Space::new(domains.map(parameter).into()).unwrap();
        let axes = Axes::new(&space, 0..space.len());
        // One good point, and nothing else: the greatest improvement is expected close to it.
        let top = [2.0, 0.31, 70_123.0, 5.0];
        let mut points = axes.points();
        axes.add(&mut points, &top);
        axes.add(&mut points, &[0.0, 0.9, 1_000.0, 1.0]);
        let kernel = Kernel {
            inverse_squared_lengths: vec![4.0, 4.0, 4.0, 4.0],
            scale: 1.0,
            noise: 0.5,
        };
        let acquisition = Acquisition {
            objective: Posterior::new(&points, &[3.0, -1.0], &kernel).unwrap(),
            best: Some(-4.0),
            feasibility: None,
        };
        for seed in 0..5 {
            let mut random = Random::new(seed, Purpose::Model, 0);
            let point = maximize(&acquisition, &[2.0; 3], &axes, None, (64, 4), &mut random);
            let mut values = [0.0; 4];
            axes.write(&point, &mut values);
            assert_eq!((values[0], values[3]), (top[0], top[3]));
            assert!(
                (values[1] - top[1]).abs() < 0.1 && (values[2] - top[2]).abs() < 5_000.0,
                "{values:?}"
            );
            let reached = acquisition.values(&Points {
                cells: point,
                ..axes.points()
            })[0];
            let dense = acquisition.values(&axes.spread(20_000, &mut random));
            assert!(dense.iter().all(|value| *value <= reached + 1e-9));
        }
    }
}
