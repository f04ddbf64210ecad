//! The policy on a clock of its own, and the threads on real memory.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::channel;

use super::*;
use crate::PAGE;

const MIB: u64 = 1 << 20;
const TOTAL: u64 = 512 * MIB;

fn limits() -> PopulationLimits {
    PopulationLimits::for_store(TOTAL)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Lets the policy populate at `now` until it wants no more, and returns the bytes populated.
fn populate_all(policy: &mut Policy, now: Duration, allocator: &mut Allocator) -> u64 {
    let mut bytes = 0;
    while let Some(extent) = policy.decide(now, allocator, None, None).populate {
        allocator.mark_populated(extent).unwrap();
        bytes += extent.length;
    }
    bytes
}

/// Lets the policy give back at `now` until it wants no more, and returns the bytes given back.
fn give_back_all(policy: &mut Policy, now: Duration, allocator: &mut Allocator) -> u64 {
    let mut bytes = 0;
    while let Some(extent) = policy.decide(now, allocator, None, None).give_back {
        assert_eq!(
            allocator.returning_bytes(),
            extent.length,
            "PO-2: reserved before it is given back"
        );
        allocator.finish_give_back(extent, true).unwrap();
        bytes += extent.length;
    }
    bytes
}

/// PO-1: rings and small objects start nothing, and without warm memory there is no deadline to wake up for.
#[test]
fn small_growth_populates_nothing() {
    let mut allocator = Allocator::new(0, TOTAL);
    let mut policy = Policy::new(limits());
    for second in 0..20 {
        allocator.allocate(7 * MIB).unwrap();
        assert_eq!(
            policy.decide(seconds(2 * second), &mut allocator, None, None),
            Next::default()
        );
    }
    assert_eq!(policy.idle_end, None);
}

/// Growth is answered with twice as much warm space, within the limit, one range at a time, for two windows.
#[test]
fn growth_populates_twice_as_much_ahead() {
    let mut allocator = Allocator::new(0, TOTAL);
    let mut policy = Policy::new(limits());
    allocator.lease(1, 20 * MIB).unwrap();
    let first = policy
        .decide(seconds(1), &mut allocator, None, None)
        .populate
        .unwrap();
    assert_eq!(first.length, limits().populate_chunk);
    assert_eq!(
        policy
            .decide(seconds(1), &mut allocator, Some(first), None)
            .populate,
        None,
        "one at a time"
    );
    assert_eq!(
        populate_all(&mut policy, seconds(1), &mut allocator),
        40 * MIB
    );

    // Growth that is met from warm space is growth all the same, so the next request finds warm space too.
    allocator.lease(1, 32 * MIB).unwrap();
    assert_eq!(
        populate_all(&mut policy, seconds(2), &mut allocator),
        56 * MIB
    );
    allocator.lease(1, 200 * MIB).unwrap();
    populate_all(&mut policy, seconds(3), &mut allocator);
    assert_eq!(allocator.populated_free(), limits().ahead_max);

    allocator.lease(1, 100 * MIB).unwrap();
    assert_eq!(
        populate_all(&mut policy, seconds(9), &mut allocator),
        100 * MIB
    );
    assert_eq!(
        populate_all(&mut policy, seconds(12), &mut allocator),
        0,
        "growth is forgotten"
    );
}

/// A loop that stores and releases uses its own warm space again; it is no growth, and it is not idle either.
#[test]
fn reuse_is_neither_growth_nor_idleness() {
    let mut allocator = Allocator::new(0, TOTAL);
    let mut policy = Policy::new(PopulationLimits {
        ahead_max: 0,
        ..limits()
    });
    for second in 0..60 {
        let extent = allocator.allocate(100 * MIB).unwrap();
        assert_eq!(
            policy.decide(seconds(second), &mut allocator, None, None),
            Next::default()
        );
        allocator.release(extent).unwrap();
        assert_eq!(
            policy.decide(seconds(second), &mut allocator, None, None),
            Next::default()
        );
    }
    assert_eq!(policy.peak, 100 * MIB);
    assert_eq!(policy.growth + policy.growth_before, 0);
}

/// PO-3: what was free for a whole period is given back in chunks, and then there is nothing to wake up for.
#[test]
fn idle_memory_is_given_back_once_a_period_has_passed() {
    let mut allocator = Allocator::new(0, TOTAL);
    let mut policy = Policy::new(limits());
    let extent = allocator.allocate(150 * MIB).unwrap();
    let kept = allocator.allocate(PAGE).unwrap();
    populate_all(&mut policy, seconds(0), &mut allocator);
    allocator.release(extent).unwrap();
    let idle = allocator.populated_free();
    assert_eq!(give_back_all(&mut policy, seconds(5), &mut allocator), 0);
    let deadline = policy.idle_end.unwrap();
    assert_eq!(
        give_back_all(
            &mut policy,
            deadline - Duration::from_nanos(1),
            &mut allocator
        ),
        0
    );
    // The first period began before the release, so it only proves part of it idle; the second proves the rest.
    let first = give_back_all(&mut policy, deadline, &mut allocator);
    let deadline = policy.idle_end.unwrap();
    let second = give_back_all(&mut policy, deadline, &mut allocator);
    assert_eq!(first + second, idle);
    assert_eq!(allocator.populated_free(), 0);
    policy.decide(deadline + limits().idle, &mut allocator, None, None);
    assert_eq!(policy.idle_end, None);
    allocator.release(kept).unwrap();
    assert_eq!(allocator.largest_free(), TOTAL);

    // The memory is gone, so using as much as before is growth again.
    allocator.allocate(20 * MIB).unwrap();
    let later = deadline + seconds(60);
    assert_eq!(populate_all(&mut policy, later, &mut allocator), 40 * MIB);
}

/// Memory that was used for a moment within the period is not idle, and new growth keeps what is warm.
#[test]
fn only_the_part_that_nobody_used_is_given_back() {
    let mut allocator = Allocator::new(0, TOTAL);
    let mut policy = Policy::new(PopulationLimits {
        ahead_max: 0,
        ..limits()
    });
    let extent = allocator.allocate(200 * MIB).unwrap();
    policy.decide(seconds(0), &mut allocator, None, None);
    allocator.release(extent).unwrap();
    policy.decide(seconds(10), &mut allocator, None, None);
    let brief = allocator.allocate(150 * MIB).unwrap();
    policy.decide(seconds(15), &mut allocator, None, None);
    allocator.release(brief).unwrap();
    assert_eq!(
        give_back_all(&mut policy, seconds(20), &mut allocator),
        50 * MIB
    );
    assert_eq!(allocator.populated_free(), 150 * MIB);
}

/// The threads: growth leads to populated memory, idleness to memory given back, and each step is announced by a wake-up.
#[test]
#[cfg(not(miri))]
fn the_threads_populate_and_give_back_real_memory() {
    let segment = Arc::new(Segment::create(TOTAL).unwrap());
    let file = File::from(segment.descriptor().try_clone_to_owned().unwrap());
    let backed = || file.metadata().unwrap().blocks() * 512;
    let (woken, wakes) = channel();
    let mut allocator = Allocator::new(0, TOTAL);
    let mut population = Population::new(Arc::clone(&segment), limits(), move || {
        // The test may have ended; then nobody wants to be woken.
        let _ = woken.send(());
    });
    assert_eq!(population.policy.limits.ahead_max > 0, may_populate());

    let lease = allocator.lease(1, 10 * MIB).unwrap();
    population.step(seconds(0), &mut allocator).unwrap();
    while population.populating.range.is_some() {
        wakes.recv().unwrap();
        population.step(seconds(0), &mut allocator).unwrap();
    }
    let ahead = if may_populate() { 20 * MIB } else { 0 };
    assert_eq!((allocator.populated_free(), backed()), (ahead, ahead));

    segment
        .write(lease.offset, &vec![1; lease.length as usize])
        .unwrap();
    assert_eq!(backed(), ahead + lease.length);
    allocator.release_client(1);
    population.step(seconds(1), &mut allocator).unwrap();
    while let Some(deadline) = population.next_deadline() {
        population.step(deadline, &mut allocator).unwrap();
        while population.giving_back.range.is_some() {
            wakes.recv().unwrap();
            population.step(deadline, &mut allocator).unwrap();
        }
    }
    assert_eq!(backed(), 0);
    assert_eq!(allocator.largest_free(), TOTAL);
    assert_eq!(allocator.validate(), Ok(()));
}

/// A system that refuses to give back is reported once, nothing is lost, and it is not asked again.
#[test]
#[cfg(not(miri))]
fn a_refusal_switches_giving_back_off() {
    // The allocator believes in more space than the segment has, which is what makes the system call fail.
    let segment = Arc::new(Segment::create(PAGE).unwrap());
    let mut allocator = Allocator::new(PAGE, TOTAL);
    let (woken, wakes) = channel();
    let none = PopulationLimits {
        ahead_max: 0,
        ..limits()
    };
    let mut population = Population::new(segment, none, move || {
        let _ = woken.send(());
    });
    let extent = allocator.allocate(8 * MIB).unwrap();
    allocator.release(extent).unwrap();
    population.step(seconds(0), &mut allocator).unwrap();
    let deadline = population.next_deadline().unwrap();
    population.step(deadline, &mut allocator).unwrap();
    assert_eq!(allocator.returning_bytes(), 8 * MIB);
    wakes.recv().unwrap();
    assert!(population.step(deadline, &mut allocator).is_err());
    assert_eq!(
        allocator.populated_free(),
        8 * MIB,
        "what was not given back is still warm"
    );
    assert_eq!(allocator.returning_bytes(), 0);
    assert_eq!(population.next_deadline(), None);
    population
        .step(deadline + seconds(100), &mut allocator)
        .unwrap();
}
