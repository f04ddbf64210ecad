//! What it costs to propose values and to take in the result, after a thousand trials of twenty parameters.
//!
//! One iteration is one trial: asked for, begun, ended. What was tried before is random, or what the searcher itself has proposed: then
//! most of it lies close together, and more of it counts. Run: `cargo bench -p eagleray-search`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use eagleray_search::bohb::{Bohb, BohbOptions};
use eagleray_search::domain::Domain;
use eagleray_search::history::{History, Outcome};
use eagleray_search::random_search::RandomSearch;
use eagleray_search::searcher::{Proposal, Searcher};
use eagleray_search::space::{Parameter, Space};
use eagleray_search::tpe::{Tpe, TpeOptions};

const TRIALS: u64 = 1_000;
const PARAMETERS: usize = 20;

fn space(domain: &Domain) -> Arc<Space> {
    let parameter = Parameter {
        domain: domain.clone(),
        condition: None,
    };
    Arc::new(Space::new(vec![parameter; PARAMETERS]).expect("parameters without conditions"))
}

fn run(searcher: &mut dyn Searcher, history: &mut History, number: u64) {
    let Proposal::Values(values) = searcher.ask(number, history) else {
        return;
    };
    let result = values.iter().map(|value| (value - 0.3).powi(2)).sum();
    history.begin(number, black_box(values));
    history.end(number, Outcome::complete(vec![result]));
}

fn history(space: &Arc<Space>, searcher: &mut dyn Searcher) -> History {
    let mut history = History::new(Arc::clone(space));
    for number in 0..TRIALS {
        run(searcher, &mut history, number);
    }
    history
}

fn measure(criterion: &mut Criterion, name: &str, searcher: &mut dyn Searcher, history: &History) {
    criterion.bench_function(name, |bencher| {
        bencher.iter_batched_ref(
            || history.clone(),
            |history| run(searcher, history, TRIALS),
            BatchSize::LargeInput,
        );
    });
}

fn ask(criterion: &mut Criterion) {
    let floats = Domain::Float {
        low: 0.0,
        high: 1.0,
        is_log: false,
    };
    let tpe = || Tpe::new(TpeOptions::new(1), 7);
    for (name, domain) in [
        ("floats", floats),
        ("integers", Domain::integers(0, 100, false)),
    ] {
        let space = space(&domain);
        let random = history(&space, &mut RandomSearch::new(7));
        measure(
            criterion,
            &format!("tpe: {name}, random before"),
            &mut tpe(),
            &random,
        );
        let own = history(&space, &mut tpe());
        measure(
            criterion,
            &format!("tpe: {name}, its own before"),
            &mut tpe(),
            &own,
        );
        let mut bohb = Bohb::new(BohbOptions::default(), 7);
        measure(
            criterion,
            &format!("bohb: {name}, random before"),
            &mut bohb,
            &random,
        );
    }
}

criterion_group!(benches, ask);
criterion_main!(benches);
