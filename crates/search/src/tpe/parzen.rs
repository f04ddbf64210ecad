//! The density of some trials: a mixture of one kernel for each of them, and one of the whole domain, the prior.
//!
//! Optuna's `_ParzenEstimator` and `_MixtureOfProductDistribution`. A kernel is a product over its parameters: of normal distributions
//! that are cut off at the domain's ends, on the scale on which distances are measured; for multiples the mass between their half
//! steps; for choices a table. The width of a kernel is the distance to the farther one of its neighbours.

use std::collections::HashMap;

use crate::domain::Domain;
use crate::history::{History, Trial};
use crate::normal::{log_mass_between, quantile_between};
use crate::random::Random;
use crate::space::ParameterIndex;

use super::groups::has_all;

/// ln √(2π)
const LN_SQRT_2PI: f64 = 0.918_938_533_204_672_8;

/// So many of the latest trials have the full weight.
const FULL_WEIGHTS: usize = 25;

/// A kernel is never narrower than this part of the domain.
const NARROWEST: f64 = 100.0;

/// So many widths from an end, no mass of a kernel lies behind it.
const FAR: f64 = 8.5;

/// How much the trials of a mixture count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weights {
    /// The older ones less than the latest.
    ByAge,
    /// All the same.
    Equal,
}

/// See the module.
#[derive(Debug)]
pub(super) struct ParzenEstimator<'a> {
    /// Of each kernel, the prior's last; their sum is 1.
    weights: Vec<f64>,
    axes: Vec<Axis<'a>>,
}

/// The factors of all kernels for one parameter.
#[derive(Debug)]
enum Axis<'a> {
    Numeric(Numeric<'a>),
    Categorical(Categorical),
}

#[derive(Debug)]
struct Numeric<'a> {
    domain: &'a Domain,
    low: f64,
    high: f64,
    centres: Vec<f64>,
    widths: Vec<f64>,
}

#[derive(Debug)]
struct Categorical {
    count: usize,
    /// What each kernel but the prior has seen.
    seen: Vec<usize>,
    /// The mass of what a kernel has seen, and of any other choice.
    of_seen: f64,
    of_other: f64,
}

impl<'a> ParzenEstimator<'a> {
    /// The mixture of the trials at some places that have all these parameters.
    pub(super) fn new(
        history: &'a History,
        parameters: &[ParameterIndex],
        members: &[usize],
        weights: Weights,
    ) -> Self {
        let trials: Vec<usize> = members
            .iter()
            .copied()
            .filter(|place| has_all(&history.trials()[*place], parameters))
            .collect();
        let axes = parameters
            .iter()
            .map(|parameter| Axis::new(history, *parameter, &trials))
            .collect();
        Self {
            weights: normalized(weights, trials.len()),
            axes,
        }
    }

    /// A random point of the mixture.
    pub(super) fn sample(&self, random: &mut Random) -> Vec<f64> {
        let kernel = random.weighted(&self.weights);
        self.axes
            .iter()
            .map(|axis| match axis {
                Axis::Numeric(axis) => axis.sample(kernel, random),
                Axis::Categorical(axis) => axis.sample(kernel, random),
            })
            .collect()
    }

    /// The logarithm of the density at each point.
    pub(super) fn log_densities(&self, points: &[Vec<f64>]) -> Vec<f64> {
        // What depends on the kernel alone is the same for all points.
        let mut constants: Vec<f64> = self.weights.iter().map(|weight| weight.ln()).collect();
        for axis in &self.axes {
            if let Axis::Numeric(axis) = axis {
                axis.add_constants(&mut constants);
            }
        }
        let mut by_point: Vec<Vec<f64>> = vec![constants; points.len()];
        for (index, axis) in self.axes.iter().enumerate() {
            let values = points.iter().map(|point| point[index]);
            match axis {
                Axis::Numeric(axis) => axis.add(values, &mut by_point),
                Axis::Categorical(axis) => axis.add(values, &mut by_point),
            }
        }
        by_point.iter().map(|kernels| log_of_sum(kernels)).collect()
    }
}

