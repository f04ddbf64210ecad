//! PED-ANOVA: how differently the good trials are distributed from all of them, one parameter at a time.
//!
//! Watanabe, Bansal and Hutter, "PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary subspaces", 2023; for
//! parameters that not all trials have, Baba and Watanabe, "Conditional PED-ANOVA", 2026. Everything is as in Optuna 5's
//! `PedAnovaImportanceEvaluator` with its defaults.

use crate::domain::Domain;
use crate::fronts::order;
use crate::history::{History, Trial};
use crate::normal::{log_mass_between, mass_below};
use crate::space::ParameterIndex;

use super::{Importances, assessed, shares};

/// So large a part of all trials is good.
const GOOD: f64 = 0.1;

/// A numeric domain is cut into so many places at most.
const PLACES: usize = 50;

/// With fewer trials that have it, a parameter has no importance.
const TRIALS_MIN: usize = 2;

/// Keeps apart from 0 what is divided by.
const TINY: f64 = 1e-12;

/// Widths of kernels are never below: nine tenths of such a kernel lie at its place.
const NARROWEST: f64 = 0.5 / 1.64;

/// The part of each parameter in being good at one metric. `None` for those that no complete trial has. If nothing distinguishes the
/// good trials, or there is only one, all parts are equal.
#[must_use]
pub fn ped_anova(history: &History, metric: usize) -> Importances {
    let trials = assessed(history, metric);
    let is_good = good_ones(&trials);
    let space = history.space();
    let parts = (0..space.len())
        .map(|parameter| importance(space.domain(parameter), parameter, &trials, &is_good))
        .collect();
    shares(parts)
}

/// Whether each trial is among the best, those that equal the last one of these included.
fn good_ones(trials: &[(&Trial, f64)]) -> Vec<bool> {
    let mut sorted: Vec<f64> = trials.iter().map(|(_, result)| *result).collect();
    sorted.sort_unstable_by(|a, b| order(*a, *b));
    let wanted = (GOOD * sorted.len() as f64).ceil() as usize;
    let last = wanted.checked_sub(1).map(|at| sorted[at]);
    trials
        .iter()
        .map(|(_, result)| Some(*result) <= last)
        .collect()
}

/// Up to a factor that all parameters have in common.
fn importance(
    domain: &Domain,
    parameter: ParameterIndex,
    trials: &[(&Trial, f64)],
    is_good: &[bool],
) -> Option<f64> {
    let scale = Scale::new(domain);
    let (mut of_all, mut of_good) = (vec![0; scale.places], vec![0; scale.places]);
    for ((trial, _), is_good) in trials.iter().zip(is_good) {
        if trial.has(parameter) {
            let place = scale.place(domain, trial.values[parameter]);
            of_all[place] += 1;
            of_good[place] += usize::from(*is_good);
        }
    }
    let (all, good): (usize, usize) = (of_all.iter().sum(), of_good.iter().sum());
    if all == 0 {
        return None;
    }
    if domain.is_single() || all < TRIALS_MIN || good == 0 {
        return Some(0.0);
    }
    let share_of_all = all as f64 / trials.len() as f64;
    let share_of_good = good as f64 / is_good.iter().filter(|is_good| **is_good).count() as f64;
    let masses = |counts: &[usize]| match domain {
        Domain::Categorical { .. } => masses_of_choices(counts),
        _ => masses_of_places(counts),
    };
    let divergence = pearson_divergence(&masses(&of_good), &masses(&of_all));
    Some(share_of_good * share_of_good / share_of_all * divergence)
}

/// Where values are counted: the choices, or the places of a grid from one end of the domain to the other.
struct Scale {
    places: usize,
    low: f64,
    /// From place to place.
    width: f64,
}

impl Scale {
    fn new(domain: &Domain) -> Self {
        let (low, high) = (
            position(domain, domain.nearest(f64::NEG_INFINITY)),
            match domain {
                // The end itself, though it is no value.
                Domain::Float { .. } => domain.bounds().1,
                _ => position(domain, domain.nearest(f64::INFINITY)),
            },
        );
        let places = match *domain {
            Domain::Categorical { count } => count,
            Domain::Float { .. } | Domain::Normal { .. } => PLACES,
            Domain::Stepped {
                first,
                last,
                is_log,
                ..
            } => {
                let count = (last - first) as f64 + 1.0;
                let wanted = if is_log {
                    (count.ln() / 2.0_f64.ln()).ceil() + 1.0
                } else {
                    count
                };
                wanted.min(PLACES as f64) as usize
            }
        };
        Self {
            places,
            low,
            width: (high - low) / (places as f64 - 1.0),
        }
    }

    /// The nearest place; in the middle of two the lower one.
    fn place(&self, domain: &Domain, value: f64) -> usize {
        if matches!(domain, Domain::Categorical { .. }) {
            return value as usize;
        }
        if self.places == 1 {
            return 0;
        }
        let place = ((position(domain, value) - self.low) / self.width - 0.5).ceil();
        place.clamp(0.0, (self.places - 1) as f64) as usize
    }
}

