//! The actors of the node through all their restarts: a pure state machine.
//!
//! Owns: an actor's state, name, holders, callers, restarts, and the spec that restarts need. Is not: the
//! scheduler, which finds the place, or the shell, which opens connections; it answers with [`Effect`]s.
//!
//! Invariants:
//! - **AD-1:** a name belongs to one actor that is not dead.
//! - **AD-2:** the object of an actor's id is resolved once: when it is first ready, or when it dies before.
//! - **AD-3:** a caller is told each state after the one that it was told before; nothing follows `Dead`.
//! - **AD-4:** what an actor's constructor needs is held until the actor is dead for good.
//! - **AD-5:** a record goes when its actor is dead and nobody holds it. Who names it afterwards is told that it is dead.
//! - **AD-6:** what a process holds, it holds until it is forgotten: when it has ended, others may still take from it what
//!   they then hold themselves.
//!
//! Messages of different processes cross each other, so a hold or a caller may come before the actor is
//! registered; that makes a record in the state [`ActorStage::Announced`].

mod endings;

use std::collections::BTreeSet;

use eagleray_protocol::{
    ActorId, ActorOptions, ActorSpec, NamedActor, Nested, NestedKind, Outcome, ProcessNumber,
    SystemError, encode,
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::effects::{CallerNews, Effect, Holder};
use crate::errors;
use crate::living::Living;

/// The life of an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActorStage {
    /// Somebody has heard of it, its creator has not registered it yet.
    Announced,
    /// Known; its constructor's arguments are not there.
    Registered,
    /// Waits for a place, for the first time or again.
    Wanted,
    /// Its constructor runs.
    Starting,
    /// Answers calls.
    Alive,
    /// Gone for good.
    Dead,
}

/// Told of every change of an actor's stage: its id, the stage before, the stage after.
pub(crate) type ActorObserver = Box<dyn FnMut(ActorId, ActorStage, ActorStage) + Send>;

struct Record {
    stage: ActorStage,
    number: u64,
    /// Whose end is its end unless it is detached: who made it, or the driver if that has ended in order.
    creator: ProcessNumber,
    options: Option<ActorOptions>,
    spec: Option<Box<ActorSpec>>,
    worker: Option<ProcessNumber>,
    restarts: u32,
    holders: FxHashSet<Holder>,
    callers: BTreeSet<ProcessNumber>,
    /// The process that it has was killed for somebody who has asked for it.
    was_killed: bool,
    /// Why it is dead.
    death: Option<SystemError>,
}

/// What came of a registration.
#[derive(Clone, Debug)]
pub(crate) enum Registration {
    Created,
    /// One of that name was there, and was wanted instead; the sender holds it now.
    Existing(NamedActor),
    /// The name is taken, or the id is.
    Refused,
}

/// All actors.
#[derive(Default)]
pub(crate) struct ActorDirectory {
    records: FxHashMap<ActorId, Record>,
    by_number: FxHashMap<u64, ActorId>,
    by_worker: FxHashMap<ProcessNumber, ActorId>,
    names: FxHashMap<(String, String), ActorId>,
    held_by: FxHashMap<ProcessNumber, FxHashSet<ActorId>>,
    called_by: FxHashMap<ProcessNumber, FxHashSet<ActorId>>,
    made_by: FxHashMap<ProcessNumber, FxHashSet<ActorId>>,
    /// The newest actor that each living process has registered. A process registers its actors in the order of their
    /// ids, so one that is older and has no record was there, and is forgotten.
    newest_of: FxHashMap<ProcessNumber, u64>,
    living: Living,
    numbers: u64,
    observer: Option<ActorObserver>,
}

impl ActorDirectory {
    /// Number of actors that are alive.
    pub(crate) fn living(&self) -> usize {
        self.records
            .values()
            .filter(|record| record.stage == ActorStage::Alive)
            .count()
    }

    /// True if an actor waits for a place.
    pub(crate) fn has_wanted(&self) -> bool {
        self.records
            .values()
            .any(|record| record.stage == ActorStage::Wanted)
    }

    /// True if a living actor has resources for as long as it lives.
    pub(crate) fn has_holders(&self) -> bool {
        self.records.values().any(|record| {
            record.stage == ActorStage::Alive
                && (record.options.as_ref()).is_some_and(|options| !options.held.is_empty())
        })
    }

    /// True if a process holds an actor that has not died: its process, and what it keeps, are there for that.
    pub(crate) fn holds_living(&self, process: ProcessNumber) -> bool {
        let held = self.held_by.get(&process).into_iter().flatten();
        held.filter_map(|id| self.records.get(id))
            .any(|record| record.stage != ActorStage::Dead)
    }

    /// Listens to every transition from now on.
    #[cfg(test)]
    pub(crate) fn set_observer(&mut self, observer: ActorObserver) {
        self.observer = Some(observer);
    }

    /// A process has started.
    pub(crate) fn process_started(&mut self, process: ProcessNumber) {
        self.living.insert(process);
    }

