//! The segment: the node's shared memory, one memfd mapped once by every process.
//!
//! Owns: the descriptor and this process's shared mapping, and the fastest safe ways to fill, read, populate and give
//! back parts of it. Is not: an owner of any space in it; who may touch which extent is the raylet's decision.
//!
//! Invariants:
//! - **SE-1 (fixed size):** the size is sealed before the descriptor leaves its creator, so no peer can truncate the
//!   file and turn accesses within bounds into `SIGBUS`.
//! - **SE-2 (in bounds):** no address outside the mapping is formed, whatever offset a peer sent.
//! - **SE-3 (no references):** no `&[u8]` or `&mut [u8]` into the segment exists, because other processes write to it;
//!   bytes are copied, and words are atomics. (The one exception is the payload of a ring's frame: `ring/reader.rs` of
//!   `eagleray-ipc` says why.)
//!
//! Why writing takes three ways (figures of the machine in `docs/object-store.md`): copying into pages that this process
//! has mapped is as fast as memory; pages that exist but are not in its page table cost a fault each, which touching
//! one byte of every 64 KiB avoids, because the kernel then maps the whole neighbourhood; and pages that do not exist
//! yet are fastest filled by `pwrite`, which copies into the fresh page instead of clearing it first and reports
//! missing memory as an error instead of `SIGBUS`.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::mapping::{Sharing, are_resident, map, touch, unmap};
use crate::{Extent, PAGE};

/// Bytes that the kernel maps around a faulting address of a file when the pages exist (`fault_around_bytes`).
pub(crate) const FAULT_AROUND: usize = 64 << 10;
/// Writes below this many bytes are copied at once, since asking about residency would cost more than it saves.
const PLAIN_MAX: usize = 32 << 10;
/// Bytes that a write treats alike: large enough to hide a system call, small enough to follow a mixture of warm and cold.
const WINDOW: usize = 1 << 20;
/// Bytes given back in one system call, so that the file's lock is not held for long.
const GIVE_BACK_STEP: u64 = 1 << 20;

const SEALS: libc::c_int = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;

/// The node's shared memory, mapped into this process. Threads of a process share one `Segment` through an `Arc`, so
/// that they share its page table entries too.
#[derive(Debug)]
pub struct Segment {
    descriptor: OwnedFd,
    base: NonNull<u8>,
    size: u64,
}

// SAFETY: the mapping belongs to the process and not to a thread, it lives as long as the value, and every method
// accesses it through raw copies or atomics (SE-3).
unsafe impl Send for Segment {}
// SAFETY: as for Send; no method needs exclusive access.
unsafe impl Sync for Segment {}

