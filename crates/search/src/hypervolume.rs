//! How much of the space up to a reference point is dominated by points, and which points dominate most of it.
//!
//! Exact, by the WFG algorithm (While, Bradstreet and Barone, "A fast way of calculating exact hypervolumes", 2012), and in a plane by
//! adding up its strips. Subsets are chosen greedily (Guerreiro, Fonseca and Paquete, "Greedy hypervolume subset selection in low
//! dimensions", 2016), whose result holds at least 1 − 1/e of the best one's. Checked against Optuna's `compute_hypervolume` and
//! `_solve_hssp`. All metrics are the better the less they are.

use crate::fronts::{first_front, lexical};

/// The volume that is dominated by at least one of the points, and dominates the reference. Points beyond the reference add
/// nothing; infinite if the reference is.
#[must_use]
pub fn hypervolume(points: &[&[f64]], reference: &[f64]) -> f64 {
    let mut inside: Vec<Vec<f64>> = points
        .iter()
        .filter(|point| point.iter().zip(reference).all(|(value, end)| value <= end))
        .map(|point| point.to_vec())
        .collect();
    if reference.iter().any(|end| end.is_infinite()) {
        return if inside.is_empty() {
            0.0
        } else {
            f64::INFINITY
        };
    }
    keep_front(&mut inside);
    if reference.len() == 2 {
        return area(&inside, reference);
    }
    volume(&inside, reference)
}

/// The `size` points that together dominate most, chosen one after the other by what each adds: their places.
#[must_use]
pub fn largest_subset(points: &[&[f64]], size: usize, reference: &[f64]) -> Vec<usize> {
    if size >= points.len() {
        return (0..points.len()).collect();
    }
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|a, b| lexical(points[*a], points[*b]).then(a.cmp(b)));
    let mut different = order.clone();
    different.dedup_by(|b, a| lexical(points[*a], points[*b]).is_eq());
    if different.len() < size {
        // Equal points add nothing: those that come first fill it up.
        let mut chosen = different.clone();
        let others = (0..points.len()).filter(|each| !different.contains(each));
        chosen.extend(others.take(size - different.len()));
        chosen.sort_unstable();
        return chosen;
    }
    if reference.iter().any(|end| !end.is_finite()) {
        different.truncate(size);
        return different;
    }
    let mut chosen: Vec<usize> = Vec::with_capacity(size);
    // What each point would add at most: since the chosen ones only get more, it never rises.
    let mut bounds: Vec<f64> = different
        .iter()
        .map(|each| box_volume(points[*each], reference))
        .collect();
    let mut is_exact = vec![true; different.len()];
    while chosen.len() < size {
        let Some(best) = first_greatest(&bounds) else {
            break;
        };
        if is_exact[best] {
            chosen.push(different.remove(best));
            bounds.remove(best);
            is_exact.remove(best);
            is_exact.fill(false);
            continue;
        }
        bounds[best] = added(points[different[best]], &chosen, points, reference);
        is_exact[best] = true;
    }
    chosen
}

/// What a point adds to those that are chosen.
fn added(point: &[f64], chosen: &[usize], points: &[&[f64]], reference: &[f64]) -> f64 {
    let covered: Vec<Vec<f64>> = chosen
        .iter()
        .map(|other| worst_of(point, points[*other]))
        .collect();
    let covered: Vec<&[f64]> = covered.iter().map(Vec::as_slice).collect();
    box_volume(point, reference) - hypervolume(&covered, reference)
}

fn first_greatest(values: &[f64]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (at, value) in values.iter().enumerate() {
        if best.is_none_or(|best| *value > values[best]) {
            best = Some(at);
        }
    }
    best
}

/// Sorts points, and takes away those that add nothing.
fn keep_front(points: &mut Vec<Vec<f64>>) {
    points.sort_by(|a, b| lexical(a, b));
    points.dedup_by(|b, a| lexical(a, b).is_eq());
    let places: Vec<usize> = (0..points.len()).collect();
    let front = first_front(&places, |place| points[place].as_slice());
    *points = front
        .into_iter()
        .map(|place| std::mem::take(&mut points[place]))
        .collect();
}

