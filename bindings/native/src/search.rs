//! Search algorithms for tuning: numbers in, numbers out. Which parameter is called what, and what a choice stands for, is
//! known in TypeScript only.

use std::sync::Arc;

use eagleray_search::bohb::{Bohb, BohbOptions};
use eagleray_search::cma::{Cma, CmaOptions, Restart};
use eagleray_search::domain::Domain;
use eagleray_search::fronts;
use eagleray_search::gp::{Gp, GpOptions};
use eagleray_search::grid::Grid;
use eagleray_search::history::{History, Outcome, State};
use eagleray_search::hypervolume;
use eagleray_search::importances;
use eagleray_search::nsga2::{Crossover, Nsga2, Nsga2Options};
use eagleray_search::pb2;
use eagleray_search::quasi_random::{Halton, QuasiRandomSearch, Sobol};
use eagleray_search::random::{Purpose, Random};
use eagleray_search::random_search::RandomSearch;
use eagleray_search::searcher::{Proposal, Searcher};
use eagleray_search::space::{Condition, Parameter, Space};
use eagleray_search::tpe::{Tpe, TpeOptions};
use napi::bindgen_prelude::*;
use napi_derive::napi;

/// Further draws of one trial, at most: see `sample`.
const DRAWS_MAX: u64 = 1 << 10;

/// A parameter's values, by `form`: `float`, `multiples`, `normal` or `choice`. The fields of other forms are 0.
#[napi(object)]
pub struct SearchParameter {
    pub form: String,
    pub low: f64,
    pub high: f64,
    pub first: f64,
    pub last: f64,
    pub step: f64,
    pub digits: u32,
    pub is_log: bool,
    pub mean: f64,
    pub sd: f64,
    pub count: u32,
    /// The choice that it depends on; -1 for none.
    pub condition_parameter: i32,
    pub condition_choice: u32,
}

/// An algorithm by its name, and all of its options; those of other algorithms are not looked at.
#[napi(object)]
pub struct SearchAlgorithm {
    pub name: String,
    pub shuffle: Option<bool>,
    pub scramble: Option<bool>,
    pub num_startup_trials: Option<u32>,
    pub num_ei_candidates: Option<u32>,
    pub multivariate: Option<bool>,
    pub group: Option<bool>,
    pub constant_liar: Option<bool>,
    /// Places on the parameters' own scales.
    pub start: Option<Vec<f64>>,
    pub sigma: Option<f64>,
    pub population: Option<u32>,
    pub restart: Option<String>,
    pub growth: Option<u32>,
    pub separable: Option<bool>,
    pub with_margin: Option<bool>,
    pub crossover: Option<String>,
    pub crossover_prob: Option<f64>,
    pub swapping_prob: Option<f64>,
    pub mutation_prob: Option<f64>,
    pub deterministic_objective: Option<bool>,
    pub min_points_in_model: Option<u32>,
    pub top_n_percent: Option<u32>,
    pub num_samples: Option<u32>,
    pub random_fraction: Option<f64>,
    pub bandwidth_factor: Option<f64>,
    pub min_bandwidth: Option<f64>,
}

/// What a searcher thinks of values.
#[napi(object)]
pub struct SearchScore {
    pub acquisition: f64,
    pub parts: Vec<ScorePart>,
}

/// One of the numbers that a score is made of.
#[napi(object)]
pub struct ScorePart {
    pub name: String,
    pub value: f64,
}

/// A search algorithm with all that it was told.
#[napi]
pub struct SearchEngine {
    history: History,
    searcher: Box<dyn Searcher>,
    seed: u64,
}

#[napi]
impl SearchEngine {
    #[napi(constructor, catch_unwind)]
    pub fn new(
        parameters: Vec<SearchParameter>,
        algorithm: SearchAlgorithm,
        metrics: u32,
        seed: f64,
    ) -> Result<Self> {
        let parameters = parameters
            .iter()
            .map(parameter)
            .collect::<Result<Vec<_>>>()?;
        let space = Arc::new(Space::new(parameters).map_err(Error::from_reason)?);
        let seed = seed as u64;
        Ok(Self {
            searcher: searcher(&algorithm, &space, metrics as usize, seed)?,
            history: History::new(space),
            seed,
        })
    }

