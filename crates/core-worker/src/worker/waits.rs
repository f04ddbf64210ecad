//! `get`, `wait`, and blocking in them.

use std::time::{Duration, Instant};

use super::CoreWorker;
use crate::core::{Blocking, Core};
use crate::executor::Cancellation;
use crate::handle::Handle;
use crate::objects::WaitStart;
use crate::records::RecordWriter;

/// How a blocking `get` or `wait` ended, or why it is left for a moment.
#[derive(Debug, PartialEq, Eq)]
pub enum Blocked {
    /// The record is written.
    Done,
    /// The time was over. The record of a `wait` is written.
    TimedOut,
    /// The task that waits was cancelled.
    Cancelled,
    /// The runtime has ended.
    Ended,
    /// The raylet asks for what nobody uses, perhaps to make room for just what is waited for: collect
    /// garbage, and go on ([`CoreWorker::block_again`]).
    Collect,
    /// Workers have printed lines: print them, and go on.
    Lines,
}

impl CoreWorker {
    /// What follows upon the start of a `get` or `wait`.
    fn go_on(&self, core: &mut Core, start: &WaitStart) {
        if matches!(start, WaitStart::Pending(_)) {
            core.pump();
            core.attention.will_look();
        } else {
            let has_events = core.has_events();
            core.attention.rouse(has_events);
        }
        self.pace_if_needed(core);
    }

    /// Starts a `get`: writes the record if it can end now.
    pub fn get(&self, handles: &[Handle], out: &mut RecordWriter) -> WaitStart {
        let mut core = self.lock();
        core.take_submissions();
        let decided = core.out.effects.len();
        let start = core.start_wait(handles, None, true, out);
        if core.out.effects.len() > decided {
            // An error was seen of which the raylet has to know, also if somebody kills this process next.
            core.drive();
        }
        self.go_on(&mut core, &start);
        start
    }

    /// Starts a `wait` for `needed` of the objects.
    pub fn wait(&self, handles: &[Handle], needed: usize, out: &mut RecordWriter) -> WaitStart {
        let mut core = self.lock();
        core.take_submissions();
        if core.has_incoming(false) {
            core.pump();
        }
        let start = core.start_wait(handles, Some(needed), true, out);
        self.go_on(&mut core, &start);
        start
    }

    /// Starts a `wait` for each single one that is not there, as [`Objects::watch`](crate::objects::Objects::watch).
    pub fn watch(&self, handles: &[Handle], out: &mut RecordWriter) -> WaitStart {
        let mut core = self.lock();
        core.take_submissions();
        core.pump();
        let core = &mut *core;
        let start = core.objects.watch(handles, out, &mut core.out);
        core.attention.will_look();
        self.pace_if_needed(core);
        start
    }

    /// What is ready now, up to `needed`.
    pub fn ready_now(&self, handles: &[Handle], needed: usize, out: &mut RecordWriter) {
        self.with(|core| {
            core.pump();
            core.objects.write_wait(0, handles, needed, out);
        });
    }

    /// Forgets a `get` or `wait`.
    pub fn withdraw(&self, wait: u32) {
        self.lock().objects.withdraw_wait(wait);
    }

    /// As [`Self::get`] or, with `needed`, [`Self::wait`], blocking this thread. `token` is the task
    /// that waits, if one does; it gives its CPUs back meanwhile unless it keeps them.
    pub fn block(
        &self,
        handles: &[Handle],
        needed: Option<usize>,
        timeout: Option<Duration>,
        token: u32,
        keep_cpus: bool,
        out: &mut RecordWriter,
    ) -> Result<Blocked, WaitStart> {
        let mut core = self.lock();
        // One that was left and never gone on with.
        end_blocking(&mut core);
        core.pump();
        core.reset_submissions();
        // Before anything else, because a cancelled task's children were cancelled with it: what it would wait for
        // has ended then.
        if core.executor.tell_cancellation(token) == Cancellation::Fresh {
            self.finish_call(&mut core);
            return Ok(Blocked::Cancelled);
        }
        let start = core.start_wait(handles, needed, false, out);
        let number = match start {
            WaitStart::Pending(number) => number,
            WaitStart::Done => {
                self.finish_call(&mut core);
                return Ok(Blocked::Done);
            }
            refused => return Err(refused),
        };
        let gave_cpus_back = token != 0 && !keep_cpus;
        if gave_cpus_back {
            core.enter_wait();
        }
        core.blocking = Some(Blocking {
            number,
            token,
            gave_cpus_back,
            is_wait: needed.is_some(),
        });
        core.drive();
        drop(core);
        Ok(self.block_again(timeout, out))
    }

    /// Goes on with a blocking `get` or `wait` that was left for a moment.
    pub fn block_again(&self, timeout: Option<Duration>, out: &mut RecordWriter) -> Blocked {
        let Some(Blocking {
            number,
            token,
            is_wait,
            ..
        }) = self.lock().blocking
        else {
            return Blocked::Ended;
        };
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let ended = self.attend(deadline, |core| {
            // First, because a cancelled task's children are cancelled with it, which ends what it waits for.
            if core.executor.tell_cancellation(token) == Cancellation::Fresh {
                Some(Blocked::Cancelled)
            } else if core.objects.is_wait_done(number) {
                Some(Blocked::Done)
            } else if core.link.is_gone() {
                Some(Blocked::Ended)
            } else if core.out.events.asks_for_garbage() {
                Some(Blocked::Collect)
            } else if core.out.events.has_output() {
                Some(Blocked::Lines)
            } else {
                None
            }
        });
        let ended = ended.unwrap_or(Blocked::TimedOut);
        if matches!(ended, Blocked::Collect | Blocked::Lines) {
            return ended;
        }
        let mut core = self.lock();
        if ended == Blocked::Done || (ended == Blocked::TimedOut && is_wait) {
            let core = &mut *core;
            core.objects.finish_wait(number, out, &mut core.out);
        }
        end_blocking(&mut core);
        self.finish_call(&mut core);
        ended
    }
}

/// Ends the blocking wait that there is, if there is one.
fn end_blocking(core: &mut Core) {
    if let Some(blocking) = core.blocking.take() {
        core.objects.withdraw_wait(blocking.number);
        if blocking.gave_cpus_back {
            core.leave_wait();
        }
    }
}
