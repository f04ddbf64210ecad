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

/// Bytes before the frames. A ring of `capacity` bytes needs `RING_HEADER + capacity` bytes of memory.
pub const RING_HEADER: usize = 192;

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
    use super::{FrameHeader, GRANULE, RING_HEADER};
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

#[cfg(loom)]
mod model {
    use super::{FrameHeader, GRANULE};
    use crate::sync::{AtomicU32, AtomicU64};
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;

    /// A ring's memory as the model checker sees it. Clones are views of the same ring.
    #[derive(Clone)]
    pub(crate) struct RingMemory {
        shared: Arc<Shared>,
    }

    struct Shared {
        tail: AtomicU64,
        head: AtomicU64,
        magic: AtomicU64,
        capacity: AtomicU64,
        space_wanted: AtomicU32,
        granules: Vec<Granule>,
        bytes: Box<[std::cell::UnsafeCell<[u8; GRANULE as usize]>]>,
    }

    /// Sixteen bytes of the ring, which may be a frame's header or a piece of its payload.
    struct Granule {
        state: AtomicU32,
        length: AtomicU32,
        kind: AtomicU32,
        /// Stands for the plain bytes: the checker fails if a write to them races with any access. It is
        /// touched for headers too, because they may be payload in the next lap.
        bytes: UnsafeCell<()>,
    }

    // SAFETY: the plain bytes are accessed only together with the granule's cell, which the checker watches.
    unsafe impl Sync for Shared {}
    // SAFETY: nothing in it belongs to a thread.
    unsafe impl Send for Shared {}

    impl RingMemory {
        pub(crate) fn new(capacity: u64) -> Self {
            let count = capacity / GRANULE;
            let granule = |_| Granule {
                state: AtomicU32::new(0),
                length: AtomicU32::new(0),
                kind: AtomicU32::new(0),
                bytes: UnsafeCell::new(()),
            };
            let shared = Shared {
                tail: AtomicU64::new(0),
                head: AtomicU64::new(0),
                magic: AtomicU64::new(0),
                capacity: AtomicU64::new(0),
                space_wanted: AtomicU32::new(0),
                granules: (0..count).map(granule).collect(),
                bytes: (0..count).map(|_| Default::default()).collect(),
            };
            Self {
                shared: Arc::new(shared),
            }
        }

        pub(crate) fn capacity(&self) -> u64 {
            self.shared.granules.len() as u64 * GRANULE
        }

        pub(crate) fn tail(&self) -> &AtomicU64 {
            &self.shared.tail
        }

        pub(crate) fn head(&self) -> &AtomicU64 {
            &self.shared.head
        }

        pub(crate) fn magic(&self) -> &AtomicU64 {
            &self.shared.magic
        }

        pub(crate) fn stored_capacity(&self) -> &AtomicU64 {
            &self.shared.capacity
        }

        pub(crate) fn space_wanted(&self) -> &AtomicU32 {
            &self.shared.space_wanted
        }

        pub(crate) fn header(&self, position: u64) -> FrameHeader<'_> {
            let granule = &self.shared.granules[self.index(position)];
            granule.bytes.with(|_| ());
            granule.header()
        }

        pub(crate) fn header_for_write(&self, position: u64) -> FrameHeader<'_> {
            let granule = &self.shared.granules[self.index(position)];
            granule.bytes.with_mut(|_| ());
            granule.header()
        }

        pub(crate) fn payload_for_read(&self, position: u64, length: usize) -> *const u8 {
            for granule in self.payload_granules(position, length) {
                granule.bytes.with(|_| ());
            }
            self.payload(position)
        }

        pub(crate) fn payload_for_write(&self, position: u64, length: usize) -> *mut u8 {
            for granule in self.payload_granules(position, length) {
                granule.bytes.with_mut(|_| ());
            }
            self.payload(position)
        }

        fn payload_granules(&self, position: u64, length: usize) -> &[Granule] {
            let first = self.index(position) + 1;
            &self.shared.granules[first..first + length.div_ceil(GRANULE as usize)]
        }

        fn payload(&self, position: u64) -> *mut u8 {
            let start = self.index(position) + 1;
            self.shared.bytes[start..].as_ptr().cast_mut().cast()
        }

        fn index(&self, position: u64) -> usize {
            (position % self.capacity() / GRANULE) as usize
        }
    }

    impl Granule {
        fn header(&self) -> FrameHeader<'_> {
            FrameHeader {
                state: &self.state,
                length: &self.length,
                kind: &self.kind,
            }
        }
    }
}
