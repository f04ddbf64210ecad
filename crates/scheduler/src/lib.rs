//! Leases, worker pool and placement of one node. Events go in, instructions come out.

#![deny(unsafe_code)]

mod protocol;
mod scheduler;
mod transition;

pub use protocol::*;
pub use scheduler::Scheduler;
pub use transition::{ActorState, LeaseState, Observer, Transition, WorkerState};
