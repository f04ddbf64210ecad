//! Model checks: loom runs the code of `ring.rs` and `mailbox.rs` through every interleaving (up to the
//! named bound of preemptions) that the memory model allows, over `memory.rs`'s recorded memory.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p eagleray-ipc --release`.

use crate::mailbox::Mailbox;
use crate::memory::RingMemory;
use crate::ring::{FrameId, Revocation, RingReader, RingWriter, initialize_memory};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use std::io;

/// Four granules: two frames of up to sixteen bytes, so that the third one overwrites the first.
const CAPACITY: u64 = 64;

#[test]
fn frames_arrive_whole_and_in_order_while_their_space_is_used_again() {
    check(|| {
        let (mut writer, mut reader) = ring();
        let producer = thread::spawn(move || {
            let pushed: Vec<u32> = (1..=3)
                .filter(|kind| push(&mut writer, *kind).is_some())
                .collect();
            pushed
        });
        let mut taken = take_up_to(3, &mut reader);
        let pushed = producer.join().unwrap();
        taken.extend(take_up_to(3, &mut reader));
        assert_eq!(taken, pushed);
    });
}

#[test]
fn a_frame_that_would_wrap_arrives_behind_padding() {
    check(|| {
        let (mut writer, mut reader) = ring();
        let producer = thread::spawn(move || {
            // One granule, then two, then two that don't fit into the last one.
            let empty = writer.push(1, &[]).map(|_| 1);
            let rest = [2, 3]
                .into_iter()
                .filter(|kind| push(&mut writer, *kind).is_some());
            empty.into_iter().chain(rest).collect::<Vec<u32>>()
        });
        let mut taken = take_up_to(2, &mut reader);
        let pushed = producer.join().unwrap();
        taken.extend(take_up_to(3, &mut reader));
        assert_eq!(taken, pushed);
    });
}

#[test]
fn a_frame_is_either_taken_or_revoked() {
    check(|| {
        let (mut writer, mut reader) = ring();
        let producer = thread::spawn(move || {
            let frames = [1, 2].map(|kind| (kind, push(&mut writer, kind).unwrap()));
            revoke(&mut writer, &frames)
        });
        let mut seen = take_up_to(2, &mut reader);
        let revoked = producer.join().unwrap();
        seen.extend(take_up_to(2, &mut reader));
        seen.extend(revoked);
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
    });
}

#[test]
fn revoking_a_consumed_frame_leaves_the_frame_in_its_place_alone() {
    check(|| {
        let (mut writer, mut reader) = ring();
        let first = push(&mut writer, 1).unwrap();
        push(&mut writer, 2).unwrap();
        let producer = thread::spawn(move || {
            let third = push(&mut writer, 3);
            (revoke(&mut writer, &[(1, first)]), third.is_some())
        });
        let mut seen = take_up_to(2, &mut reader);
        let (revoked, has_third) = producer.join().unwrap();
        seen.extend(take_up_to(3, &mut reader));
        seen.extend(revoked);
        seen.sort_unstable();
        assert_eq!(seen, if has_third { vec![1, 2, 3] } else { vec![1, 2] });
    });
}

#[test]
fn a_frame_that_both_sides_revoke_is_given_back_by_one_of_them() {
    check(|| {
        let (mut writer, mut reader) = ring();
        let producer = thread::spawn(move || {
            let frames = [1, 2].map(|kind| (kind, push(&mut writer, kind).unwrap()));
            revoke(&mut writer, &frames)
        });
        let mut given_back = Vec::new();
        reader
            .revoke_unstarted(|kind, payload| given_back.push(intact(kind, payload)))
            .unwrap();
        let revoked = producer.join().unwrap();
        given_back.extend(take_up_to(2, &mut reader));
        given_back.extend(revoked);
        given_back.sort_unstable();
        assert_eq!(given_back, [1, 2]);
    });
}

#[test]
fn a_sleeper_is_woken_by_every_frame() {
    check(|| {
        let (mut writer, mut reader) = ring();
        let sleeper = Sleeper::new();
        let peer = sleeper.peer();
        let producer = thread::spawn(move || {
            for kind in [1, 2] {
                push(&mut writer, kind).unwrap();
                peer.wake();
            }
        });
        // Loom fails with a deadlock if a wake-up is lost.
        let mut taken = Vec::new();
        while taken.len() < 2 {
            taken.extend(take_up_to(2, &mut reader));
            if taken.len() < 2 {
                sleeper.sleep_unless(|| reader.has_ready());
            }
        }
        producer.join().unwrap();
        assert_eq!(taken, [1, 2]);
    });
}

#[test]
fn a_sleeper_with_two_peers_is_woken_by_both() {
    check(|| {
        let sleeper = Sleeper::new();
        let mut readers = Vec::new();
        let mut producers = Vec::new();
        for kind in [1, 2] {
            let (mut writer, reader) = ring();
            let peer = sleeper.peer();
            readers.push(reader);
            producers.push(thread::spawn(move || {
                push(&mut writer, kind).unwrap();
                peer.wake();
            }));
        }
        let mut taken = Vec::new();
        loop {
            readers
                .iter_mut()
                .for_each(|reader| taken.extend(take_up_to(1, reader)));
            if taken.len() == 2 {
                break;
            }
            sleeper.sleep_unless(|| readers.iter().any(RingReader::has_ready));
        }
        for producer in producers {
            producer.join().unwrap();
        }
    });
}

