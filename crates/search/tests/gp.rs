//! The model is Optuna's, given the same kernel: `fixtures/optuna_gp.py` wrote what it makes of the same points.

mod searching;

use std::sync::Arc;

use eagleray_search::domain::Domain;
use eagleray_search::gp::{
    Acquisition, Evaluation, Gp, GpOptions, Kernel, Likelihood, Points, Posterior, fit,
};
use eagleray_search::history::{History, Outcome, State};
use eagleray_search::random::{Purpose, Random};
use eagleray_search::random_search::RandomSearch;
use eagleray_search::searcher::{Proposal, Searcher};
use eagleray_search::space::{Condition, Parameter, Space};
use serde::Deserialize;

use searching::{best_of, search};

#[derive(Deserialize)]
struct Fixtures {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    numeric: usize,
    is_deterministic: bool,
    seen: Vec<Vec<f64>>,
    values: Vec<f64>,
    running: Vec<Vec<f64>>,
    kernel: Written,
    log_likelihood: f64,
    log_prior: f64,
    gradient: Vec<f64>,
    points: Vec<Vec<f64>>,
    means: Vec<f64>,
    variances: Vec<f64>,
    log_improvements: Vec<f64>,
    slopes: Vec<Vec<f64>>,
    log_chances: Vec<f64>,
    fitted: Written,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    inverse_squared_lengths: Vec<f64>,
    scale: f64,
    noise: f64,
}

impl From<&Written> for Kernel {
    fn from(written: &Written) -> Self {
        Self {
            inverse_squared_lengths: written.inverse_squared_lengths.clone(),
            scale: written.scale,
            noise: written.noise,
        }
    }
}

impl Case {
    fn points(&self, rows: &[Vec<f64>]) -> Points {
        Points {
            dimensions: self.seen[0].len(),
            numeric: self.numeric,
            cells: rows.concat(),
        }
    }

    fn posterior(&self, with_running: bool) -> Posterior {
        let mut rows = self.seen.clone();
        if with_running {
            rows.extend_from_slice(&self.running);
        }
        Posterior::new(
            &self.points(&rows),
            &self.values,
            &Kernel::from(&self.kernel),
        )
        .unwrap()
    }
}

fn fixtures() -> Vec<Case> {
    let text = include_str!("fixtures/optuna_gp.json");
    let Fixtures { cases } = serde_json::from_str(text).unwrap();
    assert!(cases.len() >= 12);
    cases
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= tolerance * (1.0 + expected.abs()),
            "{what}: {found} is not {expected}"
        );
    }
}

#[test]
fn likelihoods_are_those_of_optuna() {
    for (index, case) in fixtures().iter().enumerate() {
        let points = case.points(&case.seen);
        let likelihood = Likelihood::new(&points, &case.values, case.is_deterministic);
        let Evaluation {
            log_likelihood,
            log_prior,
            gradient,
        } = likelihood.evaluate(&Kernel::from(&case.kernel)).unwrap();
        let what = format!("case {index}");
        assert_near(
            &[log_likelihood, log_prior],
            &[case.log_likelihood, case.log_prior],
            1e-9,
            &what,
        );
        // Where nothing fits, derivatives are small differences of large numbers.
        let tolerance = 1e-7 + 1e-9 * log_likelihood.abs();
        assert_near(&gradient, &case.gradient, tolerance, &what);
    }
}

#[test]
fn what_is_expected_is_what_optuna_expects() {
    for (index, case) in fixtures().iter().enumerate() {
        let points = case.points(&case.points);
        let what = format!("case {index}");
        let moments = case.posterior(false).moments(&points);
        let means: Vec<f64> = moments.iter().map(|each| each.mean).collect();
        assert_near(&means, &case.means, 1e-8, &what);
        // These are those with the trials that run, which matter to nothing else.
        let moments = case.posterior(true).moments(&points);
        let variances: Vec<f64> = moments.iter().map(|each| each.variance).collect();
        assert_near(&variances, &case.variances, 1e-8, &what);
    }
}

