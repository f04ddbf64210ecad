//! A Gaussian process: a model of the metric that knows where it does not know, and a search for where the best may be improved most.
//!
//! Jones, Schonlau and Welch, "Efficient global optimization of expensive black-box functions", 1998; the kernel, the priors, what is
//! maximised and how are those of Optuna 5's `GPSampler` (`optuna/_gp`): given the same kernel, the model and the acquisition are the
//! same. Different are:
//!
//! - The kernel is fitted to the first trials by number, so many of them that only a few more than that have ended, and from the same
//!   start each time ([`fit`]); Optuna goes on from the kernel of the last proposal, which depends on how often it was asked (SE-1).
//! - Trials that run are believed to end with what is expected of them (see [`Posterior`]); Optuna averages over samples of what they may
//!   end with, which takes as many times longer.
//! - Of a constraint only the violation is known, so it is modelled as if trials that break none kept it by as much as the others break
//!   it in the median. With no violation yet there is no such model.
//! - Results that are worse than the median count by the logarithm of how much worse they are; Optuna takes all as they are.
//! - Normal parameters are searched up to three deviations from their mean.
//!
//! As in Optuna, only complete trials count, those that were pruned do not; parameters that not all of them have are random. Of several
//! objectives the first one counts.

mod acquisition;
mod ascent;
mod axes;
pub(crate) mod kernel;
pub(crate) mod likelihood;
pub(crate) mod minimizer;
pub(crate) mod panels;
mod posterior;

pub use acquisition::{Acquisition, log_chance, log_improvement};
pub use kernel::{Kernel, Points};
pub use likelihood::{Evaluation, Likelihood, NOISE_MIN, fit};
pub use posterior::{Moments, Posterior, Slopes};

use crate::history::{History, State, Trial};
use crate::random::{Purpose, Random};
use crate::searcher::{Proposal, Score, Searcher};

use self::ascent::maximize;
use self::axes::Axes;

/// Values that differ by less than this part of the largest one are the same, but for rounding.
const SAME: f64 = 1e-14;

/// Which kernel is which.
const OBJECTIVE: usize = 0;
const CONSTRAINT: usize = 1;

/// How the model works.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GpOptions {
    /// So many complete trials have random values before anything is modelled.
    pub num_startup_trials: usize,
    /// Whether the metric has no noise: the same values always have the same result.
    pub deterministic_objective: bool,
    /// So many points that fill the space are looked at first. Optuna's 2,048.
    pub candidates: usize,
    /// And from so many of them the search goes uphill. Optuna's 10.
    pub local_searches: usize,
}

impl Default for GpOptions {
    fn default() -> Self {
        Self {
            num_startup_trials: 10,
            deterministic_objective: false,
            candidates: 2_048,
            local_searches: 10,
        }
    }
}

/// See the module. What it remembers are kernels that it would find again: they save time only.
#[derive(Debug)]
pub struct Gp {
    options: GpOptions,
    seed: u64,
    /// By [`OBJECTIVE`] and [`CONSTRAINT`].
    fitted: [Option<Fitted>; 2],
}

/// A kernel, and what it was fitted to.
#[derive(Debug)]
struct Fitted {
    points: Points,
    values: Vec<f64>,
    kernel: Kernel,
}

/// A model of one number of each trial.
#[derive(Debug)]
struct Learnt {
    posterior: Posterior,
    kernel: Kernel,
    units: Units,
    /// The numbers in these units.
    values: Vec<f64>,
}

/// What is known after some trials.
#[derive(Debug)]
struct Model<'a> {
    axes: Axes<'a>,
    acquisition: Acquisition,
    /// By axis that is a number: 1 / length.
    stretch: Vec<f64>,
    /// The point of the best trial that breaks no constraint.
    best_trial: Option<Vec<f64>>,
    units: Units,
}

/// The more the better, and around 0 with a deviation of 1: a number that is bent is `centre` minus so many times `scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Units {
    bend: Option<Bend>,
    centre: f64,
    scale: f64,
}

