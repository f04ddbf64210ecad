//! Tasks that this process executes: their way in, their results, their waits.

use std::sync::MutexGuard;
use std::time::Instant;

use eagleray_protocol::{ObjectId, Outcome, Payload, Status, SystemError, ToRaylet};

use super::CoreWorker;
use super::storing::seal_regions;
use crate::core::Core;
use crate::executor::{Cancellation, NextTask, StoredResult};
use crate::handle::{ActorNumber, Handle};
use crate::records::RecordWriter;

/// The longest description of a stored result that travels in the reply.
const DESCRIPTION_INLINE_MAX: usize = 32 << 10;

impl CoreWorker {
    /// A worker is ready for tasks.
    pub fn ready(&self) {
        self.with(|core| {
            let pid = core.pid();
            core.out.tell(ToRaylet::Ready { pid });
        });
    }

    /// The next task's record, copied by `take`; spins a little for one if `spin`. JavaScript `begins` a slice of tasks with its
    /// first call, and is told when that is over. One look at the clock serves all: it is a twentieth of a short task.
    pub fn next_task(&self, spin: bool, begins: bool, take: impl FnOnce(&[u8])) -> NextTask {
        let mut core = self.lock();
        let mut now = Instant::now();
        if begins {
            core.executor.begin_slice(now);
        } else if core.executor.is_slice_over(now) {
            return NextTask::SliceOver;
        }
        core.pump_at(now);
        if spin && !core.executor.has_task(&core.peers) {
            core.peers.ring_unrung(false);
            core.spin_for_incoming(true);
            now = Instant::now();
            core.pump_at(now);
        }
        let state = &mut *core;
        let record =
            state
                .executor
                .next_task(now, &mut state.peers, &mut state.objects, &mut state.out);
        let found = record.map(take).is_some();
        if !found {
            core.peers.ring_unrung(false);
        }
        core.drive();
        self.pace_if_needed(&mut core);
        if found {
            NextTask::Found
        } else {
            NextTask::None
        }
    }

    /// The envelope of a function, as a value record.
    pub fn function(&self, number: u32, out: &mut RecordWriter) -> bool {
        self.lock().executor.write_function(number, out)
    }

