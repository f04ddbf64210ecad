//! skeleton
#![allow(missing_docs, unused_variables)]
use crate::{Allocator, Segment};
use std::{sync::Arc, time::Duration};
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct PopulationLimits { pub ahead_max: u64, pub chunk: u64, pub large: u64, pub idle: Duration }
impl Default for PopulationLimits { fn default() -> Self { unimplemented!() } }
/// Driven by the raylet: after every turn call `step`; wake up at `next_deadline`.
/// Its thread starts with the first job and calls `wake` (any thread; e.g. writes an eventfd) when a job is finished.
pub struct Population {}
impl Population {
    pub fn new(segment: Arc<Segment>, limits: PopulationLimits, wake: impl Fn() + Send + Sync + 'static) -> Self { unimplemented!() }
    /// Demand: call it with the bytes of every lease granted.
    pub fn leased(&mut self, bytes: u64) { unimplemented!() }
    /// Takes in what the thread finished and hands it the next range, if any. `now`: since any fixed origin.
    pub fn step(&mut self, now: Duration, allocator: &mut Allocator) { unimplemented!() }
    /// When `step` wants to be called even if nothing happens (idle memory goes back to the system then).
    pub fn next_deadline(&self) -> Option<Duration> { unimplemented!() }
}
