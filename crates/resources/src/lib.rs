//! What a node has and what its tasks and actors ask for.
//!
//! Owns: quantities, resource sets, GPU instances, the account of one node, and the detection of
//! what this machine allows. Is not: a scheduler; nothing here decides who gets what.
//!
//! Invariants:
//! - RS-1 A [`Quantity`] is never negative and never above [`Quantity::MAX`].
//! - RS-2 A [`ResourceSet`] is sorted by name, has each name once and no zero entries.
//! - RS-3 In a [`NodeResources`], `used` is the sum of what the living [`Allocation`]s hold; only the
//!   CPU may be used beyond its total, and only through [`NodeResources::retake_cpu`].
//! - RS-4 The GPU shares of the living allocations never exceed the capacity of any one GPU.

#![deny(unsafe_code)]

pub mod detect;
mod instances;
mod node;
mod quantity;
mod set;

pub use instances::{GpuShare, Instances};
pub use node::{Allocation, Infeasible, NodeResources, Shortage};
pub use quantity::{InvalidQuantity, Quantity};
pub use set::{CPU, GPU, MEMORY, Name, OBJECT_STORE_MEMORY, ResourceSet};
