//! The ring against a simple model, between threads, and over memory that holds nonsense.
#![cfg(not(loom))]

#[allow(dead_code)]
mod support;

use eagleray_ipc::ring::{
    CAPACITY_MIN, FRAME_HEADER, FrameId, RING_HEADER, Revocation, RingError, RingReader,
    RingWriter, initialize,
};
use proptest::prelude::*;
use std::collections::VecDeque;
use support::SharedMemory;

#[test]
fn a_frame_keeps_its_kind_and_bytes() {
    let memory = SharedMemory::for_ring(1024);
    let (mut writer, mut reader) = memory.ring();
    writer.push(7, &[b"scattered ", b"", b"parts"]).unwrap();
    let frame = reader.take_next().unwrap().unwrap();
    assert_eq!(
        (frame.kind, frame.payload),
        (7, b"scattered parts".as_slice())
    );
    assert!(reader.take_next().unwrap().is_none());
}

#[test]
fn only_what_is_committed_is_seen() {
    let memory = SharedMemory::for_ring(1024);
    let (mut writer, mut reader) = memory.ring();
    writer.reserve(1, 100).unwrap().fill(1);
    assert!(!reader.has_ready());
    writer.reserve(2, 100).unwrap().fill(2);
    let frame = writer.commit_first(10);
    assert_eq!(frame.position(), 0, "the first reservation was dropped");
    let frame = reader.take_next().unwrap().unwrap();
    assert_eq!((frame.kind, frame.payload), (2, [2; 10].as_slice()));
}

#[test]
fn the_longest_frame_fits_an_empty_ring_at_every_position() {
    let memory = SharedMemory::for_ring(256);
    let (mut writer, mut reader) = memory.ring();
    let longest = writer.payload_max();
    assert_eq!(longest, 256 / 2 - FRAME_HEADER);
    for lap in 0..64 {
        writer.push(0, &[&vec![0; lap % 33]]).unwrap();
        assert!(reader.take_next().unwrap().is_some());
        reader.release();
        writer.push(1, &[&vec![lap as u8; longest]]).unwrap();
        assert_eq!(
            reader.take_next().unwrap().unwrap().payload,
            vec![lap as u8; longest]
        );
        reader.release();
        assert!(reader.take_next().unwrap().is_none());
        assert!(writer.is_empty_seen());
    }
}

#[test]
#[should_panic(expected = "payload_max")]
fn a_frame_that_could_never_fit_is_a_panic_and_not_a_full_ring() {
    let memory = SharedMemory::for_ring(256);
    let (mut writer, _reader) = memory.ring();
    writer.reserve(0, 256 / 2 - FRAME_HEADER + 1);
}

#[test]
fn space_comes_back_with_release_and_not_before() {
    let memory = SharedMemory::for_ring(128);
    let (mut writer, mut reader) = memory.ring();
    while writer.push(1, &[&[1; 16]]).is_some() {}
    assert_eq!(writer.free_space(), 0);
    assert_eq!(writer.unconsumed_bytes(), 128);
    assert!(reader.take_next().unwrap().is_some());
    reader.flush();
    assert_eq!(writer.free_space(), 0, "taken, but not released");
    reader.release();
    reader.flush();
    assert_eq!(writer.free_space(), 32);
    assert!(writer.has_space_for(16));
    assert!(!writer.has_space_for(17));
}

#[test]
fn a_space_request_is_seen_once() {
    let memory = SharedMemory::for_ring(128);
    let (mut writer, mut reader) = memory.ring();
    while writer.push(1, &[&[1; 16]]).is_some() {}
    assert!(!reader.take_space_request(), "nobody has asked");
    assert!(!writer.request_space(16));
    assert!(reader.take_next().unwrap().is_some());
    reader.release();
    assert!(reader.take_space_request());
    assert!(!reader.take_space_request());
    assert!(writer.push(1, &[&[1; 16]]).is_some());
}

#[test]
fn peeking_leaves_the_frame_revocable() {
    let memory = SharedMemory::for_ring(1024);
    let (mut writer, mut reader) = memory.ring();
    let first = writer.push(1, &[b"one"]).unwrap();
    writer.push(2, &[b"two"]).unwrap();
    assert_eq!(reader.peek().unwrap().unwrap().kind, 1);
    assert_eq!(writer.revoke(first), Revocation::Revoked);
    assert_eq!(writer.revoke(first), Revocation::AlreadyTaken);
    assert_eq!(reader.peek().unwrap().unwrap().kind, 2);
    assert_eq!(reader.take_next().unwrap().unwrap().kind, 2);
    assert!(reader.take_next().unwrap().is_none());
}

