//! Tasks and actor calls from submission to result, as their submitter sees them.
//!
//! A task is *waiting* for arguments, *queued* (in its class's or actor's queue), *spilling* (its frame waits for
//! room), *in flight* on a ring, *interrupted*, or *done*. `docs/life-cycles.md` draws the edges.
//!
//! - **TA-1:** every result of a task is completed exactly once: by a reply, by a failed argument, by cancellation, or
//!   by the death of who ran it. All that come by replies come of one attempt.
//! - **TA-2:** what a task's arguments need is pinned from submission until the task is done.
//!
//! Here: how tasks begin. `replies`, `news` and `endings` go on with them.
//!
//! It sends over [`Rings`], which answer at once; what else follows from a decision it says in [`Out`]. So it runs in the
//! simulator as it runs here.

mod callers;
#[macro_use]
mod carriage;
mod dispatch;
mod endings;
mod frame;
mod functions;
mod news;
mod replies;
mod routes;
mod slots;
mod task;

use eagleray_protocol::{
    ActorSpec, FunctionId, Nested, NestedKind, Outcome, ProcessNumber, SystemError, ToRaylet,
};
use rustc_hash::FxHashMap;

use self::callers::Callers;
use self::dispatch::Dispatch;
use self::functions::{Forgotten, Functions};
use self::routes::{Routes, Use};
use self::task::TaskTable;
use crate::handle::{ActorNumber, Handle, PeerSlot, TaskKey};
use crate::objects::{Argument, Objects};
use crate::rings::Rings;
use crate::work::{Effect, Out, Work};

pub use self::endings::Cancellation;
pub use self::functions::Template;
pub use self::task::Nonsense;
pub use self::task::{Place, Target, Task};

/// A task or call as JavaScript submits it.
#[derive(Debug)]
pub struct Submission<'a> {
    /// Who runs it.
    pub target: Target,
    /// The sequence number of its first result.
    pub sequence: u64,
    /// Results that it has to give.
    pub result_count: u32,
    /// Arguments, as in frames, refs by handle.
    pub arguments: &'a [u8],
    /// How many.
    pub argument_count: u32,
    /// Refs inside of arguments.
    pub refs: Vec<Handle>,
    /// Actors inside of arguments.
    pub actors: Vec<ActorNumber>,
    /// The serial of the task that submits it; 0 if none does.
    pub parent: u64,
    /// Repetitions of a call; those of a task are its template's.
    pub retries: i32,
}

/// See the module.
pub struct Submitter {
    process: ProcessNumber,
    tasks: TaskTable,
    functions: Functions,
    dispatch: Dispatch,
    callers: Callers,
    routes: Routes,
    /// Actors whose constructors wait for arguments.
    creations: FxHashMap<ActorNumber, Box<ActorSpec>>,
    scratch: Vec<u8>,
}

/// The most that the arguments of a constructor may take: what creates an actor is one message.
const CREATION_MAX: usize = 32 << 20;

/// Scratch memory above this is given back after use.
const SCRATCH_MAX: usize = 1 << 20;

impl Submitter {
    /// That of a process on a node of so many CPUs.
    pub fn new(process: ProcessNumber, cpus: u32) -> Self {
        Self {
            process,
            tasks: TaskTable::default(),
            functions: Functions::default(),
            dispatch: Dispatch::new(cpus),
            callers: Callers::default(),
            routes: Routes::default(),
            creations: FxHashMap::default(),
            scratch: Vec::new(),
        }
    }

    // ---- counts

    /// Tasks and calls that are not done.
    #[inline]
    pub fn open(&self) -> usize {
        self.tasks.open()
    }

    /// How many of them are in flight.
    pub fn in_flight(&self) -> usize {
        self.tasks.in_flight()
    }

    /// How many were answered, since the start.
    pub fn finished(&self) -> u64 {
        self.tasks.finished()
    }

    /// Whether there is something to send, or to ask the raylet for.
    pub fn has_changed(&self) -> bool {
        self.dispatch.has_changed() || self.callers.has_changed()
    }

