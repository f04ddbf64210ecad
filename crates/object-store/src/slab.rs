//! skeleton
#![allow(missing_docs, unused_variables)]
use crate::Extent;
#[derive(Debug, Default)]
pub struct SlabClient {}
impl SlabClient {
    pub fn new() -> Self { Self {} }
    /// Page-aligned bump allocation in the current slab; None when it does not fit (then lease another slab).
    pub fn reserve(&mut self, length: u64) -> Option<Extent> { unimplemented!() }
    /// Makes `slab` the current one; returns the unused rest of the old one, to be abandoned at the raylet.
    pub fn install(&mut self, slab: Extent) -> Option<Extent> { unimplemented!() }
    /// Takes back the newest reservation; false when it was not the newest (then abandon it at the raylet).
    pub fn cancel(&mut self, extent: Extent) -> bool { unimplemented!() }
    pub fn remaining(&self) -> u64 { unimplemented!() }
    /// Gives the slab up; returns its unused rest.
    pub fn take_rest(&mut self) -> Option<Extent> { unimplemented!() }
}
