//! Who is told of errors that nobody has looked at (OB-5).

use eagleray_protocol::{DRIVER, ObjectId, Outcome, Payload, Status, ToRaylet};

use crate::events::Event;
use crate::handle::{Handle, NO_SLOT};
use crate::objects::tests::{PRODUCER, Process};
use crate::objects::{Value, WaitStart};
use crate::records::RecordWriter;
use crate::work::Effect;

fn outcome(status: Status) -> Outcome {
    Outcome {
        status,
        payload: Payload::inline(b"thrown"),
    }
}

impl Process {
    fn add(&mut self, handles: impl IntoIterator<Item = Handle>) {
        for handle in handles {
            self.objects.insert_result(handle, PRODUCER);
        }
    }

    fn complete(&mut self, handle: Handle, status: Status) {
        let value = Value::from_outcome(outcome(status));
        self.objects.complete(handle, value, &mut self.out);
    }

    /// A task of results 1 to 3 fails.
    fn fail_three(&mut self) {
        self.objects.fail_together(1..4, &mut self.out);
        for handle in 1..4 {
            self.complete(handle, Status::UserError);
        }
    }

    fn publish(&mut self, handle: Handle) {
        self.objects.publish(handle, &mut self.out);
    }

    fn get(&mut self, handles: &[Handle]) -> WaitStart {
        let mut record = RecordWriter::default();
        self.objects
            .start_get(handles, true, &mut record, &mut self.out)
    }

    /// What is reported now, by its handle; reported as JavaScript does it.
    fn reported(&mut self) -> Vec<Handle> {
        let mut reported = Vec::new();
        while let Some(event) = self.out.events.pop() {
            if let Event::UnhandledError { handle } = event {
                assert!(self.objects.value(handle).is_some_and(Value::is_error));
                reported.push(handle);
            }
        }
        for &handle in &reported {
            self.release(handle);
        }
        assert!(self.out.events.is_empty(), "a report that reports itself");
        reported
    }

    /// What the raylet is told, in words.
    fn told(&mut self) -> Vec<String> {
        let numbers = |ids: &[ObjectId]| -> Vec<u64> {
            let mut numbers: Vec<u64> = ids.iter().map(|id| id.sequence).collect();
            numbers.sort_unstable();
            numbers
        };
        let effects = std::mem::take(&mut self.out.effects).into_iter();
        effects
            .map(|effect| match effect {
                Effect::ErrorsSeen(ids) => format!("seen {:?}", numbers(&ids)),
                Effect::LetGo(item) => format!("let go {}", item.id.sequence),
                Effect::Hold(item) => format!("hold {}", item.id.sequence),
                Effect::Tell(message) => match *message {
                    ToRaylet::Publish { id, outcome } => {
                        let with = if outcome.is_some() { " with value" } else { "" };
                        format!("publish {}{with}", id.sequence)
                    }
                    ToRaylet::OneError { ids } => format!("one error {:?}", numbers(&ids)),
                    ToRaylet::Subscribe { id } => format!("subscribe {}", id.sequence),
                    other => format!("{other:?}"),
                },
                other => format!("{other:?}"),
            })
            .collect()
    }

    fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.objects.shared_errors.is_empty()
    }
}

#[test]
fn an_error_that_never_left_is_reported_once_when_it_goes_unseen() {
    for (status, count) in [
        (Status::UserError, 1),
        (Status::SystemError, 1),
        (Status::Withdrawn, 0),
        (Status::Value, 0),
    ] {
        let mut process = Process::new();
        process.add([1]);
        process.complete(1, status);
        process.release(1);
        assert_eq!(process.reported().len(), count, "{status:?}");
        assert!(process.told().is_empty() && process.is_empty());
    }
}

#[test]
fn what_was_dropped_before_it_failed_is_reported_when_it_fails() {
    let mut process = Process::new();
    process.add([1]);
    process.release(1);
    assert!(process.reported().is_empty());
    process.complete(1, Status::UserError);
    assert_eq!(process.reported(), [1]);
    assert!(process.is_empty());
}

