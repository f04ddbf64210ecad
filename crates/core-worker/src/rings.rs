//! What the decisions of this process ask of shared memory, and learn at once.
//!
//! A frame is in a ring or it is not, it was taken back or somebody was faster: no answer is waited for, and nothing
//! is called that could block. `memory.rs` answers from the segment; the simulator has rings of its own.

use eagleray_ipc::{FrameId, Revocation};
use eagleray_object_store::Extent;
use eagleray_protocol::SystemError;

use crate::handle::PeerSlot;

/// What came of writing into the store.
#[derive(Debug)]
pub enum Stored {
    /// It is there.
    At(Extent),
    /// There is no room that this process could take without asking the raylet.
    NoRoom,
    /// The store can't be written to.
    Failed(SystemError),
}

/// See the module.
pub trait Rings {
    /// Sends a frame if its ring has room. If not, the peer says when it has made some.
    fn send(&mut self, peer: PeerSlot, kind: u32, frame: &[u8]) -> Option<FrameId>;

    /// Takes a frame back, unless its executor was faster.
    fn revoke(&mut self, peer: PeerSlot, frame: FrameId) -> Revocation;

    /// Notes for the raylet how many tasks are in flight on the lease of a worker.
    fn note_in_flight(&mut self, peer: PeerSlot, count: u32);

    /// Writes bytes into the store, if there is room at hand.
    fn store(&mut self, bytes: &[u8]) -> Stored;

    /// Writes bytes into room that this process has.
    fn write(&mut self, extent: Extent, bytes: &[u8]) -> Result<(), SystemError>;

    /// Reads what a peer has left in the store; `None` if it is not there.
    fn read(&mut self, extent: Extent) -> Option<Vec<u8>>;
}
