//! A byte ring in shared memory for one producer and one consumer, whose frames the producer can take
//! back until the consumer has started on them.
//!
//! Layout: [`RING_HEADER`] bytes (tail, cold words, head, one cache line each), then `capacity` bytes of
//! frames. A *position* counts bytes since the ring was made and never wraps; the address is the
//! position modulo the capacity.
//!
//! ```text
//! frame, at a multiple of 16 bytes:
//!   0  state     u32   READY 1 → TAKEN 2 (consumer) or REVOKED 3 (either side); PADDING 4
//!   4  length    u32   of the payload, in bytes
//!   8  kind      u32   the caller's
//!  12  reserved  u32   0
//!  16  payload, filled up to a multiple of 16
//! ```
//!
//! This module owns the protocol of the two indices and of the frame states. It is not a queue for
//! several producers, wakes nobody (see `mailbox.rs` and `doorbell.rs`) and never waits.
//!
//! Invariants:
//! 1. `head <= tail <= head + capacity`; both are multiples of 16 and only ever grow.
//! 2. Only the producer writes the tail and bytes outside `head..tail`; only the consumer writes the head.
//!    Inside `head..tail` nothing is written but frame states.
//! 3. A frame leaves READY once, by compare-and-swap, so it is either taken or revoked.
//! 4. A frame never wraps: a PADDING frame fills the end of the ring.
//! 5. Everything that is read from the ring is checked before it is used, and read once.

use crate::memory::{GRANULE, RingMemory};
use crate::sync::{Ordering, fence};
use std::fmt;

/// Bytes before the frames. A ring of `capacity` bytes needs `RING_HEADER + capacity` bytes of memory.
pub const RING_HEADER: usize = 192;

/// Bytes before the payload of each frame.
pub const FRAME_HEADER: usize = GRANULE as usize;

/// The smallest capacity of a ring, in bytes.
pub const CAPACITY_MIN: usize = 64;

/// The largest capacity of a ring, in bytes: frame lengths have 32 bits.
pub const CAPACITY_MAX: usize = 1 << 31;

/// The address of a ring must be a multiple of this, so that its indices have cache lines of their own.
pub const RING_ALIGNMENT: usize = 64;

const READY: u32 = 1;
const TAKEN: u32 = 2;
const REVOKED: u32 = 3;
const PADDING: u32 = 4;

/// "EAGLRNG" and the version of the layout.
const MAGIC: u64 = u64::from_le_bytes(*b"EAGLRNG\x01");

/// Why a ring can't be used (any more).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingError {
    /// The address is null or not aligned to [`RING_ALIGNMENT`], or the length is not [`RING_HEADER`]
    /// plus a power of two within the limits.
    BadMemory,
    /// No ring of this version and capacity was ever initialised here.
    NotInitialized,
    /// The other side, or somebody else, has written nonsense. The ring stays unusable.
    Corrupt {
        /// What was wrong.
        what: &'static str,
        /// The position in the ring at which it was noticed.
        at: u64,
    },
}

impl fmt::Display for RingError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadMemory => {
                formatter.write_str("the memory given for a ring has a wrong address or length")
            }
            Self::NotInitialized => {
                formatter.write_str("there is no ring of this version and size at this address")
            }
            Self::Corrupt { what, at } => {
                write!(formatter, "corrupt ring: {what} at position {at}")
            }
        }
    }
}

impl std::error::Error for RingError {}

/// Names a frame to the writer that committed it: the frame's position, so later frames are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(u64);

impl FrameId {
    /// The position of the frame in bytes since the ring was made.
    pub fn position(self) -> u64 {
        self.0
    }
}

/// What came of [`RingWriter::revoke`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The frame is the producer's again: the consumer will never see it.
    Revoked,
    /// The consumer has started on it, is done with it, or has given it back itself.
    AlreadyTaken,
}

/// A frame as the consumer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The caller's kind.
    pub kind: u32,
    /// The payload, in place. The producer leaves it alone until [`RingReader::release`].
    pub payload: &'a [u8],
}

