//! Ids. They have room for more than one node: an object names its owner's node and process.

use std::fmt;

/// The number of a process within its node: 1 is the driver, workers count up from 2. Never reused.
pub type ProcessNumber = u32;

/// The driver's process number.
pub const DRIVER: ProcessNumber = 1;

/// Content hash of an exported function or class (the first 16 bytes of SHA-256 of its envelope).
pub type FunctionId = [u8; 16];

/// The identity of an object: the process that owns it, and that process's running number for it.
/// A task is named by its first result, an actor by the object that resolves when it is ready.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// Process that created the ref and answers for its value.
    pub owner: ProcessNumber,
    /// Node of the owner; 0 until there is more than one.
    pub node: u32,
    /// Running number, counted by the owner.
    pub sequence: u64,
}

/// An actor is named by the object that resolves when its constructor has run.
pub type ActorId = ObjectId;

impl ObjectId {
    /// Length of the binary form.
    pub const LENGTH: usize = 16;

    /// An object of a process on this node.
    pub fn local(owner: ProcessNumber, sequence: u64) -> Self {
        Self {
            owner,
            node: 0,
            sequence,
        }
    }

    /// The binary form: owner, node, sequence, each little endian.
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[0..4].copy_from_slice(&self.owner.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.node.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes
    }

    /// Reads the binary form; any 16 bytes are an id.
    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
        Self {
            owner: u32::from_le_bytes([a, b, c, d]),
            node: u32::from_le_bytes([e, f, g, h]),
            sequence: u64::from_le_bytes(rest),
        }
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As the SDK shows ids: the bytes of the binary form.
        self.to_bytes()
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}
