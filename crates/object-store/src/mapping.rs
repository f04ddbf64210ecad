//! The system calls about mappings of this crate, and nothing that decides about them: the one place at which tests let
//! them fail (`faults`).

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use crate::PAGE;

/// In the place of a descriptor, where there is no file.
const NO_FILE: RawFd = -1;

/// Who sees what is written through a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Everybody who maps the file.
    Shared,
    /// This mapping alone.
    Private,
}

impl Sharing {
    fn flags(self) -> libc::c_int {
        // No memory is set aside: what the store may use is the raylet's account.
        libc::MAP_NORESERVE
            | match self {
                Self::Shared => libc::MAP_SHARED,
                Self::Private => libc::MAP_PRIVATE,
            }
    }
}

/// Whether the system sets memory aside for whatever could be written, and refuses what would be too much
/// (`vm.overcommit_memory` = 2); `MAP_NORESERVE` then means nothing. Asked once.
pub(crate) fn accounts_strictly() -> bool {
    #[cfg(test)]
    if faults::is_strict() {
        return true;
    }
    static STRICTLY: OnceLock<bool> = OnceLock::new();
    *STRICTLY.get_or_init(|| {
        fs::read_to_string("/proc/sys/vm/overcommit_memory").is_ok_and(|mode| mode.trim() == "2")
    })
}

/// Maps `length` bytes of the file for reading and writing, at addresses that are free.
pub(crate) fn map(
    length: usize,
    sharing: Sharing,
    file: BorrowedFd<'_>,
    offset: u64,
) -> io::Result<NonNull<u8>> {
    #[cfg(test)]
    faults::meet(faults::Call::Map, None)?;
    // SAFETY: without MAP_FIXED the kernel chooses unused addresses.
    unsafe { map_at(ptr::null_mut(), length, sharing.flags(), file, offset) }
}

/// As [`map`], in the place of the mapping at `address`. A failure may leave a hole there: some kernels unmap before
/// they look whether they can map.
///
/// # Safety
/// The caller owns the mapping of these `length` bytes, and what uses it gets along with its new content.
pub(crate) unsafe fn map_over(
    address: NonNull<u8>,
    length: usize,
    sharing: Sharing,
    file: BorrowedFd<'_>,
    offset: u64,
) -> io::Result<()> {
    #[cfg(test)]
    faults::meet(faults::Call::MapOver, Some((address, length)))?;
    let flags = sharing.flags() | libc::MAP_FIXED;
    // SAFETY: the caller owns the mapping that is replaced.
    unsafe { map_at(address.as_ptr(), length, flags, file, offset) }.map(drop)
}

/// Tells the system that this memory of the process, which was not used yet, will soon be filled as a whole: huge pages
/// suit it. Advice, so nothing depends on what comes of it.
pub fn prefer_huge_pages<T>(memory: &mut [MaybeUninit<T>]) {
    let page = PAGE as usize;
    let start = memory.as_ptr().addr().next_multiple_of(page);
    let end = memory.as_ptr_range().end.addr() / page * page;
    let Some(length) = end.checked_sub(start).filter(|&length| length > 0) else {
        return;
    };
    let skipped = start - memory.as_ptr().addr();
    // SAFETY: whole pages inside memory that is borrowed here; the advice changes how it is backed, and not what is in it.
    let _ = unsafe {
        libc::madvise(
            memory.as_mut_ptr().cast::<u8>().add(skipped).cast(),
            length,
            libc::MADV_HUGEPAGE,
        )
    };
}

/// Memory of this process alone, behind no file.
pub(crate) fn map_anonymous(length: usize) -> io::Result<NonNull<u8>> {
    #[cfg(test)]
    faults::meet(faults::Call::Map, None)?;
    let flags = Sharing::Private.flags() | libc::MAP_ANONYMOUS;
    // SAFETY: without MAP_FIXED the kernel chooses unused addresses.
    unsafe { map_descriptor_at(ptr::null_mut(), length, flags, NO_FILE, 0) }
}

/// As [`map_anonymous`], in the place of the mapping at `address`; a failure may leave a hole there.
///
/// # Safety
/// As for [`map_over`].
pub(crate) unsafe fn map_anonymous_over(address: NonNull<u8>, length: usize) -> io::Result<()> {
    #[cfg(test)]
    faults::meet(faults::Call::MapOver, Some((address, length)))?;
    let flags = Sharing::Private.flags() | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: the caller owns the mapping that is replaced.
    unsafe { map_descriptor_at(address.as_ptr(), length, flags, NO_FILE, 0) }.map(drop)
}

/// # Safety
/// With MAP_FIXED among the flags, the caller owns the mapping that is replaced.
unsafe fn map_at(
    address: *mut u8,
    length: usize,
    flags: libc::c_int,
    file: BorrowedFd<'_>,
    offset: u64,
) -> io::Result<NonNull<u8>> {
    // SAFETY: by the contract of this function.
    unsafe { map_descriptor_at(address, length, flags, file.as_raw_fd(), offset) }
}

