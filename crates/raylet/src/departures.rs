//! How workers end on purpose.
//!
//! `Exit` is a question: nothing new comes to the worker, it finishes what it has begun towards others, and ends. What
//! waits for what:
//!
//! | step | the worker has | the raylet does |
//! | --- | --- | --- |
//! | `Exit`, or the worker by itself | its last task or call behind it | kills it if it has not said `Leaving` by [`EXIT_GRACE`] |
//! | `Leaving` | nothing that runs | ends its actor for the callers; frees its CPUs; what else it holds is free at its end, or [`DRAIN_KEEP`] later |
//! | `Drained` | nothing open that it has begun, no reply on its way | loses the connections on which it executed; hands its actors to the driver; kills it if it is there after [`EXIT_GRACE`] |
//! | its end | | as of any process |
//!
//! Between `Leaving` and `Drained` there is no deadline.
//!
//! When the runtime ends, workers are killed. One that has said `EndsInOrder` is told `RuntimeEnds` first, whatever it runs,
//! and has [`END_GRACE`] for what it has to do; nothing else happens meanwhile.

use std::time::Duration;

use eagleray_protocol::{DRIVER, FromRaylet, ProcessNumber};
use eagleray_scheduler::{Event, StopReason};

use crate::clients::Source;
use crate::errors::shortened;
use crate::server::{Server, id};
use crate::worker_process::Stream;

/// How long a worker that was asked to end may take until it says that it leaves, and to end when all is done.
pub(crate) const EXIT_GRACE: Duration = Duration::from_secs(5);

/// How long a worker that leaves keeps GPUs, memory and custom resources: it may be about to end, and who gets them next
/// would find them in use.
const DRAIN_KEEP: Duration = Duration::from_secs(1);

/// How long workers that have something to do at the end of the runtime may take for it: more than JavaScript takes at
/// most (`DISPOSAL_MS_MAX` in `per-process-values.ts`), and less than a driver waits for the raylet's end.
const END_GRACE: Duration = Duration::from_secs(4);

impl Server {
    /// A worker says whether it has something to do when the runtime ends.
    pub(crate) fn ends_in_order(
        &mut self,
        worker: ProcessNumber,
        wanted: bool,
    ) -> Result<(), String> {
        let Some(process) = self.worker_process(worker) else {
            return Err("only a worker is told of the end of the runtime".to_owned());
        };
        process.ends_in_order = wanted;
        Ok(())
    }

    /// The runtime ends: workers that have something to do for that are waited for; the others are ended.
    pub(crate) fn let_end_in_order(&mut self) {
        let numbers: Vec<_> = self.clients.workers().map(|(number, _)| number).collect();
        for &worker in &numbers {
            // It may have said just now that it has something to do.
            self.receive(worker);
        }
        let mut open = Vec::new();
        for (number, process) in self.clients.workers() {
            if process.ends_in_order && !process.is_killed {
                open.push(number);
            } else {
                process.kill();
            }
        }
        for &worker in &open {
            self.clients
                .send_urgent(worker, &FromRaylet::RuntimeEnds {});
        }
        // Whom it can't be told is killed with the others.
        let _ = self.clients.flush_all(&self.poller);
        let deadline = self.now() + END_GRACE;
        loop {
            open.retain(|&worker| {
                self.clients
                    .workers()
                    .any(|(number, process)| number == worker && !process.has_ended())
            });
            let rest = deadline.saturating_sub(self.now());
            if open.is_empty() || rest.is_zero() {
                return;
            }
            let Ok(ready) = self.poller.wait(Some(rest)) else {
                return;
            };
            for event in ready {
                self.overhear(Source::of(event.token));
            }
        }
    }

