//! Mappings of single extents that are handed to the user: copy-on-write views for readers, and regions that a writer
//! fills in place.
//!
//! Owns: the address ranges of these mappings and the count of those alive in the process. Is not: a hold on the space
//! behind them; the raylet must not reuse an extent before its last view is gone, and whoever drops a view reports that.
//!
//! The life of a mapping: a [`View`] is private from the start; a [`Region`] is shared until it is sealed, and private at
//! the same addresses afterwards. The bytes of both can be copied out of the store, to the same addresses, when its space
//! is needed before the mapping can end. Both end with an unmapping, on whichever thread drops them.
//!
//! Invariants:
//! - **VI-1 (isolated):** a write through a view or a sealed region stays in this process and in this mapping.
//! - **VI-2 (counted):** `LIVE` is the number of mappings that exist, and never exceeds [`views_max`]. (While a region is
//!   sealed there is one more for a moment.)
//! - **VI-3 (no hole):** the addresses of a view or a region show the extent's bytes as long as it lives, whatever the
//!   system refuses meanwhile: an array of the program lies over them.

use std::fmt;
use std::fs;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::mapping::{
    Sharing, accounts_strictly, map, map_anonymous, map_anonymous_over, map_over, move_over, touch,
    unmap,
};
use crate::segment::FAULT_AROUND;
use crate::{AccessError, Extent, PAGE, Segment};

/// Mappings that every process may count on; the kernel's own default.
const MAP_COUNT_DEFAULT: usize = 65_530;

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// The number of views and regions mapped in this process.
pub fn live_views() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// The most views and regions that this process may have mapped at once: half of `vm.max_map_count`, because the
/// JavaScript engine and the libraries need mappings too and abort the process when they get none.
pub fn views_max() -> usize {
    static MAX: OnceLock<usize> = OnceLock::new();
    *MAX.get_or_init(|| {
        let limit = fs::read_to_string("/proc/sys/vm/max_map_count").ok();
        limit
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(MAP_COUNT_DEFAULT)
            / 2
    })
}

/// A private mapping of one extent: it shows the extent's bytes without copying them, and what is written to it is
/// seen through this view alone.
#[derive(Debug)]
pub struct View {
    address: NonNull<u8>,
    length: usize,
}

// SAFETY: a mapping belongs to the process; any thread may use or end it, and the value is its only owner.
unsafe impl Send for View {}

impl View {
    /// Maps the extent's bytes as they are now; the extent is sealed, so nobody changes them.
    pub fn map(segment: &Segment, extent: Extent) -> Result<Self, ViewError> {
        let (address, length) = map_extent(segment, extent, Sharing::Private)?;
        Ok(Self { address, length })
    }

    /// The first byte's address, at a page boundary.
    pub fn address(&self) -> *mut u8 {
        self.address.as_ptr()
    }

    /// Bytes in use (the mapping goes on to the end of the last page).
    pub fn length(&self) -> usize {
        self.length
    }

    /// Copies the bytes to memory of this process, at the same addresses: what this view needed of the store is free,
    /// and whoever still reads or writes it sees no difference.
    ///
    /// The calling thread is the only one that writes to the view.
    ///
    /// # Errors
    /// [`ViewError::System`] where there is no memory for the copy. The view is then as it was.
    pub fn copy_out(&self) -> Result<(), ViewError> {
        // SAFETY: the mapping is this value's.
        unsafe { copy_out(self.address, self.length) }
    }

    /// Gives up ownership without unmapping, for a finalizer that gets along with two words.
    pub fn into_raw(self) -> (*mut u8, usize) {
        let view = ManuallyDrop::new(self);
        (view.address.as_ptr(), view.length)
    }

    /// Takes back what [`View::into_raw`] or [`Region::into_raw`] gave away; dropping the result unmaps it.
    ///
    /// # Safety
    /// The two words come from one such call, and this is the only `from_raw` for them.
    pub unsafe fn from_raw(address: *mut u8, length: usize) -> Self {
        // SAFETY: the address comes from a mapping, which is never at 0.
        let address = unsafe { NonNull::new_unchecked(address) };
        Self { address, length }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: the value is the only owner of the mapping.
        unsafe { unmap_extent(self.address, self.length) };
    }
}