#[test]
fn a_taken_frame_stays_in_place_while_others_are_given_back() {
    let memory = SharedMemory::for_ring(256);
    let (mut writer, mut reader) = memory.ring();
    let running = writer.push(1, &[&[1; 16]]).unwrap();
    let waiting = writer.push(2, &[&[2; 16]]).unwrap();
    let payload = reader.take_next().unwrap().unwrap().payload.as_ptr();
    let mut given_back = Vec::new();
    reader
        .revoke_unstarted(|kind, payload| given_back.push((kind, payload.to_vec())))
        .unwrap();
    assert_eq!(given_back, [(2, vec![2; 16])]);
    assert_eq!(writer.revoke(running), Revocation::AlreadyTaken);
    assert_eq!(writer.revoke(waiting), Revocation::GivenBack);
    assert!(reader.take_next().unwrap().is_none());
    reader.release_revoked();
    assert_eq!(
        writer.unconsumed_bytes(),
        64,
        "the running task's frame is not released"
    );
    while writer.push(3, &[&[3; 16]]).is_some() {}
    // SAFETY: inside the mapping; the reader has not released the frame.
    let bytes = unsafe { std::slice::from_raw_parts(payload, 16) };
    assert_eq!(bytes, [1; 16]);
}

#[test]
fn a_side_can_be_opened_again_where_the_last_one_stopped() {
    let memory = SharedMemory::for_ring(256);
    let (mut writer, mut reader) = memory.ring();
    for kind in 0..3 {
        writer.push(kind, &[&[kind as u8; 10]]).unwrap();
    }
    reader.take_next().unwrap();
    reader.release();
    reader.flush();
    // SAFETY: the mapping is alive and the former sides are not used any more.
    let (mut writer, mut reader) = unsafe {
        let writer = RingWriter::open(memory.base(), memory.length()).unwrap();
        (
            writer,
            RingReader::open(memory.base(), memory.length()).unwrap(),
        )
    };
    writer.push(3, &[&[3; 10]]).unwrap();
    for kind in 1..4 {
        assert_eq!(reader.take_next().unwrap().unwrap().kind, kind);
    }
}

#[test]
fn the_release_of_the_last_frame_is_seen_at_once_and_others_with_the_next_look() {
    let memory = SharedMemory::for_ring(1024);
    let (mut writer, mut reader) = memory.ring();
    for _ in 0..3 {
        writer.push(1, &[&[1; 16]]).unwrap();
    }
    for _ in 0..2 {
        reader.take_next().unwrap().unwrap();
        reader.release();
    }
    assert_eq!(
        writer.unconsumed_bytes(),
        96,
        "an eighth of the ring has not come together"
    );
    reader.take_next().unwrap().unwrap();
    assert!(reader.take_next().unwrap().is_none());
    assert_eq!(
        writer.unconsumed_bytes(),
        32,
        "all but the frame that is still held"
    );
    reader.release();
    assert!(writer.is_empty_seen());
}

#[test]
fn the_space_of_revoked_frames_comes_back_when_the_consumer_passes_them() {
    let memory = SharedMemory::for_ring(1024);
    let (mut writer, mut reader) = memory.ring();
    for _ in 0..3 {
        let frame = writer.push(1, &[&[1; 16]]).unwrap();
        assert_eq!(writer.revoke(frame), Revocation::Revoked);
    }
    assert_eq!(writer.unconsumed_bytes(), 96);
    assert!(reader.take_next().unwrap().is_none());
    assert!(writer.is_empty_seen());
}

#[test]
#[should_panic(expected = "without a reserved frame")]
fn a_reservation_that_fails_drops_the_one_before() {
    let memory = SharedMemory::for_ring(256);
    let (mut writer, _reader) = memory.ring();
    writer.push(1, &[&[1; 112]]).unwrap();
    assert!(writer.reserve(1, 16).is_some());
    assert!(writer.reserve(1, 112).is_some());
    // Sixteen bytes are left: room for an empty frame, and no more.
    writer.commit_first(96);
    assert!(writer.reserve(1, 0).is_some());
    assert!(writer.reserve(1, 16).is_none());
    writer.commit();
}