#[test]
fn a_sleeper_is_woken_although_another_peer_is_stopped_before_it_rings() {
    check(|| {
        let sleeper = Sleeper::new();
        let (mut writer, mut reader) = ring();
        let (stopped, peer) = (sleeper.peer(), sleeper.peer());
        let stopping = thread::spawn(move || {
            // Whatever it finds, it never comes to ring.
            let _ = stopped.mailbox.wake(|| Err(io::ErrorKind::Other.into()));
        });
        let producer = thread::spawn(move || {
            push(&mut writer, 1).unwrap();
            peer.wake();
        });
        while take_up_to(1, &mut reader).is_empty() {
            sleeper.sleep_unless(|| reader.has_ready());
        }
        stopping.join().unwrap();
        producer.join().unwrap();
    });
}

#[test]
fn a_producer_that_sleeps_over_a_full_ring_is_woken_by_space() {
    check(|| {
        let (mut writer, mut reader) = ring();
        push(&mut writer, 1).unwrap();
        push(&mut writer, 2).unwrap();
        let sleeper = Sleeper::new();
        let peer = sleeper.peer();
        let consumer = thread::spawn(move || {
            for _ in 0..2 {
                take_up_to(1, &mut reader);
                if reader.take_space_request() {
                    peer.wake();
                }
            }
            reader
        });
        while push(&mut writer, 3).is_none() {
            if !writer.request_space(16) {
                sleeper.sleep_unless(|| writer.has_space_for(16));
            }
        }
        let mut reader = consumer.join().unwrap();
        assert_eq!(take_up_to(1, &mut reader), [3]);
    });
}

#[test]
fn a_space_request_is_answered_unless_there_is_space_at_once() {
    check(|| {
        let (mut writer, mut reader) = ring();
        push(&mut writer, 1).unwrap();
        push(&mut writer, 2).unwrap();
        let consumer = thread::spawn(move || {
            take_up_to(2, &mut reader);
            reader.take_space_request()
        });
        let has_space = writer.request_space(16);
        let is_answered = consumer.join().unwrap();
        assert!(has_space || is_answered);
    });
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

fn ring() -> (RingWriter, RingReader) {
    let memory = RingMemory::new(CAPACITY);
    initialize_memory(&memory);
    (
        RingWriter::over(memory.clone()).unwrap(),
        RingReader::over(memory).unwrap(),
    )
}

/// A frame of sixteen bytes that repeat its kind.
fn push(writer: &mut RingWriter, kind: u32) -> Option<FrameId> {
    writer.push(kind, &[&[kind as u8; 8], &[kind as u8; 8]])
}

fn intact(kind: u32, payload: &[u8]) -> u32 {
    assert!(
        payload.iter().all(|byte| *byte == kind as u8),
        "kind {kind}: {payload:?}"
    );
    kind
}

fn take_up_to(count: usize, reader: &mut RingReader) -> Vec<u32> {
    let mut taken = Vec::new();
    for _ in 0..count {
        let Some(frame) = reader.take_next().unwrap() else {
            break;
        };
        taken.push(intact(frame.kind, frame.payload));
        reader.release();
    }
    taken
}

fn revoke(writer: &mut RingWriter, frames: &[(u32, FrameId)]) -> Vec<u32> {
    let mut revoked = Vec::new();
    for (kind, frame) in frames {
        if writer.revoke(*frame) == Revocation::Revoked {
            revoked.push(*kind);
        }
    }
    revoked
}

/// A process that sleeps: its mailbox, and a doorbell like the kernel's.
struct Sleeper {
    mailbox: Mailbox,
    doorbell: Arc<(Mutex<bool>, Condvar)>,
}

impl Sleeper {
    fn new() -> Self {
        Self {
            mailbox: Mailbox::model(),
            doorbell: Arc::new((Mutex::new(false), Condvar::new())),
        }
    }

    fn peer(&self) -> Self {
        Self {
            mailbox: self.mailbox.peer(),
            doorbell: self.doorbell.clone(),
        }
    }

    fn wake(&self) {
        let ring = || {
            *self.doorbell.0.lock().unwrap() = true;
            self.doorbell.1.notify_one();
            Ok(())
        };
        self.mailbox.wake(ring).unwrap();
    }

    fn sleep_unless(&self, has_work: impl FnOnce() -> bool) {
        self.mailbox.prepare_to_sleep();
        if !has_work() {
            let mut has_rung = self.doorbell.0.lock().unwrap();
            while !*has_rung {
                has_rung = self.doorbell.1.wait(has_rung).unwrap();
            }
            *has_rung = false;
        }
        self.mailbox.cancel_sleep();
    }
}
