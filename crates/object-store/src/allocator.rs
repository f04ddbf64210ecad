//! The allocator of the segment's space: pure bookkeeping, owned by the raylet.
//!
//! Owns: which pages are free, which are leased to which client, which are allocated, and which free pages the system
//! backs with memory already. Is not: the memory itself (nothing here touches a byte of it), the table of objects, or
//! the decision when to populate or give back memory ([`population`](crate::population) decides that).
//!
//! The life of a page:
//!
//! | state | entered by | left by |
//! | --- | --- | --- |
//! | free (warm or cold) | `new`, `release`, `abandon`, `release_client`, `finish_give_back` | `lease`, `allocate`, `take_idle` |
//! | leased to a client | `lease` | `seal`, `abandon`, `release_client` |
//! | allocated | `seal`, `allocate` | `release` |
//! | being given back | `take_idle` | `finish_give_back` |
//!
//! A slab and a single large object are the same thing here: space leased to a client, which seals extents out of it.
//! Allocations from a slab are therefore independent of it as soon as they are sealed.
//!
//! Invariants:
//! - **AL-1 (partition):** every page of the segment is in exactly one of the states of the table.
//! - **AL-2 (warm is free):** every warm page is free. Pages in other states count as backed by memory, because
//!   whoever holds them may have written to them, and they return warm.
//! - **AL-3 (refusal changes nothing):** a call that returns an error leaves the allocator as it was, whatever extent a
//!   hostile client invented.

use std::fmt;
use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::range_set::RangeSet;
use crate::{Extent, PAGE};

/// The number of a client process, as the raylet assigned it.
pub type ClientId = u32;

/// The allocator of a segment's pages. See the module's text for the life of a page.
#[derive(Debug)]
pub struct Allocator {
    start: u64,
    end: u64,
    free: RangeSet,
    warm: RangeSet,
    leases: FxHashMap<ClientId, RangeSet>,
    leased_pages: u64,
    /// First page of each allocation, and its number of pages.
    allocations: FxHashMap<u64, u64>,
    allocated_pages: u64,
    returning: RangeSet,
}

impl Allocator {
    /// An allocator over the bytes `[start, end)` of the segment, rounded inwards to pages; all of it free and cold.
    pub fn new(start: u64, end: u64) -> Self {
        let start = start.div_ceil(PAGE);
        let end = (end / PAGE).max(start);
        let mut free = RangeSet::default();
        free.insert(start..end);
        Self {
            start,
            end,
            free,
            warm: RangeSet::default(),
            leases: FxHashMap::default(),
            leased_pages: 0,
            allocations: FxHashMap::default(),
            allocated_pages: 0,
            returning: RangeSet::default(),
        }
    }

    /// Allocates space that belongs to no client, such as rings and mailboxes; [`release`](Self::release) frees it.
    ///
    /// The extent's length is `length` bytes, at least 1; its space is whole pages.
    pub fn allocate(&mut self, length: u64) -> Result<Extent, StoreFull> {
        let (pages, extent) = self.take(length)?;
        self.allocations
            .insert(pages.start, pages.end - pages.start);
        self.allocated_pages += pages.end - pages.start;
        Ok(extent)
    }

    /// Leases space to a client: a slab from which it reserves on its own, or the room of one large object.
    ///
    /// Sealing gives an object its own allocation; whatever is left belongs to the client until it abandons it or dies.
    pub fn lease(&mut self, client: ClientId, length: u64) -> Result<Extent, StoreFull> {
        let (pages, extent) = self.take(length)?;
        self.leased_pages += pages.end - pages.start;
        self.leases.entry(client).or_default().insert(pages);
        Ok(extent)
    }

