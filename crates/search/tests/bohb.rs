//! BOHB learns from budgets: from the highest that has enough trials.

// The best of a search is what others look at.
#[allow(dead_code)]
mod searching;

use std::sync::Arc;

use eagleray_search::bohb::{Bohb, BohbOptions};
use eagleray_search::domain::Domain;
use eagleray_search::history::{History, Outcome, State};
use eagleray_search::random::{Purpose, Random};
use eagleray_search::random_search::RandomSearch;
use eagleray_search::searcher::{Proposal, Searcher};
use eagleray_search::space::{Parameter, Space};

use searching::search;

fn space(parameters: usize) -> Arc<Space> {
    let parameter = Parameter {
        domain: Domain::Float {
            low: 0.0,
            high: 1.0,
            is_log: false,
        },
        condition: None,
    };
    Arc::new(Space::new(vec![parameter; parameters]).unwrap())
}

/// Without random trials among what it proposes.
fn model(seed: u64) -> Bohb {
    let options = BohbOptions {
        random_fraction: 0.0,
        ..BohbOptions::default()
    };
    Bohb::new(options, seed)
}

/// The mean of what is proposed for the only parameter.
fn mean(history: &History) -> f64 {
    let of = |number: u64| match model(5).ask(1_000 + number, history) {
        Proposal::Values(values) => values[0],
        other => panic!("{other:?}"),
    };
    (0..200).map(of).sum::<f64>() / 200.0
}

type Function = fn(f64) -> f64;

/// Trials of one parameter, which report at each step what they would have.
fn history(steps: &[(u64, Function)], trials: u64, deep: u64) -> History {
    let mut history = History::new(space(1));
    for number in 0..trials {
        let value = Random::new(2, Purpose::Sampling, number).unit();
        history.begin(number, vec![value]);
        for (at, (step, result)) in steps.iter().enumerate() {
            if at == 0 || number < deep {
                assert!(history.report(number, *step, result(value)));
            }
        }
    }
    history
}

const LOW_IS_GOOD: Function = |value| value;
const HIGH_IS_GOOD: Function = |value| -value;

#[test]
fn the_highest_budget_that_has_enough_trials_decides() {
    let steps = [(1, LOW_IS_GOOD), (9, HIGH_IS_GOOD)];
    // One parameter: two good trials and two bad ones are enough.
    let of_first = mean(&history(&steps, 30, 3));
    let of_second = mean(&history(&steps, 30, 4));
    assert!(of_first < 0.3, "{of_first}");
    assert!(of_second > 0.6, "{of_second}");
}

#[test]
fn what_a_trial_ends_with_is_the_result_of_its_last_step() {
    let mut history = history(&[(1, LOW_IS_GOOD)], 30, 0);
    for number in 0..20 {
        let value = history.get(number).unwrap().values[0];
        history.end(
            number,
            Outcome {
                state: State::Pruned,
                last_step: 1,
                ..Outcome::complete(vec![-value])
            },
        );
    }
    // Twenty say the contrary of what they had reported. The others are the ones in the middle.
    let of_most = mean(&history);
    assert!(of_most > 0.6, "{of_most}");
}

#[test]
fn trials_that_failed_or_break_a_constraint_are_no_models_to_follow() {
    for state in [State::Failed, State::Complete] {
        let mut history = history(&[(3, HIGH_IS_GOOD)], 60, 0);
        for number in 0..60 {
            let value = history.get(number).unwrap().values[0];
            if value > 0.5 {
                history.end(
                    number,
                    Outcome {
                        state,
                        objectives: vec![-value],
                        last_step: 3,
                        violation: 1.0,
                    },
                );
            }
        }
        // What is best among those that are left.
        let found = mean(&history);
        assert!((0.35..0.6).contains(&found), "{state:?}: {found}");
    }
}

#[test]
fn a_third_is_random() {
    let history = history(&[(1, LOW_IS_GOOD)], 60, 0);
    let space = Arc::clone(history.space());
    let mut bohb = Bohb::new(BohbOptions::default(), 5);
    let mut random = RandomSearch::new(5);
    let same = (1_000..1_600)
        .filter(|number| bohb.ask(*number, &history) == random.ask(*number, &history))
        .count();
    assert!((150..250).contains(&same), "{same}");
    assert_eq!(
        model(5).ask(7, &History::new(Arc::clone(&space))),
        random.ask(7, &History::new(space))
    );
}

#[test]
fn it_learns() {
    let space = space(3);
    let sphere = |values: &[f64]| {
        let distances = values.iter().map(|value| (value - 0.7).powi(2));
        vec![distances.sum::<f64>()]
    };
    // What the last fifty of two hundred trials have: its kernels are wide, so the best one of all tells little.
    let mean = |searcher: &mut dyn Searcher| {
        let history = search(&space, searcher, 200, sphere);
        let last = history.trials()[150..].iter();
        last.map(|trial| trial.objectives[0]).sum::<f64>() / 50.0
    };
    for seed in 0..5 {
        let (own, random) = (mean(&mut model(seed)), mean(&mut RandomSearch::new(seed)));
        assert!(own < random / 2.0, "{own} is not much less than {random}");
    }
}
