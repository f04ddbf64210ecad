//! What can be said of the scheduler from its instructions alone, by somebody who knows none of its tables.

use std::collections::{BTreeMap, BTreeSet};

use eagleray_resources::{GPU, Quantity};
use eagleray_scheduler::{
    ActorId, EnvironmentId, Event, Instruction, LeaseId, ProcessId, SchedulingClass, StopReason,
};

/// The auditor's own books.
#[derive(Default)]
pub struct Audit {
    workers: BTreeMap<ProcessId, Worker>,
    leases: BTreeMap<LeaseId, Lease>,
    leases_seen: BTreeSet<LeaseId>,
    wanted: BTreeSet<(ProcessId, u32, String)>,
    actors_wanted: BTreeMap<ActorId, (Quantity, EnvironmentId)>,
    answer_grace_ms: u64,
}

struct Worker {
    environment: EnvironmentId,
    ready: bool,
    stopping: bool,
    serves: Option<Service>,
    /// What of which GPU its process may use.
    gpus: Vec<(String, Quantity)>,
    /// Questions that it has not answered.
    unanswered: u32,
    /// When it was asked the oldest of them, or has answered the one before.
    silent_since_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Service {
    Lease(LeaseId),
    Actor(ActorId),
}

struct Lease {
    worker: ProcessId,
    client: ProcessId,
    asked: bool,
}

impl Audit {
    /// Books of a scheduler that gives workers so much time to answer.
    pub fn new(answer_grace_ms: u64) -> Audit {
        Audit {
            answer_grace_ms,
            ..Audit::default()
        }
    }

    /// Notes what the scheduler is about to be told.
    pub fn event(&mut self, event: &Event, now_ms: u64) {
        match event {
            Event::LeasesWanted {
                client,
                class,
                wanted,
            } if *wanted > 0 => {
                self.wanted.insert(key(*client, class));
            }
            Event::LeaseReturned {
                lease,
                worker_reusable,
            } => {
                if let Some(lease) = self.leases.remove(lease)
                    && let Some(worker) = self.workers.get_mut(&lease.worker)
                {
                    worker.serves = None;
                    if *worker_reusable {
                        worker.gpus.clear();
                    }
                }
            }
            Event::WorkerStarted { worker } => {
                if let Some(worker) = self.workers.get_mut(worker) {
                    worker.ready = true;
                }
            }
            Event::WorkerKept { worker } => {
                if let Some(worker) = self.workers.get_mut(worker) {
                    worker.stopping = false;
                }
            }
            Event::WorkerLingers { worker } => {
                if let Some(worker) = self.workers.get_mut(worker)
                    && worker.stopping
                {
                    worker.gpus.clear();
                }
            }
            Event::WorkerAsked { worker } => {
                if let Some(worker) = self.workers.get_mut(worker) {
                    if worker.unanswered == 0 {
                        worker.silent_since_ms = now_ms;
                    }
                    worker.unanswered += 1;
                }
            }
            Event::WorkerAnswered { worker } => {
                if let Some(worker) = self.workers.get_mut(worker) {
                    worker.unanswered = worker.unanswered.saturating_sub(1);
                    worker.silent_since_ms = now_ms;
                }
            }
            Event::WorkerGone { worker }
            | Event::StartInterrupted { worker }
            | Event::StartShort { worker } => {
                self.workers.remove(worker);
            }
            Event::ActorWanted {
                actor,
                held,
                environment,
                ..
            } => {
                self.actors_wanted
                    .insert(*actor, (held.get(GPU), *environment));
            }
            _ => {}
        }
    }

    /// Checks one instruction.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn instruction(&mut self, instruction: &Instruction, now_ms: u64) -> Result<(), String> {
        match instruction {
            Instruction::StartWorker {
                worker,
                environment,
            } => {
                let entry = Worker {
                    environment: *environment,
                    ready: false,
                    stopping: false,
                    serves: None,
                    gpus: Vec::new(),
                    unanswered: 0,
                    silent_since_ms: 0,
                };
                match self.workers.insert(*worker, entry) {
                    None => Ok(()),
                    Some(_) => Err(format!("{worker:?} is started twice")),
                }
            }
            Instruction::StopWorker { worker, reason } => self.stop(*worker, *reason),
            Instruction::KillWorker { worker } => self.kill(*worker, now_ms),
            Instruction::GrantLease {
                lease,
                client,
                class,
                worker,
                gpu_ids,
            } => {
                if !self.leases_seen.insert(*lease) {
                    return Err(format!("{lease:?} is granted twice"));
                }
                if !self.wanted.contains(&key(*client, class)) {
                    return Err(format!("{client:?} never wanted {class:?}"));
                }
                self.serve(*worker, Service::Lease(*lease), class.environment)?;
                let (worker, client) = (*worker, *client);
                self.leases.insert(
                    *lease,
                    Lease {
                        worker,
                        client,
                        asked: false,
                    },
                );
                self.give_gpus(worker, gpu_ids, class.resources.get(GPU))
            }
            Instruction::AskLeaseBack { lease, client } => match self.leases.get_mut(lease) {
                Some(entry) if entry.client == *client && !entry.asked => {
                    entry.asked = true;
                    Ok(())
                }
                _ => Err(format!(
                    "{lease:?} is asked back from {client:?}, which can't return it"
                )),
            },
            Instruction::LeaseLost {
                lease,
                client,
                worker,
            } => match self.leases.remove(lease) {
                Some(entry) if entry.client == *client && entry.worker == *worker => Ok(()),
                _ => Err(format!(
                    "{lease:?} of {client:?} is lost, which it did not have"
                )),
            },
            Instruction::PlaceActor {
                actor,
                worker,
                gpu_ids,
            } => {
                let Some((gpu, environment)) = self.actors_wanted.remove(actor) else {
                    return Err(format!("{actor:?} is placed without being wanted"));
                };
                self.serve(*worker, Service::Actor(*actor), environment)?;
                self.give_gpus(*worker, gpu_ids, gpu)
            }
            Instruction::RefuseWish { .. } => Ok(()),
            Instruction::RefuseActor { actor, .. } => match self.actors_wanted.remove(actor) {
                Some(_) => Ok(()),
                None => Err(format!("{actor:?} is refused without being wanted")),
            },
        }
    }

