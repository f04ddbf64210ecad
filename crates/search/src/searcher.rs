//! What a search algorithm is: one that proposes values for a trial, from the trials that there were.

use crate::history::History;
use crate::space::Values;

/// Proposes what to try.
///
/// - SE-1 A proposal depends on the seed, the number of the trial, and the history: not on the order in which trials were told,
///   on the clock, or on how often it was asked before.
/// - SE-2 Proposed values are those of the space: each in its domain, NaN where the parameter does not exist.
pub trait Searcher: Send {
    /// Proposes values for the trial with this number, which `history` does not have yet. All that `history` has count, those
    /// that run, too.
    fn ask(&mut self, number: u64, history: &History) -> Proposal;

    /// What the searcher now thinks of values; `None` while it has no opinion, or never has one.
    fn score(&mut self, values: &[f64], history: &History) -> Option<Score> {
        let _ = (values, history);
        None
    }
}

/// An answer to [`Searcher::ask`].
#[derive(Clone, Debug, PartialEq)]
pub enum Proposal {
    /// Try these.
    Values(Values),
    /// Ask again when a trial has ended.
    Wait,
    /// There is nothing left to try.
    Done,
}

/// What a searcher thinks of values: the greater the acquisition, the rather it would try them.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// What it maximises.
    pub acquisition: f64,
    /// What that is made of, by name.
    pub parts: Vec<(&'static str, f64)>,
}
