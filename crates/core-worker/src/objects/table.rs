//! The entries of objects, by handle.

use eagleray_protocol::ObjectId;
use rustc_hash::FxHashMap;

use super::interest::Interest;
use super::paged_table::PagedTable;
use super::value::Value;
use crate::handle::{BORROWED_BASE, Handle, NO_SLOT};

/// An object that this process owns or borrows.
pub(crate) struct Entry {
    pub(crate) id: ObjectId,
    /// Refs in JavaScript, pins by tasks and values, and views.
    pub(crate) count: u32,
    /// The slot of the task that makes it.
    pub(crate) producer: u32,
    /// The raylet knows that this process holds it.
    pub(crate) known: bool,
    /// The raylet answers for it to others.
    pub(crate) published: bool,
    /// The raylet was asked for its value.
    pub(crate) subscribed: bool,
    /// If it is an error, or becomes one: somebody here has looked at it, or it was reported (OB-5).
    pub(crate) seen: bool,
    pub(crate) value: Value,
    pub(crate) interest: Interest,
}

impl Entry {
    /// One that is not there yet.
    pub(crate) fn new(id: ObjectId, count: u32, value: Value) -> Self {
        Self {
            id,
            count,
            producer: NO_SLOT,
            known: false,
            published: false,
            subscribed: false,
            seen: false,
            value,
            interest: Interest::Nobody,
        }
    }

    /// Whether it is an error that a user would miss, or may become one.
    pub(crate) fn may_be_missed(&self) -> bool {
        self.value.is_pending() || self.value.is_missed()
    }
}

/// All entries of the process.
pub(crate) struct ObjectTable {
    owned: PagedTable<Entry>,
    borrowed: PagedTable<Entry>,
    borrowed_by_id: FxHashMap<ObjectId, Handle>,
    borrowed_next: Handle,
}

impl ObjectTable {
    pub(crate) fn new() -> Self {
        Self {
            owned: PagedTable::new(),
            borrowed: PagedTable::new(),
            borrowed_by_id: FxHashMap::default(),
            borrowed_next: BORROWED_BASE,
        }
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.owned.len() + self.borrowed.len()
    }

    #[inline]
    pub(crate) fn get(&self, handle: Handle) -> Option<&Entry> {
        if handle < BORROWED_BASE {
            self.owned.get(handle)
        } else {
            self.borrowed.get(handle)
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, handle: Handle) -> Option<&mut Entry> {
        if handle < BORROWED_BASE {
            self.owned.get_mut(handle)
        } else {
            self.borrowed.get_mut(handle)
        }
    }

    /// Adds an owned entry.
    pub(crate) fn insert_owned(&mut self, sequence: u64, entry: Entry) {
        self.owned.insert(sequence, entry);
    }

    /// Adds a borrowed entry, under a handle of its own.
    pub(crate) fn insert_borrowed(&mut self, entry: Entry) -> Handle {
        let handle = self.borrowed_next;
        self.borrowed_next += 1;
        self.borrowed_by_id.insert(entry.id, handle);
        self.borrowed.insert(handle, entry);
        handle
    }

    /// The handle of a borrowed object that is known already.
    pub(crate) fn borrowed_handle(&self, id: ObjectId) -> Option<Handle> {
        self.borrowed_by_id.get(&id).copied()
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, handle: Handle) -> Option<Entry> {
        if handle < BORROWED_BASE {
            return self.owned.remove(handle);
        }
        let entry = self.borrowed.remove(handle)?;
        self.borrowed_by_id.remove(&entry.id);
        Some(entry)
    }

    /// The handles of all owned entries.
    pub(crate) fn owned(&self) -> impl Iterator<Item = Handle> {
        self.owned.numbers()
    }
}
