//! What every searcher keeps to (SE-1, SE-2 in `searcher.rs`), on spaces with branches, with trials that report on the way, come back
//! late, fail, are pruned or break a constraint.

mod searching;

use std::sync::Arc;

use eagleray_search::bohb::{Bohb, BohbOptions};
use eagleray_search::cma::{Cma, CmaOptions, Restart};
use eagleray_search::domain::Domain;
use eagleray_search::gp::{Gp, GpOptions};
use eagleray_search::grid::Grid;
use eagleray_search::history::{History, Outcome, State};
use eagleray_search::hypervolume::hypervolume;
use eagleray_search::nsga2::{Crossover, Nsga2, Nsga2Options};
use eagleray_search::quasi_random::{Halton, QuasiRandomSearch, Sobol};
use eagleray_search::random::{Purpose, Random};
use eagleray_search::random_search::RandomSearch;
use eagleray_search::searcher::{Proposal, Searcher};
use eagleray_search::space::{Condition, Parameter, Space, Values};
use eagleray_search::tpe::{Tpe, TpeOptions};

use searching::{best_of, check, search};

type Make = fn(&Arc<Space>, u64) -> Box<dyn Searcher>;

/// Looks less hard for the best point: what is asserted here does not depend on it, and the tests are not optimised.
const SMALL_GP: GpOptions = GpOptions {
    num_startup_trials: 10,
    deterministic_objective: false,
    candidates: 32,
    local_searches: 2,
};

/// Searchers that take any space; those that also answer without a memory of what they were asked.
const SEARCHERS: [(&str, Make, bool); 14] = [
    (
        "nsga2",
        |_, seed| {
            let options = Nsga2Options {
                population: 10,
                ..Nsga2Options::default()
            };
            Box::new(Nsga2::new(options, seed))
        },
        false,
    ),
    (
        "nsga2, simulated binary crossover",
        |_, seed| {
            let options = Nsga2Options {
                population: 10,
                crossover: Crossover::SimulatedBinary,
                ..Nsga2Options::default()
            };
            Box::new(Nsga2::new(options, seed))
        },
        false,
    ),
    ("random", |_, seed| Box::new(RandomSearch::new(seed)), true),
    (
        "sobol",
        |space, seed| Box::new(QuasiRandomSearch::new(Sobol::new(space.len(), Some(seed)))),
        true,
    ),
    (
        "halton",
        |space, seed| Box::new(QuasiRandomSearch::new(Halton::new(space.len(), Some(seed)))),
        true,
    ),
    (
        "tpe",
        |_, seed| Box::new(Tpe::new(TpeOptions::new(1), seed)),
        true,
    ),
    (
        "tpe, each parameter alone",
        |_, seed| {
            let options = TpeOptions {
                multivariate: false,
                ..TpeOptions::new(1)
            };
            Box::new(Tpe::new(options, seed))
        },
        true,
    ),
    ("gp", |_, seed| Box::new(Gp::new(SMALL_GP, seed)), true),
    (
        "gp, without noise",
        |_, seed| {
            let options = GpOptions {
                deterministic_objective: true,
                ..SMALL_GP
            };
            Box::new(Gp::new(options, seed))
        },
        true,
    ),
    (
        "bohb",
        |_, seed| Box::new(Bohb::new(BohbOptions::default(), seed)),
        true,
    ),
    (
        "bohb, never random",
        |_, seed| {
            let options = BohbOptions {
                random_fraction: 0.0,
                ..BohbOptions::default()
            };
            Box::new(Bohb::new(options, seed))
        },
        true,
    ),
    (
        "cma",
        |space, seed| Box::new(Cma::new(space, CmaOptions::default(), seed)),
        false,
    ),
    (
        "cma, separable",
        |space, seed| {
            let options = CmaOptions {
                separable: true,
                with_margin: false,
                restart: Restart::Bipop,
                ..CmaOptions::default()
            };
            Box::new(Cma::new(space, options, seed))
        },
        false,
    ),
    (
        "cma, without restarts",
        |space, seed| {
            let options = CmaOptions {
                restart: Restart::None,
                population: Some(4),
                ..CmaOptions::default()
            };
            Box::new(Cma::new(space, options, seed))
        },
        false,
    ),
];

