//! Random values, each trial by itself.

use crate::history::History;
use crate::random::{Purpose, Random};
use crate::searcher::{Proposal, Searcher};

/// Proposes random values: those of a trial depend on the seed and its number alone.
#[derive(Debug)]
pub struct RandomSearch {
    seed: u64,
}

impl RandomSearch {
    /// With this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl Searcher for RandomSearch {
    fn ask(&mut self, number: u64, history: &History) -> Proposal {
        let mut random = Random::new(self.seed, Purpose::Sampling, number);
        Proposal::Values(history.space().fill(|| random.unit()))
    }
}
