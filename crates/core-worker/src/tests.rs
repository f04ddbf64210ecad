//! A core without a raylet: the other end of its control socket is held open and never answers.
//!
//! These tests are about what needs nobody else: waits, operations as JavaScript writes them, results
//! as an executor writes them.

use std::sync::Arc;

use eagleray_ipc::{ControlSocket, Doorbell, Mailbox};
use eagleray_object_store::Segment;
use eagleray_protocol::frames::{ARGUMENT_INLINE, ARGUMENT_REF, write_argument};
use eagleray_protocol::{DRIVER, Outcome, Payload, Status, SystemError, Welcome};

use crate::core::Core;
use crate::events::Event;
use crate::handle::{BORROWED_BASE, Handle};
use crate::objects::{Value, WaitStart};
use crate::operations;
use crate::records::{EVENT_GET, EVENT_WAIT, RecordWriter};
use crate::submitter::{Place, Template};

/// The core of a driver, and the socket's other end, which has to stay open.
fn core() -> (Core, ControlSocket) {
    let segment = Arc::new(Segment::create(1 << 20).expect("a segment"));
    let (control, raylet) = ControlSocket::pair().expect("a socket");
    let page = segment.pointer(0, 4096).expect("the first page");
    // SAFETY: the core keeps the segment mapped, and nobody else uses its first page.
    let mailbox = unsafe { Mailbox::at(page) };
    let welcome = Welcome {
        process: DRIVER,
        driver_pid: std::process::id(),
        mailbox: 0,
        cpus: 2,
        settings: "{}".into(),
    };
    let doorbell = Doorbell::create().expect("a doorbell");
    let core = Core::new(
        &welcome,
        segment,
        control,
        doorbell,
        mailbox,
        Arc::default(),
    );
    (core, raylet)
}

/// Adds an object that is not there yet, and that a task makes which is not in the table.
fn add_pending(core: &mut Core, sequence: u64) -> Handle {
    core.objects.insert_result(sequence, u32::MAX - 1);
    sequence
}

fn complete(core: &mut Core, handle: Handle, value: Value) {
    core.objects.complete(handle, value, &mut core.out);
    core.submitter.carry_on(&mut core.objects, &mut core.out);
}

fn value(meta: &[u8]) -> Value {
    Value::from_outcome(Outcome::value(Payload::inline(meta)))
}

fn failure(kind: &str) -> Value {
    Value::from_outcome(Outcome::system_error(&SystemError::new(kind, "for a test")))
}

/// The words of a record.
fn words(out: &RecordWriter) -> Vec<u32> {
    out.bytes
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
        .collect()
}

fn ended_waits(core: &mut Core) -> Vec<u32> {
    std::iter::from_fn(|| core.out.events.pop())
        .map(|event| match event {
            Event::Wait { number } => number,
            _ => panic!("an event that is no wait's"),
        })
        .collect()
}

fn start_get(
    core: &mut Core,
    handles: &[Handle],
    is_reported: bool,
    out: &mut RecordWriter,
) -> WaitStart {
    core.start_wait(handles, None, is_reported, out)
}

fn start_wait(
    core: &mut Core,
    handles: &[Handle],
    needed: usize,
    is_reported: bool,
    out: &mut RecordWriter,
) -> WaitStart {
    core.start_wait(handles, Some(needed), is_reported, out)
}

mod end_of_the_raylet {
    use std::io::Write as _;

    use eagleray_protocol::{FromRaylet, ToRaylet, encode};

    use super::*;

    /// The lines that JavaScript is told of, up to the end of the raylet.
    fn lines_before_the_end(core: &mut Core) -> Vec<String> {
        core.pump();
        let mut lines = Vec::new();
        while let Some(event) = core.next_event() {
            match event {
                Some(Event::Output { text, .. }) => lines.push(text),
                None => {
                    assert!(core.next_event().is_none(), "something after the end");
                    return lines;
                }
                Some(_) => panic!("neither a line nor the end"),
            }
        }
        panic!("the end is missing after {lines:?}");
    }