fn spaces() -> Vec<Arc<Space>> {
    let plain = |domain| Parameter {
        domain,
        condition: None,
    };
    let unit = Domain::Float {
        low: 0.0,
        high: 1.0,
        is_log: false,
    };
    let logarithmic = Domain::Float {
        low: 1e-5,
        high: 1e-1,
        is_log: true,
    };
    let tenths = Domain::Stepped {
        first: -3,
        last: 12,
        step: 0.1,
        digits: 1,
        is_log: false,
    };
    let in_branch = |domain, parameter, choice| Parameter {
        domain,
        condition: Some(Condition { parameter, choice }),
    };
    [
        vec![],
        vec![plain(unit.clone())],
        vec![
            plain(Domain::integers(4, 4, false)),
            plain(Domain::Categorical { count: 1 }),
        ],
        vec![
            plain(unit.clone()),
            plain(logarithmic.clone()),
            plain(tenths.clone()),
            plain(Domain::integers(1, 1_000, true)),
            plain(Domain::integers(0, 1, false)),
            plain(Domain::Normal {
                mean: 3.0,
                sd: 0.5,
                rounding: None,
            }),
            plain(Domain::Categorical { count: 3 }),
        ],
        vec![
            plain(unit.clone()),
            plain(Domain::Categorical { count: 3 }),
            in_branch(logarithmic, 1, 0),
            in_branch(Domain::Categorical { count: 2 }, 1, 1),
            in_branch(tenths, 3, 1),
            plain(unit.clone()),
        ],
        // Nothing lies between their ends on the scale of the logarithms, or a single float.
        vec![
            plain(unit.clone()),
            plain(unit),
            plain(Domain::Float {
                low: 1e10,
                high: 1e10 * (1.0 + 1e-15),
                is_log: true,
            }),
            plain(Domain::integers((1 << 53) - 10, (1 << 53) - 1, true)),
            plain(Domain::integers((1 << 53) - 60, (1 << 53) - 1, true)),
            plain(Domain::Float {
                low: -1e308,
                high: 1.5e308,
                is_log: false,
            }),
        ],
    ]
    .into_iter()
    .map(|parameters| Arc::new(Space::new(parameters).unwrap()))
    .collect()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// A search with some trials at a time, whose ends come in any order: what was proposed, and the history.
fn search_at_once(
    space: &Arc<Space>,
    searcher: &mut dyn Searcher,
    trials: u64,
    seed: u64,
    what: &str,
) -> (Vec<Values>, History) {
    let mut history = History::new(Arc::clone(space));
    let mut random = Random::new(seed, Purpose::Sequence, 0);
    let mut running = Vec::new();
    let mut proposed = Vec::new();
    for number in 0..trials {
        let Proposal::Values(values) = searcher.ask(number, &history) else {
            panic!("{what}: trial {number} has no values");
        };
        check(space, &values, what);
        proposed.push(values.clone());
        history.begin(number, values.clone());
        // Some get further than others, for those who learn from budgets.
        for step in (0..4).take_while(|step| number % (1 << step) == 0) {
            history.report(number, 3_u64.pow(step), -(number as f64));
        }
        running.push(number);
        while running.len() > 3 || (!running.is_empty() && random.unit() < 0.3) {
            let ended = running.swap_remove(random.below(running.len()));
            let draw = random.unit();
            let value: f64 = values
                .iter()
                .filter(|value| !value.is_nan())
                .map(|value| value * value)
                .sum();
            history.end(
                ended,
                Outcome {
                    state: match draw {
                        _ if draw < 0.1 => State::Failed,
                        _ if draw < 0.3 => State::Pruned,
                        _ => State::Complete,
                    },
                    objectives: if draw < 0.1 { Vec::new() } else { vec![value] },
                    last_step: 1 + random.below(9) as u64,
                    violation: match draw {
                        // The metric of a constraint is missing.
                        _ if draw > 0.98 => f64::INFINITY,
                        _ if draw > 0.9 => draw,
                        _ => 0.0,
                    },
                },
            );
        }
    }
    (proposed, history)
}

#[test]
fn values_are_those_of_the_space_and_repeat_with_the_seed() {
    for (name, make, _) in SEARCHERS {
        for (index, space) in spaces().iter().enumerate() {
            let what = format!("{name}, space {index}");
            let run = |seed| {
                let (proposed, _) = search_at_once(space, &mut *make(space, seed), 120, 5, &what);
                proposed
                    .iter()
                    .map(|values| bits(values))
                    .collect::<Vec<_>>()
            };
            let first = run(1);
            assert_eq!(run(1), first, "{what}");
            let has_choice = (0..space.len()).any(|each| !space.domain(each).is_single());
            assert_eq!(run(2) != first, has_choice, "{what}");
        }
    }
}

#[test]
fn answers_depend_on_nothing_but_seed_number_and_history() {
    for (name, make, has_no_memory) in SEARCHERS {
        if !has_no_memory {
            continue;
        }
        for (index, space) in spaces().iter().enumerate() {
            let what = format!("{name}, space {index}");
            let mut used = make(space, 1);
            let (_, history) = search_at_once(space, &mut *used, 60, 6, &what);
            let mut fresh = make(space, 1);
            for number in [60, 61, 1_000] {
                let (a, b, c) = (
                    used.ask(number, &history),
                    fresh.ask(number, &history),
                    fresh.ask(number, &history),
                );
                let of = |proposal: &Proposal| match proposal {
                    Proposal::Values(values) => bits(values),
                    other => panic!("{what}: {other:?}"),
                };
                assert_eq!(of(&a), of(&b), "{what}");
                assert_eq!(of(&b), of(&c), "{what}");
            }
        }
    }
}

#[test]
fn a_grid_ends() {
    let choice = Parameter {
        domain: Domain::Categorical { count: 3 },
        condition: None,
    };
    let space = Arc::new(Space::new(vec![choice.clone(), choice]).unwrap());
    for seed in [None, Some(1)] {
        let mut grid = Grid::new(&space, seed).unwrap();
        let (proposed, history) = search_at_once(&space, &mut grid, 9, 7, "grid");
        let mut different: Vec<Vec<u64>> = proposed.iter().map(|values| bits(values)).collect();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), 9);
        assert_eq!(grid.ask(9, &history), Proposal::Done);
    }
}

