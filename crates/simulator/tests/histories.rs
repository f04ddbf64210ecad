//! Ten thousand seeded histories of the scheduler, each with all invariants checked after every event.

use std::sync::atomic::{AtomicU64, Ordering};

/// Histories in the normal test suite. `EAGLERAY_HISTORIES` asks for more, `EAGLERAY_SEED` for a single one.
const HISTORIES: u64 = 10_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_history_keeps_the_invariants_and_comes_to_its_end() {
    if let Some(seed) = number("EAGLERAY_SEED") {
        if let Err(story) = eagleray_simulator::run(seed) {
            panic!("{story}");
        }
        return;
    }
    let count = number("EAGLERAY_HISTORIES").unwrap_or(HISTORIES);
    let (next, events, grants) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    // Only a count: no other memory depends on it, so no order is needed.
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        return;
                    }
                    match eagleray_simulator::run(seed) {
                        Ok(outcome) => {
                            events.fetch_add(outcome.events, Ordering::Relaxed);
                            grants.fetch_add(outcome.grants, Ordering::Relaxed);
                        }
                        Err(story) => panic!("{story}"),
                    }
                }
            });
        }
    });
    println!("{count} histories, {events:?} events, {grants:?} grants");
    // A simulation in which little happens proves little.
    assert!(events.into_inner() > count * 50);
    assert!(grants.into_inner() > count * 5);
}

#[test]
fn a_seed_determines_its_history() {
    for seed in 0..20 {
        assert_eq!(eagleray_simulator::run(seed), eagleray_simulator::run(seed));
    }
}
