//! Actors, as their callers see them: queues of calls, and the state of who answers them.
//!
//! - **AC-1:** calls of one caller start in the order in which they were made, unless the actor runs
//!   several at a time: then a call that waits for an argument is overtaken.
//! - **AC-2:** a call that the actor has started is repeated only if `maxTaskRetries` allows it; one
//!   that it has not started is simply sent again.

use std::collections::VecDeque;

use eagleray_ipc::{FrameId, Revocation};
use eagleray_protocol::{
    ActorId, ActorSpec, ActorState, FromRaylet, FunctionId, NamedActor, Nested, NestedKind,
    ObjectId, Payload, SystemError, ToRaylet,
};
use rustc_hash::FxHashMap;

use crate::connection::Use;
use crate::core::Core;
use crate::leases::Queued;
use crate::tasks::{Place, Target};

enum State {
    /// Nobody here has called it.
    Unconnected,
    /// Calls queue until it is alive.
    Pending,
    /// Calls go over this connection.
    Alive { connection: u32 },
    /// It is gone for good.
    Dead { error: SystemError },
}

/// An actor that this process has a handle of.
pub(crate) struct Caller {
    pub(crate) id: ActorId,
    /// Handles in JavaScript, and pins by calls and values.
    count: u32,
    state: State,
    /// Calls start in order even when one has to wait for an argument.
    ordered: bool,
    queue: VecDeque<Queued>,
    in_flight: VecDeque<(u32, FrameId)>,
    /// Calls that were running when the connection was lost.
    interrupted: Vec<u32>,
    /// Calls that are neither answered nor failed.
    open_calls: u32,
}

/// All actors of the process's handles, by a number that is never reused.
pub(crate) struct Actors {
    callers: FxHashMap<u32, Caller>,
    by_id: FxHashMap<ActorId, u32>,
    next: u32,
}

impl Actors {
    pub(crate) fn new() -> Self {
        Self {
            callers: FxHashMap::default(),
            by_id: FxHashMap::default(),
            next: 1,
        }
    }
}

/// What `create_actor` needs besides the arguments.
pub struct NewActor {
    /// Sequence number of the ref that resolves when it is ready.
    pub sequence: u64,
    /// The exported class.
    pub class: FunctionId,
    /// Its envelope.
    pub export: Payload,
    /// The object that owns the envelope's extents.
    pub export_object: Option<ObjectId>,
    /// Options.
    pub options: eagleray_protocol::ActorOptions,
    /// Look for one of that name first.
    pub get_if_exists: bool,
}

/// Why no actor was created.
#[derive(Debug)]
pub enum CreationRefused {
    /// One of that name is there, and is wanted instead.
    Exists(NamedActor),
    /// One of that name is there.
    NameTaken,
    /// The runtime has ended.
    RayletGone,
    /// A defect of the SDK.
    Malformed,
}

impl Core {
    pub(crate) fn actor(&self, actor: u32) -> Option<&Caller> {
        self.actors.callers.get(&actor)
    }

    /// The number of an actor, by its id, with one more count on it. `held` if the raylet counts this
    /// process among its holders already.
    pub(crate) fn actor_handle(&mut self, id: ActorId, ordered: bool, held: bool) -> u32 {
        if let Some(&actor) = self.actors.by_id.get(&id) {
            self.pin_actor(actor);
            return actor;
        }
        let actor = self.actors.next;
        self.actors.next += 1;
        self.actors.by_id.insert(id, actor);
        self.actors.callers.insert(
            actor,
            Caller {
                id,
                count: 1,
                state: State::Unconnected,
                ordered,
                queue: VecDeque::new(),
                in_flight: VecDeque::new(),
                interrupted: Vec::new(),
                open_calls: 0,
            },
        );
        if !held {
            self.hold(Nested {
                kind: NestedKind::Actor,
                id,
            });
        }
        actor
    }

