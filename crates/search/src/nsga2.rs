//! NSGA-II: a population from whose best each next one is bred, for one metric or several.
//!
//! Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002; which trials are of which
//! generation, and how parents are chosen, as in Optuna's `NSGAIISampler`. Trials that break constraints are worse than all others.

use std::collections::BTreeSet;

use crate::domain::Domain;
use crate::fronts::{crowding_distances, dominates, fronts, order};
use crate::history::{History, State, Trial};
use crate::random::{Purpose, Random};
use crate::searcher::{Proposal, Searcher};
use crate::space::{ParameterIndex, Space, Values};

/// How often parents are mixed until a child lies in the space, before its values are moved into it.
const ATTEMPTS_MAX: usize = 100;

/// How numbers of two parents are mixed. Choices are taken from one of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crossover {
    /// Each from one of the parents.
    Uniform,
    /// Near the parents, as likely as a cut of their digits would give (Deb and Agrawal, "Simulated binary crossover for continuous
    /// search space", 1995).
    SimulatedBinary,
    /// Between the parents, and half as far beyond them (Eshelman and Schaffer, "Real-coded genetic algorithms and interval-schemata",
    /// 1993).
    BlendAlpha,
}

/// How the population is bred.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nsga2Options {
    /// Trials of a generation, at least two.
    pub population: usize,
    /// See [`Crossover`].
    pub crossover: Crossover,
    /// How often a child has two parents, and is no copy of one.
    pub crossover_prob: f64,
    /// How often a value is the second parent's.
    pub swapping_prob: f64,
    /// How often a value is drawn anew; one in as many as there are parameters if there is nothing.
    pub mutation_prob: Option<f64>,
}

impl Default for Nsga2Options {
    fn default() -> Self {
        Self {
            population: 50,
            crossover: Crossover::Uniform,
            crossover_prob: 0.9,
            swapping_prob: 0.5,
            mutation_prob: None,
        }
    }
}

/// See the module.
///
/// It remembers which trials are of this generation: whoever restores a search asks and tells in the same order again.
#[derive(Debug)]
pub struct Nsga2 {
    options: Nsga2Options,
    seed: u64,
    /// The numbers of this generation's trials. No other ones are looked at: there may be many.
    members: BTreeSet<u64>,
    /// The numbers of those from which this generation is bred, in the order of numbers.
    parents: Vec<u64>,
}

impl Nsga2 {
    /// Without a population.
    #[must_use]
    pub fn new(options: Nsga2Options, seed: u64) -> Self {
        Self {
            options,
            seed,
            members: BTreeSet::new(),
            parents: Vec::new(),
        }
    }

    /// Begins the next generation if this one has as many trials as it needs.
    fn catch_up(&mut self, history: &History) {
        let is_complete = |number: &u64| {
            history
                .get(*number)
                .is_some_and(|trial| trial.state == State::Complete)
        };
        let complete: Vec<u64> = self.members.iter().copied().filter(is_complete).collect();
        if complete.len() < self.options.population {
            return;
        }
        let mut candidates = std::mem::take(&mut self.parents);
        candidates.extend(complete);
        candidates.sort_unstable();
        candidates.dedup();
        let trials: Vec<&Trial> = candidates
            .iter()
            .filter_map(|number| history.get(*number))
            .collect();
        self.parents = elite(&trials, self.options.population);
        self.members.clear();
    }

    fn child(&self, history: &History, random: &mut Random) -> Values {
        let space = history.space();
        let parents: Vec<&Trial> = self
            .parents
            .iter()
            .filter_map(|number| history.get(*number))
            .collect();
        let drawn = space.fill_all(|| random.unit());
        if parents.is_empty() {
            let mut first = drawn;
            space.prune(&mut first);
            return first;
        }
        let mut child = if parents.len() > 1 && random.unit() < self.options.crossover_prob {
            let first = chosen(&parents, None, random);
            let second = chosen(&parents, Some(first), random);
            self.mixed(
                space,
                &parents[first].values,
                &parents[second].values,
                random,
            )
        } else {
            parents[random.below(parents.len())].values.clone()
        };
        let mutation = self
            .options
            .mutation_prob
            .unwrap_or_else(|| 1.0 / space.len().max(1) as f64);
        for index in 0..space.len() {
            // What the parents did not have is drawn, too.
            if random.unit() < mutation || child[index].is_nan() {
                child[index] = drawn[index];
            }
        }
        space.prune(&mut child);
        child
    }