impl<'a> Axis<'a> {
    fn new(history: &'a History, parameter: ParameterIndex, trials: &[usize]) -> Self {
        let domain = history.space().domain(parameter);
        let value = |trial: &Trial| trial.values[parameter];
        if let Domain::Categorical { count } = *domain {
            let seen = trials
                .iter()
                .map(|place| value(&history.trials()[*place]) as usize)
                .collect();
            return Self::Categorical(Categorical::new(count, seen));
        }
        let (low, high) = domain.bounds();
        let mut centres: Vec<f64> = trials
            .iter()
            .map(|place| domain.scaled(value(&history.trials()[*place])))
            .collect();
        let mut kernel_of = vec![None; history.trials().len()];
        for (kernel, place) in trials.iter().enumerate() {
            kernel_of[*place] = Some(kernel);
        }
        let sorted: Vec<usize> = history
            .by_value(parameter)
            .filter_map(|place| kernel_of[place])
            .collect();
        let mut widths = widths(&centres, &sorted, low, high);
        let (centre, width) = match *domain {
            // The prior is what the domain says of itself.
            Domain::Normal { mean, sd } => (mean, sd),
            _ => (0.5 * (low + high), high - low),
        };
        centres.push(centre);
        widths.push(width);
        Self::Numeric(Numeric {
            domain,
            low,
            high,
            centres,
            widths,
        })
    }
}

/// The distance of each observation to the farther one of its neighbours; those at the ends have one. `sorted` has the places of all
/// observations by their value.
fn widths(centres: &[f64], sorted: &[usize], low: f64, high: f64) -> Vec<f64> {
    let range = high - low;
    let narrowest = range / NARROWEST.min(2.0 + centres.len() as f64);
    let mut widths = vec![0.0; centres.len()];
    for (at, each) in sorted.iter().enumerate() {
        let centre = centres[*each];
        let before = at.checked_sub(1).map(|at| centres[sorted[at]]);
        let behind = sorted.get(at + 1).map(|next| centres[*next]);
        let width = match (before, behind) {
            (Some(before), Some(behind)) => (centre - before).max(behind - centre),
            (Some(before), None) => centre - before,
            (None, Some(behind)) => behind - centre,
            (None, None) => (centre - low).max(high - centre),
        };
        widths[*each] = width.clamp(narrowest, range);
    }
    widths
}

impl Numeric<'_> {
    fn sample(&self, kernel: usize, random: &mut Random) -> f64 {
        let (centre, width) = (self.centres[kernel], self.widths[kernel]);
        let (a, b) = ((self.low - centre) / width, (self.high - centre) / width);
        let place = centre + width * quantile_between(random.unit(), a, b);
        self.domain.unscaled(place)
    }

    /// What each kernel loses because it is cut off, and for densities because it is wide.
    fn add_constants(&self, constants: &mut [f64]) {
        let is_density = self.domain.step().is_none();
        let mut known = (f64::NAN, f64::NAN);
        for (constant, (centre, width)) in constants
            .iter_mut()
            .zip(self.centres.iter().zip(&self.widths))
        {
            let (a, b) = ((self.low - centre) / width, (self.high - centre) / width);
            if a > -FAR || b < FAR {
                *constant -= log_mass_between(a, b);
            }
            if is_density {
                // Most kernels are of the least width.
                if known.0 != *width {
                    known = (*width, width.ln());
                }
                *constant -= known.1 + LN_SQRT_2PI;
            }
        }
    }

    fn add(&self, values: impl Iterator<Item = f64>, by_point: &mut [Vec<f64>]) {
        if let Some(step) = self.domain.step() {
            return self.add_masses(values, step, by_point);
        }
        let scales: Vec<f64> = self.widths.iter().map(|width| 1.0 / width).collect();
        for (value, kernels) in values.zip(by_point) {
            let place = self.domain.scaled(value);
            for (sum, (centre, scale)) in kernels.iter_mut().zip(self.centres.iter().zip(&scales)) {
                let distance = (place - centre) * scale;
                *sum -= 0.5 * distance * distance;
            }
        }
    }

    /// Values and kernels that are equal are taken once: multiples are often the same.
    fn add_masses(&self, values: impl Iterator<Item = f64>, step: f64, by_point: &mut [Vec<f64>]) {
        let mut different: Vec<(f64, f64)> = Vec::new();
        let mut places: HashMap<(u64, u64), usize> = HashMap::new();
        let of_kernel: Vec<usize> = self
            .centres
            .iter()
            .zip(&self.widths)
            .map(|(centre, width)| {
                *places
                    .entry((centre.to_bits(), width.to_bits()))
                    .or_insert_with(|| {
                        different.push((*centre, *width));
                        different.len() - 1
                    })
            })
            .collect();
        let mut by_value: HashMap<u64, Vec<f64>> = HashMap::new();
        for (value, kernels) in values.zip(by_point) {
            let masses = by_value.entry(value.to_bits()).or_insert_with(|| {
                let left = self.domain.scaled(value - step / 2.0);
                let right = self.domain.scaled(value + step / 2.0);
                different
                    .iter()
                    .map(|(centre, width)| {
                        log_mass_between((left - centre) / width, (right - centre) / width)
                    })
                    .collect()
            });
            for (sum, place) in kernels.iter_mut().zip(&of_kernel) {
                *sum += masses[*place];
            }
        }
    }
}

