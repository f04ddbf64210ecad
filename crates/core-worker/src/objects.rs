//! The objects that this process owns or borrows.
//!
//! - **OB-1:** an entry lives while something here refers to it (`count`), or while its task runs.
//! - **OB-2:** the raylet is told to release an object exactly once, when the entry of a `known` one goes.
//! - **OB-3:** what a value carries inside lives as long as the value: locally made values pin the
//!   entries of what they carry; values from elsewhere are containers in the raylet's directory.
//! - **OB-4:** a published object's outcome is reported to the raylet when it is known.

use eagleray_protocol::{Nested, NestedKind, ObjectId, Outcome, Payload, Status, ToRaylet};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::NO_SLOT;
use crate::core::Core;
use crate::events::Event;
use crate::leases::Queued;
use crate::paged_table::PagedTable;

/// What JavaScript calls an object by: the sequence number of an owned one, or a number from
/// [`BORROWED_BASE`] up. Always exact as a double.
pub type Handle = u64;

/// Where the handles of borrowed objects begin.
pub const BORROWED_BASE: Handle = 1 << 52;

/// The bytes of a small value. Numbers, flags and short texts need no memory of their own.
pub(crate) type Meta = SmallVec<[u8; 16]>;

/// What an entry knows of its value.
pub(crate) enum Value {
    /// Not there yet.
    Pending,
    /// A small value or error that carries nothing inside.
    Inline { status: Status, meta: Meta },
    /// Any other.
    Full(Box<FullValue>),
}

/// A value with extents or ids inside.
pub(crate) struct FullValue {
    pub(crate) outcome: Outcome,
    /// Entries of this process that the value pins (locally made values only).
    pub(crate) pins: Vec<Handle>,
    /// Actors of this process's handle table that the value pins.
    pub(crate) actor_pins: Vec<u32>,
}

impl Value {
    /// The value in its cheapest form.
    pub(crate) fn from_outcome(outcome: Outcome) -> Self {
        let payload = &outcome.payload;
        if payload.extents.is_empty() && payload.nested.is_empty() {
            Self::Inline {
                status: outcome.status,
                meta: Meta::from_vec(outcome.payload.meta.into_vec()),
            }
        } else {
            Self::Full(Box::new(FullValue {
                outcome,
                pins: Vec::new(),
                actor_pins: Vec::new(),
            }))
        }
    }

    /// Its status, if it is there.
    pub(crate) fn status(&self) -> Option<Status> {
        match self {
            Self::Pending => None,
            Self::Inline { status, .. } => Some(*status),
            Self::Full(full) => Some(full.outcome.status),
        }
    }

    /// A copy of the outcome, if it is there.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Pending => None,
            Self::Inline { status, meta } => Some(Outcome {
                status: *status,
                payload: Payload::inline(meta),
            }),
            Self::Full(full) => Some(full.outcome.clone()),
        }
    }
}

/// Who waits for an object inside this process: nearly always nobody, or one `get` or `wait`.
pub(crate) enum Interest {
    Nobody,
    /// One wait, by its number.
    Wait(u32),
    Many(Box<Interested>),
}

/// Several who wait for an object.
#[derive(Default)]
pub(crate) struct Interested {
    /// Waits, by number; finished ones are skipped.
    waits: Vec<u32>,
    /// Tasks that have it as an argument, as they stood then: a task that ended meanwhile is skipped.
    dependents: Vec<Queued>,
}

impl Interest {
    fn many(&mut self) -> &mut Interested {
        if !matches!(self, Self::Many(_)) {
            let mut interested = Box::<Interested>::default();
            if let Self::Wait(wait) = *self {
                interested.waits.push(wait);
            }
            *self = Self::Many(interested);
        }
        match self {
            Self::Many(interested) => interested,
            Self::Nobody | Self::Wait(_) => unreachable!("made just above"),
        }
    }

    /// Adds a wait. `is_open` tells which of the earlier ones still matter.
    fn add_wait(&mut self, wait: u32, is_open: impl Fn(u32) -> bool) {
        match self {
            Self::Nobody => *self = Self::Wait(wait),
            Self::Wait(earlier) if !is_open(*earlier) => *self = Self::Wait(wait),
            Self::Wait(_) | Self::Many(_) => {
                let list = &mut self.many().waits;
                // Finished waits are left in the lists; sweep them before a list grows.
                if list.len() == list.capacity() && list.len() >= 16 {
                    list.retain(|&wait| is_open(wait));
                }
                list.push(wait);
            }
        }
    }
}

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
    /// Its error was seen, or it can't be one that a user would miss.
    pub(crate) observed: bool,
    pub(crate) value: Value,
    pub(crate) interest: Interest,
}