    fn line(text: &str) -> Vec<u8> {
        encode(&FromRaylet::Output {
            pid: 1,
            name: "eagleray".to_owned(),
            is_error: true,
            text: text.to_owned(),
        })
    }

    #[test]
    fn is_told_after_all_that_it_said_also_when_a_write_notices_it() {
        for writes in [false, true] {
            let (mut core, mut raylet) = core();
            for text in ["one", "two"] {
                raylet.send(&line(text), &[]).expect("an open socket");
            }
            drop(raylet);
            if writes {
                core.link.tell(&ToRaylet::Collected {});
                core.drive();
            } else {
                core.receive();
            }
            assert_eq!(lines_before_the_end(&mut core), ["one", "two"]);
        }
    }

    #[test]
    fn is_explained_once_when_the_socket_breaks() {
        let (mut core, raylet) = core();
        let mut socket = std::fs::File::from(raylet.into_fd());
        socket.write_all(&[255; 8]).expect("an open socket");
        core.receive();
        core.link.fail("another reason".to_owned());
        let lines = lines_before_the_end(&mut core);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].starts_with("the runtime has to end: a control frame above its limits"),
            "{lines:?}"
        );
    }

    #[test]
    fn is_explained_when_a_message_is_too_long() {
        let (mut core, _raylet) = core();
        let reason = "x".repeat(eagleray_ipc::control::FRAME_MAX);
        core.link.tell(&ToRaylet::Leaving { reason });
        let lines = lines_before_the_end(&mut core);
        assert!(lines[0].contains("67108864 is the limit"), "{lines:?}");
    }
}

mod waits {
    use super::*;

    #[test]
    fn a_get_ends_when_the_last_object_is_there() {
        let (mut core, _raylet) = core();
        let (first, second) = (add_pending(&mut core, 1), add_pending(&mut core, 2));
        let mut out = RecordWriter::default();
        let WaitStart::Pending(number) = start_get(&mut core, &[second, first], true, &mut out)
        else {
            panic!("nothing is there yet");
        };
        complete(&mut core, first, value(b"first"));
        assert!(ended_waits(&mut core).is_empty());
        complete(&mut core, second, value(b"second"));
        assert_eq!(ended_waits(&mut core), [number]);
        core.objects.finish_wait(number, &mut out, &mut core.out);
        let words = words(&out);
        assert_eq!(words[0] as usize, out.bytes.len());
        assert_eq!(words[1..4], [EVENT_GET, number, 2]);
        // In the order of the handles, not of the arrivals: status, form, length, buffers.
        assert_eq!(words[4..8], [Status::Value as u32, 0, 6, 0]);
        assert_eq!(&out.bytes[16 + 24..16 + 30], b"second");
        assert!(!core.objects.is_wait_open(number));
    }

    #[test]
    fn a_get_of_what_is_there_ends_at_once() {
        let (mut core, _raylet) = core();
        let handle = add_pending(&mut core, 1);
        complete(&mut core, handle, value(b"x"));
        let mut out = RecordWriter::default();
        assert_eq!(
            start_get(&mut core, &[handle], true, &mut out),
            WaitStart::Done
        );
        assert_eq!(words(&out)[1..4], [EVENT_GET, 0, 1]);
        assert_eq!(core.objects.open_waits(), 0);
    }

    #[test]
    fn a_watch_is_a_wait_for_each_that_is_missing() {
        let (mut core, _raylet) = core();
        let handles = [1, 2, 3, 4].map(|sequence| add_pending(&mut core, sequence));
        complete(&mut core, handles[1], value(b"there"));
        let mut out = RecordWriter::default();
        let core_out = &mut core.out;
        let unknown = core.objects.watch(&[handles[0], 99], &mut out, core_out);
        assert_eq!(unknown, WaitStart::Unknown(1));
        assert_eq!((core.objects.open_waits(), out.bytes.len()), (0, 0));
        let started = core.objects.watch(&handles, &mut out, &mut core.out);
        assert_eq!(started, WaitStart::Done);
        let words = words(&out);
        let first = words[2];
        assert_eq!((words[1], &words[3..5]), (EVENT_WAIT, &[1, 1][..]));
        assert_eq!(core.objects.open_waits(), 3);
        complete(&mut core, handles[3], value(b"last"));
        complete(&mut core, handles[0], failure("Any"));
        assert_eq!(ended_waits(&mut core), [first + 2, first]);
        core.objects.withdraw_wait(first + 1);
        complete(&mut core, handles[2], value(b"third"));
        assert!(ended_waits(&mut core).is_empty());
    }