#[test]
fn cma_comes_close_and_keeps_to_steps() {
    let float = Domain::Float {
        low: -2.0,
        high: 3.0,
        is_log: false,
    };
    let whole = Domain::integers(-20, 30, false);
    let domains = [float.clone(), float, whole.clone(), whole];
    let parameters = domains
        .into_iter()
        .map(|domain| Parameter {
            domain,
            condition: None,
        })
        .collect();
    let space = Arc::new(Space::new(parameters).unwrap());
    let objective = |values: &[f64]| {
        (values[0] - 1.0).powi(2)
            + (values[1] + 1.5).powi(2)
            + (values[2] - 17.0).powi(2)
            + (values[3] + 11.0).powi(2)
    };
    let mut bests: Vec<f64> = (0..9)
        .map(|seed| {
            best_of(
                &space,
                &mut Cma::new(&space, CmaOptions::default(), seed),
                600,
                objective,
            )
        })
        .collect();
    bests.sort_by(f64::total_cmp);
    assert!(bests[4] < 1e-6, "{bests:?}");
}

#[test]
fn cma_reaches_an_optimum_at_the_ends() {
    let domain = Domain::Float {
        low: -5.0,
        high: 5.0,
        is_log: false,
    };
    let parameter = Parameter {
        domain,
        condition: None,
    };
    let space = Arc::new(Space::new(vec![parameter; 5]).unwrap());
    // The steepest parameter is a hundred times steeper than the flattest: the best corner is (5, -5, 5, -5, 5).
    let slope = |values: &[f64]| {
        let losses = values.iter().enumerate().map(|(at, value)| {
            let towards = if at % 2 == 0 { *value } else { -value };
            10_f64.powf(at as f64 / 2.0) * (5.0 - towards)
        });
        losses.sum()
    };
    for seed in 0..5 {
        let mut cma = Cma::new(&space, CmaOptions::default(), seed);
        let best = best_of(&space, &mut cma, 2_000, slope);
        assert!(best < 1e-6, "seed {seed}: {best}");
    }
}