/// A value on the scale on which all parts of the domain are as likely. Optuna has no normal parameters: theirs is that of the mass.
fn position(domain: &Domain, value: f64) -> f64 {
    match *domain {
        Domain::Normal { mean, sd, .. } => mass_below((value - mean) / sd),
        _ => domain.scaled(value),
    }
}

/// The mixture of a kernel for each choice that was seen, and of one for all of them, the prior.
fn masses_of_choices(counts: &[usize]) -> Vec<f64> {
    let total: usize = counts.iter().sum();
    let different = counts.iter().filter(|count| **count > 0).count();
    let of_prior = 1.0 / (total + 1) as f64;
    // Each kernel has a share of the prior's weight for every choice, and 1 for what it has seen.
    let share = 1.0 / (different + 1) as f64;
    let whole = 1.0 + share * counts.len() as f64;
    counts
        .iter()
        .map(|count| {
            let seen = *count as f64 * of_prior;
            (share * (1.0 - of_prior) + seen) / whole + of_prior / counts.len() as f64
        })
        .collect()
}

/// The mixture of a normal kernel for each place that was seen, cut off at the ends, and of a wide one in the middle, the prior.
fn masses_of_places(counts: &[usize]) -> Vec<f64> {
    let total: usize = counts.iter().sum();
    let narrow = Kernel::new(scott_width(counts), counts.len());
    let mut masses = vec![0.0; counts.len()];
    for (centre, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let weight = *count as f64 / (total + 1) as f64 / narrow.whole(centre);
        for (place, mass) in masses.iter_mut().enumerate() {
            *mass += weight * narrow.mass[place.abs_diff(centre)];
        }
    }
    let (centre, width) = ((counts.len() - 1) as f64 / 2.0, counts.len() as f64);
    let between = |a: f64, b: f64| log_mass_between((a - centre) / width, (b - centre) / width);
    let whole = between(-0.5, width - 0.5);
    for (place, mass) in masses.iter_mut().enumerate() {
        let place = place as f64;
        *mass += (between(place - 0.5, place + 0.5) - whole).exp() / (total + 1) as f64;
    }
    masses
}

/// A kernel of some width: by distance from its centre.
struct Kernel {
    /// What lies at a place.
    mass: Vec<f64>,
    /// What lies at all places up to one, without that of the centre.
    up_to: Vec<f64>,
}

impl Kernel {
    fn new(width: f64, places: usize) -> Self {
        let mass: Vec<f64> = (0..places)
            .map(|distance| {
                let distance = distance as f64;
                log_mass_between((distance - 0.5) / width, (distance + 0.5) / width).exp()
            })
            .collect();
        let mut sum = 0.0;
        let up_to = mass
            .iter()
            .enumerate()
            .map(|(distance, mass)| {
                sum += if distance > 0 { *mass } else { 0.0 };
                sum
            })
            .collect();
        Self { mass, up_to }
    }

    /// What lies between the ends, if the centre is at a place.
    fn whole(&self, centre: usize) -> f64 {
        self.mass[0] + self.up_to[centre] + self.up_to[self.mass.len() - 1 - centre]
    }
}

/// Scott, "Multivariate density estimation", 1992: from the deviation, or the distance of the quartiles if that is less.
fn scott_width(counts: &[usize]) -> f64 {
    let total: usize = counts.iter().sum();
    let count = total as f64;
    let each = || {
        counts
            .iter()
            .enumerate()
            .map(|(at, n)| (at as f64, *n as f64))
    };
    let mean = each().map(|(at, n)| at * n).sum::<f64>() / count;
    let squares: f64 = each().map(|(at, n)| (at - mean) * (at - mean) * n).sum();
    let deviation = (squares / (count - 1.0).max(1.0)).sqrt();
    // The places that were seen, each with how many trials are there or before.
    let mut before = 0;
    let mut seen = Vec::new();
    for (at, n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
        before += n;
        seen.push((at, before));
    }
    let last = seen.len() - 1;
    let first_quartile = seen.partition_point(|(_, before)| *before < total / 4);
    let third_quartile = seen.partition_point(|(_, before)| *before <= total * 3 / 4);
    let between = seen[third_quartile.min(last)].0 as f64 - seen[first_quartile].0 as f64;
    (1.059 * (between / 1.34).min(deviation) * count.powf(-0.2)).max(NARROWEST)
}

fn pearson_divergence(of_good: &[f64], of_all: &[f64]) -> f64 {
    of_good
        .iter()
        .zip(of_all)
        .map(|(good, all)| {
            let (good, all) = (good + TINY, all + TINY);
            all * (good / all - 1.0).powi(2)
        })
        .sum()
}