    /// True if something has to be done for a task before anybody runs it.
    #[inline]
    pub fn has_tasks_to_send(&self) -> bool {
        self.tasks.open() > self.tasks.in_flight()
    }

    /// A task that is not done, by its slot.
    pub fn task(&self, slot: u32) -> Option<&Task> {
        self.tasks.get(slot)
    }

    /// The sequence numbers of the open tasks that a task has submitted, by that task's serial.
    pub fn children(&self, parent: u64) -> Vec<u64> {
        let of_parent = self.tasks.iter().filter(|(_, task)| task.parent == parent);
        of_parent.map(|(_, task)| task.sequence).collect()
    }

    /// The sequence numbers of the calls that an actor has not answered.
    pub fn open_calls(&self, actor: ActorNumber) -> Vec<u64> {
        let is_call = |key: &TaskKey| {
            self.tasks
                .find(*key)
                .is_some_and(|task| matches!(task.target, Target::Actor { .. }))
        };
        let open = self.callers.open(actor, &self.tasks).into_iter();
        open.filter(is_call).map(|key| key.sequence).collect()
    }

    // ---- declarations

    /// The number of a scheduling class.
    pub fn declare_class(
        &mut self,
        resources: Vec<(String, f64)>,
        environment: u32,
        is_pipelined: bool,
    ) -> u32 {
        self.dispatch.declare(resources, environment, is_pipelined)
    }

    /// The number of a template, with one more user. `export` is the object that holds its function.
    pub fn declare_template(
        &mut self,
        template: Template,
        export: Handle,
        objects: &mut Objects,
    ) -> u32 {
        let (number, is_new) = self.functions.declare(template, export);
        if is_new {
            objects.pin(export);
        }
        number
    }

    /// A template has one user less (FU-1).
    pub fn release_template(&mut self, template: u32, objects: &mut Objects, out: &mut Out) {
        if let Some(forgotten) = self.functions.release(template) {
            self.function_unused(forgotten, objects, out);
        }
    }

    fn function_unused(&mut self, rest: Forgotten, objects: &mut Objects, out: &mut Out) {
        let told = self
            .routes
            .forget(rest.number, rest.id, rest.is_shared, out);
        if rest.is_shared && !told.is_empty() {
            self.functions.part(rest, told);
        } else {
            let_go_of(&rest, objects, out);
        }
    }

    /// A peer has forgotten a function (FU-3).
    pub fn function_forgotten(
        &mut self,
        peer: PeerSlot,
        frame: &[u8],
        objects: &mut Objects,
        out: &mut Out,
    ) -> Result<(), Nonsense> {
        let id = FunctionId::try_from(frame).map_err(|_| Nonsense("a function without its id"))?;
        if let Some(rest) = self.functions.is_forgotten(peer, &id) {
            let_go_of(&rest, objects, out);
        }
        Ok(())
    }

    fn route_gone(&mut self, peer: PeerSlot, objects: &mut Objects, out: &mut Out) {
        self.routes.remove(peer);
        for rest in self.functions.peer_gone(peer) {
            let_go_of(&rest, objects, out);
        }
    }

    // ---- submission

