//! A process's wake-up word in shared memory: peers look at it to learn whether they must ring.
//!
//! The word counts the owner's sleeps and says whether it is in one: twice the number of the sleep, plus one while it
//! lasts and nobody has rung for it. Only the owner begins a sleep; a peer only takes the one away.
//!
//! The owner says that it is going to sleep, then looks at its rings once more; a peer publishes its
//! frame, then looks at the word. Each side writes one word and reads the other's, so both need a full
//! fence in between: then at least one of them sees what the other wrote, and no wake-up is lost.
//!
//! A peer rings first and says afterwards, in the word, that it has: whoever finds the owner awake may rely on a bell that
//! was rung. The other way round, a peer that is stopped in between (by a debugger, a freezer, SIGSTOP) would keep all
//! others from ringing. Since it says so of the sleep that it saw, by its number, it can't say it of a later one, however
//! long it was stopped.
//!
//! Every write of the word is an acquiring and releasing read-modify-write, so that the writes form one
//! chain: with several peers, none can read an older word past the owner's latest one.
//!
//! Not a lock and not a counter: one owner sleeps at a time, and a ring too many only costs a wake-up.

use std::io;

use crate::sync::{AtomicU64, Ordering, fence};

/// Bytes that a mailbox takes: a cache line, so that the words of two processes do not disturb each other.
pub const MAILBOX_SIZE: usize = 64;

/// The address of a mailbox must be a multiple of this.
pub const MAILBOX_ALIGNMENT: usize = 64;

/// The bit of the word that says that the owner sleeps. The number of its sleep is above it, which will not come round:
/// a process that slept a million times a second would do so in 300,000 years.
const SLEEPING: u64 = 1;

#[cfg(not(loom))]
type Word = std::ptr::NonNull<AtomicU64>;
#[cfg(loom)]
type Word = loom::sync::Arc<AtomicU64>;

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
            word: loom::sync::Arc::new(AtomicU64::new(0)),
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
        // Peers leave the number of the sleep alone, so it is still the one that was read.
        let last = self.word().load(Ordering::Relaxed);
        let next = (last | SLEEPING).wrapping_add(2);
        self.word().swap(next, Ordering::AcqRel);
        // SYNC POINT: mailbox-sleep, the owner's side. Write the word, fence, read the rings.
        fence(Ordering::SeqCst);
    }

    /// Says that the owner is awake again, after sleeping or instead of it. False if a peer has rung for this sleep:
    /// its ring may wake the next one for nothing.
    pub fn cancel_sleep(&self) -> bool {
        let awake = self.word().load(Ordering::Relaxed) & !SLEEPING;
        self.word().swap(awake, Ordering::AcqRel) & SLEEPING != 0
    }

    /// Rings if the owner sleeps and nobody has rung for it. Call it **after** publishing. `ring` rings the owner's
    /// doorbell; several peers may do so at once. If it fails, its error is returned and the next one tries again.
    #[inline]
    pub fn wake(&self, ring: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        // SYNC POINT: mailbox-sleep, the peer's side. Write the ring, fence, read the word.
        fence(Ordering::SeqCst);
        let sleep = self.word().load(Ordering::Relaxed);
        if sleep & SLEEPING == 0 {
            return Ok(());
        }
        ring()?;
        // If the word is another one by now, somebody else has rung for this sleep, or it is over.
        let _ = self.word().compare_exchange(
            sleep,
            sleep & !SLEEPING,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        Ok(())
    }

    /// Whether the owner said that it sleeps, and nobody has rung since: for statistics and for putting a
    /// [`wake`](Self::wake) off, not for leaving it out.
    pub fn is_sleeping(&self) -> bool {
        self.word().load(Ordering::Relaxed) & SLEEPING != 0
    }

    #[cfg(not(loom))]
    #[inline]
    fn word(&self) -> &AtomicU64 {
        // SAFETY: mapped and aligned for as long as `self` lives, by the promise given to `at`.
        unsafe { self.word.as_ref() }
    }

    #[cfg(loom)]
    fn word(&self) -> &AtomicU64 {
        &self.word
    }
}
