//! skeleton
#![allow(missing_docs, unused_variables)]
use crate::Extent;
/// The process number of a client, as the raylet assigned it.
pub type ClientId = u32;

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct StoreFull { pub requested: u64, pub free: u64, pub largest_free: u64, pub total: u64 }
impl std::fmt::Display for StoreFull { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "object store full") } }
impl std::error::Error for StoreFull {}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum ExtentError { Malformed(Extent), NotOwned(Extent) }
impl std::fmt::Display for ExtentError { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "bad extent") } }
impl std::error::Error for ExtentError {}

/// A direct allocation and a slab are the same thing: space *leased* to a client, unsealed, out of which it seals extents.
pub struct Allocator {}
impl Allocator {
    /// Over `[start, end)` of the segment (bytes; rounded inwards to pages).
    pub fn new(start: u64, end: u64) -> Self { unimplemented!() }
    /// Space for the raylet itself (rings, mailboxes); freed by `release`.
    pub fn allocate(&mut self, length: u64) -> Result<Extent, StoreFull> { unimplemented!() }
    /// Leases space (a slab, or one large object) to a client. `length` of the result is a multiple of PAGE for slabs when asked so.
    pub fn lease(&mut self, client: ClientId, length: u64) -> Result<Extent, StoreFull> { unimplemented!() }
    /// Carves the extent's pages out of what is leased to the client: from now on an independent allocation freed by `release`.
    pub fn seal(&mut self, client: ClientId, extent: Extent) -> Result<(), ExtentError> { unimplemented!() }
    /// Frees unsealed space of the client (rest of a slab, a cancelled reservation, a direct allocation given up).
    pub fn abandon(&mut self, client: ClientId, extent: Extent) -> Result<(), ExtentError> { unimplemented!() }
    /// Frees everything unsealed that a (dead) client holds; returns bytes. What it sealed stays.
    pub fn release_client(&mut self, client: ClientId) -> u64 { unimplemented!() }
    /// Frees an allocation (made by `allocate` or `seal`); must match exactly.
    pub fn release(&mut self, extent: Extent) -> Result<(), ExtentError> { unimplemented!() }
    pub fn total_bytes(&self) -> u64 { unimplemented!() }
    pub fn free_bytes(&self) -> u64 { unimplemented!() }
    pub fn used_bytes(&self) -> u64 { unimplemented!() }
    /// Unsealed bytes leased to this client.
    pub fn leased_bytes(&self, client: ClientId) -> u64 { unimplemented!() }
    pub fn largest_free(&self) -> u64 { unimplemented!() }
    pub fn populated_bytes(&self) -> u64 { unimplemented!() }
    pub fn populated_free(&self) -> u64 { unimplemented!() }
    /// Checks every invariant (linear); for tests and for the raylet's debug builds.
    pub fn validate(&self) -> Result<(), String> { unimplemented!() }
}
