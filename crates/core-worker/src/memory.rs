//! The segment as the decisions of this process ask it: rings and room.

use std::sync::atomic::Ordering;

use eagleray_ipc::{FrameId, Revocation};
use eagleray_object_store::Extent;
use eagleray_protocol::SystemError;

use crate::connection::LEASE_BUSY_OFFSET;
use crate::handle::PeerSlot;
use crate::peers::Peers;
use crate::rings::{Rings, Stored};
use crate::room::{Room, store_error};

/// Rings over the peers' connections, and room in this process's slab.
pub(crate) struct Memory<'a> {
    pub(crate) peers: &'a mut Peers,
    pub(crate) room: &'a mut Room,
}

impl Rings for Memory<'_> {
    #[inline]
    fn send(&mut self, peer: PeerSlot, kind: u32, frame: &[u8]) -> Option<FrameId> {
        self.peers.send(peer, kind, frame)
    }

    fn revoke(&mut self, peer: PeerSlot, frame: FrameId) -> Revocation {
        self.peers.revoke(peer, frame)
    }

    fn note_in_flight(&mut self, peer: PeerSlot, count: u32) {
        let Some(connection) = self.peers.get(peer) else {
            return;
        };
        let offset = connection.peer_mailbox + LEASE_BUSY_OFFSET;
        if let Ok(word) = self.room.segment().atomic_u32_at(offset) {
            word.store(count, Ordering::Relaxed);
        }
    }

    fn store(&mut self, bytes: &[u8]) -> Stored {
        let Some(extent) = self.room.at_hand(bytes.len() as u64) else {
            return Stored::NoRoom;
        };
        match self.write(extent, bytes) {
            Ok(()) => Stored::At(extent),
            Err(error) => {
                self.room.give_back(extent);
                Stored::Failed(error)
            }
        }
    }

    fn write(&mut self, extent: Extent, bytes: &[u8]) -> Result<(), SystemError> {
        self.room
            .segment()
            .write(extent.offset, bytes)
            .map_err(|error| store_error(&error.to_string()))
    }

    fn read(&mut self, extent: Extent) -> Option<Vec<u8>> {
        self.room.segment().read_to_vec(extent).ok()
    }
}