    /// Writes the values for a trial into the target. 1: not before further trials are told; 2: there is nothing left.
    #[napi(catch_unwind)]
    pub fn ask(&mut self, number: f64, mut target: Float64ArraySlice) -> Result<u32> {
        match self.searcher.ask(number as u64, &self.history) {
            Proposal::Values(values) => {
                write(&values, &mut target)?;
                Ok(0)
            }
            Proposal::Wait => Ok(1),
            Proposal::Done => Ok(2),
        }
    }

    /// Writes random values for a trial into the target: others for each attempt.
    #[napi(catch_unwind)]
    pub fn sample(
        &mut self,
        number: f64,
        attempt: u32,
        mut target: Float64ArraySlice,
    ) -> Result<()> {
        let draw = (number as u64) * DRAWS_MAX + u64::from(attempt) % DRAWS_MAX;
        let mut random = Random::new(self.seed, Purpose::Redrawing, draw);
        let values = self.history.space().fill(|| random.unit());
        write(&values, &mut target)
    }

    /// A trial has begun, with these values.
    #[napi(catch_unwind)]
    pub fn begin(&mut self, number: f64, values: Float64ArraySlice) -> Result<()> {
        if values.len() != self.history.space().len() {
            return Err(Error::from_reason("there is a value for each parameter"));
        }
        self.history.begin(number as u64, values.to_vec());
        Ok(())
    }

    /// What has come of a trial, for the first time or instead of what was told: 1 complete, 2 pruned, 3 failed. The objectives are the
    /// better the less they are.
    #[napi(catch_unwind)]
    pub fn end(
        &mut self,
        number: f64,
        state: u32,
        objectives: Vec<f64>,
        last_step: f64,
        violation: f64,
    ) -> Result<bool> {
        let outcome = outcome(state, objectives, last_step, violation)?;
        Ok(self.history.end(number as u64, outcome))
    }

    /// A trial that runs has got to a step.
    #[napi(catch_unwind)]
    pub fn report(&mut self, number: f64, step: f64, objective: f64) -> bool {
        self.history.report(number as u64, step as u64, objective)
    }

    /// How much of the first metric depends on each parameter: NaN where nothing can be said.
    #[napi(catch_unwind)]
    pub fn importances(&self, evaluator: String) -> Result<Vec<f64>> {
        let parts = match evaluator.as_str() {
            "pedAnova" => importances::ped_anova(&self.history, 0),
            "fanova" => importances::fanova(&self.history, 0, self.seed)
                .map_err(|error| Error::from_reason(error.to_string()))?,
            other => return Err(Error::from_reason(format!("{other} is no evaluator"))),
        };
        Ok(parts
            .into_iter()
            .map(|part| part.unwrap_or(f64::NAN))
            .collect())
    }

    /// A trial never was.
    #[napi(catch_unwind)]
    pub fn forget(&mut self, number: f64) {
        self.history.forget(number as u64);
    }

    /// What the searcher now thinks of values; null while it has no opinion.
    #[napi(catch_unwind)]
    pub fn score(&mut self, values: Float64ArraySlice) -> Option<SearchScore> {
        let score = self.searcher.score(&values, &self.history)?;
        Some(SearchScore {
            acquisition: score.acquisition,
            parts: score
                .parts
                .into_iter()
                .map(|(name, value)| ScorePart {
                    name: name.to_owned(),
                    value,
                })
                .collect(),
        })
    }
}

/// The volume that points dominate up to a reference; all is the better the less it is.
#[napi(catch_unwind)]
pub fn hypervolume_of(points: Vec<Vec<f64>>, reference: Vec<f64>) -> f64 {
    let points: Vec<&[f64]> = points.iter().map(Vec::as_slice).collect();
    hypervolume::hypervolume(&points, &reference)
}

/// The places of the points that no other one dominates.
#[napi(catch_unwind)]
pub fn first_front_of(points: Vec<Vec<f64>>) -> Vec<u32> {
    let points: Vec<&[f64]> = points.iter().map(Vec::as_slice).collect();
    fronts::fronts(&points, 1)
        .into_iter()
        .enumerate()
        .filter(|(_, front)| *front == 0)
        .map(|(place, _)| place as u32)
        .collect()
}

