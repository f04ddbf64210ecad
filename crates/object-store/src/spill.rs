//! The seam at which a later version spills objects to disk.
//!
//! When [`Allocator::lease`](crate::Allocator::lease) says [`StoreFull`], the raylet asks its `Spill` for relief before it tells the
//! client. Spilling itself (choosing cold sealed objects, writing them out, restoring them) will implement this trait;
//! today the only implementation is [`NeverSpills`], so a full store is an error at once.

use crate::StoreFull;

/// What can be done about a full store.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Relief {
    /// Room is being made; the raylet keeps the request and tries again when space is released.
    Coming,
    /// No room can be made; the client gets the error.
    None,
}

/// Makes room in a full store by moving sealed objects elsewhere.
pub trait Spill {
    /// Asked once for each request that does not fit; must not block.
    fn make_room(&mut self, full: &StoreFull) -> Relief;
}

/// Moves nothing: a full store stays full until references are dropped.
#[derive(Copy, Clone, Debug, Default)]
pub struct NeverSpills;

impl Spill for NeverSpills {
    fn make_room(&mut self, _full: &StoreFull) -> Relief {
        Relief::None
    }
}
