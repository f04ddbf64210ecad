//! Actors, as this process calls them: queues of calls, and the state of who answers them.
//!
//! - **AC-1:** calls of one caller start in the order in which they were made, unless the actor runs
//!   several at a time: then a call that waits for an argument is overtaken. The end of an actor comes after all calls
//!   that were made before it.
//! - **AC-2:** a call that the actor has started is repeated only if `maxTaskRetries` allows it; one
//!   that it has not started is simply sent again.

use std::collections::{BTreeMap, VecDeque};

use eagleray_ipc::{FrameId, Revocation};
use eagleray_protocol::{ActorId, SystemError, ToRaylet};
use rustc_hash::FxHashMap;

use super::carriage::{Carriage, Sent};
use super::task::{Place, Target, TaskTable};
use crate::handle::{ActorNumber, PeerSlot, TaskKey};
use crate::rings::Rings;
use crate::work::Out;

enum State {
    /// The raylet was asked for it, and calls queue until it is alive.
    Pending,
    /// Calls go over this connection.
    Alive { peer: PeerSlot },
    /// Its connection was closed because nobody used it; the next call asks for another.
    Resting,
    /// It is gone for good.
    Dead { error: SystemError },
}

/// An actor that this process has called.
struct Caller {
    state: State,
    /// Calls start in order even when one has to wait for an argument (AC-1).
    is_ordered: bool,
    /// What is to be sent, in order. Of an ordered actor also calls that still wait for arguments.
    queue: VecDeque<TaskKey>,
    /// Calls of an actor that runs several at a time, that are not in the queue because they wait for arguments or
    /// for room, by their sequence numbers.
    waiting: BTreeMap<u64, u32>,
    in_flight: VecDeque<(u32, FrameId)>,
    /// Calls that were running when the connection was lost.
    interrupted: Vec<TaskKey>,
    /// Ends of the actor that stand in the queue. One that restarts can have several.
    ends: Vec<TaskKey>,
    is_dirty: bool,
}

/// All of them.
#[derive(Default)]
pub(super) struct Callers {
    callers: FxHashMap<ActorNumber, Caller>,
    dirty: Vec<ActorNumber>,
}

impl Callers {
    /// A call was submitted. Returns why it can't be run, if it can't.
    pub(super) fn submitted(
        &mut self,
        actor: ActorNumber,
        id: ActorId,
        is_ordered: bool,
        slot: u32,
        tasks: &TaskTable,
        out: &mut Out,
    ) -> Option<SystemError> {
        let task = tasks.get(slot)?;
        let key = task.key(slot);
        let caller = self.callers.entry(actor).or_insert_with(|| Caller {
            state: State::Resting,
            is_ordered,
            queue: VecDeque::new(),
            waiting: BTreeMap::new(),
            in_flight: VecDeque::new(),
            interrupted: Vec::new(),
            ends: Vec::new(),
            is_dirty: false,
        });
        match &caller.state {
            State::Dead { error } => return Some(error.clone()),
            State::Resting => {
                caller.state = State::Pending;
                out.tell(ToRaylet::ConnectActor { actor: id });
            }
            State::Pending | State::Alive { .. } => {}
        }
        if caller.is_ordered {
            caller.queue.push_back(key);
        } else if task.missing > 0 {
            caller.waiting.insert(key.sequence, key.slot);
        } else {
            caller.queue_unordered(key, is_end(key, tasks));
        }
        self.mark(actor);
        None
    }

    /// All arguments of a call are there, or the room that its frame needs.
    pub(super) fn ready(&mut self, actor: ActorNumber, key: TaskKey, tasks: &TaskTable) {
        if let Some(caller) = self.callers.get_mut(&actor)
            && caller.waiting.remove(&key.sequence).is_some()
        {
            caller.queue_unordered(key, is_end(key, tasks));
        }
        self.mark(actor);
    }

    /// Something of an actor has changed: its queue is looked at when the calls are dispatched.
    #[inline]
    pub(super) fn mark(&mut self, actor: ActorNumber) {
        if let Some(caller) = self.callers.get_mut(&actor)
            && !std::mem::replace(&mut caller.is_dirty, true)
        {
            self.dirty.push(actor);
        }
    }