/// Where the next period of a population begins.
#[napi(object)]
pub struct BanditQuestion {
    /// The hyper-parameters of periods that began at the same time.
    pub running: Vec<Vec<f64>>,
    pub time: f64,
    pub reward: f64,
    pub seed: f64,
    /// Which time something is asked.
    pub number: f64,
}

/// What a population has gained so far.
#[napi]
pub struct BanditPopulation {
    population: pb2::Population,
    size: usize,
}

#[napi]
impl BanditPopulation {
    /// With the least and the greatest value of each hyper-parameter.
    #[napi(constructor, catch_unwind)]
    pub fn new(low: Vec<f64>, high: Vec<f64>) -> Result<Self> {
        if low.len() != high.len() {
            return Err(not_whole());
        }
        Ok(Self {
            size: low.len(),
            population: pb2::Population::new(low.into_iter().zip(high).collect()),
        })
    }

    /// A period has ended: when, the reward at its beginning, how much it has risen in a unit of time, and its hyper-parameters.
    #[napi(catch_unwind)]
    pub fn observe(&mut self, time: f64, reward: f64, change: f64, values: Vec<f64>) -> Result<()> {
        if values.len() != self.size {
            return Err(not_whole());
        }
        self.population.observe(pb2::Period {
            time,
            reward,
            change,
            values,
        });
        Ok(())
    }

    /// The hyper-parameters for the next period; null if nothing is known.
    #[napi(catch_unwind)]
    pub fn next(&mut self, question: BanditQuestion) -> Result<Option<Vec<f64>>> {
        if question.running.iter().any(|each| each.len() != self.size) {
            return Err(not_whole());
        }
        let start = pb2::Start {
            time: question.time,
            reward: question.reward,
        };
        let (seed, number) = (question.seed as u64, question.number as u64);
        Ok(self
            .population
            .explore(&question.running, start, seed, number))
    }
}

fn not_whole() -> Error {
    Error::from_reason("there is a value for each hyper-parameter")
}

fn parameter(given: &SearchParameter) -> Result<Parameter> {
    let domain = match given.form.as_str() {
        "float" => Domain::Float {
            low: given.low,
            high: given.high,
            is_log: given.is_log,
        },
        "multiples" => Domain::Stepped {
            first: given.first as i64,
            last: given.last as i64,
            step: given.step,
            digits: u8::try_from(given.digits).unwrap_or(u8::MAX),
            is_log: given.is_log,
        },
        "normal" => Domain::Normal {
            mean: given.mean,
            sd: given.sd,
            rounding: (given.step > 0.0).then_some(given.step),
        },
        "choice" => Domain::Categorical {
            count: given.count.max(1) as usize,
        },
        other => return Err(Error::from_reason(format!("{other} is no form of values"))),
    };
    let condition = usize::try_from(given.condition_parameter)
        .ok()
        .map(|parameter| Condition {
            parameter,
            choice: given.condition_choice as usize,
        });
    Ok(Parameter { domain, condition })
}

fn outcome(state: u32, objectives: Vec<f64>, last_step: f64, violation: f64) -> Result<Outcome> {
    let state = match state {
        1 => State::Complete,
        2 => State::Pruned,
        3 => State::Failed,
        other => return Err(Error::from_reason(format!("{other} is no state"))),
    };
    Ok(Outcome {
        state,
        objectives,
        last_step: last_step as u64,
        violation,
    })
}

fn searcher(
    given: &SearchAlgorithm,
    space: &Arc<Space>,
    metrics: usize,
    seed: u64,
) -> Result<Box<dyn Searcher>> {
    let dimensions = space.len();
    let sequence_seed = given.scramble.unwrap_or(true).then_some(seed);
    Ok(match given.name.as_str() {
        "random" => Box::new(RandomSearch::new(seed)),
        "grid" => {
            let order = given.shuffle.unwrap_or(false).then_some(seed);
            Box::new(Grid::new(space, order).map_err(|index| {
                Error::from_reason(format!("parameter {index} has no finite number of values"))
            })?)
        }
        "sobol" => Box::new(QuasiRandomSearch::new(Sobol::new(
            dimensions,
            sequence_seed,
        ))),
        "halton" => Box::new(QuasiRandomSearch::new(Halton::new(
            dimensions,
            sequence_seed,
        ))),
        "tpe" => Box::new(Tpe::new(tpe_options(given, metrics), seed)),
        "cmaes" => Box::new(Cma::new(space, cma_options(given)?, seed)),
        "gp" => Box::new(Gp::new(gp_options(given), seed)),
        "bohb" => Box::new(Bohb::new(bohb_options(given), seed)),
        "nsga2" => Box::new(Nsga2::new(nsga2_options(given)?, seed)),
        other => return Err(Error::from_reason(format!("there is no algorithm {other}"))),
    })
}