    #[test]
    fn a_get_ends_with_the_first_error_once() {
        let (mut core, _raylet) = core();
        let handles = [1, 2, 3].map(|sequence| add_pending(&mut core, sequence));
        let mut out = RecordWriter::default();
        let WaitStart::Pending(number) = start_get(&mut core, &handles, true, &mut out) else {
            panic!("nothing is there yet");
        };
        complete(&mut core, handles[1], failure("WorkerCrashedError"));
        complete(&mut core, handles[2], failure("ActorDiedError"));
        complete(&mut core, handles[0], value(b""));
        assert_eq!(ended_waits(&mut core), [number]);
        core.objects.finish_wait(number, &mut out, &mut core.out);
        // One value only, and it is an error.
        assert_eq!(words(&out)[3..5], [1, Status::SystemError as u32]);
    }

    #[test]
    fn an_object_that_stands_twice_in_a_get_is_written_twice() {
        let (mut core, _raylet) = core();
        let handle = add_pending(&mut core, 1);
        let mut out = RecordWriter::default();
        let WaitStart::Pending(number) = start_get(&mut core, &[handle, handle], true, &mut out)
        else {
            panic!("nothing is there yet");
        };
        complete(&mut core, handle, value(b"x"));
        assert_eq!(ended_waits(&mut core), [number]);
        core.objects.finish_wait(number, &mut out, &mut core.out);
        assert_eq!(words(&out)[1..4], [EVENT_GET, number, 2]);
    }

    #[test]
    fn a_wait_ends_with_as_many_as_it_needs_and_names_their_positions() {
        let (mut core, _raylet) = core();
        let handles = [1, 2, 3].map(|sequence| add_pending(&mut core, sequence));
        let mut out = RecordWriter::default();
        let WaitStart::Pending(number) = start_wait(&mut core, &handles, 2, true, &mut out) else {
            panic!("nothing is there yet");
        };
        complete(&mut core, handles[2], value(b""));
        assert!(ended_waits(&mut core).is_empty());
        complete(&mut core, handles[0], failure("WorkerCrashedError"));
        assert_eq!(ended_waits(&mut core), [number]);
        core.objects.finish_wait(number, &mut out, &mut core.out);
        assert_eq!(words(&out)[1..6], [EVENT_WAIT, number, 2, 0, 2]);
    }

    #[test]
    fn a_withdrawn_wait_stays_silent() {
        let (mut core, _raylet) = core();
        let handle = add_pending(&mut core, 1);
        let mut out = RecordWriter::default();
        let WaitStart::Pending(number) = start_get(&mut core, &[handle], true, &mut out) else {
            panic!("nothing is there yet");
        };
        core.objects.withdraw_wait(number);
        complete(&mut core, handle, value(b""));
        assert!(ended_waits(&mut core).is_empty());
        core.objects.finish_wait(number, &mut out, &mut core.out);
        assert!(out.bytes.is_empty());
    }

    #[test]
    fn a_blocked_wait_is_looked_at_and_not_reported() {
        let (mut core, _raylet) = core();
        let handle = add_pending(&mut core, 1);
        let mut out = RecordWriter::default();
        let WaitStart::Pending(number) = start_get(&mut core, &[handle], false, &mut out) else {
            panic!("nothing is there yet");
        };
        assert!(!core.objects.is_wait_done(number));
        complete(&mut core, handle, value(b""));
        assert!(core.objects.is_wait_done(number));
        assert!(ended_waits(&mut core).is_empty());
    }

