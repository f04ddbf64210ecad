//! Distributions move as those of cmaes do (`fixtures/cmaes_steps.py`), and find what is to be found.

use eagleray_search::cma::{Evolution, Kind, Margin};
use eagleray_search::random::{Purpose, Random};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    kind: String,
    mean: Vec<f64>,
    sigma: f64,
    population: usize,
    steps: Vec<(usize, f64, f64, usize)>,
    generations: Vec<Generation>,
}

#[derive(Deserialize)]
struct Generation {
    points: Vec<Told>,
    after: After,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    Encoded(Vec<f64>, f64, Vec<f64>),
    Plain(Vec<f64>, f64),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct After {
    generation: usize,
    mean: Vec<f64>,
    sigma: f64,
    variances: Vec<f64>,
    is_exhausted: bool,
}

#[derive(Deserialize)]
struct Fixtures {
    cases: Vec<Case>,
}

#[track_caller]
fn assert_near(found: f64, expected: f64, what: &str) {
    let distance = (found - expected).abs();
    // Rounding errors grow a little with each generation.
    assert!(
        distance <= 1e-9 * expected.abs().max(1e-6),
        "{what}: {found} is not {expected}"
    );
}

#[test]
fn generations_are_those_of_cmaes() {
    let text = include_str!("fixtures/cmaes_steps.json");
    let Fixtures { cases } = serde_json::from_str(text).unwrap();
    assert!(cases.len() > 8);
    for (index, case) in cases.iter().enumerate() {
        let kind = if case.kind == "separable" {
            Kind::Separable
        } else {
            Kind::Full
        };
        let mut evolution = Evolution::new(case.mean.clone(), case.sigma, case.population, kind);
        let mut margin = Margin::new(&evolution, case.steps.iter().copied());
        for Generation { points, after } in &case.generations {
            let what = format!("case {index}, generation {}", after.generation);
            let points = points
                .iter()
                .map(|told| match told {
                    Told::Plain(point, value) => (point.clone(), *value),
                    Told::Encoded(point, value, expected) => {
                        for (found, expected) in
                            margin.encoded(&evolution, point).iter().zip(expected)
                        {
                            assert_near(*found, *expected, &what);
                        }
                        (point.clone(), *value)
                    }
                })
                .collect();
            evolution.advance(points);
            margin.keep(&mut evolution);
            assert_eq!(evolution.generation(), after.generation);
            assert_near(evolution.sigma(), after.sigma, &what);
            for (at, (mean, variance)) in after.mean.iter().zip(&after.variances).enumerate() {
                assert_near(evolution.mean()[at], *mean, &what);
                assert_near(evolution.variance(at), *variance, &what);
            }
            assert_eq!(evolution.is_exhausted(), after.is_exhausted, "{what}");
        }
    }
}

/// Runs generations until a value is reached: how many points that took.
fn points_until(
    target: f64,
    kind: Kind,
    size: usize,
    seed: u64,
    objective: fn(&[f64]) -> f64,
) -> Option<usize> {
    let population = Evolution::population_for(size);
    let mut evolution = Evolution::new(vec![1.5; size], 1.0, population, kind);
    let mut random = Random::new(seed, Purpose::Model, 0);
    for generation in 1..2_000 {
        let points: Vec<(Vec<f64>, f64)> = (0..population)
            .map(|_| {
                let normals: Vec<f64> = (0..size).map(|_| random.normal()).collect();
                let point = evolution.point(&normals);
                let value = objective(&point);
                (point, value)
            })
            .collect();
        if points.iter().any(|(_, value)| *value < target) {
            return Some(generation * population);
        }
        evolution.advance(points);
    }
    None
}

fn ellipsoid(point: &[f64]) -> f64 {
    let last = (point.len() - 1) as f64;
    let weight = |at: usize| 10_f64.powf(6.0 * at as f64 / last);
    point
        .iter()
        .enumerate()
        .map(|(at, value)| weight(at) * value * value)
        .sum()
}

fn rosenbrock(point: &[f64]) -> f64 {
    point
        .windows(2)
        .map(|pair| 100.0 * (pair[1] - pair[0] * pair[0]).powi(2) + (1.0 - pair[0]).powi(2))
        .sum()
}

#[test]
fn it_finds_the_bottom_of_valleys() {
    for seed in 0..5 {
        let points = |kind, size, objective| points_until(1e-8, kind, size, seed, objective);
        let within = |found: Option<usize>, limit: usize| {
            assert!(
                found.is_some_and(|points| points < limit),
                "seed {seed}: {found:?} points"
            );
        };
        within(points(Kind::Full, 5, ellipsoid), 3_000);
        // With four parameters and more, Rosenbrock's valley has a second bottom.
        within(points(Kind::Full, 3, rosenbrock), 3_000);
        within(points(Kind::Separable, 20, ellipsoid), 12_000);
    }
}
