//! Frames on the rings between a submitter and an executor.
//!
//! To the executor: `FUNCTION` exports a function once per connection, ahead of the first task that
//! needs it; `TASK` and `CALL` carry a [`TaskHeader`] and the arguments; `SPILLED` names the extent
//! that holds a frame too large for the ring; `TERMINATE` ends an actor after the calls before it; `FORGET` says
//! that a function is not needed any more.
//! Back: `REPLY` carries a [`ReplyHeader`] and the results; `BLOCKED` says that the running task
//! waits, so that the submitter takes its unstarted tasks back (they are revoked already).
//!
//! All integers are little endian; items inside a frame are padded to eight bytes so that the SDK can
//! read them through typed arrays.
//!
//! Arguments, each padded to eight bytes:
//! `[kind: u32 | length: u32 | bytes]`, kind [`ARGUMENT_INLINE`] (an envelope) or
//! [`ARGUMENT_STORED`] (`ObjectId`, then a [`crate::Payload`] in wire form).
//! Before they leave the submitter there is a third kind, [`ARGUMENT_REF`]: a handle as `f64`.

use crate::{FunctionId, ObjectId};

/// Exports a function: 16 bytes of id, then [`ExportedFunction`](crate::Payload) in wire form.
pub const FUNCTION: u32 = 1;
/// Runs a task.
pub const TASK: u32 = 2;
/// Calls an actor's method; `function` holds the index of the method in its first four bytes.
pub const CALL: u32 = 3;
/// A frame whose content is in an extent: `[kind: u32 | slot: u32 | offset: u64 | length: u64]`.
pub const SPILLED: u32 = 4;
/// Ends an actor in order.
pub const TERMINATE: u32 = 5;
/// The submitter has no further use for a function: 16 bytes of id, and whether to say so when it is forgotten (a
/// byte), because what it holds and the place of its frame are needed until then.
pub const FORGET: u32 = 6;
/// Results of a task.
pub const REPLY: u32 = 16;
/// The running task waits; what had not started is revoked.
pub const BLOCKED: u32 = 17;
/// The running task waits no more.
pub const UNBLOCKED: u32 = 18;
/// A function was forgotten, its frame is not read any more, and what is kept of it the raylet has acknowledged:
/// 16 bytes of its id.
pub const FORGOTTEN: u32 = 19;

/// An argument's envelope follows.
pub const ARGUMENT_INLINE: u32 = 0;
/// An object id and a payload follow.
pub const ARGUMENT_STORED: u32 = 1;
/// A handle of the submitter follows; never leaves it.
pub const ARGUMENT_REF: u32 = 2;

/// A result's envelope follows.
pub const RESULT_INLINE: u32 = 0;
/// A payload in wire form follows.
pub const RESULT_STORED: u32 = 1;
/// The place of a payload in wire form follows, which is too long for a ring (it names many refs, or many
/// buffers): `[offset: u64 | length: u64]`. The extent belongs to the object.
pub const RESULT_SPILLED: u32 = 2;

/// Rounds up to the alignment of items inside a frame.
pub const fn padded(length: usize) -> usize {
    (length + 7) & !7
}

/// The start of a `TASK` or `CALL` frame.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct TaskHeader {
    /// The function's id, or the method's index in the first four bytes.
    pub function: FunctionId,
    /// Sequence number of the first result in the submitter's count.
    pub sequence: u64,
    /// The submitter's slot for the task, echoed in the reply.
    pub slot: u32,
    /// How many attempts came before.
    pub attempt: u32,
    /// How many results are expected.
    pub result_count: u32,
    /// How many arguments follow.
    pub argument_count: u32,
}

impl TaskHeader {
    /// Bytes on the wire.
    pub const LENGTH: usize = 40;

    /// Writes the header at the start of `bytes`.
    pub fn write(&self, bytes: &mut [u8]) {
        bytes[0..16].copy_from_slice(&self.function);
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.slot.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.attempt.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.result_count.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.argument_count.to_le_bytes());
    }

    /// Reads the header and returns what follows it; `None` if the frame is too short.
    pub fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = bytes.split_at_checked(Self::LENGTH)?;
        let mut function = [0; 16];
        function.copy_from_slice(&head[0..16]);
        let header = Self {
            function,
            sequence: read_u64(head, 16)?,
            slot: read_u32(head, 24)?,
            attempt: read_u32(head, 28)?,
            result_count: read_u32(head, 32)?,
            argument_count: read_u32(head, 36)?,
        };
        Some((header, rest))
    }

    /// The task's id, given the submitter's process number.
    pub fn task(&self, submitter: u32) -> ObjectId {
        ObjectId::local(submitter, self.sequence)
    }
}

