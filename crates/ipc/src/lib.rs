//! What the processes of a node use to talk to one another: byte rings and wake-up words in shared
//! memory, doorbells, control sockets, and the bytes of the frames.
//!
//! The crate owns protocols, not memory: rings and mailboxes are views over addresses that somebody
//! else (the object store's segment) has mapped and keeps mapped. It knows no message: kinds and
//! payloads belong to the crates above.
//!
//! The way of one message: the sender writes a frame with [`RingWriter`], asks the receiver's
//! [`Mailbox`] whether it sleeps, and rings its [`Doorbell`] only then. The receiver drains its
//! [`RingReader`]s, spins a little ([`AdaptiveSpin`]), says in its mailbox that it is going to sleep,
//! looks once more at its rings, and waits on its doorbell ([`wait`]). Rare messages, and those that
//! carry file descriptors, go over a [`ControlSocket`]; [`Encoder`] and [`Decoder`] lay out both sorts.
//!
//! Invariants:
//! 1. Whatever a peer writes, at any time, the receiver gets an error and never undefined behaviour,
//!    an endless loop or an allocation beyond a named limit. (A peer is another process of the same
//!    user and session; it may be dead, old or broken.)
//! 2. A frame that was published is taken by the reader once, or revoked once, never both.
//! 3. A process that says in its mailbox that it sleeps and finds its rings empty afterwards is woken
//!    by the next frame.
//!
//! The model checks of 2 and 3 run with `RUSTFLAGS="--cfg loom" cargo test -p eagleray-ipc --release`.

#![deny(unsafe_op_in_unsafe_fn)]
#![cfg_attr(loom, allow(dead_code))]

pub mod control;
pub mod doorbell;
pub mod mailbox;
mod memory;
#[cfg(all(test, loom))]
mod model_checks;
mod platform;
pub mod process;
pub mod ring;
pub mod spin;
mod sync;
pub mod wire;

pub use control::{ControlSocket, Received};
pub use doorbell::{Doorbell, wait, wait_or_write};
pub use mailbox::Mailbox;
pub use ring::{Frame, FrameId, Revocation, RingError, RingReader, RingWriter};
pub use spin::AdaptiveSpin;
pub use wire::{Decoder, Encoder, WireError};
