//! CMA-ES as a searcher: generations of trials that come back when they like.

use std::collections::BTreeMap;

use crate::domain::Domain;
use crate::history::{History, State};
use crate::random::{Purpose, Random};
use crate::searcher::{Proposal, Searcher};
use crate::space::{ParameterIndex, Space};

use super::walls::{folded, unfolded};
use super::{Evolution, Kind, Margin};

/// A normal parameter is taken to be so many standard deviations wide in each direction: its ends, where hardly anything is, tell
/// nothing about where to start.
const NORMAL_REACH: f64 = 3.0;

/// No population is larger, however often it has grown: a generation of so many trials is none that anybody waits for, and all of its
/// points are kept until it is complete.
pub const POPULATION_MAX: usize = 100_000;

/// What to do when nothing more comes of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Go on.
    None,
    /// Start anywhere, with a larger population (Auger and Hansen, "A restart CMA evolution strategy with increasing population
    /// size", 2005).
    Ipop,
    /// The same, and small populations in between, which get as many trials as the large ones (Hansen, "Benchmarking a BI-population
    /// CMA-ES on the BBOB-2009 function testbed", 2009).
    Bipop,
}

/// How CMA-ES works.
#[derive(Clone, Debug, PartialEq)]
pub struct CmaOptions {
    /// Where it starts; the middle if there is nothing.
    pub start: Option<Vec<f64>>,
    /// How wide it starts, as a part of each parameter's range.
    pub sigma: f64,
    /// Points of a generation; what is usual for so many parameters if there is nothing. At least two, and at most
    /// [`POPULATION_MAX`].
    pub population: Option<usize>,
    /// See [`Restart`].
    pub restart: Restart,
    /// How many times larger the next population is.
    pub growth: usize,
    /// Whether the axes of the distribution are those of the parameters.
    pub separable: bool,
    /// Whether parameters with steps have a margin. Not together with `separable`.
    pub with_margin: bool,
    /// So many finished trials have random values before.
    pub num_startup_trials: usize,
}

impl Default for CmaOptions {
    fn default() -> Self {
        Self {
            start: None,
            sigma: 1.0 / 6.0,
            population: None,
            restart: Restart::Ipop,
            growth: 2,
            separable: false,
            with_margin: true,
            num_startup_trials: 1,
        }
    }
}

/// Proposes points of a normal distribution that adapts. For parameters that are numbers and always exist, if there are at least two of
/// them; all others are random. Only the first objective counts: by how much a trial breaks constraints does not, as in Optuna.
///
/// It learns from what it has proposed alone. If something else was tried under a trial's number, the trial is left out, and the
/// generation waits for another point: what comes of it says nothing of the point, and it is no point of the distribution itself, whose
/// steps and shape are estimated as if all were (one that lies many deviations away would blow them up). So the points of a
/// generation are those of the distribution where it is allowed, as if it had been drawn until then.
///
/// It remembers of which generation a trial is: whoever restores a search asks and tells in the same order again.
#[derive(Debug)]
pub struct Cma {
    options: CmaOptions,
    seed: u64,
    axes: Vec<Axis>,
    run: Run,
    /// By number.
    asked: BTreeMap<u64, Asked>,
}

/// What was proposed for a trial.
#[derive(Debug)]
struct Asked {
    /// The generation of all runs.
    generation: u64,
    /// Of the distribution.
    point: Vec<f64>,
    /// By axis: what the point stands for.
    values: Vec<f64>,
}

/// A parameter on the scale from 0 to 1.
#[derive(Debug)]
struct Axis {
    parameter: ParameterIndex,
    origin: f64,
    width: f64,
    low: f64,
    high: f64,
    /// The distance of its values, and how many there are, if they have a margin.
    step: Option<(f64, usize)>,
}

/// One distribution, from its start to where nothing more comes of it.
#[derive(Debug)]
struct Run {
    evolution: Evolution,
    margin: Margin,
    /// The generation of all runs.
    generation: u64,
    restarts: u64,
    /// How often the population has grown.
    growths: u32,
    is_large: bool,
    /// Trials of large and of small populations.
    used: [usize; 2],
}