    /// Whether some actor's queue has to be looked at.
    pub(super) fn has_changed(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Sends queued calls to the actors that changed. Returns the calls that can't be run, with why.
    pub(super) fn run<R: Rings>(
        &mut self,
        tasks: &mut TaskTable,
        carriage: &mut Carriage<'_, R>,
    ) -> Vec<(TaskKey, SystemError)> {
        let mut failed = Vec::new();
        while let Some(actor) = self.dirty.pop() {
            if let Some(caller) = self.callers.get_mut(&actor) {
                caller.is_dirty = false;
                while caller.send_next(tasks, carriage, &mut failed) {}
            }
        }
        failed
    }

    /// An actor has answered a call.
    #[inline]
    pub(super) fn answered(&mut self, actor: ActorNumber, slot: u32) {
        let Some(caller) = self.callers.get_mut(&actor) else {
            return;
        };
        if caller.in_flight.front().is_some_and(|item| item.0 == slot) {
            caller.in_flight.pop_front();
        } else if let Some(position) = caller.in_flight.iter().position(|item| item.0 == slot) {
            caller.in_flight.remove(position);
        }
        if !caller.queue.is_empty() {
            self.mark(actor);
        }
    }

    /// Puts calls back into the queue, at their place in the caller's order.
    pub(super) fn requeue(
        &mut self,
        actor: ActorNumber,
        mut slots: Vec<u32>,
        tasks: &mut TaskTable,
    ) {
        let Some(caller) = self.callers.get_mut(&actor) else {
            return;
        };
        slots.sort_by_key(|&slot| tasks.get(slot).map(|task| task.sequence));
        for slot in slots.into_iter().rev() {
            tasks.set_place(slot, Place::Queued);
            if let Some(key) = tasks.key(slot) {
                caller.queue.push_front(key);
                if is_end(key, tasks) {
                    caller.ends.push(key);
                }
            }
        }
        self.mark(actor);
    }

    /// Takes a call back that the actor has not started. False if it has.
    pub(super) fn take_back<R: Rings>(
        &mut self,
        actor: ActorNumber,
        slot: u32,
        carriage: &mut Carriage<'_, R>,
    ) -> bool {
        let Some(caller) = self.callers.get_mut(&actor) else {
            return false;
        };
        let State::Alive { peer } = caller.state else {
            return false;
        };
        let Some(position) = caller.in_flight.iter().position(|item| item.0 == slot) else {
            return false;
        };
        if carriage.revoke(peer, caller.in_flight[position].1) != Revocation::Revoked {
            return false;
        }
        caller.in_flight.remove(position);
        true
    }

    // ---- the actor's states

    /// Calls may be sent over a connection. False if nobody here calls the actor.
    pub(super) fn alive(&mut self, actor: ActorNumber, peer: PeerSlot) -> bool {
        let Some(caller) = self.callers.get_mut(&actor) else {
            return false;
        };
        caller.state = State::Alive { peer };
        self.mark(actor);
        true
    }

    /// The actor is alive, but the connection to it was closed here meanwhile.
    pub(super) fn ask_again(&mut self, actor: ActorNumber, id: ActorId, out: &mut Out) {
        let Some(caller) = self.callers.get_mut(&actor) else {
            return;
        };
        if !matches!(caller.state, State::Pending) {
            return;
        }
        if caller.queue.is_empty() && caller.waiting.is_empty() {
            caller.state = State::Resting;
        } else {
            out.tell(ToRaylet::ConnectActor { actor: id });
        }
    }

    /// The connection to an actor is gone; all its replies have been read. Its next state follows. Returns the calls
    /// that it had begun.
    pub(super) fn lost<R: Rings>(
        &mut self,
        actor: ActorNumber,
        peer: PeerSlot,
        tasks: &mut TaskTable,
        carriage: &mut Carriage<'_, R>,
    ) -> Vec<u32> {
        let Some(caller) = self.callers.get_mut(&actor) else {
            return Vec::new();
        };
        if !matches!(caller.state, State::Alive { peer: its } if its == peer) {
            return Vec::new();
        }
        caller.state = State::Pending;
        let mut unstarted = Vec::new();
        let mut started = Vec::new();
        for (slot, frame) in caller.in_flight.drain(..) {
            match carriage.revoke(peer, frame) {
                Revocation::Revoked | Revocation::GivenBack => unstarted.push(slot),
                Revocation::AlreadyTaken => {
                    tasks.set_place(slot, Place::Interrupted);
                    started.push(slot);
                    caller.interrupted.extend(tasks.key(slot));
                }
            }
        }
        self.requeue(actor, unstarted, tasks);
        started
    }

    /// The actor starts again. Returns the calls that were running when it died.
    pub(super) fn restarting(&mut self, actor: ActorNumber) -> Vec<TaskKey> {
        let Some(caller) = self.callers.get_mut(&actor) else {
            return Vec::new();
        };
        caller.state = State::Pending;
        std::mem::take(&mut caller.interrupted)
    }

    /// No connection to the actor could be opened. Returns the calls that fail; its end waits, and asks again.
    pub(super) fn unreachable(
        &mut self,
        actor: ActorNumber,
        id: ActorId,
        tasks: &TaskTable,
        out: &mut Out,
    ) -> Vec<TaskKey> {
        let Some(caller) = self.callers.get_mut(&actor) else {
            return Vec::new();
        };
        if !matches!(caller.state, State::Pending) {
            return Vec::new();
        }
        let mut failed = caller.open(tasks);
        caller.interrupted.clear();
        caller.waiting.clear();
        caller.queue.retain(|&key| is_end(key, tasks));
        failed.retain(|key| !caller.queue.contains(key));
        if caller.queue.is_empty() {
            caller.state = State::Resting;
        } else {
            out.tell(ToRaylet::ConnectActor { actor: id });
        }
        failed
    }

    /// The actor is gone for good. Returns all calls that are not answered.
    pub(super) fn died(
        &mut self,
        actor: ActorNumber,
        error: SystemError,
        tasks: &TaskTable,
    ) -> Vec<TaskKey> {
        let Some(caller) = self.callers.get_mut(&actor) else {
            return Vec::new();
        };
        let open = caller.open(tasks);
        caller.interrupted.clear();
        caller.in_flight.clear();
        caller.waiting.clear();
        caller.queue.clear();
        caller.ends.clear();
        caller.state = State::Dead { error };
        open
    }

    /// The connection to an actor is closed here because nothing goes over it.
    pub(super) fn rest(&mut self, actor: ActorNumber, peer: PeerSlot) {
        if let Some(caller) = self.callers.get_mut(&actor)
            && matches!(caller.state, State::Alive { peer: its } if its == peer)
        {
            caller.state = State::Resting;
        }
    }

    /// Whether calls of an actor are neither answered nor failed.
    pub(super) fn is_busy(&self, actor: ActorNumber) -> bool {
        self.callers.get(&actor).is_some_and(|caller| {
            !(caller.queue.is_empty() && caller.in_flight.is_empty() && caller.waiting.is_empty())
        })
    }

    /// A call has ended, however.
    #[inline]
    pub(super) fn ended(&mut self, actor: ActorNumber, key: TaskKey) {
        let Some(caller) = self.callers.get_mut(&actor) else {
            return;
        };
        if !caller.is_ordered {
            caller.waiting.remove(&key.sequence);
            caller.ends.retain(|&end| end != key);
        }
        // Its key may stand before others, and the end of the actor may have waited for it.
        if !caller.queue.is_empty() {
            self.mark(actor);
        }
    }

    /// Nobody here refers to an actor any more. Returns its connection, if it has one.
    pub(super) fn remove(&mut self, actor: ActorNumber) -> Option<PeerSlot> {
        match self.callers.remove(&actor)?.state {
            State::Alive { peer } => Some(peer),
            State::Pending | State::Resting | State::Dead { .. } => None,
        }
    }

    /// The calls of an actor that are not answered.
    pub(super) fn open(&self, actor: ActorNumber, tasks: &TaskTable) -> Vec<TaskKey> {
        self.callers
            .get(&actor)
            .map(|caller| caller.open(tasks))
            .unwrap_or_default()
    }

    /// Checks that each open call stands in one place.
    pub(super) fn validate(&self, tasks: &TaskTable) -> Result<(), String> {
        for (slot, task) in tasks.iter() {
            let Some(actor) = task.target.called_actor() else {
                continue;
            };
            let Some(caller) = self.callers.get(&actor) else {
                return Err(format!("a call of the actor {actor}, whom nobody calls"));
            };
            let key = task.key(slot);
            let queued = caller.queue.iter().filter(|&&it| it == key).count();
            let flying = caller.in_flight.iter().filter(|it| it.0 == slot).count();
            let interrupted = caller.interrupted.iter().filter(|&&it| it == key).count();
            let waiting = usize::from(caller.waiting.contains_key(&task.sequence));
            let wanted = match task.place {
                Place::InFlight(_) => [0, 1, 0, 0],
                Place::Interrupted => [0, 0, 1, 0],
                Place::Queued => [1, 0, 0, 0],
                Place::Waiting | Place::Spilling if caller.is_ordered => [1, 0, 0, 0],
                Place::Waiting | Place::Spilling => [0, 0, 0, 1],
            };
            if [queued, flying, interrupted, waiting] != wanted {
                return Err(format!(
                    "{key:?} is {:?}, and stands in {queued} queues, {flying} rings, {interrupted} interruptions and \
                     {waiting} waits",
                    task.place
                ));
            }
        }
        Ok(())
    }
}

impl Caller {
    /// Queues a call of an actor that runs several at a time: at the end, but never behind an end of the
    /// actor that was asked for after it.
    fn queue_unordered(&mut self, key: TaskKey, is_end: bool) {
        let later = self
            .ends
            .iter()
            .filter(|end| end.sequence > key.sequence)
            .min_by_key(|end| end.sequence);
        let position = later.and_then(|end| self.queue.iter().position(|other| other == end));
        if is_end {
            self.ends.push(key);
        }
        match position {
            Some(position) => self.queue.insert(position, key),
            None => self.queue.push_back(key),
        }
    }

