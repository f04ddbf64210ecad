//! A byte ring in shared memory for one producer and one consumer, whose frames the producer can take
//! back until the consumer has started on them.
//!
//! Layout: [`RING_HEADER`] bytes (tail, cold words, head, one cache line each), then `capacity` bytes of
//! frames. A *position* counts bytes since the ring was made and never wraps; the address is the
//! position modulo the capacity.
//!
//! ```text
//! frame, at a multiple of 16 bytes:
//!   0  state     u32   READY 1 → TAKEN 2 (consumer), REVOKED 3 (producer) or GIVEN_BACK 5 (consumer); PADDING 4
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
//! 3. A frame leaves READY once, by compare-and-swap, so it is taken, revoked or given back, and one of them only.
//! 4. A frame never wraps: a PADDING frame fills the end of the ring.
//! 5. Everything that is read from the ring is checked before it is used, and read once.

use crate::memory::{GRANULE, RingMemory};
use crate::sync::Ordering;
use std::fmt;

mod reader;
mod writer;

pub use crate::memory::RING_HEADER;
pub use reader::RingReader;
pub use writer::RingWriter;

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
const GIVEN_BACK: u32 = 5;

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
    /// The frame at a position: for rings of another make, in simulations.
    pub fn at(position: u64) -> Self {
        Self(position)
    }

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
    /// The consumer has started on it, or is done with it.
    AlreadyTaken,
    /// The consumer has given it back itself ([`RingReader::revoke_unstarted`]): it did not start on it and never will.
    GivenBack,
}

/// A frame as the consumer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The caller's kind.
    pub kind: u32,
    /// The payload, in place. A producer that keeps to the protocol leaves it alone until [`RingReader::release`]; one that
    /// does not may change it at any time. So copy it first and parse the copy: what was checked in place may be another
    /// thing when it is used.
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

/// Moves a frame out of READY; if somebody else was faster, the state in which it is.
#[inline]
fn change_state(memory: &RingMemory, position: u64, to: u32) -> Result<(), u32> {
    // SYNC POINT: ring-claim, between the consumer's take and the producer's revoke. It decides who has
    // the frame and carries no data: payloads are ordered by ring-publish and ring-release.
    let state = memory.header(position).state;
    state
        .compare_exchange(READY, to, Ordering::AcqRel, Ordering::Acquire)
        .map(drop)
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
