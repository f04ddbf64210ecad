//! The objects that more than one process, or the store, knows of: a pure state machine.
//!
//! Owns: who holds an object, which extents it occupies, what it carries inside, its value once it is
//! published, who waits for that, and whether anybody has looked at it if it is an error. Is not: the
//! allocator, or a socket; it answers with [`Effect`]s.
//!
//! Invariants:
//! - **OD-1:** a record exists while it has a holder, or while somebody waits for its value.
//! - **OD-2:** an extent is freed once, when the record of its object goes.
//! - **OD-3:** what a record carries inside is held by it exactly as long as it exists.
//! - **OD-4:** a subscriber is answered once: with the value, with `OwnerDiedError` when the owner has
//!   ended without publishing one, or with `ObjectLostError` when the owner has none.
//! - **OD-5:** what a process holds, it holds until it is forgotten: when it has ended, others may still take from it what
//!   they then hold themselves.
//! - **OD-6:** a published error that nobody has asked for is reported once if nobody has said that it was seen: when
//!   nobody holds it any more, or when the runtime ends. The driver holds it then, so that it can still be read. The
//!   results of one task that have failed with it are one error: seen through one of them, it is seen.
//!
//! Messages of different processes cross each other, so a hold or subscription may name an object that
//! its owner has not published yet; that makes a record, which the publication completes. It may also name one that is
//! gone: who named it to the subscriber had died. So the owner is asked.

use eagleray_object_store::Extent;
use eagleray_protocol::{DRIVER, Nested, NestedKind, ObjectId, Outcome, ProcessNumber};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::effects::{Effect, Holder};
use crate::errors;
use crate::living::Living;
use crate::small_set::SmallSet;

/// The life of an object's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectState {
    /// Its value is not known here.
    Pending,
    /// Its value, or why there is none, is known here.
    Resolved,
    /// Nobody holds it.
    Gone,
}

/// Told of every change of an object's state: its id, the state before (`None` at first), the state after.
pub(crate) type ObjectObserver = Box<dyn FnMut(ObjectId, Option<ObjectState>, ObjectState) + Send>;

struct Record {
    state: ObjectState,
    outcome: Option<Outcome>,
    extents: Vec<Extent>,
    nested: SmallSet<Nested>,
    holders: SmallSet<Holder>,
    subscribers: Vec<ProcessNumber>,
    /// Its owner has said that others may ask for its value.
    published: bool,
    /// Its owner was asked for it.
    asked: bool,
    /// If it is an error: somebody has looked at it, or it was reported.
    seen: bool,
    /// If other objects are the same error: its entry in `shared_errors`.
    shared_error: Option<ObjectId>,
}

/// An error that several objects are.
struct SharedError {
    /// Records of it.
    records: usize,
    seen: bool,
}

impl Record {
    /// True if it is an error that has not been seen through this object. What is not published its owner reports itself.
    fn is_unseen_error(&self) -> bool {
        let is_missed = || self.outcome.as_ref().is_some_and(Outcome::is_missed);
        self.published && !self.seen && is_missed()
    }
}

/// All records.
#[derive(Default)]
pub(crate) struct ObjectDirectory {
    records: FxHashMap<ObjectId, Record>,
    held_by: FxHashMap<ProcessNumber, FxHashSet<ObjectId>>,
    /// Objects whose value is not known, by their owner.
    pending_of: FxHashMap<ProcessNumber, FxHashSet<ObjectId>>,
    /// Objects whose value a process waits for.
    subscribed_by: FxHashMap<ProcessNumber, FxHashSet<ObjectId>>,
    /// By one of the objects that are the error.
    shared_errors: FxHashMap<ObjectId, SharedError>,
    living: Living,
    /// Processes that have ended and are not forgotten (OD-5).
    ended: FxHashSet<ProcessNumber>,
    observer: Option<ObjectObserver>,
}

impl ObjectDirectory {
    /// Number of records.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Listens to every transition from now on.
    #[cfg(test)]
    pub(crate) fn set_observer(&mut self, observer: ObjectObserver) {
        self.observer = Some(observer);
    }

    /// True if a process holds something.
    pub(crate) fn holds_any(&self, process: ProcessNumber) -> bool {
        self.held_by
            .get(&process)
            .is_some_and(|held| !held.is_empty())
    }

