//! What a proposal of the Gaussian process costs, the result of the trial before it told. Run with
//! `cargo bench -p eagleray-search --bench gp`.
//!
//! Ten floats, after so many trials of a function with a bent valley and some noise. The trials go on as it is measured, so that fits of
//! the kernel are part of it as often as they are in a search; every sample begins with the same trials, and a searcher that has not
//! seen any.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use eagleray_search::domain::Domain;
use eagleray_search::gp::{Gp, GpOptions};
use eagleray_search::history::{History, Outcome};
use eagleray_search::random::{Purpose, Random};
use eagleray_search::searcher::{Proposal, Searcher};
use eagleray_search::space::{Parameter, Space};

const DIMENSIONS: usize = 10;

/// So many proposals are one sample.
const CYCLES: u64 = 10;

fn objective(values: &[f64], noise: f64) -> f64 {
    let bends = values
        .windows(2)
        .map(|pair| (pair[1] - pair[0] * pair[0]).powi(2) + 0.01 * (1.0 - pair[0]).powi(2));
    bends.sum::<f64>() + 0.1 * noise
}

fn tell(history: &mut History, number: u64, values: Vec<f64>) {
    let noise = Random::new(3, Purpose::Sequence, number).normal();
    let outcome = Outcome::complete(vec![objective(&values, noise)]);
    history.begin(number, values);
    history.end(number, outcome);
}

fn after(trials: u64) -> History {
    let parameter = Parameter {
        domain: Domain::Float {
            low: -2.0,
            high: 2.0,
            is_log: false,
        },
        condition: None,
    };
    let mut history = History::new(Arc::new(
        Space::new(vec![parameter; DIMENSIONS]).expect("no conditions"),
    ));
    for number in 0..trials {
        let mut random = Random::new(1, Purpose::Sampling, number);
        // As a search does: more and more trials close to the best.
        let reach = if number % 3 == 0 { 1.0 } else { 0.3 };
        let values = history.space().fill(|| 0.5 + reach * (random.unit() - 0.5));
        tell(&mut history, number, values);
    }
    history
}

fn proposals(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gp, ten floats");
    group.sample_size(10);
    for trials in [100, 200, 500, 1_000] {
        let history = after(trials);
        group.bench_function(
            format!("{CYCLES} asks and tells after {trials} trials"),
            |bencher| {
                let fresh = || (Gp::new(GpOptions::default(), 1), history.clone());
                bencher.iter_batched(
                    fresh,
                    |(mut searcher, mut history)| {
                        for number in trials..trials + CYCLES {
                            let Proposal::Values(values) = searcher.ask(number, &history) else {
                                panic!("trial {number} has no values");
                            };
                            tell(&mut history, number, values);
                        }
                        black_box(history)
                    },
                    BatchSize::LargeInput,
                );
            },
        );
    }
    group.finish();
}

criterion_group!(benches, proposals);
criterion_main!(benches);
