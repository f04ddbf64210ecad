//! What a perturbation costs of which the model remembers as much as it does. Run with `cargo bench -p eagleray-search --bench pb2`.
//!
//! Populations of several sizes with four hyper-parameters, whose best values move with time, train in step. A sample is what happens when
//! all have come to a perturbation: their periods are observed, and a quarter of them goes on with what is proposed, each one knowing of
//! those before. It is measured at the moments of a run that has gone this way from its beginning: what was proposed lies closer together
//! than what is drawn, and that is the hard part.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use eagleray_search::pb2::{Period, Population, Start};
use eagleray_search::random::{Purpose, Random};

const BOUNDS: [(f64, f64); 4] = [(-4.0, -1.0), (0.8, 1.0), (0.0, 0.5), (1.0, 64.0)];

/// More than the model takes.
const PERIODS: usize = 300;

/// So many perturbations are one sample: some are easier than others.
const PERTURBATIONS: usize = 4;

/// The latest period of a trial, and the reward at its end.
#[derive(Clone)]
struct Member {
    values: Vec<f64>,
    reward: f64,
    period: Option<Period>,
}

/// All that the model is told and asked at one perturbation.
struct Perturbation {
    periods: Vec<Period>,
    /// Of the trials whose states are taken over.
    starts: Vec<Start>,
}

/// How fast rewards rise at a time.
fn gain(values: &[f64], time: f64, noise: f64) -> f64 {
    let places = values.iter().zip(BOUNDS);
    let distance = places.enumerate().map(|(at, (value, (low, high)))| {
        let best = 0.5 + 0.4 * (time / 15.0 + at as f64).cos();
        ((value - low) / (high - low) - best).powi(2)
    });
    (-2.0 * distance.sum::<f64>()).exp() + noise
}

/// A perturbation, of a model that has seen what was before.
fn perturb(population: &mut Population, perturbation: &Perturbation, number: u64) -> Vec<Vec<f64>> {
    for period in &perturbation.periods {
        population.observe(period.clone());
    }
    let mut running: Vec<Vec<f64>> = Vec::new();
    for (at, start) in perturbation.starts.iter().enumerate() {
        let next = population.explore(&running, *start, 1, number * 1_000 + at as u64);
        running.push(next.expect("something was seen"));
    }
    running
}

/// What a population of that size goes through.
fn run(size: usize, noise: f64) -> Vec<Perturbation> {
    let mut random = Random::new(1, Purpose::Sequence, 0);
    let mut members: Vec<Member> = (0..size)
        .map(|_| {
            let values = BOUNDS
                .iter()
                .map(|(low, high)| low + random.unit() * (high - low));
            Member {
                values: values.collect(),
                reward: 0.0,
                period: None,
            }
        })
        .collect();
    let mut population = Population::new(BOUNDS.to_vec());
    let mut seen = Vec::new();
    for time in 1..=PERIODS.div_ceil(size) + PERTURBATIONS {
        let time = time as f64;
        for member in &mut members {
            let change = gain(&member.values, time, noise * random.normal());
            member.period = Some(Period {
                time,
                reward: member.reward,
                change,
                values: member.values.clone(),
            });
            member.reward += change;
        }
        members.sort_by(|a, b| a.reward.total_cmp(&b.reward));
        let sources = members[size - size / 4..].to_vec();
        let periods: Vec<Period> = members
            .iter()
            .filter_map(|each| each.period.clone())
            .collect();
        let starts = sources.iter().filter_map(|each| each.period.as_ref());
        let starts = starts.map(|period| Start {
            time: period.time,
            reward: period.reward,
        });
        let perturbation = Perturbation {
            periods,
            starts: starts.collect(),
        };
        let proposed = perturb(&mut population, &perturbation, seen.len() as u64);
        for ((member, source), values) in members.iter_mut().zip(&sources).zip(proposed) {
            member.values = values;
            member.reward = source.reward;
        }
        seen.push(perturbation);
    }
    seen
}

fn perturbations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pb2, four hyper-parameters");
    group.sample_size(10);
    for (name, noise) in [("noisy", 0.1), ("smooth", 0.0)] {
        for size in [8, 40, 100] {
            let seen = run(size, noise);
            let first = seen.len() - PERTURBATIONS;
            let before = || {
                let mut population = Population::new(BOUNDS.to_vec());
                for period in seen[..first].iter().flat_map(|each| &each.periods) {
                    population.observe(period.clone());
                }
                population
            };
            let name = format!("{PERTURBATIONS} perturbations of {size} trials, {name}");
            group.bench_function(name, |bencher| {
                bencher.iter_batched(
                    before,
                    |mut population| {
                        for (at, perturbation) in seen.iter().enumerate().skip(first) {
                            black_box(perturb(&mut population, perturbation, at as u64));
                        }
                    },
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, perturbations);
criterion_main!(benches);