/// What is worse than the median counts by its logarithm. Far from the optimum a metric is often larger by orders of magnitude, and
/// without this all that is good would look alike; the more trials are good, the more of what is between them is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bend {
    /// The median.
    from: f64,
    /// Its distance to the best one.
    width: f64,
}

impl Gp {
    /// A searcher that has not seen anything.
    #[must_use]
    pub fn new(options: GpOptions, seed: u64) -> Self {
        Self {
            options,
            seed,
            fitted: [None, None],
        }
    }

    /// `None` as long as values are random.
    fn model<'a>(&mut self, history: &'a History) -> Option<Model<'a>> {
        let trials = || history.trials().iter();
        let complete: Vec<&Trial> = trials()
            .filter(|trial| trial.state == State::Complete)
            .collect();
        if complete.len() < self.options.num_startup_trials.max(1) {
            return None;
        }
        let space = history.space();
        let axes = Axes::new(
            space,
            (0..space.len()).filter(|each| complete.iter().all(|trial| trial.has(*each))),
        );
        if axes.is_empty() {
            return None;
        }
        let mut points = axes.points();
        complete
            .iter()
            .for_each(|trial| axes.add(&mut points, &trial.values));
        let objectives: Vec<f64> = complete.iter().map(|trial| trial.objectives[0]).collect();
        let violations: Vec<f64> = complete.iter().map(|trial| trial.violation).collect();
        let mut running = axes.points();
        trials()
            .filter(|trial| trial.state == State::Running)
            .filter(|trial| axes.parameters().all(|each| trial.has(each)))
            .for_each(|trial| axes.add(&mut running, &trial.values));

        let objective = self.learn(OBJECTIVE, &points, &running, &objectives)?;
        let feasibility = match signed(&violations) {
            Some(signed) => {
                let learnt = self.learn(CONSTRAINT, &points, &running, &signed)?;
                Some((learnt.posterior, learnt.units.value(0.0)))
            }
            None => None,
        };
        let kept = (0..violations.len()).filter(|index| violations[*index] <= 0.0);
        let values = &objective.values;
        let best = kept.fold(None, |best: Option<usize>, index| {
            best.filter(|best| values[*best] >= values[index])
                .or(Some(index))
        });
        // What is believed to be better than all that is known is the best one: elsewhere it has to be improved.
        let is_kept: Vec<bool> = match &feasibility {
            Some((posterior, from)) => {
                let moments = posterior.moments(&running);
                moments.iter().map(|each| each.mean >= *from).collect()
            }
            None => vec![true; running.len()],
        };
        let believed = objective
            .posterior
            .moments(&running)
            .into_iter()
            .zip(is_kept);
        let believed = believed.filter(|(_, is_kept)| *is_kept);
        let best_value = best
            .map(|best| believed.fold(values[best], |best, (moments, _)| best.max(moments.mean)));
        let inverse = &objective.kernel.inverse_squared_lengths[..points.numeric];
        Some(Model {
            stretch: inverse.iter().map(|each| each.sqrt()).collect(),
            best_trial: best.map(|best| points.row(best).to_vec()),
            units: objective.units,
            acquisition: Acquisition {
                objective: objective.posterior,
                best: best_value,
                feasibility,
            },
            axes,
        })
    }

    /// Models one number of each trial, the less the better.
    fn learn(
        &mut self,
        which: usize,
        points: &Points,
        running: &Points,
        numbers: &[f64],
    ) -> Option<Learnt> {
        let count = fitted_to(numbers.len());
        let bend = if which == OBJECTIVE {
            Bend::of(&numbers[..count])
        } else {
            None
        };
        let units = Units::of(&numbers[..count], bend);
        let values: Vec<f64> = numbers.iter().map(|number| units.value(*number)).collect();
        let first = Points {
            cells: points.cells[..count * points.dimensions].to_vec(),
            ..*points
        };
        let is_known =
            |fitted: &&Fitted| fitted.points == first && fitted.values == values[..count];
        let kernel = match self.fitted[which].as_ref().filter(is_known) {
            Some(fitted) => fitted.kernel.clone(),
            None => {
                let values = values[..count].to_vec();
                let kernel = fit(&first, &values, self.options.deterministic_objective);
                self.fitted[which] = Some(Fitted {
                    points: first,
                    values,
                    kernel: kernel.clone(),
                });
                kernel
            }
        };
        let mut all = points.clone();
        all.cells.extend_from_slice(&running.cells);
        Some(Learnt {
            posterior: Posterior::new(&all, &values, &kernel)?,
            kernel,
            units,
            values,
        })
    }
}