#[test]
fn a_seen_error_that_never_left_is_nobody_s_business() {
    let mut process = Process::new();
    process.add([1, 2]);
    process.complete(1, Status::UserError);
    // Asked for together, and not there yet: seen as soon as it is.
    assert_eq!(process.get(&[1, 2]), WaitStart::Done);
    process.complete(2, Status::UserError);
    process.release(1);
    process.release(2);
    assert!(process.reported().is_empty());
    assert!(process.told().is_empty() && process.is_empty());
}

#[test]
fn of_a_published_error_the_raylet_decides() {
    let mut process = Process::new();
    process.add([1]);
    process.publish(1);
    process.complete(1, Status::UserError);
    process.objects.report_unseen(false, &mut process.out);
    process.release(1);
    assert!(process.reported().is_empty());
    let told = ["publish 1", "publish 1 with value", "let go 1"];
    assert_eq!(process.told(), told);
    assert!(process.is_empty());
}

#[test]
fn that_a_published_error_was_seen_is_told_once() {
    let mut process = Process::new();
    process.add([1]);
    process.complete(1, Status::UserError);
    process.publish(1);
    for _ in 0..3 {
        process.get(&[1]);
        process.objects.failure(1, &mut process.out);
    }
    process.release(1);
    assert_eq!(
        process.told(),
        ["publish 1 with value", "seen [1]", "let go 1"]
    );
}

#[test]
fn what_was_seen_before_it_left_leaves_as_seen() {
    let mut process = Process::new();
    process.add([1, 2]);
    process.complete(1, Status::UserError);
    process.get(&[1, 2]);
    process.publish(1);
    process.publish(2);
    let told = ["publish 1 with value", "seen [1]", "publish 2", "seen [2]"];
    assert_eq!(process.told(), told);
}

#[test]
fn nothing_is_told_of_values_and_of_errors_that_somebody_has_asked_for() {
    let mut process = Process::new();
    process.add([1, 2]);
    process.publish(1);
    process.publish(2);
    process.complete(1, Status::Value);
    process.complete(2, Status::Withdrawn);
    process.told();
    process.get(&[1]);
    process.get(&[1, 2]);
    process.objects.failure(2, &mut process.out);
    process
        .objects
        .define(3, Payload::inline(b"put"), vec![], vec![], false);
    process.publish(3);
    assert_eq!(process.told(), ["publish 3 with value"]);
}

#[test]
fn a_borrower_tells_what_it_has_seen_before_it_lets_go_and_reports_nothing() {
    for sees in [false, true] {
        let mut process = Process::new();
        let id = ObjectId::local(9, 1);
        let handle = process.objects.borrow(id, &mut process.out);
        let WaitStart::Pending(number) = process.get(&[handle]) else {
            panic!("nothing is there yet");
        };
        let thrown = outcome(Status::UserError);
        process.objects.object_ready(id, thrown, &mut process.out);
        assert_eq!(process.told(), ["hold 1", "subscribe 1"]);
        if sees {
            let mut record = RecordWriter::default();
            let Process { objects, out } = &mut process;
            objects.finish_wait(number, &mut record, out);
            assert_eq!(process.told(), ["seen [1]"]);
        }
        process.release(handle);
        assert_eq!(process.told(), ["let go 1"]);
        assert!(process.reported().is_empty() && process.is_empty());
    }
}

#[test]
fn the_error_of_an_argument_was_seen_by_its_task() {
    let mut process = Process::new();
    let id = ObjectId::local(9, 1);
    let handle = process.objects.borrow(id, &mut process.out);
    process
        .objects
        .object_ready(id, outcome(Status::UserError), &mut process.out);
    process.told();
    let failure = process.objects.failure(handle, &mut process.out);
    assert_eq!(failure, Some(outcome(Status::UserError)));
    assert_eq!(process.told(), ["seen [1]"]);
}