/// Lays out an empty ring, without taking either side. For a third party that hands the two sides out.
///
/// # Safety
/// As [`RingWriter::create`].
#[cfg(not(loom))]
pub unsafe fn initialize(base: *mut u8, length: usize) -> Result<(), RingError> {
    // SAFETY: the caller's promise.
    let memory = unsafe { view(base, length) }?;
    initialize_memory(&memory);
    Ok(())
}

/// The producing side of a ring.
pub struct RingWriter {
    memory: RingMemory,
    /// The published tail. Nobody else writes it, so it is never read back.
    tail: u64,
    /// The consumer's head as last seen; at most the true one.
    head_seen: u64,
    reservation: Option<Reservation>,
}

#[derive(Clone, Copy)]
struct Reservation {
    position: u64,
    kind: u32,
    length: usize,
}

impl RingWriter {
    /// Initialises a ring in `length` bytes at `base` and becomes its producer.
    ///
    /// # Safety
    /// `base..base + length` is mapped, readable and writable, until the value is dropped. Nobody else
    /// uses these bytes but one producer (this one) and one consumer of the ring; the consumer opens it
    /// only after this call has returned (told so by a message that orders memory, as any does).
    #[cfg(not(loom))]
    pub unsafe fn create(base: *mut u8, length: usize) -> Result<Self, RingError> {
        // SAFETY: the caller's promise.
        unsafe {
            initialize(base, length)?;
            Self::open(base, length)
        }
    }

    /// Becomes the producer of a ring that [`initialize`] or [`RingReader::create`] has laid out.
    ///
    /// # Safety
    /// As [`RingWriter::create`]; there is no other producer.
    #[cfg(not(loom))]
    pub unsafe fn open(base: *mut u8, length: usize) -> Result<Self, RingError> {
        // SAFETY: the caller's promise.
        Self::over(unsafe { view(base, length) }?)
    }

    pub(crate) fn over(memory: RingMemory) -> Result<Self, RingError> {
        let (head, tail) = check_initialized(&memory)?;
        Ok(Self {
            memory,
            tail,
            head_seen: head,
            reservation: None,
        })
    }

    /// The longest payload of a frame, in bytes: one that always fits into an empty ring.
    pub fn payload_max(&self) -> usize {
        payload_max(self.memory.capacity())
    }

    /// The size of the ring's data area in bytes.
    pub fn capacity(&self) -> usize {
        self.memory.capacity() as usize
    }

    /// Room for a payload of `length` bytes, or `None` while the ring is too full. The bytes hold old
    /// data and must all be written. Nothing is visible to the consumer until [`commit`](Self::commit);
    /// reserving again drops what was reserved before.
    ///
    /// # Panics
    /// If `length` is above [`payload_max`](Self::payload_max): such a frame would never fit.
    #[inline]
    pub fn reserve(&mut self, kind: u32, length: usize) -> Option<&mut [u8]> {
        assert!(
            length <= self.payload_max(),
            "a frame above the ring's payload_max"
        );
        self.reservation = None;
        let size = frame_size(length);
        let capacity = self.memory.capacity();
        let until_end = capacity - (self.tail & (capacity - 1));
        let padding = if size <= until_end { 0 } else { until_end };
        if !self.has_space(padding + size) {
            return None;
        }
        if padding > 0 {
            let header = self.memory.header_for_write(self.tail);
            header.state.store(PADDING, Ordering::Relaxed);
            header
                .length
                .store((padding - GRANULE) as u32, Ordering::Relaxed);
            header.kind.store(0, Ordering::Relaxed);
        }
        let position = self.tail + padding;
        self.reservation = Some(Reservation {
            position,
            kind,
            length,
        });
        let payload = self.memory.payload_for_write(position, length);
        // SAFETY: `payload_for_write` has checked that the bytes are inside the ring. They are outside
        // head..tail (`has_space`), so they are the producer's alone (invariant 2) until `commit`, which
        // needs `&mut self` and so ends this borrow.
        Some(unsafe { std::slice::from_raw_parts_mut(payload, length) })
    }

