//! Points that fill a space more evenly than random ones.

mod halton;
mod sobol;

pub use halton::Halton;
pub use sobol::Sobol;

use crate::history::History;
use crate::searcher::{Proposal, Searcher};

/// The most parameters that the sequences have dimensions for.
pub const DIMENSIONS_MAX: usize = 1_000;

/// A sequence of points in the unit cube, each of which can be had without those before it.
pub trait Sequence: Send {
    /// One coordinate of the point with this number, in [0, 1).
    fn coordinate(&self, number: u64, dimension: usize) -> f64;
}

/// Proposes the points of a sequence: trial by trial, a dimension for each parameter.
#[derive(Debug)]
pub struct QuasiRandomSearch<S>(S);

impl<S: Sequence> QuasiRandomSearch<S> {
    /// Of a sequence with a dimension for each parameter.
    pub fn new(sequence: S) -> Self {
        Self(sequence)
    }
}

impl<S: Sequence> Searcher for QuasiRandomSearch<S> {
    fn ask(&mut self, number: u64, history: &History) -> Proposal {
        let mut dimension = 0;
        Proposal::Values(history.space().fill(|| {
            let coordinate = self.0.coordinate(number, dimension);
            dimension += 1;
            coordinate
        }))
    }
}
