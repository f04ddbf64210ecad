//! The library inside every driver and worker: it submits tasks, owns their results, executes tasks
//! that others submit, and keeps the references. It knows nothing of Node.
//!
//! One way in: [`CoreWorker`]. Behind it, one lock around [`core::Core`], whose parts are files by
//! what they are about: `tasks` (a task from submission to result), `leases` (which worker runs it),
//! `actors` (calls), `objects` (what is owned and borrowed), `waits` (`get` and `wait`), `executor`
//! (what runs here), `store` (room for large values), `connection` (rings to one peer), `events`
//! (what JavaScript is told), `pacemaker` (progress while JavaScript is busy).
#![deny(unsafe_op_in_unsafe_fn)]

mod actors;
mod connection;
mod core;
pub mod events;
pub mod executor;
mod leases;
mod objects;
mod pacemaker;
mod paged_table;
mod store;
pub mod tasks;
#[cfg(test)]
mod tests;
mod waits;
mod worker;

pub use actors::{CreationRefused, NewActor};
pub use connection::LEASE_BUSY_OFFSET;
pub use events::RecordWriter;
pub use executor::Cancellation;
pub use objects::Handle;
pub use store::{Freed, META_INLINE_MAX};
pub use tasks::Template;
pub use waits::WaitStart;
pub use worker::{Blocked, CoreWorker, Statistics};

/// A task slot that means none.
pub(crate) const NO_SLOT: u32 = u32::MAX;
