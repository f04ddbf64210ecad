//! The distribution of CMA-ES, from one generation to the next.
//!
//! Hansen, "The CMA evolution strategy: a tutorial", arXiv 1604.00772, whose equations are named; with a diagonal matrix after Ros and
//! Hansen, "A simple modification in CMA-ES achieving linear time and space complexity", 2008. Given the same points it makes the same
//! steps as `cmaes` 0.13 (`CMA`, `SepCMA`), which is Optuna's.

use crate::fronts::order;
use crate::matrix::{Matrix, eigen, norm};

const EPS: f64 = 1e-8;
const SIGMA_MAX: f64 = 1e32;

/// Which shapes the distribution may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any.
    Full,
    /// Its axes are those of the parameters: for many parameters that have little to do with each other.
    Separable,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Evolution {
    mean: Vec<f64>,
    sigma: f64,
    shape: Shape,
    generation: usize,
    path_of_sigma: Vec<f64>,
    path_of_shape: Vec<f64>,
    rates: Rates,
    ending: Ending,
}

/// The covariance, without the size.
#[derive(Clone, Debug)]
enum Shape {
    /// A matrix, with its axes and their lengths.
    Full(Matrix, Matrix, Vec<f64>),
    /// Its diagonal.
    Diagonal(Vec<f64>),
}

/// Constants of a population.
#[derive(Clone, Debug)]
struct Rates {
    population: usize,
    parents: usize,
    weights: Vec<f64>,
    effective: f64,
    rank_one: f64,
    rank_parents: f64,
    sigma: f64,
    damping: f64,
    shape: f64,
    expected_norm: f64,
}

/// What tells that nothing more will come of it.
#[derive(Clone, Debug)]
struct Ending {
    smallest: f64,
    /// The best and the worst value of the last generations.
    ranges: Vec<(f64, f64)>,
}

impl Evolution {
    /// Starts in the middle of a place, as wide as `sigma` in each direction. `population` has to be at least two.
    #[must_use]
    pub fn new(mean: Vec<f64>, sigma: f64, population: usize, kind: Kind) -> Self {
        let size = mean.len();
        // With one dimension there is one shape.
        let is_separable = kind == Kind::Separable && size > 1;
        let history = 10 + (30 * size).div_ceil(population);
        Self {
            sigma,
            shape: if is_separable {
                Shape::Diagonal(vec![1.0; size])
            } else {
                Shape::Full(
                    Matrix::identity(size),
                    Matrix::identity(size),
                    vec![1.0; size],
                )
            },
            generation: 0,
            path_of_sigma: vec![0.0; size],
            path_of_shape: vec![0.0; size],
            rates: if is_separable {
                Rates::separable(size, population)
            } else {
                Rates::full(size, population)
            },
            ending: Ending {
                smallest: 1e-12 * sigma,
                ranges: vec![(f64::NAN, f64::NAN); history],
            },
            mean,
        }
    }

    /// The population that is usual for so many dimensions (equation 48).
    #[must_use]
    pub fn population_for(dimensions: usize) -> usize {
        4 + (3.0 * (dimensions as f64).ln()) as usize
    }

    /// How many points make a generation.
    #[must_use]
    pub fn population(&self) -> usize {
        self.rates.population
    }

    /// How many generations there were.
    #[must_use]
    pub fn generation(&self) -> usize {
        self.generation
    }

