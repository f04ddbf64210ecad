//! What the raylet says to the submitter, and what becomes of connections.

use eagleray_object_store::Extent;
use eagleray_protocol::{ActorId, ActorState, Outcome, SystemError, WorkerExit};

use super::Submitter;
use super::functions::{Export, made_at};
use super::routes::Use;
use super::task::{Place, Target, Task};
use crate::handle::{PeerSlot, TaskKey};
use crate::objects::Objects;
use crate::rings::Rings;
use crate::work::{Effect, Out, RoomFor};

impl Submitter {
    /// The raylet leases a worker to this process. `peer` is the connection, if it is open here.
    pub fn lease_granted(&mut self, id: u64, class: u32, peer: Option<PeerSlot>, out: &mut Out) {
        match peer {
            Some(peer) if self.dispatch.knows(class) && self.routes.use_of(peer) == Use::Unused => {
                let lease = self.dispatch.grant(id, class, peer);
                self.routes.set(peer, Use::Lease(lease));
            }
            _ => self.dispatch.give_up_grant(id, class, out),
        }
    }

    /// Others wait for a lease.
    pub fn lease_asked_back<R: Rings>(
        &mut self,
        id: u64,
        objects: &mut Objects,
        rings: &mut R,
        out: &mut Out,
    ) {
        let mut carriage = carriage!(self, objects, rings, out);
        let tasks = &mut self.tasks;
        self.dispatch.ask_back(id, tasks, &mut carriage);
    }

    /// The raylet can never serve a class.
    pub fn class_refused(&mut self, class: u32, error: SystemError) {
        self.dispatch.refuse(class, error);
    }

    /// A peer is gone, or can't be talked to any more. All its replies have been read.
    pub fn peer_lost<R: Rings>(
        &mut self,
        peer: PeerSlot,
        exit: &WorkerExit,
        objects: &mut Objects,
        rings: &mut R,
        out: &mut Out,
    ) {
        match self.routes.use_of(peer) {
            Use::Lease(lease) => {
                let mut carriage = carriage!(self, objects, rings, out);
                if let Some(lost) = self.dispatch.lose(lease, &mut carriage) {
                    let mut again = Vec::new();
                    for slot in lost.started {
                        self.expect_sealed_results(slot, objects, out);
                        if self.may_repeat(slot, out) {
                            again.push(slot);
                        } else {
                            let error = self.crash_error(slot, exit);
                            self.fail_with(slot, &error, objects, out);
                        }
                    }
                    again.extend(lost.unstarted);
                    let tasks = &mut self.tasks;
                    self.dispatch.requeue(lost.class, again.into_iter(), tasks);
                }
            }
            Use::Actor(actor) => {
                let mut carriage = carriage!(self, objects, rings, out);
                let tasks = &mut self.tasks;
                for slot in self.callers.lost(actor, peer, tasks, &mut carriage) {
                    self.expect_sealed_results(slot, objects, out);
                }
            }
            Use::Unused => {}
        }
        self.route_gone(peer, objects, out);
    }

    /// The raylet reports an actor's state. `peer` is the connection to it, if it is alive and the connection is open
    /// here.
    pub fn actor_changed(
        &mut self,
        id: ActorId,
        state: ActorState,
        peer: Option<PeerSlot>,
        objects: &mut Objects,
        out: &mut Out,
    ) {
        let Some(actor) = objects.known_actor(id) else {
            if let Some(peer) = peer {
                out.effect(Effect::ClosePeer(peer));
            }
            return;
        };
        match state {
            ActorState::Pending {} => {}
            ActorState::Alive { .. } => match peer {
                Some(peer) if self.callers.alive(actor, peer) => {
                    self.routes.set(peer, Use::Actor(actor));
                }
                Some(peer) => out.effect(Effect::ClosePeer(peer)),
                None => self.callers.ask_again(actor, id, out),
            },
            ActorState::Restarting { error } => {
                let mut again = Vec::new();
                for key in self.callers.restarting(actor) {
                    if self.tasks.find(key).is_none() {
                        continue;
                    }
                    if self.may_repeat(key.slot, out) {
                        again.push(key.slot);
                    } else {
                        self.fail_with(key.slot, &error, objects, out);
                    }
                }
                self.callers.requeue(actor, again, &mut self.tasks);
            }
            ActorState::Unreachable { error } => {
                let outcome = Outcome::system_error(&error);
                for key in self.callers.unreachable(actor, id, &self.tasks, out) {
                    self.fail(key.slot, &outcome, objects, out);
                }
            }
            ActorState::Dead { error } => {
                let outcome = Outcome::system_error(&error);
                for key in self.callers.died(actor, error, &self.tasks) {
                    self.fail(key.slot, &outcome, objects, out);
                }
            }
        }
    }