    /// Turns space leased to `client` into an allocation of its own, freed by [`release`](Self::release) alone.
    ///
    /// The extent must start at a page boundary and lie wholly in what the client was leased and has neither sealed nor
    /// abandoned; everything else is refused and changes nothing (AL-3).
    pub fn seal(&mut self, client: ClientId, extent: Extent) -> Result<(), ExtentError> {
        let pages = self.take_leased(client, extent)?;
        self.allocations
            .insert(pages.start, pages.end - pages.start);
        self.allocated_pages += pages.end - pages.start;
        Ok(())
    }

    /// Frees leased space that the client will not seal: the rest of a slab, or a reservation that came to nothing.
    ///
    /// The same extents are accepted as by [`seal`](Self::seal).
    pub fn abandon(&mut self, client: ClientId, extent: Extent) -> Result<(), ExtentError> {
        let pages = self.take_leased(client, extent)?;
        self.put_back(pages);
        Ok(())
    }

    /// Frees everything that a dead client had leased and not sealed, and returns its size in bytes.
    ///
    /// What the client sealed stays: those allocations belong to the objects that hold them.
    pub fn release_client(&mut self, client: ClientId) -> u64 {
        let Some(leased) = self.leases.remove(&client) else {
            return 0;
        };
        self.leased_pages -= leased.pages();
        for run in leased.runs() {
            self.put_back(run);
        }
        leased.pages() * PAGE
    }

    /// Frees an allocation made by [`allocate`](Self::allocate) or [`seal`](Self::seal); only the very same extent is accepted.
    pub fn release(&mut self, extent: Extent) -> Result<(), ExtentError> {
        let pages = self.pages_of(extent)?;
        if self.allocations.get(&pages.start) != Some(&(pages.end - pages.start)) {
            return Err(ExtentError::NotAllocated(extent));
        }
        self.allocations.remove(&pages.start);
        self.allocated_pages -= pages.end - pages.start;
        self.put_back(pages);
        Ok(())
    }

    /// The next cold free range worth populating, at most `max` bytes, without reserving it.
    ///
    /// It borders the largest warm run where that can grow, so that large requests find warm space in one piece.
    /// It may be allocated meanwhile: populating a page does not change its content.
    pub fn next_range_to_populate(&self, max: u64) -> Option<Extent> {
        let max = (max / PAGE).max(1);
        if let Some(warm) = self.warm.largest_run()
            && let Some(free) = self.free.run_at(warm.start)
        {
            if let Some(gap) = self.warm.gaps(warm.end..free.end).next() {
                return Some(extent_of(gap.start..gap.end.min(gap.start + max)));
            }
            if let Some(gap) = self.warm.gaps(free.start..warm.start).last() {
                return Some(extent_of(
                    gap.start.max(gap.end.saturating_sub(max))..gap.end,
                ));
            }
        }
        let gap = self
            .free
            .by_size_descending()
            .find_map(|free| self.warm.gaps(free).next())?;
        Some(extent_of(gap.start..gap.end.min(gap.start + max)))
    }

    /// Records that the system backs `extent` with memory now. Parts of it that are no longer free are left alone (AL-2).
    pub fn mark_populated(&mut self, extent: Extent) -> Result<(), ExtentError> {
        let pages = self.pages_of(extent)?;
        for part in self.free.overlaps(pages) {
            self.warm.insert(part);
        }
        Ok(())
    }

    /// Takes up to `max` bytes of warm free memory out of circulation so that it can be given back to the system.
    ///
    /// Giving back destroys content, so the range is reserved until [`finish_give_back`](Self::finish_give_back). It
    /// comes from the end of the segment, because allocation prefers the beginning.
    pub fn take_idle(&mut self, max: u64) -> Option<Extent> {
        let run = self.warm.last_run()?;
        let pages = run.start.max(run.end.saturating_sub((max / PAGE).max(1)))..run.end;
        self.warm.remove(pages.clone());
        self.free.remove(pages.clone());
        self.returning.insert(pages.clone());
        Some(extent_of(pages))
    }