    #[test]
    fn strangers_and_twins_are_named_by_their_position() {
        let (mut core, _raylet) = core();
        let many: Vec<Handle> = (1..40)
            .map(|sequence| add_pending(&mut core, sequence))
            .collect();
        let mut out = RecordWriter::default();
        for stranger in [999, BORROWED_BASE, u64::MAX] {
            let handles = [1, 2, stranger];
            let unknown = WaitStart::Unknown(2);
            assert_eq!(start_get(&mut core, &handles, true, &mut out), unknown);
            assert_eq!(start_wait(&mut core, &handles, 1, true, &mut out), unknown);
        }
        // Few are compared pairwise, many by a set.
        let few = [3, 1, 2, 1];
        assert_eq!(
            start_wait(&mut core, &few, 1, true, &mut out),
            WaitStart::Duplicate(3)
        );
        let mut twin = many;
        twin.push(20);
        assert_eq!(
            start_wait(&mut core, &twin, 1, true, &mut out),
            WaitStart::Duplicate(39)
        );
        assert!(out.bytes.is_empty());
    }
}

/// A small reproducible generator (xorshift).
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

mod submissions {
    use super::*;

    /// A `TASK` operation with one value and one ref as arguments.
    fn task(sequence: u64, reference: Handle) -> Vec<u8> {
        let mut arguments = Vec::new();
        write_argument(&mut arguments, ARGUMENT_INLINE, b"value");
        write_argument(
            &mut arguments,
            ARGUMENT_REF,
            &(reference as f64).to_le_bytes(),
        );
        let mut record = Vec::new();
        let length = 48 + arguments.len() as u32;
        for word in [length, operations::TASK, 0, 1] {
            record.extend_from_slice(&word.to_le_bytes());
        }
        record.extend_from_slice(&(sequence as f64).to_le_bytes());
        // Parent, arguments, nested ids, actor, retries, and padding.
        for word in [0u32, 2, 0, 0, 0, 0] {
            record.extend_from_slice(&word.to_le_bytes());
        }
        record.extend_from_slice(&arguments);
        record
    }

    fn release(handle: Handle) -> Vec<u8> {
        let mut record = Vec::new();
        for word in [16, operations::RELEASE] {
            record.extend_from_slice(&u32::to_le_bytes(word));
        }
        record.extend_from_slice(&(handle as f64).to_le_bytes());
        record
    }

    fn core_with_template() -> (Core, ControlSocket) {
        let (mut core, raylet) = core();
        let class = core
            .submitter
            .declare_class(vec![("CPU".into(), 1.0)], 0, true);
        let template = Template {
            name: "train".into(),
            function: [1; 16],
            export: Payload::inline(b"function"),
            export_object: None,
            class,
            max_retries: 3,
        };
        let number = core
            .submitter
            .declare_template(template, 0, &mut core.objects);
        assert_eq!(number, 0);
        (core, raylet)
    }

    #[test]
    fn a_task_waits_for_its_argument_and_keeps_it() {
        let (mut core, _raylet) = core_with_template();
        let argument = add_pending(&mut core, 1);
        let mut batch = task(2, argument);
        batch.extend(release(argument));
        core.carry_out_operations(&batch).expect("well formed");
        let place = |core: &Core| core.submitter.task(0).map(|task| task.place);
        assert_eq!(place(&core), Some(Place::Waiting));
        assert!(
            core.objects.value(argument).is_some(),
            "TA-2: the task pins it"
        );
        complete(&mut core, argument, value(b"x"));
        assert_eq!(place(&core), Some(Place::Queued));
        assert!(core.submitter.has_tasks_to_send());
    }

    #[test]
    fn a_task_fails_with_the_error_of_its_argument() {
        let (mut core, _raylet) = core_with_template();
        let argument = add_pending(&mut core, 1);
        core.carry_out_operations(&task(2, argument))
            .expect("well formed");
        complete(&mut core, argument, failure("ObjectLostError"));
        let status = core.objects.value(2).and_then(Value::status);
        assert_eq!(status, Some(Status::SystemError));
        assert_eq!(core.submitter.open(), 0);
        core.objects.release(argument, &mut core.out);
        assert!(core.objects.value(argument).is_none(), "TA-2: the pin went");
    }