    /// Publishes the reserved frame.
    ///
    /// # Panics
    /// If nothing is reserved.
    #[inline]
    pub fn commit(&mut self) -> FrameId {
        let length = self.reservation.map_or(0, |reservation| reservation.length);
        self.commit_first(length)
    }

    /// Publishes the first `length` bytes of the reserved frame and gives back the rest.
    ///
    /// # Panics
    /// If nothing is reserved, or less than `length`.
    #[inline]
    pub fn commit_first(&mut self, length: usize) -> FrameId {
        let Some(reservation) = self.reservation.take() else {
            panic!("commit without a reserved frame");
        };
        assert!(
            length <= reservation.length,
            "commit of more than was reserved"
        );
        let header = self.memory.header_for_write(reservation.position);
        header.length.store(length as u32, Ordering::Relaxed);
        header.kind.store(reservation.kind, Ordering::Relaxed);
        header.state.store(READY, Ordering::Relaxed);
        self.tail = reservation.position + frame_size(length);
        // SYNC POINT: ring-publish. Release: a consumer that sees this tail sees the frame's header and
        // payload, and those of the padding before it.
        self.memory.tail().store(self.tail, Ordering::Release);
        FrameId(reservation.position)
    }

    /// Reserves, copies the parts one after the other, and commits. `None` while the ring is too full.
    ///
    /// # Panics
    /// If the parts together are above [`payload_max`](Self::payload_max).
    #[inline]
    pub fn push(&mut self, kind: u32, parts: &[&[u8]]) -> Option<FrameId> {
        let length = parts.iter().map(|part| part.len()).sum();
        let mut room = self.reserve(kind, length)?;
        for part in parts {
            let (place, rest) = room.split_at_mut(part.len());
            place.copy_from_slice(part);
            room = rest;
        }
        Some(self.commit())
    }

    /// Takes a frame back, unless the consumer was faster. `frame` comes from this writer's `commit`.
    pub fn revoke(&mut self, frame: FrameId) -> Revocation {
        self.refresh_head();
        // Below the head the consumer is done and the bytes may be another frame's by now. From there to
        // the tail nothing has been overwritten, because only this side overwrites, and only what is below
        // `head_seen`.
        if frame.0 < self.head_seen || frame.0 >= self.tail {
            return Revocation::AlreadyTaken;
        }
        if change_state(&self.memory, frame.0, REVOKED) {
            Revocation::Revoked
        } else {
            Revocation::AlreadyTaken
        }
    }

    /// Bytes that are free, frame headers included. A frame that would wrap also needs the space up to
    /// the end of the ring, so `reserve` may fail with more than this free.
    pub fn free_space(&mut self) -> usize {
        self.capacity() - self.unconsumed_bytes()
    }

    /// Bytes of frames that the consumer has not released, taken ones and revoked ones included.
    pub fn unconsumed_bytes(&mut self) -> usize {
        self.refresh_head();
        (self.tail - self.head_seen) as usize
    }

    /// Whether the consumer has released everything that was committed.
    pub fn is_empty_seen(&mut self) -> bool {
        self.unconsumed_bytes() == 0
    }

    /// Asks the consumer to say when it has released space, and tells whether a payload of `length` bytes
    /// fits by now (then no answer need be waited for). For a producer that goes to sleep over a full ring:
    /// the consumer's [`RingReader::take_space_request`] turns true once, and it rings the producer.
    pub fn request_space(&mut self, length: usize) -> bool {
        self.memory.space_wanted().swap(1, Ordering::AcqRel);
        // SYNC POINT: ring-space. Either this side sees the consumer's head below, or the consumer sees the
        // request after its own fence.
        fence(Ordering::SeqCst);
        self.refresh_head();
        self.has_space_for(length)
    }

    /// Whether a payload of `length` bytes would fit now.
    pub fn has_space_for(&mut self, length: usize) -> bool {
        let size = frame_size(length);
        let capacity = self.memory.capacity();
        let until_end = capacity - (self.tail & (capacity - 1));
        let padding = if size <= until_end { 0 } else { until_end };
        self.has_space(padding + size)
    }