/// # Safety
/// As for [`map_at`].
unsafe fn map_descriptor_at(
    address: *mut u8,
    length: usize,
    flags: libc::c_int,
    descriptor: RawFd,
    offset: u64,
) -> io::Result<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: by the contract of this function.
    let mapped = unsafe {
        libc::mmap(
            address.cast(),
            length,
            protection,
            flags,
            descriptor,
            offset as i64,
        )
    };
    if mapped == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(mapped.cast())
        .ok_or_else(|| io::Error::other("the system mapped memory at address 0"))
}

/// Moves a mapping into the place of another one of the same length. A failure leaves what was moved where it is, and may
/// leave a hole in the other place.
///
/// # Safety
/// The caller owns both mappings, and what uses the one at `to` gets along with its new content.
pub(crate) unsafe fn move_over(
    from: NonNull<u8>,
    to: NonNull<u8>,
    length: usize,
) -> io::Result<()> {
    #[cfg(test)]
    faults::meet(faults::Call::Move, Some((to, length)))?;
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    let (from, to) = (from.as_ptr().cast(), to.as_ptr().cast::<libc::c_void>());
    // SAFETY: by the contract of this function.
    let moved = unsafe { libc::mremap(from, length, length, flags, to) };
    if moved == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Ends a mapping.
///
/// # Safety
/// `address` and `length` are those of a mapping that the caller owns and that nothing uses any more.
pub(crate) unsafe fn unmap(address: NonNull<u8>, length: usize) {
    // SAFETY: by the contract of this function.
    let result = unsafe { libc::munmap(address.as_ptr().cast(), length) };
    // munmap fails only for arguments that no mapping has, or when splitting one at the limit of mappings; the memory
    // then stays mapped, which is harmless.
    debug_assert_eq!(result, 0, "munmap: {}", io::Error::last_os_error());
}

/// Whether each of `pages` pages of a file's mapping exists in memory. `flags` is room for the answer.
///
/// # Safety
/// `address` is a page boundary, and the pages lie within a mapping of this process.
pub(crate) unsafe fn are_resident(
    address: *const u8,
    pages: usize,
    flags: &mut [u8],
) -> io::Result<bool> {
    #[cfg(test)]
    faults::meet(faults::Call::Residency, None)?;
    let flags = &mut flags[..pages];
    let length = pages * PAGE as usize;
    // SAFETY: by the contract of this function; the answer has a byte for each page.
    let result = unsafe { libc::mincore(address.cast_mut().cast(), length, flags.as_mut_ptr()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(flags.iter().all(|flags| flags & 1 == 1))
}

/// Reads one byte in every `stride` bytes, for the sake of the page faults.
///
/// # Safety
/// `address` is valid for reading `length` bytes of a mapping.
pub(crate) unsafe fn touch(address: *const u8, length: usize, stride: usize) {
    // Strides are counted from their own multiples, so that every page and every neighbourhood is met whatever
    // the alignment of the start.
    let misalignment = address.addr() % stride;
    let mut position = 0;
    while position < length {
        // SAFETY: in bounds by the contract. The value is not used, and a volatile read of a byte that another process
        // writes at the same time has no other effect than the page fault.
        unsafe { ptr::read_volatile(address.add(position)) };
        position = (position + misalignment) / stride * stride + stride - misalignment;
    }
}

/// Calls that fail because a test wants them to, in the thread of the test.
#[cfg(test)]
pub(crate) mod faults {
    use std::cell::{Cell, RefCell};
    use std::io;
    use std::ptr::NonNull;

    /// A call that can fail.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Call {
        Map,
        MapOver,
        Move,
        Residency,
    }

    /// A failure to come.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Fault {
        pub(crate) call: Call,
        /// The number of the error.
        pub(crate) error: i32,
        /// The addresses are unmapped nevertheless.
        pub(crate) leaves_hole: bool,
    }

    thread_local! {
        static TO_COME: RefCell<Vec<Fault>> = const { RefCell::new(Vec::new()) };
        static STRICT: Cell<bool> = const { Cell::new(false) };
    }

    /// Has the calling thread see a system that accounts strictly, or the one that there is.
    pub(crate) fn account_strictly(strictly: bool) {
        STRICT.set(strictly);
    }

    pub(super) fn is_strict() -> bool {
        STRICT.get()
    }

    /// Each of the faults meets the next call of its kind, in their order; those that met none are forgotten.
    pub(crate) fn during<R>(faults: &[Fault], action: impl FnOnce() -> R) -> R {
        TO_COME.set(faults.to_vec());
        let result = action();
        TO_COME.take();
        result
    }

    /// Fails if a fault of this kind is to come.
    pub(super) fn meet(call: Call, place: Option<(NonNull<u8>, usize)>) -> io::Result<()> {
        let fault = TO_COME.with_borrow_mut(|faults| {
            let index = faults.iter().position(|fault| fault.call == call)?;
            Some(faults.remove(index))
        });
        let Some(fault) = fault else { return Ok(()) };
        if let Some((address, length)) = place.filter(|_| fault.leaves_hole) {
            // A mapping without access stands for the hole: another thread's mapping must not come into it.
            // SAFETY: the caller of the call that fails owns the mapping.
            let hole = unsafe {
                libc::mmap(
                    address.as_ptr().cast(),
                    length,
                    libc::PROT_NONE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE,
                    -1,
                    0,
                )
            };
            assert_ne!(hole, libc::MAP_FAILED);
        }
        Err(io::Error::from_raw_os_error(fault.error))
    }
}
