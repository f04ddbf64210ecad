//! The objects that this process owns or borrows, the actors that it refers to, and who waits for what.
//!
//! - **OB-1:** an entry lives while something here refers to it (`count`), or while its task runs. A promised value has no
//!   task: whoever promised it refers to it, and settles it or lets it go.
//! - **OB-2:** the raylet is told to release an object exactly once, when the entry of a `known` one goes.
//! - **OB-3:** what a value carries inside lives as long as the value: locally made values pin the
//!   entries of what they carry; values from elsewhere are containers in the raylet's directory.
//!   An error that is passed on keeps its extents, which belong to the object that it came from: it carries that one.
//! - **OB-4:** a published object's outcome is reported to the raylet when it is known.
//! - **OB-5:** an error that nobody has asked for and nobody has looked at is reported once before it goes. Of an
//!   owned one that never left, this is decided here. Of any other the raylet decides, so it is told, once, that somebody
//!   here has looked at it, before this process lets go. The results of one task that have failed with it are one error:
//!   seen through one of them, it is seen; and either none of them is published, or all are.
//!
//! It knows tasks by their keys only, and says in [`Out`] what follows.

mod actor_handles;
mod interest;
mod paged_table;
mod table;
mod value;
mod waits;

use std::collections::HashSet;
use std::ops::Range;

use eagleray_object_store::Extent;
use eagleray_protocol::{
    ActorId, Nested, NestedKind, ObjectId, Outcome, Payload, ProcessNumber, Status, ToRaylet,
};
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use self::actor_handles::ActorHandles;
use self::interest::Interest;
use self::table::{Entry, ObjectTable};
pub use self::value::{FullValue, Meta, Value};
use self::waits::{Goal, Waits};
use crate::events::Event;
use crate::handle::{ActorNumber, BORROWED_BASE, Handle, NO_SLOT, TaskKey};
use crate::records::{EVENT_GET, EVENT_WAIT, RecordWriter};
use crate::work::{Effect, Out, Work};

/// Above this many objects, duplicates are looked for with a set.
const DUPLICATES_BY_SCAN_MAX: usize = 16;

/// How a `get` or `wait` stands.
#[derive(Debug, PartialEq, Eq)]
pub enum WaitStart {
    /// It has ended; the record is written.
    Done,
    /// It goes on under this number.
    Pending(u32),
    /// The handle at this position is not one of this runtime.
    Unknown(usize),
    /// The handle at this position stands twice.
    Duplicate(usize),
}

/// Where an argument of a task stands.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Its value is there (or nobody knows it any more, which is found when it is needed).
    There,
    /// Its value is missing; the task will hear of it.
    Missing,
}

/// See the module.
pub struct Objects {
    process: ProcessNumber,
    table: ObjectTable,
    actors: ActorHandles,
    waits: Waits,
    /// Owned objects that are one error with others, and that nobody has looked at: with which range of handles.
    shared_errors: FxHashMap<Handle, Range<Handle>>,
}

impl Objects {
    /// Those of a process that has none.
    pub fn new(process: ProcessNumber) -> Self {
        Self {
            process,
            table: ObjectTable::new(),
            actors: ActorHandles::new(),
            waits: Waits::new(),
            shared_errors: FxHashMap::default(),
        }
    }

    /// Number of objects that are known here.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True if none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of waits whose end JavaScript has not seen.
    pub fn open_waits(&self) -> usize {
        self.waits.len()
    }

    // ---- looking

    /// The id behind a handle.
    pub fn id(&self, handle: Handle) -> Option<ObjectId> {
        self.table.get(handle).map(|entry| entry.id)
    }

    /// The value behind a handle, [`Value::Pending`] if it is not there yet.
    #[inline]
    pub fn value(&self, handle: Handle) -> Option<&Value> {
        self.table.get(handle).map(|entry| &entry.value)
    }

    /// The slot of the task that makes an object.
    pub fn producer(&self, handle: Handle) -> Option<u32> {
        let producer = self.table.get(handle)?.producer;
        (producer != NO_SLOT).then_some(producer)
    }

