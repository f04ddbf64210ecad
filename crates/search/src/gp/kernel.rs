//! The Matérn kernel with ν = 5/2: how alike a Gaussian process takes two points to be.
//!
//! Each dimension has a length of its own (automatic relevance determination); choices are as far apart as they are different (Hamming's
//! distance). As in Optuna 5's `_gp/gp.py`; Rasmussen and Williams, "Gaussian processes for machine learning", 2006, 4.2.

use std::f64::consts::LOG2_E;

use super::panels::{Panels, SIDE, padded};

/// Beyond the root of this the kernel is e⁻⁷⁰⁰.
const SQUARE_MAX: f64 = 98_000.0;

/// Points of the unit cube, in which choices are their indices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// Coordinates of a point. At least one.
    pub dimensions: usize,
    /// So many of them, the first ones, are numbers; the others are choices.
    pub numeric: usize,
    /// Point by point.
    pub cells: Vec<f64>,
}

impl Points {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len() / self.dimensions
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// A point.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f64] {
        &self.cells[index * self.dimensions..(index + 1) * self.dimensions]
    }
}

/// The parameters of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// By dimension: 1 / length².
    pub inverse_squared_lengths: Vec<f64>,
    /// The variance of the function.
    pub scale: f64,
    /// The variance of what is added to the function when it is looked at.
    pub noise: f64,
}

impl Kernel {
    /// All parameters 1.
    #[must_use]
    pub fn neutral(dimensions: usize) -> Self {
        Self {
            inverse_squared_lengths: vec![1.0; dimensions],
            scale: 1.0,
            noise: 1.0,
        }
    }
}

/// A kernel, as it is applied: distances are Euclidean on axes that were divided by the lengths.
#[derive(Debug)]
pub(super) struct Metric {
    /// By number: 1 / length.
    pub(super) stretch: Vec<f64>,
    /// By choice: 1 / length².
    pub(super) choices: Vec<f64>,
    scale: f64,
}

impl Metric {
    pub(super) fn new(kernel: &Kernel, numeric: usize) -> Self {
        let (numbers, choices) = kernel.inverse_squared_lengths.split_at(numeric);
        Self {
            stretch: numbers.iter().map(|each| each.sqrt()).collect(),
            choices: choices.to_vec(),
            scale: kernel.scale,
        }
    }

    /// Points on these axes; a multiple of [`SIDE`], of which the last ones are zeros.
    pub(super) fn stretched(&self, points: &Points) -> Vec<f64> {
        let mut cells = points.cells.clone();
        for point in cells.chunks_exact_mut(points.dimensions) {
            for (cell, stretch) in point.iter_mut().zip(&self.stretch) {
                *cell *= stretch;
            }
        }
        cells.resize(padded(points.len()) * points.dimensions, 0.0);
        cells
    }

    /// The squared distances of four points to others, one after the other.
    #[inline]
    pub(super) fn squared_distances(
        &self,
        own: &[[f64; SIDE]],
        others: &[f64],
        distances: &mut [[f64; SIDE]],
    ) {
        let (numbers, choices) = own.split_at(self.stretch.len());
        for (distance, other) in distances.iter_mut().zip(others.chunks_exact(own.len())) {
            let mut sum = [0.0; SIDE];
            let (other_numbers, other_choices) = other.split_at(numbers.len());
            for (own, other) in numbers.iter().zip(other_numbers) {
                for at in 0..SIDE {
                    let difference = own[at] - other;
                    sum[at] += difference * difference;
                }
            }
            for ((own, other), weight) in choices.iter().zip(other_choices).zip(&self.choices) {
                for at in 0..SIDE {
                    sum[at] += if own[at] == *other { 0.0 } else { *weight };
                }
            }
            *distance = sum;
        }
    }

    /// Squared distances become covariances.
    #[inline]
    pub(super) fn covariances(&self, cells: &mut [[f64; SIDE]]) {
        for cell in cells.as_flattened_mut() {
            let (value, _) = matern(*cell);
            *cell = self.scale * value;
        }
    }

    /// Squared distances become covariances, and how much these change with them.
    #[inline]
    pub(super) fn covariances_and_slopes(
        &self,
        cells: &mut [[f64; SIDE]],
        slopes: &mut [[f64; SIDE]],
    ) {
        let slopes = slopes.as_flattened_mut();
        for (cell, out) in cells.as_flattened_mut().iter_mut().zip(slopes) {
            let (value, slope) = matern(*cell);
            *cell = self.scale * value;
            *out = self.scale * slope;
        }
    }
}