    /// True if others wait, or may wait, for a value that only this process can give.
    pub(crate) fn is_awaited_of(&self, owner: ProcessNumber) -> bool {
        self.pending_of.get(&owner).is_some_and(|ids| {
            ids.iter().any(|id| {
                self.records.get(id).is_some_and(|record| {
                    record
                        .holders
                        .iter()
                        .any(|&holder| holder != Holder::Process(owner))
                })
            })
        })
    }

    /// True if nobody but its owner holds an object, or nobody at all.
    pub(crate) fn is_only_its_owners(&self, id: ObjectId) -> bool {
        let owner = Holder::Process(id.owner);
        self.records
            .get(&id)
            .is_none_or(|record| record.holders.iter().all(|&holder| holder == owner))
    }

    /// A process has started.
    pub(crate) fn process_started(&mut self, process: ProcessNumber) {
        self.living.insert(process);
    }

    /// Extents become an object; the caller has taken them out of the sender's lease. One for a process that is gone is
    /// held by nobody, unless somebody holds it already.
    pub(crate) fn seal(
        &mut self,
        id: ObjectId,
        holder: ProcessNumber,
        extents: Vec<Extent>,
        nested: Vec<Nested>,
        out: &mut Vec<Effect>,
    ) {
        self.record(id).extents.extend(extents);
        self.carry(id, &nested, out);
        if self.may_hold(holder) {
            self.add_holder(id, Holder::Process(holder));
        } else {
            self.remove_if_unused(id, out);
        }
    }

    /// Somebody holds an object from now on.
    pub(crate) fn hold(&mut self, id: ObjectId, holder: Holder, out: &mut Vec<Effect>) {
        if matches!(holder, Holder::Process(process) if !self.may_hold(process)) {
            return;
        }
        self.add_holder(id, holder);
        self.fail_if_owner_is_dead(id, holder, out);
    }

    /// Somebody lets go.
    pub(crate) fn release(&mut self, id: ObjectId, holder: Holder, out: &mut Vec<Effect>) {
        self.remove_holder(id, holder);
        self.remove_if_unused(id, out);
    }

    /// A ref has left its owner, with its value if that is known.
    pub(crate) fn publish(
        &mut self,
        id: ObjectId,
        outcome: Option<Outcome>,
        out: &mut Vec<Effect>,
    ) {
        self.add_holder(id, Holder::Process(id.owner));
        self.record(id).published = true;
        if let Some(outcome) = outcome {
            self.resolve(id, outcome, out);
        }
    }

    /// The owner of an object that was asked for it has none.
    pub(crate) fn gone(&mut self, id: ObjectId, out: &mut Vec<Effect>) {
        let is_known =
            |record: &Record| record.published || record.holders.contains(&Holder::Actor(id));
        // What it has said since it was asked stands.
        if !self.records.get(&id).is_some_and(is_known) {
            let error = Outcome::system_error(&errors::object_lost(id));
            self.resolve(id, error, out);
        }
    }

    /// The value of an object is known. The first one stands.
    pub(crate) fn resolve(&mut self, id: ObjectId, outcome: Outcome, out: &mut Vec<Effect>) {
        let Some(record) = self.records.get_mut(&id) else {
            return;
        };
        if record.outcome.is_some() {
            return;
        }
        let nested = outcome.payload.nested.to_vec();
        let subscribers = std::mem::take(&mut record.subscribers);
        record.outcome = Some(outcome.clone());
        self.transition(id, ObjectState::Resolved);
        self.carry(id, &nested, out);
        for process in subscribers {
            if let Some(ids) = self.subscribed_by.get_mut(&process) {
                ids.remove(&id);
            }
            let outcome = outcome.clone();
            out.push(Effect::Notify {
                process,
                id,
                outcome,
            });
        }
        self.remove_if_unused(id, out);
    }

    /// A process wants an object's value, now or when it is there.
    pub(crate) fn subscribe(
        &mut self,
        id: ObjectId,
        process: ProcessNumber,
        out: &mut Vec<Effect>,
    ) {
        let record = self.record(id);
        match &record.outcome {
            Some(outcome) => out.push(Effect::Notify {
                process,
                id,
                outcome: outcome.clone(),
            }),
            None if record.subscribers.contains(&process) => {}
            None => {
                record.subscribers.push(process);
                let is_actor = record.holders.contains(&Holder::Actor(id));
                if !record.published && !is_actor && !std::mem::replace(&mut record.asked, true) {
                    out.push(Effect::Ask { id });
                }
                self.subscribed_by.entry(process).or_default().insert(id);
            }
        }
        self.fail_if_owner_is_dead(id, Holder::Process(process), out);
        self.remove_if_unused(id, out);
    }