    /// Fails if the consumer's head is nonsense. (The writer itself ignores such a head, which is safe
    /// but leaves the ring full for ever.)
    pub fn check(&mut self) -> Result<(), RingError> {
        // SYNC POINT: ring-release.
        let head = self.memory.head().load(Ordering::Acquire);
        if self.is_sane_head(head) {
            Ok(())
        } else {
            Err(RingError::Corrupt {
                what: "a head outside the written frames",
                at: head,
            })
        }
    }

    #[inline]
    fn has_space(&mut self, size: u64) -> bool {
        let capacity = self.memory.capacity();
        if self.tail + size - self.head_seen <= capacity {
            return true;
        }
        self.refresh_head();
        self.tail + size - self.head_seen <= capacity
    }

    fn refresh_head(&mut self) {
        // SYNC POINT: ring-release. Acquire: the consumer is done with everything below this head.
        let head = self.memory.head().load(Ordering::Acquire);
        if self.is_sane_head(head) {
            self.head_seen = head;
        }
    }

    fn is_sane_head(&self, head: u64) -> bool {
        (self.head_seen..=self.tail).contains(&head) && head.is_multiple_of(GRANULE)
    }
}

/// The consuming side of a ring.
pub struct RingReader {
    memory: RingMemory,
    /// The next frame to look at.
    position: u64,
    /// Everything below has been released by the caller; at most `position`.
    released: u64,
    /// The head as the producer sees it; at most `released`.
    published: u64,
    /// The producer's tail as last seen; at most the true one.
    tail_seen: u64,
}

impl RingReader {
    /// Becomes the consumer of a ring that was laid out by [`RingWriter::create`] or [`initialize`].
    ///
    /// # Safety
    /// `base..base + length` is mapped, readable and writable, until the value is dropped. There is no
    /// other consumer.
    #[cfg(not(loom))]
    pub unsafe fn open(base: *mut u8, length: usize) -> Result<Self, RingError> {
        // SAFETY: the caller's promise.
        Self::over(unsafe { view(base, length) }?)
    }

    /// Initialises a ring and becomes its consumer, for the side that sets a ring up and does not write.
    ///
    /// # Safety
    /// As [`RingWriter::create`], with the roles exchanged.
    #[cfg(not(loom))]
    pub unsafe fn create(base: *mut u8, length: usize) -> Result<Self, RingError> {
        // SAFETY: the caller's promise.
        unsafe {
            initialize(base, length)?;
            Self::open(base, length)
        }
    }

    pub(crate) fn over(memory: RingMemory) -> Result<Self, RingError> {
        let (head, tail) = check_initialized(&memory)?;
        Ok(Self {
            memory,
            position: head,
            released: head,
            published: head,
            tail_seen: tail,
        })
    }