/// A shared mapping of one extent that the user fills in place. Sealing it makes the bytes an object without a copy.
#[derive(Debug)]
pub struct Region {
    address: NonNull<u8>,
    extent: Extent,
    is_sealed: bool,
}

// SAFETY: as for View.
unsafe impl Send for Region {}

impl Region {
    /// Maps the space of an extent that is leased to this process.
    ///
    /// Space that was used before still has its old content; [`clear`](Self::clear) makes it zeros.
    pub fn map(segment: &Segment, extent: Extent) -> Result<Self, ViewError> {
        let (address, _) = map_extent(segment, extent, Sharing::Shared)?;
        Ok(Self {
            address,
            extent,
            is_sealed: false,
        })
    }

    /// The extent behind the mapping.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// The first byte's address, at a page boundary; the same before and after sealing.
    pub fn address(&self) -> *mut u8 {
        self.address.as_ptr()
    }

    /// Bytes in use (the mapping goes on to the end of the last page).
    pub fn length(&self) -> usize {
        self.extent.length as usize
    }

    /// Whether [`seal`](Self::seal) has succeeded.
    pub fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// Fills the region with zeros.
    pub fn clear(&mut self) {
        // Reading ahead of the writes maps pages that exist in neighbourhoods instead of one by one.
        // SAFETY: the range is the mapping.
        unsafe { touch(self.address(), self.length(), FAULT_AROUND) };
        // SAFETY: the mapping has this many bytes, and the extent is leased to this process alone.
        unsafe { self.address.as_ptr().write_bytes(0, self.length()) };
    }

    /// Maps the same addresses privately: the bytes stay visible without a copy, later writes stay in this process.
    /// Sealing twice does nothing.
    ///
    /// A thread that writes during the call has its write either in the object or in the private view.
    ///
    /// # Errors
    /// [`ViewError::System`] where the system refuses the mapping. The region is then as it was: shared, with its bytes,
    /// and not sealed (VI-3). So seal it before anybody is told that the extent is an object, and copy the bytes if it
    /// can't be sealed.
    ///
    /// Where the system takes the memory away and gives none back at all, the process ends.
    pub fn seal(&mut self, segment: &Segment) -> Result<(), ViewError> {
        if self.is_sealed {
            return Ok(());
        }
        let (length, offset) = (self.length(), self.extent.offset);
        let file = segment.descriptor();
        if accounts_strictly() {
            // A private mapping may be refused, and kernels before 6.12 unmap what is in its place before they look. So
            // elsewhere first: nothing is lost there. (A microsecond or ten, which nobody else pays.)
            let private = map(length, Sharing::Private, file, offset).map_err(ViewError::System)?;
            // SAFETY: both mappings are this value's, of the same length, and show the same bytes.
            if unsafe { move_over(private, self.address, length) }.is_ok() {
                self.is_sealed = true;
                return Ok(());
            }
            // A sandbox without `mremap`, or a system at its end.
            // SAFETY: made above, known to nobody, and where it was, as the move has failed.
            unsafe { unmap(private, length) };
        }
        // SAFETY: the mapping, or the hole that it has become, is this value's, and shows the same bytes afterwards.
        let sealed = unsafe { map_over(self.address, length, Sharing::Private, file, offset) };
        let Err(error) = sealed else {
            self.is_sealed = true;
            return Ok(());
        };
        // Shared mappings are not accounted, so this one is allowed where the private one was not.
        // SAFETY: as above.
        let restored = unsafe { map_over(self.address, length, Sharing::Shared, file, offset) };
        match restored {
            Ok(()) => Err(ViewError::System(error)),
            Err(error) => end_without_memory(&error),
        }
    }

    /// As [`View::copy_out`]. The region is no longer one of the store's afterwards, and can't be sealed.
    pub fn copy_out(&mut self) -> Result<(), ViewError> {
        // SAFETY: the mapping is this value's.
        unsafe { copy_out(self.address, self.length()) }?;
        // Nothing is left of it to be made private.
        self.is_sealed = true;
        Ok(())
    }

