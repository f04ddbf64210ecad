//! The Parzen estimators are those of Optuna: `fixtures/optuna_tpe.py` wrote what it makes of the same trials.

mod searching;

use std::sync::Arc;

use eagleray_search::domain::Domain;
use eagleray_search::history::{History, Outcome, State};
use eagleray_search::searcher::{Proposal, Searcher};
use eagleray_search::space::{Condition, Parameter, Space};
use eagleray_search::tpe::{Tpe, TpeOptions};
use serde::Deserialize;

use searching::best_of;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    space: Vec<Described>,
    multivariate: bool,
    trials: Vec<Written>,
    points: Vec<Vec<f64>>,
    log_below: Vec<f64>,
    log_above: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum Described {
    Float {
        low: f64,
        high: f64,
        is_log: bool,
    },
    Stepped {
        first: i64,
        last: i64,
        step: f64,
        is_log: bool,
    },
    Categorical {
        count: usize,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    state: String,
    values: Vec<f64>,
    objectives: Vec<f64>,
    last_step: u64,
    violation: f64,
}

#[derive(Deserialize)]
struct Fixtures {
    cases: Vec<Case>,
}

fn space_of(case: &Case) -> Arc<Space> {
    let parameters = case
        .space
        .iter()
        .map(|described| Parameter {
            condition: None,
            domain: match *described {
                Described::Float { low, high, is_log } => Domain::Float { low, high, is_log },
                Described::Stepped {
                    first,
                    last,
                    step,
                    is_log,
                } => Domain::Stepped {
                    first,
                    last,
                    step,
                    digits: 2,
                    is_log,
                },
                Described::Categorical { count } => Domain::Categorical { count },
            },
        })
        .collect();
    Arc::new(Space::new(parameters).unwrap())
}

#[test]
fn densities_are_those_of_optuna() {
    let text = include_str!("fixtures/optuna_tpe.json");
    let Fixtures { cases } = serde_json::from_str(text).unwrap();
    assert!(cases.len() > 20);
    for (index, case) in cases.iter().enumerate() {
        let mut history = History::new(space_of(case));
        // SE-1: in whatever order they are told.
        for (number, trial) in case.trials.iter().enumerate().rev() {
            history.begin(number as u64, trial.values.clone());
            let state = match trial.state.as_str() {
                "complete" => State::Complete,
                "pruned" => State::Pruned,
                _ => continue,
            };
            let outcome = Outcome {
                state,
                objectives: trial.objectives.clone(),
                last_step: trial.last_step,
                violation: trial.violation,
            };
            assert!(history.end(number as u64, outcome));
        }
        let options = TpeOptions {
            num_startup_trials: 1,
            multivariate: case.multivariate,
            ..TpeOptions::new(1)
        };
        let mut tpe = Tpe::new(options, 0);
        // The mass between two half steps is a difference of logarithms, of which Optuna's has as few digits left as ours.
        let has_masses = case
            .space
            .iter()
            .any(|each| matches!(each, Described::Stepped { .. }));
        let tolerance = if has_masses { 1e-6 } else { 1e-10 };
        for (at, point) in case.points.iter().enumerate() {
            let score = tpe.score(point, &history).unwrap();
            for (part, expected) in score.parts.iter().zip([&case.log_below, &case.log_above]) {
                let distance = (part.1 - expected[at]).abs();
                assert!(
                    distance <= tolerance * (1.0 + expected[at].abs()),
                    "case {index}, point {at}: {part:?} is not {}",
                    expected[at]
                );
            }
        }
    }
}

fn float(low: f64, high: f64) -> Parameter {
    Parameter {
        domain: Domain::Float {
            low,
            high,
            is_log: false,
        },
        condition: None,
    }
}

/// The best value of a hundred trials, in the median of some seeds.
fn median_of_best(space: &Arc<Space>, objective: impl Fn(&[f64]) -> f64) -> f64 {
    let mut bests: Vec<f64> = (0..11)
        .map(|seed| {
            best_of(
                space,
                &mut Tpe::new(TpeOptions::new(1), seed),
                100,
                &objective,
            )
        })
        .collect();
    bests.sort_by(f64::total_cmp);
    bests[5]
}

#[test]
fn it_learns() {
    let space = Arc::new(Space::new(vec![float(-5.0, 5.0), float(-5.0, 5.0)]).unwrap());
    let sphere = |values: &[f64]| {
        values
            .iter()
            .map(|value| (value - 1.0).powi(2))
            .sum::<f64>()
    };
    let best = median_of_best(&space, sphere);
    // Random search has 0.22 in the median after 100 trials.
    assert!(best < 0.05, "{best}");
}

#[test]
fn it_learns_in_branches() {
    let branch = |choice| {
        Some(Condition {
            parameter: 0,
            choice,
        })
    };
    let space = Space::new(vec![
        Parameter {
            domain: Domain::Categorical { count: 3 },
            condition: None,
        },
        Parameter {
            condition: branch(0),
            ..float(0.0, 1.0)
        },
        Parameter {
            condition: branch(1),
            ..float(0.0, 1.0)
        },
        Parameter {
            condition: branch(1),
            ..float(0.0, 1.0)
        },
    ]);
    let space = Arc::new(space.unwrap());
    let objective = |values: &[f64]| match values[0] as usize {
        0 => 1.0 + values[1],
        1 => (values[2] - 0.7).abs() + (values[3] - 0.2).abs(),
        _ => 3.0,
    };
    let best = median_of_best(&space, objective);
    assert!(best < 0.1, "{best}");
}

#[test]
fn proposals_depend_on_seed_number_and_history_alone() {
    let space = Arc::new(Space::new(vec![float(0.0, 1.0), float(0.0, 1.0)]).unwrap());
    let told = |order: &[u64]| {
        let mut history = History::new(Arc::clone(&space));
        for number in order {
            let place = *number as f64 / 20.0;
            history.begin(*number, vec![place, 1.0 - place]);
            history.end(*number, Outcome::complete(vec![(place - 0.4).abs()]));
        }
        history
    };
    let order: Vec<u64> = (0..20).collect();
    let turned: Vec<u64> = order.iter().rev().copied().collect();
    let mut tpe = Tpe::new(TpeOptions::new(1), 7);
    let first = tpe.ask(20, &told(&order));
    assert_eq!(tpe.ask(20, &told(&turned)), first);
    assert_ne!(tpe.ask(21, &told(&order)), first);
    assert_ne!(
        Tpe::new(TpeOptions::new(1), 8).ask(20, &told(&order)),
        first
    );
}

#[test]
fn it_knows_where_values_of_a_normal_distribution_are() {
    let normal = || Parameter {
        domain: Domain::Normal {
            mean: 3.0,
            sd: 0.5,
            rounding: None,
        },
        condition: None,
    };
    let space = Arc::new(Space::new(vec![normal(), float(0.0, 1.0)]).unwrap());
    let mut history = History::new(Arc::clone(&space));
    for number in 0..12_u32 {
        let offset = f64::from(number) / 12.0;
        history.begin(u64::from(number), vec![2.5 + offset, offset]);
        history.end(
            u64::from(number),
            Outcome::complete(vec![(offset - 0.4).abs()]),
        );
    }
    // All that was seen is within one deviation. Kernels as wide as the cut, which is at ten, proposed most of it far outside.
    let far = (12..112).filter(|number| {
        let Proposal::Values(values) = Tpe::new(TpeOptions::new(1), 7).ask(*number, &history)
        else {
            panic!("no values");
        };
        (values[0] - 3.0).abs() > 1.5
    });
    let far = far.count();
    assert!(far <= 2, "{far} of 100 are more than three deviations away");
}