#[test]
fn each_kind_of_damage_to_a_frame_is_noticed() {
    // (state, length) of the second of three frames, and the complaint.
    let cases = [
        (1, 400, "a frame longer than what was written"),
        (1, 49, "a frame longer than what was written"),
        (1, u32::MAX, "a frame longer than what was written"),
        (3, 400, "a frame longer than what was written"),
        (4, 16, "padding in the middle of the ring"),
        (0, 16, "a frame in an impossible state"),
        (2, 16, "a frame in an impossible state"),
        (6, 16, "a frame in an impossible state"),
    ];
    for (state, length, complaint) in cases {
        let memory = SharedMemory::for_ring(256);
        let (mut writer, mut reader) = memory.ring();
        for _ in 0..3 {
            writer.push(1, &[&[1; 16]]).unwrap();
        }
        write_half(&memory, RING_HEADER + 32, state);
        write_half(&memory, RING_HEADER + 36, length);
        assert!(reader.take_next().unwrap().is_some());
        let error = RingError::Corrupt {
            what: complaint,
            at: 32,
        };
        assert_eq!(
            reader.take_next(),
            Err(error),
            "state {state}, length {length}"
        );
        assert_eq!(reader.take_next(), Err(error), "it stays");
    }
}

#[test]
fn a_frame_that_claims_to_wrap_is_noticed() {
    let memory = SharedMemory::for_ring(256);
    let (mut writer, mut reader) = memory.ring();
    for _ in 0..7 {
        writer.push(1, &[&[1; 16]]).unwrap();
        reader.take_next().unwrap().unwrap();
        reader.release();
    }
    // At 224 of 256 bytes; then a lap begins, so that what was written reaches beyond the end.
    for _ in 0..3 {
        writer.push(1, &[&[1; 16]]).unwrap();
    }
    write_half(&memory, RING_HEADER + 224 + 4, 48);
    let complaint = "a frame longer than what was written";
    assert_eq!(
        reader.take_next(),
        Err(RingError::Corrupt {
            what: complaint,
            at: 224
        })
    );
}

#[test]
fn wrong_memory_is_refused() {
    let memory = SharedMemory::for_ring(1024);
    let base = memory.base();
    // SAFETY: all inside the mapping, or refused before anything is touched.
    unsafe {
        let open = |base, length| RingReader::open(base, length).map(drop).unwrap_err();
        assert_eq!(open(base, memory.length()), RingError::NotInitialized);
        assert_eq!(
            open(std::ptr::null_mut(), memory.length()),
            RingError::BadMemory
        );
        assert_eq!(open(base.add(8), RING_HEADER + 512), RingError::BadMemory);
        assert_eq!(open(base, RING_HEADER + 1000), RingError::BadMemory);
        assert_eq!(open(base, RING_HEADER), RingError::BadMemory);
        assert_eq!(
            open(base, RING_HEADER + CAPACITY_MIN / 2),
            RingError::BadMemory
        );
        assert_eq!(open(base, 0), RingError::BadMemory);
        initialize(base, RING_HEADER + 512).unwrap();
        assert_eq!(
            open(base, RING_HEADER + 256),
            RingError::NotInitialized,
            "another capacity"
        );
        assert!(RingReader::open(base, RING_HEADER + 512).is_ok());
    }
}

#[test]
fn frames_between_threads_arrive_whole_once_and_in_order() {
    const FRAMES: u64 = 300_000;
    let memory = SharedMemory::for_ring(4096);
    let (mut writer, mut reader) = memory.ring();
    let producer = std::thread::spawn(move || {
        let mut random = Random(1);
        let mut bytes = vec![0; writer.payload_max()];
        for sequence in 0..FRAMES {
            let length = 16 + random.below(if sequence % 64 == 0 { 1900 } else { 200 });
            fill(&mut bytes[..length], sequence);
            while writer.push(sequence as u32, &[&bytes[..length]]).is_none() {
                std::thread::yield_now();
            }
        }
    });
    let mut expected = 0;
    while expected < FRAMES {
        match reader.take_next().unwrap() {
            Some(frame) => {
                assert_eq!(frame.kind, expected as u32);
                assert_eq!(sequence_of_intact(frame.payload), expected);
                expected += 1;
                reader.release();
            }
            None => std::thread::yield_now(),
        }
    }
    producer.join().unwrap();
    assert!(!reader.has_ready());
}