    /// Whether an object's value is missing.
    #[inline]
    pub fn is_pending(&self, handle: Handle) -> bool {
        self.value(handle).is_some_and(Value::is_pending)
    }

    /// Where one buffer of an object is.
    pub fn buffer(&self, handle: Handle, index: usize) -> Option<Extent> {
        match self.value(handle)? {
            Value::Full(full) => full.outcome.payload.buffers().get(index).copied(),
            Value::Inline { .. } | Value::Pending => None,
        }
    }

    /// The error of an argument, if it is one, as it is passed on to other objects: what it has in the store, and what it
    /// carries, it has of the argument's object, which it carries (OB-3). Whoever needs the value has seen it then.
    pub fn failure(&mut self, handle: Handle, out: &mut Out) -> Option<Outcome> {
        if !self.value(handle)?.is_error() {
            return None;
        }
        self.note_seen(&[handle], out);
        self.inheritance(handle)
    }

    /// What is in an object, as other objects get it: it belongs to that object, which they carry.
    pub fn inheritance(&self, handle: Handle) -> Option<Outcome> {
        let entry = self.table.get(handle)?;
        let mut outcome = entry.value.outcome()?;
        if let Value::Full(full) = &entry.value {
            // What was inherited here belongs to what it carries: a chain of them holds its first, and not each other.
            let is_inherited = entry.value.is_error() && !full.pins.is_empty();
            if !is_inherited {
                outcome.payload.nested = [reference(entry.id)].into();
            }
        }
        Some(outcome)
    }

    /// What an error carries that leaves this process by itself is known to others before it is (OB-3).
    pub fn publish_carried(&mut self, outcome: &Outcome, out: &mut Out) {
        for item in &outcome.payload.nested {
            if let Some(handle) = self.owned(item) {
                self.publish(handle, out);
            }
        }
    }

    /// The handle of an owned object that a value carries.
    fn owned(&self, item: &Nested) -> Option<Handle> {
        let is_ours = item.kind == NestedKind::Ref && item.id.owner == self.process;
        (is_ours && item.id.node == 0).then_some(item.id.sequence)
    }

    /// Somebody here has looked at what these are, where they are errors, or has it as soon as they are (OB-5).
    fn note_seen(&mut self, handles: &[Handle], out: &mut Out) {
        let mut elsewhere = Vec::new();
        let mut looked_at: SmallVec<[Handle; 4]> = SmallVec::from_slice(handles);
        while let Some(handle) = looked_at.pop() {
            looked_at.extend(self.part_shared_error(handle));
            let Some(entry) = self.table.get_mut(handle) else {
                continue;
            };
            if entry.seen || !entry.may_be_missed() {
                continue;
            }
            entry.seen = true;
            if entry.published || handle >= BORROWED_BASE {
                elsewhere.push(entry.id);
            }
        }
        if !elsewhere.is_empty() {
            out.effect(Effect::ErrorsSeen(elsewhere));
        }
    }

    /// The results of a task are about to fail with one error. What has been completed before, by a cancellation, is not.
    pub fn fail_together(&mut self, results: Range<Handle>, out: &mut Out) {
        let failing = results.clone().filter(|&handle| self.is_pending(handle));
        let failing: Vec<Handle> = failing.collect();
        let any = |is: fn(&Entry) -> bool| {
            let mut entries = failing.iter().filter_map(|&handle| self.table.get(handle));
            entries.any(is)
        };
        if any(|entry| entry.seen) {
            self.note_seen(&failing, out);
        } else if any(|entry| entry.published) {
            self.publish_shared_error(&failing, out);
        } else if failing.len() > 1 {
            let shared = failing.iter().map(|&handle| (handle, results.clone()));
            self.shared_errors.extend(shared);
        }
    }