/// Zitzler, Deb and Thiele, "Comparison of multiobjective evolutionary algorithms", 2000: ZDT1 with six variables.
fn zdt1(values: &[f64]) -> Vec<f64> {
    let rest: f64 = values[1..].iter().sum::<f64>() / (values.len() - 1) as f64;
    let slope = 1.0 + 9.0 * rest;
    vec![values[0], slope * (1.0 - (values[0] / slope).sqrt())]
}

#[test]
fn nsga2_comes_close_to_a_front() {
    let parameter = Parameter {
        domain: Domain::Float {
            low: 0.0,
            high: 1.0,
            is_log: false,
        },
        condition: None,
    };
    let space = Arc::new(Space::new(vec![parameter; 6]).unwrap());
    for crossover in [
        Crossover::Uniform,
        Crossover::SimulatedBinary,
        Crossover::BlendAlpha,
    ] {
        let options = Nsga2Options {
            crossover,
            ..Nsga2Options::default()
        };
        let mut volumes: Vec<f64> = (0..5)
            .map(|seed| {
                let history = search(&space, &mut Nsga2::new(options, seed), 1_000, zdt1);
                let points: Vec<&[f64]> = history
                    .trials()
                    .iter()
                    .map(|trial| trial.objectives.as_slice())
                    .collect();
                hypervolume(&points, &[1.1, 11.0])
            })
            .collect();
        volumes.sort_by(f64::total_cmp);
        // All of it is 11.77; 1,000 random points have 10.4 in the median, and Optuna's sampler 11.4.
        assert!(volumes[2] > 11.0, "{crossover:?}: {volumes:?}");
    }
}

/// A third parameter that CMA-ES can't place, and one that is rounded by who tries it.
#[test]
fn cma_goes_on_where_something_else_was_tried() {
    let float = Domain::Float {
        low: -5.0,
        high: 5.0,
        is_log: false,
    };
    let rounded = Domain::Normal {
        mean: 0.0,
        sd: 2.0,
        rounding: Some(0.5),
    };
    let parameters = [float.clone(), float, rounded].map(|domain| Parameter {
        domain,
        condition: None,
    });
    let space = Arc::new(Space::new(parameters.into()).unwrap());
    let mut bests: Vec<f64> = (0..7)
        .map(|seed| {
            let mut history = History::new(Arc::clone(&space));
            let mut cma = Cma::new(&space, CmaOptions::default(), seed);
            let mut best = f64::INFINITY;
            for number in 0..800 {
                let Proposal::Values(mut values) = cma.ask(number, &history) else {
                    panic!("trial {number} has no values");
                };
                // Half of the space is refused, up to its best point: random ones are tried instead.
                let mut random = Random::new(seed, Purpose::Redrawing, number);
                while values[0] + values[1] > 2.0 {
                    values = space.fill(|| random.unit());
                }
                values[2] = (values[2] / 0.5).round() * 0.5;
                let objective = (values[0] - 1.0).powi(2)
                    + 100.0 * (values[1] - 1.0).powi(2)
                    + (values[2] - 1.5).powi(2);
                best = best.min(objective);
                history.begin(number, values);
                history.end(number, Outcome::complete(vec![objective]));
            }
            best
        })
        .collect();
    bests.sort_by(f64::total_cmp);
    assert!(bests[3] < 1e-4, "{bests:?}");
}
