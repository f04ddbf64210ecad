//! Seeded histories of the real scheduler in a simulated world. Development only.
//!
//! Owns: a virtual clock, clients, worker processes, tasks, actors, and the messages between them, with all the faults
//! that the real ones have: processes that die at any moment, start slowly or never, messages that are late, repeated
//! or overtaken by the news of their sender's death. Is not: a copy of the scheduler's rules; it plays the part
//! of everybody else.
//!
//! A history has two halves. In the first there are new tasks and faults. In the second there are neither, and what
//! is left has to come to its end.
//!
//! Invariants, checked in each history:
//! - SM-1 After every event the scheduler's own invariants hold.
//! - SM-2 Seen from outside, too, a worker serves one lease or actor, a GPU is never given twice, nobody gets
//!   what was not asked for ([`audit`]).
//! - SM-3 In the end every task has run or its client was told why not, every actor was placed, and all
//!   resources are back: nobody starves, nothing locks.
//! - SM-4 In one history of ten, everybody is served beside a driver that has short tasks without end.
//! - SM-5 A worker that answers nothing in time is ended, and nobody else is for that.
//!
//! The same seed gives the same history, so a failure is told again with its whole story.

#![deny(unsafe_code)]

pub mod audit;
mod clients;
mod history;
mod random;
pub mod submission;
mod world;

pub use history::{Outcome, run};
pub use random::Random;
