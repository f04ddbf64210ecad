//! Importances are those of Optuna: `fixtures/optuna_importances.py` wrote what it makes of the same trials.

use std::sync::Arc;

use eagleray_search::domain::Domain;
use eagleray_search::history::{History, Outcome, State};
use eagleray_search::importances::{EqualResults, Importances, fanova, ped_anova};
use eagleray_search::random::{Purpose, Random};
use eagleray_search::space::{Condition, Parameter, Space};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fixtures {
    ped_anova: Vec<Case>,
    fanova: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    space: Vec<Described>,
    trials: Vec<Written>,
    importances: Importances,
}

#[derive(Deserialize)]
struct Described {
    domain: DescribedDomain,
    condition: Option<DescribedCondition>,
}

#[derive(Deserialize)]
struct DescribedCondition {
    parameter: usize,
    choice: usize,
}

#[derive(Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum DescribedDomain {
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
struct Written {
    state: String,
    values: Vec<Option<f64>>,
    result: f64,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("fixtures/optuna_importances.json")).unwrap()
}

fn history_of(case: &Case) -> History {
    let parameters = case.space.iter().map(|described| Parameter {
        domain: match described.domain {
            DescribedDomain::Float { low, high, is_log } => Domain::Float { low, high, is_log },
            DescribedDomain::Stepped {
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
            DescribedDomain::Categorical { count } => Domain::Categorical { count },
        },
        condition: described.condition.as_ref().map(|condition| Condition {
            parameter: condition.parameter,
            choice: condition.choice,
        }),
    });
    let mut history = History::new(Arc::new(Space::new(parameters.collect()).unwrap()));
    for (number, trial) in (0..).zip(&case.trials) {
        let values = trial.values.iter().map(|value| value.unwrap_or(f64::NAN));
        history.begin(number, values.collect());
        let state = match trial.state.as_str() {
            "complete" => State::Complete,
            "pruned" => State::Pruned,
            "failed" => State::Failed,
            _ => continue,
        };
        let outcome = Outcome {
            state,
            ..Outcome::complete(vec![trial.result])
        };
        assert!(history.end(number, outcome));
    }
    history
}

fn assert_near(found: &Importances, expected: &Importances, tolerance: f64, what: &str) {
    let sum: f64 = found.iter().flatten().sum();
    assert!((sum - 1.0).abs() < 1e-12, "{what}: the sum is {sum}");
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        assert_eq!(
            a.is_some(),
            b.is_some(),
            "{what}: {found:?}, not {expected:?}"
        );
        let distance = (a.unwrap_or(0.0) - b.unwrap_or(0.0)).abs();
        assert!(distance <= tolerance, "{what}: {found:?}, not {expected:?}");
    }
}

#[test]
fn ped_anova_is_that_of_optuna() {
    let cases = fixtures().ped_anova;
    assert!(cases.len() > 30);
    for (index, case) in cases.iter().enumerate() {
        let found = ped_anova(&history_of(case), 0);
        assert_near(&found, &case.importances, 1e-9, &format!("case {index}"));
    }
}

#[test]
fn fanova_is_near_to_that_of_optuna_whatever_the_forest() {
    let cases = fixtures().fanova;
    assert_eq!(cases.len(), 2);
    for (index, case) in cases.iter().enumerate() {
        for seed in 0..5 {
            let found = fanova(&history_of(case), 0, seed).unwrap();
            let what = format!("case {index}, seed {seed}");
            assert_near(&found, &case.importances, 0.05, &what);
        }
    }
}

fn history(domains: Vec<Domain>, trials: u64, result: impl Fn(&[f64]) -> Vec<f64>) -> History {
    let parameters = domains.into_iter().map(|domain| Parameter {
        domain,
        condition: None,
    });
    let space = Arc::new(Space::new(parameters.collect()).unwrap());
    let mut history = History::new(Arc::clone(&space));
    for number in 0..trials {
        let mut random = Random::new(1, Purpose::Sampling, number);
        let values = space.fill(|| random.unit());
        let results = result(&values);
        history.begin(number, values);
        history.end(number, Outcome::complete(results));
    }
    history
}

const UNIT: Domain = Domain::Float {
    low: 0.0,
    high: 1.0,
    is_log: false,
};

#[test]
fn a_forest_repeats_with_its_seed() {
    let history = history(vec![UNIT, UNIT], 40, |values| vec![values[0] + values[1]]);
    assert_eq!(fanova(&history, 0, 3), fanova(&history, 0, 3));
    assert_ne!(fanova(&history, 0, 3), fanova(&history, 0, 4));
}

/// Of a sum of independent terms, each has its variance: the definition itself.
#[test]
fn fanova_finds_the_variances_of_a_sum() {
    let history = history(vec![UNIT, UNIT, UNIT], 600, |values| {
        vec![2.0 * values[0] + values[1]]
    });
    let expected = vec![Some(0.8), Some(0.2), Some(0.0)];
    assert_near(&fanova(&history, 0, 1).unwrap(), &expected, 0.03, "a sum");
}

#[test]
fn normal_parameters_count_by_their_mass() {
    let normal = Domain::Normal {
        mean: 3.0,
        sd: 0.5,
        rounding: None,
    };
    let history = history(vec![normal, UNIT], 300, |values| {
        vec![(values[0] - 3.0).abs() + 0.01 * values[1]]
    });
    for found in [ped_anova(&history, 0), fanova(&history, 0, 1).unwrap()] {
        assert!(found[0].unwrap() > 0.9);
    }
}

#[test]
fn each_metric_has_its_own() {
    let history = history(vec![UNIT, UNIT], 100, |values| vec![values[0], values[1]]);
    for metric in [0, 1] {
        for found in [
            ped_anova(&history, metric),
            fanova(&history, metric, 1).unwrap(),
        ] {
            assert!(found[metric].unwrap() > 0.9);
        }
    }
}

#[test]
fn where_nothing_differs_parts_are_equal_or_the_reason_is_given() {
    let none = history(vec![UNIT, UNIT], 0, |values| values.to_vec());
    assert_eq!(ped_anova(&none, 0), [None, None]);
    assert_eq!(fanova(&none, 0, 1), Ok(vec![None, None]));
    let one = history(vec![UNIT, UNIT], 1, |values| values.to_vec());
    assert_eq!(ped_anova(&one, 0), [Some(0.5), Some(0.5)]);
    assert_eq!(fanova(&one, 0, 1), Ok(vec![Some(0.5), Some(0.5)]));
    let equal = history(vec![UNIT, UNIT], 9, |_| vec![4.0]);
    assert_eq!(ped_anova(&equal, 0), [Some(0.5), Some(0.5)]);
    assert_eq!(fanova(&equal, 0, 1), Err(EqualResults));
    assert!(EqualResults.to_string().contains("the same"));
}

#[test]
fn choices_without_end_take_no_time_without_end() {
    let choice = Domain::Categorical { count: 60 };
    let history = history(vec![choice, UNIT], 200, |values| {
        vec![f64::from(values[0] < 30.0) + values[1]]
    });
    // Optuna would go through 2⁶⁰ corners.
    let found = fanova(&history, 0, 1).unwrap();
    assert!(found[0] > Some(0.05) && found[1] > Some(0.05), "{found:?}");
}
