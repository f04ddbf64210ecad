//! The node's shared-memory object store: one sealed-size segment, the raylet's allocator over it, slabs that let
//! clients allocate without a round trip, and copy-on-write views for readers.
//!
//! Owns: the segment's memory ([`Segment`], [`View`], [`Region`]) and the bookkeeping of its space ([`Allocator`],
//! [`SlabClient`], [`Population`]). Is not: the table of objects, their references or the protocol between clients
//! and raylet; those belong to the raylet, which is the only owner of an [`Allocator`].
//!
//! Invariants of the crate (each module numbers its own):
//! - **OS-1 (truth outside):** no allocator state lives in shared memory, so a client that dies or lies at any
//!   instruction corrupts nothing but bytes that it was given.
//! - **OS-2 (pages):** every extent starts at a page boundary and occupies whole pages; no two live extents share a page.
//! - **OS-3 (one mapping):** a process maps the segment once, shared, and maps views of single extents privately.

pub mod allocator;
mod extent;
mod kernel;
mod mapping;
pub mod population;
mod range_set;
pub mod segment;
pub mod slab;
pub mod spill;
pub mod view;

pub use allocator::{Allocator, ClientId, ExtentError, StoreFull};
pub use extent::{Extent, PAGE};
pub use mapping::prefer_huge_pages;
pub use population::{Population, PopulationLimits};
pub use segment::{AccessError, Segment};
pub use slab::SlabClient;
pub use spill::{NeverSpills, Relief, Spill};
pub use view::{Region, View, ViewError, live_views, views_max};