#[test]
fn improvements_and_chances_are_those_of_optuna() {
    let mut slopes = 0;
    for (index, case) in fixtures().iter().enumerate() {
        let points = case.points(&case.points);
        let best = case
            .values
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        let what = format!("case {index}");
        let mut acquisition = Acquisition {
            objective: case.posterior(false),
            best: Some(best),
            feasibility: None,
        };
        assert_near(
            &acquisition.values(&points),
            &case.log_improvements,
            1e-6,
            &what,
        );
        let found = acquisition.values_and_slopes(&points);
        let expected = case.log_improvements.iter().zip(&case.slopes);
        for ((value, slope), (expected, expected_slope)) in found.iter().zip(expected) {
            assert_near(&[*value], &[*expected], 1e-6, &what);
            if !expected_slope.is_empty() {
                assert_near(slope, &expected_slope[..case.numeric], 1e-5, &what);
                slopes += 1;
            }
        }
        acquisition.feasibility = Some((case.posterior(false), 0.3));
        let both: Vec<f64> = case
            .log_improvements
            .iter()
            .zip(&case.log_chances)
            .map(|(a, b)| a + b)
            .collect();
        assert_near(&acquisition.values(&points), &both, 1e-6, &what);
        acquisition.best = None;
        assert_near(&acquisition.values(&points), &case.log_chances, 1e-6, &what);
    }
    // Optuna has none in places, but not everywhere.
    assert!(slopes > 60, "{slopes}");
}