    /// Submits a task, a call or a creation. `None` if it is malformed.
    pub fn submit(
        &mut self,
        submission: Submission<'_>,
        objects: &mut Objects,
        out: &mut Out,
    ) -> Option<()> {
        let Submission {
            target,
            sequence,
            result_count,
            arguments,
            argument_count,
            refs: mut pins,
            actors: mut actor_pins,
            parent,
            retries,
        } = submission;
        let arguments_by_ref = frame::ref_arguments(arguments, argument_count)?;
        let retries_left = match target {
            Target::Template(template) => {
                let retries = self.functions.max_retries(template)?;
                self.functions.add_task(template);
                i32::try_from(retries).unwrap_or(i32::MAX)
            }
            Target::Actor { actor, .. } => {
                actor_pins.push(actor);
                retries
            }
            Target::Terminate { actor } | Target::Create { actor } => {
                actor_pins.push(actor);
                0
            }
        };
        for &pin in &pins {
            objects.publish(pin, out);
        }
        pins.extend_from_slice(&arguments_by_ref);
        for &pin in &pins {
            objects.pin(pin);
        }
        for &actor in &actor_pins {
            objects.pin_actor(actor);
        }
        let slot = self.tasks.next_slot();
        for index in 0..u64::from(result_count) {
            objects.insert_result(sequence + index, slot);
        }
        let key = TaskKey { slot, sequence };
        let mut missing = 0;
        for &handle in &arguments_by_ref {
            missing += u32::from(objects.add_dependent(handle, key, out) == Argument::Missing);
        }
        self.tasks.insert(Task {
            sequence,
            target,
            place: Place::Waiting,
            is_cancelled: false,
            result_count,
            argument_count,
            attempt: 0,
            retries_left,
            missing,
            parent,
            arguments: arguments.into(),
            pins: pins.into(),
            actor_pins: actor_pins.into(),
            rare: None,
        });
        if let Some(actor) = target.called_actor() {
            let refused = match objects.actor_id(actor) {
                Some(id) => self.callers.submitted(
                    actor,
                    id,
                    objects.is_ordered(actor),
                    slot,
                    &self.tasks,
                    out,
                ),
                None => Some(SystemError::new(
                    "ActorDiedError",
                    "the actor's handle is gone",
                )),
            };
            if let Some(error) = refused {
                self.fail_with(slot, &error, objects, out);
                return Some(());
            }
        }
        if missing == 0 {
            self.arguments_there(slot, !arguments_by_ref.is_empty(), objects, out);
        }
        Some(())
    }

    /// An actor's constructor arguments follow as a submission; until they are there, this is kept.
    pub fn begin_creation(&mut self, actor: ActorNumber, spec: ActorSpec) {
        self.creations.insert(actor, Box::new(spec));
    }

    /// An argument of a task is there.
    fn argument_ready(&mut self, key: TaskKey, objects: &mut Objects, out: &mut Out) {
        let Some(task) = self.tasks.find_mut(key) else {
            return;
        };
        task.missing = task.missing.saturating_sub(1);
        if task.missing == 0 && task.place == Place::Waiting {
            self.arguments_there(key.slot, true, objects, out);
        }
    }

    /// All arguments are there: the task fails with the first failed one, or joins its queue.
    fn arguments_there(
        &mut self,
        slot: u32,
        may_have_failed: bool,
        objects: &mut Objects,
        out: &mut Out,
    ) {
        let Some(task) = self.tasks.get(slot) else {
            return;
        };
        let key = task.key(slot);
        let target = task.target;
        let failure = if may_have_failed {
            failed_argument(task, objects, out)
        } else {
            None
        };
        match (target, failure) {
            (Target::Create { actor }, failure) => {
                self.create(slot, actor, failure, objects, out);
            }
            (_, Some(outcome)) => self.fail(slot, &outcome, objects, out),
            (Target::Template(template), None) => {
                self.tasks.set_place(slot, Place::Queued);
                if let Some(class) = self.functions.class(template) {
                    self.dispatch.enqueue(class, key);
                }
            }
            (Target::Actor { actor, .. } | Target::Terminate { actor }, None) => {
                self.tasks.set_place(slot, Place::Queued);
                self.callers.ready(actor, key, &self.tasks);
            }
        }
    }