    /// Sends the first call of the queue. False if there is none to send now.
    fn send_next<R: Rings>(
        &mut self,
        tasks: &mut TaskTable,
        carriage: &mut Carriage<'_, R>,
        failed: &mut Vec<(TaskKey, SystemError)>,
    ) -> bool {
        let State::Alive { peer } = self.state else {
            return false;
        };
        let Some(&key) = self.queue.front() else {
            return false;
        };
        let Some(task) = tasks.find_mut(key) else {
            self.queue.pop_front();
            return true;
        };
        // AC-1: the first call of an ordered actor may still wait, for an argument or for room.
        if task.place != Place::Queued {
            return false;
        }
        let is_end = matches!(task.target, Target::Terminate { .. });
        // The end of an actor waits for calls that were made before it and still wait for something.
        if is_end
            && let Some((&earliest, _)) = self.waiting.first_key_value()
            && earliest < key.sequence
        {
            return false;
        }
        match carriage.send(peer, key.slot, task) {
            Sent::Frame(frame) => {
                self.queue.pop_front();
                tasks.set_place(key.slot, Place::InFlight(peer));
                self.in_flight.push_back((key.slot, frame));
                if is_end {
                    self.ends.retain(|&end| end != key);
                }
                true
            }
            Sent::Full => false,
            Sent::NeedsRoom => {
                tasks.set_place(key.slot, Place::Spilling);
                if self.is_ordered {
                    return false;
                }
                self.queue.pop_front();
                self.waiting.insert(key.sequence, key.slot);
                true
            }
            Sent::Failed(error) => {
                self.queue.pop_front();
                failed.push((key, error));
                true
            }
        }
    }

    fn open(&self, tasks: &TaskTable) -> Vec<TaskKey> {
        let flying = self.in_flight.iter().map(|item| item.0);
        let waiting = self.waiting.values().copied();
        let by_slot = flying.chain(waiting).filter_map(|slot| tasks.key(slot));
        let by_key = self.interrupted.iter().chain(&self.queue).copied();
        by_key
            .chain(by_slot)
            .filter(|&key| tasks.find(key).is_some())
            .collect()
    }
}

/// True if a task is the end of an actor.
fn is_end(key: TaskKey, tasks: &TaskTable) -> bool {
    tasks
        .find(key)
        .is_some_and(|task| matches!(task.target, Target::Terminate { .. }))
}