    /// The objects that are one error with this one, and that are not any more what only this process decides about.
    fn part_shared_error(&mut self, handle: Handle) -> Vec<Handle> {
        // Nearly always there is none at all.
        if self.shared_errors.is_empty() {
            return Vec::new();
        }
        let results = self.shared_errors.get(&handle).cloned().unwrap_or_default();
        results
            .filter(|handle| self.shared_errors.remove(handle).is_some())
            .collect()
    }

    /// An error of several objects is the raylet's to decide about, because one of them has left.
    fn publish_shared_error(&mut self, handles: &[Handle], out: &mut Out) {
        for &handle in handles {
            self.publish(handle, out);
        }
        let ids = handles.iter().filter_map(|&handle| self.id(handle));
        let ids = ids.collect();
        out.tell(ToRaylet::OneError { ids });
    }

    // ---- counting

    /// One more count.
    #[inline]
    pub fn pin(&mut self, handle: Handle) {
        if let Some(entry) = self.table.get_mut(handle) {
            entry.count += 1;
        }
    }

    /// One count less; the entry goes with the last one (OB-1).
    #[inline]
    pub fn release(&mut self, handle: Handle, out: &mut Out) {
        let Some(entry) = self.table.get_mut(handle) else {
            return;
        };
        entry.count = entry.count.saturating_sub(1);
        if entry.count == 0 {
            self.drop_if_unused(handle, out);
        }
    }

    /// Lets an entry go that nothing refers to, and what only it referred to. A list and no recursion: values that hold
    /// each other may form a chain longer than any stack.
    fn drop_if_unused(&mut self, handle: Handle, out: &mut Out) {
        let mut unused: SmallVec<[Handle; 4]> = smallvec![handle];
        while let Some(handle) = unused.pop() {
            let may_go = |entry: &&Entry| entry.count == 0 && entry.producer == NO_SLOT;
            let Some(entry) = self.table.get(handle).filter(may_go) else {
                continue;
            };
            if entry.value.is_missed() && self.report_last(handle, out) {
                continue;
            }
            let Some(entry) = self.table.remove(handle) else {
                continue;
            };
            if !self.shared_errors.is_empty() {
                self.shared_errors.remove(&handle);
            }
            if entry.known {
                out.effect(Effect::LetGo(reference(entry.id)));
            }
            let Value::Full(full) = entry.value else {
                continue;
            };
            for actor in full.actor_pins {
                self.actors.release(actor, out);
            }
            for pin in full.pins {
                if let Some(entry) = self.table.get_mut(pin) {
                    entry.count = entry.count.saturating_sub(1);
                    unused.push(pin);
                }
            }
        }
    }

    /// True if one thing here refers to an object, and no more.
    pub fn has_one_count(&self, handle: Handle) -> bool {
        self.table.get(handle).is_some_and(|entry| entry.count == 1)
    }

    /// What a task had pinned.
    pub fn unpin(&mut self, refs: &[Handle], actors: &[ActorNumber], out: &mut Out) {
        for &handle in refs {
            self.release(handle, out);
        }
        for &actor in actors {
            self.actors.release(actor, out);
        }
    }

    // ---- making

    /// Makes the entry of a result that a task will complete, with one count.
    #[inline]
    pub fn insert_result(&mut self, sequence: u64, producer: u32) {
        let id = ObjectId::local(self.process, sequence);
        let mut entry = Entry::new(id, 1, Value::Pending);
        entry.producer = producer;
        self.table.insert_owned(sequence, entry);
    }

    /// Makes a value of this process: entry with one count, pinning what it carries. `is_known` if the raylet counts
    /// this process as a holder.
    pub fn define(
        &mut self,
        sequence: u64,
        payload: Payload,
        pins: Vec<Handle>,
        actor_pins: Vec<ActorNumber>,
        is_known: bool,
    ) {
        let value = self.local_value(payload, pins, actor_pins);
        let id = ObjectId::local(self.process, sequence);
        let mut entry = Entry::new(id, 1, value);
        entry.known = is_known;
        self.table.insert_owned(sequence, entry);
    }

