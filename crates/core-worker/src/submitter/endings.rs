//! How tasks end, or begin again: by their results, by errors, by cancellation.

use eagleray_protocol::{Details, ObjectId, Outcome, SystemError, WorkerExit};

use super::Submitter;
use super::task::{Place, Target, Task};
use crate::handle::{Handle, PeerSlot};
use crate::objects::Objects;
use crate::rings::Rings;
use crate::work::{Effect, Out};

/// Whether, and how, the worker that runs a cancelled task has to be told.
#[derive(Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// There was nothing to cancel.
    Nothing,
    /// It never starts.
    Dropped,
    /// It runs at a peer, which has to be told.
    Runs {
        /// The connection to it.
        peer: PeerSlot,
        /// The sequence number of its first result.
        sequence: u64,
    },
}

impl Submitter {
    /// Completes whatever results of a task are missing with an error, and takes the task out.
    pub(super) fn fail(
        &mut self,
        slot: u32,
        outcome: &Outcome,
        objects: &mut Objects,
        out: &mut Out,
    ) {
        let Some(task) = self.tasks.get(slot) else {
            return;
        };
        complete_all(task, outcome, objects, out);
        self.finish(slot, objects, out);
    }

    /// As [`fail`](Self::fail), with an error of the runtime.
    pub(super) fn fail_with(
        &mut self,
        slot: u32,
        error: &SystemError,
        objects: &mut Objects,
        out: &mut Out,
    ) {
        self.fail(slot, &Outcome::system_error(error), objects, out);
    }

    /// Takes a task out: its pins go (TA-2). Its results have been completed.
    pub(super) fn finish(&mut self, slot: u32, objects: &mut Objects, out: &mut Out) {
        let Some(task) = self.tasks.remove(slot) else {
            return;
        };
        match task.target {
            Target::Template(template) => {
                if let Some(forgotten) = self.functions.remove_task(template) {
                    self.function_unused(forgotten, objects, out);
                }
            }
            Target::Actor { actor, .. } | Target::Terminate { actor } => {
                self.callers.ended(actor, task.key(slot));
            }
            Target::Create { .. } => {}
        }
        if let Some((_, extent)) = task.spilled() {
            out.effect(Effect::Abandon(extent));
        }
        objects.unpin(&task.pins, &task.actor_pins, out);
    }

    /// Uses up one repetition of a task. False if there is none, or if the task was cancelled.
    pub(super) fn may_repeat(&mut self, slot: u32, out: &mut Out) -> bool {
        let Some(task) = self.tasks.get_mut(slot) else {
            return false;
        };
        if !task.may_repeat() {
            return false;
        }
        if task.retries_left > 0 {
            task.retries_left -= 1;
        }
        task.attempt += 1;
        if let Some(rare) = &mut task.rare {
            rare.parts.clear();
            // The frame says which attempt it is.
            if let Some((_, extent)) = rare.spilled.take() {
                out.effect(Effect::Abandon(extent));
            }
        }
        true
    }

    /// The process that ran a task is gone: it may have sealed results for this process without saying so, and what
    /// it has said of an answer is void.
    pub(super) fn expect_sealed_results(
        &mut self,
        slot: u32,
        objects: &mut Objects,
        out: &mut Out,
    ) {
        let Some(task) = self.tasks.get_mut(slot) else {
            return;
        };
        if let Some(rare) = &mut task.rare {
            rare.parts.clear();
        }
        for handle in task.results() {
            objects.sealed_in_vain(handle, out);
        }
    }

    /// Repeats a task whose function threw an error that `retryExceptions` matches.
    pub(super) fn repeat(&mut self, slot: u32, out: &mut Out) {
        let Some(target) = self.tasks.get(slot).map(|task| task.target) else {
            return;
        };
        if !self.may_repeat(slot, out) {
            return;
        }
        self.tasks.set_place(slot, Place::Queued);
        match target {
            Target::Template(template) => {
                if let (Some(class), Some(key)) =
                    (self.functions.class(template), self.tasks.key(slot))
                {
                    self.dispatch.enqueue(class, key);
                }
            }
            Target::Actor { actor, .. } | Target::Terminate { actor } => {
                self.callers.requeue(actor, vec![slot], &mut self.tasks);
            }
            Target::Create { .. } => {}
        }
    }

