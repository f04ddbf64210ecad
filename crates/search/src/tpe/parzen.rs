//! The density of some trials: a mixture of one kernel for each of them, and one of the whole domain, the prior.
//!
//! Optuna's `_ParzenEstimator` and `_MixtureOfProductDistribution`. A kernel is a product over its parameters: of normal distributions
//! that are cut off at the domain's ends, on the scale on which distances are measured; for multiples the mass between their half
//! steps; for choices a table. The width of a kernel is the distance to the farther one of its neighbours.

use std::f64::consts::FRAC_1_SQRT_2;

use crate::domain::Domain;
use crate::history::History;
use crate::normal::{LN_SQRT_2PI, log_mass_between, mass_below, quantile_between};
use crate::random::Random;
use crate::space::ParameterIndex;

use super::groups::has_all;
use super::observed::{Order, columns};

/// So many of the latest trials have the full weight.
const FULL_WEIGHTS: usize = 25;

/// A kernel is never narrower than this part of the domain.
const NARROWEST: f64 = 100.0;

/// What is smaller by such a factor, as a logarithm, changes no digit, also where there are a million of it.
const NEGLIGIBLE: f64 = 50.0;

/// How many deviations the ends of a uniform distribution are from its mean.
const SQRT_3: f64 = 1.732_050_807_568_877_2;

/// So many widths from an end, no mass of a kernel lies behind it.
const FAR: f64 = 7.5;

/// What is cut off of a kernel makes it at most so much likelier, as a logarithm: its centre is in the domain, and its width not more
/// than that is wide.
const CUT_MAX: f64 = 1.1;

/// None of them is narrower than a hundredth of its domain, so their product is not too small for a number.
const WIDTHS_AT_ONCE: usize = 64;

/// After so many parameters few kernels are left, as a rule.
const AXES_WITHOUT_CUTS: usize = 3;

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
        let order = Order::new(history, &trials);
        let axes = columns(history, parameters, &trials)
            .into_iter()
            .zip(parameters)
            .map(|(values, parameter)| Axis::new(history, *parameter, values, &order))
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
    /// has fallen far below the prior is left out from there on: with many parameters nearly all are after the first few. What they gain
    /// because they are cut off takes long to compute, and is asked for only of those that are left then.
    pub(super) fn log_densities(&self, points: &[Vec<f64>]) -> Vec<f64> {
        // What depends on the kernel alone is the same for all points.
        let mut constants: Vec<f64> = self.weights.iter().map(|weight| weight.ln()).collect();
        self.add_heights(&mut constants);
        let mut cuts = vec![None; constants.len()];
        let mut cut_of = |kernel: usize| {
            let cut = || self.axes.iter().map(|axis| axis.cut(kernel)).sum::<f64>();
            *cuts[kernel].get_or_insert_with(cut)
        };
        let mut add_cuts = |kernels: &mut [(u32, f64)]| {
            for (kernel, sum) in kernels {
                *sum += cut_of(*kernel as usize);
            }
        };
        let prior = constants.len() - 1;
        let cuts_max = CUT_MAX * self.axes.len() as f64;
        let mut alive: Vec<(u32, f64)> = Vec::with_capacity(constants.len());
        points
            .iter()
            .map(|point| {
                let axes = || self.axes.iter().zip(point);
                let mut of_prior = [(prior as u32, constants[prior])];
                axes().for_each(|(axis, value)| axis.add(*value, &mut of_prior));
                add_cuts(&mut of_prior);
                let floor = of_prior[0].1 - NEGLIGIBLE;
                alive.clear();
                let first = axes().take(AXES_WITHOUT_CUTS);
                for (at, (axis, value)) in first.enumerate() {
                    if at == 0 {
                        axis.start(*value, &constants, floor - cuts_max, &mut alive);
                    } else {
                        axis.narrow(*value, floor - cuts_max, &mut alive);
                    }
                }
                add_cuts(&mut alive);
                for (axis, value) in axes().skip(AXES_WITHOUT_CUTS) {
                    axis.narrow(*value, floor, &mut alive);
                }
                log_of_sum(&alive)
            })
            .collect()
    }

    /// What each kernel gains because it is narrow: one logarithm for the product of many widths.
    fn add_heights(&self, constants: &mut [f64]) {
        for axes in self.axes.chunks(WIDTHS_AT_ONCE) {
            let mut products = vec![1.0; constants.len()];
            let mut of_all = 0.0;
            for axis in axes {
                let Axis::Density(axis, _) = axis else {
                    continue;
                };
                let range = axis.high - axis.low;
                let inverse = 1.0 / range;
                of_all += range.ln() + LN_SQRT_2PI;
                for (product, width) in products.iter_mut().zip(&axis.widths) {
                    *product *= width * inverse;
                }
            }
            for (constant, product) in constants.iter_mut().zip(&products) {
                *constant -= product.ln() + of_all;
            }
        }
    }
}