    fn mixed(&self, space: &Space, first: &[f64], second: &[f64], random: &mut Random) -> Values {
        let mut child: Values = (0..space.len())
            .map(|index| {
                let swaps = random.unit() < self.options.swapping_prob;
                let (own, other) = if swaps {
                    (second[index], first[index])
                } else {
                    (first[index], second[index])
                };
                if own.is_nan() { other } else { own }
            })
            .collect();
        if self.options.crossover == Crossover::Uniform {
            return child;
        }
        let numbers: Vec<ParameterIndex> = (0..space.len())
            .filter(|index| {
                let domain = space.domain(*index);
                let is_number = !matches!(domain, Domain::Categorical { .. });
                is_number
                    && !domain.is_single()
                    && !first[*index].is_nan()
                    && !second[*index].is_nan()
            })
            .collect();
        for index in numbers {
            let domain = space.domain(index);
            let (low, high) = domain.bounds();
            let pair = (domain.scaled(first[index]), domain.scaled(second[index]));
            let mut place = f64::NAN;
            for _ in 0..ATTEMPTS_MAX {
                place = match self.options.crossover {
                    Crossover::SimulatedBinary => simulated_binary(pair, (low, high), random),
                    _ => blend_alpha(pair, random),
                };
                if (low..=high).contains(&place) {
                    break;
                }
            }
            child[index] = domain.unscaled(place.clamp(low, high));
        }
        child
    }
}

impl Searcher for Nsga2 {
    fn ask(&mut self, number: u64, history: &History) -> Proposal {
        self.catch_up(history);
        self.members.insert(number);
        let mut random = Random::new(self.seed, Purpose::Model, number);
        Proposal::Values(self.child(history, &mut random))
    }
}

/// The best trials: front by front, and of the last one those that have most room.
fn elite(trials: &[&Trial], size: usize) -> Vec<u64> {
    let (feasible, infeasible): (Vec<&Trial>, Vec<&Trial>) = trials
        .iter()
        .copied()
        .partition(|trial| trial.violation <= 0.0);
    let points: Vec<&[f64]> = feasible
        .iter()
        .map(|trial| trial.objectives.as_slice())
        .collect();
    let ranks = fronts(&points, size);
    let mut chosen: Vec<u64> = Vec::with_capacity(size);
    for front in 0..=ranks.iter().max().copied().unwrap_or(0) {
        let members: Vec<usize> = (0..points.len()).filter(|at| ranks[*at] == front).collect();
        let room = size - chosen.len();
        if members.len() <= room {
            chosen.extend(members.iter().map(|at| feasible[*at].number));
            continue;
        }
        let of_front: Vec<&[f64]> = members.iter().map(|at| points[*at]).collect();
        let distances = crowding_distances(&of_front);
        let mut by_room: Vec<usize> = (0..members.len()).collect();
        by_room.sort_by(|a, b| order(distances[*b], distances[*a]));
        chosen.extend(
            by_room
                .iter()
                .take(room)
                .map(|at| feasible[members[*at]].number),
        );
        break;
    }
    let mut others = infeasible;
    others.sort_by(|a, b| order(a.violation, b.violation));
    let room = size - chosen.len();
    chosen.extend(others.iter().take(room).map(|trial| trial.number));
    chosen.sort_unstable();
    chosen
}

/// The better one of two random trials, or the second one if none is; not the one that is left out.
fn chosen(parents: &[&Trial], left_out: Option<usize>, random: &mut Random) -> usize {
    let others: Vec<usize> = (0..parents.len())
        .filter(|at| Some(*at) != left_out)
        .collect();
    let first = others[random.below(others.len())];
    let second = others[random.below(others.len())];
    let (a, b) = (parents[first], parents[second]);
    let is_better = match (a.violation > 0.0, b.violation > 0.0) {
        (false, false) => dominates(&a.objectives, &b.objectives),
        (true, true) => a.violation < b.violation,
        (a_breaks, _) => !a_breaks,
    };
    if is_better { first } else { second }
}

fn blend_alpha((first, second): (f64, f64), random: &mut Random) -> f64 {
    const ALPHA: f64 = 0.5;
    let (low, high) = (first.min(second), first.max(second));
    let beyond = ALPHA * (high - low);
    low - beyond + random.unit() * (high - low + 2.0 * beyond)
}

fn simulated_binary(
    (first, second): (f64, f64),
    (low, high): (f64, f64),
    random: &mut Random,
) -> f64 {
    /// The greater, the nearer to the parents.
    const INDEX: f64 = 20.0;
    let (left, right) = (first.min(second), first.max(second));
    let distance = (right - left).max(1e-10);
    let is_left = random.unit() < 0.5;
    let room = if is_left { left - low } else { high - right };
    let alpha = 2.0 - (1.0 + 2.0 * room / distance).powf(-(INDEX + 1.0));
    let unit = random.unit();
    let spread = if unit <= 1.0 / alpha {
        unit * alpha
    } else {
        1.0 / (2.0 - unit * alpha)
    };
    let half = 0.5 * spread.powf(1.0 / (INDEX + 1.0)) * distance;
    let middle = 0.5 * (left + right);
    if is_left {
        middle - half
    } else {
        middle + half
    }
}
