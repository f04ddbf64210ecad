//! The memory of one ring, as its header words, its frame headers and its payload bytes.
//!
//! [`RingMemory`] is the only type that turns an offset into an address. It has two forms with the
//! same methods: a view over a shared mapping, and, under `--cfg loom`, a model whose every access is
//! recorded by the model checker. `ring.rs` is the same code over both.

#[cfg(not(loom))]
pub(crate) use shared::RingMemory;

#[cfg(loom)]
pub(crate) use model::RingMemory;

use crate::sync::AtomicU32;

/// Frames begin at multiples of this many bytes, so that a frame's header never wraps.
pub(crate) const GRANULE: u64 = 16;

/// The atomic words at the start of a frame.
pub(crate) struct FrameHeader<'a> {
    pub(crate) state: &'a AtomicU32,
    pub(crate) length: &'a AtomicU32,
    pub(crate) kind: &'a AtomicU32,
}

#[cfg(not(loom))]
mod shared {
    use super::{FrameHeader, GRANULE};
    use crate::ring::RING_HEADER;
    use crate::sync::{AtomicU32, AtomicU64};
    use std::ptr::NonNull;

    // The tail (producer) and the head (consumer) each have a cache line of their own; the words that
    // are hardly ever written lie between them, so that fetching neighbouring lines in pairs does no harm.
    const TAIL: usize = 0;
    const MAGIC: usize = 64;
    const CAPACITY: usize = 72;
    const SPACE_WANTED: usize = 80;
    const HEAD: usize = 128;

    pub(crate) struct RingMemory {
        base: NonNull<u8>,
        capacity: u64,
    }

    // SAFETY: the view has no ties to a thread; all shared words are atomics, and who may touch which
    // payload bytes is decided by the ring's protocol.
    unsafe impl Send for RingMemory {}

    impl RingMemory {
        /// # Safety
        /// `base` is aligned to 64 bytes and `RING_HEADER + capacity` bytes from it on are mapped,
        /// readable and writable, for as long as the view lives; `capacity` is a power of two.
        pub(crate) unsafe fn new(base: NonNull<u8>, capacity: u64) -> Self {
            Self { base, capacity }
        }

        pub(crate) fn capacity(&self) -> u64 {
            self.capacity
        }

        pub(crate) fn tail(&self) -> &AtomicU64 {
            self.long_word(TAIL)
        }

        pub(crate) fn head(&self) -> &AtomicU64 {
            self.long_word(HEAD)
        }

        pub(crate) fn magic(&self) -> &AtomicU64 {
            self.long_word(MAGIC)
        }

        pub(crate) fn stored_capacity(&self) -> &AtomicU64 {
            self.long_word(CAPACITY)
        }

        pub(crate) fn space_wanted(&self) -> &AtomicU32 {
            self.word(SPACE_WANTED)
        }

        /// The header of the frame at `position`, for looking at it or changing its state.
        #[inline]
        pub(crate) fn header(&self, position: u64) -> FrameHeader<'_> {
            let at = RING_HEADER + self.offset(position);
            FrameHeader {
                state: self.word(at),
                length: self.word(at + 4),
                kind: self.word(at + 8),
            }
        }

        /// The header of a frame that is not published yet.
        #[inline]
        pub(crate) fn header_for_write(&self, position: u64) -> FrameHeader<'_> {
            self.header(position)
        }

        /// Where the payload of the frame at `position` begins, for reading `length` bytes.
        #[inline]
        pub(crate) fn payload_for_read(&self, position: u64, length: usize) -> *const u8 {
            self.payload_for_write(position, length)
        }

        /// Where the payload of the frame at `position` begins, for writing `length` bytes.
        #[inline]
        pub(crate) fn payload_for_write(&self, position: u64, length: usize) -> *mut u8 {
            let at = self.offset(position) + GRANULE as usize;
            assert!(at + length <= self.capacity as usize);
            // SAFETY: the bytes lie inside the ring by the assertion, and the ring is mapped (`new`).
            unsafe { self.base.as_ptr().add(RING_HEADER + at) }
        }

        #[inline]
        fn offset(&self, position: u64) -> usize {
            debug_assert_eq!(position % GRANULE, 0);
            (position & (self.capacity - 1)) as usize
        }

        #[inline]
        fn long_word(&self, at: usize) -> &AtomicU64 {
            // SAFETY: called with the constants above only: aligned to 8, inside the header, mapped (`new`).
            unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(at).cast()) }
        }

        #[inline]
        fn word(&self, at: usize) -> &AtomicU32 {
            // SAFETY: `at` is a constant of the header or inside a granule of the data; both are aligned
            // to 4 and mapped (`new`). Other processes touch these words by atomic instructions only.
            unsafe { AtomicU32::from_ptr(self.base.as_ptr().add(at).cast()) }
        }
    }
}
