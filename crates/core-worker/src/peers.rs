//! The connections of this process: rings, the bells that are owed, and which of them nobody uses.
//!
//! It does not know what frames mean.
//!
//! - **PE-1:** a connection over which nothing is submitted is kept for the next time. Above [`KEPT_MAX`] connections
//!   the longest unused ones are closed: rings are memory outside of the store.
//! - **PE-2:** what a ring holds is not looked at any more once it was found to be broken.

use eagleray_ipc::{FrameId, Revocation, RingError};
use eagleray_protocol::ProcessNumber;
use rustc_hash::FxHashMap;

use crate::connection::Connection;
use crate::handle::PeerSlot;

/// Connections to executors above which those that nobody uses are closed.
pub(crate) const KEPT_MAX: usize = 64;

/// Replies are copied out of the rings in batches of about this size.
const BATCH: usize = 64 << 10;

/// Scratch memory above this is given back after use.
const SCRATCH_MAX: usize = 1 << 20;

/// Frames that were copied out of a ring.
#[derive(Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Kind, start and length of each.
    frames: Vec<(u32, usize, usize)>,
}

impl Batch {
    /// Kind and content of each frame.
    pub(crate) fn frames(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let content = |&(kind, start, length): &(u32, usize, usize)| {
            (kind, &self.bytes[start..start + length])
        };
        self.frames.iter().map(content)
    }

    /// Makes it empty for the next time.
    pub(crate) fn reset(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(SCRATCH_MAX);
        self.frames.clear();
    }
}

struct Peer {
    connection: Connection,
    /// When something was sent last, in sends of this process.
    last_sent: u64,
    is_broken: bool,
}

impl Peer {
    #[inline]
    fn has_replies(&self) -> bool {
        !self.connection.executes && !self.is_broken && self.connection.reader.has_ready()
    }
}

/// All connections, by their slots.
#[derive(Default)]
pub(crate) struct Peers {
    slots: Vec<Option<Peer>>,
    free: Vec<PeerSlot>,
    /// By the node's number and whether this process executes: one that calls itself has both ends of one number.
    by_number: FxHashMap<(u32, bool), PeerSlot>,
    /// Those over which this process submits.
    submitting: usize,
    sends: u64,
    /// Whether some frame waits for room in its ring.
    has_waiting: bool,
    /// Rings that were found to be broken since the last look at this list.
    broken: Vec<(PeerSlot, String)>,
}

impl Peers {
    /// Takes a connection in.
    pub(crate) fn add(&mut self, connection: Connection) -> PeerSlot {
        let key = (connection.number, connection.executes);
        self.submitting += usize::from(!connection.executes);
        let peer = Peer {
            connection,
            last_sent: self.sends,
            is_broken: false,
        };
        let slot = match self.free.pop() {
            Some(free) => {
                self.slots[free as usize] = Some(peer);
                free
            }
            None => {
                self.slots.push(Some(peer));
                (self.slots.len() - 1) as PeerSlot
            }
        };
        self.by_number.insert(key, slot);
        slot
    }

    /// Takes a connection out, and returns the node's number for it.
    pub(crate) fn remove(&mut self, slot: PeerSlot) -> Option<u32> {
        let peer = self.slots.get_mut(slot as usize)?.take()?;
        let Connection {
            number, executes, ..
        } = peer.connection;
        self.free.push(slot);
        self.by_number.remove(&(number, executes));
        self.submitting -= usize::from(!executes);
        Some(number)
    }

    /// The slot of a connection over which this process submits (or executes), by the node's number for it.
    pub(crate) fn slot_of(&self, number: u32, executes: bool) -> Option<PeerSlot> {
        self.by_number.get(&(number, executes)).copied()
    }

    /// Connections on which this process executes.
    pub(crate) fn executing(&self) -> usize {
        self.by_number.len() - self.submitting
    }

    /// A connection on which this process executes and has nothing left to say.
    pub(crate) fn served(&self) -> Option<PeerSlot> {
        let is_served = |peer: &Peer| peer.connection.executes && !peer.connection.has_waiting();
        let position = self
            .slots
            .iter()
            .position(|peer| peer.as_ref().is_some_and(is_served))?;
        Some(position as PeerSlot)
    }

    /// One past the last slot.
    pub(crate) fn slots_end(&self) -> PeerSlot {
        self.slots.len() as PeerSlot
    }

    #[inline]
    pub(crate) fn get(&self, slot: PeerSlot) -> Option<&Connection> {
        Some(&self.slots.get(slot as usize)?.as_ref()?.connection)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: PeerSlot) -> Option<&mut Connection> {
        Some(&mut self.slots.get_mut(slot as usize)?.as_mut()?.connection)
    }