fn tpe_options(given: &SearchAlgorithm, metrics: usize) -> TpeOptions {
    let defaults = TpeOptions::new(metrics);
    TpeOptions {
        num_startup_trials: count(given.num_startup_trials, defaults.num_startup_trials),
        num_ei_candidates: count(given.num_ei_candidates, defaults.num_ei_candidates),
        multivariate: given.multivariate.unwrap_or(defaults.multivariate),
        group: given.group.unwrap_or(defaults.group),
        constant_liar: given.constant_liar.unwrap_or(defaults.constant_liar),
    }
}

fn cma_options(given: &SearchAlgorithm) -> Result<CmaOptions> {
    let defaults = CmaOptions::default();
    Ok(CmaOptions {
        start: given.start.clone(),
        sigma: given.sigma.unwrap_or(defaults.sigma),
        population: given.population.map(|count| count as usize),
        restart: match given.restart.as_deref() {
            None => defaults.restart,
            Some("none") => Restart::None,
            Some("ipop") => Restart::Ipop,
            Some("bipop") => Restart::Bipop,
            Some(other) => return Err(Error::from_reason(format!("{other} is no restart"))),
        },
        growth: count(given.growth, defaults.growth),
        separable: given.separable.unwrap_or(defaults.separable),
        with_margin: given.with_margin.unwrap_or(defaults.with_margin),
        num_startup_trials: count(given.num_startup_trials, defaults.num_startup_trials),
    })
}

fn gp_options(given: &SearchAlgorithm) -> GpOptions {
    let defaults = GpOptions::default();
    GpOptions {
        num_startup_trials: count(given.num_startup_trials, defaults.num_startup_trials),
        deterministic_objective: given
            .deterministic_objective
            .unwrap_or(defaults.deterministic_objective),
        ..defaults
    }
}

fn bohb_options(given: &SearchAlgorithm) -> BohbOptions {
    let defaults = BohbOptions::default();
    BohbOptions {
        min_points_in_model: given.min_points_in_model.map(|count| count as usize),
        top_n_percent: count(given.top_n_percent, defaults.top_n_percent),
        num_samples: count(given.num_samples, defaults.num_samples),
        random_fraction: given.random_fraction.unwrap_or(defaults.random_fraction),
        bandwidth_factor: given.bandwidth_factor.unwrap_or(defaults.bandwidth_factor),
        min_bandwidth: given.min_bandwidth.unwrap_or(defaults.min_bandwidth),
    }
}

fn nsga2_options(given: &SearchAlgorithm) -> Result<Nsga2Options> {
    let defaults = Nsga2Options::default();
    Ok(Nsga2Options {
        population: count(given.population, defaults.population),
        crossover: match given.crossover.as_deref() {
            None | Some("uniform") => Crossover::Uniform,
            Some("sbx") => Crossover::SimulatedBinary,
            Some("blxAlpha") => Crossover::BlendAlpha,
            Some(other) => return Err(Error::from_reason(format!("{other} is no crossover"))),
        },
        crossover_prob: given.crossover_prob.unwrap_or(defaults.crossover_prob),
        swapping_prob: given.swapping_prob.unwrap_or(defaults.swapping_prob),
        mutation_prob: given.mutation_prob.or(defaults.mutation_prob),
    })
}

fn count(given: Option<u32>, default: usize) -> usize {
    given.map_or(default, |count| count as usize)
}

fn write(values: &[f64], target: &mut Float64ArraySlice) -> Result<()> {
    // SAFETY: the call is synchronous, on JavaScript's thread, and nothing else touches the caller's array during it.
    let target = unsafe { target.as_mut() };
    if target.len() != values.len() {
        return Err(Error::from_reason("there is a place for each parameter"));
    }
    target.copy_from_slice(values);
    Ok(())
}