    pub(crate) fn pin_actor(&mut self, actor: u32) {
        if let Some(caller) = self.actors.callers.get_mut(&actor) {
            caller.count += 1;
        }
    }

    pub(crate) fn release_actor(&mut self, actor: u32) {
        let Some(caller) = self.actors.callers.get_mut(&actor) else {
            return;
        };
        caller.count = caller.count.saturating_sub(1);
        if caller.count > 0 {
            return;
        }
        let id = caller.id;
        if let State::Alive { connection } = caller.state {
            self.close_connection(connection);
        }
        self.actors.callers.remove(&actor);
        self.actors.by_id.remove(&id);
        self.let_go(Nested {
            kind: NestedKind::Actor,
            id,
        });
    }

    /// The calls of this process that the actor has not answered.
    pub(crate) fn open_calls(&self, actor: u32) -> Vec<u64> {
        let tasks = self.tasks.iter().flatten();
        tasks
            .filter(|task| matches!(task.target, Target::Actor { actor: its, .. } if its == actor))
            .map(|task| task.sequence)
            .collect()
    }

    /// A call was submitted; `ready` if its arguments are there.
    pub(crate) fn enqueue_call(&mut self, slot: u32, ready: bool) {
        let Some(actor) = self.actor_of(slot) else {
            return;
        };
        let Some(queued) = self.queued(slot) else {
            return;
        };
        let Some(caller) = self.actors.callers.get_mut(&actor) else {
            self.fail_task_with(
                slot,
                &SystemError::new("ActorDiedError", "the actor's handle is gone"),
            );
            return;
        };
        caller.open_calls += 1;
        if let State::Dead { error } = &caller.state {
            let error = error.clone();
            self.fail_task_with(slot, &error);
            return;
        }
        if caller.ordered {
            caller.queue.push_back(queued);
        }
        if matches!(caller.state, State::Unconnected) {
            caller.state = State::Pending;
            let id = caller.id;
            self.tell(ToRaylet::ConnectActor { actor: id });
        }
        if ready {
            self.call_ready(slot, actor);
        }
    }

    fn actor_of(&self, slot: u32) -> Option<u32> {
        match self.tasks.get(slot as usize)?.as_ref()?.target {
            Target::Actor { actor, .. } | Target::Terminate { actor } => Some(actor),
            Target::Template(_) | Target::Create { .. } => None,
        }
    }

    /// All arguments of a call are there.
    pub(crate) fn call_ready(&mut self, slot: u32, actor: u32) {
        // A call that is on its way already waits for nothing.
        if !matches!(self.tasks.get(slot as usize), Some(Some(task)) if task.place == Place::Waiting)
        {
            return;
        }
        if self.fail_with_argument(slot) {
            self.mark_actor(actor);
            return;
        }
        self.set_place(slot, Place::Queued);
        let queued = self.queued(slot);
        if let Some(queued) = queued
            && self.actor(actor).is_some_and(|caller| !caller.ordered)
        {
            self.queue_unordered(actor, queued);
        }
        self.mark_actor(actor);
    }

    /// Queues a call of an actor that runs several at a time: at the end, but never behind an end of the
    /// actor that was asked for after it.
    fn queue_unordered(&mut self, actor: u32, queued: Queued) {
        let Some(caller) = self.actor(actor) else {
            return;
        };
        let end = caller
            .queue
            .iter()
            .position(|other| other.sequence > queued.sequence && self.is_end(other.slot));
        if let Some(caller) = self.actors.callers.get_mut(&actor) {
            let position = end.unwrap_or(caller.queue.len());
            caller.queue.insert(position, queued);
        }
    }

    /// True if a task is the end of an actor.
    fn is_end(&self, slot: u32) -> bool {
        matches!(self.tasks.get(slot as usize), Some(Some(task))
            if matches!(task.target, Target::Terminate { .. }))
    }