    /// Makes the entry of a value that this process will have later, or never, with one count.
    pub fn promise(&mut self, sequence: u64) {
        let id = ObjectId::local(self.process, sequence);
        self.table
            .insert_owned(sequence, Entry::new(id, 1, Value::Pending));
    }

    /// Gives a promised value. The first one stands.
    pub fn settle(
        &mut self,
        handle: Handle,
        payload: Payload,
        pins: Vec<Handle>,
        actor_pins: Vec<ActorNumber>,
        out: &mut Out,
    ) {
        if self.is_pending(handle) {
            let value = self.local_value(payload, pins, actor_pins);
            self.complete(handle, value, out);
        }
    }

    /// A value that was made here, which pins what it carries.
    fn local_value(
        &mut self,
        payload: Payload,
        pins: Vec<Handle>,
        actor_pins: Vec<ActorNumber>,
    ) -> Value {
        for &pin in &pins {
            self.pin(pin);
        }
        for &actor in &actor_pins {
            self.actors.pin(actor);
        }
        let outcome = Outcome::value(payload);
        if pins.is_empty() && actor_pins.is_empty() {
            return Value::from_outcome(outcome);
        }
        Value::Full(Box::new(FullValue {
            outcome,
            pins,
            actor_pins,
        }))
    }

    /// The handle of an object, by its id, with one more count on it.
    pub fn borrow(&mut self, id: ObjectId, out: &mut Out) -> Handle {
        if id.owner == self.process
            && id.node == 0
            && let Some(entry) = self.table.get_mut(id.sequence)
        {
            entry.count += 1;
            return id.sequence;
        }
        if let Some(handle) = self.table.borrowed_handle(id) {
            self.pin(handle);
            return handle;
        }
        let mut entry = Entry::new(id, 1, Value::Pending);
        entry.known = true;
        out.effect(Effect::Hold(reference(id)));
        self.table.insert_borrowed(entry)
    }

    /// As [`Self::borrow`], for an object whose value came along with its id.
    pub fn borrow_with_value(&mut self, id: ObjectId, payload: Payload, out: &mut Out) -> Handle {
        let handle = self.borrow(id, out);
        if let Some(entry) = self.table.get(handle)
            && entry.value.is_pending()
            && entry.producer == NO_SLOT
        {
            self.complete(handle, Value::from_outcome(Outcome::value(payload)), out);
        }
        handle
    }

    /// The ids behind handles and actor handles, as they travel.
    pub fn nested_ids(&self, refs: &[Handle], actors: &[ActorNumber]) -> Vec<Nested> {
        let refs = refs
            .iter()
            .filter_map(|&handle| self.id(handle).map(reference));
        let actors = actors.iter().filter_map(|&actor| {
            self.actors.id(actor).map(|id| Nested {
                kind: NestedKind::Actor,
                id,
            })
        });
        refs.chain(actors).collect()
    }

    // ---- completing

    /// The value of an object is there: tells whoever waits for it.
    #[inline]
    pub fn complete(&mut self, handle: Handle, value: Value, out: &mut Out) {
        let Some(entry) = self.table.get_mut(handle) else {
            return;
        };
        entry.producer = NO_SLOT;
        if !entry.value.is_pending() {
            // A cancelled task's late result, or a second answer of the raylet: the first one stands.
            self.drop_if_unused(handle, out);
            return;
        }
        entry.value = value;
        let interest = std::mem::replace(&mut entry.interest, Interest::Nobody);
        let is_error = entry.value.is_error();
        let (is_published, is_unused) = (entry.published, entry.count == 0);
        if is_published {
            self.publish_outcome(handle, out);
        }
        match interest {
            Interest::Nobody => {}
            Interest::Wait(wait) => self.waits.advance(wait, is_error, &mut out.events),
            Interest::Many(interested) => {
                for wait in interested.waits {
                    self.waits.advance(wait, is_error, &mut out.events);
                }
                for task in interested.dependents {
                    out.follow(Work::ArgumentReady(task));
                }
            }
        }
        if is_unused {
            self.drop_if_unused(handle, out);
        }
    }