/// Of a front in a plane, sorted by the first metric.
fn area(front: &[Vec<f64>], reference: &[f64]) -> f64 {
    let mut above = reference[1];
    let mut sum = 0.0;
    for point in front {
        sum += (reference[0] - point[0]) * (above - point[1]);
        above = point[1];
    }
    sum
}

/// Of a sorted front: each point adds its box without what those behind it dominate of it.
fn volume(front: &[Vec<f64>], reference: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (at, point) in front.iter().enumerate() {
        let mut covered: Vec<Vec<f64>> = front[at + 1..]
            .iter()
            .map(|other| worst_of(point, other))
            .collect();
        keep_front(&mut covered);
        sum += box_volume(point, reference) - volume(&covered, reference);
    }
    sum
}

fn worst_of(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a.max(*b)).collect()
}

fn box_volume(point: &[f64], reference: &[f64]) -> f64 {
    reference
        .iter()
        .zip(point)
        .map(|(end, value)| end - value)
        .product()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const END: usize = 5;

    fn points() -> impl Strategy<Value = Vec<Vec<f64>>> {
        (2..5_usize).prop_flat_map(|metrics| {
            let point = prop::collection::vec(
                prop_oneof![Just(-0.0), (0..=END as i32).prop_map(f64::from)],
                metrics,
            );
            prop::collection::vec(point, 1..12)
        })
    }

    /// Whole numbers: the cells of the grid that some point dominates.
    fn counted(points: &[&[f64]], metrics: usize) -> f64 {
        let cells = END.pow(metrics as u32);
        let is_dominated = |cell: usize| {
            points.iter().any(|point| {
                (0..metrics)
                    .all(|metric| point[metric] <= ((cell / END.pow(metric as u32)) % END) as f64)
            })
        };
        (0..cells).filter(|cell| is_dominated(*cell)).count() as f64
    }

    proptest! {
        #[test]
        fn a_volume_is_that_of_the_cells(points in points()) {
            let metrics = points[0].len();
            let points: Vec<&[f64]> = points.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(hypervolume(&points, &vec![END as f64; metrics]), counted(&points, metrics));
        }

        #[test]
        fn each_chosen_point_adds_most(points in points(), size in 1..6_usize) {
            let reference = vec![END as f64 + 1.0; points[0].len()];
            let points: Vec<&[f64]> = points.iter().map(Vec::as_slice).collect();
            let chosen = largest_subset(&points, size, &reference);
            prop_assert_eq!(chosen.len(), size.min(points.len()));
            let mut sorted = chosen.clone();
            sorted.sort_unstable();
            sorted.dedup();
            prop_assert_eq!(sorted.len(), chosen.len());
            let mut different = points.clone();
            different.sort_by(|a, b| lexical(a, b));
            different.dedup();
            if size >= points.len() || different.len() < size {
                return Ok(());
            }
            let volume_with = |places: &[usize], more: &[f64]| {
                let mut all: Vec<&[f64]> = places.iter().map(|place| points[*place]).collect();
                all.push(more);
                hypervolume(&all, &reference)
            };
            for taken in 0..chosen.len() {
                let own = volume_with(&chosen[..taken], points[chosen[taken]]);
                for point in &points {
                    prop_assert!(own >= volume_with(&chosen[..taken], point) - 1e-9);
                }
            }
        }
    }

    #[test]
    fn without_an_end_the_volume_is_infinite() {
        assert_eq!(
            hypervolume(&[&[0.0, 0.0]], &[f64::INFINITY, 1.0]),
            f64::INFINITY
        );
        assert_eq!(hypervolume(&[], &[1.0, 1.0]), 0.0);
        assert_eq!(hypervolume(&[&[2.0, 0.0]], &[1.0, 1.0]), 0.0);
    }
}