    /// Makes a range of [`take_idle`](Self::take_idle) free again: cold when `given_back`, still warm when the system refused.
    pub fn finish_give_back(
        &mut self,
        extent: Extent,
        given_back: bool,
    ) -> Result<(), ExtentError> {
        let pages = self.pages_of(extent)?;
        if !self.returning.contains(&pages) {
            return Err(ExtentError::NotAllocated(extent));
        }
        self.returning.remove(pages.clone());
        if given_back {
            self.free.insert(pages);
        } else {
            self.put_back(pages);
        }
        Ok(())
    }

    /// Bytes that the allocator manages.
    pub fn total_bytes(&self) -> u64 {
        (self.end - self.start) * PAGE
    }

    /// Bytes that can be leased or allocated, in whatever pieces.
    pub fn free_bytes(&self) -> u64 {
        self.free.pages() * PAGE
    }

    /// Bytes that are leased or allocated.
    pub fn used_bytes(&self) -> u64 {
        (self.leased_pages + self.allocated_pages) * PAGE
    }

    /// Bytes that are allocated: sealed, and not released.
    pub fn allocated_bytes(&self) -> u64 {
        self.allocated_pages * PAGE
    }

    /// Unsealed bytes leased to `client`.
    pub fn leased_bytes(&self, client: ClientId) -> u64 {
        self.leases.get(&client).map_or(0, RangeSet::pages) * PAGE
    }

    /// Bytes of the largest request that can be met.
    pub fn largest_free(&self) -> u64 {
        self.free.largest() * PAGE
    }

    /// Free bytes that are backed by memory.
    pub fn populated_free(&self) -> u64 {
        self.warm.pages() * PAGE
    }

    /// Bytes that count as backed by memory: everything but cold free space.
    pub fn populated_bytes(&self) -> u64 {
        self.total_bytes() - (self.free.pages() - self.warm.pages()) * PAGE
    }

    /// Bytes that are being given back to the system and are free again shortly; a request that does not fit is worth
    /// another try then.
    pub fn returning_bytes(&self) -> u64 {
        self.returning.pages() * PAGE
    }

    /// Checks every invariant, in time linear in the number of extents; for tests and diagnosis.
    pub fn validate(&self) -> Result<(), String> {
        for set in [&self.free, &self.warm, &self.returning]
            .into_iter()
            .chain(self.leases.values())
        {
            set.validate()?;
        }
        let mut pages: Vec<Range<u64>> = self.free.runs().chain(self.returning.runs()).collect();
        pages.extend(self.leases.values().flat_map(RangeSet::runs));
        pages.extend(
            self.allocations
                .iter()
                .map(|(&start, &pages)| start..start + pages),
        );
        pages.sort_by_key(|range| range.start);
        let mut position = self.start;
        for range in pages {
            if range.start != position || range.is_empty() {
                return Err(format!("AL-1: pages {range:?} where {position} comes next"));
            }
            position = range.end;
        }
        if position != self.end {
            return Err(format!(
                "AL-1: the states end at page {position} of {}",
                self.end
            ));
        }
        let leased: u64 = self.leases.values().map(RangeSet::pages).sum();
        let allocated: u64 = self.allocations.values().sum();
        if leased != self.leased_pages || allocated != self.allocated_pages {
            return Err(format!(
                "AL-1: {leased} pages leased and {allocated} allocated are miscounted"
            ));
        }
        match self.warm.runs().find(|run| !self.free.contains(run)) {
            Some(run) => Err(format!("AL-2: warm pages {run:?} are not all free")),
            None => Ok(()),
        }
    }

    /// Takes free pages for `length` bytes: warm ones where they fit, else where most of them are warm.
    fn take(&mut self, length: u64) -> Result<(Range<u64>, Extent), StoreFull> {
        let length = length.max(1);
        let pages = length.div_ceil(PAGE);
        let start = self.place(pages).ok_or_else(|| self.full(length))?;
        let taken = start..start + pages;
        self.free.remove(taken.clone());
        self.warm.remove(taken.clone());
        Ok((taken, Extent::new(start * PAGE, length)))
    }