impl Cma {
    /// For the parameters of a space.
    #[must_use]
    pub fn new(space: &Space, options: CmaOptions, seed: u64) -> Self {
        let axes: Vec<Axis> = (0..space.len())
            .filter(|index| space.parameters()[*index].condition.is_none())
            .filter_map(|index| Axis::new(index, space.domain(index), options.with_margin))
            .collect();
        let start = options.start.as_ref().map_or_else(
            || axes.iter().map(|_| 0.5).collect(),
            |start| {
                let place = |axis: &Axis| {
                    axis.place(space.domain(axis.parameter).scaled(start[axis.parameter]))
                };
                axes.iter().map(place).collect()
            },
        );
        let population = options
            .population
            .unwrap_or_else(|| Evolution::population_for(axes.len().max(1)))
            .min(POPULATION_MAX);
        let (evolution, margin) = distribution(&axes, start, options.sigma, population, &options);
        Self {
            run: Run {
                evolution,
                margin,
                generation: 0,
                restarts: 0,
                growths: 0,
                is_large: true,
                used: [0; 2],
            },
            options,
            seed,
            axes,
            asked: BTreeMap::new(),
        }
    }

    /// Takes in all generations that are complete.
    fn catch_up(&mut self, history: &History) {
        while let Some(points) = self.complete_generation(history) {
            let run = &mut self.run;
            run.used[usize::from(!run.is_large)] += points.len();
            run.evolution.advance(points);
            run.margin.keep(&mut run.evolution);
            run.generation += 1;
            if self.options.restart != Restart::None && run.evolution.is_exhausted() {
                self.restart();
            }
            let generation = self.run.generation;
            self.asked.retain(|_, asked| asked.generation >= generation);
        }
    }

    /// The first points of the running generation, by number, if there are enough that were tried and have a value.
    fn complete_generation(&self, history: &History) -> Option<Vec<(Vec<f64>, f64)>> {
        let population = self.run.evolution.population();
        let points: Vec<(Vec<f64>, f64)> = self
            .asked
            .iter()
            .filter(|(_, asked)| asked.generation == self.run.generation)
            .filter_map(|(number, asked)| {
                let trial = history.get(*number)?;
                let counts = trial.state == State::Complete
                    && self.axes.iter().zip(&asked.values).all(|(axis, value)| {
                        let domain = history.space().domain(axis.parameter);
                        domain.is_same(*value, trial.values[axis.parameter])
                    });
                counts.then(|| (asked.point.clone(), trial.objectives[0]))
            })
            .take(population)
            .collect();
        (points.len() == population).then_some(points)
    }

    fn restart(&mut self) {
        let run = &mut self.run;
        run.restarts += 1;
        let mut random = Random::new(self.seed, Purpose::Sequence, run.restarts);
        let start: Vec<f64> = self
            .axes
            .iter()
            .map(|axis| axis.low + random.unit() * (axis.high - axis.low))
            .collect();
        let first = self
            .options
            .population
            .unwrap_or_else(|| Evolution::population_for(self.axes.len()))
            .min(POPULATION_MAX);
        let (mut sigma, mut population) = (self.options.sigma, first);
        run.is_large = self.options.restart == Restart::Ipop || run.used[1] >= run.used[0];
        if run.is_large {
            run.growths = run.growths.saturating_add(1);
            let grown = self.options.growth.saturating_pow(run.growths);
            population = population.saturating_mul(grown).min(POPULATION_MAX);
        } else {
            // By how much the large ones have grown.
            let limit = POPULATION_MAX as f64 / first as f64;
            let largest = (self.options.growth as f64).powi(run.growths as i32);
            let largest = largest.min(limit);
            let share = random.unit();
            population = (first as f64 * (0.5 * largest).max(1.0).powf(share * share)) as usize;
            sigma *= 10_f64.powf(-2.0 * random.unit());
        }
        let (evolution, margin) = distribution(&self.axes, start, sigma, population, &self.options);
        run.evolution = evolution;
        run.margin = margin;
    }
}

impl Searcher for Cma {
    fn ask(&mut self, number: u64, history: &History) -> Proposal {
        let space = history.space();
        let mut random = Random::new(self.seed, Purpose::Sampling, number);
        let mut values = space.fill(|| random.unit());
        if self.axes.len() < 2 || history.finished() < self.options.num_startup_trials {
            return Proposal::Values(values);
        }
        self.catch_up(history);
        let mut random = Random::new(self.seed, Purpose::Model, number);
        let normals: Vec<f64> = self.axes.iter().map(|_| random.normal()).collect();
        let point = self.run.evolution.point(&normals);
        let tried = self.run.margin.encoded(&self.run.evolution, &point);
        for (axis, value) in self.axes.iter().zip(tried) {
            let domain = space.domain(axis.parameter);
            let place = axis.inside(value);
            values[axis.parameter] = domain.unscaled(axis.origin + place * axis.width);
        }
        let asked = Asked {
            generation: self.run.generation,
            point,
            values: self
                .axes
                .iter()
                .map(|axis| values[axis.parameter])
                .collect(),
        };
        self.asked.insert(number, asked);
        Proposal::Values(values)
    }
}