    /// Stores one result of a running task that is too large to travel, or carries ids.
    #[allow(
        clippy::too_many_arguments,
        reason = "they are those of the call from JavaScript, one for one"
    )]
    pub fn store_result(
        &self,
        token: u32,
        index: u32,
        status: Status,
        meta: &[u8],
        buffers: &[&[u8]],
        refs: &[Handle],
        actors: &[ActorNumber],
        is_patient: bool,
    ) -> Result<(), SystemError> {
        let mut core = self.lock();
        core.take_submissions();
        let Some((id, holder)) = core.executor.result_id(token, index) else {
            return Ok(());
        };
        {
            let core = &mut *core;
            for &handle in refs {
                core.objects.publish(handle, &mut core.out);
            }
        }
        drop(core);
        let stored = self.store_value(meta, buffers, is_patient)?;
        let nested = self.lock().objects.nested_ids(refs, actors);
        let copies = stored.copies.clone();
        let mut payload = stored.into_payload();
        payload.nested = nested.into();
        let description = match self.describe(&payload, is_patient) {
            Ok(description) => description,
            Err(error) => {
                self.give_back(&copies);
                return Err(error);
            }
        };
        self.with(|core| {
            let mut extents = payload.extents.to_vec();
            // The description is an extent that lives as long as the object.
            if let StoredResult::Spilled(extent) = description {
                extents.push(extent);
            }
            core.out.tell(ToRaylet::Seal {
                request: 0,
                id,
                holder,
                extents,
                nested: payload.nested.to_vec(),
            });
            // EX-1: the reply waits for the raylet, which then counts the submitter as a holder.
            core.link.unsettle();
            core.executor
                .add_stored_result(token, index, status, &description);
            if !core.room.has_regions_of(&payload) {
                return Ok(());
            }
            // The array lives on here as a view, so this process holds the object like any reader.
            let handle = core
                .objects
                .borrow_with_value(id, payload.clone(), &mut core.out);
            let sealed = seal_regions(core, &payload, handle);
            core.objects.release(handle, &mut core.out);
            sealed
        })
    }

    /// The description of a stored result, as its reply carries it. One that is too long for a ring is
    /// stored, too.
    fn describe(&self, payload: &Payload, is_patient: bool) -> Result<StoredResult, SystemError> {
        let bytes = eagleray_protocol::encode(payload);
        if bytes.len() <= DESCRIPTION_INLINE_MAX {
            return Ok(StoredResult::Described(bytes));
        }
        self.copy_in(&bytes, is_patient).map(StoredResult::Spilled)
    }

    /// What a task has stored is not its result after all: it has failed while it stored its results.
    pub fn discard_results(&self, token: u32) {
        self.lock().executor.discard_results(token);
    }

    /// Answers a task.
    pub fn finish(&self, token: u32, results: &[u8], retires: bool) {
        let mut core = self.lock();
        core.take_submissions();
        let state = &mut *core;
        let answer = state
            .executor
            .begin_answer(token, &mut state.objects, &mut state.out);
        let Some(answer) = answer else { return };
        core = self.settle_holds(core);
        let state = &mut *core;
        if state
            .executor
            .answer(answer, results, retires, &mut state.peers)
        {
            core.attention.need_pace();
        }
        core.drive();
        self.pace_if_needed(&mut core);
    }

    /// EX-1: what this process kept is acknowledged before anybody may let go.
    fn settle_holds<'a>(&'a self, mut core: MutexGuard<'a, Core>) -> MutexGuard<'a, Core> {
        // What was decided is told first: it may be a hold.
        core.drive_if_needed();
        match core.link.settle() {
            None => core,
            Some(request) => {
                // Without an answer there is no raylet, and nobody who could let go.
                let _ = self.answer(core, request);
                self.lock()
            }
        }
    }

    /// The constructor of this process's actor has ended.
    pub fn actor_started(&self, outcome: Outcome) {
        let mut core = self.lock();
        core.take_submissions();
        core = self.settle_holds(core);
        Self::tell_started(&mut core, outcome);
        self.finish_call(&mut core);
    }

    /// The constructor of this process's actor has thrown an error with arrays, refs or handles, which is stored as an
    /// object of this process. The raylet holds that as long as the actor is known; one count of it goes.
    pub fn actor_failed(&self, stored: Handle) {
        let mut core = self.lock();
        core.take_submissions();
        core = self.settle_holds(core);
        let state = &mut *core;
        state.objects.publish(stored, &mut state.out);
        let Some(Outcome { payload, .. }) = state.objects.inheritance(stored) else {
            return;
        };
        let status = Status::UserError;
        Self::tell_started(state, Outcome { status, payload });
        let state = &mut *core;
        state.objects.release(stored, &mut state.out);
        self.finish_call(&mut core);
    }

    fn tell_started(state: &mut Core, outcome: Outcome) {
        state.out.tell(ToRaylet::ActorStarted { outcome });
        for handle in state.executor.take_actor_arguments() {
            state.objects.release(handle, &mut state.out);
        }
    }

    /// The running task begins to wait, without blocking the thread.
    pub fn enter_wait(&self) {
        self.with(Core::enter_wait);
    }

    /// The running task has what it waited for.
    pub fn leave_wait(&self) {
        self.with(Core::leave_wait);
    }

    /// True if a running task was cancelled; looks at what the raylet has sent until now.
    pub fn is_cancelled(&self, token: u32) -> bool {
        self.with(|core| {
            core.receive();
            core.executor.is_cancelled(token)
        })
    }

    /// How the cancellation of a running task stands. If it is fresh, this call counts as telling the task.
    pub fn tell_cancellation(&self, token: u32) -> Cancellation {
        self.lock().executor.tell_cancellation(token)
    }

    /// The GPUs of this actor, or of the lease that the running task belongs to.
    pub fn gpu_ids(&self) -> Vec<String> {
        // Said by the raylet before the lease was granted, so it has arrived by now.
        self.with(|core| {
            core.receive();
            core.executor.gpu_ids().to_vec()
        })
    }

    /// The id of a running task, or (token 0) of the actor of this process.
    pub fn task_id(&self, token: u32, sequence: u64) -> ObjectId {
        let core = self.lock();
        let task = core.executor.result_id(token, 0).map(|(id, _)| id);
        let actor = || {
            core.executor
                .actor_id()
                .filter(|_| token == 0)
                .unwrap_or(ObjectId::local(core.process, sequence))
        };
        task.unwrap_or_else(actor)
    }
}
