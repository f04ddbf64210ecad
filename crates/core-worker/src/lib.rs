//! The library inside every driver and worker: it submits tasks, owns their results, executes tasks
//! that others submit, and keeps the references. It knows nothing of Node.
//!
//! One way in: [`CoreWorker`]. Behind it, one lock around `core::Core`, which is made of state machines that decide and
//! do no I/O ([`submitter`], [`objects`], `executor`) and of what connects them to the outside (`raylet_link`, `peers`,
//! `room`, `attention`). Files depend on those below them in this list and on none above:
//!
//! | file | what it is about |
//! | --- | --- |
//! | `worker/` | the way in: the lock, and waiting without it |
//! | `core` | the order of work: what comes in, what was decided, what is told |
//! | `pacemaker` | progress while JavaScript is busy |
//! | `executor/` | what runs here, and its replies |
//! | `memory` | the segment, as the submitter asks it |
//! | `operations`, `submissions` | what JavaScript writes |
//! | `submitter/` | tasks and calls from submission to result: pure |
//! | `rings` | what the submitter asks of shared memory |
//! | `objects/` | values, counts and who waits for them: pure |
//! | `room` | slab, regions, requests for room |
//! | `raylet_link` | the control socket |
//! | `peers`, `connection` | rings to the other processes |
//! | `attention` | sleeping and waking |
//! | `work`, `events`, `records`, `reply_items`, `handle` | what follows from decisions, and forms |
#![deny(unsafe_op_in_unsafe_fn)]

mod attention;
mod connection;
mod core;
pub mod events;
pub mod executor;
pub mod handle;
mod memory;
pub mod objects;
pub mod operations;
mod pacemaker;
mod peers;
mod raylet_link;
pub mod records;
pub mod reply_items;
pub mod rings;
mod room;
mod submissions;
pub mod submitter;
#[cfg(test)]
mod tests;
pub mod work;
mod worker;

pub use executor::{Cancellation, NextTask};
pub use handle::Handle;
pub use objects::WaitStart;
pub use records::RecordWriter;
pub use room::Freed;
pub use submitter::Template;
pub use worker::{Blocked, CoreWorker, CreationRefused, META_INLINE_MAX, NewActor, Statistics};