    /// An object gets an error that others have too. It pins what that carries (OB-3), which is held by whoever gave it
    /// until this has returned.
    pub fn complete_with(&mut self, handle: Handle, outcome: &Outcome, out: &mut Out) {
        let value = if outcome.payload.nested.is_empty() || !self.is_pending(handle) {
            Value::from_outcome(outcome.clone())
        } else {
            self.inherited_value(outcome, out)
        };
        self.complete(handle, value, out);
    }

    /// An error that pins what it is inherited of. Only objects are, no actors.
    fn inherited_value(&mut self, outcome: &Outcome, out: &mut Out) -> Value {
        let nested = outcome.payload.nested.iter();
        let objects = nested.filter(|item| item.kind == NestedKind::Ref);
        let pins = objects.map(|item| self.borrow(item.id, out)).collect();
        Value::Full(Box::new(FullValue {
            outcome: outcome.clone(),
            pins,
            actor_pins: Vec::new(),
        }))
    }

    /// The raylet tells the value of an object that was subscribed to.
    pub fn object_ready(&mut self, id: ObjectId, outcome: Outcome, out: &mut Out) {
        if let Some(handle) = self.table.borrowed_handle(id) {
            self.complete(handle, Value::from_outcome(outcome), out);
        }
    }

    /// A result is sealed for this process, which holds it from now on. False if nobody here wants it any more: then
    /// the raylet is told.
    pub fn is_sealed_for_us(&mut self, handle: Handle, out: &mut Out) -> bool {
        match self.table.get_mut(handle) {
            Some(entry) => {
                entry.known = true;
                true
            }
            None => {
                let id = ObjectId::local(self.process, handle);
                out.effect(Effect::LetGo(reference(id)));
                false
            }
        }
    }

    /// A result was, or may have been, sealed for this process and is not its value. The raylet is told once
    /// the entry goes, since a further attempt may seal it again; it does not mind a release of what it does
    /// not know.
    pub fn sealed_in_vain(&mut self, handle: Handle, out: &mut Out) {
        self.is_sealed_for_us(handle, out);
    }

    /// Reports every failed result that nobody has looked at, because the runtime ends and takes all refs along;
    /// `is_alone` if there is no raylet any more that decides about published ones (OB-5).
    pub fn report_unseen(&mut self, is_alone: bool, out: &mut Out) {
        let is_error = |&handle: &Handle| self.value(handle).is_some_and(Value::is_missed);
        let errors: Vec<Handle> = self.table.owned().filter(is_error).collect();
        for handle in errors {
            let others = self.part_shared_error(handle);
            if self.report(handle, is_alone, out) {
                self.note_seen(&others, out);
            }
        }
    }

    /// As [`Self::report`], of an object that nothing refers to any more: what is left of the same error may be looked at.
    fn report_last(&mut self, handle: Handle, out: &mut Out) -> bool {
        let has_others = || {
            let mut results = self.shared_errors.get(&handle)?.clone();
            results.find(|other| *other != handle && self.shared_errors.contains_key(other))
        };
        if !self.shared_errors.is_empty() && has_others().is_some() {
            return false;
        }
        self.report(handle, false, out)
    }

    /// OB-5. True if it is an error that is reported now: it is kept until that is done.
    fn report(&mut self, handle: Handle, is_alone: bool, out: &mut Out) -> bool {
        let Some(entry) = self.table.get_mut(handle) else {
            return false;
        };
        let is_decided_here = handle < BORROWED_BASE && (!entry.published || is_alone);
        if !is_decided_here || entry.seen || !entry.value.is_missed() {
            return false;
        }
        entry.seen = true;
        entry.count += 1;
        out.events.push(Event::UnhandledError { handle });
        true
    }