    pub(crate) fn mark_actor(&mut self, actor: u32) {
        if !self.dirty_actors.contains(&actor) {
            self.dirty_actors.push(actor);
        }
    }

    /// Sends queued calls to the actors that changed.
    pub(crate) fn dispatch_calls(&mut self) {
        while let Some(actor) = self.dirty_actors.pop() {
            while self.send_next_call(actor) {}
        }
    }

    fn send_next_call(&mut self, actor: u32) -> bool {
        let Some(caller) = self.actors.callers.get_mut(&actor) else {
            return false;
        };
        let State::Alive { connection } = caller.state else {
            return false;
        };
        let Some(&queued) = caller.queue.front() else {
            return false;
        };
        let in_sight = caller.queue.len() + caller.in_flight.len() + caller.interrupted.len();
        let has_waiting_calls = !caller.ordered && caller.open_calls as usize > in_sight;
        if !self.is_still_queued(queued) {
            self.pop_call(actor);
            return true;
        }
        // The end of an actor waits for calls that were made before it and still wait for arguments.
        if has_waiting_calls && self.is_end(queued.slot) {
            return false;
        }
        // AC-1: the first call of an ordered actor may still wait for an argument.
        if !matches!(self.tasks.get(queued.slot as usize), Some(Some(task)) if task.place == Place::Queued)
        {
            return false;
        }
        if self
            .connection(connection)
            .is_none_or(|connection| connection.has_waiting())
        {
            return false;
        }
        let mut frame = std::mem::take(&mut self.frame_scratch);
        let pushed = self.build_frame(queued.slot, &mut frame).map(|kind| {
            self.connection(connection)
                .and_then(|opened| opened.try_send(kind, &[&frame]))
        });
        self.keep_frame_scratch(frame);
        let frame = match pushed {
            Ok(Some(frame)) => frame,
            Ok(None) => return false,
            Err(error) => {
                self.pop_call(actor);
                self.fail_task_with(queued.slot, &error);
                return true;
            }
        };
        self.ring_later(connection);
        self.pop_call(actor);
        self.set_place(queued.slot, Place::InFlight);
        if let Some(caller) = self.actors.callers.get_mut(&actor) {
            caller.in_flight.push_back((queued.slot, frame));
        }
        true
    }

    fn pop_call(&mut self, actor: u32) {
        if let Some(caller) = self.actors.callers.get_mut(&actor) {
            caller.queue.pop_front();
        }
    }

    /// An actor has answered a call.
    pub(crate) fn call_done(&mut self, actor: u32, slot: u32) {
        let Some(caller) = self.actors.callers.get_mut(&actor) else {
            return;
        };
        if caller.in_flight.front().is_some_and(|item| item.0 == slot) {
            caller.in_flight.pop_front();
        } else if let Some(position) = caller.in_flight.iter().position(|item| item.0 == slot) {
            caller.in_flight.remove(position);
        }
        if !caller.queue.is_empty() {
            self.mark_actor(actor);
        }
    }

    /// A call has ended, however.
    pub(crate) fn call_closed(&mut self, actor: u32) {
        if let Some(caller) = self.actors.callers.get_mut(&actor) {
            caller.open_calls = caller.open_calls.saturating_sub(1);
        }
    }

    /// Puts a call back into the queue, at its place in the caller's order.
    pub(crate) fn repeat_call(&mut self, slot: u32, actor: u32) {
        self.requeue_calls(actor, vec![slot]);
    }

    fn requeue_calls(&mut self, actor: u32, mut slots: Vec<u32>) {
        slots.sort_by_key(|&slot| self.queued(slot).map(|queued| queued.sequence));
        for slot in slots.into_iter().rev() {
            let Some(queued) = self.queued(slot) else {
                continue;
            };
            self.set_place(slot, Place::Queued);
            if let Some(caller) = self.actors.callers.get_mut(&actor) {
                caller.queue.push_front(queued);
            }
        }
        self.mark_actor(actor);
    }

