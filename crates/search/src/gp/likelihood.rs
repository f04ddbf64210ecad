//! How likely a kernel makes what was seen, and the kernel that makes it most likely.
//!
//! Rasmussen and Williams, "Gaussian processes for machine learning", 2006, 5.4.1. The priors, the parameters and where the search for
//! them begins are those of Optuna 5 (`_gp/prior.py`, `_gp/gp.py`).

use std::f64::consts::LN_2;

use crate::matrix::dot;
use crate::normal::LN_SQRT_2PI;

use super::kernel::{Kernel, Metric, Points, finish_diagonal, side_by_side};
use super::minimizer::{Limits, Minimizer};
use super::panels::{
    Panels, SIDE, Tile, factorize, invert_transposed, padded, products, solve_forward, sums,
};

/// The least variance of the noise: with less, the covariances of points that are close to each other have no factor.
pub const NOISE_MIN: f64 = 1e-6;

/// Logarithms of parameters are searched as far as this in both directions.
const LOGARITHM_MAX: f64 = 34.0 * LN_2;

/// From so many points on, the search begins with every other one.
const THINNED_FROM: usize = 96;

/// What was seen, and how likely kernels make it.
#[derive(Debug)]
pub struct Likelihood<'a> {
    points: &'a Points,
    values: &'a [f64],
    /// The noise is [`NOISE_MIN`].
    is_deterministic: bool,
}

/// The logarithm of a likelihood, with that of the prior, and its derivatives.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Of the values alone.
    pub log_likelihood: f64,
    /// Of the kernel's parameters, without a constant.
    pub log_prior: f64,
    /// The derivatives of the sum of both by the logarithms: of the inverse squared lengths, of the scale, and of what the noise has
    /// above [`NOISE_MIN`]. The last is 0 if the noise is fixed.
    pub gradient: Vec<f64>,
}

impl<'a> Likelihood<'a> {
    /// Of one value for each point, standardized.
    #[must_use]
    pub fn new(points: &'a Points, values: &'a [f64], is_deterministic: bool) -> Self {
        debug_assert_eq!(points.len(), values.len());
        Self {
            points,
            values,
            is_deterministic,
        }
    }

    /// How likely a kernel makes the values. `None` if its covariances have no factor.
    #[must_use]
    pub fn evaluate(&self, kernel: &Kernel) -> Option<Evaluation> {
        let count = self.points.len();
        let metric = Metric::new(kernel, self.points.numeric);
        let cells = metric.stretched(self.points);
        let own = side_by_side(&cells, self.points.dimensions);

        let mut factor = Panels::zeros(count, count);
        let mut slopes = factor.clone();
        for (at, (panel, slopes)) in factor.iter_mut().zip(slopes.iter_mut()).enumerate() {
            let end = (at + 1) * SIDE;
            metric.squared_distances(&own[at], &cells, &mut panel[..end]);
            metric.covariances_and_slopes(&mut panel[..end], &mut slopes[..end]);
        }
        finish_diagonal(&mut factor, count, |_| kernel.noise);
        if !factorize(&mut factor) {
            return None;
        }
        let mut inverse = Panels::zeros(count, count);
        let mut by_covariance = Panels::zeros(count, count);
        let explained = explain(&factor, self.values, &mut inverse, |panel, tile, shares| {
            let first = tile * SIDE;
            by_covariance.panel_mut(panel)[first..first + SIDE].copy_from_slice(shares);
        });
        let by_scale = 0.5 * (count as f64 - explained.square) - kernel.noise * explained.by_noise;
        let by_noise = if self.is_deterministic {
            0.0
        } else {
            explained.by_noise
        };
        let by_length = self.by_length(&metric, &own, &cells, &by_covariance, &slopes);
        let mut gradient: Vec<f64> = by_length.iter().map(|each| -each).collect();
        gradient.extend([-by_scale, -by_noise * (kernel.noise - NOISE_MIN)]);
        let log_prior = self.add_prior(kernel, &mut gradient);
        Some(Evaluation {
            log_likelihood: explained.log_likelihood,
            log_prior,
            gradient,
        })
    }

    /// The derivatives of −ln likelihood by the logarithms of the inverse squared lengths.
    fn by_length(
        &self,
        metric: &Metric,
        own: &[Vec<[f64; SIDE]>],
        cells: &[f64],
        by_covariance: &Panels,
        slopes: &Panels,
    ) -> Vec<f64> {
        let dimensions = self.points.dimensions;
        let numeric = self.points.numeric;
        let mut sums = vec![[0.0; SIDE]; dimensions];
        for (panel, own) in own.iter().enumerate() {
            let both = by_covariance.panel(panel).iter().zip(slopes.panel(panel));
            let others = cells.chunks_exact(dimensions).take((panel + 1) * SIDE);
            for ((share, slope), other) in both.zip(others) {
                let share: [f64; SIDE] = std::array::from_fn(|row| share[row] * slope[row]);
                for ((sum, own), other) in sums.iter_mut().zip(own).zip(other).take(numeric) {
                    for row in 0..SIDE {
                        let difference = own[row] - other;
                        sum[row] += share[row] * difference * difference;
                    }
                }
                for ((sum, own), other) in sums.iter_mut().zip(own).zip(other).skip(numeric) {
                    for row in 0..SIDE {
                        sum[row] += if own[row] == *other { 0.0 } else { share[row] };
                    }
                }
            }
        }
        let mut by_length: Vec<f64> = sums.iter().map(|four| four.iter().sum()).collect();
        for (sum, weight) in by_length[numeric..].iter_mut().zip(&metric.choices) {
            *sum *= weight;
        }
        by_length
    }

