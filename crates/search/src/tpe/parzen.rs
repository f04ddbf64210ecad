//! The density of some trials: a mixture of one kernel for each of them, and one of the whole domain, the prior.
//!
//! Optuna's `_ParzenEstimator` and `_MixtureOfProductDistribution`. A kernel is a product over its parameters: of normal distributions
//! that are cut off at the domain's ends, on the scale on which distances are measured; for multiples the mass between their half
//! steps; for choices a table. The width of a kernel is the distance to the farther one of its neighbours.

use std::collections::HashMap;
use std::f64::consts::FRAC_1_SQRT_2;

use crate::domain::Domain;
use crate::history::{History, Trial};
use crate::normal::{LN_SQRT_2PI, log_mass_between, mass_below, quantile_between};
use crate::random::Random;
use crate::space::ParameterIndex;

use super::groups::has_all;

/// So many of the latest trials have the full weight.
const FULL_WEIGHTS: usize = 25;

/// A kernel is never narrower than this part of the domain.
const NARROWEST: f64 = 100.0;

/// What is smaller by such a factor, as a logarithm, changes no digit, also where there are a million of it.
const NEGLIGIBLE: f64 = 50.0;

/// So many widths from an end, no mass of a kernel lies behind it.
const FAR: f64 = 7.5;

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

/// The factors of all kernels for one parameter, as logarithms that are never positive: what makes them so is in the constants.
#[derive(Debug)]
enum Axis<'a> {
    /// With the root of a half over the width of each kernel: what a distance is multiplied by.
    Density(Numeric<'a>, Vec<f64>),
    Mass(Numeric<'a>, Steps),
    Choice(Categorical),
}

#[derive(Debug)]
struct Numeric<'a> {
    domain: &'a Domain,
    low: f64,
    high: f64,
    centres: Vec<f64>,
    widths: Vec<f64>,
}

/// Kernels of multiples are often the same.
#[derive(Debug)]
struct Steps {
    step: f64,
    /// Centres and widths of those that differ.
    different: Vec<(f64, f64)>,
    /// By kernel: its place among these.
    places: Vec<usize>,
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
        let mut kernel_of = vec![None; history.trials().len()];
        for (kernel, place) in trials.iter().enumerate() {
            kernel_of[*place] = Some(kernel);
        }
        let axes = parameters
            .iter()
            .map(|parameter| Axis::new(history, *parameter, &trials, &kernel_of))
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
            .map(|axis| axis.sample(kernel, random))
            .collect()
    }

    /// The logarithm of the density at each point.
    ///
    /// Every parameter makes a kernel only less likely than its constants say, and the prior is likely everywhere. So a kernel that
    /// has fallen far below the prior is left out from there on: with many parameters nearly all are after the first few.
    pub(super) fn log_densities(&self, points: &[Vec<f64>]) -> Vec<f64> {
        // What depends on the kernel alone is the same for all points.
        let mut constants: Vec<f64> = self.weights.iter().map(|weight| weight.ln()).collect();
        for axis in &self.axes {
            axis.add_constants(&mut constants);
        }
        let prior = constants.len() - 1;
        let mut alive: Vec<(usize, f64)> = Vec::with_capacity(constants.len());
        points
            .iter()
            .map(|point| {
                let axes = || self.axes.iter().zip(point);
                let mut of_prior = [(prior, constants[prior])];
                axes().for_each(|(axis, value)| axis.add(*value, &mut of_prior));
                let floor = of_prior[0].1 - NEGLIGIBLE;
                alive.clear();
                alive.extend(constants.iter().copied().enumerate());
                for (axis, value) in axes() {
                    axis.add(*value, &mut alive);
                    alive.retain(|(_, sum)| *sum >= floor);
                }
                log_of_sum(&alive)
            })
            .collect()
    }
}

impl<'a> Axis<'a> {
    /// `kernel_of` has the place among the trials for each place in the history.
    fn new(
        history: &'a History,
        parameter: ParameterIndex,
        trials: &[usize],
        kernel_of: &[Option<usize>],
    ) -> Self {
        let domain = history.space().domain(parameter);
        let value = |trial: &Trial| trial.values[parameter];
        if let Domain::Categorical { count } = *domain {
            let seen = trials
                .iter()
                .map(|place| value(&history.trials()[*place]) as usize)
                .collect();
            return Self::Choice(Categorical::new(count, seen));
        }
        let (low, high) = domain.bounds();
        let mut centres: Vec<f64> = trials
            .iter()
            .map(|place| domain.scaled(value(&history.trials()[*place])))
            .collect();
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
        let steps = domain
            .step()
            .map(|step| Steps::new(step, &centres, &widths));
        let numeric = Numeric {
            domain,
            low,
            high,
            centres,
            widths,
        };
        match steps {
            Some(steps) => Self::Mass(numeric, steps),
            None => {
                let scales = numeric.widths.iter().map(|width| FRAC_1_SQRT_2 / width);
                let scales = scales.collect();
                Self::Density(numeric, scales)
            }
        }
    }