impl Axis {
    /// None for choices, and where there is nothing to choose.
    fn new(parameter: ParameterIndex, domain: &Domain, with_margin: bool) -> Option<Self> {
        if domain.is_single() || matches!(domain, Domain::Categorical { .. }) {
            return None;
        }
        let (mut low, mut high) = domain.bounds();
        let (mut origin, mut width) = (low, high - low);
        let mut step = None;
        match *domain {
            Domain::Normal { mean, sd, .. } => {
                origin = mean - NORMAL_REACH * sd;
                width = 2.0 * NORMAL_REACH * sd;
            }
            // A margin is for steps that are as wide everywhere, and takes their places instead of the room around them.
            Domain::Stepped {
                first,
                last,
                step: distance,
                is_log: false,
                ..
            } if with_margin => {
                low += distance / 2.0;
                high -= distance / 2.0;
                (origin, width) = (low, high - low);
                step = Some((distance / width, (last - first + 1) as usize));
            }
            _ => {}
        }
        Some(Self {
            parameter,
            origin,
            width,
            low: (low - origin) / width,
            high: (high - origin) / width,
            step,
        })
    }

    /// Where the distribution stands for a value.
    fn place(&self, scaled: f64) -> f64 {
        let place = (scaled - self.origin) / self.width;
        if self.step.is_some() {
            place
        } else {
            unfolded(place, self.low, self.high)
        }
    }

    /// Where a coordinate of the distribution lies between the ends. Those with a margin are there.
    fn inside(&self, coordinate: f64) -> f64 {
        if self.step.is_some() {
            coordinate
        } else {
            folded(coordinate, self.low, self.high)
        }
    }
}

fn distribution(
    axes: &[Axis],
    start: Vec<f64>,
    sigma: f64,
    population: usize,
    options: &CmaOptions,
) -> (Evolution, Margin) {
    let kind = if options.separable {
        Kind::Separable
    } else {
        Kind::Full
    };
    let evolution = Evolution::new(start, sigma, population.max(2), kind);
    let steps = axes.iter().enumerate().filter_map(|(at, axis)| {
        axis.step
            .map(|(distance, count)| (at, axis.low, distance, count))
    });
    let margin = Margin::new(&evolution, steps);
    (evolution, margin)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::history::Outcome;
    use crate::space::Parameter;

    fn space() -> Arc<Space> {
        let domain = Domain::Float {
            low: 0.0,
            high: 1.0,
            is_log: false,
        };
        let parameter = Parameter {
            domain,
            condition: None,
        };
        Arc::new(Space::new(vec![parameter; 3]).unwrap())
    }

    #[test]
    fn no_population_grows_beyond_its_limit() {
        for restart in [Restart::Ipop, Restart::Bipop] {
            for growth in [1, 2, 1_000, usize::MAX] {
                let options = CmaOptions {
                    restart,
                    growth,
                    ..CmaOptions::default()
                };
                let mut cma = Cma::new(&space(), options, 1);
                for at in 0..40 {
                    // Large and small ones by turns.
                    cma.run.used = if at % 2 == 0 { [0, 1] } else { [1, 0] };
                    cma.restart();
                    let population = cma.run.evolution.population();
                    assert!((2..=POPULATION_MAX).contains(&population), "{population}");
                    let is_large = cma.run.is_large && growth > 1;
                    assert!(!is_large || at < 39 || population == POPULATION_MAX);
                }
            }
        }
        let options = CmaOptions {
            population: Some(usize::MAX),
            ..CmaOptions::default()
        };
        let cma = Cma::new(&space(), options, 1);
        assert_eq!(cma.run.evolution.population(), POPULATION_MAX);
    }

    #[test]
    fn it_learns_from_what_it_has_proposed_alone() {
        let space = space();
        let mut history = History::new(Arc::clone(&space));
        let mut cma = Cma::new(&space, CmaOptions::default(), 1);
        let population = Evolution::population_for(3) as u64;
        // Something else is tried instead of every other one, which is better than all.
        for number in 0..=2 * population {
            let Proposal::Values(values) = cma.ask(number, &history) else {
                panic!("no values");
            };
            let is_own = number % 2 == 0;
            history.begin(number, if is_own { values } else { vec![0.9; 3] });
            let result = if is_own { number as f64 } else { -1.0 };
            history.end(number, Outcome::complete(vec![result]));
        }
        // The first trial is random, so the generation needs one more.
        assert_eq!(cma.run.generation, 0);
        let learnt = cma.complete_generation(&history).unwrap();
        let results: Vec<f64> = learnt.iter().map(|(_, result)| *result).collect();
        let own: Vec<f64> = (1..=population).map(|at| 2.0 * at as f64).collect();
        assert_eq!(results, own);
    }
}
