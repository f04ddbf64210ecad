//! The trials that a searcher knows, in the order of their numbers: what was proposed, and what came of it.
//!
//! Invariants:
//! - HI-1 Trials are sorted by number, however they were told.
//! - HI-2 For every parameter, those trials that have it and have not failed are also kept sorted by its value, equal ones by
//!   number: searchers that look for neighbours need not sort for each proposal.

use std::sync::Arc;

use crate::space::{ParameterIndex, Space, Values};

/// How a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was proposed, and has not ended.
    Running,
    /// It has ended, and has all metrics.
    Complete,
    /// A scheduler has ended it.
    Pruned,
    /// It has no result that models could learn from.
    Failed,
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Not [`State::Running`].
    pub state: State,
    /// One number for each metric, the less the better. Finite, unless the trial has failed.
    pub objectives: Vec<f64>,
    /// How long it has run, in reports: among those that were pruned, those that have run for longer are better.
    pub last_step: u64,
    /// By how much it breaks constraints; 0 if it breaks none.
    pub violation: f64,
}

impl Outcome {
    /// A trial has ended by itself, and breaks nothing.
    #[must_use]
    pub fn complete(objectives: Vec<f64>) -> Self {
        Self {
            state: State::Complete,
            objectives,
            last_step: 0,
            violation: 0.0,
        }
    }
}

/// A trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its place in the order of all.
    pub number: u64,
    /// What was tried.
    pub values: Values,
    /// How it stands.
    pub state: State,
    /// See [`Outcome`]. Empty while it runs.
    pub objectives: Vec<f64>,
    /// See [`Outcome`].
    pub last_step: u64,
    /// See [`Outcome`].
    pub violation: f64,
    /// Steps, rising, and what it has reported there: the less the better.
    pub reports: Vec<(u64, f64)>,
}

