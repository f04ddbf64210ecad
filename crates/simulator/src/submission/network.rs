//! Rings and a store that a history can fill, tear and lose.

use std::collections::{BTreeMap, VecDeque};

use eagleray_core_worker::handle::PeerSlot;
use eagleray_core_worker::rings::{Rings, Stored};
use eagleray_ipc::{FrameId, Revocation};
use eagleray_object_store::Extent;
use eagleray_protocol::SystemError;

/// Frames that a ring holds.
const RING_FRAMES: usize = 12;

/// Where a frame stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Taken,
    Revoked,
    GivenBack,
}

struct Frame {
    position: u64,
    kind: u32,
    bytes: Vec<u8>,
    state: State,
}

/// One ring to an executor.
#[derive(Default)]
pub(super) struct Ring {
    frames: VecDeque<Frame>,
    next: u64,
    /// Frames that found no room, so that the submitter has to be told when there is some.
    pub(super) is_awaited: bool,
    /// What the submitter notes for the raylet.
    pub(super) in_flight: u32,
    is_gone: bool,
    /// Room beyond the limit, for what can't be refused.
    extra: usize,
}

impl Ring {
    /// One more frame finds room.
    pub(super) fn widen(&mut self) {
        self.extra += 1;
    }

    /// Takes the next frame.
    pub(super) fn take(&mut self) -> Option<(u32, Vec<u8>)> {
        let next = self
            .frames
            .iter_mut()
            .find(|frame| frame.state == State::Ready)?;
        next.state = State::Taken;
        let taken = (next.kind, next.bytes.clone());
        self.sweep();
        Some(taken)
    }

    /// Whether there is something to take.
    pub(super) fn has_ready(&self) -> bool {
        self.frames.iter().any(|frame| frame.state == State::Ready)
    }

    /// Gives back what was not started.
    pub(super) fn give_back(&mut self) -> Vec<(u32, Vec<u8>)> {
        let mut back = Vec::new();
        for frame in &mut self.frames {
            if frame.state == State::Ready {
                frame.state = State::GivenBack;
                back.push((frame.kind, frame.bytes.clone()));
            }
        }
        back
    }

    /// The submitter was told of what was given back.
    pub(super) fn release_given_back(&mut self) {
        self.frames.retain(|frame| frame.state != State::GivenBack);
    }

    fn sweep(&mut self) {
        let is_used = |frame: &Frame| matches!(frame.state, State::Ready | State::GivenBack);
        while self.frames.front().is_some_and(|frame| !is_used(frame)) {
            self.frames.pop_front();
        }
    }

    /// Nobody takes anything any more; the submitter may still revoke.
    pub(super) fn cut(&mut self) {
        self.is_gone = true;
    }
}

/// All rings, and the store.
pub(super) struct Network {
    pub(super) rings: BTreeMap<PeerSlot, Ring>,
    stored: BTreeMap<u64, Vec<u8>>,
    next_offset: u64,
    /// Room that can be had without asking.
    pub(super) at_hand: u64,
    /// Whether writing fails.
    pub(super) is_write_broken: bool,
}

impl Network {
    pub(super) fn new() -> Network {
        Network {
            rings: BTreeMap::new(),
            stored: BTreeMap::new(),
            next_offset: 4096,
            at_hand: 0,
            is_write_broken: false,
        }
    }

    /// Fresh room.
    pub(super) fn allocate(&mut self, length: u64) -> Extent {
        let extent = Extent::new(self.next_offset, length);
        self.next_offset += (length + 8191) / 4096 * 4096;
        self.stored.insert(extent.offset, Vec::new());
        extent
    }

    /// Gives room back. False if there is none at this place.
    pub(super) fn abandon(&mut self, extent: Extent) -> bool {
        self.stored.remove(&extent.offset).is_some()
    }

    /// What is in the store.
    pub(super) fn content(&self, offset: u64) -> Option<&[u8]> {
        self.stored.get(&offset).map(Vec::as_slice)
    }

    /// Extents that were not given back.
    pub(super) fn extents(&self) -> usize {
        self.stored.len()
    }
}

impl Rings for Network {
    fn send(&mut self, peer: PeerSlot, kind: u32, frame: &[u8]) -> Option<FrameId> {
        let ring = self.rings.get_mut(&peer)?;
        ring.sweep();
        if ring.is_gone || ring.frames.len() >= RING_FRAMES + ring.extra {
            ring.is_awaited = true;
            return None;
        }
        ring.next += 1;
        ring.frames.push_back(Frame {
            position: ring.next,
            kind,
            bytes: frame.to_vec(),
            state: State::Ready,
        });
        Some(FrameId::at(ring.next))
    }

    fn revoke(&mut self, peer: PeerSlot, frame: FrameId) -> Revocation {
        let Some(ring) = self.rings.get_mut(&peer) else {
            return Revocation::AlreadyTaken;
        };
        let found = ring
            .frames
            .iter_mut()
            .find(|found| found.position == frame.position());
        match found {
            Some(found) if found.state == State::Ready => {
                found.state = State::Revoked;
                Revocation::Revoked
            }
            Some(found) if found.state == State::GivenBack => Revocation::GivenBack,
            Some(_) | None => Revocation::AlreadyTaken,
        }
    }

    fn note_in_flight(&mut self, peer: PeerSlot, count: u32) {
        if let Some(ring) = self.rings.get_mut(&peer) {
            ring.in_flight = count;
        }
    }

    fn store(&mut self, bytes: &[u8]) -> Stored {
        if self.is_write_broken {
            return Stored::Failed(SystemError::new("EaglerayError", "broken"));
        }
        let length = bytes.len() as u64;
        if length > self.at_hand {
            return Stored::NoRoom;
        }
        self.at_hand -= length;
        let extent = self.allocate(length);
        self.stored.insert(extent.offset, bytes.to_vec());
        Stored::At(extent)
    }

    fn write(&mut self, extent: Extent, bytes: &[u8]) -> Result<(), SystemError> {
        if self.is_write_broken {
            return Err(SystemError::new("EaglerayError", "broken"));
        }
        self.stored.insert(extent.offset, bytes.to_vec());
        Ok(())
    }

    fn read(&mut self, extent: Extent) -> Option<Vec<u8>> {
        self.stored.get(&extent.offset).cloned()
    }
}
