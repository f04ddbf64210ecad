//! What processes of one node say to each other.
//!
//! Owns the ids, the shape of values on their way ([`Payload`], [`Outcome`]), the control messages
//! between a core worker and its raylet ([`ToRaylet`], [`FromRaylet`]), and the frames that a
//! submitter and an executor exchange over their rings ([`frames`]). It moves no bytes itself:
//! `eagleray-ipc` does.
#![deny(unsafe_op_in_unsafe_fn)]

mod details;
pub mod frames;
mod ids;
mod messages;
mod payload;
#[cfg(test)]
mod round_trips;
mod wire;

pub use details::{Details, signal_name};
pub use ids::{ActorId, DRIVER, FunctionId, ObjectId, ProcessNumber};
pub use messages::{
    ActorOptions, ActorSpec, ActorState, ConnectionSpec, FromRaylet, NamedActor, NodeSummary,
    ToRaylet, Welcome, WorkerExit,
};
pub use payload::{Nested, NestedKind, Outcome, Payload, Status, SystemError};
pub use wire::{Wire, decode, encode};
