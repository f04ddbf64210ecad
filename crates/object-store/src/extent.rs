//! A run of bytes in the segment.

/// Bytes in a page, the unit in which the segment's space is handed out.
pub const PAGE: u64 = 4096;

/// A run of bytes in the segment. The space that it occupies is `length` rounded up to whole pages.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub struct Extent {
    /// Bytes from the segment's start; a multiple of [`PAGE`] for everything that the allocator hands out.
    pub offset: u64,
    /// Bytes in use, which need not fill the last page.
    pub length: u64,
}

impl Extent {
    /// An extent of `length` bytes at `offset`; nothing is checked here because extents also arrive from peers,
    /// and whoever uses one checks it against what it owns.
    pub const fn new(offset: u64, length: u64) -> Self {
        Self { offset, length }
    }

    /// The first byte after the bytes in use, or `None` when the sum overflows (only a hostile peer sends that).
    pub const fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.length)
    }

    /// Bytes of space that the extent occupies: `length` rounded up to whole pages (saturating).
    pub const fn occupied(&self) -> u64 {
        match self.length.checked_next_multiple_of(PAGE) {
            Some(bytes) => bytes,
            None => u64::MAX - (PAGE - 1),
        }
    }
}
