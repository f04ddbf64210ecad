//! Ten thousand seeded histories of the submitter, each with all invariants checked after every step.

use std::sync::atomic::{AtomicU64, Ordering};

use eagleray_simulator::submission;

/// Histories in the normal test suite. `EAGLERAY_HISTORIES` asks for more, `EAGLERAY_SEED` for a single one.
const HISTORIES: u64 = 10_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_history_keeps_the_invariants_and_comes_to_its_end() {
    if let Some(seed) = number("EAGLERAY_SEED") {
        if let Err(story) = submission::run(seed) {
            panic!("{story}");
        }
        return;
    }
    let count = number("EAGLERAY_HISTORIES").unwrap_or(HISTORIES);
    let next = AtomicU64::new(0);
    let [steps, submitted, deaths, parts, room] = [(); 5].map(|()| AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    // Only counts: no other memory depends on them, so no order is needed.
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        return;
                    }
                    match submission::run(seed) {
                        Ok(outcome) => {
                            steps.fetch_add(outcome.steps, Ordering::Relaxed);
                            submitted.fetch_add(outcome.submitted, Ordering::Relaxed);
                            deaths.fetch_add(outcome.deaths, Ordering::Relaxed);
                            parts.fetch_add(outcome.parts, Ordering::Relaxed);
                            room.fetch_add(outcome.room_requests, Ordering::Relaxed);
                        }
                        Err(story) => panic!("{story}"),
                    }
                }
            });
        }
    });
    let counted = [steps, submitted, deaths, parts, room].map(AtomicU64::into_inner);
    println!("{count} histories: {counted:?} steps, submissions, deaths, parts, requests for room");
    // A simulation in which little happens proves little.
    let least = [100, 15, 3, 2, 1].map(|each| each * count);
    assert!(
        counted
            .iter()
            .zip(least)
            .all(|(count, least)| *count > least),
        "{counted:?}, at least {least:?}"
    );
}

#[test]
fn a_seed_determines_its_history() {
    for seed in 0..20 {
        assert_eq!(submission::run(seed), submission::run(seed));
    }
}
