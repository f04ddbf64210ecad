//! Errors that are passed on to other objects, and what they carry (OB-3).

use eagleray_object_store::Extent;
use eagleray_protocol::{DRIVER, Nested, NestedKind, ObjectId, Outcome, Payload, Status, ToRaylet};

use crate::handle::Handle;
use crate::objects::tests::{PRODUCER, Process};
use crate::objects::{Value, reference};
use crate::work::Effect;

fn id(handle: Handle) -> ObjectId {
    ObjectId::local(DRIVER, handle)
}

/// An error with an array, that carries an actor. Somebody has asked for it, so that nothing is kept for a report (OB-5).
fn stored() -> Outcome {
    let extent = Extent {
        offset: 4096,
        length: 4096,
    };
    let actor = Nested {
        kind: NestedKind::Actor,
        id: ObjectId::local(3, 1),
    };
    Outcome {
        status: Status::Withdrawn,
        payload: Payload {
            extents: [extent].into(),
            nested: [actor].into(),
            ..Payload::inline(b"thrown")
        },
    }
}

impl Process {
    /// One whose object 1 has failed with such an error, sealed by the task's worker.
    fn with_stored_error() -> Self {
        let mut process = Self::new();
        process.objects.insert_result(1, PRODUCER);
        process.objects.is_sealed_for_us(1, &mut process.out);
        let value = Value::from_outcome(stored());
        process.objects.complete(1, value, &mut process.out);
        process
    }

    /// `heir` is the result of a task whose argument was `of`.
    fn inherit(&mut self, heir: Handle, of: Handle) {
        let outcome = self.objects.failure(of, &mut self.out).expect("it failed");
        self.objects.insert_result(heir, PRODUCER);
        self.objects.complete_with(heir, &outcome, &mut self.out);
    }

    fn nested(&self, handle: Handle) -> Vec<Nested> {
        let outcome = self.objects.value(handle).and_then(Value::outcome);
        outcome.expect("it is there").payload.nested.into_vec()
    }

    fn let_go(&mut self) -> Vec<ObjectId> {
        let effects = self.out.effects.drain(..);
        effects
            .filter_map(|effect| match effect {
                Effect::LetGo(item) => Some(item.id),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn it_holds_the_object_that_it_came_from_as_long_as_it_is_there() {
    let mut process = Process::with_stored_error();
    process.inherit(2, 1);
    assert_eq!(process.nested(2), [reference(id(1))]);
    process.release(1);
    assert_eq!(process.let_go(), []);
    process.release(2);
    assert_eq!(process.let_go(), [id(1)]);
    assert!(process.objects.is_empty());
}

#[test]
fn a_chain_of_them_holds_its_first_and_not_each_other() {
    let mut process = Process::with_stored_error();
    for heir in 2..1002 {
        process.inherit(heir, heir - 1);
        assert_eq!(process.nested(heir), [reference(id(1))]);
        process.release(heir - 1);
        assert!(process.objects.len() <= 2);
    }
    assert_eq!(process.let_go(), []);
    process.release(1001);
    assert_eq!(process.let_go(), [id(1)]);
    assert!(process.objects.is_empty());
}

#[test]
fn the_raylet_hears_what_it_carries_when_it_leaves() {
    for is_early in [false, true] {
        let mut process = Process::with_stored_error();
        process.objects.insert_result(2, PRODUCER);
        if is_early {
            process.objects.publish(2, &mut process.out);
        }
        let outcome = process.objects.failure(1, &mut process.out);
        let outcome = outcome.expect("it failed");
        process.objects.complete_with(2, &outcome, &mut process.out);
        if !is_early {
            process.objects.publish(2, &mut process.out);
        }
        let told = process
            .out
            .effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Tell(message) => Some(&**message),
                _ => None,
            });
        let published: Vec<(ObjectId, &[Nested])> = told
            .filter_map(|message| match message {
                ToRaylet::Publish {
                    id,
                    outcome: Some(outcome),
                } => Some((*id, &*outcome.payload.nested)),
                _ => None,
            })
            .collect();
        let carried = [reference(id(1))];
        assert!(published.contains(&(id(2), &carried[..])), "{published:?}");
        assert!(published.iter().any(|(published, _)| *published == id(1)));
    }
}

#[test]
fn one_that_nobody_wants_any_more_holds_nothing() {
    let mut process = Process::with_stored_error();
    let outcome = process.objects.failure(1, &mut process.out);
    let outcome = outcome.expect("it failed");
    // Released before it failed; cancelled before; and never known.
    process.objects.insert_result(2, PRODUCER);
    process.release(2);
    process.objects.insert_result(3, PRODUCER);
    let cancelled = Outcome {
        payload: Payload::inline(b"cancelled"),
        status: Status::Withdrawn,
    };
    process
        .objects
        .complete_with(3, &cancelled, &mut process.out);
    for heir in 2..5 {
        process
            .objects
            .complete_with(heir, &outcome, &mut process.out);
    }
    process.release(1);
    assert_eq!(process.let_go(), [id(1)]);
    assert_eq!(process.objects.len(), 1);
}

#[test]
fn of_another_process_s_object_it_becomes_a_holder() {
    let mut process = Process::with_stored_error();
    let lent = ObjectId::local(5, 9);
    let mut outcome = stored();
    outcome.payload.nested = [reference(lent)].into();
    process.objects.insert_result(2, PRODUCER);
    process.objects.complete_with(2, &outcome, &mut process.out);
    let holds = |effect: &Effect| matches!(effect, Effect::Hold(item) if item.id == lent);
    assert!(process.out.effects.iter().any(holds));
    process.release(2);
    assert_eq!(process.let_go(), [lent]);
}