    /// The prior, whose derivatives are added to those of the likelihood: lengths between a third and three of the range are as good as
    /// any, a gamma distribution for the scale, and one for the noise.
    fn add_prior(&self, kernel: &Kernel, gradient: &mut [f64]) -> f64 {
        let mut sum = 0.0;
        let dimensions = self.points.dimensions;
        for (slope, inverse) in gradient.iter_mut().zip(&kernel.inverse_squared_lengths) {
            sum -= 0.1 / inverse + 0.1 * inverse;
            *slope += 0.1 / inverse - 0.1 * inverse;
        }
        sum += kernel.scale.ln() - kernel.scale;
        gradient[dimensions] += 1.0 - kernel.scale;
        sum += 0.1 * kernel.noise.ln() - 30.0 * kernel.noise;
        if !self.is_deterministic {
            gradient[dimensions + 1] += (0.1 / kernel.noise - 30.0) * (kernel.noise - NOISE_MIN);
        }
        sum
    }

    /// The kernel at which the likelihood times the prior is greatest, as far as it is found from here; `None` if it is nowhere finite.
    fn climb(&self, start: &Kernel) -> Option<Kernel> {
        let logarithms = self.logarithms(start);
        let size = logarithms.len();
        let limits = Limits {
            // Both are much finer than what a few more points change.
            slope: 1e-2,
            gain: 1e-5,
            steps: 100,
        };
        let (low, high) = (vec![-LOGARITHM_MAX; size], vec![LOGARITHM_MAX; size]);
        let mut minimizer = Minimizer::new(logarithms, low, high, limits);
        while !minimizer.is_done() {
            let kernel = self.kernel(minimizer.point());
            match self.evaluate(&kernel) {
                Some(found) => minimizer.tell(
                    -found.log_likelihood - found.log_prior,
                    found.gradient[..size].iter().map(|each| -each).collect(),
                ),
                None => minimizer.tell(f64::INFINITY, vec![0.0; size]),
            }
        }
        let (point, value) = minimizer.best();
        value.is_finite().then(|| self.kernel(point))
    }

    fn logarithms(&self, kernel: &Kernel) -> Vec<f64> {
        let mut logarithms: Vec<f64> = kernel
            .inverse_squared_lengths
            .iter()
            .chain([&kernel.scale])
            .map(|each| each.ln())
            .collect();
        if !self.is_deterministic {
            // A hundredth more, since the logarithm of nothing is no place to start from.
            logarithms.push((kernel.noise - 0.99 * NOISE_MIN).ln());
        }
        logarithms
    }

    fn kernel(&self, logarithms: &[f64]) -> Kernel {
        let dimensions = self.points.dimensions;
        Kernel {
            inverse_squared_lengths: logarithms[..dimensions]
                .iter()
                .map(|each| each.exp())
                .collect(),
            scale: logarithms[dimensions].exp(),
            noise: NOISE_MIN
                + logarithms
                    .get(dimensions + 1)
                    .map_or(0.0, |each| each.exp()),
        }
    }
}

/// The kernel that makes values most likely, its prior included.
///
/// An evaluation takes the third power of the number of points, so the way there is made with a part of them, spread over all: what the
/// half of them says is near to what all say. It begins with all parameters 1, so that it depends on nothing but the values.
#[must_use]
pub fn fit(points: &Points, values: &[f64], is_deterministic: bool) -> Kernel {
    let start = if values.len() < THINNED_FROM {
        Kernel::neutral(points.dimensions)
    } else {
        let mut half = Points {
            cells: Vec::new(),
            ..*points
        };
        for index in (0..values.len()).step_by(2) {
            half.cells.extend_from_slice(points.row(index));
        }
        let values: Vec<f64> = values.iter().copied().step_by(2).collect();
        fit(&half, &values, is_deterministic)
    };
    let likelihood = Likelihood::new(points, values, is_deterministic);
    let neutral = || Kernel {
        noise: if is_deterministic { NOISE_MIN } else { 1.0 },
        ..Kernel::neutral(points.dimensions)
    };
    likelihood.climb(&start).unwrap_or_else(neutral)
}

/// How well values are explained by covariances.
#[derive(Debug)]
pub(crate) struct Explained {
    pub(crate) log_likelihood: f64,
    /// The values times the inverse covariance times the values.
    pub(crate) square: f64,
    /// The derivative of −ln likelihood by what is added to all variances.
    pub(crate) by_noise: f64,
}

