//! The buffer in which JavaScript writes operations.
//!
//! `[published: u32 | unused: u32]`, operations from byte 8 on. JavaScript writes an operation and then the number of
//! bytes published; this side reads below it.

use std::sync::atomic::{AtomicU32, Ordering};

/// See the module.
pub(crate) struct Submissions {
    base: *mut u8,
    length: usize,
    /// Bytes of operations taken already.
    consumed: usize,
}

// SAFETY: the buffer is pinned by the binding until it is detached. JavaScript writes beyond
// `published` only; this side reads below it.
unsafe impl Send for Submissions {}

impl Submissions {
    /// # Safety
    /// `base` is aligned to 8 and points to `length` bytes that stay valid and in place as long as this lives.
    pub(crate) unsafe fn new(base: *mut u8, length: usize) -> Self {
        Self {
            base,
            length,
            consumed: 0,
        }
    }

    fn published(&self) -> &AtomicU32 {
        // SAFETY: the base is aligned to 8 and pinned, by the promise given to `new`; JavaScript stores with
        // `Atomics.store`.
        unsafe { &*self.base.cast::<AtomicU32>() }
    }

    /// Copies what was written since the last time to the end of `batch`.
    pub(crate) fn take(&mut self, batch: &mut Vec<u8>) {
        // SYNC POINT: submissions-published. Acquire: partner is JavaScript's `Atomics.store` in the SDK's
        // submission buffer; what is below the published length is written.
        let end = self.published().load(Ordering::Acquire) as usize;
        if end <= self.consumed || end > self.length.saturating_sub(8) {
            return;
        }
        // SAFETY: `consumed..end` lies inside the buffer, as just checked, and JavaScript leaves it alone
        // until `reset`, which it calls itself.
        let written = unsafe {
            std::slice::from_raw_parts(self.base.add(8 + self.consumed), end - self.consumed)
        };
        batch.extend_from_slice(written);
        self.consumed = end;
    }

    /// Starts the buffer anew. Only JavaScript's thread may ask for it.
    pub(crate) fn reset(&mut self) {
        self.consumed = 0;
        // SYNC POINT: submissions-published. The same thread writes next.
        self.published().store(0, Ordering::Release);
    }
}