    /// The raylet has decided that an error has to be reported, and counts this process as a holder of it.
    pub fn error_unseen(&mut self, id: ObjectId, outcome: Outcome, out: &mut Out) {
        let known = (id.owner == self.process).then_some(id.sequence);
        let known = known.filter(|&handle| self.table.get(handle).is_some());
        let handle = match known.or_else(|| self.table.borrowed_handle(id)) {
            Some(handle) => {
                self.pin(handle);
                handle
            }
            None => {
                let mut entry = Entry::new(id, 1, Value::Pending);
                entry.known = true;
                self.table.insert_borrowed(entry)
            }
        };
        if self.is_pending(handle) {
            self.complete(handle, Value::from_outcome(outcome), out);
        }
        if let Some(entry) = self.table.get_mut(handle) {
            entry.seen = true;
        }
        out.events.push(Event::UnhandledError { handle });
    }

    // ---- interest

    /// Registers a task that needs the object.
    pub fn add_dependent(&mut self, handle: Handle, task: TaskKey, out: &mut Out) -> Argument {
        let Some(entry) = self.table.get_mut(handle) else {
            return Argument::There;
        };
        if !entry.value.is_pending() {
            return Argument::There;
        }
        entry.interest.add_dependent(task);
        self.subscribe(handle, out);
        Argument::Missing
    }

    /// Asks the raylet for the value of a borrowed object, once.
    fn subscribe(&mut self, handle: Handle, out: &mut Out) {
        let Some(entry) = self.table.get_mut(handle) else {
            return;
        };
        if handle >= BORROWED_BASE && !entry.subscribed && entry.value.is_pending() {
            entry.subscribed = true;
            out.tell(ToRaylet::Subscribe { id: entry.id });
        }
    }

    // ---- publication

    /// An owned ref leaves this process: the raylet answers for it from now on (OB-4).
    pub fn publish(&mut self, handle: Handle, out: &mut Out) {
        let mut leaving: SmallVec<[Handle; 4]> = smallvec![handle];
        while let Some(handle) = leaving.pop() {
            let shared = self.part_shared_error(handle);
            if !shared.is_empty() {
                self.publish_shared_error(&shared, out);
                continue;
            }
            let Some(entry) = self.table.get_mut(handle) else {
                continue;
            };
            if handle >= BORROWED_BASE || entry.published {
                continue;
            }
            entry.published = true;
            entry.known = true;
            // What the value carries leaves with it. The raylet hears of the value first, which does no harm: it
            // knows what it carries by id, and holds it then.
            if let Value::Full(full) = &entry.value {
                leaving.extend(full.pins.iter().copied());
            }
            let is_seen = entry.seen && entry.may_be_missed();
            let (id, outcome) = (entry.id, entry.value.outcome());
            out.tell(ToRaylet::Publish { id, outcome });
            if is_seen {
                out.effect(Effect::ErrorsSeen(vec![id]));
            }
        }
    }

    /// Somebody waits for an object of this process that the raylet has not heard of: who named it has died.
    pub fn wanted(&mut self, id: ObjectId, out: &mut Out) {
        if self.table.get(id.sequence).is_some() {
            self.publish(id.sequence, out);
        } else {
            out.tell(ToRaylet::ObjectGone { id });
        }
    }

    /// Reports the outcome of a published object.
    fn publish_outcome(&mut self, handle: Handle, out: &mut Out) {
        self.publish_inside(handle, out);
        let Some(entry) = self.table.get(handle) else {
            return;
        };
        if let Some(outcome) = entry.value.outcome() {
            let outcome = Some(outcome);
            out.tell(ToRaylet::Publish {
                id: entry.id,
                outcome,
            });
        }
    }

    /// Publishes the owned refs inside a locally made value, because the value is about to leave.
    pub fn publish_inside(&mut self, handle: Handle, out: &mut Out) {
        let Some(Value::Full(full)) = self.value(handle) else {
            return;
        };
        if full.pins.is_empty() {
            return;
        }
        for pin in full.pins.clone() {
            self.publish(pin, out);
        }
    }

    // ---- actors

