//! Histories of the object directory.

use std::sync::{Arc, Mutex};

use eagleray_object_store::Extent;
use eagleray_protocol::{Nested, NestedKind, ObjectId, Outcome, Payload, Status};

use super::{ObjectDirectory, ObjectState};
use crate::effects::{Effect, Holder};

const DRIVER: u32 = 1;
const WORKER: u32 = 2;
const OTHER: u32 = 3;

const EXTENT: Extent = Extent::new(4096, 100_000);

fn id(owner: u32, sequence: u64) -> ObjectId {
    ObjectId::local(owner, sequence)
}

fn reference(id: ObjectId) -> Nested {
    let kind = NestedKind::Ref;
    Nested { kind, id }
}

fn handle(id: ObjectId) -> Nested {
    let kind = NestedKind::Actor;
    Nested { kind, id }
}

fn value(nested: &[Nested]) -> Outcome {
    Outcome::value(Payload {
        nested: nested.into(),
        ..Payload::inline(b"value")
    })
}

/// What an operation asks for, in words.
fn effects(operation: impl FnOnce(&mut Vec<Effect>)) -> Vec<String> {
    let mut out = Vec::new();
    operation(&mut out);
    let word = |effect| match effect {
        Effect::Notify {
            process,
            id,
            outcome,
        } => {
            let status = match outcome.status {
                Status::Value => "value",
                _ => "error",
            };
            format!("{process} gets {}.{} {status}", id.owner, id.sequence)
        }
        Effect::Ask { id } => format!("ask for {}.{}", id.owner, id.sequence),
        Effect::Report { id, .. } => format!("report {}.{}", id.owner, id.sequence),
        Effect::Free(extent) => format!("free {}", extent.offset),
        Effect::HoldActor { actor, .. } => format!("hold actor {}", actor.sequence),
        Effect::ReleaseActor { actor, .. } => format!("release actor {}", actor.sequence),
        other => format!("{other:?}"),
    };
    out.into_iter().map(word).collect()
}

/// Both steps of a death.
fn die(directory: &mut ObjectDirectory, process: u32, out: &mut Vec<Effect>) {
    directory.process_ended(process, out);
    directory.forget_process(process, out);
}

fn directory() -> ObjectDirectory {
    let mut directory = ObjectDirectory::default();
    for process in [DRIVER, WORKER, OTHER] {
        directory.process_started(process);
    }
    directory
}

fn is_empty(directory: &ObjectDirectory) -> bool {
    directory.len() == 0 && directory.pending_of.is_empty()
}

#[test]
fn a_sealed_object_is_freed_when_its_last_holder_lets_go() {
    let mut directory = directory();
    let object = id(DRIVER, 1);
    effects(|out| directory.seal(object, DRIVER, vec![EXTENT], vec![], out));
    effects(|out| directory.hold(object, Holder::Process(WORKER), out));
    effects(|out| directory.hold(object, Holder::Process(WORKER), out));
    let driver = effects(|out| directory.release(object, Holder::Process(DRIVER), out));
    assert!(driver.is_empty());
    let worker = effects(|out| directory.release(object, Holder::Process(WORKER), out));
    assert_eq!(worker, ["free 4096"]);
    let again = effects(|out| directory.release(object, Holder::Process(WORKER), out));
    assert!(again.is_empty(), "OD-2: {again:?}");
    assert!(is_empty(&directory));
}

#[test]
fn an_object_sealed_for_a_dead_process_is_freed_at_once() {
    let mut directory = directory();
    effects(|out| die(&mut directory, WORKER, out));
    let sealed = effects(|out| {
        directory.seal(
            id(WORKER, 1),
            WORKER,
            vec![EXTENT],
            vec![handle(id(1, 9))],
            out,
        );
    });
    assert_eq!(sealed, ["hold actor 9", "free 4096", "release actor 9"]);
    assert!(is_empty(&directory));
}