    /// Whether no lease is held.
    ///
    /// # Errors
    /// Names one that is.
    pub fn nothing_is_held(&self) -> Result<(), String> {
        match self
            .workers
            .iter()
            .find(|(_, worker)| worker.serves.is_some())
        {
            Some((id, worker)) => Err(format!("{id:?} still serves {:?}", worker.serves)),
            None => Ok(()),
        }
    }

    fn stop(&mut self, id: ProcessId, reason: StopReason) -> Result<(), String> {
        let Some(worker) = self.workers.get_mut(&id).filter(|worker| !worker.stopping) else {
            return Err(format!("{id:?} is stopped and was not running"));
        };
        worker.stopping = true;
        let served = worker.serves.take();
        if let Some(Service::Lease(lease)) = served {
            self.leases.remove(&lease);
        }
        let fits = match reason {
            StopReason::Surplus | StopReason::Retired => served.is_none(),
            StopReason::HolderGone => matches!(served, Some(Service::Lease(_))),
            StopReason::ActorGone => matches!(served, Some(Service::Actor(_))),
        };
        if fits {
            Ok(())
        } else {
            Err(format!(
                "{id:?} is stopped as {reason:?} and served {served:?}"
            ))
        }
    }

    /// SM-5: only who does not answer is killed, and when its time is over.
    fn kill(&mut self, id: ProcessId, now_ms: u64) -> Result<(), String> {
        let Some(worker) = self.workers.get_mut(&id) else {
            return Err(format!("{id:?} is killed and was not there"));
        };
        let silent_ms = now_ms - worker.silent_since_ms;
        if worker.unanswered == 0 || silent_ms < self.answer_grace_ms {
            return Err(format!(
                "{id:?} is killed with {} questions open for {silent_ms} ms",
                worker.unanswered
            ));
        }
        worker.unanswered = 0;
        Ok(())
    }

    /// SM-5: whoever does not answer is killed.
    ///
    /// # Errors
    /// Names one that was not.
    pub fn nobody_is_silent(&self, now_ms: u64) -> Result<(), String> {
        let silent = self.workers.iter().find(|(_, worker)| {
            worker.unanswered > 0 && now_ms - worker.silent_since_ms > self.answer_grace_ms
        });
        match silent {
            Some((id, worker)) => Err(format!(
                "{id:?} is silent since {} ms and lives",
                worker.silent_since_ms
            )),
            None => Ok(()),
        }
    }

    fn serve(
        &mut self,
        id: ProcessId,
        service: Service,
        environment: EnvironmentId,
    ) -> Result<(), String> {
        let Some(worker) = self.workers.get_mut(&id) else {
            return Err(format!("{service:?} gets {id:?}, which is not there"));
        };
        if !worker.ready || worker.stopping || worker.environment != environment {
            return Err(format!("{service:?} gets {id:?}, which can't serve it"));
        }
        match worker.serves.replace(service) {
            None => Ok(()),
            Some(before) => Err(format!("{id:?} serves {before:?} and gets {service:?}")),
        }
    }

    fn give_gpus(
        &mut self,
        id: ProcessId,
        ids: &[String],
        quantity: Quantity,
    ) -> Result<(), String> {
        let each = if quantity < Quantity::ONE {
            quantity
        } else {
            Quantity::ONE
        };
        let expected = if quantity < Quantity::ONE {
            u64::from(!quantity.is_zero())
        } else {
            quantity.whole_units()
        };
        if ids.len() as u64 != expected {
            return Err(format!("{id:?} gets {ids:?} for {quantity} GPUs"));
        }
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.gpus = ids.iter().map(|id| (id.clone(), each)).collect();
        }
        for gpu in ids {
            let shares = self.workers.values().flat_map(|worker| &worker.gpus);
            let of_this = shares.filter(|(id, _)| id == gpu).map(|(_, share)| *share);
            let sum = of_this.fold(Quantity::ZERO, Quantity::saturating_add);
            if sum > Quantity::ONE {
                return Err(format!("GPU {gpu} is given {sum} times"));
            }
        }
        Ok(())
    }
}

fn key(client: ProcessId, class: &SchedulingClass) -> (ProcessId, u32, String) {
    (client, class.environment.0, class.resources.to_string())
}
