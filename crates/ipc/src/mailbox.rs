//! A process's wake-up word in shared memory: peers look at it to learn whether they must ring.
//!
//! The owner says that it is going to sleep, then looks at its rings once more; a peer publishes its
//! frame, then looks at the word. Each side writes one word and reads the other's, so both need a full
//! fence in between: then at least one of them sees what the other wrote, and no wake-up is lost.
//!
//! Every write of the word is an acquiring and releasing read-modify-write, so that the writes form one
//! chain: with several peers, none can read an older AWAKE past the owner's latest SLEEPING.
//!
//! Not a lock and not a counter: one owner sleeps at a time, and a ring too many only costs a wake-up.

use crate::sync::{AtomicU32, Ordering, fence};

/// Bytes that a mailbox takes: a cache line, so that the words of two processes do not disturb each other.
pub const MAILBOX_SIZE: usize = 64;

/// The address of a mailbox must be a multiple of this.
pub const MAILBOX_ALIGNMENT: usize = 64;

const AWAKE: u32 = 0;
const SLEEPING: u32 = 1;

#[cfg(not(loom))]
type Word = std::ptr::NonNull<AtomicU32>;
#[cfg(loom)]
type Word = loom::sync::Arc<AtomicU32>;

/// A view of a process's wake-up word, for its owner and for its peers.
pub struct Mailbox {
    word: Word,
}

// SAFETY: the word is an atomic, and the mapping it lies in is tied to no thread.
#[cfg(not(loom))]
unsafe impl Send for Mailbox {}
// SAFETY: all methods go through the atomic word.
#[cfg(not(loom))]
unsafe impl Sync for Mailbox {}

impl Mailbox {
    /// A view of the mailbox at `address`. Zeroed memory is a mailbox whose owner is awake.
    ///
    /// # Panics
    /// If the address is null or not aligned to [`MAILBOX_ALIGNMENT`].
    ///
    /// # Safety
    /// [`MAILBOX_SIZE`] bytes at `address` are mapped, readable and writable, until the value is dropped,
    /// and used as a mailbox only.
    #[cfg(not(loom))]
    pub unsafe fn at(address: *mut u8) -> Self {
        assert!(
            address.addr().is_multiple_of(MAILBOX_ALIGNMENT),
            "a misaligned mailbox"
        );
        let word =
            std::ptr::NonNull::new(address.cast()).expect("the address of a mailbox is not null");
        Self { word }
    }

    #[cfg(loom)]
    pub(crate) fn model() -> Self {
        Self {
            word: loom::sync::Arc::new(AtomicU32::new(AWAKE)),
        }
    }

    #[cfg(loom)]
    pub(crate) fn peer(&self) -> Self {
        Self {
            word: self.word.clone(),
        }
    }

    /// Says that the owner is about to sleep. Afterwards the owner **must** look once more at everything
    /// that peers ring for (its rings' `has_ready`, space in rings that were full), and only sleep on its
    /// doorbell if there is nothing; else it calls [`cancel_sleep`](Self::cancel_sleep).
    pub fn prepare_to_sleep(&self) {
        self.word().swap(SLEEPING, Ordering::AcqRel);
        // SYNC POINT: mailbox-sleep, the owner's side. Write the word, fence, read the rings.
        fence(Ordering::SeqCst);
    }

    /// Says that the owner is awake again, after sleeping or instead of it. False if a peer has taken the
    /// word: its ring has come or is about to come, and may wake the next sleep for nothing.
    pub fn cancel_sleep(&self) -> bool {
        self.word().swap(AWAKE, Ordering::AcqRel) == SLEEPING
    }

    /// Whether the peer that asks must ring the owner's doorbell. Ask **after** publishing. True for one
    /// peer only, who then must ring.
    #[inline]
    pub fn should_ring(&self) -> bool {
        // SYNC POINT: mailbox-sleep, the peer's side. Write the ring, fence, read the word.
        fence(Ordering::SeqCst);
        self.word().load(Ordering::Relaxed) == SLEEPING
            && self.word().swap(AWAKE, Ordering::AcqRel) == SLEEPING
    }

    /// Whether the owner said that it sleeps: for statistics, not for deciding whether to ring.
    pub fn is_sleeping(&self) -> bool {
        self.word().load(Ordering::Relaxed) == SLEEPING
    }

    #[cfg(not(loom))]
    #[inline]
    fn word(&self) -> &AtomicU32 {
        // SAFETY: mapped and aligned for as long as `self` lives, by the promise given to `at`.
        unsafe { self.word.as_ref() }
    }

    #[cfg(loom)]
    fn word(&self) -> &AtomicU32 {
        &self.word
    }
}