#[test]
fn between_threads_every_frame_is_taken_revoked_or_given_back() {
    const FRAMES: u64 = 200_000;
    let memory = SharedMemory::for_ring(2048);
    let (mut writer, mut reader) = memory.ring();
    let producer = std::thread::spawn(move || {
        let mut random = Random(2);
        let mut revoked = vec![0u8; FRAMES as usize];
        let mut recent = VecDeque::new();
        let mut bytes = [0; 64];
        for sequence in 0..FRAMES {
            let length = 16 + random.below(48);
            fill(&mut bytes[..length], sequence);
            let frame = loop {
                if let Some(frame) = writer.push(0, &[&bytes[..length]]) {
                    break frame;
                }
                std::thread::yield_now();
            };
            recent.push_back((sequence, frame));
            // Also frames that were consumed long ago, whose place holds other frames by now.
            if recent.len() > 200 {
                recent.pop_front();
            }
            let (sequence, frame) = recent[random.below(recent.len())];
            if random.below(3) == 0 && writer.revoke(frame) == Revocation::Revoked {
                revoked[sequence as usize] += 1;
            }
        }
        // An empty frame tells the consumer that this was all.
        while writer.push(1, &[]).is_none() {
            std::thread::yield_now();
        }
        revoked
    });
    let mut seen = vec![0u8; FRAMES as usize];
    let mut random = Random(3);
    let mut is_over = false;
    while !is_over {
        if random.below(16) == 0 {
            let give_back = |kind, payload: &[u8]| match kind {
                0 => seen[sequence_of_intact(payload) as usize] += 1,
                _ => is_over = true,
            };
            reader.revoke_unstarted(give_back).unwrap();
            reader.release();
            continue;
        }
        match reader.take_next().unwrap() {
            Some(frame) if frame.kind == 0 => {
                seen[sequence_of_intact(frame.payload) as usize] += 1;
                reader.release();
            }
            Some(_) => is_over = true,
            None => std::thread::yield_now(),
        }
    }
    let revoked = producer.join().unwrap();
    let revocations = revoked.iter().filter(|count| **count > 0).count();
    assert!(revocations > 0, "the test never revoked anything");
    for (sequence, (seen, revoked)) in seen.iter().zip(&revoked).enumerate() {
        assert_eq!(
            seen + revoked,
            1,
            "frame {sequence}: seen {seen}, revoked {revoked}"
        );
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push { length: usize },
    ReserveAndDrop { length: usize },
    CommitFirst { reserved: usize, length: usize },
    Revoke { which: usize },
    Take,
    Peek,
    Release,
    Flush,
    GiveBack,
    ReleaseRevoked,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0usize..=112).prop_map(|length| Step::Push { length }),
        1 => (0usize..=112).prop_map(|length| Step::ReserveAndDrop { length }),
        1 => (0usize..=112, 0usize..=112).prop_map(|(one, two)| {
            Step::CommitFirst { reserved: one.max(two), length: one.min(two) }
        }),
        3 => any::<usize>().prop_map(|which| Step::Revoke { which }),
        6 => Just(Step::Take),
        1 => Just(Step::Peek),
        4 => Just(Step::Release),
        1 => Just(Step::Flush),
        1 => Just(Step::GiveBack),
        1 => Just(Step::ReleaseRevoked),
    ];
    prop::collection::vec(step, 1..400)
}

/// What the ring should do: a queue of frames that wait, and what became of every frame.
#[derive(Default)]
struct Model {
    waiting: VecDeque<(FrameId, u32, Vec<u8>)>,
    /// Every frame ever committed.
    all: Vec<FrameId>,
    /// Given back by the reader; their space is not yet.
    given_back: Vec<FrameId>,
    /// Taken and not released, with the addresses at which they must stay.
    held: Vec<(*const u8, Vec<u8>)>,
    next_kind: u32,
}

impl Model {
    fn frame(&mut self, length: usize) -> (u32, Vec<u8>) {
        self.next_kind += 1;
        let kind = self.next_kind;
        (
            kind,
            (0..length)
                .map(|index| (kind as usize * 31 + index) as u8)
                .collect(),
        )
    }