    // ---- room

    /// The raylet has answered a request for room.
    pub fn room_answered<R: Rings>(
        &mut self,
        room_for: RoomFor,
        answer: Result<Extent, SystemError>,
        objects: &mut Objects,
        rings: &mut R,
        out: &mut Out,
    ) {
        match room_for {
            RoomFor::Frame(key) => self.frame_room(key, answer, objects, rings, out),
            RoomFor::Export(function) => {
                self.export_room(function, answer, objects, rings, out);
            }
        }
    }

    fn frame_room<R: Rings>(
        &mut self,
        key: TaskKey,
        answer: Result<Extent, SystemError>,
        objects: &mut Objects,
        rings: &mut R,
        out: &mut Out,
    ) {
        let is_waiting = |task: &&mut Task| task.place == Place::Spilling;
        let Some(task) = self.tasks.find_mut(key).filter(is_waiting) else {
            out.effects.extend(answer.ok().map(Effect::Abandon));
            return;
        };
        let filled = answer.and_then(|extent| {
            let mut carriage = carriage!(self, objects, rings, out);
            carriage
                .fill_room(key.slot, task, extent)
                .inspect_err(|_| carriage.out.effect(Effect::Abandon(extent)))
        });
        match filled {
            Ok(()) => self.goes_on(key),
            Err(error) => {
                let actor = task.target.called_actor();
                self.fail_with(key.slot, &error, objects, out);
                if let Some(actor) = actor {
                    self.callers.mark(actor);
                }
            }
        }
    }

    fn export_room<R: Rings>(
        &mut self,
        function: u32,
        answer: Result<Extent, SystemError>,
        objects: &mut Objects,
        rings: &mut R,
        out: &mut Out,
    ) {
        let bytes = self.functions.export_bytes(function).unwrap_or_default();
        let Some(export @ Export::WaitsForRoom(_)) = self.functions.export_mut(function) else {
            out.effects.extend(answer.ok().map(Effect::Abandon));
            return;
        };
        let filled = answer.and_then(|extent| {
            rings
                .write(extent, &bytes)
                .map(|()| made_at(extent))
                .inspect_err(|_| out.effect(Effect::Abandon(extent)))
        });
        let (made, error) = match filled {
            Ok(made) => (made, None),
            Err(error) => (Export::Unmade, Some(error)),
        };
        let Export::WaitsForRoom(tasks) = std::mem::replace(export, made) else {
            return;
        };
        // The first of them comes first again.
        for key in tasks.into_iter().rev() {
            match &error {
                None => self.goes_on(key),
                Some(error) if self.tasks.find(key).is_some() => {
                    self.fail_with(key.slot, error, objects, out);
                }
                Some(_) => {}
            }
        }
    }

    /// A task has the room that it waited for.
    fn goes_on(&mut self, key: TaskKey) {
        let Some(task) = self.tasks.find(key) else {
            return;
        };
        if task.place != Place::Spilling {
            return;
        }
        match task.target {
            Target::Template(template) => {
                if let Some(class) = self.functions.class(template) {
                    let tasks = &mut self.tasks;
                    self.dispatch.requeue(class, [key.slot].into_iter(), tasks);
                }
            }
            Target::Actor { actor, .. } | Target::Terminate { actor } => {
                self.tasks.set_place(key.slot, Place::Queued);
                self.callers.ready(actor, key, &self.tasks);
            }
            Target::Create { .. } => {}
        }
    }

    // ---- connections

    /// A ring has room again for what found none.
    pub fn peer_has_room(&mut self, peer: PeerSlot) {
        match self.routes.use_of(peer) {
            Use::Lease(lease) => self.dispatch.mark_lease(lease),
            Use::Actor(actor) => self.callers.mark(actor),
            Use::Unused => {}
        }
    }

    /// Whether nothing goes over a connection now, so that it may be closed.
    pub fn may_close(&self, peer: PeerSlot) -> bool {
        match self.routes.use_of(peer) {
            Use::Unused => true,
            Use::Actor(actor) => !self.callers.is_busy(actor),
            Use::Lease(_) => false,
        }
    }

    /// A connection that [`may_close`](Self::may_close) is closed here.
    pub fn peer_closed(&mut self, peer: PeerSlot, objects: &mut Objects, out: &mut Out) {
        if let Use::Actor(actor) = self.routes.use_of(peer) {
            self.callers.rest(actor, peer);
        }
        self.route_gone(peer, objects, out);
    }

    /// This process ends: it gives back each lease as soon as nothing runs on it.
    pub fn leave(&mut self) {
        self.dispatch.leave();
    }
}