#[test]
fn a_subscription_may_come_before_the_publication() {
    let mut directory = directory();
    let object = id(DRIVER, 1);
    effects(|out| directory.hold(object, Holder::Process(WORKER), out));
    let subscribed = effects(|out| directory.subscribe(object, WORKER, out));
    assert_eq!(subscribed, ["ask for 1.1"]);
    assert!(effects(|out| directory.subscribe(object, WORKER, out)).is_empty());
    assert!(effects(|out| directory.publish(object, None, out)).is_empty());
    // The question had crossed the publication.
    assert!(effects(|out| directory.gone(object, out)).is_empty());
    let published = effects(|out| directory.publish(object, Some(value(&[])), out));
    assert_eq!(published, ["2 gets 1.1 value"]);
    let late = effects(|out| directory.subscribe(object, OTHER, out));
    assert_eq!(late, ["3 gets 1.1 value"]);
}

#[test]
fn the_first_value_of_an_object_stands() {
    let mut directory = directory();
    let object = id(DRIVER, 1);
    effects(|out| directory.publish(object, Some(value(&[])), out));
    let error = Outcome::system_error(&crate::errors::owner_died(object));
    effects(|out| directory.publish(object, Some(error), out));
    let got = effects(|out| directory.subscribe(object, WORKER, out));
    assert_eq!(got, ["2 gets 1.1 value"]);
}

#[test]
fn what_a_process_held_stays_until_it_is_forgotten() {
    let mut directory = directory();
    let (stored, inner, inline) = (id(WORKER, 1), id(DRIVER, 2), id(DRIVER, 3));
    let carried = vec![reference(inner), handle(id(DRIVER, 9))];
    effects(|out| directory.seal(stored, WORKER, vec![EXTENT], carried, out));
    effects(|out| directory.publish(inline, Some(value(&[])), out));
    effects(|out| directory.hold(inline, Holder::Process(WORKER), out));
    effects(|out| directory.release(inline, Holder::Process(DRIVER), out));
    assert!(effects(|out| directory.process_ended(WORKER, out)).is_empty());
    // Who took them of the dead process holds them now.
    effects(|out| directory.hold(stored, Holder::Process(OTHER), out));
    effects(|out| directory.hold(inline, Holder::Process(OTHER), out));
    let got = effects(|out| directory.subscribe(inline, OTHER, out));
    assert_eq!(got, ["3 gets 1.3 value"]);
    assert!(effects(|out| directory.forget_process(WORKER, out)).is_empty());
    for object in [stored, inline] {
        effects(|out| directory.release(object, Holder::Process(OTHER), out));
    }
    assert!(is_empty(&directory));
}

#[test]
fn what_is_sealed_for_a_process_that_has_ended_stays_until_it_is_forgotten() {
    // Who sealed it may keep a view of it, and says only then that he holds it.
    let mut directory = directory();
    let result = id(WORKER, 1);
    effects(|out| directory.process_ended(WORKER, out));
    let sealed = effects(|out| directory.seal(result, WORKER, vec![EXTENT], vec![], out));
    assert!(sealed.is_empty());
    effects(|out| directory.hold(result, Holder::Process(OTHER), out));
    assert!(effects(|out| directory.forget_process(WORKER, out)).is_empty());
    let released = effects(|out| directory.release(result, Holder::Process(OTHER), out));
    assert_eq!(released, ["free 4096"]);
    // Afterwards it has to be held before it is sealed.
    effects(|out| directory.hold(result, Holder::Process(OTHER), out));
    let sealed = effects(|out| directory.seal(result, WORKER, vec![EXTENT], vec![], out));
    assert!(sealed.is_empty());
    let released = effects(|out| directory.release(result, Holder::Process(OTHER), out));
    assert_eq!(released, ["free 4096"]);
    assert!(is_empty(&directory));
}

#[test]
fn the_death_of_an_owner_answers_those_who_wait_for_it_and_those_who_come_later() {
    let mut directory = directory();
    let (early, late) = (id(WORKER, 1), id(WORKER, 2));
    effects(|out| directory.hold(early, Holder::Process(DRIVER), out));
    effects(|out| directory.publish(early, None, out));
    effects(|out| directory.subscribe(early, DRIVER, out));
    assert!(directory.is_awaited_of(WORKER));
    let died = effects(|out| die(&mut directory, WORKER, out));
    assert_eq!(died, ["1 gets 2.1 error"]);
    effects(|out| directory.hold(late, Holder::Process(DRIVER), out));
    let subscribed = effects(|out| directory.subscribe(late, DRIVER, out));
    assert_eq!(subscribed, ["1 gets 2.2 error"]);
    directory.errors_seen(&[early, late]);
    for object in [early, late] {
        effects(|out| directory.release(object, Holder::Process(DRIVER), out));
    }
    assert!(is_empty(&directory));
}