    fn commit(&mut self, frame: FrameId, kind: u32, bytes: Vec<u8>) {
        assert!(
            self.all.last().is_none_or(|last| *last < frame),
            "frame ids grow"
        );
        self.all.push(frame);
        self.waiting.push_back((frame, kind, bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_ring_does_what_a_queue_with_revocation_does(steps in steps()) {
        let memory = SharedMemory::for_ring(256);
        let (mut writer, mut reader) = memory.ring();
        let mut model = Model::default();
        for step in steps {
            apply(step, &mut writer, &mut reader, &mut model);
            for (address, bytes) in &model.held {
                // SAFETY: taken and not released, so still in place inside the mapping.
                let now = unsafe { std::slice::from_raw_parts(*address, bytes.len()) };
                prop_assert_eq!(now, bytes.as_slice());
            }
            if !model.waiting.is_empty() {
                prop_assert!(reader.has_ready());
            }
            prop_assert!(writer.check().is_ok());
        }
        // In the end everything drains, and the whole ring is free again.
        while let Some((_, kind, bytes)) = model.waiting.pop_front() {
            let frame = reader.take_next().unwrap().unwrap();
            prop_assert_eq!((frame.kind, frame.payload), (kind, bytes.as_slice()));
        }
        prop_assert!(reader.take_next().unwrap().is_none());
        reader.release();
        prop_assert!(reader.take_next().unwrap().is_none());
        prop_assert!(writer.is_empty_seen());
        prop_assert_eq!(writer.free_space(), 256);
    }
}

fn apply(step: Step, writer: &mut RingWriter, reader: &mut RingReader, model: &mut Model) {
    match step {
        Step::Push { length } => {
            let (kind, bytes) = model.frame(length);
            let fits = writer.has_space_for(length);
            let pushed = writer.push(kind, &[&bytes[..length / 3], &bytes[length / 3..]]);
            assert_eq!(pushed.is_some(), fits);
            if let Some(frame) = pushed {
                model.commit(frame, kind, bytes);
            }
        }
        Step::ReserveAndDrop { length } => {
            if let Some(room) = writer.reserve(0, length) {
                assert_eq!(room.len(), length);
                room.fill(0xff);
            }
        }
        Step::CommitFirst { reserved, length } => {
            let (kind, bytes) = model.frame(length);
            if let Some(room) = writer.reserve(kind, reserved) {
                room[..length].copy_from_slice(&bytes);
                let frame = writer.commit_first(length);
                model.commit(frame, kind, bytes);
            }
        }
        Step::Revoke { which } => {
            if model.all.is_empty() {
                return;
            }
            let frame = model.all[which % model.all.len()];
            let place = model
                .waiting
                .iter()
                .position(|(waiting, _, _)| *waiting == frame);
            let expected = match place {
                Some(_) => Revocation::Revoked,
                None if model.given_back.contains(&frame) => Revocation::GivenBack,
                None => Revocation::AlreadyTaken,
            };
            let found = writer.revoke(frame);
            // Until the writer looks at the head again, it also knows what was given back before.
            if !(found == Revocation::GivenBack && expected == Revocation::AlreadyTaken) {
                assert_eq!(found, expected);
            }
            if let Some(place) = place {
                model.waiting.remove(place);
            }
        }
        Step::Take => {
            let frame = reader.take_next().unwrap();
            let expected = model.waiting.pop_front();
            let found = frame.map(|frame| (frame.kind, frame.payload.to_vec()));
            assert_eq!(found, expected.map(|(_, kind, bytes)| (kind, bytes)));
            if let Some(frame) = frame {
                model
                    .held
                    .push((frame.payload.as_ptr(), frame.payload.to_vec()));
            }
        }
        Step::Peek => {
            let found = reader
                .peek()
                .unwrap()
                .map(|frame| (frame.kind, frame.payload.to_vec()));
            let expected = model
                .waiting
                .front()
                .map(|(_, kind, bytes)| (*kind, bytes.clone()));
            assert_eq!(found, expected);
        }
        Step::Release => {
            reader.release();
            model.held.clear();
            model.given_back.clear();
        }
        Step::Flush => reader.flush(),
        Step::GiveBack => {
            let mut given_back = Vec::new();
            reader
                .revoke_unstarted(|kind, payload| given_back.push((kind, payload.to_vec())))
                .unwrap();
            let frames = model.waiting.iter().map(|(frame, _, _)| *frame);
            model.given_back.extend(frames);
            let expected: Vec<_> = model
                .waiting
                .drain(..)
                .map(|(_, kind, bytes)| (kind, bytes))
                .collect();
            assert_eq!(given_back, expected);
        }
        Step::ReleaseRevoked => {
            reader.release_revoked();
            model.given_back.clear();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn nonsense_in_a_ring_is_an_error_and_ends(
        data in prop::collection::vec(plausible_word(), 64),
        head in plausible_position(),
        tail in plausible_position(),
    ) {
        let memory = SharedMemory::for_ring(256);
        memory.ring();
        write_word(&memory, 0, tail);
        write_word(&memory, 128, head);
        for (index, word) in data.iter().enumerate() {
            write_half(&memory, RING_HEADER + index * 4, *word);
        }
        // SAFETY: the mapping is alive; there is no other consumer or producer.
        let reader = unsafe { RingReader::open(memory.base(), memory.length()) };
        if let Ok(mut reader) = reader {
            drain(&mut reader);
        }
        // SAFETY: as above.
        let writer = unsafe { RingWriter::open(memory.base(), memory.length()) };
        if let Ok(mut writer) = writer {
            while writer.push(1, &[&[0; 24]]).is_some() {}
            prop_assert!(writer.unconsumed_bytes() <= 256);
        }
    }

    #[test]
    fn nonsense_that_comes_in_while_a_ring_is_used_is_an_error_and_ends(
        pushed in prop::collection::vec(0usize..=112, 0..6),
        damage in prop::collection::vec((0usize..64, plausible_word()), 0..6),
        head in prop::option::of(plausible_position()),
        tail in prop::option::of(plausible_position()),
    ) {
        let memory = SharedMemory::for_ring(256);
        let (mut writer, mut reader) = memory.ring();
        let mut frames = Vec::new();
        for length in pushed {
            frames.extend(writer.push(1, &[&vec![1; length]]));
        }
        if frames.len() > 1 {
            reader.take_next().unwrap();
            reader.release();
        }
        for (index, word) in damage {
            write_half(&memory, RING_HEADER + index * 4, word);
        }
        if let Some(tail) = tail {
            write_word(&memory, 0, tail);
        }
        if let Some(head) = head {
            write_word(&memory, 128, head);
        }
        for frame in frames {
            writer.revoke(frame);
        }
        for length in [0, 24, 112] {
            writer.request_space(length);
            writer.push(2, &[&vec![2; length]]);
        }
        prop_assert!(writer.unconsumed_bytes() <= 256);
        let is_refused = head.is_some_and(|head| head > 1024 || head % 16 != 0);
        prop_assert!(!is_refused || writer.check().is_err());
        drain(&mut reader);
    }
}

/// Takes until there is nothing, or an error, which must stay. 256 bytes hold at most 16 frames.
fn drain(reader: &mut RingReader) {
    for _ in 0..=16 {
        match reader.take_next() {
            Ok(Some(frame)) => {
                assert!(frame.payload.len() <= 256 - FRAME_HEADER);
                std::hint::black_box(
                    frame
                        .payload
                        .iter()
                        .map(|byte| u32::from(*byte))
                        .sum::<u32>(),
                );
            }
            Ok(None) => return,
            Err(error) => {
                assert!(matches!(error, RingError::Corrupt { .. }));
                assert_eq!(reader.take_next(), Err(error));
                assert_eq!(reader.revoke_unstarted(|_, _| ()), Err(error));
                return;
            }
        }
        reader.release();
    }
    panic!("more frames than fit into the ring");
}

fn plausible_word() -> impl Strategy<Value = u32> {
    prop_oneof![
        0u32..6,
        (0u32..20).prop_map(|count| count * 16),
        0u32..300,
        any::<u32>()
    ]
}

fn plausible_position() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0u64..40).prop_map(|count| count * 16),
        0u64..1024,
        any::<u64>(),
        Just(u64::MAX - 15)
    ]
}

fn write_word(memory: &SharedMemory, at: usize, word: u64) {
    // SAFETY: inside the mapping, aligned; nobody else runs.
    unsafe { memory.base().add(at).cast::<u64>().write_volatile(word) }
}

fn write_half(memory: &SharedMemory, at: usize, word: u32) {
    // SAFETY: as above.
    unsafe { memory.base().add(at).cast::<u32>().write_volatile(word) }
}

/// Bytes that name their sequence and prove that none of them is another frame's.
fn fill(bytes: &mut [u8], sequence: u64) {
    bytes[..8].copy_from_slice(&sequence.to_le_bytes());
    let mut random = Random(sequence + 1);
    let (_, body) = bytes.split_at_mut(16);
    body.fill_with(|| random.next() as u8);
    let sum = checksum(&bytes[16..]);
    bytes[8..16].copy_from_slice(&sum.to_le_bytes());
}

fn sequence_of_intact(bytes: &[u8]) -> u64 {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!(word(8), checksum(&bytes[16..]), "frame {}", word(0));
    word(0)
}

fn checksum(bytes: &[u8]) -> u64 {
    let start = bytes.len() as u64 + 1;
    bytes.iter().fold(start, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// xorshift64*, for reproducible tests.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }

    fn below(&mut self, limit: usize) -> usize {
        self.next() as usize % limit
    }
}