impl Searcher for Gp {
    fn ask(&mut self, number: u64, history: &History) -> Proposal {
        let space = history.space();
        let mut random = Random::new(self.seed, Purpose::Sampling, number);
        let mut values = space.fill_all(|| random.unit());
        if let Some(model) = self.model(history) {
            let mut random = Random::new(self.seed, Purpose::Model, number);
            let point = maximize(
                &model.acquisition,
                &model.stretch,
                &model.axes,
                model.best_trial.as_deref(),
                (self.options.candidates, self.options.local_searches),
                &mut random,
            );
            model.axes.write(&point, &mut values);
        }
        space.prune(&mut values);
        Proposal::Values(values)
    }

    /// `mean` and `std` are what the model expects of the objective as the history has it, the less the better, and how little it
    /// knows: whoever maximises a metric turns the sign of both metric and `mean`, and leaves `std` as it is. Noise is in neither.
    /// `acquisition` is the natural logarithm of the expected improvement, in the units of the objective, times the chance that no
    /// constraint is broken; of that chance alone while all trials break one.
    fn score(&mut self, values: &[f64], history: &History) -> Option<Score> {
        let model = self.model(history)?;
        if model
            .axes
            .parameters()
            .any(|parameter| values[parameter].is_nan())
        {
            return None;
        }
        let mut point = model.axes.points();
        model.axes.add(&mut point, values);
        let moments = model.acquisition.objective.moments(&point)[0];
        let acquisition = model.acquisition.values(&point)[0];
        let unit = model
            .acquisition
            .best
            .map_or(0.0, |_| model.units.scale.ln());
        let (mean, slope) = model.units.number(moments.mean);
        Some(Score {
            acquisition: acquisition + unit,
            parts: vec![("mean", mean), ("std", slope * moments.variance.sqrt())],
        })
    }
}