impl Entry {
    pub(crate) fn new(id: ObjectId, count: u32, value: Value) -> Self {
        Self {
            id,
            count,
            producer: NO_SLOT,
            known: false,
            published: false,
            subscribed: false,
            observed: false,
            value,
            interest: Interest::Nobody,
        }
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

    /// The handle of a borrowed object that is known already.
    pub(crate) fn borrowed_handle(&self, id: ObjectId) -> Option<Handle> {
        self.borrowed_by_id.get(&id).copied()
    }

    fn insert_borrowed(&mut self, entry: Entry) -> Handle {
        let handle = self.borrowed_next;
        self.borrowed_next += 1;
        self.borrowed_by_id.insert(entry.id, handle);
        self.borrowed.insert(handle, entry);
        handle
    }

    fn remove(&mut self, handle: Handle) -> Option<Entry> {
        if handle < BORROWED_BASE {
            return self.owned.remove(handle);
        }
        let entry = self.borrowed.remove(handle)?;
        self.borrowed_by_id.remove(&entry.id);
        Some(entry)
    }
}

impl Core {
    /// The handle of an object, by its id, with one more count on it.
    pub(crate) fn borrow(&mut self, id: ObjectId) -> Handle {
        if id.owner == self.process
            && id.node == 0
            && let Some(entry) = self.objects.get_mut(id.sequence)
        {
            entry.count += 1;
            return id.sequence;
        }
        if let Some(handle) = self.objects.borrowed_handle(id) {
            if let Some(entry) = self.objects.get_mut(handle) {
                entry.count += 1;
            }
            return handle;
        }
        let mut entry = Entry::new(id, 1, Value::Pending);
        entry.known = true;
        entry.observed = true;
        self.hold(Nested {
            kind: NestedKind::Ref,
            id,
        });
        self.objects.insert_borrowed(entry)
    }

    /// As [`Self::borrow`], for an object whose value came along with its id.
    pub(crate) fn borrow_with_value(&mut self, id: ObjectId, payload: Payload) -> Handle {
        let handle = self.borrow(id);
        if let Some(entry) = self.objects.get_mut(handle)
            && matches!(entry.value, Value::Pending)
            && entry.producer == NO_SLOT
        {
            self.complete(handle, Value::from_outcome(Outcome::value(payload)));
        }
        handle
    }

    /// One more count.
    pub(crate) fn pin(&mut self, handle: Handle) {
        if let Some(entry) = self.objects.get_mut(handle) {
            entry.count += 1;
        }
    }

    /// One count less; the entry goes with the last one (OB-1).
    pub(crate) fn release(&mut self, handle: Handle) {
        let Some(entry) = self.objects.get_mut(handle) else {
            return;
        };
        entry.count = entry.count.saturating_sub(1);
        if entry.count == 0 {
            self.drop_if_unused(handle);
        }
    }

    /// Reports every failed result that nobody has looked at, because the runtime ends and takes all refs along.
    pub(crate) fn report_unseen(&mut self) {
        for entry in self.objects.owned.values_mut() {
            let failed = matches!(
                entry.value.status(),
                Some(Status::UserError | Status::RetryableUserError)
            );
            if failed
                && !std::mem::replace(&mut entry.observed, true)
                && let Some(outcome) = entry.value.outcome()
            {
                self.events.push_back(Event::UnhandledError { outcome });
            }
        }
    }

    fn drop_if_unused(&mut self, handle: Handle) {
        let Some(entry) = self.objects.get(handle) else {
            return;
        };
        if entry.count > 0 || entry.producer != NO_SLOT {
            return;
        }
        let Some(entry) = self.objects.remove(handle) else {
            return;
        };
        if entry.known {
            self.let_go(Nested {
                kind: NestedKind::Ref,
                id: entry.id,
            });
        }
        if !entry.observed
            && matches!(
                entry.value.status(),
                Some(Status::UserError | Status::RetryableUserError)
            )
            && let Some(outcome) = entry.value.outcome()
        {
            self.events.push_back(Event::UnhandledError { outcome });
        }
        if let Value::Full(full) = entry.value {
            for actor in full.actor_pins {
                self.release_actor(actor);
            }
            self.unpinned.extend(full.pins);
            self.release_unpinned();
        }
    }

    /// Lets go of what a value has pinned. A list and no recursion: values that hold each other may form a
    /// chain longer than any stack.
    fn release_unpinned(&mut self) {
        if std::mem::replace(&mut self.is_releasing, true) {
            return;
        }
        while let Some(pin) = self.unpinned.pop() {
            self.release(pin);
        }
        self.is_releasing = false;
    }

    /// The value of an object is there: wakes whoever waits for it.
    pub(crate) fn complete(&mut self, handle: Handle, value: Value) {
        let Some(entry) = self.objects.get_mut(handle) else {
            return;
        };
        entry.producer = NO_SLOT;
        if !matches!(entry.value, Value::Pending) {
            // A cancelled task's late result, or a second answer of the raylet: the first one stands.
            self.drop_if_unused(handle);
            return;
        }
        entry.value = value;
        let interest = std::mem::replace(&mut entry.interest, Interest::Nobody);
        let is_error = entry.value.status() != Some(Status::Value);
        if entry.published {
            self.publish_outcome(handle);
        }
        match interest {
            Interest::Nobody => {}
            Interest::Wait(wait) => self.advance_wait(wait, is_error),
            Interest::Many(interested) => {
                for wait in interested.waits {
                    self.advance_wait(wait, is_error);
                }
                self.arrived.extend(interested.dependents);
            }
        }
        self.drop_if_unused(handle);
        self.advance_dependents();
    }

