//! What worker processes and actors do: start, run tasks, wait for children, end.

use eagleray_resources::ResourceSet;
use eagleray_scheduler::{ActorId, EnvironmentId, Event, LeaseId, ProcessId, StopReason};

use super::{Actor, Executing, Happening, Worker, World};
use crate::clients::{Client, Task};

impl World {
    pub fn create_actor(
        &mut self,
        owner: ProcessId,
        placement: ResourceSet,
        held: ResourceSet,
        environment: EnvironmentId,
    ) {
        self.next_actor += 1;
        let actor = ActorId(self.next_actor);
        let entry = Actor {
            owner,
            placement,
            held,
            environment,
            worker: None,
        };
        self.actors.insert(actor, entry);
        if let Some(event) = self.actor_wanted(actor) {
            self.send(owner, event);
        }
    }

    /// Ends a process, at whatever it is. The news of it may overtake its last messages.
    pub fn die(&mut self, process: ProcessId) {
        self.clients.remove(&process);
        let orphans: Vec<ActorId> = self
            .actors
            .iter()
            .filter(|(_, actor)| actor.owner == process)
            .map(|(actor, _)| *actor)
            .collect();
        for actor in orphans {
            self.end_actor(actor);
        }
        let delay_ms = self.random.below(self.delay_max_ms + 1);
        match self.workers.remove(&process) {
            Some(worker) => {
                let gone = match self.random.below(4) {
                    0 | 1 => Event::WorkerGone { worker: process },
                    2 => Event::StartInterrupted { worker: process },
                    _ => Event::StartShort { worker: process },
                };
                self.after(delay_ms, Happening::Told(gone));
                if let Some(actor) = worker.actor {
                    self.actor_crashed(actor, process, delay_ms);
                }
            }
            None => self.send(process, Event::ClientGone { client: process }),
        }
    }

    pub(super) fn start(&mut self, worker: ProcessId, environment: EnvironmentId) {
        let entry = Worker {
            executing: None,
            actor: None,
            is_stopped: false,
        };
        self.workers.insert(worker, entry);
        let is_broken = self.faults.broken_environment == Some(environment);
        let delay_ms = self.random.between(1, 60);
        let happening = if is_broken || self.random.chance(self.faults.start_fails) {
            Happening::Dies(worker)
        } else {
            Happening::Ready(worker)
        };
        self.after(delay_ms, happening);
    }

    pub(super) fn ready(&mut self, process: ProcessId) {
        if self.workers.contains_key(&process) {
            self.clients.insert(process, Client::new(process));
            self.send(process, Event::WorkerStarted { worker: process });
        }
    }

    /// Somebody asks a worker for something that it answers at once; it may have been stopped, and never does.
    pub fn ask(&mut self, process: ProcessId) -> Result<(), String> {
        // Only what is ready has something that others could want of it.
        if !self.clients.contains_key(&process) {
            return Ok(());
        }
        self.tell(Event::WorkerAsked { worker: process })?;
        let is_stopped = self.random.chance(self.faults.worker_stopped);
        let delay_ms = self.random.between(0, 150);
        if let Some(worker) = self.workers.get_mut(&process) {
            worker.is_stopped |= is_stopped;
            self.after(delay_ms, Happening::Answers(process));
        }
        Ok(())
    }

    /// It may have ended meanwhile.
    pub(super) fn answer(&mut self, process: ProcessId) {
        if self.workers.contains_key(&process) {
            self.send_once(process, Event::WorkerAnswered { worker: process });
        }
    }

    pub(super) fn stop(&mut self, process: ProcessId, reason: StopReason) {
        if !self.workers.contains_key(&process) {
            return;
        }
        if reason == StopReason::Surplus && self.random.chance(self.faults.worker_kept) {
            self.send(process, Event::WorkerKept { worker: process });
            return;
        }
        if reason != StopReason::HolderGone && self.random.chance(self.faults.worker_lingers) {
            let delay_ms = self.random.between(0, 30);
            let lingers = Happening::Told(Event::WorkerLingers { worker: process });
            self.after(delay_ms, lingers);
            let ends_ms = self.random.between(100, 5_000);
            self.after(delay_ms + ends_ms, Happening::Dies(process));
            return;
        }
        let delay_ms = self.random.between(0, 20);
        self.after(delay_ms, Happening::Dies(process));
    }