    /// True if a process made actors that live on only with it.
    pub(crate) fn has_dependents_of(&self, creator: ProcessNumber) -> bool {
        let made = self.made_by.get(&creator).into_iter().flatten();
        made.filter_map(|id| self.records.get(id))
            .any(Record::depends_on_creator)
    }

    /// What the actor of a worker is made of.
    pub(crate) fn spec(&self, actor: ActorId) -> Option<&ActorSpec> {
        self.records.get(&actor)?.spec.as_deref()
    }

    /// The id of an actor, by the scheduler's number for it.
    pub(crate) fn by_number(&self, number: u64) -> Option<ActorId> {
        self.by_number.get(&number).copied()
    }

    /// An actor is known from now on; its creator, who owns the id, holds it.
    pub(crate) fn register(
        &mut self,
        id: ActorId,
        options: ActorOptions,
        get_if_exists: bool,
        out: &mut Vec<Effect>,
    ) -> Registration {
        let creator = Holder::Process(id.owner);
        let newest = self.newest_of.entry(id.owner).or_default();
        *newest = id.sequence.max(*newest);
        let name = (options.namespace.clone(), options.name.clone());
        if let Some(&existing) = self.names.get(&name) {
            if !get_if_exists {
                return Registration::Refused;
            }
            let handle = self.handle(existing);
            self.hold(existing, creator);
            return Registration::Existing(NamedActor {
                id: existing,
                handle,
            });
        }
        let record = self.record(id);
        if record.stage != ActorStage::Announced {
            return Registration::Refused;
        }
        record.options = Some(options);
        self.add_holder(id, creator);
        self.made_by.entry(id.owner).or_default().insert(id);
        if !name.1.is_empty() {
            self.names.insert(name, id);
        }
        self.transition(id, ActorStage::Registered);
        out.push(Effect::HoldObject {
            id,
            holder: Holder::Actor(id),
        });
        Registration::Created
    }

    /// The arguments of the constructor are there.
    pub(crate) fn create(&mut self, spec: ActorSpec, out: &mut Vec<Effect>) {
        let id = spec.id;
        let Some(record) = self
            .records
            .get_mut(&id)
            .filter(|record| record.stage == ActorStage::Registered)
        else {
            return;
        };
        for hold in &spec.holds {
            out.push(held(*hold, Holder::Actor(id)));
        }
        let options = ActorOptions {
            // The one that it was registered with is known as long as the actor.
            environment: record.options.as_ref().map_or(0, |known| known.environment),
            ..spec.options.clone()
        };
        record.options = Some(options.clone());
        record.spec = Some(Box::new(spec));
        let number = record.number;
        self.transition(id, ActorStage::Wanted);
        out.push(Effect::Place { number, options });
    }

    /// A registered actor will never start, or the scheduler can't place it.
    pub(crate) fn fail(&mut self, id: ActorId, error: SystemError, out: &mut Vec<Effect>) {
        self.die(id, error, out);
    }

    /// The scheduler has found a place. False if the actor does not want one any more.
    pub(crate) fn placed(
        &mut self,
        id: ActorId,
        worker: ProcessNumber,
        gpu_ids: Vec<String>,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some(record) = self
            .records
            .get_mut(&id)
            .filter(|record| record.stage == ActorStage::Wanted)
        else {
            return false;
        };
        record.worker = Some(worker);
        let restarts = record.restarts;
        self.by_worker.insert(worker, id);
        self.transition(id, ActorStage::Starting);
        out.push(Effect::Start {
            actor: id,
            worker,
            gpu_ids,
            restarts,
        });
        true
    }

    /// A worker has run its actor's constructor.
    pub(crate) fn started(
        &mut self,
        worker: ProcessNumber,
        outcome: Outcome,
        out: &mut Vec<Effect>,
    ) {
        let Some(&id) = self.by_worker.get(&worker) else {
            return;
        };
        let Some(record) = self
            .records
            .get_mut(&id)
            .filter(|record| record.stage == ActorStage::Starting)
        else {
            return;
        };
        if outcome.is_error() {
            let mut error = errors::actor_died(id, record.class_name(), None, None);
            error.cause = Some(encode(&outcome).into());
            self.die(id, error, out);
            return;
        }
        let callers = record.callers.clone();
        self.transition(id, ActorStage::Alive);
        out.push(Effect::Resolve { id, outcome });
        for process in callers {
            out.push(Effect::Connect {
                process,
                actor: id,
                worker,
            });
        }
        self.end_if_unheld(id, out);
    }

    /// A process wants to call an actor.
    pub(crate) fn connect(&mut self, id: ActorId, process: ProcessNumber, out: &mut Vec<Effect>) {
        self.called_by.entry(process).or_default().insert(id);
        let record = self.record(id);
        record.callers.insert(process);
        let news = match (record.stage, record.worker, &record.death) {
            (ActorStage::Dead, _, Some(error)) => CallerNews::Dead(error.clone()),
            (ActorStage::Alive, Some(worker), _) => {
                out.push(Effect::Connect {
                    process,
                    actor: id,
                    worker,
                });
                return;
            }
            _ => CallerNews::Pending,
        };
        out.push(Effect::Tell {
            process,
            actor: id,
            news,
        });
        self.fail_if_never_registered(id, out);
    }

