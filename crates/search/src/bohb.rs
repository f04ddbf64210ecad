//! BOHB's model: what the good trials of a budget have in common, against what its bad ones have.
//!
//! Falkner, Klein and Hutter, "BOHB: robust and efficient hyperparameter optimization at scale", 2018. Checked against the authors' own
//! `hpbandster` (`CG_BOHB`) and the `KDEMultivariate` of statsmodels that it uses. A budget is a step at which trials have reported, as
//! the rungs of HyperBand are, or their last one; the model is that of the highest budget that has enough of them.
//!
//! What is unlike the reference:
//! - A kernel of a choice knows all its values, also those that no trial has (`hpbandster` divides by 0 there), and is never wider than
//!   where all of them are alike.
//! - Densities are compared as logarithms. `hpbandster` takes what is below 10⁻³² for the same, which in twenty dimensions is nearly
//!   everything.
//! - A trial that has failed is unknown, not bad.

use std::collections::BTreeMap;

use crate::domain::Domain;
use crate::fronts::order;
use crate::history::{History, State, Trial};
use crate::normal::{LN_SQRT_2PI, quantile_between};
use crate::random::{Purpose, Random};
use crate::searcher::{Proposal, Searcher};
use crate::space::{ParameterIndex, Space};

/// How the model works.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BohbOptions {
    /// So many trials of a budget are good at least, and so many bad. Never less than there are parameters, and one: that many if there
    /// is nothing.
    pub min_points_in_model: Option<usize>,
    /// So many percent of a budget's trials are good.
    pub top_n_percent: usize,
    /// Of so many candidates the best one is proposed. At least one.
    pub num_samples: usize,
    /// So large a part of all trials is random.
    pub random_fraction: f64,
    /// Candidates of numbers are drawn from kernels that are wider by this.
    pub bandwidth_factor: f64,
    /// No kernel is narrower than this part of the domain.
    pub min_bandwidth: f64,
}

impl Default for BohbOptions {
    fn default() -> Self {
        Self {
            min_points_in_model: None,
            top_n_percent: 15,
            num_samples: 64,
            random_fraction: 1.0 / 3.0,
            bandwidth_factor: 3.0,
            min_bandwidth: 1e-3,
        }
    }
}

/// Proposes what is likelier among the good trials than among the bad ones. It has no memory of its own.
#[derive(Debug)]
pub struct Bohb {
    options: BohbOptions,
    seed: u64,
}

impl Bohb {
    /// With these options.
    #[must_use]
    pub fn new(options: BohbOptions, seed: u64) -> Self {
        Self { options, seed }
    }
}

impl Searcher for Bohb {
    fn ask(&mut self, number: u64, history: &History) -> Proposal {
        let space = history.space();
        let mut random = Random::new(self.seed, Purpose::Model, number);
        let axes = axes(space);
        let is_random = axes.is_empty() || random.unit() < self.options.random_fraction;
        let split = (!is_random).then(|| Split::new(history, axes.len(), &self.options));
        let Some(split) = split.flatten() else {
            let mut random = Random::new(self.seed, Purpose::Sampling, number);
            return Proposal::Values(space.fill(|| random.unit()));
        };
        let mut density = |trials: &[&Trial]| {
            let points = points(trials, &axes, &mut random);
            Density::new(points, &axes, self.options.min_bandwidth)
        };
        let (good, bad) = (density(&split.good), density(&split.bad));
        let mut best = Vec::new();
        let mut most = f64::NEG_INFINITY;
        for _ in 0..self.options.num_samples {
            let candidate = good.sample(self.options.bandwidth_factor, &mut random);
            let gain = good.log_density(&candidate) - bad.log_density(&candidate);
            if best.is_empty() || gain > most {
                (best, most) = (candidate, gain);
            }
        }
        let mut left_out = Random::new(self.seed, Purpose::Sampling, number);
        let mut values = space.fill_left_out(|| left_out.unit());
        for (axis, place) in axes.iter().zip(best) {
            values[axis.parameter] = axis.value(place);
        }
        space.prune(&mut values);
        Proposal::Values(values)
    }
}