impl<'a> Axis<'a> {
    fn new(
        history: &'a History,
        parameter: ParameterIndex,
        mut values: Vec<f64>,
        order: &Order,
    ) -> Self {
        let domain = history.space().domain(parameter);
        if let Domain::Categorical { count } = *domain {
            let seen = values.iter().map(|value| *value as usize).collect();
            return Self::Choice(Categorical::new(count, seen));
        }
        let (low, high) = domain.bounds();
        let sorted = order.of(history, parameter, &values);
        for value in &mut values {
            *value = domain.scaled(*value);
        }
        let mut centres = values;
        // Where values are to be expected, which for a normal distribution is not all that it may give: kernels that are as wide as
        // that know nothing of it. A uniform one between these ends has the same deviation.
        let (from, to) = match *domain {
            Domain::Normal { mean, sd, .. } => (mean - SQRT_3 * sd, mean + SQRT_3 * sd),
            _ => (low, high),
        };
        let mut widths = widths(&centres, &sorted, from, to);
        let (centre, width) = match *domain {
            // The prior is what the domain says of itself.
            Domain::Normal { mean, sd, .. } => (mean, sd),
            _ => (0.5 * (low + high), high - low),
        };
        centres.push(centre);
        widths.push(width);
        let steps = domain
            .step()
            .map(|step| Steps::new(step, &centres, &widths, &sorted));
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
                let scale = |width: &f64| FRAC_1_SQRT_2 / width;
                let scales = numeric.widths.iter().map(scale).collect();
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

    /// What a kernel gains because it is cut off: never more than [`CUT_MAX`].
    fn cut(&self, kernel: usize) -> f64 {
        match self {
            Self::Density(axis, _) | Self::Mass(axis, _) => axis.cut(kernel),
            Self::Choice(_) => 0.0,
        }
    }

    /// What a value makes of all kernels that have these constants: of those that do not fall below the floor.
    fn start(&self, value: f64, constants: &[f64], floor: f64, kernels: &mut Vec<(u32, f64)>) {
        if let Self::Density(axis, scales) = self {
            axis.start_densities(scales, value, constants, floor, kernels);
            return;
        }
        kernels.extend((0..).zip(constants.iter().copied()));
        self.narrow(value, floor, kernels);
    }

    /// What a value makes of some kernels: of those that do not fall below the floor.
    fn narrow(&self, value: f64, floor: f64, kernels: &mut Vec<(u32, f64)>) {
        if let Self::Density(axis, scales) = self {
            axis.narrow_densities(scales, value, floor, kernels);
            return;
        }
        self.add(value, kernels);
        kernels.retain(|(_, sum)| *sum >= floor);
    }

    /// What a value makes of some kernels.
    fn add(&self, value: f64, kernels: &mut [(u32, f64)]) {
        match self {
            Self::Density(axis, scales) => axis.add_densities(scales, value, kernels),
            Self::Mass(axis, steps) => axis.add_masses(steps, value, kernels),
            Self::Choice(axis) => axis.add(value, kernels),
        }
    }
}

impl Steps {
    /// `sorted` has the places of all kernels but the prior by their centre: so those that are the same stand beside each other.
    fn new(step: f64, centres: &[f64], widths: &[f64], sorted: &[u32]) -> Self {
        let mut different: Vec<(f64, f64)> = Vec::new();
        let mut places = vec![0; centres.len()];
        let prior = centres.len() - 1;
        for kernel in sorted.iter().map(|each| *each as usize).chain([prior]) {
            let shape = (centres[kernel], widths[kernel]);
            if different.last() != Some(&shape) {
                different.push(shape);
            }
            places[kernel] = different.len() - 1;
        }
        Self {
            step,
            different,
            places,
        }
    }
}

/// The distance of each observation to the farther one of its neighbours; those at the ends have one, and an only one has the ends.
/// `sorted` has the places of all observations by their value.
fn widths(centres: &[f64], sorted: &[u32], low: f64, high: f64) -> Vec<f64> {
    let range = high - low;
    let narrowest = range / NARROWEST.min(2.0 + centres.len() as f64);
    let mut widths = Vec::with_capacity(centres.len() + 1);
    if let [only] = centres {
        widths.push((only - low).max(high - only).clamp(narrowest, range));
        return widths;
    }
    widths.resize(centres.len(), 0.0);
    let centre = |each: &u32| centres[*each as usize];
    let mut before = 0.0;
    for (each, next) in sorted.iter().zip(sorted.iter().skip(1)) {
        let behind = centre(next) - centre(each);
        widths[*each as usize] = behind.max(before).clamp(narrowest, range);
        before = behind;
    }
    if let Some(last) = sorted.last() {
        widths[*last as usize] = before.clamp(narrowest, range);
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

    fn cut(&self, kernel: usize) -> f64 {
        let (centre, width) = (self.centres[kernel], self.widths[kernel]);
        let far = FAR * width;
        let (to_low, to_high) = (centre - self.low, self.high - centre);
        -match (to_low > far, to_high > far) {
            (true, true) => return 0.0,
            (true, false) => (-mass_below(-to_high / width)).ln_1p(),
            (false, true) => (-mass_below(-to_low / width)).ln_1p(),
            (false, false) => log_mass_between(-to_low / width, to_high / width),
        }
    }

    fn start_densities(
        &self,
        scales: &[f64],
        value: f64,
        constants: &[f64],
        floor: f64,
        kernels: &mut Vec<(u32, f64)>,
    ) {
        let place = self.domain.scaled(value);
        let of_kernel = self.centres.iter().zip(scales).zip(constants);
        kernels.resize(constants.len(), (0, 0.0));
        // Each is written, and kept by counting it: which ones stay can't be foreseen, by a processor neither.
        let mut kept = 0;
        for (kernel, ((centre, scale), constant)) in (0..).zip(of_kernel) {
            let distance = (place - centre) * scale;
            let sum = constant - distance * distance;
            kernels[kept] = (kernel, sum);
            kept += usize::from(sum >= floor);
        }
        kernels.truncate(kept);
    }

    fn narrow_densities(
        &self,
        scales: &[f64],
        value: f64,
        floor: f64,
        kernels: &mut Vec<(u32, f64)>,
    ) {
        let place = self.domain.scaled(value);
        let mut kept = 0;
        for at in 0..kernels.len() {
            let (kernel, sum) = kernels[at];
            let distance = (place - self.centres[kernel as usize]) * scales[kernel as usize];
            let sum = sum - distance * distance;
            kernels[kept] = (kernel, sum);
            kept += usize::from(sum >= floor);
        }
        kernels.truncate(kept);
    }

    fn add_densities(&self, scales: &[f64], value: f64, kernels: &mut [(u32, f64)]) {
        let place = self.domain.scaled(value);
        for (kernel, sum) in kernels {
            let distance = (place - self.centres[*kernel as usize]) * scales[*kernel as usize];
            *sum -= distance * distance;
        }
    }

    fn add_masses(&self, steps: &Steps, value: f64, kernels: &mut [(u32, f64)]) {
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
                *sum += masses[steps.places[*kernel as usize]];
            }
        } else {
            for (kernel, sum) in kernels {
                *sum += mass(steps.different[steps.places[*kernel as usize]]);
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

    fn add(&self, value: f64, kernels: &mut [(u32, f64)]) {
        let choice = value as usize;
        let (of_seen, of_other) = (self.of_seen.ln(), self.of_other.ln());
        let of_prior = -(self.count as f64).ln();
        for (kernel, sum) in kernels {
            *sum += match self.seen.get(*kernel as usize) {
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
fn log_of_sum(logarithms: &[(u32, f64)]) -> f64 {
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
