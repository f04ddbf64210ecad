//! The client's side of a slab: bump allocation inside leased space.
//!
//! Owns: the position in the client's current slab. Is not: an authority; the raylet's
//! [`Allocator`](crate::Allocator) checks every extent when it is sealed.
//!
//! Invariants:
//! - **SL-1 (once):** a page is reserved at most once, except after the reservation was cancelled.
//! - **SL-2 (inside):** every reservation lies within the slab and starts at a page boundary.

use crate::{Extent, PAGE};

/// A client's current slab. A slab that is full or given up is simply forgotten: what was reserved in it lives on as
/// extents that the client seals or abandons one by one.
#[derive(Debug, Default)]
pub struct SlabClient {
    start: u64,
    next: u64,
    end: u64,
}

impl SlabClient {
    /// A client without a slab: it can reserve nothing until [`install`](Self::install).
    pub fn new() -> Self {
        Self::default()
    }

    /// Reserves `length` bytes at a page boundary, or `None` when the slab has no room for them (the client leases
    /// another slab, or the object's own space when it is large). `length` 0 reserves one byte.
    pub fn reserve(&mut self, length: u64) -> Option<Extent> {
        let length = length.max(1);
        let end = self
            .next
            .checked_add(length)?
            .checked_next_multiple_of(PAGE)?;
        if end > self.end {
            return None;
        }
        let extent = Extent::new(self.next, length);
        self.next = end;
        Some(extent)
    }

    /// Takes the newest reservation back, so that its space is reserved again next.
    ///
    /// `false` when it is not the newest; the caller then abandons it at the raylet.
    pub fn cancel(&mut self, extent: Extent) -> bool {
        let newest = extent
            .end()
            .and_then(|end| end.checked_next_multiple_of(PAGE))
            .is_some_and(|end| end == self.next && extent.length > 0);
        // Slabs may border each other in the segment, so an extent of the slab before this one could end where this
        // one starts; it must not move the position out of the slab.
        let inside = extent.offset >= self.start && extent.offset.is_multiple_of(PAGE);
        if newest && inside {
            self.next = extent.offset;
        }
        newest && inside
    }

    /// Makes `slab` the current one and returns the unused rest of the one before, which the caller abandons at the raylet.
    pub fn install(&mut self, slab: Extent) -> Option<Extent> {
        let rest = self.take_rest();
        *self = Self {
            start: slab.offset,
            next: slab.offset,
            end: slab.offset.saturating_add(slab.length) / PAGE * PAGE,
        };
        rest
    }

    /// Gives the slab up and returns its unused rest, which the caller abandons at the raylet.
    pub fn take_rest(&mut self) -> Option<Extent> {
        let rest = self.remaining();
        let extent = Extent::new(self.next, rest);
        *self = Self::default();
        (rest > 0).then_some(extent)
    }

    /// Bytes that can still be reserved.
    pub fn remaining(&self) -> u64 {
        self.end - self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLAB: Extent = Extent::new(16 * PAGE, 4 * PAGE);

    #[test]
    fn reservations_follow_each_other_at_page_boundaries_until_the_slab_is_full() {
        let mut client = SlabClient::new();
        assert_eq!(client.reserve(1), None);
        assert_eq!(client.install(SLAB), None);
        assert_eq!(
            client.reserve(PAGE + 1),
            Some(Extent::new(16 * PAGE, PAGE + 1))
        );
        assert_eq!(client.reserve(0), Some(Extent::new(18 * PAGE, 1)));
        assert_eq!(client.reserve(PAGE + 1), None);
        assert_eq!(client.reserve(u64::MAX), None);
        assert_eq!(client.reserve(PAGE), Some(Extent::new(19 * PAGE, PAGE)));
        assert_eq!(client.remaining(), 0);
        assert_eq!(client.take_rest(), None);
    }

    #[test]
    fn only_the_newest_reservation_can_be_cancelled() {
        let mut client = SlabClient::new();
        client.install(SLAB);
        let first = client.reserve(PAGE).unwrap();
        let second = client.reserve(10).unwrap();
        assert!(!client.cancel(first));
        assert!(client.cancel(second));
        assert!(!client.cancel(second), "a reservation is cancelled once");
        assert!(client.cancel(first));
        assert_eq!(client.remaining(), SLAB.length);
    }

    #[test]
    fn a_reservation_of_an_earlier_slab_cannot_be_cancelled_in_a_slab_that_borders_it() {
        let mut client = SlabClient::new();
        client.install(SLAB);
        let old = client.reserve(SLAB.length).unwrap();
        client.install(Extent::new(SLAB.offset + SLAB.length, PAGE));
        assert!(!client.cancel(old));
        assert_eq!(client.remaining(), PAGE);
    }

    #[test]
    fn installing_a_slab_returns_the_rest_of_the_one_before() {
        let mut client = SlabClient::new();
        client.install(SLAB);
        client.reserve(PAGE);
        let rest = client.install(Extent::new(64 * PAGE, PAGE));
        assert_eq!(rest, Some(Extent::new(17 * PAGE, 3 * PAGE)));
        assert_eq!(client.take_rest(), Some(Extent::new(64 * PAGE, PAGE)));
        assert_eq!(client.remaining(), 0);
    }
}