    /// The middle.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    pub(super) fn mean_mut(&mut self) -> &mut [f64] {
        &mut self.mean
    }

    /// The size.
    #[must_use]
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// The variance of a coordinate, without the size.
    #[must_use]
    pub fn variance(&self, coordinate: usize) -> f64 {
        match &self.shape {
            Shape::Full(covariance, ..) => covariance.get(coordinate, coordinate),
            Shape::Diagonal(variances) => variances[coordinate],
        }
    }

    /// A point of the distribution, from a standard normal number for each coordinate.
    #[must_use]
    pub fn point(&self, normals: &[f64]) -> Vec<f64> {
        let direction = match &self.shape {
            Shape::Full(_, axes, lengths) => {
                let scaled: Vec<f64> = normals
                    .iter()
                    .zip(lengths)
                    .map(|(z, length)| z * length)
                    .collect();
                axes.times(&scaled)
            }
            Shape::Diagonal(variances) => normals
                .iter()
                .zip(variances)
                .map(|(z, variance)| z * length_of(*variance))
                .collect(),
        };
        self.mean
            .iter()
            .zip(direction)
            .map(|(mean, direction)| mean + self.sigma * direction)
            .collect()
    }

    /// Takes in a generation: points with their values, the less the better. Equal ones count in the given order.
    ///
    /// # Panics
    ///
    /// If they are not as many as the population.
    pub fn advance(&mut self, mut points: Vec<(Vec<f64>, f64)>) {
        assert_eq!(points.len(), self.rates.population);
        points.sort_by(|a, b| order(a.1, b.1));
        self.generation += 1;
        let at = self.generation % self.ending.ranges.len();
        self.ending.ranges[at] = (points[0].1, points[points.len() - 1].1);

        let steps: Vec<Vec<f64>> = points
            .iter()
            .map(|(point, _)| {
                let away = point.iter().zip(&self.mean);
                away.map(|(value, mean)| (value - mean) / self.sigma)
                    .collect()
            })
            .collect();
        let rates = &self.rates;
        let mut step = vec![0.0; self.mean.len()];
        for (each, weight) in steps.iter().zip(&rates.weights).take(rates.parents) {
            add(&mut step, *weight, each);
        }
        // Equation 42.
        add(&mut self.mean, self.sigma, &step);

        // Equations 43 and 44.
        let whitened = self.shape.whitened(&step);
        blend(
            &mut self.path_of_sigma,
            1.0 - rates.sigma,
            (rates.sigma * (2.0 - rates.sigma) * rates.effective).sqrt(),
            &whitened,
        );
        let length = norm(&self.path_of_sigma);
        self.sigma *= ((rates.sigma / rates.damping) * (length / rates.expected_norm - 1.0)).exp();
        self.sigma = self.sigma.min(SIGMA_MAX);

        // Equation 45: a path that is too long is no reason to stretch the shape further.
        let turns = 2 * (self.generation + 1);
        let settled = length / (1.0 - (1.0 - rates.sigma).powi(turns as i32)).sqrt();
        let bound = (1.4 + 2.0 / (self.mean.len() + 1) as f64) * rates.expected_norm;
        let goes_on = f64::from(u8::from(settled < bound));
        blend(
            &mut self.path_of_shape,
            1.0 - rates.shape,
            goes_on * (rates.shape * (2.0 - rates.shape) * rates.effective).sqrt(),
            &step,
        );
        let lost = (1.0 - goes_on) * rates.shape * (2.0 - rates.shape);
        let kept = 1.0 + rates.rank_one * lost
            - rates.rank_one
            - rates.rank_parents * rates.weights.iter().sum::<f64>();
        // Equations 46 and 47.
        let pulls: Vec<f64> = steps
            .iter()
            .zip(&rates.weights)
            .map(|(each, weight)| {
                if *weight >= 0.0 {
                    return *weight;
                }
                let whitened = norm(&self.shape.whitened(each));
                weight * each.len() as f64 / (whitened * whitened + EPS)
            })
            .collect();
        self.shape.advance(
            kept,
            (rates.rank_one, &self.path_of_shape),
            pulls
                .iter()
                .map(|pull| rates.rank_parents * pull)
                .zip(&steps),
        );
    }

    /// True if further generations would change nothing, or go nowhere.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        let (size, sigma) = (self.mean.len(), self.sigma);
        let ranges = &self.ending.ranges;
        let best = ranges
            .iter()
            .map(|(best, _)| *best)
            .fold(f64::INFINITY, f64::min);
        let worst = ranges
            .iter()
            .map(|(_, worst)| *worst)
            .fold(f64::NEG_INFINITY, f64::max);
        if self.generation > ranges.len() && worst - best < 1e-12 {
            return true;
        }
        let is_small = (0..size).all(|at| sigma * self.variance(at) < self.ending.smallest)
            && self
                .path_of_shape
                .iter()
                .all(|step| sigma * step < self.ending.smallest);
        let lengths: Vec<f64> = match &self.shape {
            Shape::Full(_, _, lengths) => lengths.clone(),
            Shape::Diagonal(variances) => variances
                .iter()
                .map(|variance| length_of(*variance))
                .collect(),
        };
        let longest = lengths.iter().copied().fold(0.0, f64::max);
        let shortest = lengths.iter().copied().fold(f64::INFINITY, f64::min);
        let stands =
            |at: usize| self.mean[at] == self.mean[at] + 0.2 * sigma * self.variance(at).sqrt();
        let axis = self.generation % size;
        let along = |at: usize| match &self.shape {
            Shape::Full(_, axes, _) => axes.get(at, axis),
            Shape::Diagonal(_) => 1.0,
        };
        let stands_along = (0..size)
            .all(|at| self.mean[at] == self.mean[at] + 0.1 * sigma * lengths[axis] * along(at));
        is_small
            || sigma * longest > 1e4
            || (0..size).any(stands)
            || stands_along
            || longest / shortest > 1e14
    }
}