    /// Somebody has looked at the errors that these are, or will be.
    pub(crate) fn errors_seen(&mut self, ids: &[ObjectId]) {
        for id in ids {
            if let Some(record) = self.records.get_mut(id) {
                record.seen = true;
                let shared = record.shared_error.as_ref();
                if let Some(shared) = shared.and_then(|name| self.shared_errors.get_mut(name)) {
                    shared.seen = true;
                }
            }
        }
    }

    /// These objects are one error, or will be.
    pub(crate) fn one_error(&mut self, ids: &[ObjectId]) {
        // No process says it twice of an object; if one does, what it has said first stands.
        let fresh = |name: &&ObjectId| !self.shared_errors.contains_key(name);
        let Some(&name) = ids.first().filter(fresh) else {
            return;
        };
        let mut shared = SharedError {
            records: 0,
            seen: false,
        };
        for id in ids {
            if let Some(record) = self.records.get_mut(id)
                && record.shared_error.is_none()
            {
                record.shared_error = Some(name);
                shared.records += 1;
                shared.seen |= record.seen;
            }
        }
        if shared.records > 0 {
            self.shared_errors.insert(name, shared);
        }
    }

    /// The runtime ends: what nobody has looked at by now, nobody ever does (OD-6).
    pub(crate) fn report_unseen(&mut self, out: &mut Vec<Effect>) {
        let records = self.records.iter();
        let unseen = records.filter(|(_, record)| record.is_unseen_error());
        for id in sorted(unseen.map(|(&id, _)| id).collect()) {
            self.report_if_unseen(id, true, out);
        }
    }

    /// OD-6. True if the object is the driver's to report, which holds it now. `is_end` if nobody looks at anything any
    /// more: until then, what is left of the same error may be looked at.
    fn report_if_unseen(&mut self, id: ObjectId, is_end: bool, out: &mut Vec<Effect>) -> bool {
        if !self.may_hold(DRIVER) {
            return false;
        }
        let Some(record) = self.records.get_mut(&id) else {
            return false;
        };
        if !record.is_unseen_error() {
            return false;
        }
        let shared = record.shared_error.as_ref();
        if let Some(shared) = shared.and_then(|name| self.shared_errors.get_mut(name)) {
            let may_be_seen = !is_end && shared.records > 1;
            if shared.seen || may_be_seen {
                return false;
            }
            shared.seen = true;
        }
        record.seen = true;
        if let Some(outcome) = record.outcome.clone() {
            out.push(Effect::Report { id, outcome });
        }
        self.add_holder(id, Holder::Process(DRIVER));
        true
    }

    /// A process has ended: it waits for nothing any more, and what only it could give never comes.
    pub(crate) fn process_ended(&mut self, process: ProcessNumber, out: &mut Vec<Effect>) {
        self.living.remove(process);
        self.ended.insert(process);
        let subscribed = self.subscribed_by.remove(&process).unwrap_or_default();
        for id in sorted(subscribed) {
            if let Some(record) = self.records.get_mut(&id) {
                record.subscribers.retain(|&other| other != process);
            }
            self.remove_if_unused(id, out);
        }
        let pending = self.pending_of.get(&process).cloned().unwrap_or_default();
        for id in sorted(pending) {
            self.fail_if_owner_is_dead(id, Holder::Process(process), out);
        }
    }

    /// Nobody takes anything any more from a process that has ended: it lets go of what it held (OD-5).
    pub(crate) fn forget_process(&mut self, process: ProcessNumber, out: &mut Vec<Effect>) {
        self.ended.remove(&process);
        for id in sorted(self.held_by.remove(&process).unwrap_or_default()) {
            self.release(id, Holder::Process(process), out);
        }
    }

    /// False for a process that is forgotten: it would never let go.
    fn may_hold(&self, process: ProcessNumber) -> bool {
        !self.living.has_ended(process) || self.ended.contains(&process)
    }

    /// OD-4. The readiness of an actor is the raylet's to tell, so it survives the actor's creator.
    fn fail_if_owner_is_dead(&mut self, id: ObjectId, holder: Holder, out: &mut Vec<Effect>) {
        let Some(record) = self.records.get(&id) else {
            return;
        };
        let is_actor =
            || holder == Holder::Actor(id) || record.holders.contains(&Holder::Actor(id));
        if self.living.has_ended(id.owner) && record.outcome.is_none() && !is_actor() {
            let error = errors::owner_died(id);
            self.resolve(id, Outcome::system_error(&error), out);
        }
    }