    fn place(&self, pages: u64) -> Option<u64> {
        if let Some(run) = self.warm.best_fit(pages) {
            return Some(run.start);
        }
        // No warm run is large enough, so the largest one becomes part of the allocation if its surroundings allow.
        if let Some(warm) = self.warm.largest_run()
            && let Some(free) = self.free.run_at(warm.start)
            && free.end - free.start >= pages
        {
            return Some(warm.start.min(free.end - pages));
        }
        self.free.best_fit(pages).map(|run| run.start)
    }

    fn full(&self, requested: u64) -> StoreFull {
        StoreFull {
            requested,
            free: self.free_bytes(),
            largest_free: self.largest_free(),
            total: self.total_bytes(),
        }
    }

    fn take_leased(&mut self, client: ClientId, extent: Extent) -> Result<Range<u64>, ExtentError> {
        let pages = self.pages_of(extent)?;
        let Some(leased) = self
            .leases
            .get_mut(&client)
            .filter(|leased| leased.contains(&pages))
        else {
            return Err(ExtentError::NotLeased { extent, client });
        };
        leased.remove(pages.clone());
        if leased.pages() == 0 {
            self.leases.remove(&client);
        }
        self.leased_pages -= pages.end - pages.start;
        Ok(pages)
    }

    fn put_back(&mut self, pages: Range<u64>) {
        self.warm.insert(pages.clone());
        self.free.insert(pages);
    }

    /// The pages that an extent occupies, if it is one that this allocator could have handed out.
    fn pages_of(&self, extent: Extent) -> Result<Range<u64>, ExtentError> {
        let end = extent
            .end()
            .ok_or(ExtentError::Malformed(extent))?
            .div_ceil(PAGE);
        let start = extent.offset / PAGE;
        let aligned = extent.offset.is_multiple_of(PAGE);
        if !aligned || extent.length == 0 || start < self.start || end > self.end {
            return Err(ExtentError::Malformed(extent));
        }
        Ok(start..end)
    }
}

/// The space that a request asks for is not there, or not in one piece.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct StoreFull {
    /// Bytes asked for.
    pub requested: u64,
    /// Bytes free, in whatever pieces.
    pub free: u64,
    /// Bytes in the largest free piece.
    pub largest_free: u64,
    /// Bytes that the store has in all.
    pub total: u64,
}

impl fmt::Display for StoreFull {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            requested,
            free,
            largest_free,
            total,
        } = self;
        write!(
            formatter,
            "the object store is full: {requested} bytes asked for, {free} of {total} bytes free, \
             the largest free piece has {largest_free} bytes"
        )
    }
}

impl std::error::Error for StoreFull {}

/// An extent that is not what the caller claims. From a client it means a bug or malice; the allocator is unchanged.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum ExtentError {
    /// Empty, not at a page boundary, or outside the allocator's space.
    Malformed(Extent),
    /// Not wholly within what the client was leased and has neither sealed nor abandoned.
    NotLeased {
        /// The extent claimed.
        extent: Extent,
        /// The client that claimed it.
        client: ClientId,
    },
    /// Not an allocation (or, for `finish_give_back`, not a range that was taken).
    NotAllocated(Extent),
}

impl fmt::Display for ExtentError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(Extent { offset, length }) => {
                write!(
                    formatter,
                    "the extent of {length} bytes at {offset} is malformed"
                )
            }
            Self::NotLeased {
                extent: Extent { offset, length },
                client,
            } => write!(
                formatter,
                "the extent of {length} bytes at {offset} is not leased to client {client}"
            ),
            Self::NotAllocated(Extent { offset, length }) => {
                write!(
                    formatter,
                    "the extent of {length} bytes at {offset} is not allocated"
                )
            }
        }
    }
}

impl std::error::Error for ExtentError {}

fn extent_of(pages: Range<u64>) -> Extent {
    Extent::new(pages.start * PAGE, (pages.end - pages.start) * PAGE)
}