    /// Takes a call back that the actor has not started.
    pub(crate) fn take_back_call(&mut self, slot: u32, actor: u32) -> bool {
        let Some(caller) = self.actors.callers.get_mut(&actor) else {
            return false;
        };
        let State::Alive { connection } = caller.state else {
            return true;
        };
        let Some(position) = caller.in_flight.iter().position(|item| item.0 == slot) else {
            return true;
        };
        let Some(Some(connection)) = self.connections.get_mut(connection as usize) else {
            return false;
        };
        if connection.writer.revoke(caller.in_flight[position].1) == Revocation::AlreadyTaken {
            return false;
        }
        caller.in_flight.remove(position);
        true
    }

    /// The process of an actor that is alive.
    pub(crate) fn worker_of_actor(&self, actor: u32) -> Option<u32> {
        let State::Alive { connection } = self.actor(actor)?.state else {
            return None;
        };
        Some(self.connections.get(connection as usize)?.as_ref()?.peer)
    }

    /// The actor's process is gone; all its replies have been read. Its next state follows.
    pub(crate) fn actor_connection_lost(&mut self, actor: u32) {
        let Some(caller) = self.actors.callers.get_mut(&actor) else {
            return;
        };
        let State::Alive { connection } = caller.state else {
            return;
        };
        caller.state = State::Pending;
        let mut unstarted = Vec::new();
        if let Some(Some(connection)) = self.connections.get_mut(connection as usize) {
            for (slot, frame) in caller.in_flight.drain(..) {
                match connection.writer.revoke(frame) {
                    Revocation::Revoked => unstarted.push(slot),
                    Revocation::AlreadyTaken => caller.interrupted.push(slot),
                }
            }
        }
        let interrupted = caller.interrupted.clone();
        for slot in interrupted {
            self.expect_sealed_results(slot);
        }
        self.requeue_calls(actor, unstarted);
    }

    /// The raylet reports an actor's state.
    pub(crate) fn actor_changed(&mut self, id: ActorId, state: ActorState) {
        let Some(&actor) = self.actors.by_id.get(&id) else {
            if let ActorState::Alive { connection } = state
                && let Some(connection) = self.submitter_slot(connection)
            {
                self.close_connection(connection);
            }
            return;
        };
        match state {
            ActorState::Pending {} => {}
            ActorState::Alive { connection } => {
                let Some(connection) = self.submitter_slot(connection) else {
                    return;
                };
                if let Some(opened) = self.connection(connection) {
                    opened.use_of = Use::Actor(actor);
                }
                if let Some(caller) = self.actors.callers.get_mut(&actor) {
                    caller.state = State::Alive { connection };
                }
                self.mark_actor(actor);
            }
            ActorState::Restarting { error } => {
                let interrupted = match self.actors.callers.get_mut(&actor) {
                    Some(caller) => {
                        caller.state = State::Pending;
                        std::mem::take(&mut caller.interrupted)
                    }
                    None => return,
                };
                let mut again = Vec::new();
                for slot in interrupted {
                    if self.may_retry(slot) {
                        again.push(slot);
                    } else {
                        self.fail_task_with(slot, &error);
                    }
                }
                self.requeue_calls(actor, again);
            }
            ActorState::Dead { error } => self.actor_died(actor, error),
        }
    }

    fn actor_died(&mut self, actor: u32, error: SystemError) {
        let Some(caller) = self.actors.callers.get_mut(&actor) else {
            return;
        };
        let mut slots: Vec<Queued> = Vec::new();
        let interrupted = std::mem::take(&mut caller.interrupted);
        let in_flight: Vec<u32> = caller.in_flight.drain(..).map(|item| item.0).collect();
        let queue = std::mem::take(&mut caller.queue);
        caller.state = State::Dead {
            error: error.clone(),
        };
        slots.extend(
            interrupted
                .into_iter()
                .chain(in_flight)
                .filter_map(|slot| self.queued(slot)),
        );
        slots.extend(queue);
        for queued in slots {
            if self.is_still_queued(queued) {
                self.fail_task_with(queued.slot, &error);
            }
        }
        // Unordered calls that still wait for an argument are in no queue.
        let waiting: Vec<u32> = (0..self.tasks.len() as u32)
            .filter(|&slot| self.actor_of(slot) == Some(actor))
            .collect();
        for slot in waiting {
            self.fail_task_with(slot, &error);
        }
    }

