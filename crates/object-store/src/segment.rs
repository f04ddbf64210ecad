//! skeleton
#![allow(missing_docs, unused_variables)]
use crate::Extent;
use std::{io, os::fd::{BorrowedFd, OwnedFd}, sync::atomic::{AtomicU32, AtomicU64}};
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum AccessError { OutOfBounds { extent: Extent, size: u64 }, Misaligned { offset: u64, alignment: u64 } }
impl std::fmt::Display for AccessError { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "bad access") } }
impl std::error::Error for AccessError {}
impl From<AccessError> for io::Error { fn from(e: AccessError) -> Self { io::Error::new(io::ErrorKind::InvalidInput, e) } }
/// Send + Sync; share it in an Arc within the process (driver and raylet thread share ONE).
pub struct Segment {}
impl Segment {
    pub fn create(size: u64) -> io::Result<Self> { unimplemented!() }
    /// From a descriptor received from the raylet; size from fstat; refuses one whose size is not sealed.
    pub fn open(descriptor: OwnedFd) -> io::Result<Self> { unimplemented!() }
    pub fn size(&self) -> u64 { unimplemented!() }
    pub fn descriptor(&self) -> BorrowedFd<'_> { unimplemented!() }
    pub fn base(&self) -> *mut u8 { unimplemented!() }
    /// Copies bytes to `offset`. Populates first when large, so lack of memory is an error and not SIGBUS.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> { unimplemented!() }
    pub fn read_to_vec(&self, extent: Extent) -> Result<Vec<u8>, AccessError> { unimplemented!() }
    pub fn populate(&self, extent: Extent) -> io::Result<()> { unimplemented!() }
    pub fn give_back(&self, extent: Extent) -> io::Result<()> { unimplemented!() }
    pub fn atomic_u32_at(&self, offset: u64) -> Result<&AtomicU32, AccessError> { unimplemented!() }
    pub fn atomic_u64_at(&self, offset: u64) -> Result<&AtomicU64, AccessError> { unimplemented!() }
    pub fn pointer(&self, offset: u64, length: u64) -> Result<*mut u8, AccessError> { unimplemented!() }
}