    /// Takes the next frame: from now on the producer can't revoke it. `None` when there is none; the
    /// space of released frames is then handed back at once. Frames that were taken stay readable (for
    /// the producer: occupied) until [`release`](Self::release).
    #[inline]
    pub fn take_next(&mut self) -> Result<Option<Frame<'_>>, RingError> {
        loop {
            let Some(found) = self.find_ready()? else {
                return Ok(None);
            };
            if change_state(&self.memory, self.position, TAKEN) {
                self.position += found.size;
                return Ok(Some(self.frame(found)));
            }
            // The producer was faster: `find_ready` skips the frame now.
        }
    }

    /// Looks at the next frame without taking it; the producer may still revoke it.
    pub fn peek(&mut self) -> Result<Option<Frame<'_>>, RingError> {
        let found = self.find_ready()?;
        Ok(found.map(|found| self.frame(found)))
    }

    /// Hands the space of all frames taken so far back to the producer. The producer may learn of it
    /// later: when an eighth of the ring has come together, when the ring is empty, or by
    /// [`flush`](Self::flush).
    #[inline]
    pub fn release(&mut self) {
        self.released = self.position;
        if self.released == self.tail_seen
            || self.released - self.published >= self.memory.capacity() / 8
        {
            self.flush();
        }
    }

    /// Tells the producer of everything that was released. For a consumer that turns to something long.
    #[inline]
    pub fn flush(&mut self) {
        if self.published != self.released {
            self.published = self.released;
            // SYNC POINT: ring-release. Release: the producer overwrites these frames only after this
            // side has done all its reading of them.
            self.memory.head().store(self.published, Ordering::Release);
        }
    }

    /// Whether frames have been published that this side has not looked at. They may turn out to be
    /// revoked, or corrupt: only `take_next` knows.
    #[inline]
    pub fn has_ready(&self) -> bool {
        // SYNC POINT: ring-publish.
        self.memory.tail().load(Ordering::Acquire) != self.position
    }

    /// Flushes, and tells whether the producer waits for space ([`RingWriter::request_space`]). True once
    /// per request: the caller must then ring the producer.
    pub fn take_space_request(&mut self) -> bool {
        self.flush();
        // SYNC POINT: ring-space. Either the producer sees the head just stored, or this side its request.
        fence(Ordering::SeqCst);
        let wanted = self.memory.space_wanted();
        wanted.load(Ordering::Relaxed) == 1 && wanted.swap(0, Ordering::AcqRel) == 1
    }

    /// Gives back every frame that was not started: each is marked revoked, shown to `give_back`, and
    /// skipped. For a worker that is going to block and must tell the submitter what it will not run.
    /// The space is released with the next [`release`](Self::release).
    pub fn revoke_unstarted(
        &mut self,
        mut give_back: impl FnMut(u32, &[u8]),
    ) -> Result<(), RingError> {
        while let Some(found) = self.find_ready()? {
            if change_state(&self.memory, self.position, REVOKED) {
                self.position += found.size;
                let frame = self.frame(found);
                give_back(frame.kind, frame.payload);
            }
        }
        Ok(())
    }

    /// Advances to the next READY frame, and checks it.
    #[inline]
    fn find_ready(&mut self) -> Result<Option<Found>, RingError> {
        loop {
            if self.position == self.tail_seen {
                self.refresh_tail()?;
                if self.position == self.tail_seen {
                    self.flush();
                    return Ok(None);
                }
            }
            let header = self.memory.header(self.position);
            let state = header.state.load(Ordering::Relaxed);
            let length = u64::from(header.length.load(Ordering::Relaxed));
            let kind = header.kind.load(Ordering::Relaxed);
            let size = (length + GRANULE).next_multiple_of(GRANULE);
            let capacity = self.memory.capacity();
            let until_end = capacity - (self.position & (capacity - 1));
            if size > until_end.min(self.tail_seen - self.position) {
                return Err(self.corrupt("a frame longer than what was written"));
            }
            match state {
                READY => {
                    let position = self.position;
                    return Ok(Some(Found {
                        position,
                        size,
                        kind,
                        length: length as usize,
                    }));
                }
                REVOKED => self.skip(size),
                PADDING if size == until_end => self.skip(size),
                PADDING => return Err(self.corrupt("padding in the middle of the ring")),
                _ => return Err(self.corrupt("a frame in an impossible state")),
            }
        }
    }

    fn skip(&mut self, size: u64) {
        // A frame that was taken and not released holds up what lies behind it.
        if self.released == self.position {
            self.released += size;
        }
        self.position += size;
    }

    fn refresh_tail(&mut self) -> Result<(), RingError> {
        // SYNC POINT: ring-publish. Acquire: all frames below this tail are visible.
        let tail = self.memory.tail().load(Ordering::Acquire);
        if !is_sane_tail(self.published, self.position, tail, self.memory.capacity()) {
            return Err(RingError::Corrupt {
                what: "a tail outside the ring",
                at: tail,
            });
        }
        self.tail_seen = tail;
        Ok(())
    }

    #[inline]
    fn frame(&self, found: Found) -> Frame<'_> {
        let payload = self.memory.payload_for_read(found.position, found.length);
        // SAFETY: `payload_for_read` has checked that the bytes are inside the ring. They are inside
        // head..tail, which the producer does not write (invariant 2), until the head moves, and that
        // needs `&mut self` and so ends this borrow. A producer that breaks the protocol can change the
        // bytes; they are plain bytes, valid whatever they are.
        let payload = unsafe { std::slice::from_raw_parts(payload, found.length) };
        Frame {
            kind: found.kind,
            payload,
        }
    }

    fn corrupt(&self, what: &'static str) -> RingError {
        RingError::Corrupt {
            what,
            at: self.position,
        }
    }
}

