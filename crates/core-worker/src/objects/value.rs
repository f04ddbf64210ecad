//! What a process knows of the value of an object.

use eagleray_protocol::{Outcome, Payload, Status};
use smallvec::SmallVec;

use crate::handle::{ActorNumber, Handle};

/// The bytes of a small value. Numbers, flags and short texts need no memory of their own.
pub type Meta = SmallVec<[u8; 16]>;

/// What an entry knows of its value.
#[derive(Debug)]
pub enum Value {
    /// Not there yet.
    Pending,
    /// A small value or error that carries nothing inside.
    Inline {
        /// Value or kind of error.
        status: Status,
        /// Its envelope.
        meta: Meta,
    },
    /// Any other.
    Full(Box<FullValue>),
}

/// A value with extents or ids inside.
#[derive(Debug)]
pub struct FullValue {
    /// The value or error.
    pub outcome: Outcome,
    /// Entries of this process that the value pins (values that were made here, and errors that were passed on here).
    pub pins: Vec<Handle>,
    /// Actors of this process's handle table that the value pins.
    pub actor_pins: Vec<ActorNumber>,
}

impl Value {
    /// The value in its cheapest form.
    pub fn from_outcome(outcome: Outcome) -> Self {
        let payload = &outcome.payload;
        if payload.extents.is_empty() && payload.nested.is_empty() {
            Self::Inline {
                status: outcome.status,
                meta: Meta::from_vec(outcome.payload.meta.into_vec()),
            }
        } else {
            Self::Full(Box::new(FullValue {
                outcome,
                pins: Vec::new(),
                actor_pins: Vec::new(),
            }))
        }
    }

    /// Whether it is not there yet.
    #[inline]
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::Pending)
    }

    /// Its status, if it is there.
    #[inline]
    pub fn status(&self) -> Option<Status> {
        match self {
            Self::Pending => None,
            Self::Inline { status, .. } => Some(*status),
            Self::Full(full) => Some(full.outcome.status),
        }
    }

    /// Whether it is there and is an error.
    #[inline]
    pub fn is_error(&self) -> bool {
        !matches!(self.status(), None | Some(Status::Value))
    }

    /// Whether it is an error that a user would miss.
    pub fn is_missed(&self) -> bool {
        self.status().is_some_and(Status::is_missed)
    }

    /// A copy of the outcome, if it is there.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Pending => None,
            Self::Inline { status, meta } => Some(Outcome {
                status: *status,
                payload: Payload::inline(meta),
            }),
            Self::Full(full) => Some(full.outcome.clone()),
        }
    }
}