    /// Ends an actor at once.
    pub(crate) fn kill(&mut self, id: ActorId, may_restart: bool, out: &mut Vec<Effect>) {
        let Some(record) = self.records.get_mut(&id) else {
            return;
        };
        let reason = "it was killed";
        let worker = record.worker;
        // Without a process there is nothing to be started again, but it counts: the actor that may not restart dies.
        let is_coming = matches!(record.stage, ActorStage::Registered | ActorStage::Wanted);
        if !may_restart || is_coming && !record.use_up_restart() {
            let error = errors::actor_died(id, record.class_name(), Some(reason), None);
            self.die(id, error.on_purpose(), out);
        } else {
            record.was_killed = worker.is_some();
        }
        if let Some(worker) = worker {
            out.push(Effect::Kill {
                worker,
                reason: reason.to_owned(),
            });
        }
    }

    /// Looks a living actor up. The one who asks holds it from now on, so that it can't go before the
    /// answer has come.
    pub(crate) fn find(
        &mut self,
        name: &str,
        namespace: &str,
        process: ProcessNumber,
    ) -> Option<NamedActor> {
        let name = (namespace.to_owned(), name.to_owned());
        let id = *self.names.get(&name)?;
        self.hold(id, Holder::Process(process));
        Some(NamedActor {
            id,
            handle: self.handle(id),
        })
    }

    /// Somebody holds an actor.
    pub(crate) fn hold(&mut self, id: ActorId, holder: Holder) {
        if !matches!(holder, Holder::Process(process) if self.living.has_ended(process)) {
            self.add_holder(id, holder);
        }
    }

    /// Somebody lets go.
    pub(crate) fn release(&mut self, id: ActorId, holder: Holder, out: &mut Vec<Effect>) {
        let Some(record) = self.records.get_mut(&id) else {
            return;
        };
        record.holders.remove(&holder);
        if let Holder::Process(process) = holder {
            record.callers.remove(&process);
            forget_one(&mut self.held_by, process, id);
            forget_one(&mut self.called_by, process, id);
        }
        self.end_if_unheld(id, out);
    }

    fn add_holder(&mut self, id: ActorId, holder: Holder) {
        self.record(id).holders.insert(holder);
        if let Holder::Process(process) = holder {
            self.held_by.entry(process).or_default().insert(id);
        }
    }

    fn handle(&self, id: ActorId) -> String {
        let options = self
            .records
            .get(&id)
            .and_then(|record| record.options.as_ref());
        options.map_or_else(String::new, |options| options.handle.clone())
    }

    fn record(&mut self, id: ActorId) -> &mut Record {
        let Self {
            records,
            by_number,
            numbers,
            ..
        } = self;
        records.entry(id).or_insert_with(|| {
            *numbers += 1;
            by_number.insert(*numbers, id);
            Record {
                stage: ActorStage::Announced,
                number: *numbers,
                creator: id.owner,
                options: None,
                spec: None,
                worker: None,
                restarts: 0,
                holders: FxHashSet::default(),
                callers: BTreeSet::new(),
                was_killed: false,
                death: None,
            }
        })
    }

    /// The only place where an actor changes its stage.
    fn transition(&mut self, id: ActorId, to: ActorStage) {
        if let Some(record) = self.records.get_mut(&id) {
            let from = std::mem::replace(&mut record.stage, to);
            if let Some(observer) = &mut self.observer {
                observer(id, from, to);
            }
        }
    }
}

impl Record {
    fn is_detached(&self) -> bool {
        self.options
            .as_ref()
            .is_some_and(|options| options.detached)
    }

    /// A detached actor outlives its creator as soon as it has its arguments.
    fn depends_on_creator(&self) -> bool {
        match self.stage {
            ActorStage::Announced | ActorStage::Registered => true,
            ActorStage::Dead => false,
            _ => !self.is_detached(),
        }
    }

    fn class_name(&self) -> &str {
        self.options
            .as_ref()
            .map_or("", |options| &options.class_name)
    }

    /// Counts a restart. False if there is none left.
    fn use_up_restart(&mut self) -> bool {
        let limit = self
            .options
            .as_ref()
            .map_or(0, |options| options.max_restarts);
        let may = limit < 0 || i64::from(self.restarts) < limit;
        self.restarts = self.restarts.saturating_add(u32::from(may));
        may
    }
}

/// Takes an actor out of what is known of a process.
fn forget_one(
    index: &mut FxHashMap<ProcessNumber, FxHashSet<ActorId>>,
    process: ProcessNumber,
    id: ActorId,
) {
    if let Some(ids) = index.get_mut(&process) {
        ids.remove(&id);
        if ids.is_empty() {
            index.remove(&process);
        }
    }
}

fn held(item: Nested, holder: Holder) -> Effect {
    match item.kind {
        NestedKind::Ref => Effect::HoldObject {
            id: item.id,
            holder,
        },
        NestedKind::Actor => Effect::HoldActor {
            actor: item.id,
            holder,
        },
    }
}

#[cfg(test)]
mod tests;