impl Shape {
    /// A step on the scale on which the distribution is round: C^(−1/2) times it.
    fn whitened(&self, step: &[f64]) -> Vec<f64> {
        match self {
            Self::Full(_, axes, lengths) => {
                let mut along = axes.transposed_times(step);
                for (value, length) in along.iter_mut().zip(lengths) {
                    *value /= length;
                }
                axes.times(&along)
            }
            Self::Diagonal(variances) => step
                .iter()
                .zip(variances)
                .map(|(value, variance)| value / length_of(*variance))
                .collect(),
        }
    }

    fn advance<'a>(
        &mut self,
        kept: f64,
        (along_path, path): (f64, &[f64]),
        pulls: impl Iterator<Item = (f64, &'a Vec<f64>)>,
    ) {
        match self {
            Self::Full(covariance, axes, lengths) => {
                covariance.scale(kept);
                covariance.add_outer(along_path, path);
                for (pull, step) in pulls {
                    covariance.add_outer(pull, step);
                }
                covariance.symmetrize();
                let (values, vectors) = eigen(covariance);
                *lengths = values.iter().map(|value| length_of(*value)).collect();
                *axes = vectors;
                // What was negative by rounding is not.
                if values.iter().any(|value| *value < 0.0) {
                    *covariance = Matrix::zeros(lengths.len());
                    for (at, length) in lengths.iter().enumerate() {
                        let axis: Vec<f64> =
                            (0..lengths.len()).map(|row| axes.get(row, at)).collect();
                        covariance.add_outer(length * length, &axis);
                    }
                }
            }
            Self::Diagonal(variances) => {
                for (variance, step) in variances.iter_mut().zip(path) {
                    *variance = *variance * kept + along_path * step * step;
                }
                for (pull, step) in pulls {
                    for (variance, value) in variances.iter_mut().zip(step) {
                        *variance += pull * value * value;
                    }
                }
            }
        }
    }
}