impl Categorical {
    fn new(count: usize, seen: Vec<usize>) -> Self {
        // Each kernel has a share of the prior's weight for every choice, and 1 for what it has seen.
        let share = 1.0 / (seen.len() + 1) as f64;
        let sum = 1.0 + share * count as f64;
        Self {
            count,
            seen,
            of_seen: (1.0 + share) / sum,
            of_other: share / sum,
        }
    }

    fn sample(&self, kernel: usize, random: &mut Random) -> f64 {
        let Some(seen) = self.seen.get(kernel) else {
            return random.below(self.count) as f64;
        };
        let masses: Vec<f64> = (0..self.count)
            .map(|choice| {
                if choice == *seen {
                    self.of_seen
                } else {
                    self.of_other
                }
            })
            .collect();
        random.weighted(&masses) as f64
    }

    fn add(&self, values: impl Iterator<Item = f64>, by_point: &mut [Vec<f64>]) {
        let (seen_ln, other_ln) = (self.of_seen.ln(), self.of_other.ln());
        let prior_ln = -(self.count as f64).ln();
        for (value, kernels) in values.zip(by_point) {
            let choice = value as usize;
            if let Some((prior, others)) = kernels.split_last_mut() {
                *prior += prior_ln;
                for (sum, seen) in others.iter_mut().zip(&self.seen) {
                    *sum += if *seen == choice { seen_ln } else { other_ln };
                }
            }
        }
    }
}

/// The weights of so many trials, in the order of their numbers, and of the prior: their sum is 1.
fn normalized(weights: Weights, count: usize) -> Vec<f64> {
    let rising = match weights {
        Weights::ByAge => count.saturating_sub(FULL_WEIGHTS),
        Weights::Equal => 0,
    };
    // From 1/n for the first one up to 1 for the last one that rises.
    let first = 1.0 / count as f64;
    let step = if rising > 1 {
        (1.0 - first) / (rising - 1) as f64
    } else {
        0.0
    };
    let mut all: Vec<f64> = (0..count)
        .map(|at| {
            if at < rising {
                first + at as f64 * step
            } else {
                1.0
            }
        })
        .collect();
    all.push(1.0);
    let sum: f64 = all.iter().sum();
    for weight in &mut all {
        *weight /= sum;
    }
    all
}

/// ln Σ eˣ
fn log_of_sum(logarithms: &[f64]) -> f64 {
    let greatest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if greatest == f64::NEG_INFINITY {
        return greatest;
    }
    // What is so much smaller changes no digit.
    let counts = |each: &&f64| **each > greatest - 40.0;
    let sum: f64 = logarithms
        .iter()
        .filter(counts)
        .map(|each| (each - greatest).exp())
        .sum();
    greatest + sum.ln()
}