#[derive(Clone, Copy)]
struct Found {
    position: u64,
    size: u64,
    kind: u32,
    length: usize,
}

/// Moves a frame out of READY; false if somebody else was faster.
#[inline]
fn change_state(memory: &RingMemory, position: u64, to: u32) -> bool {
    // SYNC POINT: ring-claim, between the consumer's take and the producer's revoke. It decides who has
    // the frame and carries no data: payloads are ordered by ring-publish and ring-release.
    let state = memory.header(position).state;
    state
        .compare_exchange(READY, to, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
}

#[inline]
fn frame_size(length: usize) -> u64 {
    (length as u64 + GRANULE).next_multiple_of(GRANULE)
}

fn payload_max(capacity: u64) -> usize {
    (capacity / 2 - GRANULE) as usize
}

/// # Safety
/// `base..base + length` is mapped, readable and writable, while the result lives.
#[cfg(not(loom))]
unsafe fn view(base: *mut u8, length: usize) -> Result<RingMemory, RingError> {
    let base = std::ptr::NonNull::new(base).ok_or(RingError::BadMemory)?;
    let capacity = length
        .checked_sub(RING_HEADER)
        .ok_or(RingError::BadMemory)?;
    let is_capacity =
        capacity.is_power_of_two() && (CAPACITY_MIN..=CAPACITY_MAX).contains(&capacity);
    if !is_capacity || !base.addr().get().is_multiple_of(RING_ALIGNMENT) {
        return Err(RingError::BadMemory);
    }
    // SAFETY: alignment and capacity were checked; the rest is the caller's promise.
    Ok(unsafe { RingMemory::new(base, capacity as u64) })
}

pub(crate) fn initialize_memory(memory: &RingMemory) {
    memory.tail().store(0, Ordering::Relaxed);
    memory.head().store(0, Ordering::Relaxed);
    memory.space_wanted().store(0, Ordering::Relaxed);
    memory
        .stored_capacity()
        .store(memory.capacity(), Ordering::Relaxed);
    // SYNC POINT: ring-initialize. Release: whoever sees the magic sees the words above.
    memory.magic().store(MAGIC, Ordering::Release);
}

/// The head and the tail of a ring that is in order.
fn check_initialized(memory: &RingMemory) -> Result<(u64, u64), RingError> {
    // SYNC POINT: ring-initialize.
    let magic = memory.magic().load(Ordering::Acquire);
    if magic != MAGIC || memory.stored_capacity().load(Ordering::Relaxed) != memory.capacity() {
        return Err(RingError::NotInitialized);
    }
    let head = memory.head().load(Ordering::Acquire);
    let tail = memory.tail().load(Ordering::Acquire);
    // The sum of a position and a capacity must never overflow, here and later.
    if head > u64::MAX / 2 || !head.is_multiple_of(GRANULE) {
        return Err(RingError::Corrupt {
            what: "an impossible head",
            at: head,
        });
    }
    if !is_sane_tail(head, head, tail, memory.capacity()) {
        return Err(RingError::Corrupt {
            what: "a tail outside the ring",
            at: tail,
        });
    }
    Ok((head, tail))
}

fn is_sane_tail(head: u64, position: u64, tail: u64, capacity: u64) -> bool {
    (position..=head + capacity).contains(&tail) && tail.is_multiple_of(GRANULE)
}