#[test]
fn a_published_value_outlives_its_owner_while_somebody_holds_it() {
    let mut directory = directory();
    let object = id(WORKER, 1);
    effects(|out| directory.seal(object, WORKER, vec![EXTENT], vec![], out));
    effects(|out| directory.publish(object, Some(value(&[])), out));
    effects(|out| directory.hold(object, Holder::Process(DRIVER), out));
    assert!(effects(|out| die(&mut directory, WORKER, out)).is_empty());
    let got = effects(|out| directory.subscribe(object, DRIVER, out));
    assert_eq!(got, ["1 gets 2.1 value"]);
    let released = effects(|out| directory.release(object, Holder::Process(DRIVER), out));
    assert_eq!(released, ["free 4096"]);
}

#[test]
fn a_process_that_dies_lets_go_of_everything_and_is_never_told() {
    let mut directory = directory();
    let (held, waited_for) = (id(DRIVER, 1), id(DRIVER, 2));
    effects(|out| directory.seal(held, WORKER, vec![EXTENT], vec![], out));
    effects(|out| directory.subscribe(waited_for, WORKER, out));
    let died = effects(|out| die(&mut directory, WORKER, out));
    assert_eq!(died, ["free 4096"]);
    assert!(is_empty(&directory));
    let hold = effects(|out| directory.hold(held, Holder::Process(WORKER), out));
    assert!(
        hold.is_empty() && is_empty(&directory),
        "a hold that was on its way"
    );
}

#[test]
fn what_an_object_carries_lives_as_long_as_the_object() {
    let mut directory = directory();
    let (outer, inner, actor) = (id(DRIVER, 1), id(DRIVER, 2), id(DRIVER, 3));
    effects(|out| directory.seal(inner, DRIVER, vec![EXTENT], vec![], out));
    let carried = [reference(inner), reference(inner), handle(actor)];
    let published = effects(|out| directory.publish(outer, Some(value(&carried)), out));
    assert_eq!(published, ["hold actor 3"]);
    assert!(effects(|out| directory.release(inner, Holder::Process(DRIVER), out)).is_empty());
    let released = effects(|out| directory.release(outer, Holder::Process(DRIVER), out));
    assert_eq!(released, ["release actor 3", "free 4096"]);
    assert!(is_empty(&directory));
}

/// Where each were compared with all others, this would take minutes.
#[test]
fn an_object_that_carries_300_000_refs_and_a_ref_in_300_000_objects_cost_no_more_for_each() {
    const COUNT: u64 = 300_000;
    let mut directory = directory();
    let mut out = Vec::new();
    let inner: Vec<Nested> = (0..COUNT)
        .map(|index| reference(id(1, 10 + index)))
        .collect();
    directory.hold(id(1, 1), Holder::Process(1), &mut out);
    directory.publish(id(1, 1), Some(value(&inner)), &mut out);
    let common = [reference(id(1, 2))];
    let containers = || (0..COUNT).map(|index| id(1, 1_000_000 + index));
    for container in containers() {
        directory.publish(container, Some(value(&common)), &mut out);
    }
    directory.release(id(1, 1), Holder::Process(1), &mut out);
    for container in containers() {
        directory.release(container, Holder::Process(1), &mut out);
    }
    assert!(is_empty(&directory));
}

#[test]
fn a_chain_of_any_length_goes_without_deep_recursion() {
    let mut directory = directory();
    let length = 200_000;
    for sequence in 0..length {
        let nested = vec![reference(id(DRIVER, sequence + 1))];
        effects(|out| directory.seal(id(DRIVER, sequence), DRIVER, vec![], nested, out));
    }
    for sequence in (1..=length).rev() {
        effects(|out| directory.release(id(DRIVER, sequence), Holder::Process(DRIVER), out));
    }
    assert!(directory.len() as u64 > length);
    effects(|out| directory.release(id(DRIVER, 0), Holder::Process(DRIVER), out));
    assert!(is_empty(&directory));
}