impl Units {
    /// In which numbers have the mean 0 and the deviation 1.
    fn of(numbers: &[f64], bend: Option<Bend>) -> Self {
        let bent = |number: &f64| bend.map_or(*number, |bend| bend.bent(*number));
        let numbers: Vec<f64> = numbers.iter().map(bent).collect();
        let count = numbers.len() as f64;
        let largest = numbers
            .iter()
            .fold(0.0, |largest: f64, each| largest.max(each.abs()));
        // Squares of what is very large or small are no numbers.
        let unit = if largest > 0.0 { largest } else { 1.0 };
        let mean = numbers.iter().map(|each| each / unit).sum::<f64>() / count;
        let squares = numbers.iter().map(|each| (each / unit - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt();
        Self {
            bend,
            centre: mean * unit,
            scale: unit * if deviation > SAME { deviation } else { 1.0 },
        }
    }

    /// A number in these units.
    fn value(&self, number: f64) -> f64 {
        let bent = self.bend.map_or(number, |bend| bend.bent(number));
        (self.centre - bent) / self.scale
    }

    /// The number that is this value, and by how much it changes with it.
    fn number(&self, value: f64) -> (f64, f64) {
        let bent = self.centre - self.scale * value;
        let (number, slope) = self.bend.map_or((bent, 1.0), |bend| bend.straight(bent));
        (number, slope * self.scale)
    }
}

impl Bend {
    /// `None` if the best one is the median.
    fn of(numbers: &[f64]) -> Option<Self> {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let from = sorted[sorted.len() / 2];
        let width = from - sorted[0];
        let is_known = width > SAME * from.abs() && width.is_finite();
        is_known.then_some(Self { from, width })
    }

    fn bent(&self, number: f64) -> f64 {
        let beyond = (number - self.from) / self.width;
        if beyond > 0.0 {
            self.from + self.width * beyond.min(f64::MAX).ln_1p()
        } else {
            number
        }
    }

    /// The number that is bent to this, and how much it changes with it.
    fn straight(&self, bent: f64) -> (f64, f64) {
        let beyond = (bent - self.from) / self.width;
        if beyond > 0.0 {
            let number = self.from + self.width * beyond.exp_m1();
            (number.min(f64::MAX), beyond.exp().min(f64::MAX))
        } else {
            (bent, 1.0)
        }
    }
}

/// To how many of so many trials a kernel is fitted: to all as long as that takes no time, and later to fifteen parts of sixteen at least.
fn fitted_to(count: usize) -> usize {
    let step = if count < 32 {
        1
    } else {
        1 << (count.ilog2() - 4)
    };
    count / step * step
}

/// Violations, negative where there are none: as far from 0 as the others are in the median. `None` if nothing is broken. One that is
/// infinite, as where the metric of a constraint is missing, counts as the largest that is not.
fn signed(violations: &[f64]) -> Option<Vec<f64>> {
    let known = violations
        .iter()
        .copied()
        .filter(|each| *each > 0.0 && each.is_finite());
    let largest = known.reduce(f64::max).unwrap_or(1.0);
    let violations: Vec<f64> = violations.iter().map(|each| each.min(largest)).collect();
    let mut broken: Vec<f64> = violations
        .iter()
        .copied()
        .filter(|each| *each > 0.0)
        .collect();
    broken.sort_by(f64::total_cmp);
    let median = *broken.get(broken.len() / 2)?;
    Some(
        violations
            .iter()
            .map(|each| if *each > 0.0 { *each } else { -median })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_any_size() {
        for factor in [1e-300, 1.0, 1e307] {
            let units = Units::of(&[factor, 3.0 * factor], None);
            assert!(
                (units.centre / factor - 2.0).abs() < 1e-12
                    && (units.scale / factor - 1.0).abs() < 1e-12
            );
        }
        assert_eq!(Units::of(&[0.0, 0.0], None).scale, 1.0);
        let same = Units::of(&[0.1; 7], None);
        assert!((same.centre - 0.1).abs() < 1e-16 && same.scale == 0.1);
    }

    #[test]
    fn what_is_worse_than_the_median_is_bent_and_back() {
        let numbers = [5.0, 1.0, 4.0, 1e6, f64::MAX, -2.0, 30.0];
        let bend = Bend::of(&numbers).unwrap();
        assert_eq!((bend.from, bend.width), (5.0, 7.0));
        let units = Units::of(&numbers, Some(bend));
        let values = numbers.map(|number| units.value(number));
        for (number, value) in numbers.into_iter().zip(values) {
            assert!(value.is_finite());
            let (back, slope) = units.number(value);
            assert!(
                (back - number).abs() <= 1e-9 * number.abs(),
                "{back} is not {number}"
            );
            assert!(slope >= units.scale);
            for (other, other_value) in numbers.into_iter().zip(values) {
                assert_eq!(number < other, value > other_value);
            }
        }
        assert_eq!(Bend::of(&[2.0, 2.0, 3.0]), None);
    }

    #[test]
    fn a_kernel_lasts_for_a_few_trials() {
        let counts = [1, 31, 32, 33, 34, 67, 68, 500, 511, 512, 2_000];
        assert_eq!(
            counts.map(fitted_to),
            [1, 31, 32, 32, 34, 64, 68, 496, 496, 512, 1_984]
        );
    }

    #[test]
    fn constraints_have_two_sides() {
        assert_eq!(signed(&[0.0, 0.0]), None);
        assert_eq!(
            signed(&[0.0, 3.0, 1.0, 0.0, 2.0]),
            Some(vec![-2.0, 3.0, 1.0, -2.0, 2.0])
        );
        let unknown = f64::INFINITY;
        assert_eq!(
            signed(&[0.0, unknown, 3.0, unknown, 2.0]),
            Some(vec![-3.0, 3.0, 3.0, 3.0, 2.0])
        );
        assert_eq!(signed(&[unknown, 0.0]), Some(vec![1.0, -1.0]));
    }
}
