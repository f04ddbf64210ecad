//! What the core worker tells the SDK: records in a buffer that JavaScript reads.
//!
//! Every record is `[length: u32 | type: u32 | …]`, all items aligned to eight bytes:
//! - `1` a `get` has ended: `[wait: u32 | count: u32]` and `count` values; count 1 and an error
//!   status mean that it failed.
//! - `2` a `wait` has ended: `[wait: u32 | count: u32]` and the positions of what is ready, `u32` each.
//! - `3` an error that nobody has looked at: a value, whose handle has a count that JavaScript releases when it has
//!   reported the error.
//! - `4` a line of a worker: `[pid: u32 | is_error: u32 | name length: u32 | text length: u32]`, name, text.
//! - `5` a running task was cancelled: `[token: u32]`.
//! - `6` this process shall end. `7` it shall collect garbage. `8` the raylet is gone.
//! - `9` nobody runs a function here any more: `[number: u32]`.
//!
//! A value is `[status: u32 | form: u32 | meta length: u32 | buffer count: u32 | handle: f64]`, the
//! buffers' lengths (`f64` each), then the envelope. Form 1 means that the envelope has to be fetched
//! by the handle, because it is in the store.

use eagleray_protocol::Payload;

use crate::handle::Handle;

/// A `get` has ended.
pub const EVENT_GET: u32 = 1;
/// A `wait` has ended.
pub const EVENT_WAIT: u32 = 2;
/// An error has to be reported that nobody has looked at.
pub const EVENT_UNHANDLED: u32 = 3;
/// A worker printed a line.
pub const EVENT_OUTPUT: u32 = 4;
/// A running task was cancelled.
pub const EVENT_CANCELLED: u32 = 5;
/// This process shall end.
pub const EVENT_EXIT: u32 = 6;
/// This process shall collect garbage.
pub const EVENT_COLLECT: u32 = 7;
/// The raylet is gone.
pub const EVENT_RAYLET_GONE: u32 = 8;

/// Nobody runs a function of this number here any more.
pub const EVENT_FUNCTION_FORGOTTEN: u32 = 9;
/// The runtime ends, and this process has said that it has something to do for that.
pub const EVENT_RUNTIME_ENDS: u32 = 10;

/// Appends records.
#[derive(Default)]
pub struct RecordWriter {
    /// What was written.
    pub bytes: Vec<u8>,
    start: usize,
}

impl RecordWriter {
    /// Begins a record.
    pub(crate) fn begin(&mut self, kind: u32) {
        self.start = self.bytes.len();
        self.u32(0);
        self.u32(kind);
    }

    /// Ends the record that was begun: pads it and writes its length.
    pub(crate) fn end(&mut self) {
        self.pad();
        let length = (self.bytes.len() - self.start) as u32;
        self.bytes[self.start..self.start + 4].copy_from_slice(&length.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn f64(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn raw(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
    }

    pub(crate) fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    /// Writes an inline value.
    pub(crate) fn inline_value(&mut self, status: u32, handle: Handle, meta: &[u8]) {
        self.u32(status);
        self.u32(0);
        self.u32(meta.len() as u32);
        self.u32(0);
        self.f64(handle as f64);
        self.raw(meta);
        self.pad();
    }

    /// Writes any value.
    pub(crate) fn value(&mut self, status: u32, handle: Handle, payload: &Payload) {
        let buffers = payload.buffers();
        self.u32(status);
        self.u32(u32::from(payload.meta_in_extent));
        self.u32(payload.meta.len() as u32);
        self.u32(buffers.len() as u32);
        self.f64(handle as f64);
        for buffer in buffers {
            self.f64(buffer.length as f64);
        }
        self.raw(&payload.meta);
        self.pad();
    }
}