    /// The arguments of a creation are there: the raylet starts the actor.
    fn create(
        &mut self,
        slot: u32,
        actor: ActorNumber,
        failure: Option<Outcome>,
        objects: &mut Objects,
        out: &mut Out,
    ) {
        let (Some(mut spec), Some(task)) = (self.creations.remove(&actor), self.tasks.get(slot))
        else {
            return;
        };
        let mut arguments = Vec::new();
        let resolved = match failure {
            Some(outcome) => {
                objects.publish_carried(&outcome, out);
                Err(SystemError {
                    cause: Some(eagleray_protocol::encode(&outcome).into()),
                    ..SystemError::new("ActorDiedError", "an argument of its constructor failed")
                })
            }
            None => {
                for &pin in &task.pins {
                    objects.publish(pin, out);
                }
                let count = task.argument_count;
                frame::resolve_arguments(&task.arguments, count, objects, &mut arguments, out)
            }
        };
        let resolved = resolved.and_then(|()| fits_a_message(arguments.len()));
        if let Err(error) = resolved {
            out.tell(ToRaylet::FailActor {
                actor: spec.id,
                error,
            });
            self.finish(slot, objects, out);
            return;
        }
        spec.arguments = arguments.into();
        spec.argument_count = task.argument_count;
        spec.holds = objects.nested_ids(&task.pins, &task.actor_pins);
        // The handle that is being made is no argument.
        spec.holds.retain(|hold| hold.id != spec.id);
        spec.holds.extend(spec.export_object.map(|id| Nested {
            kind: NestedKind::Ref,
            id,
        }));
        spec.holds.extend_from_slice(&spec.export.nested);
        // The raylet holds what a restart needs before this process lets go: same socket, in order.
        out.tell(ToRaylet::CreateActor { spec: *spec });
        self.finish(slot, objects, out);
    }

    // ---- the loop

    /// Carries out what the objects have to say to the tasks, until nothing is left.
    pub fn carry_on(&mut self, objects: &mut Objects, out: &mut Out) {
        while let Some(work) = out.work.pop_front() {
            match work {
                Work::ArgumentReady(key) => self.argument_ready(key, objects, out),
                Work::ActorUnused(actor) => {
                    if let Some(peer) = self.callers.remove(actor) {
                        self.routes.set(peer, Use::Unused);
                        out.effect(Effect::ClosePeer(peer));
                    }
                }
            }
        }
    }

    /// Sends what can be sent, and asks for the leases that could be used. To be followed by
    /// [`carry_on`](Self::carry_on).
    pub fn send<R: Rings>(&mut self, objects: &mut Objects, rings: &mut R, out: &mut Out) {
        let mut carriage = carriage!(self, objects, rings, out);
        let mut failed = self.dispatch.run(&mut self.tasks, &mut carriage);
        failed.extend(self.callers.run(&mut self.tasks, &mut carriage));
        for slot in self.dispatch.take_ended() {
            self.finish(slot, objects, out);
        }
        for (key, error) in failed {
            if self.tasks.find(key).is_some() {
                self.fail_with(key.slot, &error, objects, out);
            }
        }
        self.scratch.shrink_to(SCRATCH_MAX);
    }

    // ---- for tests

    /// Checks the invariants of its tables.
    pub fn validate(&self) -> Result<(), String> {
        self.dispatch.validate(&self.tasks)?;
        self.callers.validate(&self.tasks)
    }

    /// All tasks that are not done, with their slots.
    pub fn tasks(&self) -> impl Iterator<Item = (u32, &Task)> {
        self.tasks.iter()
    }
}

/// Nobody uses a function any more.
fn let_go_of(rest: &Forgotten, objects: &mut Objects, out: &mut Out) {
    out.effects.extend(rest.extent.map(Effect::Abandon));
    objects.release(rest.handle, out);
}

fn fits_a_message(length: usize) -> Result<(), SystemError> {
    if length <= CREATION_MAX {
        return Ok(());
    }
    Err(SystemError::new(
        "ActorDiedError",
        format!(
            "the arguments of its constructor take {length} bytes, and {CREATION_MAX} is the limit for those that are \
             not in the object store: pass large ones as ref, by put()"
        ),
    ))
}

/// The error of the first argument that failed.
fn failed_argument(task: &Task, objects: &mut Objects, out: &mut Out) -> Option<Outcome> {
    frame::ref_arguments(&task.arguments, task.argument_count)?
        .into_iter()
        .find_map(|handle| objects.failure(handle, out))
}