/// The start of a `REPLY` frame. Results follow, each
/// `[status: u32 | form: u32 | index: u32 | length: u32 | bytes]`, padded to eight bytes.
/// Results may be spread over several replies; the last one has `last`. They count when it is there.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ReplyHeader {
    /// Sequence number of the task.
    pub sequence: u64,
    /// The submitter's slot for the task.
    pub slot: u32,
    /// How many results this frame carries.
    pub result_count: u16,
    /// True if no further results follow.
    pub last: bool,
    /// True if the worker has made its last call (`maxCalls`) and must not get another.
    pub retire: bool,
    /// True if results may have been sealed for the submitter that are not among the results: the task failed while it
    /// stored them.
    pub sealed_in_vain: bool,
}

impl ReplyHeader {
    /// Bytes on the wire.
    pub const LENGTH: usize = 16;

    /// Writes the header at the start of `bytes`.
    pub fn write(&self, bytes: &mut [u8]) {
        bytes[0..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.slot.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.result_count.to_le_bytes());
        bytes[14] = u8::from(self.last);
        bytes[15] = u8::from(self.retire) | u8::from(self.sealed_in_vain) << 1;
    }

    /// Reads the header and returns what follows it; `None` if the frame is too short.
    pub fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = bytes.split_at_checked(Self::LENGTH)?;
        let header = Self {
            sequence: read_u64(head, 0)?,
            slot: read_u32(head, 8)?,
            result_count: u16::from_le_bytes(head[12..14].try_into().ok()?),
            last: head[14] != 0,
            retire: head[15] & 1 != 0,
            sealed_in_vain: head[15] & 2 != 0,
        };
        Some((header, rest))
    }
}

/// Reads a `u32` at a byte offset.
pub fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Reads a `u64` at a byte offset.
pub fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Reads an `f64` at a byte offset.
pub fn read_f64(bytes: &[u8], at: usize) -> Option<f64> {
    Some(f64::from_bits(read_u64(bytes, at)?))
}

/// One argument or result of a frame.
#[derive(Copy, Clone, Debug)]
pub struct Item<'a> {
    /// `ARGUMENT_…`
    pub kind: u32,
    /// Its bytes, without padding.
    pub bytes: &'a [u8],
}

/// Reads the argument at the start of `bytes` and returns what follows it.
pub fn read_argument(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let kind = read_u32(bytes, 0)?;
    let length = read_u32(bytes, 4)? as usize;
    let content = bytes.get(8..8usize.checked_add(length)?)?;
    let rest = bytes.get(8 + padded(length)..)?;
    Some((
        Item {
            kind,
            bytes: content,
        },
        rest,
    ))
}

/// Appends an argument with its padding.
pub fn write_argument(target: &mut Vec<u8>, kind: u32, bytes: &[u8]) {
    target.extend_from_slice(&kind.to_le_bytes());
    target.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    target.extend_from_slice(bytes);
    target.resize(target.len().next_multiple_of(8), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_back_what_was_written() {
        let header = TaskHeader {
            function: [7; 16],
            sequence: 1 << 40,
            slot: 3,
            attempt: 1,
            result_count: 2,
            argument_count: 5,
        };
        let mut bytes = vec![0; TaskHeader::LENGTH];
        header.write(&mut bytes);
        bytes.push(9);
        assert_eq!(TaskHeader::read(&bytes), Some((header, &[9u8][..])));
        assert_eq!(TaskHeader::read(&bytes[..10]), None);
    }

    #[test]
    fn arguments_are_padded_and_checked() {
        let mut bytes = Vec::new();
        write_argument(&mut bytes, ARGUMENT_INLINE, b"abc");
        write_argument(&mut bytes, ARGUMENT_REF, &1f64.to_le_bytes());
        assert_eq!(bytes.len(), 32);
        let (first, rest) = read_argument(&bytes).expect("first");
        assert_eq!((first.kind, first.bytes), (ARGUMENT_INLINE, &b"abc"[..]));
        let (second, rest) = read_argument(rest).expect("second");
        assert_eq!(
            (second.kind, second.bytes.len(), rest.len()),
            (ARGUMENT_REF, 8, 0)
        );
        assert!(read_argument(&[0, 0, 0, 0, 255, 255, 255, 255]).is_none());
    }
}
