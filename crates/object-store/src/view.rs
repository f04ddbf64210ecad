//! skeleton
#![allow(missing_docs, unused_variables)]
use crate::{AccessError, Extent, Segment};
use std::io;
#[derive(Debug)]
pub enum ViewError { Access(AccessError), TooMany { live: usize, max: usize }, System(io::Error) }
impl std::fmt::Display for ViewError { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "view") } }
impl std::error::Error for ViewError {}
/// Mappings (views and regions) that live in this process.
pub fn live_views() -> usize { unimplemented!() }
/// The most of them allowed (half of vm.max_map_count, at most).
pub fn views_max() -> usize { unimplemented!() }
/// A private copy-on-write mapping of one extent. Send. Drop unmaps.
pub struct View {}
impl View {
    pub fn map(segment: &Segment, extent: Extent) -> Result<Self, ViewError> { unimplemented!() }
    pub fn address(&self) -> *mut u8 { unimplemented!() }
    pub fn length(&self) -> usize { unimplemented!() }
    /// (address, length) for a finalizer; the mapping lives until `from_raw` is dropped.
    pub fn into_raw(self) -> (*mut u8, usize) { unimplemented!() }
    /// # Safety
    /// Once, with what `into_raw` returned (of View or of a sealed Region).
    pub unsafe fn from_raw(address: *mut u8, length: usize) -> Self { unimplemented!() }
}
/// A shared mapping of one extent that the user writes to until `put` seals it.
pub struct Region {}
impl Region {
    pub fn map(segment: &Segment, extent: Extent) -> Result<Self, ViewError> { unimplemented!() }
    pub fn extent(&self) -> Extent { unimplemented!() }
    pub fn address(&self) -> *mut u8 { unimplemented!() }
    pub fn length(&self) -> usize { unimplemented!() }
    pub fn is_sealed(&self) -> bool { unimplemented!() }
    /// Remaps the same addresses privately: no copy, later writes stay in this process. Idempotent.
    pub fn seal(&mut self, segment: &Segment) -> Result<(), ViewError> { unimplemented!() }
}
