//! Who dominates whom, where there are several metrics: fronts, and the distance to neighbours in them.
//!
//! Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002. Checked against Optuna's
//! `_fast_non_domination_rank` and `_crowding_distance_sort`. All metrics are the better the less they are.

use std::cmp::Ordering;

/// True if `a` is nowhere worse than `b`, and somewhere better.
#[must_use]
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    let mut is_better = false;
    for (a, b) in a.iter().zip(b) {
        if a > b {
            return false;
        }
        is_better |= a < b;
    }
    is_better
}

/// The order of two numbers: 0 and −0 are equal, and what is no number comes last.
#[must_use]
pub fn order(a: f64, b: f64) -> Ordering {
    // Adding 0 makes 0 of −0.
    a.is_nan()
        .cmp(&b.is_nan())
        .then((a + 0.0).total_cmp(&(b + 0.0)))
}

/// The order of points by their first metric, then their second, and so on: nobody is dominated by one behind it.
#[must_use]
pub fn lexical(a: &[f64], b: &[f64]) -> Ordering {
    a.iter()
        .zip(b)
        .map(|(a, b)| order(*a, *b))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// The front that each point is in: 0 if nobody dominates it, 1 if only those of front 0 do, and so on. Equal points are in one.
///
/// Stops when `enough` different points have their front; all others are then in one behind these.
#[must_use]
pub fn fronts(points: &[&[f64]], enough: usize) -> Vec<usize> {
    let mut sorted: Vec<usize> = (0..points.len()).collect();
    sorted.sort_by(|a, b| lexical(points[*a], points[*b]));
    // Equal points stand beside each other: the first one of them decides for all.
    let mut firsts: Vec<usize> = Vec::with_capacity(sorted.len());
    for (at, point) in sorted.iter().enumerate() {
        if at == 0 || lexical(points[sorted[at - 1]], points[*point]).is_ne() {
            firsts.push(at);
        }
    }
    let mut ranks = vec![0; points.len()];
    let total = firsts.len();
    let mut rest: Vec<usize> = (0..total).collect();
    let mut front = 0;
    let mut by_first = vec![0; total];
    while !rest.is_empty() && total - rest.len() < enough {
        let found = first_front(&rest, |each| points[sorted[firsts[each]]]);
        for each in &found {
            by_first[*each] = front;
        }
        rest.retain(|each| found.binary_search(each).is_err());
        front += 1;
    }
    for each in rest {
        by_first[each] = front;
    }
    for (each, first) in firsts.iter().enumerate() {
        let end = firsts.get(each + 1).copied().unwrap_or(sorted.len());
        for point in &sorted[*first..end] {
            ranks[*point] = by_first[each];
        }
    }
    ranks
}

/// Those of sorted, different points that nobody dominates.
pub(crate) fn first_front<'a>(sorted: &[usize], point: impl Fn(usize) -> &'a [f64]) -> Vec<usize> {
    let metrics = sorted.first().map_or(0, |first| point(*first).len());
    if metrics == 2 {
        let mut least = f64::INFINITY;
        let mut is_first = true;
        return sorted
            .iter()
            .copied()
            .filter(|each| {
                let second = point(*each)[1];
                let is_better = is_first || second < least;
                is_first = false;
                least = least.min(second);
                is_better
            })
            .collect();
    }
    let mut front: Vec<usize> = Vec::new();
    for each in sorted {
        if !front
            .iter()
            .any(|other| dominates(point(*other), point(*each)))
        {
            front.push(*each);
        }
    }
    front
}

/// Of each point of a front how far its neighbours are from each other, in each metric as a share of the front's range: infinite at
/// the ends. Who has more room is kept rather.
#[must_use]
pub fn crowding_distances(points: &[&[f64]]) -> Vec<f64> {
    let mut distances = vec![0.0; points.len()];
    let Some(metrics) = points.first().map(|first| first.len()) else {
        return distances;
    };
    let mut places: Vec<usize> = (0..points.len()).collect();
    #[expect(
        clippy::needless_range_loop,
        reason = "the points are the rows, and this is a column"
    )]
    for metric in 0..metrics {
        places.sort_by(|a, b| order(points[*a][metric], points[*b][metric]));
        let value = |at: usize| points[places[at]][metric];
        let last = places.len() - 1;
        // Nobody differs: nobody has more room than another one.
        if value(0) == value(last) {
            continue;
        }
        let finite = |value: &f64| value.is_finite();
        let range = {
            let values = || (0..=last).map(value).filter(finite);
            let width =
                values().fold(f64::NEG_INFINITY, f64::max) - values().fold(f64::INFINITY, f64::min);
            if width > 0.0 { width } else { 1.0 }
        };
        for at in 0..=last {
            let before = if at == 0 {
                f64::NEG_INFINITY
            } else {
                value(at - 1)
            };
            let behind = if at == last {
                f64::INFINITY
            } else {
                value(at + 1)
            };
            // Infinite values may stand beside each other.
            let gap = if before == behind {
                0.0
            } else {
                behind - before
            };
            distances[places[at]] += gap / range;
        }
    }
    distances
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points() -> impl Strategy<Value = Vec<Vec<f64>>> {
        (1..5_usize).prop_flat_map(|metrics| {
            let point = prop::collection::vec(
                prop_oneof![Just(-0.0), (0..6_i32).prop_map(f64::from)],
                metrics,
            );
            prop::collection::vec(point, 0..40)
        })
    }

    proptest! {
        #[test]
        fn fronts_are_what_they_are_defined_as(points in points()) {
            let points: Vec<&[f64]> = points.iter().map(Vec::as_slice).collect();
            let ranks = fronts(&points, usize::MAX);
            for (point, rank) in points.iter().zip(&ranks) {
                let dominating = points.iter().zip(&ranks).filter(|(other, _)| dominates(other, point));
                let expected = dominating.map(|(_, rank)| rank + 1).max().unwrap_or(0);
                prop_assert_eq!(*rank, expected);
            }
        }

        #[test]
        fn as_many_as_are_wanted_have_their_front(points in points(), enough in 1..10_usize) {
            let points: Vec<&[f64]> = points.iter().map(Vec::as_slice).collect();
            let (all, some) = (fronts(&points, usize::MAX), fronts(&points, enough));
            let last = some.iter().max().copied().unwrap_or(0);
            for (all, some) in all.iter().zip(&some) {
                let is_right = if *some < last { some == all } else { *all >= last };
                prop_assert!(is_right);
            }
        }
    }

    #[test]
    fn the_ends_of_a_front_have_all_room() {
        let points: [&[f64]; 4] = [&[0.0, 4.0], &[1.0, 2.0], &[2.0, 1.0], &[4.0, 0.0]];
        let distances = crowding_distances(&points);
        assert_eq!(
            distances,
            [f64::INFINITY, 0.5 + 0.75, 0.75 + 0.5, f64::INFINITY]
        );
    }
}
