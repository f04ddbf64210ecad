//! Values on their way: the codec's envelope plus the extents that hold its large buffers.

use eagleray_ipc::wire::{Decoder, Encoder, WireError};
use eagleray_object_store::Extent;

use crate::ObjectId;
use crate::wire::{Wire, decode, encode, malformed};

/// What kind of id a value carries inside.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum NestedKind {
    /// An object ref.
    Ref,
    /// An actor handle.
    Actor,
}

/// An id that a value carries inside; whoever holds the value holds what it names.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Nested {
    /// Ref or actor handle.
    pub kind: NestedKind,
    /// What it names.
    pub id: ObjectId,
}

/// An encoded value. Without extents it is *inline* and the raylet never hears of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// The codec's envelope; empty when it sits in the first extent.
    pub meta: Box<[u8]>,
    /// True if the envelope is too large to travel and is the content of the first extent.
    pub meta_in_extent: bool,
    /// Where the out-of-band buffers are, in the codec's order.
    pub extents: Box<[Extent]>,
    /// The refs and handles inside.
    pub nested: Box<[Nested]>,
}

impl Payload {
    /// A value that travels whole.
    pub fn inline(meta: &[u8]) -> Self {
        Self {
            meta: meta.into(),
            ..Self::default()
        }
    }

    /// True if the value occupies room in the object store.
    pub fn is_stored(&self) -> bool {
        !self.extents.is_empty()
    }

    /// The extents of the out-of-band buffers, without the one of the envelope.
    pub fn buffers(&self) -> &[Extent] {
        &self.extents[usize::from(self.meta_in_extent)..]
    }
}

/// How a task ended, as one byte on the wire.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The payload is the result.
    Value = 0,
    /// The payload is what the user's function threw.
    UserError = 1,
    /// The payload's meta is an encoded [`SystemError`].
    SystemError = 2,
    /// As `UserError`, and the function's `retryExceptions` matches it.
    RetryableUserError = 3,
    /// As `SystemError`, and somebody has asked for it: a task that was cancelled, a call of an actor that was killed.
    Withdrawn = 4,
}

impl Status {
    /// Reads the wire form.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Value),
            1 => Some(Self::UserError),
            2 => Some(Self::SystemError),
            3 => Some(Self::RetryableUserError),
            4 => Some(Self::Withdrawn),
            _ => None,
        }
    }

    /// True of errors that a user would miss: of all but those that somebody has asked for.
    pub fn is_missed(self) -> bool {
        !matches!(self, Self::Value | Self::Withdrawn)
    }

    /// True of errors of the runtime.
    pub fn is_system_error(self) -> bool {
        matches!(self, Self::SystemError | Self::Withdrawn)
    }
}

/// How an object came out: a value or an error, either of them encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Value or kind of error.
    pub status: Status,
    /// The encoded value or error.
    pub payload: Payload,
}

impl Outcome {
    /// A value.
    pub fn value(payload: Payload) -> Self {
        Self {
            status: Status::Value,
            payload,
        }
    }

    /// An error of the runtime. It has the extents of its cause, and carries what that carries.
    pub fn system_error(error: &SystemError) -> Self {
        let cause = error.cause.as_deref();
        let cause = cause.and_then(|bytes| decode::<Self>(bytes).ok());
        let Payload {
            extents, nested, ..
        } = cause.map(|outcome| outcome.payload).unwrap_or_default();
        Self {
            status: if error.on_purpose {
                Status::Withdrawn
            } else {
                Status::SystemError
            },
            payload: Payload {
                extents,
                nested,
                ..Payload::inline(&encode(error))
            },
        }
    }

    /// True unless it is a value.
    pub fn is_error(&self) -> bool {
        self.status != Status::Value
    }

    /// True if it is an error that a user would miss.
    pub fn is_missed(&self) -> bool {
        self.status.is_missed()
    }
}

/// An error that the runtime itself reports; the SDK turns it into the error class `kind`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemError {
    /// Name of the SDK's error class, such as `WorkerCrashedError`.
    pub kind: String,
    /// The sentence for the user.
    pub message: String,
    /// Further fields of the error, as JSON.
    pub details: String,
    /// What caused it: an encoded [`Outcome`], if there is one. Its extents belong to what it carries.
    pub cause: Option<Box<[u8]>>,
    /// Somebody has asked for what it tells of, so that nobody misses it.
    pub on_purpose: bool,
}

impl SystemError {
    /// An error with no further fields.
    pub fn new(kind: &str, message: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            message: message.into(),
            details: "{}".into(),
            cause: None,
            on_purpose: false,
        }
    }

    /// Says that somebody has asked for it.
    pub fn on_purpose(mut self) -> Self {
        self.on_purpose = true;
        self
    }

    /// Adds fields, as a JSON object.
    pub fn with_details(mut self, details: String) -> Self {
        self.details = details;
        self
    }
}

impl Wire for Nested {
    fn put(&self, encoder: &mut Encoder) {
        encoder.u8(u8::from(self.kind == NestedKind::Actor));
        self.id.put(encoder);
    }
    fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
        let kind = if decoder.u8()? != 0 {
            NestedKind::Actor
        } else {
            NestedKind::Ref
        };
        Ok(Self {
            kind,
            id: ObjectId::take(decoder)?,
        })
    }
}

impl Wire for Payload {
    fn put(&self, encoder: &mut Encoder) {
        self.meta.put(encoder);
        self.meta_in_extent.put(encoder);
        self.extents.to_vec().put(encoder);
        self.nested.to_vec().put(encoder);
    }
    fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
        let payload = Self {
            meta: Wire::take(decoder)?,
            meta_in_extent: bool::take(decoder)?,
            extents: Vec::take(decoder)?.into(),
            nested: Vec::take(decoder)?.into(),
        };
        if payload.meta_in_extent && payload.extents.is_empty() {
            return Err(malformed(
                "payload without the extent of its envelope",
                decoder,
            ));
        }
        Ok(payload)
    }
}

impl Wire for Outcome {
    fn put(&self, encoder: &mut Encoder) {
        encoder.u8(self.status as u8);
        self.payload.put(encoder);
    }
    fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
        let byte = decoder.u8()?;
        let status = Status::from_byte(byte).ok_or_else(|| malformed("outcome status", decoder))?;
        Ok(Self {
            status,
            payload: Payload::take(decoder)?,
        })
    }
}

impl Wire for SystemError {
    fn put(&self, encoder: &mut Encoder) {
        self.kind.put(encoder);
        self.message.put(encoder);
        self.details.put(encoder);
        self.cause.put(encoder);
        self.on_purpose.put(encoder);
    }
    fn take(decoder: &mut Decoder<'_>) -> Result<Self, WireError> {
        Ok(Self {
            kind: Wire::take(decoder)?,
            message: Wire::take(decoder)?,
            details: Wire::take(decoder)?,
            cause: Wire::take(decoder)?,
            on_purpose: Wire::take(decoder)?,
        })
    }
}
