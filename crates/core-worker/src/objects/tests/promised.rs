//! Values that are promised first and given later.

use eagleray_protocol::{DRIVER, ObjectId, Outcome, Payload, ToRaylet};

use crate::events::Event;
use crate::handle::Handle;
use crate::objects::{Objects, Value, WaitStart};
use crate::records::RecordWriter;
use crate::work::{Effect, Out};

const PROMISED: Handle = 1;
const INSIDE: Handle = 2;

fn objects() -> (Objects, Out) {
    (Objects::new(DRIVER), Out::default())
}

fn payload(objects: &Objects, meta: &[u8], refs: &[Handle]) -> Payload {
    Payload {
        nested: objects.nested_ids(refs, &[]).into(),
        ..Payload::inline(meta)
    }
}

fn settle(objects: &mut Objects, meta: &[u8], refs: &[Handle], out: &mut Out) {
    let payload = payload(objects, meta, refs);
    objects.settle(PROMISED, payload, refs.to_vec(), Vec::new(), out);
}

/// The envelope of a value that is there.
fn meta(objects: &Objects, handle: Handle) -> Option<Vec<u8>> {
    let outcome = objects.value(handle).and_then(Value::outcome)?;
    Some(outcome.payload.meta.to_vec())
}

fn ended_waits(out: &mut Out) -> Vec<u32> {
    std::iter::from_fn(|| out.events.pop())
        .map(|event| match event {
            Event::Wait { number } => number,
            _ => panic!("an event that is no wait's"),
        })
        .collect()
}

/// What the raylet was told of publications since the last look, in order.
fn publications(out: &mut Out) -> Vec<(ObjectId, Option<Outcome>)> {
    let told = std::mem::take(&mut out.effects);
    told.into_iter()
        .filter_map(|effect| match effect {
            Effect::Tell(message) => match *message {
                ToRaylet::Publish { id, outcome } => Some((id, outcome)),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

fn begin_get(objects: &mut Objects, out: &mut Out) -> u32 {
    let mut record = RecordWriter::default();
    match objects.start_get(&[PROMISED], true, &mut record, out) {
        WaitStart::Pending(number) => number,
        other => panic!("the value is missing, and not {other:?}"),
    }
}

#[test]
fn whoever_waits_is_told_when_it_is_given_and_the_first_value_stands() {
    let (mut objects, mut out) = objects();
    objects.promise(PROMISED);
    assert!(objects.is_pending(PROMISED));
    let waits = [
        begin_get(&mut objects, &mut out),
        begin_get(&mut objects, &mut out),
    ];
    assert_eq!(ended_waits(&mut out), []);
    settle(&mut objects, b"first", &[], &mut out);
    assert_eq!(ended_waits(&mut out), waits);
    settle(&mut objects, b"second", &[], &mut out);
    assert_eq!(ended_waits(&mut out), []);
    assert_eq!(meta(&objects, PROMISED).as_deref(), Some(&b"first"[..]));
}

#[test]
fn one_that_has_left_is_reported_once_it_is_given_after_what_it_carries() {
    let (mut objects, mut out) = objects();
    objects.promise(PROMISED);
    objects.publish(PROMISED, &mut out);
    let id = ObjectId::local(DRIVER, PROMISED);
    assert_eq!(publications(&mut out), [(id, None)]);

    let inside = payload(&objects, b"inside", &[]);
    objects.define(INSIDE, inside.clone(), Vec::new(), Vec::new(), false);
    settle(&mut objects, b"first", &[INSIDE], &mut out);
    let given = payload(&objects, b"first", &[INSIDE]);
    assert_eq!(
        publications(&mut out),
        [
            (
                ObjectId::local(DRIVER, INSIDE),
                Some(Outcome::value(inside))
            ),
            (id, Some(Outcome::value(given))),
        ]
    );
    settle(&mut objects, b"second", &[INSIDE], &mut out);
    assert_eq!(publications(&mut out), []);
}

#[test]
fn one_that_has_not_left_is_nothing_to_the_raylet() {
    let (mut objects, mut out) = objects();
    objects.promise(PROMISED);
    settle(&mut objects, b"first", &[], &mut out);
    objects.release(PROMISED, &mut out);
    assert!(objects.is_empty());
    assert!(out.is_empty());
}

#[test]
fn what_it_carries_lives_as_long_as_it_does() {
    let (mut objects, mut out) = objects();
    objects.promise(PROMISED);
    let inside = payload(&objects, b"inside", &[]);
    objects.define(INSIDE, inside, Vec::new(), Vec::new(), false);
    settle(&mut objects, b"first", &[INSIDE], &mut out);
    // What did not become its value pins nothing.
    settle(&mut objects, b"second", &[INSIDE], &mut out);
    objects.release(INSIDE, &mut out);
    assert_eq!(objects.len(), 2);
    objects.release(PROMISED, &mut out);
    assert!(objects.is_empty());
}

#[test]
fn tasks_and_values_that_refer_to_one_are_counted() {
    let (mut objects, mut out) = objects();
    objects.promise(PROMISED);
    assert!(objects.has_one_count(PROMISED));
    objects.pin(PROMISED);
    assert!(!objects.has_one_count(PROMISED));
    objects.unpin(&[PROMISED], &[], &mut out);
    assert!(objects.has_one_count(PROMISED));
    let holder = payload(&objects, b"holder", &[PROMISED]);
    objects.define(INSIDE, holder, vec![PROMISED], Vec::new(), false);
    assert!(!objects.has_one_count(PROMISED));
    objects.release(INSIDE, &mut out);
    assert!(objects.has_one_count(PROMISED));
    objects.release(PROMISED, &mut out);
    assert!(!objects.has_one_count(PROMISED));
}

#[test]
fn one_that_nobody_refers_to_any_more_takes_no_value() {
    let (mut objects, mut out) = objects();
    objects.promise(PROMISED);
    objects.publish(PROMISED, &mut out);
    let inside = payload(&objects, b"inside", &[]);
    objects.define(INSIDE, inside, Vec::new(), Vec::new(), false);
    publications(&mut out);
    objects.release(PROMISED, &mut out);
    assert!(matches!(
        out.effects.pop_front(),
        Some(Effect::LetGo(item)) if item.id == ObjectId::local(DRIVER, PROMISED)
    ));
    settle(&mut objects, b"late", &[INSIDE], &mut out);
    assert!(out.is_empty());
    objects.release(INSIDE, &mut out);
    assert!(objects.is_empty());
}