impl Trial {
    /// Models learn from it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::Complete | State::Pruned)
    }

    /// It has a parameter.
    #[must_use]
    pub fn has(&self, parameter: ParameterIndex) -> bool {
        !self.values[parameter].is_nan()
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct History {
    space: Arc<Space>,
    trials: Vec<Trial>,
    /// By parameter: the numbers of trials by its value (HI-2).
    by_value: Vec<Vec<u64>>,
    /// How many models can learn from.
    finished: usize,
}

impl History {
    /// Without trials.
    #[must_use]
    pub fn new(space: Arc<Space>) -> Self {
        let by_value = vec![Vec::new(); space.len()];
        Self {
            space,
            trials: Vec::new(),
            by_value,
            finished: 0,
        }
    }

    /// What is searched.
    #[must_use]
    pub fn space(&self) -> &Arc<Space> {
        &self.space
    }

    /// All trials, by number.
    #[must_use]
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// How many models can learn from.
    #[must_use]
    pub fn finished(&self) -> usize {
        self.finished
    }

    /// The trial with a number.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Trial> {
        self.position(number).ok().map(|at| &self.trials[at])
    }

    /// Where a trial stands among all.
    ///
    /// # Errors
    ///
    /// There is none with this number: where it would stand.
    pub fn position(&self, number: u64) -> Result<usize, usize> {
        // Numbers are given in order, so the place is the number itself as a rule.
        let at = number as usize;
        if self
            .trials
            .get(at)
            .is_some_and(|trial| trial.number == number)
        {
            return Ok(at);
        }
        self.trials
            .binary_search_by_key(&number, |trial| trial.number)
    }

    /// A trial begins, with these values. One with the same number is replaced.
    pub fn begin(&mut self, number: u64, values: Values) {
        debug_assert_eq!(values.len(), self.space.len());
        self.forget(number);
        let at = self.position(number).unwrap_or_else(|at| at);
        self.trials.insert(
            at,
            Trial {
                number,
                values,
                state: State::Running,
                objectives: Vec::new(),
                last_step: 0,
                violation: 0.0,
                reports: Vec::new(),
            },
        );
        self.enter(number);
    }

    /// A trial has got to a step, and reports on the way how good it is: for searchers that learn from that, too. A report takes the
    /// place of an earlier one of the same step: a trial that goes on from a checkpoint makes some again. False if there is no trial with
    /// this number that runs.
    pub fn report(&mut self, number: u64, step: u64, objective: f64) -> bool {
        let Ok(at) = self.position(number) else {
            return false;
        };
        let trial = &mut self.trials[at];
        if trial.state != State::Running {
            return false;
        }
        match trial.reports.binary_search_by_key(&step, |report| report.0) {
            Ok(place) => trial.reports[place].1 = objective,
            Err(place) => trial.reports.insert(place, (step, objective)),
        }
        true
    }

    /// What has come of a trial: it has ended, or, where it had, with something else than was told. Its values and its reports stay. False
    /// if there is none with this number.
    pub fn end(&mut self, number: u64, outcome: Outcome) -> bool {
        let Ok(at) = self.position(number) else {
            return false;
        };
        let before = self.trials[at].state;
        match (before == State::Failed, outcome.state == State::Failed) {
            (false, true) => self.leave(number),
            (true, false) => self.enter(number),
            _ => {}
        }
        self.finished -= usize::from(self.trials[at].is_finished());
        let trial = &mut self.trials[at];
        trial.state = outcome.state;
        trial.objectives = outcome.objectives;
        trial.last_step = outcome.last_step;
        trial.violation = outcome.violation;
        self.finished += usize::from(trial.is_finished());
        true
    }

    /// A trial never was.
    pub fn forget(&mut self, number: u64) {
        let Ok(at) = self.position(number) else {
            return;
        };
        if self.trials[at].state != State::Failed {
            self.leave(number);
        }
        let trial = self.trials.remove(at);
        self.finished -= usize::from(trial.is_finished());
    }

    /// The trials that have a parameter and have not failed, by its value (HI-2).
    pub fn by_value(&self, parameter: ParameterIndex) -> impl Iterator<Item = usize> {
        let is_dense = self.is_dense();
        self.by_value[parameter].iter().filter_map(move |number| {
            if is_dense {
                Some(*number as usize)
            } else {
                self.position(*number).ok()
            }
        })
    }

    /// True if no number is missing: then each is its trial's place.
    fn is_dense(&self) -> bool {
        let count = self.trials.len() as u64;
        self.trials
            .last()
            .is_none_or(|last| last.number + 1 == count)
    }

    fn enter(&mut self, number: u64) {
        for parameter in 0..self.space.len() {
            if let Some(Err(at)) = self.rank(parameter, number) {
                self.by_value[parameter].insert(at, number);
            }
        }
    }

    fn leave(&mut self, number: u64) {
        for parameter in 0..self.space.len() {
            if let Some(Ok(at)) = self.rank(parameter, number) {
                self.by_value[parameter].remove(at);
            }
        }
    }

    /// Where a trial stands, or would, among those with this parameter. `None` if it does not have it.
    fn rank(&self, parameter: ParameterIndex, number: u64) -> Option<Result<usize, usize>> {
        let value = |number| self.get(number).map(|trial| trial.values[parameter]);
        let own = value(number).filter(|own| !own.is_nan())?;
        Some(self.by_value[parameter].binary_search_by(|other| {
            let its = value(*other).unwrap_or(f64::NAN);
            its.total_cmp(&own).then(other.cmp(&number))
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Domain;
    use crate::space::{Condition, Parameter};

    fn space() -> Arc<Space> {
        let parameters = vec![
            Parameter {
                domain: Domain::Categorical { count: 2 },
                condition: None,
            },
            Parameter {
                domain: Domain::integers(0, 5, false),
                condition: Some(Condition {
                    parameter: 0,
                    choice: 1,
                }),
            },
        ];
        Arc::new(Space::new(parameters).unwrap())
    }

    #[derive(Clone, Debug)]
    enum Step {
        Begin(u64, f64, f64),
        Report(u64, u64, f64),
        End(u64, State, u64),
        Forget(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let state = prop_oneof![
            Just(State::Complete),
            Just(State::Pruned),
            Just(State::Failed)
        ];
        let step = prop_oneof![
            3 => (0..20_u64, 0.0..1.0_f64, 0.0..1.0_f64).prop_map(|(n, a, b)| Step::Begin(n, a, b)),
            2 => (0..20_u64, 0..4_u64, 0.0..1.0_f64).prop_map(|(n, step, value)| Step::Report(n, step, value)),
            5 => (0..20_u64, state, 0..2_u64).prop_map(|(n, state, step)| Step::End(n, state, step)),
            1 => (0..20_u64).prop_map(Step::Forget),
        ];
        prop::collection::vec(step, 0..60)
    }

    fn runs(history: &History, number: u64) -> bool {
        history
            .get(number)
            .is_some_and(|trial| trial.state == State::Running)
    }

    proptest! {
        // HI-1, HI-2.
        #[test]
        fn orders_hold_whatever_comes(steps in steps()) {
            let space = space();
            let mut history = History::new(Arc::clone(&space));
            for step in steps {
                match step {
                    Step::Begin(number, a, b) => {
                        let mut units = [a, b].into_iter();
                        history.begin(number, space.fill(|| units.next().unwrap()));
                    }
                    Step::Report(number, step, value) => {
                        let runs = runs(&history, number);
                        prop_assert_eq!(history.report(number, step, value), runs);
                        let reports = history.get(number).map_or(&[][..], |trial| &trial.reports);
                        prop_assert!(reports.is_sorted_by(|a, b| a.0 < b.0));
                        prop_assert!(!runs || reports.contains(&(step, value)));
                    }
                    // The first time, or once more with something else.
                    Step::End(number, state, last_step) => {
                        let before = history.get(number).cloned();
                        let objectives = vec![last_step as f64];
                        let outcome = Outcome { state, objectives: objectives.clone(), last_step, violation: 3.0 };
                        prop_assert_eq!(history.end(number, outcome), before.is_some());
                        let expected = before.map(|trial| Trial { state, objectives, last_step, violation: 3.0, ..trial });
                        // What does not exist is NaN, and equal to nothing.
                        prop_assert_eq!(format!("{:?}", history.get(number)), format!("{:?}", expected.as_ref()));
                    }
                    Step::Forget(number) => history.forget(number),
                }
                prop_assert!(history.trials().is_sorted_by(|a, b| a.number < b.number));
                let finished = history.trials().iter().filter(|trial| trial.is_finished()).count();
                prop_assert_eq!(history.finished(), finished);
                for parameter in 0..space.len() {
                    let mut expected: Vec<usize> = (0..history.trials().len())
                        .filter(|at| {
                            let trial = &history.trials()[*at];
                            trial.has(parameter) && trial.state != State::Failed
                        })
                        .collect();
                    expected.sort_by(|a, b| {
                        let value = |at: &usize| history.trials()[*at].values[parameter];
                        value(a).total_cmp(&value(b))
                    });
                    prop_assert_eq!(history.by_value(parameter).collect::<Vec<_>>(), expected);
                }
            }
        }
    }
}