    /// The number of an actor, by its id, with one more count on it. `is_held` if the raylet counts this
    /// process among its holders already.
    pub fn actor_number(
        &mut self,
        id: ActorId,
        is_ordered: bool,
        is_held: bool,
        out: &mut Out,
    ) -> ActorNumber {
        self.actors.number(id, is_ordered, is_held, out)
    }

    /// The number of an actor that something here refers to.
    pub fn known_actor(&self, id: ActorId) -> Option<ActorNumber> {
        self.actors.known(id)
    }

    /// The id of an actor.
    pub fn actor_id(&self, actor: ActorNumber) -> Option<ActorId> {
        self.actors.id(actor)
    }

    /// Whether an actor's calls start in order even when one has to wait for an argument.
    pub fn is_ordered(&self, actor: ActorNumber) -> bool {
        self.actors.is_ordered(actor)
    }

    /// One more count on an actor.
    pub fn pin_actor(&mut self, actor: ActorNumber) {
        self.actors.pin(actor);
    }

    /// One count less on an actor.
    pub fn release_actor(&mut self, actor: ActorNumber, out: &mut Out) {
        self.actors.release(actor, out);
    }

    // ---- `get` and `wait`

    /// Starts a `get`: writes the record if it can end now.
    pub fn start_get(
        &mut self,
        handles: &[Handle],
        is_reported: bool,
        record: &mut RecordWriter,
        out: &mut Out,
    ) -> WaitStart {
        let mut missing = 0;
        for (position, &handle) in handles.iter().enumerate() {
            match self.value(handle).map(Value::status) {
                None => return WaitStart::Unknown(position),
                Some(None) => missing += 1,
                Some(Some(Status::Value)) => {}
                Some(Some(_)) => {
                    self.write_get(0, handles, record, out);
                    return WaitStart::Done;
                }
            }
        }
        if missing == 0 {
            self.write_get(0, handles, record, out);
            return WaitStart::Done;
        }
        // An object that stands twice registers twice and counts twice.
        WaitStart::Pending(self.begin_wait(handles, Goal::All { missing }, is_reported, out))
    }

    /// Starts a `wait` for `needed` of the objects.
    pub fn start_wait(
        &mut self,
        handles: &[Handle],
        needed: usize,
        is_reported: bool,
        record: &mut RecordWriter,
        out: &mut Out,
    ) -> WaitStart {
        if let Some(position) = duplicate(handles) {
            return WaitStart::Duplicate(position);
        }
        let mut ready = 0;
        for (position, &handle) in handles.iter().enumerate() {
            match self.value(handle) {
                None => return WaitStart::Unknown(position),
                Some(Value::Pending) => {}
                Some(_) => ready += 1,
            }
            // The rest is not looked at: a loop that waits for one of many refs would take quadratic time.
            if ready >= needed {
                self.write_wait(0, handles, needed, record);
                return WaitStart::Done;
            }
        }
        let goal = Goal::Any { needed, ready };
        WaitStart::Pending(self.begin_wait(handles, goal, is_reported, out))
    }

    /// Starts a `wait` for each single one that is not there. Their numbers follow each other, in their order, from the one
    /// that the record has; it lists the positions of those that are there.
    pub fn watch(
        &mut self,
        handles: &[Handle],
        record: &mut RecordWriter,
        out: &mut Out,
    ) -> WaitStart {
        if let Some(position) = handles
            .iter()
            .position(|&handle| self.value(handle).is_none())
        {
            return WaitStart::Unknown(position);
        }
        self.write_wait(self.waits.next_number(), handles, handles.len(), record);
        for &handle in handles {
            if self.is_pending(handle) {
                let goal = Goal::Any {
                    needed: 1,
                    ready: 0,
                };
                self.begin_wait(&[handle], goal, true, out);
            }
        }
        WaitStart::Done
    }