    fn record(&mut self, id: ObjectId) -> &mut Record {
        let Self {
            records,
            pending_of,
            observer,
            ..
        } = self;
        records.entry(id).or_insert_with(|| {
            pending_of.entry(id.owner).or_default().insert(id);
            if let Some(observer) = observer {
                observer(id, None, ObjectState::Pending);
            }
            Record {
                state: ObjectState::Pending,
                outcome: None,
                extents: Vec::new(),
                nested: SmallSet::default(),
                holders: SmallSet::default(),
                subscribers: Vec::new(),
                published: false,
                asked: false,
                seen: false,
                shared_error: None,
            }
        })
    }

    fn add_holder(&mut self, id: ObjectId, holder: Holder) {
        let record = self.record(id);
        if record.holders.insert(holder)
            && let Holder::Process(process) = holder
        {
            self.held_by.entry(process).or_default().insert(id);
        }
    }

    fn remove_holder(&mut self, id: ObjectId, holder: Holder) {
        if let Some(record) = self.records.get_mut(&id) {
            record.holders.remove(&holder);
        }
        if let Holder::Process(process) = holder
            && let Some(held) = self.held_by.get_mut(&process)
        {
            held.remove(&id);
        }
    }

    /// OD-3: an object carries ids inside.
    fn carry(&mut self, id: ObjectId, nested: &[Nested], out: &mut Vec<Effect>) {
        for &item in nested {
            let record = self.record(id);
            if !record.nested.insert(item) {
                continue;
            }
            let holder = Holder::Object(id);
            match item.kind {
                NestedKind::Ref => {
                    self.add_holder(item.id, holder);
                    self.fail_if_owner_is_dead(item.id, holder, out);
                }
                NestedKind::Actor => out.push(Effect::HoldActor {
                    actor: item.id,
                    holder,
                }),
            }
        }
    }

    /// OD-1. Iterative, because objects may contain each other in chains of any length.
    fn remove_if_unused(&mut self, id: ObjectId, out: &mut Vec<Effect>) {
        let mut candidates = vec![id];
        while let Some(id) = candidates.pop() {
            let is_unused =
                |record: &&Record| record.holders.is_empty() && record.subscribers.is_empty();
            let Some(record) = self.records.get(&id).filter(is_unused) else {
                continue;
            };
            if record.is_unseen_error() && self.report_if_unseen(id, false, out) {
                continue;
            }
            self.transition(id, ObjectState::Gone);
            let Some(record) = self.records.remove(&id) else {
                continue;
            };
            self.leave_shared_error(record.shared_error);
            out.extend(record.extents.into_iter().map(Effect::Free));
            let holder = Holder::Object(id);
            for item in record.nested {
                match item.kind {
                    NestedKind::Ref => {
                        self.remove_holder(item.id, holder);
                        candidates.push(item.id);
                    }
                    NestedKind::Actor => out.push(Effect::ReleaseActor {
                        actor: item.id,
                        holder,
                    }),
                }
            }
        }
    }

    /// One record less of an error that several objects are.
    fn leave_shared_error(&mut self, name: Option<ObjectId>) {
        let Some(name) = name else {
            return;
        };
        if let Some(shared) = self.shared_errors.get_mut(&name) {
            shared.records -= 1;
            if shared.records == 0 {
                self.shared_errors.remove(&name);
            }
        }
    }

    /// The only place where an object changes its state.
    fn transition(&mut self, id: ObjectId, to: ObjectState) {
        let Some(record) = self.records.get_mut(&id) else {
            return;
        };
        let from = record.state;
        record.state = to;
        if from == ObjectState::Pending
            && let Some(pending) = self.pending_of.get_mut(&id.owner)
        {
            pending.remove(&id);
            if pending.is_empty() {
                self.pending_of.remove(&id.owner);
            }
        }
        if let Some(observer) = &mut self.observer {
            observer(id, Some(from), to);
        }
    }
}

fn sorted(ids: FxHashSet<ObjectId>) -> Vec<ObjectId> {
    let mut ids: Vec<ObjectId> = ids.into_iter().collect();
    ids.sort_unstable();
    ids
}

#[cfg(test)]
mod tests;