#[test]
fn what_the_raylet_finds_unseen_is_reported_and_let_go() {
    // Its own, that it has let go of; its own, that it still has; and one of another process.
    for (owner, is_held) in [(DRIVER, false), (DRIVER, true), (9, false), (9, true)] {
        let mut process = Process::new();
        let id = ObjectId::local(owner, 1);
        if is_held && owner == DRIVER {
            process.add([1]);
            process.complete(1, Status::UserError);
            process.publish(1);
        } else if is_held {
            process.objects.borrow(id, &mut process.out);
        }
        process.told();
        process
            .objects
            .error_unseen(id, outcome(Status::UserError), &mut process.out);
        let reported = process.reported();
        assert_eq!(reported.len(), 1);
        let after: &[&str] = if is_held { &[] } else { &["let go 1"] };
        assert_eq!(process.told(), after);
        assert_eq!(process.is_empty(), !is_held);
    }
}

#[test]
fn the_end_reports_what_is_still_held_once() {
    let mut process = Process::new();
    process.add(1..6);
    for handle in 1..5 {
        process.complete(handle, Status::UserError);
    }
    process.get(&[1]);
    process.publish(2);
    process.objects.report_unseen(false, &mut process.out);
    let mut reported = process.reported();
    reported.sort_unstable();
    assert_eq!(reported, [3, 4]);
    // Without a raylet nobody else decides about what was published.
    process.objects.report_unseen(true, &mut process.out);
    assert_eq!(process.reported(), [2]);
    for handle in 1..5 {
        process.release(handle);
    }
    assert!(process.reported().is_empty());
}

mod of_several_results {
    use super::*;

    #[test]
    fn is_reported_once_by_the_last_of_them() {
        let mut process = Process::new();
        process.add(1..4);
        process.release(2);
        process.fail_three();
        process.release(3);
        assert!(process.reported().is_empty());
        process.release(1);
        assert_eq!(process.reported(), [1]);
        assert!(process.is_empty());
    }

    #[test]
    fn is_reported_once_if_all_were_dropped_before() {
        let mut process = Process::new();
        process.add(1..4);
        for handle in 1..4 {
            process.release(handle);
        }
        process.fail_three();
        assert_eq!(process.reported(), [3]);
        assert!(process.is_empty());
    }

    #[test]
    fn is_reported_once_at_the_end() {
        let mut process = Process::new();
        process.add(1..4);
        process.fail_three();
        process.objects.report_unseen(false, &mut process.out);
        assert_eq!(process.reported().len(), 1);
        for handle in 1..4 {
            process.release(handle);
        }
        assert!(process.reported().is_empty() && process.is_empty());
    }

    #[test]
    fn is_seen_through_any_of_them_before_or_after() {
        for early in [false, true] {
            let mut process = Process::new();
            process.add(1..5);
            process.complete(4, Status::UserError);
            if early {
                process.get(&[4, 2]);
            }
            process.fail_three();
            if !early {
                process.get(&[4, 2]);
            }
            for handle in 1..5 {
                process.release(handle);
            }
            assert!(process.reported().is_empty() && process.is_empty());
            assert!(process.told().is_empty());
        }
    }

    #[test]
    fn is_the_raylet_s_as_soon_as_one_of_them_has_left() {
        for early in [false, true] {
            let mut process = Process::new();
            process.add(1..4);
            if early {
                process.publish(2);
                process.fail_three();
            } else {
                process.fail_three();
                process.publish(2);
            }
            let told = process.told();
            let joined = told.iter().position(|told| told == "one error [1, 2, 3]");
            assert!(joined.is_some(), "{told:?}");
            let published = |number| {
                let first = told.iter().position(|told| told.starts_with(number));
                first.is_some_and(|at| Some(at) < joined)
            };
            for number in ["publish 1", "publish 2", "publish 3"] {
                assert!(published(number), "{number}: {told:?}");
            }
            process.get(&[3]);
            process.release(1);
            assert_eq!(process.told(), ["seen [3]", "let go 1"]);
            process.release(2);
            process.release(3);
            assert!(process.reported().is_empty() && process.is_empty());
        }
    }

    #[test]
    fn has_no_part_in_what_was_cancelled_before() {
        let mut process = Process::new();
        process.add(1..4);
        process.complete(1, Status::Withdrawn);
        process.fail_three();
        for handle in 1..4 {
            process.release(handle);
        }
        assert_eq!(process.reported(), [3]);
        assert!(process.is_empty());
        assert_eq!(process.objects.producer(1).unwrap_or(NO_SLOT), NO_SLOT);
    }
}