    /// Creates an actor. The raylet knows it (and its name) from now on; its constructor's arguments
    /// follow when they are there. `record` is the submission of the creation.
    pub(crate) fn create_actor(
        &mut self,
        new: NewActor,
        record: &[u8],
    ) -> Result<u32, CreationRefused> {
        let id = ObjectId::local(self.process, new.sequence);
        let named = !new.options.name.is_empty();
        let request = if named { self.next_request() } else { 0 };
        let options = new.options.clone();
        self.tell(ToRaylet::RegisterActor {
            request,
            id,
            options,
            get_if_exists: new.get_if_exists,
        });
        if named {
            match self.answer(request) {
                Some(FromRaylet::ActorCreated {
                    existing: Some(existing),
                    ..
                }) => {
                    return Err(CreationRefused::Exists(existing));
                }
                Some(FromRaylet::ActorCreated { refused: false, .. }) => {}
                Some(FromRaylet::ActorCreated { .. }) => return Err(CreationRefused::NameTaken),
                _ => return Err(CreationRefused::RayletGone),
            }
        }
        let actor = self.actor_handle(id, new.options.max_concurrency <= 1, true);
        let spec = ActorSpec {
            id,
            class: new.class,
            export: new.export,
            export_object: new.export_object,
            arguments: Box::default(),
            argument_count: 0,
            holds: Vec::new(),
            options: new.options,
        };
        self.creations.insert(actor, Box::new(spec));
        self.submit(record, actor)
            .ok_or(CreationRefused::Malformed)?;
        Ok(actor)
    }

    /// The arguments of a creation are there.
    pub(crate) fn create_ready(&mut self, slot: u32, actor: u32) {
        let Some(mut spec) = self.creations.remove(&actor) else {
            return;
        };
        if let Some(outcome) = self.failed_argument(slot) {
            let error = SystemError {
                cause: Some(eagleray_protocol::encode(&outcome).into()),
                ..SystemError::new("ActorDiedError", "an argument of its constructor failed")
            };
            self.tell(ToRaylet::FailActor {
                actor: spec.id,
                error,
            });
            self.finish_task(slot);
            return;
        }
        let Some(Some(task)) = self.tasks.get_mut(slot as usize) else {
            return;
        };
        let unresolved = std::mem::take(&mut task.arguments);
        let (count, pins, actor_pins) = (
            task.argument_count,
            task.pins.clone(),
            task.actor_pins.clone(),
        );
        for &pin in &pins {
            self.publish(pin);
        }
        let mut arguments = Vec::new();
        if let Err(error) = self.resolve_arguments(&unresolved, count, &mut arguments) {
            self.tell(ToRaylet::FailActor {
                actor: spec.id,
                error,
            });
            self.finish_task(slot);
            return;
        }
        spec.arguments = arguments.into();
        spec.argument_count = count;
        spec.holds = self.nested_ids(&pins, &actor_pins);
        // The handle that is being made is no argument.
        spec.holds.retain(|hold| hold.id != spec.id);
        spec.holds.extend(spec.export_object.map(|id| Nested {
            kind: NestedKind::Ref,
            id,
        }));
        spec.holds.extend_from_slice(&spec.export.nested);
        // The raylet holds what a restart needs before this process lets go: same socket, in order.
        self.tell(ToRaylet::CreateActor { spec: *spec });
        self.finish_task(slot);
    }
}
