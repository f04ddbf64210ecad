//! One connection: the two rings to a peer, and the peer's doorbell.
//!
//! A process that submits tasks writes them on the outgoing ring and reads replies from the incoming
//! one; at the executor it is the other way round. Waking the peer is lazy: a bell is rung only when
//! the peer sleeps, and an executor with more work to do may let replies gather for a while
//! ([`REPLY_GATHER`]), because one wake-up for many replies costs the submitter far less.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use eagleray_ipc::{Doorbell, FrameId, Mailbox, RingReader, RingWriter};
use eagleray_object_store::Segment;
use eagleray_protocol::{ConnectionSpec, ProcessNumber};

/// How long replies may gather before their reader is woken, while the executor has further tasks.
pub(crate) const REPLY_GATHER: Duration = Duration::from_micros(150);

/// Where, after its mailbox, a worker's page has the number of tasks in flight on its lease. Its
/// lessee writes it and the raylet reads it, to know idle leases; a statistic, no synchronisation.
pub(crate) const LEASE_BUSY_OFFSET: u64 = 64;

/// The rings to one peer.
pub(crate) struct Connection {
    /// The node's number for it.
    pub(crate) number: u32,
    pub(crate) peer: ProcessNumber,
    pub(crate) peer_mailbox: u64,
    /// True if this process executes what comes in; otherwise it submits.
    pub(crate) executes: bool,
    pub(crate) writer: RingWriter,
    pub(crate) reader: RingReader,
    mailbox: Mailbox,
    doorbell: Doorbell,
    /// Frames that wait for room in the outgoing ring.
    waiting: VecDeque<(u32, Vec<u8>)>,
    /// The length of a frame that found no room and was not kept: its owner tries again when there is some.
    stalled: Option<usize>,
    /// The peer is to be told at the end of this call.
    pub(crate) needs_ring: bool,
    /// Since when the peer has not been told of what was written.
    unrung_since: Option<Instant>,
}

impl Connection {
    /// Opens both rings of a connection.
    pub(crate) fn open(
        spec: &ConnectionSpec,
        segment: &Segment,
        doorbell: Doorbell,
    ) -> Result<Self, String> {
        let pointer = |offset, length| {
            segment
                .pointer(offset, length)
                .map_err(|error| error.to_string())
        };
        let outgoing = pointer(spec.outgoing.offset, spec.outgoing.length)?;
        let incoming = pointer(spec.incoming.offset, spec.incoming.length)?;
        let mailbox = pointer(
            spec.peer_mailbox,
            eagleray_ipc::mailbox::MAILBOX_SIZE as u64,
        )?;
        // SAFETY: the segment stays mapped for the life of the process's core worker, which outlives
        // its connections; the raylet gives each side of a ring to exactly one process, and `pointer`
        // has checked the bounds.
        let writer = unsafe { RingWriter::open(outgoing, spec.outgoing.length as usize) };
        // SAFETY: as above.
        let reader = unsafe { RingReader::open(incoming, spec.incoming.length as usize) };
        // SAFETY: as above; mailboxes are at the start of a page.
        let mailbox = unsafe { Mailbox::at(mailbox) };
        Ok(Self {
            number: spec.connection,
            peer: spec.peer,
            peer_mailbox: spec.peer_mailbox,
            executes: spec.executor,
            writer: writer.map_err(|error| error.to_string())?,
            reader: reader.map_err(|error| error.to_string())?,
            mailbox,
            doorbell,
            waiting: VecDeque::new(),
            stalled: None,
            needs_ring: false,
            unrung_since: None,
        })
    }

    /// Sends a frame if the ring has room. If not, the peer rings once it has made some, and
    /// [`take_room`](Self::take_room) says so.
    pub(crate) fn try_send(&mut self, kind: u32, parts: &[&[u8]]) -> Option<FrameId> {
        loop {
            if let Some(frame) = self.writer.push(kind, parts) {
                self.stalled = None;
                return Some(frame);
            }
            let length = parts.iter().map(|part| part.len()).sum();
            if !self.writer.request_space(length) {
                self.stalled = Some(length);
                return None;
            }
        }
    }

    /// True if there is room for a frame that found none.
    pub(crate) fn has_room_again(&mut self) -> bool {
        self.stalled
            .is_some_and(|length| self.writer.has_space_for(length))
    }

    /// As [`has_room_again`](Self::has_room_again), once.
    pub(crate) fn take_room(&mut self) -> bool {
        let has_room = self.has_room_again();
        if has_room {
            self.stalled = None;
        }
        has_room
    }

    /// Sends a frame, or keeps it until the ring has room.
    pub(crate) fn send(&mut self, kind: u32, parts: &[&[u8]]) {
        if !self.waiting.is_empty() || self.writer.push(kind, parts).is_none() {
            self.waiting.push_back((kind, parts.concat()));
            self.send_waiting();
        }
    }

    /// Sends what waited for room, as far as there is room. Returns true if something was sent.
    pub(crate) fn send_waiting(&mut self) -> bool {
        let mut sent = false;
        while let Some((kind, frame)) = self.waiting.front() {
            if self.writer.push(*kind, &[frame]).is_none() {
                let length = frame.len();
                // The peer rings once it has made room, unless there is some by now.
                if !self.writer.request_space(length) {
                    break;
                }
                continue;
            }
            self.waiting.pop_front();
            sent = true;
        }
        sent
    }

    /// True if there is room for a frame that waits for it.
    pub(crate) fn may_send_waiting(&mut self) -> bool {
        self.waiting
            .front()
            .is_some_and(|(_, frame)| self.writer.has_space_for(frame.len()))
    }

    /// True if frames wait for room.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Tells the peer, if it sleeps, that something was written or read.
    pub(crate) fn ring(&mut self) {
        self.unrung_since = None;
        // A doorbell that can't be rung belongs to a process that is gone, as the raylet will say.
        let _ = self.mailbox.wake(|| self.doorbell.ring());
    }

    /// Tells the peer now if it has waited long enough. True if it still has to be told later.
    pub(crate) fn ring_lazily(&mut self) -> bool {
        if !self.mailbox.is_sleeping() {
            // It may be falling asleep just now: only the fence inside `ring` makes sure.
            self.ring();
            return false;
        }
        let now = Instant::now();
        let since = *self.unrung_since.get_or_insert(now);
        if now.duration_since(since) >= REPLY_GATHER {
            self.ring();
            return false;
        }
        true
    }

    /// True if the peer has not been told of what was written.
    pub(crate) fn is_unrung(&self) -> bool {
        self.unrung_since.is_some()
    }
}