/// Points as panels: four side by side.
pub(super) fn side_by_side(cells: &[f64], dimensions: usize) -> Vec<Vec<[f64; SIDE]>> {
    cells
        .chunks(SIDE * dimensions)
        .map(|four| {
            let mut panel = vec![[0.0; SIDE]; dimensions];
            for (row, point) in four.chunks_exact(dimensions).enumerate() {
                for (cells, value) in panel.iter_mut().zip(point) {
                    cells[row] = *value;
                }
            }
            panel
        })
        .collect()
}

/// Adds the noise of each point, and makes what is there beyond them the identity (PA-1).
pub(crate) fn finish_diagonal(matrix: &mut Panels, count: usize, noise: impl Fn(usize) -> f64) {
    for at in 0..count {
        matrix.set(at, at, matrix.get(at, at) + noise(at));
    }
    for at in count..matrix.columns() {
        for column in 0..at {
            matrix.set(at, column, 0.0);
        }
        matrix.set(at, at, 1.0);
    }
}

/// The kernel of a squared distance, and its derivative by that. What is farther than that is as good as nothing.
#[inline(always)]
fn matern(square: f64) -> (f64, f64) {
    let square = if square < SQUARE_MAX {
        square
    } else {
        SQUARE_MAX
    };
    let distance = (5.0 * square).sqrt();
    let decay = exp_negative(distance);
    let value = decay * (1.0 + distance + 5.0 / 3.0 * square);
    (value, -5.0 / 6.0 * decay * (1.0 + distance))
}

/// e⁻ˣ for 0 ≤ x ≤ 700, to a rounding or two. Has no branches, so that several are calculated at once,
/// and is the same on all machines, which the standard library's is not.
#[inline(always)]
pub(crate) fn exp_negative(x: f64) -> f64 {
    /// Added to a number below 2⁵¹, it leaves its digits before the point in the lowest bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    /// The first digits of ln 2, so few that multiples of them are exact, and the rest.
    const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let rounded = x * LOG2_E + ROUND;
    let count = rounded - ROUND;
    // Between −ln 2 / 2 and ln 2 / 2.
    let rest = (count * LN_2_HIGH - x) + count * LN_2_LOW;
    let mut sum = 1.0 / 6_227_020_800.0;
    for factorial in [
        479_001_600.0,
        39_916_800.0,
        3_628_800.0,
        362_880.0,
        40_320.0,
        5_040.0,
        720.0,
        120.0,
        24.0,
        6.0,
        2.0,
        1.0,
        1.0,
    ] {
        sum = sum * rest + 1.0 / factorial;
    }
    let exponent = ROUND
        .to_bits()
        .wrapping_sub(rounded.to_bits())
        .wrapping_add(1_023);
    sum * f64::from_bits(exponent << 52)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn exponentials_have_all_digits(x in prop_oneof![0.0..1.0_f64, 0.0..700.0_f64]) {
            let expected = libm::exp(-x);
            prop_assert!((exp_negative(x) - expected).abs() <= 4.0 * f64::EPSILON * expected);
        }

        #[test]
        fn the_slope_is_the_derivative(square in 1e-3..30.0_f64) {
            let step = 1e-6 * square;
            let difference = (matern(square + step).0 - matern(square - step).0) / (2.0 * step);
            prop_assert!((matern(square).1 - difference).abs() < 1e-7);
        }
    }

    #[test]
    fn the_ends_hold() {
        assert_eq!(matern(0.0), (1.0, -5.0 / 6.0));
        assert_eq!(exp_negative(0.0), 1.0);
        let (value, slope) = matern(1e300);
        assert!((0.0..1e-140).contains(&value.abs()) && slope.is_finite());
    }

    #[test]
    fn choices_are_apart_or_not() {
        let kernel = Kernel {
            inverse_squared_lengths: vec![4.0, 0.5],
            scale: 1.0,
            noise: 0.0,
        };
        let metric = Metric::new(&kernel, 1);
        let points = Points {
            dimensions: 2,
            numeric: 1,
            cells: vec![0.5, 2.0, 0.25, 2.0, 0.5, 0.0],
        };
        let cells = metric.stretched(&points);
        let panels = side_by_side(&cells, 2);
        let mut distances = [[0.0; SIDE]; 3];
        metric.squared_distances(&panels[0], &cells, &mut distances);
        assert_eq!(distances[0][..3], [0.0, 0.25, 0.5]);
        assert_eq!(distances[1][..3], [0.25, 0.0, 0.75]);
    }
}
