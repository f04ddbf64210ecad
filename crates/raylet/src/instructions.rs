//! Carries out what the state machines ask for: the scheduler's instructions and the directories' effects.
//!
//! Both come in order and are carried out in order, effects first, until nothing is left: an effect may
//! feed the scheduler, and an instruction may change a directory.

use eagleray_protocol::{ActorState, DRIVER, FromRaylet, ProcessNumber, SystemError};
use eagleray_scheduler::{
    ActorId, EnvironmentId, Event, Instruction, LeaseId, ProcessId, Refusal, SchedulingClass,
};

use crate::effects::{CallerNews, Effect};
use crate::errors;
use crate::failed_starts;
use crate::server::{LeaseEntry, Server, id, resource_set};
use crate::unconnected::Purpose;

/// Why a worker is killed that does not answer a forced cancellation.
const DEAF: &str = "its task was cancelled with force, and it did not answer";

impl Server {
    /// Carries out everything that is asked for by now.
    pub(crate) fn settle(&mut self) {
        loop {
            if let Some(effect) = self.effects.pop_front() {
                self.apply(effect);
            } else if let Some(instruction) = self.instructions.pop_front() {
                self.carry_out(instruction);
            } else {
                return;
            }
        }
    }

    fn carry_out(&mut self, instruction: Instruction) {
        match instruction {
            Instruction::StartWorker {
                worker,
                environment,
            } => {
                self.measure_memory_for_start();
                self.start_worker(worker.0, environment);
            }
            Instruction::StopWorker { worker, reason } => self.stop_worker(worker.0, reason),
            Instruction::KillWorker { worker } => self.kill_worker(worker.0, DEAF),
            Instruction::GrantLease {
                lease,
                client,
                class,
                worker,
                gpu_ids,
            } => self.grant_lease(lease, client.0, &class, worker.0, gpu_ids),
            Instruction::AskLeaseBack {
                lease: LeaseId(lease),
                client,
            } => self
                .clients
                .send_urgent(client.0, &FromRaylet::AskLeaseBack { lease }),
            Instruction::LeaseLost { lease, client, .. } => {
                self.leases.remove(&lease);
                let LeaseId(lease) = lease;
                self.clients
                    .send(client.0, &FromRaylet::LeaseLost { lease });
            }
            Instruction::PlaceActor {
                actor,
                worker,
                gpu_ids,
            } => self.place_actor(actor, worker.0, gpu_ids),
            Instruction::RefuseWish {
                client,
                class,
                reason,
            } => {
                let error = self.refusal(&reason, &class);
                self.failed_starts.told();
                self.refuse_class(client.0, &class, &error);
            }
            Instruction::RefuseActor { actor, reason } => {
                self.failed_starts.told();
                self.refuse_actor(actor, &reason);
            }
        }
    }

    fn grant_lease(
        &mut self,
        lease: LeaseId,
        client: ProcessNumber,
        class: &SchedulingClass,
        worker: ProcessNumber,
        gpu_ids: Vec<String>,
    ) {
        let declared = self
            .clients
            .get_mut(client)
            .and_then(|client| client.classes.take_granted(class));
        let back = |worker_reusable| Event::LeaseReturned {
            lease,
            worker_reusable,
        };
        let Some(number) = declared else {
            self.feed(back(true));
            return;
        };
        let connection = match self.connect_for(client, worker, Purpose::Tasks(number)) {
            Ok(connection) => connection,
            Err(refused) => {
                self.feed(back(true));
                if let Some(error) = refused {
                    self.tasks_unconnected(client, number, error);
                }
                return;
            }
        };
        let now = self.now();
        if let Some(entry) = self.clients.get_mut(worker) {
            entry.lease = Some((lease, client));
            let mailbox = entry.mailbox.offset;
            let same = entry.gpu_ids == gpu_ids;
            entry.gpu_ids.clone_from(&gpu_ids);
            self.reset_busy(mailbox);
            if !same {
                let gpu_ids = gpu_ids.clone();
                self.clients
                    .send(worker, &FromRaylet::GpusAssigned { gpu_ids });
            }
        }
        // The worker knows its connection and its GPUs before the client can send it a task.
        self.clients.flush(worker, &self.poller);
        self.leases
            .insert(lease, LeaseEntry::new(client, worker, number, now));
        let LeaseId(lease) = lease;
        self.clients.send(
            client,
            &FromRaylet::LeaseGranted {
                lease,
                class: number,
                worker,
                connection,
                gpu_ids,
            },
        );
    }

    fn place_actor(&mut self, actor: ActorId, worker: ProcessNumber, gpu_ids: Vec<String>) {
        let mut out = Vec::new();
        let placed = self
            .actors
            .by_number(actor.0)
            .filter(|&id| self.actors.placed(id, worker, gpu_ids, &mut out));
        if let Some(client) = self.clients.get_mut(worker) {
            client.lease = None;
            client.actor = placed;
        }
        // An actor that does not want its place any more has told the scheduler already.
        self.effects.extend(out);
    }

