//! Searches for the tests: one trial after the other.

use std::sync::Arc;

use eagleray_search::history::{History, Outcome};
use eagleray_search::searcher::{Proposal, Searcher};
use eagleray_search::space::Space;

/// Whether values are those of the space (SE-2): each in its domain, and none where the parameter does not exist.
pub fn check(space: &Space, values: &[f64], what: &str) {
    assert_eq!(values.len(), space.len(), "{what}");
    for (index, value) in values.iter().enumerate() {
        if space.exists(index, values) {
            assert!(
                space.domain(index).contains(*value),
                "{what}: parameter {index} is {value}"
            );
        } else {
            assert!(
                value.is_nan(),
                "{what}: parameter {index} does not exist and is {value}"
            );
        }
    }
}

/// So many trials, each told before the next is asked for.
pub fn search(
    space: &Arc<Space>,
    searcher: &mut dyn Searcher,
    trials: u64,
    objectives: impl Fn(&[f64]) -> Vec<f64>,
) -> History {
    let mut history = History::new(Arc::clone(space));
    for number in 0..trials {
        let Proposal::Values(values) = searcher.ask(number, &history) else {
            panic!("trial {number} has no values");
        };
        check(space, &values, "a search");
        let outcome = Outcome::complete(objectives(&values));
        history.begin(number, values);
        history.end(number, outcome);
    }
    history
}

/// The best value of so many trials.
pub fn best_of(
    space: &Arc<Space>,
    searcher: &mut dyn Searcher,
    trials: u64,
    objective: impl Fn(&[f64]) -> f64,
) -> f64 {
    let history = search(space, searcher, trials, |values| vec![objective(values)]);
    let values = history.trials().iter().map(|trial| trial.objectives[0]);
    values.fold(f64::INFINITY, f64::min)
}
