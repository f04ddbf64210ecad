//! The consuming side of a ring.

use super::{
    Frame, GIVEN_BACK, PADDING, READY, REVOKED, RingError, TAKEN, change_state, check_initialized,
    is_sane_tail,
};
#[cfg(doc)]
use super::{Revocation, RingWriter};
#[cfg(not(loom))]
use super::{initialize, view};
use crate::memory::{GRANULE, RingMemory};
use crate::sync::{Ordering, fence};

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
    /// Start and end of frames that were given back and whose space was not ([`RingReader::release_revoked`]).
    given_back: Option<(u64, u64)>,
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
            given_back: None,
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
            if change_state(&self.memory, self.position, TAKEN).is_ok() {
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
        self.given_back = None;
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

    /// Gives back every frame that was not started: each is marked, shown to `give_back`, and
    /// skipped. For a worker that is going to block and must tell the submitter what it will not run.
    ///
    /// Their space goes back with [`release_revoked`](Self::release_revoked), and not before: as long as it has not,
    /// the producer finds out by itself what was given back ([`Revocation::GivenBack`]), also if this side dies
    /// before it could say so.
    pub fn revoke_unstarted(
        &mut self,
        mut give_back: impl FnMut(u32, &[u8]),
    ) -> Result<(), RingError> {
        // A frame that was taken and not released holds up what lies behind it.
        let mut from = match self.given_back {
            Some((from, to)) if to == self.position => Some(from),
            _ if self.released == self.position => Some(self.position),
            _ => None,
        };
        while let Some(found) = self.find_ready()? {
            // Frames that the producer has taken back were skipped, and released if nothing held them up.
            if self.released == self.position {
                from = Some(self.position);
            }
            if change_state(&self.memory, self.position, GIVEN_BACK).is_ok() {
                self.position += found.size;
                let frame = self.frame(found);
                give_back(frame.kind, frame.payload);
            }
        }
        if let Some(from) = from {
            self.given_back = Some((from, self.position));
        }
        Ok(())
    }

    /// Hands the space of frames that were given back to the producer, once it was told of them. Nobody releases a
    /// frame that nobody took: without this call the ring would stay full behind a frame that waits.
    pub fn release_revoked(&mut self) {
        if let Some((from, to)) = self.given_back.take()
            && from == self.released
        {
            self.released = to;
            self.flush();
        }
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
                REVOKED | GIVEN_BACK => self.skip(size),
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
        //
        // By the letter of the memory model such a change would be a data race with whoever reads the slice: it is the one
        // exception to the rule that no slices into shared memory exist (SE-3 of the object store). It stays because the
        // whole use of a payload is one copy (see `Frame`), of which nothing can come but other bytes, and because copying
        // by volatile words is no faster way to say so: it takes 2.3 times as long for 1 KiB and 3.8 times for 16 KiB
        // (10 ns against 24, 94 against 353), and as long for 64 bytes.
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