    fn refuse_actor(&mut self, actor: ActorId, reason: &Refusal) {
        let Some(actor) = self.actors.by_number(actor.0) else {
            return;
        };
        let options = self.actors.spec(actor).map(|spec| &spec.options);
        let error = match reason {
            Refusal::WorkersDoNotStart { environment } => {
                let last = self.failed_starts.last(*environment);
                errors::actor_died(
                    actor,
                    options.map_or("", |options| &options.class_name),
                    Some(&failed_starts::why(reason, last)),
                    last,
                )
            }
            Refusal::Infeasible(_) => {
                let asked = options.and_then(|options| {
                    let placement = resource_set(&options.placement).ok()?;
                    Some(placement.union_max(&resource_set(&options.held).ok()?))
                });
                errors::infeasible(&asked.unwrap_or_default(), &self.scheduler.total())
            }
        };
        let mut out = Vec::new();
        self.actors.fail(actor, error, &mut out);
        self.effects.extend(out);
    }

    pub(crate) fn refusal(&self, reason: &Refusal, class: &SchedulingClass) -> SystemError {
        match reason {
            Refusal::Infeasible(_) => errors::infeasible(&class.resources, &self.scheduler.total()),
            Refusal::WorkersDoNotStart { environment } => {
                errors::workers_do_not_start(reason, self.failed_starts.last(*environment))
            }
        }
    }

    /// Tells a client that its wishes for a class will not be granted.
    pub(crate) fn refuse_class(
        &mut self,
        process: ProcessNumber,
        class: &SchedulingClass,
        error: &SystemError,
    ) {
        let Some(client) = self.clients.get_mut(process) else {
            return;
        };
        for class in client.classes.drop_wishes(class) {
            let error = error.clone();
            self.clients
                .send(process, &FromRaylet::ClassRefused { class, error });
        }
    }

    fn apply(&mut self, effect: Effect) {
        let mut out = Vec::new();
        match effect {
            Effect::Notify {
                process,
                id,
                outcome,
            } => self
                .clients
                .send(process, &FromRaylet::ObjectReady { id, outcome }),
            Effect::Report { id, outcome } => self
                .clients
                .send(DRIVER, &FromRaylet::ErrorUnseen { id, outcome }),
            Effect::Free(extent) => self.store.free(extent),
            Effect::HoldObject { id, holder } => self.objects.hold(id, holder, &mut out),
            Effect::ReleaseObject { id, holder } => self.objects.release(id, holder, &mut out),
            Effect::Resolve { id, outcome } => self.objects.resolve(id, outcome, &mut out),
            Effect::HoldActor { actor, holder } => self.actors.hold(actor, holder),
            Effect::ReleaseActor { actor, holder } => {
                self.actors.release(actor, holder, &mut out);
            }
            Effect::Tell {
                process,
                actor,
                news,
            } => {
                let state = match news {
                    CallerNews::Pending => ActorState::Pending {},
                    CallerNews::Restarting(error) => ActorState::Restarting { error },
                    CallerNews::Dead(error) => ActorState::Dead { error },
                };
                self.clients
                    .send(process, &FromRaylet::ActorChanged { actor, state });
            }
            Effect::Farewell {
                process,
                worker,
                actor,
                error,
            } => self.take_leave(process, worker, actor, error),
            Effect::Ask { id } => self
                .clients
                .send(id.owner, &FromRaylet::ObjectWanted { id }),
            Effect::Connect {
                process,
                actor,
                worker,
            } => self.connect_caller(process, actor, worker),
            Effect::Place { number, options } => {
                let sets = resource_set(&options.placement)
                    .and_then(|placement| Ok((placement, resource_set(&options.held)?)));
                match sets {
                    Ok((placement, held)) => self.feed(Event::ActorWanted {
                        actor: ActorId(number),
                        placement,
                        held,
                        environment: EnvironmentId(options.environment),
                    }),
                    Err(error) => {
                        if let Some(actor) = self.actors.by_number(number) {
                            let error = SystemError::new("InvalidArgumentError", error);
                            self.actors.fail(actor, error, &mut out);
                        }
                    }
                }
            }
            Effect::Displace {
                number,
                environment,
            } => {
                self.environments.remove_user(environment);
                self.feed(Event::ActorGone {
                    actor: ActorId(number),
                });
            }
            Effect::Start {
                actor,
                worker,
                gpu_ids,
                restarts,
            } => {
                if let Some(spec) = self.actors.spec(actor).cloned() {
                    self.clients.send(
                        worker,
                        &FromRaylet::StartActor {
                            spec,
                            gpu_ids,
                            restarts,
                        },
                    );
                }
            }
            Effect::Kill { worker, reason } => self.kill_worker(worker, &reason),
        }
        // What follows from an effect comes before what was asked for after it.
        for effect in out.into_iter().rev() {
            self.effects.push_front(effect);
        }
    }

    /// A worker has said that it is ready.
    pub(crate) fn worker_ready(&mut self, worker: ProcessNumber) {
        if let Some(client) = self.clients.get_mut(worker)
            && !client.ready
        {
            client.ready = true;
            let environment = client.process.as_ref().map(|process| process.environment);
            self.start_in_time(worker);
            if let Some(environment) = environment {
                self.failed_starts.succeeded(environment);
            }
            self.feed(Event::WorkerStarted {
                worker: ProcessId(worker),
            });
        }
    }

    /// A lease's holder gives it back.
    pub(crate) fn lease_returned(&mut self, process: ProcessNumber, lease: LeaseId, retire: bool) {
        if self.scheduler.lease_holder(lease) != Some(id(process)) {
            return;
        }
        if let Some(entry) = self.leases.remove(&lease)
            && let Some(worker) = self.clients.get_mut(entry.worker)
        {
            worker.lease = None;
        }
        self.feed(Event::LeaseReturned {
            lease,
            worker_reusable: !retire,
        });
    }
}