/// By the factor of the covariances, padded as in PA-1; `inverse` is a matrix of its size, for L⁻ᵀ. `take` gets, by panel and tile of the
/// lower half, the derivatives of −ln likelihood by covariances, those of the other half added to them.
pub(crate) fn explain(
    factor: &Panels,
    values: &[f64],
    inverse: &mut Panels,
    mut take: impl FnMut(usize, usize, &Tile),
) -> Explained {
    let count = values.len();
    let mut whitened = Panels::zeros(1, count);
    for (at, value) in values.iter().enumerate() {
        whitened.set(0, at, *value);
    }
    solve_forward(factor, &mut whitened);
    let whitened: Vec<f64> = whitened.row(0).collect();
    let square = dot(&whitened, &whitened);
    let log_determinant: f64 = (0..count).map(|at| factor.get(at, at).ln()).sum();

    invert_transposed(factor, inverse);
    let weights = weights_of(inverse, &whitened);
    // Rows that are only there for the size have a one in the diagonal.
    let mut trace = -((padded(count) - count) as f64);
    for panel in 0..padded(count) / SIDE {
        let first = panel * SIDE;
        let mine = &weights[first..first + SIDE];
        let left = &inverse.panel(panel)[first..];
        for tile in 0..=panel {
            let mut shares = products(left, &inverse.panel(tile)[first..]);
            if tile == panel {
                trace += (0..SIDE).map(|at| shares[at][at]).sum::<f64>();
            }
            let factor = if tile == panel { 0.5 } else { 1.0 };
            for (column, shares) in shares.iter_mut().enumerate() {
                let other = weights[tile * SIDE + column];
                for row in 0..SIDE {
                    shares[row] = factor * (shares[row] - mine[row] * other);
                }
            }
            take(panel, tile, &shares);
        }
    }
    Explained {
        log_likelihood: -0.5 * square - log_determinant - count as f64 * LN_SQRT_2PI,
        square,
        by_noise: 0.5 * (trace - dot(&weights, &weights)),
    }
}

/// L⁻ᵀ times a vector.
fn weights_of(inverse: &Panels, vector: &[f64]) -> Vec<f64> {
    let mut result = Vec::with_capacity(vector.len());
    for (at, panel) in inverse.iter().enumerate() {
        let first = at * SIDE;
        result.extend(sums(&panel[first..], &vector[first..]));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(count: usize) -> (Points, Vec<f64>) {
        let mut points = Points {
            dimensions: 3,
            numeric: 2,
            cells: Vec::new(),
        };
        let mut values = Vec::new();
        for at in 0..count {
            let place = at as f64;
            let point = [
                (0.37 * place).fract(),
                (0.61 * place).fract(),
                (at % 3) as f64,
            ];
            values.push(
                (5.0 * point[0]).sin() + 0.2 * point[1] + 0.5 * point[2] - 0.6
                    + 0.05 * (9.1 * place).sin(),
            );
            points.cells.extend(point);
        }
        (points, values)
    }

    #[test]
    fn the_gradient_is_the_derivative() {
        for count in [1, 6, 13] {
            let (points, values) = seen(count);
            for is_deterministic in [false, true] {
                let likelihood = Likelihood::new(&points, &values, is_deterministic);
                let start = [0.3, -0.7, 0.9, -0.2, -3.0];
                let size = if is_deterministic { 4 } else { 5 };
                let at = |logarithms: &[f64]| {
                    likelihood.evaluate(&likelihood.kernel(logarithms)).unwrap()
                };
                let gradient = at(&start[..size]).gradient;
                for each in 0..size {
                    let moved = |by: f64| {
                        let mut logarithms = start[..size].to_vec();
                        logarithms[each] += by;
                        let found = at(&logarithms);
                        found.log_likelihood + found.log_prior
                    };
                    let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                    assert!(
                        (gradient[each] - difference).abs() < 1e-6 * (1.0 + difference.abs()),
                        "{count} points, parameter {each}: {} is not {difference}",
                        gradient[each]
                    );
                }
            }
        }
    }

    #[test]
    fn what_has_no_part_has_a_great_length() {
        let (mut points, _) = seen(200);
        points.numeric = 3;
        let values: Vec<f64> = (0..200).map(|at| (6.0 * points.row(at)[0]).sin()).collect();
        for is_deterministic in [false, true] {
            let kernel = fit(&points, &values, is_deterministic);
            let inverse = &kernel.inverse_squared_lengths;
            assert!(
                inverse[0] > 3.0 * inverse[1] && inverse[0] > 3.0 * inverse[2],
                "{kernel:?}"
            );
            assert!(kernel.noise < 1e-3);
        }
    }

    #[test]
    fn values_that_are_all_the_same_have_a_kernel_too() {
        let (points, values) = seen(20);
        let kernel = fit(&points, &vec![0.0; values.len()], false);
        assert!(kernel.scale.is_finite() && kernel.noise >= NOISE_MIN);
    }
}
