//! How much better than the best one a point may be: the logarithm of the expected improvement.
//!
//! Ament, Daulton, Eriksson, Balandat and Bakshy, "Unexpected improvements to expected improvement for Bayesian optimization", 2023, for
//! logarithms: far from the good points the improvement itself is a zero, and has no slope. Gardner, Kusner, Xu, Weinberger and
//! Cunningham, "Bayesian optimization with inequality constraints", 2014, for constraints: their chance to be kept is a factor.

use crate::normal::{LN_SQRT_2PI, log_mass_below, mass_below};

use super::kernel::Points;
use super::posterior::{Moments, Posterior};

/// Below this the expected improvement is taken from its expansion: what is subtracted there has no digits left.
const FAR_BELOW: f64 = -25.0;

/// Added to each variance, so that a point which was seen has a logarithm too. Optuna's.
const VARIANCE_MIN: f64 = 1e-12;

/// A value of interest, with its derivatives by the mean and by the variance of what it is made of.
type Felt = (f64, f64, f64);

/// What is maximised.
#[derive(Debug)]
pub struct Acquisition {
    /// What is expected of the objective, the more the better; and the best value so far that broke no constraint. Without one the
    /// objective does not matter.
    pub objective: Posterior,
    /// See `objective`.
    pub best: Option<f64>,
    /// How well constraints are kept, the more the better; and from where on they are.
    pub feasibility: Option<(Posterior, f64)>,
}

impl Acquisition {
    /// Of each point.
    #[must_use]
    pub fn values(&self, points: &Points) -> Vec<f64> {
        let mut values = vec![0.0; points.len()];
        for (posterior, feel) in self.parts() {
            for (value, moments) in values.iter_mut().zip(posterior.moments(points)) {
                *value += feel(moments).0;
            }
        }
        values
    }

    /// Of each point, with its derivatives by the coordinates that are numbers.
    #[must_use]
    pub fn values_and_slopes(&self, points: &Points) -> Vec<(f64, Vec<f64>)> {
        let mut results = vec![(0.0, vec![0.0; points.numeric]); points.len()];
        for (posterior, feel) in self.parts() {
            let found = posterior.moments_and_slopes(points);
            for ((value, slope), (moments, slopes)) in results.iter_mut().zip(found) {
                let (own, by_mean, by_variance) = feel(moments);
                *value += own;
                for ((sum, mean), variance) in
                    slope.iter_mut().zip(&slopes.mean).zip(&slopes.variance)
                {
                    *sum += by_mean * mean + by_variance * variance;
                }
            }
        }
        results
    }

    fn parts(&self) -> impl Iterator<Item = (&Posterior, impl Fn(Moments) -> Felt)> {
        let improvement = self.best.map(|best| (&self.objective, best, true));
        let feasibility = self
            .feasibility
            .as_ref()
            .map(|(posterior, from)| (posterior, *from, false));
        improvement
            .into_iter()
            .chain(feasibility)
            .map(|(posterior, from, is_improvement)| {
                let feel = move |moments| {
                    if is_improvement {
                        log_improvement(moments, from)
                    } else {
                        log_chance(moments, from)
                    }
                };
                (posterior, feel)
            })
    }
}

/// The logarithm of how much above `best` a normal number lies in the mean, if below counts as nothing; its derivatives by the mean and
/// the variance.
#[must_use]
pub fn log_improvement(moments: Moments, best: f64) -> (f64, f64, f64) {
    let sd = (moments.variance + VARIANCE_MIN).sqrt();
    let (value, above, density) = log_excess((moments.mean - best) / sd);
    (value + sd.ln(), above / sd, density / (2.0 * sd * sd))
}

/// The logarithm of the chance that a normal number lies above `from`; its derivatives by the mean and the variance.
#[must_use]
pub fn log_chance(moments: Moments, from: f64) -> (f64, f64, f64) {
    let variance = moments.variance + VARIANCE_MIN;
    let sd = variance.sqrt();
    let place = (moments.mean - from) / sd;
    let value = log_mass_below(place);
    let slope = (-0.5 * place * place - LN_SQRT_2PI - value).exp();
    (value, slope / sd, -0.5 * slope * place / variance)
}

/// ln(z · Φ(z) + φ(z)), and what Φ(z) and φ(z) are of that sum.
fn log_excess(z: f64) -> (f64, f64, f64) {
    let log_density = -0.5 * z * z - LN_SQRT_2PI;
    if z > FAR_BELOW {
        let (mass, density) = (mass_below(z), log_density.exp());
        let sum = z * mass + density;
        return (sum.ln(), mass / sum, density / sum);
    }
    // With the ratio of mass to density, −1/z · (1 − 1/z² + 3/z⁴ − 15/z⁶ + …), the sum is the density times 1/z² − 3/z⁴ + 15/z⁶ − …
    let inverse = 1.0 / (z * z);
    let (mut term, mut sum, mut odd) = (inverse, 0.0, 3.0);
    while f64::abs(term) > f64::EPSILON * inverse {
        sum += term;
        term *= -odd * inverse;
        odd += 2.0;
    }
    (
        log_density + f64::ln(sum),
        (sum - 1.0) / (z * sum),
        1.0 / sum,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values: mpmath with 60 digits.
    #[test]
    fn logarithms_hold_far_below() {
        for (z, expected) in EXCESSES {
            let (value, ..) = log_excess(z);
            assert!(
                (value - expected).abs() < 1e-12 * expected.abs().max(1.0),
                "{z}: {value} is not {expected}"
            );
        }
    }

    #[test]
    fn slopes_are_derivatives_on_both_sides() {
        for feel in [log_improvement, log_chance] {
            for mean in [-30.0, -25.0001, -24.9999, -8.0, -1.0, 0.0, 0.5, 3.0] {
                for variance in [0.5, 1.0, 2.0] {
                    let at = |mean, variance| feel(Moments { mean, variance }, 0.0);
                    let (_, by_mean, by_variance) = at(mean, variance);
                    let step = 1e-5;
                    let other =
                        (at(mean + step, variance).0 - at(mean - step, variance).0) / (2.0 * step);
                    assert!(
                        (by_mean - other).abs() < 1e-5 * (1.0 + other.abs()),
                        "{mean}, {variance}: {by_mean} is not {other}"
                    );
                    let other =
                        (at(mean, variance + step).0 - at(mean, variance - step).0) / (2.0 * step);
                    assert!(
                        (by_variance - other).abs() < 1e-4 * (1.0 + other.abs()),
                        "{mean}, {variance}: {by_variance} is not {other}"
                    );
                }
            }
        }
    }

    /// Places, and the logarithms there.
    const EXCESSES: [(f64, f64); 9] = [
        (-1_000.0, -500_014.734_452_091_16),
        (-40.0, -808.298_568_356_62),
        (-25.5, -332.525_884_462_205),
        (-24.5, -307.446_253_857_730_2),
        (-10.0, -55.553_122_036_122_35),
        (-1.0, -2.485_121_025_712_641_3),
        (0.0, -LN_SQRT_2PI),
        (2.0, 0.697_383_545_788_228_3),
        (30.0, 3.401_197_381_662_155_4),
    ];
}