    // ---- cancellation

    /// Ends a task on behalf of its user, by the handle of one of its results.
    pub fn cancel<R: Rings>(
        &mut self,
        handle: Handle,
        objects: &mut Objects,
        rings: &mut R,
        out: &mut Out,
    ) -> Cancellation {
        let Some(slot) = objects.producer(handle) else {
            return Cancellation::Nothing;
        };
        let Some(task) = self.tasks.get(slot) else {
            return Cancellation::Nothing;
        };
        let (place, target, sequence) = (task.place, task.target, task.sequence);
        let outcome = Outcome::system_error(&self.cancellation_error(slot, sequence));
        let is_taken_back = match place {
            Place::InFlight(peer) => {
                let mut carriage = carriage!(self, objects, rings, out);
                match target {
                    Target::Template(_) => self.dispatch.take_back_task(slot, peer, &mut carriage),
                    Target::Actor { actor, .. } | Target::Terminate { actor } => {
                        self.callers.take_back(actor, slot, &mut carriage)
                    }
                    Target::Create { .. } => false,
                }
            }
            Place::Waiting | Place::Queued | Place::Spilling | Place::Interrupted => true,
        };
        if is_taken_back {
            self.fail(slot, &outcome, objects, out);
            // What stood behind it may go on, and a lease may be idle now.
            match target {
                Target::Template(template) => {
                    if let Some(class) = self.functions.class(template) {
                        self.dispatch.mark(class);
                    }
                }
                Target::Actor { actor, .. } | Target::Terminate { actor } => {
                    self.callers.mark(actor);
                }
                Target::Create { .. } => {}
            }
            return Cancellation::Dropped;
        }
        if let Some(task) = self.tasks.get_mut(slot) {
            task.is_cancelled = true;
            complete_all(task, &outcome, objects, out);
        }
        match place {
            Place::InFlight(peer) => Cancellation::Runs { peer, sequence },
            _ => Cancellation::Dropped,
        }
    }

    /// Where a task runs that was to make an object and was cancelled before: its peer, and the sequence number of its
    /// first result.
    pub fn cancelled(&self, handle: Handle) -> Option<(PeerSlot, u64)> {
        let tasks = self.tasks.iter().map(|(_, task)| task);
        let mut cancelled = tasks.filter(|task| task.is_cancelled);
        let task = cancelled.find(|task| task.results().contains(&handle))?;
        match task.place {
            Place::InFlight(peer) => Some((peer, task.sequence)),
            _ => None,
        }
    }

    /// True if an object is the open result of an actor's method.
    pub fn is_call(&self, handle: Handle, objects: &Objects) -> bool {
        let slot = objects.producer(handle);
        slot.and_then(|slot| self.tasks.get(slot))
            .is_some_and(|task| matches!(task.target, Target::Actor { .. }))
    }

    // ---- errors

    /// What the function of a task is called. Methods of actors have names only in their handles.
    fn task_name(&self, slot: u32) -> Option<&str> {
        match self.tasks.get(slot)?.target {
            Target::Template(template) => self.functions.name(template),
            _ => None,
        }
    }

    fn cancellation_error(&self, slot: u32, sequence: u64) -> SystemError {
        let id = ObjectId::local(self.process, sequence);
        let details = Details::new()
            .text("taskId", &format!("{id:?}"))
            .text_if_any("taskName", self.task_name(slot));
        SystemError::new("TaskCancelledError", "")
            .with_details(details.finish())
            .on_purpose()
    }

    /// The error of a task whose worker is gone.
    pub(super) fn crash_error(&self, slot: u32, exit: &WorkerExit) -> SystemError {
        let details = Details::new()
            .exit(exit)
            .text_if_any("taskName", self.task_name(slot));
        SystemError::new("WorkerCrashedError", "").with_details(details.finish())
    }
}

fn complete_all(task: &Task, outcome: &Outcome, objects: &mut Objects, out: &mut Out) {
    if task.result_count > 1 && outcome.is_missed() {
        objects.fail_together(task.results(), out);
    }
    for handle in task.results() {
        objects.complete_with(handle, outcome, out);
    }
}