    fn begin_wait(
        &mut self,
        handles: &[Handle],
        goal: Goal,
        is_reported: bool,
        out: &mut Out,
    ) -> u32 {
        let number = self.waits.begin(handles, goal, is_reported);
        for &handle in handles {
            let waits = &self.waits;
            if let Some(entry) = self.table.get_mut(handle)
                && entry.value.is_pending()
            {
                entry.interest.add_wait(number, |wait| waits.is_open(wait));
                self.subscribe(handle, out);
            }
        }
        number
    }

    /// True if a blocked wait has ended.
    pub fn is_wait_done(&self, number: u32) -> bool {
        self.waits.is_done(number)
    }

    /// True if a wait has neither been finished nor withdrawn.
    pub fn is_wait_open(&self, number: u32) -> bool {
        self.waits.is_open(number)
    }

    /// Ends a wait and writes its record; what is ready now if it was cut short.
    pub fn finish_wait(&mut self, number: u32, record: &mut RecordWriter, out: &mut Out) {
        let Some(wait) = self.waits.take(number) else {
            return;
        };
        match wait.goal {
            Goal::All { .. } => self.write_get(number, &wait.handles, record, out),
            Goal::Any { needed, .. } => self.write_wait(number, &wait.handles, needed, record),
        }
    }

    /// Forgets a wait.
    pub fn withdraw_wait(&mut self, number: u32) {
        self.waits.take(number);
    }

    /// Writes which objects are there, at most `needed`, by their positions.
    pub fn write_wait(
        &self,
        number: u32,
        handles: &[Handle],
        needed: usize,
        record: &mut RecordWriter,
    ) {
        record.begin(EVENT_WAIT);
        record.u32(number);
        let count_at = record.bytes.len();
        record.u32(0);
        let mut count = 0;
        for (position, &handle) in handles.iter().enumerate() {
            if count == needed {
                break;
            }
            if self.value(handle).is_some_and(|value| !value.is_pending()) {
                record.u32(position as u32);
                count += 1;
            }
        }
        record.bytes[count_at..count_at + 4].copy_from_slice(&(count as u32).to_le_bytes());
        record.end();
    }

    /// Writes the values, or the first error alone.
    fn write_get(
        &mut self,
        number: u32,
        handles: &[Handle],
        record: &mut RecordWriter,
        out: &mut Out,
    ) {
        let is_failed = |&handle: &Handle| self.value(handle).is_some_and(Value::is_error);
        let failed = handles.iter().copied().find(is_failed);
        record.begin(EVENT_GET);
        record.u32(number);
        match failed {
            Some(handle) => {
                record.u32(1);
                // Whoever asked for all of them has seen that it failed, whatever becomes of the others.
                self.note_seen(handles, out);
                self.write_value(handle, record);
            }
            None => {
                record.u32(handles.len() as u32);
                for &handle in handles {
                    self.write_value(handle, record);
                }
            }
        }
        record.end();
    }

    /// Writes the value of one object.
    pub fn write_value(&self, handle: Handle, record: &mut RecordWriter) {
        match self.value(handle) {
            Some(Value::Inline { status, meta }) => {
                record.inline_value(*status as u32, handle, meta);
            }
            Some(Value::Full(full)) => {
                record.value(full.outcome.status as u32, handle, &full.outcome.payload);
            }
            Some(Value::Pending) | None => {
                debug_assert!(false, "the value of an object that is not there");
                record.inline_value(Status::SystemError as u32, handle, &[]);
            }
        }
    }
}

fn reference(id: ObjectId) -> Nested {
    Nested {
        kind: NestedKind::Ref,
        id,
    }
}

/// The position of the first handle that stands a second time.
fn duplicate(handles: &[Handle]) -> Option<usize> {
    if handles.windows(2).all(|pair| pair[0] < pair[1]) {
        return None;
    }
    if handles.len() <= DUPLICATES_BY_SCAN_MAX {
        return (1..handles.len())
            .find(|&position| handles[..position].contains(&handles[position]));
    }
    let mut seen = HashSet::with_capacity(handles.len());
    handles.iter().position(|&handle| !seen.insert(handle))
}

#[cfg(test)]
mod tests;