/// The good and the bad trials of the highest budget that has enough.
#[derive(Debug)]
struct Split<'a> {
    good: Vec<&'a Trial>,
    bad: Vec<&'a Trial>,
}

impl<'a> Split<'a> {
    fn new(history: &'a History, dimensions: usize, options: &BohbOptions) -> Option<Self> {
        let least = options.min_points_in_model.unwrap_or(0).max(dimensions + 1);
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        for trial in history.trials() {
            each_budget(trial, |budget, _| *counts.entry(budget).or_default() += 1);
        }
        let parts = |count: usize| {
            let good = (options.top_n_percent * count / 100).max(least);
            let bad = ((100 - options.top_n_percent.min(100)) * count / 100).max(least);
            (good, bad.min(count.saturating_sub(good)))
        };
        let (budget, count) = counts
            .into_iter()
            .rev()
            .find(|(_, count)| parts(*count).1 > dimensions)?;
        let mut trials: Vec<(&Trial, f64)> = Vec::with_capacity(count);
        for trial in history.trials() {
            each_budget(trial, |its, result| {
                if its == budget {
                    trials.push((trial, result));
                }
            });
        }
        // The sort is stable: equal ones stay in the order of their numbers.
        trials.sort_by(|(a, a_result), (b, b_result)| {
            order(a.violation, b.violation).then(order(*a_result, *b_result))
        });
        let (good, bad) = parts(count);
        let mut all = trials.into_iter().map(|(trial, _)| trial);
        Some(Self {
            good: all.by_ref().take(good).collect(),
            bad: all.take(bad).collect(),
        })
    }
}

/// The budgets at which a trial has a result. What it ended with is that of its last step.
fn each_budget(trial: &Trial, mut each: impl FnMut(u64, f64)) {
    if trial.state == State::Failed {
        return;
    }
    let last = trial.objectives.first().filter(|_| trial.is_finished());
    for (step, result) in &trial.reports {
        if last.is_none() || *step != trial.last_step {
            each(*step, *result);
        }
    }
    if let Some(result) = last {
        each(trial.last_step, *result);
    }
}

/// A parameter of the model. Numbers lie between 0 and 1, on the scale on which distances are measured; choices are their indices.
#[derive(Clone, Copy, Debug)]
struct Axis<'a> {
    parameter: ParameterIndex,
    domain: &'a Domain,
    /// How many choices there are, if these are such.
    choices: Option<usize>,
}

fn axes(space: &Space) -> Vec<Axis<'_>> {
    (0..space.len())
        .map(|parameter| (parameter, space.domain(parameter)))
        .filter(|(_, domain)| !domain.is_single())
        .map(|(parameter, domain)| Axis {
            parameter,
            domain,
            choices: match *domain {
                Domain::Categorical { count } => Some(count),
                _ => None,
            },
        })
        .collect()
}

impl Axis<'_> {
    /// NaN if the trial does not have the parameter.
    fn place(&self, trial: &Trial) -> f64 {
        let value = trial.values[self.parameter];
        if self.choices.is_some() {
            return value;
        }
        let (low, high) = self.domain.bounds();
        ((self.domain.scaled(value) - low) / (high - low)).clamp(0.0, 1.0)
    }

    fn value(&self, place: f64) -> f64 {
        if self.choices.is_some() {
            return place;
        }
        let (low, high) = self.domain.bounds();
        self.domain.unscaled(low + place * (high - low))
    }

    fn random_place(&self, random: &mut Random) -> f64 {
        match self.choices {
            Some(count) => random.below(count) as f64,
            None => random.unit(),
        }
    }
}

