//! The tree-structured Parzen estimator: what good trials have in common, against what the others have.
//!
//! Bergstra, Bardenet, Bengio and Kégl, "Algorithms for hyper-parameter optimization", 2011; several metrics after Ozaki, Tanigaki,
//! Watanabe, Nomura and Onishi, "Multiobjective tree-structured Parzen estimator", 2022. The decisions are those of Optuna 5's
//! `TPESampler` with its defaults (Watanabe, arXiv 2304.11127, explains them): given the same trials, the densities are the same.
//! Only the random numbers are others.

mod groups;
mod observed;
mod parzen;
mod split;

use crate::history::History;
use crate::random::{Purpose, Random};
use crate::searcher::{Proposal, Score, Searcher};
use crate::space::ParameterIndex;

use self::groups::Groups;
use self::parzen::{ParzenEstimator, Weights};
use self::split::Split;

/// How the estimator works.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TpeOptions {
    /// So many finished trials have random values before anything is estimated.
    pub num_startup_trials: usize,
    /// Of so many candidates the best one is proposed. At least one.
    pub num_ei_candidates: usize,
    /// Whether parameters are estimated together, so that what they have to do with each other counts.
    pub multivariate: bool,
    /// Whether parameters that exist together are a group of their own; without it only those that always exist are estimated
    /// together. For `multivariate`.
    pub group: bool,
    /// Whether trials that run count as bad ones, so that their neighbourhood is left to them.
    pub constant_liar: bool,
}

impl TpeOptions {
    /// Optuna's defaults, for one metric or several.
    #[must_use]
    pub const fn new(metrics: usize) -> Self {
        Self {
            num_startup_trials: 10,
            num_ei_candidates: 24,
            multivariate: metrics == 1,
            group: true,
            constant_liar: true,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Tpe {
    options: TpeOptions,
    seed: u64,
}

impl Tpe {
    /// A searcher without a memory of its own.
    #[must_use]
    pub fn new(options: TpeOptions, seed: u64) -> Self {
        Self { options, seed }
    }

    /// Proposes values for some parameters, which are estimated together.
    fn sample(
        &self,
        parameters: &[ParameterIndex],
        history: &History,
        split: &Split,
        random: &mut Random,
    ) -> Vec<f64> {
        let below = ParzenEstimator::new(history, parameters, &split.below, split.below_weights);
        let above = ParzenEstimator::new(history, parameters, &split.above, Weights::ByAge);
        let mut candidates: Vec<Vec<f64>> = (0..self.options.num_ei_candidates)
            .map(|_| below.sample(random))
            .collect();
        let (good, others) = (
            below.log_densities(&candidates),
            above.log_densities(&candidates),
        );
        let mut best = 0;
        for each in 1..candidates.len() {
            if good[each] - others[each] > good[best] - others[best] {
                best = each;
            }
        }
        candidates.swap_remove(best)
    }

    fn groups(&self, history: &History) -> Groups {
        if self.options.multivariate {
            Groups::together(history, self.options.group)
        } else {
            Groups::alone(history.space())
        }
    }
}

impl Searcher for Tpe {
    fn ask(&mut self, number: u64, history: &History) -> Proposal {
        let space = history.space();
        if history.finished() < self.options.num_startup_trials {
            let mut random = Random::new(self.seed, Purpose::Sampling, number);
            return Proposal::Values(space.fill(|| random.unit()));
        }
        let mut random = Random::new(self.seed, Purpose::Model, number);
        let split = Split::new(history, self.options.constant_liar);
        let mut left_out = Random::new(self.seed, Purpose::Sampling, number);
        let mut values = space.fill_left_out(|| left_out.unit());
        for group in self.groups(history).iter() {
            // Whether a parameter exists depends on those before it. Those of a group exist together, or nobody knows yet.
            let is_needed = group.len() > 1 || space.exists(group[0], &values);
            if is_needed {
                let sampled = self.sample(group, history, &split, &mut random);
                for (parameter, value) in group.iter().zip(sampled) {
                    values[*parameter] = value;
                }
            }
        }
        space.prune(&mut values);
        Proposal::Values(values)
    }

    fn score(&mut self, values: &[f64], history: &History) -> Option<Score> {
        let is_flat = values.iter().all(|value| !value.is_nan());
        if history.finished() < self.options.num_startup_trials || !is_flat {
            return None;
        }
        let split = Split::new(history, self.options.constant_liar);
        let (mut log_below, mut log_above) = (0.0, 0.0);
        for group in self.groups(history).iter() {
            let point = [group.iter().map(|parameter| values[*parameter]).collect()];
            let of = |members: &[usize], weights| {
                ParzenEstimator::new(history, group, members, weights).log_densities(&point)[0]
            };
            log_below += of(&split.below, split.below_weights);
            log_above += of(&split.above, Weights::ByAge);
        }
        Some(Score {
            acquisition: log_below - log_above,
            parts: vec![("logBelow", log_below), ("logAbove", log_above)],
        })
    }
}
