//! Leases, worker pool and placement of one node, as a pure state machine: events go in, instructions come out.
//!
//! Owns: who may run tasks on which worker, which worker processes there are, and where actors live. Is not: a
//! clock, a thread or a socket; a router of tasks (those go from the submitter to its leased worker); a
//! keeper of actors' names, calls and restarts.
//!
//! The same events at the same times give the same instructions. Every lease, worker and actor changes its state in
//! one function per kind, to which an [`Observer`] can listen.
//!
//! Invariants, each checked by [`Scheduler::validate`]:
//! - LS-1 No resource is used beyond its total, except CPUs (and slots) by tasks that have waited in `get` and have
//!   taken theirs back; that does not last (OL-1).
//! - LS-2 What is used is the sum of what leases, actors and ending workers hold: everything is released once.
//! - LS-3 A worker serves at most one lease or one actor, and never a lease of its own.
//! - LS-4, LS-5 in `leases.rs`; AC-1, AC-2 in `actors.rs`; WP-1 to WP-4 in `pool.rs`; WQ-1 to WQ-3 in
//!   `queue.rs`; FS-1 to FS-4 in `fairness.rs`; ME-1 to ME-3 in `memory.rs`; OL-1 in `fairness.rs`;
//!   AN-1, AN-2 in `answers.rs`.
//!
//! Who comes first, in short: requests stand in one line. A wish that was granted a lease goes behind all others.
//! A request that does not fit is passed by those that do, for `reserve_after_ms`; then what it needs is
//! kept for it. Holders are asked to return leases for those that have fewer.

#![deny(unsafe_code)]

mod account;
mod actors;
mod answers;
mod classes;
mod fairness;
mod leases;
mod memory;
mod overload;
mod pool;
mod protocol;
mod queue;
mod reservations;
mod scheduler;
mod settle;
mod transition;
mod validate;

pub use protocol::*;
pub use scheduler::Scheduler;
pub use transition::{ActorState, LeaseState, Observer, Transition, WorkerState};