/// The places of trials. What a trial does not have is taken from another one that has it, or is random if none has.
fn points(trials: &[&Trial], axes: &[Axis<'_>], random: &mut Random) -> Vec<Vec<f64>> {
    let known: Vec<Vec<f64>> = trials
        .iter()
        .map(|trial| axes.iter().map(|axis| axis.place(trial)).collect())
        .collect();
    let mut points = known.clone();
    for point in &mut points {
        while let Some(missing) = point.iter().position(|place| place.is_nan()) {
            let donors: Vec<&Vec<f64>> = known
                .iter()
                .filter(|point| !point[missing].is_nan())
                .collect();
            if donors.is_empty() {
                point[missing] = axes[missing].random_place(random);
                continue;
            }
            // All that it can give: what exists together stays together.
            let donor = donors[random.below(donors.len())];
            for (place, given) in point.iter_mut().zip(donor) {
                if place.is_nan() {
                    *place = *given;
                }
            }
        }
    }
    points
}

/// A mixture of a kernel for each point: a product of normal distributions, which reach beyond the ends, and for choices of the tables
/// of Aitchison and Aitken ("Multivariate binary discrimination by the kernel method", 1976).
#[derive(Debug)]
struct Density {
    points: Vec<Vec<f64>>,
    /// By parameter.
    widths: Vec<Width>,
}

#[derive(Clone, Copy, Debug)]
struct Width {
    width: f64,
    choices: Option<usize>,
    /// Where the distance is 0, and for choices also where it is not: the logarithm of what a kernel has there.
    log_at_centre: f64,
    log_elsewhere: f64,
}

impl Density {
    fn new(points: Vec<Vec<f64>>, axes: &[Axis<'_>], min_bandwidth: f64) -> Self {
        let count = points.len() as f64;
        // The normal reference rule.
        let factor = 1.06 * count.powf(-1.0 / (4 + axes.len()) as f64);
        let widths = axes
            .iter()
            .enumerate()
            .map(|(at, axis)| {
                let each = || points.iter().map(|point| point[at]);
                let mean = each().sum::<f64>() / count;
                let variance = each().map(|place| (place - mean).powi(2)).sum::<f64>() / count;
                Width::new((factor * variance.sqrt()).max(min_bandwidth), axis.choices)
            })
            .collect();
        Self { points, widths }
    }

    fn sample(&self, factor: f64, random: &mut Random) -> Vec<f64> {
        let centre = &self.points[random.below(self.points.len())];
        centre
            .iter()
            .zip(&self.widths)
            .map(|(place, width)| width.sample(*place, factor, random))
            .collect()
    }

    fn log_density(&self, point: &[f64]) -> f64 {
        let logarithms: Vec<f64> = self
            .points
            .iter()
            .map(|centre| {
                let places = centre.iter().zip(point).zip(&self.widths);
                places
                    .map(|((centre, place), width)| width.log_kernel(place - centre))
                    .sum()
            })
            .collect();
        let greatest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logarithms.iter().map(|each| (each - greatest).exp()).sum();
        greatest + (sum / self.points.len() as f64).ln()
    }
}

impl Width {
    fn new(width: f64, choices: Option<usize>) -> Self {
        let Some(count) = choices else {
            return Self {
                width,
                choices,
                log_at_centre: -width.ln() - LN_SQRT_2PI,
                log_elsewhere: f64::NEG_INFINITY,
            };
        };
        let others = (count - 1) as f64;
        let width = width.min(others / count as f64);
        Self {
            width,
            choices,
            log_at_centre: (1.0 - width).ln(),
            log_elsewhere: (width / others).ln(),
        }
    }

    fn sample(&self, centre: f64, factor: f64, random: &mut Random) -> f64 {
        match self.choices {
            Some(_) if random.unit() < 1.0 - self.width => centre,
            Some(count) => random.below(count) as f64,
            None => {
                let width = factor * self.width;
                let (a, b) = (-centre / width, (1.0 - centre) / width);
                centre + width * quantile_between(random.unit(), a, b)
            }
        }
    }

    fn log_kernel(&self, distance: f64) -> f64 {
        match self.choices {
            Some(_) if distance == 0.0 => self.log_at_centre,
            Some(_) => self.log_elsewhere,
            None => self.log_at_centre - 0.5 * (distance / self.width).powi(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fixtures {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Case {
        choices: Vec<usize>,
        points: Vec<Vec<f64>>,
        widths: Vec<f64>,
        others: Vec<Vec<f64>>,
        log_densities: Vec<f64>,
    }

    const UNIT: Domain = Domain::Float {
        low: 0.0,
        high: 1.0,
        is_log: false,
    };

    fn axis(choices: usize) -> Axis<'static> {
        Axis {
            parameter: 0,
            domain: &UNIT,
            choices: (choices > 0).then_some(choices),
        }
    }

    fn assert_near(found: f64, expected: f64) {
        let distance = (found - expected).abs();
        assert!(
            distance < 1e-10 * (1.0 + expected.abs()),
            "{found} is not {expected}"
        );
    }

    /// `tests/fixtures/statsmodels_density.py` wrote them.
    #[test]
    fn densities_are_those_of_statsmodels() {
        let text = include_str!("../tests/fixtures/statsmodels_density.json");
        let Fixtures { cases } = serde_json::from_str(text).unwrap();
        assert!(cases.len() > 4);
        for case in cases {
            let axes: Vec<Axis<'_>> = case.choices.iter().map(|count| axis(*count)).collect();
            let density = Density::new(case.points, &axes, 1e-3);
            for (width, expected) in density.widths.iter().zip(&case.widths) {
                assert_near(width.width, *expected);
            }
            for (point, expected) in case.others.iter().zip(&case.log_densities) {
                assert_near(density.log_density(point), *expected);
            }
        }
    }

    #[test]
    fn kernels_are_never_too_narrow_nor_wider_than_choices_that_are_all_alike() {
        let points = |count: usize| (0..4).map(|at| vec![(at % count) as f64]).collect();
        let same = Density::new(points(1), &[axis(0)], 0.01);
        assert_eq!(same.widths[0].width, 0.01);
        let choices = Density::new(points(2), &[axis(2)], 1e-3);
        assert!(choices.widths[0].width <= 0.5);
        // One that nobody has tried is possible, too.
        let three = Density::new(points(1), &[axis(3)], 1e-3);
        let sum: f64 = (0..3)
            .map(|choice| three.log_density(&[f64::from(choice)]).exp())
            .sum();
        assert_near(sum, 1.0);
        assert!(three.log_density(&[2.0]).is_finite());
    }

    #[test]
    fn what_a_trial_does_not_have_comes_from_one_that_has_it() {
        let trial = |values: Vec<f64>| Trial {
            number: 0,
            values,
            state: State::Running,
            objectives: Vec::new(),
            last_step: 0,
            violation: 0.0,
            reports: Vec::new(),
        };
        let axes: Vec<Axis<'_>> = (0..4)
            .map(|parameter| Axis {
                parameter,
                ..axis(0)
            })
            .collect();
        let none = f64::NAN;
        let trials = [
            trial(vec![0.1, none, none, none]),
            trial(vec![0.2, 0.3, 0.4, none]),
            trial(vec![0.5, 0.6, 0.7, none]),
        ];
        let trials: Vec<&Trial> = trials.iter().collect();
        let mut random = Random::new(1, Purpose::Model, 0);
        for _ in 0..20 {
            let points = points(&trials, &axes, &mut random);
            // Both from the same trial.
            assert!([[0.3, 0.4], [0.6, 0.7]].contains(&[points[0][1], points[0][2]]));
            assert!(points.iter().all(|point| (0.0..1.0).contains(&point[3])));
            assert_eq!(points[2][..3], [0.5, 0.6, 0.7]);
        }
    }
}