#[test]
fn kernels_are_as_likely_as_those_that_optuna_finds() {
    for (index, case) in fixtures().iter().enumerate() {
        let points = case.points(&case.seen);
        let likelihood = Likelihood::new(&points, &case.values, case.is_deterministic);
        let logarithm = |kernel: &Kernel| {
            let found = likelihood.evaluate(kernel).unwrap();
            found.log_likelihood + found.log_prior
        };
        let own = logarithm(&fit(&points, &case.values, case.is_deterministic));
        let theirs = logarithm(&Kernel::from(&case.fitted));
        // Where nothing fits the numbers are large.
        let tolerance = 0.05 + 1e-6 * theirs.abs();
        assert!(
            own > theirs - tolerance,
            "case {index}: {own} against {theirs}"
        );
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

fn floats(count: usize) -> Arc<Space> {
    Arc::new(Space::new(vec![float(-5.0, 5.0); count]).unwrap())
}

fn gp(seed: u64) -> Gp {
    let options = GpOptions {
        candidates: 128,
        local_searches: 4,
        ..GpOptions::default()
    };
    Gp::new(options, seed)
}

fn proposed(searcher: &mut Gp, number: u64, history: &History) -> Vec<f64> {
    match searcher.ask(number, history) {
        Proposal::Values(values) => values,
        other => panic!("{other:?}"),
    }
}

/// The best value of so many trials, in the median of some seeds.
fn median_of_best(space: &Arc<Space>, trials: u64, objective: impl Fn(&[f64]) -> f64) -> f64 {
    let mut bests: Vec<f64> = (0..5)
        .map(|seed| best_of(space, &mut gp(seed), trials, &objective))
        .collect();
    bests.sort_by(f64::total_cmp);
    bests[2]
}

#[test]
fn it_learns() {
    let sphere = |values: &[f64]| {
        values
            .iter()
            .map(|value| (value - 1.0).powi(2))
            .sum::<f64>()
    };
    let best = median_of_best(&floats(3), 30, sphere);
    // After a hundred trials with only two parameters, TPE has about 0.02.
    assert!(best < 1e-2, "{best}");
}

#[test]
fn it_learns_with_steps_and_choices() {
    let parameter = |domain| Parameter {
        domain,
        condition: None,
    };
    let space = Space::new(vec![
        parameter(Domain::Categorical { count: 4 }),
        float(-5.0, 5.0),
        parameter(Domain::integers(0, 40, false)),
        parameter(Domain::integers(1, 1_000, true)),
    ]);
    let objective = |values: &[f64]| {
        let choice = if values[0] == 2.0 { 0.0 } else { 1.0 };
        choice
            + 0.1 * (values[1] - 1.0).powi(2)
            + 0.01 * (values[2] - 17.0).powi(2)
            + (values[3] / 60.0).ln().abs()
    };
    let best = median_of_best(&Arc::new(space.unwrap()), 50, objective);
    assert!(best < 0.2, "{best}");
}

#[test]
fn parameters_of_branches_are_random_and_those_around_them_are_not() {
    let branch = |choice| Parameter {
        condition: Some(Condition {
            parameter: 0,
            choice,
        }),
        ..float(0.0, 1.0)
    };
    let space = Space::new(vec![
        Parameter {
            domain: Domain::Categorical { count: 2 },
            condition: None,
        },
        branch(0),
        branch(1),
        float(-5.0, 5.0),
    ]);
    let space = Arc::new(space.unwrap());
    let history = search(&space, &mut gp(1), 40, |values| {
        vec![values[0] + (values[3] - 2.0).powi(2)]
    });
    // By chance it would be one in two, and one in ten.
    let late = &history.trials()[10..];
    let choices = late.iter().filter(|trial| trial.values[0] == 0.0);
    let near = late
        .iter()
        .filter(|trial| (trial.values[3] - 2.0).abs() < 0.5);
    let (choices, near) = (choices.count(), near.count());
    assert!(choices > 18 && near > 10, "{choices}, {near}");
    // All of the branch's range is seen, though nothing is known of it.
    let seen = late
        .iter()
        .map(|trial| trial.values[1])
        .filter(|value| !value.is_nan());
    let (low, high) = seen.fold((1.0, 0.0), |(low, high): (f64, f64), value| {
        (low.min(value), high.max(value))
    });
    assert!(low < 0.4 && high > 0.6, "{low}, {high}");
}

#[test]
fn proposals_depend_on_seed_number_and_history_alone() {
    let space = floats(2);
    let told = |order: &[u64]| {
        let mut history = History::new(Arc::clone(&space));
        for number in order {
            let place = (*number as f64 * 0.37).fract();
            history.begin(*number, vec![place, 1.0 - place * place]);
            history.end(*number, Outcome::complete(vec![(place - 0.4).abs()]));
        }
        history
    };
    let order: Vec<u64> = (0..100).collect();
    let turned: Vec<u64> = order.iter().rev().copied().collect();
    let mut fresh = gp(7);
    let first = proposed(&mut fresh, 100, &told(&order));
    // Whoever has fitted other kernels before finds the same one.
    let mut used = gp(7);
    for count in [10, 47, 98, 100] {
        proposed(&mut used, 100, &told(&order[..count]));
    }
    assert_eq!(proposed(&mut used, 100, &told(&turned)), first);
    assert_ne!(proposed(&mut used, 101, &told(&order)), first);
    assert_ne!(proposed(&mut gp(8), 100, &told(&order)), first);
}

#[test]
fn trials_that_run_are_left_alone() {
    let space = floats(2);
    let waves = |values: &[f64]| vec![values[0].sin() + (1.7 * values[1]).cos() + 0.1 * values[0]];
    let mut history = search(&space, &mut gp(3), 12, waves);
    let mut searcher = gp(3);
    let mut batch: Vec<Vec<f64>> = Vec::new();
    for number in 12..18 {
        let values = proposed(&mut searcher, number, &history);
        for other in &batch {
            let distance = (values[0] - other[0]).hypot(values[1] - other[1]);
            assert!(distance > 0.1, "{values:?} and {other:?}");
        }
        history.begin(number, values.clone());
        batch.push(values);
    }
}

#[test]
fn constraints_are_kept() {
    let space = floats(2);
    let mut history = History::new(Arc::clone(&space));
    let mut searcher = gp(5);
    for number in 0..45 {
        let values = proposed(&mut searcher, number, &history);
        // The farther to the left the better, but not beyond 1.
        let outcome = Outcome {
            violation: (1.0 - values[0]).max(0.0),
            ..Outcome::complete(vec![values[0] + 0.1 * values[1].abs()])
        };
        history.begin(number, values);
        history.end(number, outcome);
    }
    // At the border one does not know: what breaks the constraint does so by little.
    let late = &history.trials()[25..];
    let near = late.iter().filter(|trial| trial.violation < 0.3).count();
    assert!(near >= 18, "{near}");
    let kept = history
        .trials()
        .iter()
        .filter(|trial| trial.violation == 0.0);
    let best = kept
        .map(|trial| trial.objectives[0])
        .fold(f64::INFINITY, f64::min);
    assert!(best < 1.3, "{best}");
}

#[test]
fn as_long_as_all_trials_break_a_constraint_it_looks_for_one_that_does_not() {
    let space = floats(3);
    let mut history = History::new(Arc::clone(&space));
    let mut searcher = gp(2);
    let mut found = None;
    for number in 0..60 {
        let values = proposed(&mut searcher, number, &history);
        let distance: f64 = values.iter().map(|value| (value - 2.0).powi(2)).sum();
        let outcome = Outcome {
            violation: (distance - 0.3).max(0.0),
            ..Outcome::complete(vec![-values[0]])
        };
        if outcome.violation == 0.0 {
            found = found.or(Some(number));
        }
        history.begin(number, values);
        history.end(number, outcome);
    }
    // A random point is one with a chance of 1 in 1,450.
    assert!(found.is_some_and(|number| number < 40), "{found:?}");
}

#[test]
fn trials_without_a_result_teach_nothing() {
    let space = floats(2);
    let complete = search(&space, &mut gp(3), 15, |values| vec![values[0] + values[1]]);
    let mut with_others = complete.clone();
    for (number, state) in [(15, State::Pruned), (16, State::Failed)] {
        with_others.begin(number, vec![-4.9, -4.9]);
        let outcome = Outcome {
            state,
            ..Outcome::complete(vec![-100.0])
        };
        assert!(with_others.end(number, outcome));
    }
    let next = |history: &History| proposed(&mut gp(3), 17, history);
    assert_eq!(next(&complete), next(&with_others));
}

#[test]
fn scores_are_in_the_units_of_the_metric() {
    let space = floats(2);
    let objective = |values: &[f64]| 1_000.0 + 50.0 * (values[0] + values[1]);
    let mut searcher = gp(3);
    let mut empty = History::new(Arc::clone(&space));
    empty.begin(0, vec![0.0, 0.0]);
    assert_eq!(searcher.score(&[0.0, 0.0], &empty), None);
    let history = search(&space, &mut gp(3), 25, |values| vec![objective(values)]);
    let mut random = Random::new(4, Purpose::Sampling, 0);
    for _ in 0..20 {
        let values = space.fill(|| random.unit());
        let score = searcher.score(&values, &history).unwrap();
        let parts: Vec<(&str, f64)> = score.parts;
        let [("mean", mean), ("std", std)] = parts[..] else {
            panic!("{parts:?}");
        };
        assert!(
            (mean - objective(&values)).abs() < 20.0 + 5.0 * std,
            "{mean} is not {}",
            objective(&values)
        );
        assert!((0.0..200.0).contains(&std));
    }
    let acquisition =
        |values: &[f64], searcher: &mut Gp| searcher.score(values, &history).unwrap().acquisition;
    let next = proposed(&mut searcher, 25, &history);
    let of_next = acquisition(&next, &mut searcher);
    for _ in 0..50 {
        let values = space.fill(|| random.unit());
        assert!(acquisition(&values, &mut searcher) <= of_next + 1e-6);
    }
}

#[test]
fn a_trial_without_the_metric_of_a_constraint_does_not_end_the_model() {
    let space = floats(2);
    let mut history = History::new(Arc::clone(&space));
    let mut searcher = gp(5);
    for number in 0..30 {
        let values = proposed(&mut searcher, number, &history);
        let outcome = Outcome {
            violation: if number == 3 {
                f64::INFINITY
            } else {
                (1.0 - values[0]).max(0.0)
            },
            ..Outcome::complete(vec![values[0] + 0.1 * values[1].abs()])
        };
        history.begin(number, values);
        history.end(number, outcome);
    }
    let score = searcher.score(&[1.5, 0.5], &history).unwrap();
    assert!(score.acquisition.is_finite(), "{score:?}");
    let mut random = RandomSearch::new(5);
    assert_ne!(searcher.ask(30, &history), random.ask(30, &history));
}
