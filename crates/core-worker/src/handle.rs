//! How this process names its objects and tasks, to itself and to JavaScript.

/// What JavaScript calls an object by: the sequence number of an owned one, or a number from
/// [`BORROWED_BASE`] up. Always exact as a double.
pub type Handle = u64;

/// Where the handles of borrowed objects begin.
pub const BORROWED_BASE: Handle = 1 << 52;

/// The number of an actor in this process's table of handles; never used twice.
pub type ActorNumber = u32;

/// The place of a connection in this process's table; used again when the connection is gone.
pub type PeerSlot = u32;

/// A task slot that means none.
pub const NO_SLOT: u32 = u32::MAX;

/// A task as it stands now. Slots are used again and sequence numbers are not, so a key that was kept somewhere
/// tells whether its slot is somebody else's by now.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskKey {
    /// Its place in the table of tasks.
    pub slot: u32,
    /// The sequence number of its first result.
    pub sequence: u64,
}