    fn sample(&self, kernel: usize, random: &mut Random) -> f64 {
        match self {
            Self::Density(axis, _) | Self::Mass(axis, _) => axis.sample(kernel, random),
            Self::Choice(axis) => axis.sample(kernel, random),
        }
    }

    /// What each kernel gains because it is cut off, and for densities because it is narrow.
    fn add_constants(&self, constants: &mut [f64]) {
        match self {
            Self::Density(axis, _) => {
                axis.add_cut(constants);
                axis.add_heights(constants);
            }
            Self::Mass(axis, _) => axis.add_cut(constants),
            Self::Choice(_) => {}
        }
    }

    /// What a value makes of some kernels.
    fn add(&self, value: f64, kernels: &mut [(usize, f64)]) {
        match self {
            Self::Density(axis, scales) => axis.add_densities(scales, value, kernels),
            Self::Mass(axis, steps) => axis.add_masses(steps, value, kernels),
            Self::Choice(axis) => axis.add(value, kernels),
        }
    }
}

impl Steps {
    fn new(step: f64, centres: &[f64], widths: &[f64]) -> Self {
        let mut different: Vec<(f64, f64)> = Vec::new();
        let mut known: HashMap<(u64, u64), usize> = HashMap::new();
        let places = centres
            .iter()
            .zip(widths)
            .map(|(centre, width)| {
                let key = (centre.to_bits(), width.to_bits());
                *known.entry(key).or_insert_with(|| {
                    different.push((*centre, *width));
                    different.len() - 1
                })
            })
            .collect();
        Self {
            step,
            different,
            places,
        }
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

    fn add_cut(&self, constants: &mut [f64]) {
        for (constant, (centre, width)) in constants.iter_mut().zip(self.kernels()) {
            let (a, b) = ((self.low - centre) / width, (self.high - centre) / width);
            // Most kernels are far from both ends, or from one.
            *constant -= match (a < -FAR, b > FAR) {
                (true, true) => 0.0,
                (true, false) => (-mass_below(-b)).ln_1p(),
                (false, true) => (-mass_below(a)).ln_1p(),
                (false, false) => log_mass_between(a, b),
            };
        }
    }

    fn add_heights(&self, constants: &mut [f64]) {
        let mut known = (f64::NAN, f64::NAN);
        for (constant, width) in constants.iter_mut().zip(&self.widths) {
            // Most kernels are of the least width.
            if known.0 != *width {
                known = (*width, width.ln());
            }
            *constant -= known.1 + LN_SQRT_2PI;
        }
    }

    fn add_densities(&self, scales: &[f64], value: f64, kernels: &mut [(usize, f64)]) {
        let place = self.domain.scaled(value);
        for (kernel, sum) in kernels {
            let distance = (place - self.centres[*kernel]) * scales[*kernel];
            *sum -= distance * distance;
        }
    }

    fn add_masses(&self, steps: &Steps, value: f64, kernels: &mut [(usize, f64)]) {
        let half = steps.step / 2.0;
        let (left, right) = (
            self.domain.scaled(value - half),
            self.domain.scaled(value + half),
        );
        let mass = |(centre, width): (f64, f64)| {
            log_mass_between((left - centre) / width, (right - centre) / width)
        };
        // Each once, unless few are left.
        if kernels.len() > steps.different.len() {
            let masses: Vec<f64> = steps.different.iter().copied().map(mass).collect();
            for (kernel, sum) in kernels {
                *sum += masses[steps.places[*kernel]];
            }
        } else {
            for (kernel, sum) in kernels {
                *sum += mass(steps.different[steps.places[*kernel]]);
            }
        }
    }

    fn kernels(&self) -> impl Iterator<Item = (f64, f64)> {
        self.centres
            .iter()
            .copied()
            .zip(self.widths.iter().copied())
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

    fn add(&self, value: f64, kernels: &mut [(usize, f64)]) {
        let choice = value as usize;
        let (of_seen, of_other) = (self.of_seen.ln(), self.of_other.ln());
        let of_prior = -(self.count as f64).ln();
        for (kernel, sum) in kernels {
            *sum += match self.seen.get(*kernel) {
                Some(seen) if *seen == choice => of_seen,
                Some(_) => of_other,
                None => of_prior,
            };
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
fn log_of_sum(logarithms: &[(usize, f64)]) -> f64 {
    let each = || logarithms.iter().map(|(_, logarithm)| *logarithm);
    let greatest = each().fold(f64::NEG_INFINITY, f64::max);
    if greatest == f64::NEG_INFINITY {
        return greatest;
    }
    greatest
        + each()
            .map(|logarithm| (logarithm - greatest).exp())
            .sum::<f64>()
            .ln()
}