impl Segment {
    /// Creates a segment of `size` bytes, rounded up to pages, and seals its size. No memory is used until it is touched.
    pub fn create(size: u64) -> io::Result<Self> {
        let size = size
            .checked_next_multiple_of(PAGE)
            .filter(|&size| {
                size > 0 && i64::try_from(size).is_ok() && usize::try_from(size).is_ok()
            })
            .ok_or_else(|| invalid(format!("a segment cannot have {size} bytes")))?;
        let descriptor = create_memory_file()?;
        // SAFETY: plain system call on a descriptor that we own; the size fits i64.
        check(unsafe { libc::ftruncate(descriptor.as_raw_fd(), size as i64) })?;
        // SAFETY: as above. F_SEAL_SEAL keeps a hostile peer from adding seals that would stop everyone from mapping.
        check(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_ADD_SEALS, SEALS) })?;
        Self::map(descriptor, size)
    }

    /// Maps a segment that another process created. Refuses a descriptor whose size is not sealed (SE-1).
    pub fn open(descriptor: OwnedFd) -> io::Result<Self> {
        // SAFETY: plain system call on a descriptor that we own.
        let seals = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_GET_SEALS) };
        if seals < 0 || seals & SEALS != SEALS {
            return Err(invalid(
                "the descriptor is not a segment: its size is not sealed".to_owned(),
            ));
        }
        // SAFETY: an all-zero stat is a valid value for fstat to overwrite.
        let mut status: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: `status` is valid for writing.
        check(unsafe { libc::fstat(descriptor.as_raw_fd(), &raw mut status) })?;
        let size = u64::try_from(status.st_size)
            .ok()
            .filter(|&size| size > 0 && size.is_multiple_of(PAGE))
            .ok_or_else(|| invalid(format!("a segment cannot have {} bytes", status.st_size)))?;
        Self::map(descriptor, size)
    }

    fn map(descriptor: OwnedFd, size: u64) -> io::Result<Self> {
        let base = map(size as usize, Sharing::Shared, descriptor.as_fd(), 0)?;
        // Without this a crash of the user's process would write the whole store into its core file. A kernel that
        // refuses changes nothing but the size of that file.
        // SAFETY: the range is the mapping just made.
        let _ = unsafe { libc::madvise(base.as_ptr().cast(), size as usize, libc::MADV_DONTDUMP) };
        Ok(Self {
            descriptor,
            base,
            size,
        })
    }

    /// The segment's size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The memfd, to be passed to other processes and to be mapped by views.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// The first address of this process's shared mapping.
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// Copies `bytes` to `offset`, in whichever of the three ways is fastest for each megabyte (see the module's text).
    ///
    /// The caller owns the space; concurrent writers of the same bytes get a mixture. Errors: [`AccessError`] (as
    /// `InvalidInput`) out of bounds, and the system's error when it has no memory for a fresh page.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let target = self.pointer(offset, bytes.len() as u64)?;
        if bytes.len() < PLAIN_MAX {
            // SAFETY: `target` is valid for `bytes.len()` bytes by `pointer`; `bytes` is a Rust slice and therefore not
            // in the segment (SE-3), so the two do not overlap.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
            return Ok(());
        }
        let mut position = 0;
        while position < bytes.len() {
            let resident = self.resident_prefix(offset as usize + position, bytes.len() - position);
            if resident > 0 {
                // One copy for all of it: a large copy bypasses the caches, which is faster than many small ones.
                // SAFETY: as above, for a part of the same range.
                unsafe {
                    let target = target.add(position);
                    touch(target, resident, FAULT_AROUND);
                    ptr::copy_nonoverlapping(bytes[position..].as_ptr(), target, resident);
                }
                position += resident;
            } else {
                let here = offset as usize + position;
                let end = position + window_length(here, bytes.len() - position);
                self.write_through_file(here, &bytes[position..end])?;
                position = end;
            }
        }
        Ok(())
    }

    /// Copies the extent's bytes out of the segment.
    pub fn read_to_vec(&self, extent: Extent) -> io::Result<Vec<u8>> {
        let source = self.pointer(extent.offset, extent.length)?;
        let length = extent.length as usize;
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(length)
            .map_err(|error| io::Error::new(io::ErrorKind::OutOfMemory, error))?;
        // SAFETY: `source` is valid for `length` bytes, the vector has room for them and cannot overlap the segment; the
        // copy initialises the bytes that `set_len` declares.
        unsafe {
            ptr::copy_nonoverlapping(source, bytes.as_mut_ptr(), length);
            bytes.set_len(length);
        }
        Ok(bytes)
    }

    /// Copies the extent's bytes to `target`, which has the extent's length.
    pub fn read_into(&self, extent: Extent, target: &mut [u8]) -> Result<(), AccessError> {
        let source = self.pointer(extent.offset, extent.length)?;
        let length = target.len().min(extent.length as usize);
        // SAFETY: `source` is valid for the extent's length by `pointer`, the target for its own, and an exclusive
        // slice can't overlap the segment's mapping.
        unsafe { ptr::copy_nonoverlapping(source, target.as_mut_ptr(), length) };
        Ok(())
    }

    /// Makes the system back the extent's pages with memory and enters them into this process's page table.
    ///
    /// No byte changes, so it may run beside writers. It touches page by page: from Linux 6.7 on the kernel then holds no
    /// lock of the whole process at all, so a thread of the lowest priority can do it without ever keeping another
    /// thread's `mmap` waiting (`MADV_POPULATE_WRITE` is no faster and holds one for the whole range).
    pub fn populate(&self, extent: Extent) -> Result<(), AccessError> {
        let target = self.pointer(extent.offset, extent.length)?;
        // SAFETY: in bounds by `pointer`.
        unsafe { touch(target, extent.length as usize, PAGE as usize) };
        Ok(())
    }

    /// Gives the memory of the pages that the extent occupies back to the system, in all processes; they read as zeros afterwards.
    ///
    /// Nobody may use the extent meanwhile: take it with [`Allocator::take_idle`](crate::Allocator::take_idle).
    pub fn give_back(&self, extent: Extent) -> io::Result<()> {
        self.pointer(extent.offset, extent.occupied())?;
        if !extent.offset.is_multiple_of(PAGE) {
            return Err(AccessError::Misaligned {
                offset: extent.offset,
                alignment: PAGE,
            }
            .into());
        }
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        let end = extent.offset + extent.occupied();
        let mut position = extent.offset;
        while position < end {
            let length = GIVE_BACK_STEP.min(end - position);
            // SAFETY: plain system call; the range lies within the file, so both numbers fit i64.
            match check(unsafe {
                libc::fallocate(
                    self.descriptor.as_raw_fd(),
                    mode,
                    position as i64,
                    length as i64,
                )
            }) {
                Ok(()) => position += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The 32-bit word at `offset`, for mailboxes and ring positions that processes share.
    pub fn atomic_u32_at(&self, offset: u64) -> Result<&AtomicU32, AccessError> {
        let pointer = self.aligned_pointer(offset, size_of::<AtomicU32>() as u64)?;
        // SAFETY: in bounds and aligned by the check; the mapping outlives the borrow of `self`; other processes access
        // the word only as an atomic too, by the protocol of rings and mailboxes.
        Ok(unsafe { AtomicU32::from_ptr(pointer.cast()) })
    }

    /// The 64-bit word at `offset`; see [`atomic_u32_at`](Self::atomic_u32_at).
    pub fn atomic_u64_at(&self, offset: u64) -> Result<&AtomicU64, AccessError> {
        let pointer = self.aligned_pointer(offset, size_of::<AtomicU64>() as u64)?;
        // SAFETY: as in `atomic_u32_at`.
        Ok(unsafe { AtomicU64::from_ptr(pointer.cast()) })
    }

    /// The address of `length` bytes at `offset`, valid as long as the segment; what is done with it is the caller's affair.
    pub fn pointer(&self, offset: u64, length: u64) -> Result<*mut u8, AccessError> {
        match offset.checked_add(length) {
            // SAFETY: `offset` is at most `size`, so the address is within the mapping or one past its end (SE-2).
            Some(end) if end <= self.size => Ok(unsafe { self.base.as_ptr().add(offset as usize) }),
            _ => Err(AccessError::OutOfBounds {
                offset,
                length,
                size: self.size,
            }),
        }
    }

    fn aligned_pointer(&self, offset: u64, size: u64) -> Result<*mut u8, AccessError> {
        // The base is page-aligned, so the offset's alignment is the address's.
        if !offset.is_multiple_of(size) {
            return Err(AccessError::Misaligned {
                offset,
                alignment: size,
            });
        }
        self.pointer(offset, size)
    }

    /// Bytes from `offset` on, of at most `length`, in windows all of whose pages exist.
    fn resident_prefix(&self, offset: usize, length: usize) -> usize {
        let mut resident = 0;
        while resident < length {
            let window = window_length(offset + resident, length - resident);
            if !self.is_resident(offset + resident, window) {
                break;
            }
            resident += window;
        }
        resident
    }

    /// Whether every page of a range of at most [`WINDOW`] bytes within the segment is known to exist. A system that does
    /// not tell (some sandboxes) costs speed alone: writing through the file is right for all pages.
    fn is_resident(&self, offset: usize, length: usize) -> bool {
        let page = PAGE as usize;
        let first = offset / page * page;
        let pages = (offset + length - first).div_ceil(page);
        let mut resident = [0u8; WINDOW / PAGE as usize + 1];
        // SAFETY: the range is page-aligned and inside the mapping: a window that starts within a page touches at most
        // one page more than WINDOW holds, so there is a byte for each.
        unsafe { are_resident(self.base.as_ptr().add(first), pages, &mut resident) }
            .unwrap_or(false)
    }

    fn write_through_file(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let mut written = 0;
        while written < bytes.len() {
            let rest = &bytes[written..];
            // SAFETY: `rest` is valid for reading; the range lies within the file, so the offset fits i64.
            let count = unsafe {
                libc::pwrite(
                    self.descriptor.as_raw_fd(),
                    rest.as_ptr().cast(),
                    rest.len(),
                    (offset + written) as i64,
                )
            };
            match usize::try_from(count) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(_) => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this size, and nothing can refer to it any more: borrowed words end
        // with `self`, and raw pointers are the business of whoever took them.
        unsafe { unmap(self.base, self.size as usize) };
    }
}

/// An access that is not possible in this segment.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum AccessError {
    /// The range does not lie within the segment.
    OutOfBounds {
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        length: u64,
        /// Bytes that the segment has.
        size: u64,
    },
    /// The offset is not a multiple of what the access needs.
    Misaligned {
        /// First byte asked for.
        offset: u64,
        /// What it must be a multiple of.
        alignment: u64,
    },
    /// A mapping of no bytes was asked for.
    Empty,
}

impl fmt::Display for AccessError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfBounds {
                offset,
                length,
                size,
            } => {
                write!(
                    formatter,
                    "{length} bytes at {offset} are not within a segment of {size} bytes"
                )
            }
            Self::Misaligned { offset, alignment } => {
                write!(
                    formatter,
                    "offset {offset} is not a multiple of {alignment}"
                )
            }
            Self::Empty => write!(formatter, "an extent without bytes cannot be mapped"),
        }
    }
}