impl Rates {
    fn full(size: usize, population: usize) -> Self {
        let parents = population / 2;
        let (n, middle) = (size as f64, (population as f64 + 1.0) / 2.0);
        // Equation 49.
        let raw: Vec<f64> = (1..=population)
            .map(|place| middle.ln() - (place as f64).ln())
            .collect();
        let effective = effective(&raw[..parents]);
        let effective_of_others = self::effective(&raw[parents..]);
        let rank_one = 2.0 / ((n + 1.3).powi(2) + effective);
        let rank_parents = f64::min(
            1.0 - rank_one - EPS,
            2.0 * (effective - 2.0 + 1.0 / effective) / ((n + 2.0).powi(2) + effective),
        );
        // Equations 50 to 53.
        let negative = [
            1.0 + rank_one / rank_parents,
            1.0 + 2.0 * effective_of_others / (effective + 2.0),
            (1.0 - rank_one - rank_parents) / (n * rank_parents),
        ];
        let negative = negative.into_iter().fold(f64::INFINITY, f64::min);
        let sum_of = |sign: f64| {
            raw.iter()
                .map(|weight| (sign * weight).max(0.0))
                .sum::<f64>()
        };
        let (above, below) = (sum_of(1.0), sum_of(-1.0));
        let weights = raw
            .iter()
            .map(|weight| {
                weight
                    * if *weight >= 0.0 {
                        1.0 / above
                    } else {
                        negative / below
                    }
            })
            .collect();
        // Equations 55 and 56.
        let sigma = (effective + 2.0) / (n + effective + 5.0);
        Self {
            population,
            parents,
            weights,
            effective,
            rank_one,
            rank_parents,
            sigma,
            damping: damping(n, effective, sigma),
            shape: (4.0 + effective / n) / (n + 4.0 + 2.0 * effective / n),
            expected_norm: expected_norm(n),
        }
    }

    fn separable(size: usize, population: usize) -> Self {
        let parents = population / 2;
        let n = size as f64;
        let raw: Vec<f64> = (1..=parents)
            .map(|place| (parents as f64 + 1.0).ln() - (place as f64).ln())
            .collect();
        let sum: f64 = raw.iter().sum();
        let weights: Vec<f64> = raw.iter().map(|weight| weight / sum).collect();
        let effective = 1.0 / weights.iter().map(|weight| weight * weight).sum::<f64>();
        let of_matrix = 2.0 / effective / (n + 2.0_f64.sqrt()).powi(2)
            + (1.0 - 1.0 / effective)
                * f64::min(
                    1.0,
                    (2.0 * effective - 1.0) / ((n + 2.0).powi(2) + effective),
                );
        let sigma = (effective + 2.0) / (n + effective + 3.0);
        Self {
            population,
            parents,
            weights,
            effective,
            rank_one: 2.0 / ((n + 1.3).powi(2) + effective),
            rank_parents: (n + 2.0) / 3.0 * of_matrix,
            sigma,
            damping: damping(n, effective, sigma),
            shape: 4.0 / (n + 4.0),
            expected_norm: expected_norm(n),
        }
    }
}

/// How many points would tell as much if all counted the same.
fn effective(weights: &[f64]) -> f64 {
    let sum: f64 = weights.iter().sum();
    sum * sum / weights.iter().map(|weight| weight * weight).sum::<f64>()
}

fn damping(n: f64, effective: f64, sigma: f64) -> f64 {
    1.0 + 2.0 * f64::max(0.0, ((effective - 1.0) / (n + 1.0)).sqrt() - 1.0) + sigma
}

/// How far a point of a standard normal distribution is from the middle, on average.
fn expected_norm(n: f64) -> f64 {
    n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n))
}

fn length_of(variance: f64) -> f64 {
    if variance < 0.0 {
        EPS.sqrt()
    } else {
        variance.sqrt()
    }
}

fn add(sum: &mut [f64], factor: f64, vector: &[f64]) {
    for (sum, value) in sum.iter_mut().zip(vector) {
        *sum += factor * value;
    }
}

fn blend(path: &mut [f64], kept: f64, factor: f64, step: &[f64]) {
    for (value, step) in path.iter_mut().zip(step) {
        *value = kept * *value + factor * step;
    }
}