    /// Tells tasks that an argument of theirs is there. A list and no recursion: a task that fails completes
    /// its results, on which others depend, and a chain of them may be longer than any stack.
    fn advance_dependents(&mut self) {
        if std::mem::replace(&mut self.is_advancing, true) {
            return;
        }
        while let Some(dependent) = self.arrived.pop_front() {
            if self.is_still_queued(dependent) {
                self.dependency_ready(dependent.slot);
            }
        }
        self.is_advancing = false;
    }

    /// Registers a wait on an object that is not there yet.
    pub(crate) fn add_wait(&mut self, handle: Handle, wait: u32) {
        let waits = &self.waits;
        if let Some(entry) = self.objects.get_mut(handle) {
            entry.interest.add_wait(wait, |wait| waits.is_open(wait));
        }
        self.subscribe(handle);
    }

    /// Registers a task that needs the object; false if the object is there already.
    pub(crate) fn add_dependent(&mut self, handle: Handle, dependent: Queued) -> bool {
        let Some(entry) = self.objects.get_mut(handle) else {
            return false;
        };
        if !matches!(entry.value, Value::Pending) {
            return false;
        }
        entry.interest.many().dependents.push(dependent);
        self.subscribe(handle);
        true
    }

    /// Asks the raylet for the value of a borrowed object, once.
    pub(crate) fn subscribe(&mut self, handle: Handle) {
        let Some(entry) = self.objects.get_mut(handle) else {
            return;
        };
        if handle >= BORROWED_BASE && !entry.subscribed && matches!(entry.value, Value::Pending) {
            entry.subscribed = true;
            let id = entry.id;
            self.tell(ToRaylet::Subscribe { id });
        }
    }

    /// An owned ref leaves this process: the raylet answers for it from now on (OB-4).
    pub(crate) fn publish(&mut self, handle: Handle) {
        let Some(entry) = self.objects.get_mut(handle) else {
            return;
        };
        if handle >= BORROWED_BASE || entry.published {
            return;
        }
        entry.published = true;
        entry.known = true;
        if matches!(entry.value, Value::Pending) {
            let id = entry.id;
            self.tell(ToRaylet::Publish { id, outcome: None });
        } else {
            self.publish_outcome(handle);
        }
    }

    fn publish_outcome(&mut self, handle: Handle) {
        self.publish_inside(handle);
        let Some(entry) = self.objects.get(handle) else {
            return;
        };
        let id = entry.id;
        if let Some(outcome) = entry.value.outcome() {
            self.tell(ToRaylet::Publish {
                id,
                outcome: Some(outcome),
            });
        }
    }

    /// Publishes the owned refs inside a locally made value, because the value is about to leave.
    pub(crate) fn publish_inside(&mut self, handle: Handle) {
        let Some(Entry {
            value: Value::Full(full),
            ..
        }) = self.objects.get(handle)
        else {
            return;
        };
        for pin in full.pins.clone() {
            self.publish(pin);
        }
    }

    /// The ids behind handles and actor handles, as they travel.
    pub(crate) fn nested_ids(&self, refs: &[Handle], actors: &[u32]) -> Vec<Nested> {
        let refs = refs.iter().filter_map(|&handle| {
            self.objects.get(handle).map(|entry| Nested {
                kind: NestedKind::Ref,
                id: entry.id,
            })
        });
        let actors = actors.iter().filter_map(|&actor| {
            self.actor(actor).map(|caller| Nested {
                kind: NestedKind::Actor,
                id: caller.id,
            })
        });
        refs.chain(actors).collect()
    }

    /// Makes a value of this process: entry with one count, pinning what it carries.
    pub(crate) fn define(
        &mut self,
        sequence: u64,
        payload: Payload,
        pins: Vec<Handle>,
        actor_pins: Vec<u32>,
        known: bool,
    ) {
        for &pin in &pins {
            self.pin(pin);
        }
        for &actor in &actor_pins {
            self.pin_actor(actor);
        }
        let id = ObjectId::local(self.process, sequence);
        let outcome = Outcome::value(payload);
        let value = if pins.is_empty() && actor_pins.is_empty() {
            Value::from_outcome(outcome)
        } else {
            Value::Full(Box::new(FullValue {
                outcome,
                pins,
                actor_pins,
            }))
        };
        let mut entry = Entry::new(id, 1, value);
        entry.known = known;
        entry.observed = true;
        self.objects.insert_owned(sequence, entry);
    }
}