impl std::error::Error for AccessError {}

impl From<AccessError> for io::Error {
    fn from(error: AccessError) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}

/// Bytes from `offset` to the end of its window, at most `length`.
fn window_length(offset: usize, length: usize) -> usize {
    (WINDOW - offset % WINDOW).min(length)
}

fn create_memory_file() -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let create = |flags| -> io::Result<OwnedFd> {
        // SAFETY: the name is a valid C string.
        let descriptor = unsafe { libc::memfd_create(c"eagleray".as_ptr(), flags) };
        check(descriptor)?;
        // SAFETY: a fresh descriptor that nobody else owns.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    };
    // Kernels before 6.3 do not know MFD_NOEXEC_SEAL; later ones log a warning when it is left out.
    match create(flags | libc::MFD_NOEXEC_SEAL) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => create(flags),
        result => result,
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::faults::{Call, Fault, during};

    /// Some sandboxes have no `mincore`, or none for the program.
    #[test]
    fn writes_need_not_know_which_pages_exist() {
        let segment = Segment::create(8 << 20).expect("the system has a memfd for the test");
        let bytes: Vec<u8> = (0..3 << 20).map(|at| (at % 251) as u8).collect();
        // Over pages that do not exist, that do, and over both; whole and askew.
        for (offset, length) in [
            (0, PLAIN_MAX),
            (0, 3 << 20),
            (0, 3 << 20),
            (2 << 20, 2 << 20),
            (12_345, (2 << 20) + 7),
            (5 << 20, PLAIN_MAX - 1),
        ] {
            for error in [libc::ENOSYS, libc::EPERM, libc::EAGAIN] {
                let fault = Fault {
                    call: Call::Residency,
                    error,
                    leaves_hole: false,
                };
                let part = &bytes[..length];
                during(&[fault; 16], || segment.write(offset, part)).expect("it is written");
                let written = Extent::new(offset, length as u64);
                assert!(segment.read_to_vec(written).unwrap() == part);
                segment.write(offset, &vec![0; length]).unwrap();
            }
        }
    }
}