    /// Gives up ownership without unmapping; [`View::from_raw`] takes the two words back.
    pub fn into_raw(self) -> (*mut u8, usize) {
        let region = ManuallyDrop::new(self);
        (region.address.as_ptr(), region.length())
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the value is the only owner of the mapping.
        unsafe { unmap_extent(self.address, self.length()) };
    }
}

/// Why an extent could not be mapped.
#[derive(Debug)]
pub enum ViewError {
    /// The extent is not one of the segment, not at a page boundary, or empty.
    Access(AccessError),
    /// The process has as many views as it may. Views end when the buffers over them are collected, so collecting
    /// garbage and trying again is worthwhile.
    TooMany {
        /// Views that are mapped.
        live: usize,
        /// Views that may be mapped.
        max: usize,
    },
    /// The system refused the mapping.
    System(io::Error),
}

impl fmt::Display for ViewError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access(error) => error.fmt(formatter),
            Self::TooMany { live, max } => write!(
                formatter,
                "{live} views of objects are mapped in this process and at most {max} may be (half of vm.max_map_count): \
                 drop references to arrays that came from get"
            ),
            Self::System(error) => write!(formatter, "the system cannot map the object: {error}"),
        }
    }
}

impl std::error::Error for ViewError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Access(error) => Some(error),
            Self::System(error) => Some(error),
            Self::TooMany { .. } => None,
        }
    }
}

fn map_extent(
    segment: &Segment,
    extent: Extent,
    sharing: Sharing,
) -> Result<(NonNull<u8>, usize), ViewError> {
    segment
        .pointer(extent.offset, extent.length)
        .map_err(ViewError::Access)?;
    if !extent.offset.is_multiple_of(PAGE) {
        let misaligned = AccessError::Misaligned {
            offset: extent.offset,
            alignment: PAGE,
        };
        return Err(ViewError::Access(misaligned));
    }
    if extent.length == 0 {
        return Err(ViewError::Access(AccessError::Empty));
    }
    // The count orders nothing but itself, so relaxed is enough.
    let live = LIVE.fetch_add(1, Ordering::Relaxed);
    let max = views_max();
    let mapped = if live >= max {
        Err(ViewError::TooMany { live, max })
    } else {
        let length = extent.length as usize;
        map(length, sharing, segment.descriptor(), extent.offset)
            .map(|address| (address, length))
            .map_err(ViewError::System)
    };
    if mapped.is_err() {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
    mapped
}

/// # Safety
/// The mapping belongs to the caller, and no other thread writes to it during the call.
unsafe fn copy_out(address: NonNull<u8>, length: usize) -> Result<(), ViewError> {
    let copy = map_anonymous(length).map_err(ViewError::System)?;
    // SAFETY: both mappings have this length; the copy is known to nobody, so they don't overlap.
    unsafe { copy.copy_from_nonoverlapping(address, length) };
    // SAFETY: both belong to the caller, and show the same bytes.
    if unsafe { move_over(copy, address, length) }.is_ok() {
        return Ok(());
    }
    // A sandbox without `mremap`, or a system at its end, which has perhaps left a hole.
    // SAFETY: the mapping, or the hole that it has become, is the caller's, and gets its bytes back at once.
    let mapped = unsafe { map_anonymous_over(address, length) };
    if let Err(error) = mapped {
        end_without_memory(&error);
    }
    // SAFETY: as above; the copy is where it was, as the move has failed.
    unsafe {
        address.copy_from_nonoverlapping(copy, length);
        unmap(copy, length);
    }
    Ok(())
}

/// The end of a process that has lost the memory under a live array: whatever the system maps next could come to lie
/// there, and the program would write into it.
fn end_without_memory(error: &io::Error) -> ! {
    eprintln!(
        "eagleray: the system has taken the memory of an array away and does not give it back ({error}); this process \
         can't go on"
    );
    std::process::abort();
}

/// # Safety
/// The mapping was made by [`map_extent`], and nothing uses it any more.
unsafe fn unmap_extent(address: NonNull<u8>, length: usize) {
    // SAFETY: by the contract of this function.
    unsafe { unmap(address, length) };
    LIVE.fetch_sub(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