    pub(super) fn execute(
        &mut self,
        holder: ProcessId,
        lease: LeaseId,
        process: ProcessId,
        task: Task,
    ) {
        let Some(worker) = self.workers.get_mut(&process) else {
            // It has just died; the news is on its way to the holder.
            return;
        };
        let duration_ms = task.duration_ms;
        let has_children = !task.children.is_empty();
        worker.executing = Some(Executing {
            lease,
            holder,
            task,
            awaited_children: 0,
        });
        let happening = if has_children {
            Happening::HalfTime
        } else {
            Happening::Returns
        };
        let delay_ms = if has_children {
            duration_ms / 2
        } else {
            duration_ms
        };
        self.after(delay_ms, happening(process, lease));
    }

    pub(super) fn executing(
        &mut self,
        process: ProcessId,
        lease: LeaseId,
    ) -> Option<&mut Executing> {
        let executing = self.workers.get_mut(&process)?.executing.as_mut();
        executing.filter(|executing| executing.lease == lease)
    }

    pub(super) fn half_time(&mut self, process: ProcessId, lease: LeaseId) {
        let Some(executing) = self.executing(process, lease) else {
            return;
        };
        let waits = executing.task.waits;
        let rest_ms = executing.task.duration_ms / 2;
        let mut children = std::mem::take(&mut executing.task.children);
        if waits {
            executing.awaited_children = children.len();
            self.send(
                process,
                Event::WorkerBlocked {
                    worker: process,
                    blocked: true,
                },
            );
        } else {
            self.after(rest_ms, Happening::Returns(process, lease));
        }
        for child in &mut children {
            child.is_awaited = waits;
        }
        self.submit(process, children);
    }

    pub(super) fn awaited_child_ended(&mut self, process: ProcessId) {
        let executing = self
            .workers
            .get_mut(&process)
            .and_then(|worker| worker.executing.as_mut());
        let Some(executing) = executing.filter(|executing| executing.awaited_children > 0) else {
            return;
        };
        executing.awaited_children -= 1;
        if executing.awaited_children == 0 {
            let (lease, rest_ms) = (executing.lease, executing.task.duration_ms / 2);
            self.send(
                process,
                Event::WorkerBlocked {
                    worker: process,
                    blocked: false,
                },
            );
            self.after(rest_ms, Happening::Returns(process, lease));
        }
    }

    pub(super) fn task_returns(&mut self, process: ProcessId, lease: LeaseId) {
        let retire = self.random.chance(self.faults.worker_retires);
        let Some(executing) = self.executing(process, lease) else {
            return;
        };
        let holder = executing.holder;
        if let Some(worker) = self.workers.get_mut(&process) {
            worker.executing = None;
        }
        self.with_client(holder, |client, classes, acts| {
            client.task_done(lease, retire, classes, acts)
        });
    }

    pub(super) fn actor_wanted(&self, id: ActorId) -> Option<Event> {
        let actor = self.actors.get(&id)?;
        Some(Event::ActorWanted {
            actor: id,
            placement: actor.placement.clone(),
            held: actor.held.clone(),
            environment: actor.environment,
        })
    }

    pub(super) fn placed(&mut self, id: ActorId, process: ProcessId) {
        let worker = self.workers.get_mut(&process);
        match (self.actors.get_mut(&id), worker) {
            (Some(actor), Some(worker)) => {
                actor.worker = Some(process);
                worker.actor = Some(id);
                let lives_ms = self.random.between(1, 400);
                self.after(lives_ms, Happening::ActorEnds(id));
            }
            // Its process died a moment ago, and the scheduler is about to hear of it: the owner gives up.
            (Some(_), None) => {
                self.actors.remove(&id);
            }
            // Withdrawn, and the scheduler is about to hear of it.
            (None, _) => {}
        }
    }

    pub(super) fn actor_crashed(&mut self, id: ActorId, process: ProcessId, delay_ms: u64) {
        let restarts = self.random.chance(50);
        let Some(actor) = self
            .actors
            .get_mut(&id)
            .filter(|actor| actor.worker == Some(process))
        else {
            return;
        };
        actor.worker = None;
        if !restarts {
            self.actors.remove(&id);
            return;
        }
        // After the scheduler knows of the death.
        self.after(delay_ms, Happening::Restarts(id));
    }

    pub fn end_actor(&mut self, id: ActorId) {
        if let Some(actor) = self.actors.remove(&id) {
            self.send(actor.owner, Event::ActorGone { actor: id });
        }
    }
}