    /// The process at the other end.
    pub(crate) fn process(&self, slot: PeerSlot) -> Option<ProcessNumber> {
        Some(self.get(slot)?.peer)
    }

    /// A connection to close because there are too many (PE-1): the one that was used longest ago of those that
    /// `may_close` allows.
    pub(crate) fn surplus(&self, may_close: impl Fn(PeerSlot) -> bool) -> Option<PeerSlot> {
        if self.submitting <= KEPT_MAX {
            return None;
        }
        let slots = self.slots.iter().enumerate();
        slots
            .filter_map(|(slot, peer)| Some((slot as PeerSlot, peer.as_ref()?)))
            .filter(|&(slot, peer)| !peer.connection.executes && may_close(slot))
            .min_by_key(|(_, peer)| peer.last_sent)
            .map(|(slot, _)| slot)
    }

    // ---- writing

    /// Sends a frame if there is room, and rings the peer at the end of this call.
    #[inline]
    pub(crate) fn send(&mut self, slot: PeerSlot, kind: u32, frame: &[u8]) -> Option<FrameId> {
        self.sends += 1;
        let peer = self.slots.get_mut(slot as usize)?.as_mut()?;
        peer.last_sent = self.sends;
        let connection = &mut peer.connection;
        if connection.has_waiting() {
            return None;
        }
        let Some(sent) = connection.try_send(kind, &[frame]) else {
            self.check_writer(slot);
            return None;
        };
        connection.needs_ring = true;
        Some(sent)
    }

    /// A ring stays full for ever if somebody has scribbled over its head.
    fn check_writer(&mut self, slot: PeerSlot) {
        if let Some(connection) = self.get_mut(slot)
            && let Err(error) = connection.writer.check()
        {
            self.broke(slot, error);
        }
    }

    fn broke(&mut self, slot: PeerSlot, error: RingError) {
        self.break_off(slot, error.to_string());
    }

    /// What came over a connection is nothing that a peer would send (PE-2).
    pub(crate) fn break_off(&mut self, slot: PeerSlot, reason: String) {
        if let Some(Some(peer)) = self.slots.get_mut(slot as usize)
            && !std::mem::replace(&mut peer.is_broken, true)
        {
            self.broken.push((slot, reason));
        }
    }

    /// A connection that was found to be broken, and why; each is told once.
    pub(crate) fn next_broken(&mut self) -> Option<(PeerSlot, String)> {
        self.broken.pop()
    }

    /// Sends a frame, or keeps it until the ring has room.
    pub(crate) fn post(&mut self, slot: PeerSlot, kind: u32, parts: &[&[u8]]) {
        let Some(connection) = self.get_mut(slot) else {
            return;
        };
        connection.send(kind, parts);
        if connection.has_waiting() {
            self.has_waiting = true;
            self.check_writer(slot);
        } else {
            connection.reader.release_revoked();
        }
    }

    /// Takes a frame back, unless the peer was faster.
    pub(crate) fn revoke(&mut self, slot: PeerSlot, frame: FrameId) -> Revocation {
        match self.get_mut(slot) {
            Some(connection) => connection.writer.revoke(frame),
            None => Revocation::AlreadyTaken,
        }
    }

    /// Rings the peer of which this process has no further task to take; otherwise more replies may come, and one
    /// wake-up is enough for several. True if it has still to be rung.
    pub(crate) fn ring_when_idle(&mut self, slot: PeerSlot) -> bool {
        let Some(connection) = self.get_mut(slot) else {
            return false;
        };
        if connection.has_waiting() || !connection.reader.has_ready() {
            connection.ring();
            return false;
        }
        connection.ring_lazily()
    }

    /// Rings the peer at the end of this call.
    pub(crate) fn ring_later(&mut self, slot: PeerSlot) {
        if let Some(connection) = self.get_mut(slot) {
            connection.needs_ring = true;
        }
    }

    /// Sends what waited for room and rings who has to be told.
    pub(crate) fn settle(&mut self) {
        let mut has_waiting = false;
        for peer in self.slots.iter_mut().flatten() {
            let connection = &mut peer.connection;
            if connection.has_waiting() {
                if connection.send_waiting() {
                    connection.needs_ring = true;
                }
                if connection.has_waiting() {
                    has_waiting = true;
                } else {
                    connection.reader.release_revoked();
                }
            }
            if connection.needs_ring {
                connection.needs_ring = false;
                connection.ring();
            }
        }
        self.has_waiting = has_waiting;
    }

