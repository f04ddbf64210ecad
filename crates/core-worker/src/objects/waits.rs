//! Pending `get`s and `wait`s: how far each has come.

use smallvec::SmallVec;

use crate::events::{Event, Events};
use crate::handle::Handle;

/// What ends a wait.
pub(crate) enum Goal {
    /// All of them, or the first error.
    All { missing: usize },
    /// So many of them.
    Any { needed: usize, ready: usize },
}

/// One pending `get` or `wait`.
pub(crate) struct Wait {
    pub(crate) handles: SmallVec<[Handle; 2]>,
    pub(crate) goal: Goal,
    is_done: bool,
    /// Its end is reported by an event; otherwise a blocked thread looks for it.
    is_reported: bool,
}

/// All pending waits, by number. Numbers are not reused, so stale ones are harmless.
pub(crate) struct Waits {
    open: rustc_hash::FxHashMap<u32, Wait>,
    next: u32,
}

impl Waits {
    pub(crate) fn new() -> Self {
        Self {
            open: rustc_hash::FxHashMap::default(),
            next: 1,
        }
    }

    /// True if the wait has neither been taken nor withdrawn.
    pub(crate) fn is_open(&self, number: u32) -> bool {
        self.open.contains_key(&number)
    }

    /// Number of waits whose end JavaScript has not seen.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// The number that the next wait gets. After the largest one comes 1.
    pub(crate) fn next_number(&self) -> u32 {
        self.next
    }

    /// Begins a wait and gives it a number.
    pub(crate) fn begin(&mut self, handles: &[Handle], goal: Goal, is_reported: bool) -> u32 {
        let number = self.next;
        self.next = self.next.wrapping_add(1).max(1);
        let wait = Wait {
            handles: SmallVec::from_slice(handles),
            goal,
            is_done: false,
            is_reported,
        };
        self.open.insert(number, wait);
        number
    }

    /// One of a wait's objects is there.
    pub(crate) fn advance(&mut self, number: u32, is_error: bool, events: &mut Events) {
        let Some(wait) = self.open.get_mut(&number) else {
            return;
        };
        let ended = match &mut wait.goal {
            Goal::All { missing } => {
                *missing = missing.saturating_sub(1);
                *missing == 0 || is_error
            }
            Goal::Any { needed, ready } => {
                *ready += 1;
                *ready >= *needed
            }
        };
        if ended && !wait.is_done {
            wait.is_done = true;
            if wait.is_reported {
                events.push(Event::Wait { number });
            }
        }
    }

    /// True if a wait has ended, or was taken or withdrawn.
    pub(crate) fn is_done(&self, number: u32) -> bool {
        self.open.get(&number).is_none_or(|wait| wait.is_done)
    }

    /// Takes a wait out.
    pub(crate) fn take(&mut self, number: u32) -> Option<Wait> {
        self.open.remove(&number)
    }
}
