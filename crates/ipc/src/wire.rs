//! The bytes of frames: explicit little-endian fields, one after the other.
//!
//! No field names, no versions, no padding: both ends are of one build. The decoder checks every read,
//! because a peer may be broken (invariant 1 of the crate).

use std::fmt;

/// Writes fields to the end of a buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// An encoder with an empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// An encoder that appends to `bytes`, whose capacity it uses again.
    pub fn appending_to(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }

    /// Appends a boolean as one byte, 0 or 1.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.u8(value.into())
    }

    /// Appends 2 bytes.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Appends 4 bytes.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Appends 8 bytes.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Appends 8 bytes.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Appends 8 bytes.
    pub fn f64(&mut self, value: f64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Appends a length of 4 bytes, then the bytes.
    ///
    /// # Panics
    /// If there are 4 GiB or more: frames are limited far below.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        let length = u32::try_from(value.len()).expect("a field of a frame is below 4 GiB");
        self.u32(length).raw(value)
    }

    /// Appends the text's UTF-8 as [`bytes`](Self::bytes).
    pub fn str(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    /// Appends bytes without a length, for fields of a fixed size and for a frame's last field.
    pub fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(value);
        self
    }

    /// What was encoded so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Empties the buffer and keeps its capacity.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The buffer.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Why bytes are not the frame that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireError {
    /// What was expected.
    pub what: &'static str,
    /// The offset in the frame, in bytes, at which it was expected.
    pub at: usize,
}

impl fmt::Display for WireError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "malformed frame: expected {} at byte {}",
            self.what, self.at
        )
    }
}

impl std::error::Error for WireError {}

/// Reads fields from the start of a frame, in the order in which they were encoded.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    /// A decoder at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes have been read, for error messages.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Reads one byte.
    pub fn u8(&mut self) -> Result<u8, WireError> {
        self.array("a u8").map(u8::from_le_bytes)
    }

    /// Reads one byte that is 0 or 1.
    pub fn bool(&mut self) -> Result<bool, WireError> {
        let at = self.at;
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError {
                what: "a boolean",
                at,
            }),
        }
    }

    /// Reads 2 bytes.
    pub fn u16(&mut self) -> Result<u16, WireError> {
        self.array("a u16").map(u16::from_le_bytes)
    }

    /// Reads 4 bytes.
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.array("a u32").map(u32::from_le_bytes)
    }

    /// Reads 8 bytes.
    pub fn u64(&mut self) -> Result<u64, WireError> {
        self.array("a u64").map(u64::from_le_bytes)
    }

    /// Reads 8 bytes.
    pub fn i64(&mut self) -> Result<i64, WireError> {
        self.array("an i64").map(i64::from_le_bytes)
    }

    /// Reads 8 bytes.
    pub fn f64(&mut self) -> Result<f64, WireError> {
        self.array("an f64").map(f64::from_le_bytes)
    }

    /// Reads a length of 4 bytes, then as many bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.u32()? as usize;
        self.raw(length)
    }

    /// Reads a text, which must be UTF-8.
    pub fn str(&mut self) -> Result<&'a str, WireError> {
        let at = self.at;
        std::str::from_utf8(self.bytes()?).map_err(|_| WireError {
            what: "UTF-8 text",
            at,
        })
    }

    /// Reads `length` bytes that were encoded without their length.
    pub fn raw(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let rest = self.remaining();
        let field = rest.get(..length).ok_or(WireError {
            what: "more bytes",
            at: self.at,
        })?;
        self.at += length;
        Ok(field)
    }

    /// Reads a count of 4 bytes whose elements take at least `element_size` bytes each, and fails if so
    /// many can't follow: what it returns is safe to reserve memory for.
    pub fn count(&mut self, element_size: usize) -> Result<usize, WireError> {
        let at = self.at;
        let count = self.u32()? as usize;
        let fits = count
            .checked_mul(element_size.max(1))
            .is_some_and(|size| size <= self.remaining().len());
        if fits {
            Ok(count)
        } else {
            Err(WireError {
                what: "a count that fits the frame",
                at,
            })
        }
    }

    /// What was not read yet.
    pub fn remaining(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Fails if something was not read.
    pub fn finish(self) -> Result<(), WireError> {
        if self.remaining().is_empty() {
            Ok(())
        } else {
            Err(WireError {
                what: "the end of the frame",
                at: self.at,
            })
        }
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], WireError> {
        let at = self.at;
        let (field, _) = self
            .remaining()
            .split_first_chunk::<N>()
            .ok_or(WireError { what, at })?;
        self.at += N;
        Ok(*field)
    }
}