#[test]
fn the_readiness_of_an_actor_outlives_its_creator() {
    let mut directory = directory();
    let actor = id(WORKER, 1);
    effects(|out| directory.hold(actor, Holder::Actor(actor), out));
    effects(|out| directory.subscribe(actor, DRIVER, out));
    assert!(effects(|out| die(&mut directory, WORKER, out)).is_empty());
    let ready = effects(|out| directory.resolve(actor, value(&[]), out));
    assert_eq!(ready, ["1 gets 2.1 value"]);
}

#[test]
fn every_change_passes_the_observer() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut directory = directory();
    let log = Arc::clone(&seen);
    directory.set_observer(Box::new(move |_, from, to| {
        log.lock().unwrap().push((from, to));
    }));
    let object = id(DRIVER, 1);
    effects(|out| directory.publish(object, Some(value(&[])), out));
    effects(|out| directory.release(object, Holder::Process(DRIVER), out));
    let expected = [
        (None, ObjectState::Pending),
        (Some(ObjectState::Pending), ObjectState::Resolved),
        (Some(ObjectState::Resolved), ObjectState::Gone),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn an_object_that_is_gone_when_somebody_asks_for_it_is_lost() {
    let mut directory = directory();
    let object = id(DRIVER, 1);
    effects(|out| directory.hold(object, Holder::Process(WORKER), out));
    for process in [WORKER, OTHER] {
        effects(|out| directory.subscribe(object, process, out));
    }
    let gone = effects(|out| directory.gone(object, out));
    assert_eq!(gone, ["2 gets 1.1 error", "3 gets 1.1 error"]);
    assert!(effects(|out| directory.gone(object, out)).is_empty());
    effects(|out| directory.release(object, Holder::Process(WORKER), out));
    assert!(is_empty(&directory));
}

#[test]
fn an_object_is_only_its_owner_s_until_another_process_or_object_holds_it_and_afterwards() {
    let mut directory = directory();
    let (object, container) = (id(DRIVER, 1), id(DRIVER, 2));
    assert!(directory.is_only_its_owners(object));
    effects(|out| directory.publish(object, None, out));
    assert!(directory.is_only_its_owners(object));

    effects(|out| directory.hold(object, Holder::Process(WORKER), out));
    assert!(!directory.is_only_its_owners(object));
    // Whoever waits for it, and lets go of it, does not want it any more.
    effects(|out| directory.subscribe(object, WORKER, out));
    effects(|out| directory.release(object, Holder::Process(WORKER), out));
    assert!(directory.is_only_its_owners(object));

    effects(|out| directory.publish(container, Some(value(&[reference(object)])), out));
    assert!(!directory.is_only_its_owners(object));
    effects(|out| directory.release(container, Holder::Process(DRIVER), out));
    assert!(directory.is_only_its_owners(object));

    // What a process held that has ended may still be taken from it.
    effects(|out| directory.hold(object, Holder::Process(WORKER), out));
    effects(|out| directory.process_ended(WORKER, out));
    assert!(!directory.is_only_its_owners(object));
    effects(|out| directory.forget_process(WORKER, out));
    assert!(directory.is_only_its_owners(object));
}

#[test]
fn the_owner_of_an_actor_s_readiness_is_not_asked_for_it() {
    let mut directory = directory();
    let actor = id(DRIVER, 1);
    effects(|out| directory.hold(actor, Holder::Actor(actor), out));
    assert!(effects(|out| directory.subscribe(actor, WORKER, out)).is_empty());
    assert!(effects(|out| directory.gone(actor, out)).is_empty());
    let ready = effects(|out| directory.resolve(actor, value(&[]), out));
    assert_eq!(ready, ["2 gets 1.1 value"]);
}

fn thrown() -> Option<Outcome> {
    Some(Outcome {
        status: Status::UserError,
        payload: Payload::inline(b"thrown"),
    })
}

#[test]
fn an_error_that_nobody_has_looked_at_is_reported_before_it_goes() {
    let mut directory = directory();
    let object = id(WORKER, 1);
    effects(|out| directory.seal(object, WORKER, vec![EXTENT], vec![], out));
    effects(|out| directory.publish(object, thrown(), out));
    effects(|out| directory.hold(object, Holder::Process(OTHER), out));
    let owner = effects(|out| directory.release(object, Holder::Process(WORKER), out));
    assert!(owner.is_empty(), "others may look at it: {owner:?}");
    let last = effects(|out| directory.release(object, Holder::Process(OTHER), out));
    assert_eq!(last, ["report 2.1"], "OD-6: it is kept until it is read");
    assert!(directory.holds_any(DRIVER));
    let read = effects(|out| directory.release(object, Holder::Process(DRIVER), out));
    assert_eq!(read, ["free 4096"], "and not reported again");
    assert!(is_empty(&directory));
}

#[test]
fn an_error_that_somebody_has_looked_at_goes_in_silence() {
    // Before it was there, while others have it, and by its owner.
    for when in 0..3 {
        let mut directory = directory();
        let object = id(DRIVER, 1);
        effects(|out| directory.hold(object, Holder::Process(WORKER), out));
        if when == 0 {
            directory.errors_seen(&[object, id(DRIVER, 2)]);
        }
        effects(|out| directory.publish(object, thrown(), out));
        if when == 1 {
            directory.errors_seen(&[object]);
        }
        effects(|out| directory.release(object, Holder::Process(WORKER), out));
        if when == 2 {
            directory.errors_seen(&[object]);
        }
        assert!(effects(|out| directory.report_unseen(out)).is_empty());
        let last = effects(|out| directory.release(object, Holder::Process(DRIVER), out));
        assert!(last.is_empty() && is_empty(&directory), "{when}: {last:?}");
    }
}

#[test]
fn only_published_errors_that_nobody_has_asked_for_are_reported() {
    let mut directory = directory();
    let (number, system, sealed, actor) = (id(DRIVER, 1), id(DRIVER, 2), id(DRIVER, 3), id(2, 4));
    effects(|out| directory.publish(number, Some(value(&[])), out));
    let error = Outcome::system_error(&crate::errors::owner_died(system).on_purpose());
    effects(|out| directory.publish(system, Some(error), out));
    effects(|out| directory.seal(sealed, DRIVER, vec![EXTENT], vec![], out));
    // The readiness of an actor whose constructor threw: its calls say so.
    effects(|out| directory.hold(actor, Holder::Actor(actor), out));
    effects(|out| directory.resolve(actor, thrown().expect("it is one"), out));
    assert!(effects(|out| directory.report_unseen(out)).is_empty());
    for object in [number, system, sealed] {
        let released = effects(|out| directory.release(object, Holder::Process(DRIVER), out));
        assert!(!released.iter().any(|effect| effect.starts_with("report")));
    }
    assert!(effects(|out| directory.release(actor, Holder::Actor(actor), out)).is_empty());
    assert!(is_empty(&directory));
}

#[test]
fn an_error_inside_an_object_is_reported_when_the_object_goes() {
    let mut directory = directory();
    let (inner, outer) = (id(DRIVER, 1), id(DRIVER, 2));
    effects(|out| directory.publish(inner, thrown(), out));
    effects(|out| directory.publish(outer, Some(value(&[reference(inner)])), out));
    assert!(effects(|out| directory.release(inner, Holder::Process(DRIVER), out)).is_empty());
    let outer = effects(|out| directory.release(outer, Holder::Process(DRIVER), out));
    assert_eq!(outer, ["report 1.1"]);
}

#[test]
fn the_errors_of_the_dead_are_reported_by_the_driver_and_those_of_a_dead_driver_by_nobody() {
    let mut directory = directory();
    let (owned, lent) = (id(WORKER, 1), id(DRIVER, 1));
    effects(|out| directory.publish(owned, thrown(), out));
    effects(|out| directory.publish(lent, thrown(), out));
    effects(|out| directory.hold(lent, Holder::Process(WORKER), out));
    effects(|out| directory.release(lent, Holder::Process(DRIVER), out));
    assert!(effects(|out| directory.process_ended(WORKER, out)).is_empty());
    let forgotten = effects(|out| directory.forget_process(WORKER, out));
    assert_eq!(forgotten, ["report 1.1", "report 2.1"]);
    let driver = effects(|out| die(&mut directory, DRIVER, out));
    assert!(driver.is_empty() && is_empty(&directory), "{driver:?}");
    let late = id(OTHER, 1);
    effects(|out| directory.publish(late, thrown(), out));
    assert!(effects(|out| directory.report_unseen(out)).is_empty());
    assert!(effects(|out| directory.release(late, Holder::Process(OTHER), out)).is_empty());
    assert!(is_empty(&directory));
}

#[test]
fn the_end_reports_what_others_still_hold_once() {
    let mut directory = directory();
    let (unseen, seen) = (id(WORKER, 1), id(WORKER, 2));
    for object in [unseen, seen] {
        effects(|out| directory.publish(object, thrown(), out));
    }
    directory.errors_seen(&[seen]);
    assert_eq!(effects(|out| directory.report_unseen(out)), ["report 2.1"]);
    assert!(effects(|out| directory.report_unseen(out)).is_empty());
    effects(|out| directory.release(unseen, Holder::Process(DRIVER), out));
    let last = effects(|out| die(&mut directory, WORKER, out));
    assert!(last.is_empty() && is_empty(&directory), "{last:?}");
}

/// A small generator of the same histories everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn an_error_is_reported_once_or_seen_whatever_happens_to_those_that_are_it() {
    const HISTORIES: u64 = 3_000;
    for seed in 1..=HISTORIES {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut directory = directory();
        let objects: Vec<ObjectId> = (0..1 + random.below(4)).map(|n| id(WORKER, n)).collect();
        for &object in &objects {
            effects(|out| directory.publish(object, None, out));
        }
        let (mut seen, mut reports) = (false, Vec::new());
        // Somebody may have asked for one of them before it was known that they are one.
        if random.below(4) == 0 {
            directory.errors_seen(&objects[..1]);
            seen = true;
        }
        directory.one_error(&objects);
        for &object in &objects {
            effects(|out| directory.publish(object, thrown(), out));
        }
        let mut held: Vec<(ObjectId, u32)> = objects.iter().map(|&id| (id, WORKER)).collect();
        for &object in &objects {
            if random.below(2) == 0 {
                effects(|out| directory.hold(object, Holder::Process(OTHER), out));
                held.push((object, OTHER));
            }
        }
        let mut has_ended = false;
        while !held.is_empty() {
            let at = random.below(held.len() as u64) as usize;
            match random.below(8) {
                0 if !has_ended && reports.is_empty() => {
                    directory.errors_seen(&[held[at].0]);
                    seen = true;
                }
                1 => {
                    has_ended = true;
                    reports.extend(effects(|out| directory.report_unseen(out)));
                }
                2 => {
                    let process = held[at].1;
                    held.retain(|&(_, holder)| holder != process);
                    reports.extend(effects(|out| die(&mut directory, process, out)));
                }
                _ => {
                    let (object, process) = held.swap_remove(at);
                    let holder = Holder::Process(process);
                    reports.extend(effects(|out| directory.release(object, holder, out)));
                }
            }
        }
        assert_eq!(
            reports.len(),
            usize::from(!seen),
            "OD-6, {seed}: {reports:?}"
        );
        for &object in &objects {
            let driver = Holder::Process(DRIVER);
            let read = effects(|out| directory.release(object, driver, out));
            assert!(read.is_empty(), "{seed}: {read:?}");
        }
        assert!(is_empty(&directory), "{seed}");
        assert!(directory.shared_errors.is_empty(), "{seed}");
    }
}

#[test]
fn objects_that_are_said_to_be_one_error_twice_do_no_harm() {
    let mut directory = directory();
    let [first, second, third, absent] = [1, 2, 3, 4].map(|sequence| id(WORKER, sequence));
    for object in [first, second, third] {
        effects(|out| directory.publish(object, thrown(), out));
    }
    directory.one_error(&[]);
    directory.one_error(&[absent]);
    directory.one_error(&[first, second, first]);
    directory.one_error(&[first, third]);
    directory.one_error(&[second, third]);
    let died = effects(|out| die(&mut directory, WORKER, out));
    assert_eq!(died, ["report 2.2", "report 2.3"]);
    for object in [second, third] {
        effects(|out| directory.release(object, Holder::Process(DRIVER), out));
    }
    assert!(is_empty(&directory) && directory.shared_errors.is_empty());
}
