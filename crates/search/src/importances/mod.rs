//! How much of the results depends on each parameter.
//!
//! Owns: which trials count, and that all parts make a whole. Is not: names, or the order in which somebody reads them.
//!
//! Invariants:
//! - IM-1 Only complete trials count, and of these for each parameter those that have it.
//! - IM-2 Parts are not negative, and their sum is 1 if there is any.

mod fanova;
mod forest;
mod ped_anova;

use std::error::Error;
use std::fmt;

use crate::history::{History, State, Trial};

pub use fanova::fanova;
pub use ped_anova::ped_anova;

/// The part of each parameter, by its place in the space. `None` if nothing can be said of it: no trial has it, or the evaluator
/// takes only those that all trials have.
pub type Importances = Vec<Option<f64>>;

/// All results are the same, so nothing can have made them differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EqualResults;

impl fmt::Display for EqualResults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "no parameter has an importance: the results of all complete trials are the same",
        )
    }
}

impl Error for EqualResults {}

/// The trials that count, with their results (IM-1).
fn assessed(history: &History, metric: usize) -> Vec<(&Trial, f64)> {
    history
        .trials()
        .iter()
        .filter(|trial| trial.state == State::Complete)
        .map(|trial| (trial, trial.objectives[metric]))
        .filter(|(_, result)| result.is_finite())
        .collect()
}

/// Makes a whole of all parts (IM-2). If none is more than nothing, they are equal.
fn shares(mut parts: Importances) -> Importances {
    let sum: f64 = parts.iter().flatten().sum();
    let equal = 1.0 / parts.iter().flatten().count() as f64;
    for part in parts.iter_mut().flatten() {
        *part = if sum > 0.0 { *part / sum } else { equal };
    }
    parts
}
