//! The producing side of a ring.

#[cfg(doc)]
use super::RingReader;
use super::{
    FrameId, GIVEN_BACK, PADDING, READY, REVOKED, Revocation, RingError, change_state,
    check_initialized, frame_size, payload_max,
};
#[cfg(not(loom))]
use super::{initialize, view};
use crate::memory::{GRANULE, RingMemory};
use crate::sync::{Ordering, fence};

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
        // What lies below the head that this side has seen may be another frame by now. From there to the tail nothing
        // was overwritten, because only this side overwrites, and only what is below that: so the state that stands
        // there is the frame's, also where the true head has gone further.
        if frame.0 < self.head_seen || frame.0 >= self.tail {
            return Revocation::AlreadyTaken;
        }
        match change_state(&self.memory, frame.0, REVOKED) {
            Ok(()) => Revocation::Revoked,
            Err(GIVEN_BACK) => Revocation::GivenBack,
            Err(_) => Revocation::AlreadyTaken,
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