    #[test]
    fn a_malformed_operation_is_named_by_its_place() {
        let good = release(1);
        let length_of = |record: &[u8], length: u32| {
            let mut changed = record.to_vec();
            changed[0..4].copy_from_slice(&length.to_le_bytes());
            changed
        };
        let kind_of = |record: &[u8], kind: u32| {
            let mut changed = record.to_vec();
            changed[4..8].copy_from_slice(&kind.to_le_bytes());
            changed
        };
        let results_of = |results: u32| {
            let mut changed = task(2, 1);
            changed[12..16].copy_from_slice(&results.to_le_bytes());
            changed
        };
        let sequence_of = |sequence: f64| {
            let mut changed = task(2, 1);
            changed[16..24].copy_from_slice(&sequence.to_le_bytes());
            changed
        };
        let bad = [
            length_of(&good, 0),
            length_of(&good, 8),
            length_of(&good, 24),
            length_of(&good, u32::MAX),
            kind_of(&good, 0),
            kind_of(&good, operations::CREATE),
            kind_of(&good, operations::DEFINE),
            good[..3].to_vec(),
            results_of(u32::MAX),
            sequence_of(f64::INFINITY),
            sequence_of(BORROWED_BASE as f64),
        ];
        for bad in bad {
            let (mut core, _raylet) = core_with_template();
            let batch = [good.clone(), bad.clone()].concat();
            let error = core.carry_out_operations(&batch).expect_err("malformed");
            assert_eq!(error, good.len(), "{bad:?}");
        }
    }

    #[test]
    fn every_part_of_a_task_is_refused() {
        let whole = task(2, 1);
        for length in 4..whole.len() as u32 {
            let (mut core, _raylet) = core_with_template();
            let mut part = whole[..length as usize].to_vec();
            part[0..4].copy_from_slice(&length.to_le_bytes());
            assert!(
                core.carry_out_operations(&part).is_err(),
                "the first {length} bytes"
            );
        }
    }

    #[test]
    fn changed_operations_never_panic() {
        let mut state = 1_234_567;
        for _ in 0..2_000 {
            let (mut core, _raylet) = core_with_template();
            let argument = add_pending(&mut core, 1);
            let mut batch = [task(2, argument), task(3, 2), release(argument)].concat();
            for _ in 0..3 {
                let at = random(&mut state) as usize % batch.len();
                // The number of results is tried above; here it would only cost time.
                if !(12..16).contains(&(at % task(2, 1).len())) {
                    batch[at] = random(&mut state) as u8;
                }
            }
            // Well formed by chance or not: what counts is that it returns, and what follows works.
            let _ = core.carry_out_operations(&batch);
            complete(&mut core, argument, value(b"x"));
            core.drive();
        }
    }
}

mod events {
    use super::*;
    use crate::events::{Events, OUTPUT_MAX};

    fn line(length: usize) -> Event {
        Event::Output {
            pid: 1,
            name: "f".to_owned(),
            is_error: false,
            text: "x".repeat(length),
        }
    }

    #[test]
    fn lines_that_nobody_takes_pause_the_workers_until_most_were_taken() {
        let mut events = Events::default();
        assert_eq!(events.output_pause(), None);
        let mut kept = 0;
        while events.output_pause().is_none() {
            events.push(line(1000));
            kept += 1;
        }
        let most = OUTPUT_MAX / 1000;
        assert!(
            (most / 2..=most + 1).contains(&kept),
            "EV-1: {kept} lines are kept"
        );
        assert_eq!(events.output_pause(), None, "it is said once");
        while events.output_pause().is_none() {
            events
                .pop()
                .expect("it goes on before the last line is taken");
            kept -= 1;
        }
        assert!(kept > 0);
    }

    #[test]
    fn garbage_is_asked_for_once_before_javascript_looks() {
        let mut events = Events::default();
        for _ in 0..3 {
            events.push(Event::CollectGarbage);
        }
        events.push(line(1));
        assert!(matches!(events.pop(), Some(Event::CollectGarbage)));
        events.push(Event::CollectGarbage);
        assert!(matches!(events.pop(), Some(Event::Output { .. })));
        assert!(matches!(events.pop(), Some(Event::CollectGarbage)));
        assert!(events.pop().is_none(), "EV-2");
    }
}