    /// What comes in while the runtime ends: only what workers print still counts.
    fn overhear(&mut self, source: Source) {
        match source {
            Source::Output(worker) => self.read_output(worker, Stream::Output),
            Source::Error(worker) => self.read_output(worker, Stream::Error),
            Source::Control(process) => self.unwatch(process),
            Source::End(worker) => {
                let Self {
                    clients, poller, ..
                } = self;
                if let Some(end) = clients
                    .get(worker)
                    .and_then(|client| client.process.as_ref()?.ended())
                {
                    // One that is not watched (any more) need not be removed.
                    let _ = poller.remove(end);
                }
            }
            Source::Wake => {
                // What it can't clear keeps it awake, which costs time and nothing else.
                let _ = self.signal.doorbell.clear();
            }
        }
    }

    /// Asks a worker to end, or ends it at once where nobody can wait for it.
    pub(crate) fn stop_worker(&mut self, worker: ProcessNumber, reason: StopReason) {
        if reason == StopReason::Surplus && self.is_still_needed(worker) {
            self.feed(Event::WorkerKept { worker: id(worker) });
            return;
        }
        let text = match reason {
            StopReason::Surplus => "it was idle",
            StopReason::Retired => "it was not to be used again",
            StopReason::HolderGone => "the process whose task it ran has ended",
            StopReason::ActorGone => "its actor has ended",
        };
        // What a dead process started is not waited for; it may never look at its messages.
        if reason == StopReason::HolderGone {
            self.kill_worker(worker, text);
            return;
        }
        let deadline = self.now() + EXIT_GRACE;
        let Some(process) = self.worker_process(worker) else {
            return;
        };
        // One that leaves by itself need not be asked.
        if process.leaving.is_some() {
            return;
        }
        process.stopping.get_or_insert_with(|| text.to_owned());
        self.kill_at_the_latest(worker, deadline);
        self.clients.send_urgent(worker, &FromRaylet::Exit {});
    }

    /// A worker runs nothing any more.
    pub(crate) fn worker_leaves(
        &mut self,
        worker: ProcessNumber,
        reason: &str,
    ) -> Result<(), String> {
        let lingers_at = self.now() + DRAIN_KEEP;
        let Some(process) = self.worker_process(worker) else {
            return Err("the driver can't leave".to_owned());
        };
        if process.leaving.is_some() {
            return Err("it left twice".to_owned());
        }
        let reason = shortened(reason).into_owned();
        process.leaving = Some(reason.clone());
        process.lingers_at = Some(lingers_at);
        // However long it takes now, unless it was killed.
        if !process.is_killed {
            process.kill_at = None;
        }
        self.timed.insert(worker);
        let mut out = Vec::new();
        self.actors.worker_left(worker, &reason, &mut out);
        self.effects.extend(out);
        Ok(())
    }

    /// Nothing that a leaving worker has begun is open any more.
    pub(crate) fn worker_drained(&mut self, worker: ProcessNumber) -> Result<(), String> {
        let deadline = self.now() + EXIT_GRACE;
        let Some(process) = self.worker_process(worker) else {
            return Err("the driver can't leave".to_owned());
        };
        let Some(leaving) = process.leaving.clone() else {
            return Err("it has drained without leaving".to_owned());
        };
        let reason = process.stopping.clone().unwrap_or(leaving);
        self.kill_at_the_latest(worker, deadline);
        self.executor_left(worker, &reason);
        self.actors.adopt(worker);
        Ok(())
    }

    /// A leaving worker takes long: what it still holds is for others.
    pub(crate) fn let_linger(&mut self, worker: ProcessNumber) {
        self.feed(Event::WorkerLingers { worker: id(worker) });
    }

    /// A surplus worker stays while others depend on it: it can be used again, and what it has started would have to wait
    /// for it. An idle lease is no dependence: it goes back when the worker is asked to end.
    fn is_still_needed(&self, worker: ProcessNumber) -> bool {
        let is_used =
            |lease: &crate::server::LeaseEntry| lease.client == worker && !lease.is_idle();
        self.leases.values().any(is_used)
            || self
                .clients
                .get(worker)
                .is_some_and(|client| client.classes.has_wishes())
            || (worker != DRIVER && self.actors.has_dependents_of(worker))
            || self.objects.is_awaited_of(worker)
    }
}