    /// Tells peers now of what they have not been told; with `lazily`, only those that have waited long enough. True
    /// if some have still to be told.
    pub(crate) fn ring_unrung(&mut self, lazily: bool) -> bool {
        let mut is_left = false;
        for peer in self.slots.iter_mut().flatten() {
            let connection = &mut peer.connection;
            if !connection.is_unrung() {
                continue;
            }
            if lazily {
                is_left |= connection.ring_lazily();
            } else {
                connection.ring();
            }
        }
        is_left
    }

    /// True if frames wait for room in some ring.
    pub(crate) fn has_waiting(&self) -> bool {
        self.has_waiting
    }

    /// True once if there is room for a frame that found none.
    pub(crate) fn take_room(&mut self, slot: PeerSlot) -> bool {
        self.get_mut(slot).is_some_and(Connection::take_room)
    }

    // ---- reading

    /// True if a ring holds something for this process, or has room for what waits to be sent. Tasks
    /// count only if this process would take one now: a busy worker sleeps beside a full ring.
    pub(crate) fn has_incoming(&mut self, takes_tasks: bool) -> bool {
        self.slots.iter_mut().flatten().any(|peer| {
            let connection = &mut peer.connection;
            (!peer.is_broken
                && connection.reader.has_ready()
                && (takes_tasks || !connection.executes))
                || connection.may_send_waiting()
                || connection.has_room_again()
        })
    }

    /// True if a ring has a frame; of those on which this process executes, only if it takes tasks.
    pub(crate) fn has_ready(&self, takes_tasks: bool) -> bool {
        self.slots.iter().flatten().any(|peer| {
            (takes_tasks || !peer.connection.executes)
                && !peer.is_broken
                && peer.connection.reader.has_ready()
        })
    }

    /// True if a ring has a task, or what belongs to one.
    pub(crate) fn has_task(&self) -> bool {
        self.slots.iter().flatten().any(|peer| {
            peer.connection.executes && !peer.is_broken && peer.connection.reader.has_ready()
        })
    }

    /// Whether [`take_replies`](Self::take_replies) would find any. Asked for every task, of every peer.
    #[inline]
    pub(crate) fn has_replies(&self, slot: PeerSlot) -> bool {
        let peer = self.slots.get(slot as usize);
        peer.and_then(Option::as_ref).is_some_and(Peer::has_replies)
    }

    /// Copies some of the replies of a connection on which this process submits. False if there are none.
    pub(crate) fn take_replies(&mut self, slot: PeerSlot, batch: &mut Batch) -> bool {
        let Some(Some(peer)) = self.slots.get_mut(slot as usize) else {
            return false;
        };
        if !peer.has_replies() {
            return false;
        }
        let connection = &mut peer.connection;
        let Batch { bytes, frames } = batch;
        bytes.clear();
        frames.clear();
        let mut broken = None;
        while bytes.len() < BATCH {
            match connection.reader.take_next() {
                Ok(Some(frame)) => {
                    frames.push((frame.kind, bytes.len(), frame.payload.len()));
                    bytes.extend_from_slice(frame.payload);
                    connection.reader.release();
                }
                Ok(None) => break,
                // What came before it counts.
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        connection.reader.flush();
        if connection.reader.take_space_request() {
            connection.ring();
        }
        let has_some = !frames.is_empty();
        if let Some(error) = broken {
            self.broke(slot, error);
        }
        has_some
    }

    /// Copies the next frame of a connection on which this process executes, and returns its kind.
    pub(crate) fn take_task(&mut self, slot: PeerSlot, frame: &mut Vec<u8>) -> Option<u32> {
        let Some(Some(peer)) = self.slots.get_mut(slot as usize) else {
            return None;
        };
        if !peer.connection.executes || peer.is_broken {
            return None;
        }
        let connection = &mut peer.connection;
        let kind = match connection.reader.take_next() {
            Ok(Some(taken)) => {
                frame.clear();
                frame.extend_from_slice(taken.payload);
                let kind = taken.kind;
                connection.reader.release();
                Some(kind)
            }
            Ok(None) => None,
            Err(error) => {
                self.broke(slot, error);
                return None;
            }
        };
        // Also where nothing was taken: revoked frames were skipped, perhaps, and somebody waits for their room.
        if connection.reader.take_space_request() {
            connection.ring();
        }
        kind
    }

    /// Takes back what this process has not started of a connection on which it executes.
    pub(crate) fn revoke_unstarted(&mut self, slot: PeerSlot, revoked: impl FnMut(u32, &[u8])) {
        let Some(Some(peer)) = self.slots.get_mut(slot as usize) else {
            return;
        };
        if peer.is_broken {
            return;
        }
        let result = peer.connection.reader.revoke_unstarted(revoked);
        if let Err(error) = result {
            self.broke(slot, error);
        }
    }
}
