//! What each message of a process means. An error is the sender's fault: it is not served any more.

use eagleray_protocol::{
    DRIVER, FromRaylet, Nested, NestedKind, NodeSummary, ObjectId, ProcessNumber, SystemError,
    ToRaylet,
};
use eagleray_resources::ResourceSet;
use eagleray_scheduler::{EnvironmentId, Event, LeaseId, Refusal, SchedulingClass};

use crate::actor_directory::Registration;
use crate::declared_classes::{CLASSES_MAX, DeclarationRefused};
use crate::effects::{Effect, Holder};
use crate::errors;
use crate::server::{Server, id, resource_list, resource_set};
use crate::store::{Room, granted, refused};
use crate::unconnected::Purpose;

/// The longest name of an actor, class or namespace, in bytes: they become parts of errors.
const NAME_MAX: usize = 64 << 10;

impl Server {
    pub(crate) fn handle_message(
        &mut self,
        process: ProcessNumber,
        message: ToRaylet,
    ) -> Result<(), String> {
        let mut out = Vec::new();
        self.note_said(process, &message);
        match message {
            ToRaylet::Ready { .. } => self.worker_ready(process),
            ToRaylet::DeclareClass {
                class,
                resources,
                environment,
            } => self.declare_class(process, class, &resources, environment)?,
            ToRaylet::LeasesWanted { class, wanted } => {
                self.leases_wanted(process, class, wanted);
            }
            ToRaylet::ReturnLease { lease, retire } => {
                self.lease_returned(process, LeaseId(lease), retire);
            }
            ToRaylet::Blocked { blocked } => self.feed(Event::WorkerBlocked {
                worker: id(process),
                blocked,
            }),
            ToRaylet::LeaseSlab {
                request,
                length,
                patient,
            }
            | ToRaylet::Allocate {
                request,
                length,
                patient,
            } => self.give_room(process, request, length, patient),
            ToRaylet::Abandon { extents } => {
                for extent in extents {
                    self.store.abandon(process, extent)?;
                }
            }
            ToRaylet::ReturnSlab { rest } => self.store.abandon(process, rest)?,
            ToRaylet::Seal {
                request,
                id,
                holder,
                extents,
                nested,
            } => {
                match self.store.seal(process, &extents) {
                    Ok(()) => self.objects.seal(id, holder, extents, nested, &mut out),
                    Err(error) => self.log(&format!(
                        "worker {process} sealed what it does not have: {error}"
                    )),
                }
                self.acknowledge(process, request);
            }
            ToRaylet::Hold { request, items } => {
                for item in items {
                    self.hold(process, item, &mut out);
                }
                self.acknowledge(process, request);
            }
            ToRaylet::Release { items } => {
                let holder = Holder::Process(process);
                for Nested { kind, id } in items {
                    match kind {
                        NestedKind::Ref => self.objects.release(id, holder, &mut out),
                        NestedKind::Actor => self.actors.release(id, holder, &mut out),
                    }
                }
            }
            ToRaylet::Publish { id, outcome } => {
                owned_by(id, process)?;
                self.objects.publish(id, outcome, &mut out);
            }
            ToRaylet::Subscribe { id } => self.objects.subscribe(id, process, &mut out),
            ToRaylet::ObjectGone { id } => {
                owned_by(id, process)?;
                self.objects.gone(id, &mut out);
            }
            ToRaylet::ErrorsSeen { ids } => self.objects.errors_seen(&ids),
            ToRaylet::OneError { ids } => {
                for &id in &ids {
                    owned_by(id, process)?;
                }
                self.objects.one_error(&ids);
            }
            ToRaylet::ReportUnseen { request } if process == DRIVER => {
                self.objects.report_unseen(&mut out);
                // The answer comes after what it answers.
                self.effects.extend(out.drain(..));
                self.settle();
                self.acknowledge(process, request);
            }
            ToRaylet::ReportUnseen { .. } => {
                return Err("only the driver reports what nobody has looked at".to_owned());
            }
            ToRaylet::DeclareEnvironment { request, variables } => {
                self.declare_environment(process, request, variables);
            }
            ToRaylet::ForgetClass { class } => self.forget_class(process, class),
            ToRaylet::RegisterActor {
                request,
                id,
                options,
                get_if_exists,
            } => {
                owned_by(id, process)?;
                let environment = options.environment;
                self.known_environment(environment)?;
                let names = [&options.class_name, &options.name, &options.namespace];
                if names.iter().any(|name| name.len() > NAME_MAX) {
                    return Err("it named an actor with more text than a name has".to_owned());
                }
                let result = self.actors.register(id, options, get_if_exists, &mut out);
                if matches!(result, Registration::Created) {
                    self.environments.add_user(environment);
                }
                if request != 0 {
                    let refused = matches!(result, Registration::Refused);
                    let existing = match result {
                        Registration::Existing(existing) => Some(existing),
                        Registration::Created | Registration::Refused => None,
                    };
                    let answer = FromRaylet::ActorCreated {
                        request,
                        existing,
                        refused,
                    };
                    self.clients.send(process, &answer);
                }
            }
            ToRaylet::CreateActor { spec } => {
                owned_by(spec.id, process)?;
                self.actors.create(spec, &mut out);
            }
            ToRaylet::FailActor { actor, error } => {
                owned_by(actor, process)?;
                self.actors.fail(actor, error, &mut out);
            }
            ToRaylet::ConnectActor { actor } => self.actors.connect(actor, process, &mut out),
            ToRaylet::KillActor { actor, may_restart } => {
                self.actors.kill(actor, may_restart, &mut out);
            }
            ToRaylet::FindActor {
                request,
                name,
                namespace,
            } => {
                let actor = self.actors.find(&name, &namespace, process);
                self.clients
                    .send(process, &FromRaylet::FoundActor { request, actor });
            }
            ToRaylet::Cancel {
                worker,
                task,
                force,
                recursive,
            } => self.cancel(worker, task, force, recursive),
            ToRaylet::CloseConnection { connection } => self.close_connection(process, connection),
            ToRaylet::ConnectionBroken { connection, reason } => {
                self.connection_broken(process, connection, &reason);
            }
            ToRaylet::ActorStarted { outcome } => self.actors.started(process, outcome, &mut out),
            ToRaylet::Leaving { reason } => self.worker_leaves(process, &reason)?,
            ToRaylet::Drained {} => self.worker_drained(process)?,
            ToRaylet::QueryUnheld { request, mut ids } => {
                for &id in &ids {
                    owned_by(id, process)?;
                }
                ids.retain(|&id| self.objects.is_only_its_owners(id));
                self.clients
                    .send(process, &FromRaylet::Unheld { request, ids });
            }
            ToRaylet::QueryNode { request } => self.answer_node(process, request),
            ToRaylet::Shutdown {} if process == DRIVER => self.stopping = true,
            ToRaylet::Shutdown {} => return Err("only the driver may end the runtime".to_owned()),
            ToRaylet::EndsInOrder { wanted } => self.ends_in_order(process, wanted)?,
            ToRaylet::Collected {} => self.collected(process),
            ToRaylet::StaysAlive {} => self.feed(Event::WorkerAnswered {
                worker: id(process),
            }),
            ToRaylet::PauseOutput { paused } if process == DRIVER => {
                self.clients.pause_output(paused);
            }
            ToRaylet::PauseOutput { .. } => {
                return Err("only the driver has lines of others".to_owned());
            }
            ToRaylet::Synchronize { request } => self.acknowledge(process, request),
            ToRaylet::DrainOutput { request } => {
                self.drain_output();
                self.acknowledge(process, request);
            }
        }
        self.effects.extend(out);
        Ok(())
    }

    fn acknowledge(&mut self, process: ProcessNumber, request: u64) {
        if request != 0 {
            self.clients
                .send(process, &FromRaylet::Acknowledged { request });
        }
    }

    fn hold(&mut self, process: ProcessNumber, item: Nested, out: &mut Vec<Effect>) {
        let holder = Holder::Process(process);
        match item.kind {
            NestedKind::Ref => self.objects.hold(item.id, holder, out),
            NestedKind::Actor => self.actors.hold(item.id, holder),
        }
    }

    fn declare_class(
        &mut self,
        process: ProcessNumber,
        number: u32,
        resources: &[(String, f64)],
        environment: u32,
    ) -> Result<(), String> {
        self.known_environment(environment)?;
        let class = SchedulingClass {
            resources: resource_set(resources)?,
            environment: EnvironmentId(environment),
        };
        let Some(client) = self.clients.get_mut(process) else {
            return Ok(());
        };
        match client.classes.declare(number, class) {
            Ok(()) => {
                self.environments.add_user(environment);
                Ok(())
            }
            // Told when it is wanted: until then nothing is refused.
            Err(DeclarationRefused::TooMany) => Ok(()),
            Err(DeclarationRefused::Twice) => Err(format!("it declared the class {number} twice")),
        }
    }

    fn forget_class(&mut self, process: ProcessNumber, number: u32) {
        let Some(client) = self.clients.get_mut(process) else {
            return;
        };
        let Some(class) = client.classes.forget(number) else {
            return;
        };
        self.environments.remove_user(class.environment.0);
        self.unconnected.ended(process, Purpose::Tasks(number));
        self.tell_wish(process, class);
    }

    fn leases_wanted(&mut self, process: ProcessNumber, number: u32, wanted: u32) {
        let Some(client) = self.clients.get_mut(process) else {
            return;
        };
        let Some(class) = client.classes.get(number).cloned() else {
            // One class too many.
            if wanted > 0 {
                let error = errors::too_many_classes(CLASSES_MAX);
                let class = number;
                self.clients
                    .send(process, &FromRaylet::ClassRefused { class, error });
            }
            return;
        };
        client.classes.want(number, wanted);
        // Whose lease is idle is decided by what they do now, not by what they did when others last wanted one.
        if wanted > 0 {
            self.sample_leases(None);
        }
        self.tell_wish(process, class);
    }

    /// Tells the scheduler how many leases of a class a process wants.
    pub(crate) fn tell_wish(&mut self, process: ProcessNumber, class: SchedulingClass) {
        let Some(client) = self.clients.get_mut(process) else {
            return;
        };
        let wanted = client.classes.wanted_of(&class);
        if wanted > 0
            && let Err(infeasible) = self.scheduler.feasible(&class.resources)
        {
            let error = self.refusal(&Refusal::Infeasible(infeasible), &class);
            self.refuse_class(process, &class, &error);
            return;
        }
        self.feed(Event::LeasesWanted {
            client: id(process),
            class,
            wanted,
        });
    }

    fn known_environment(&self, environment: u32) -> Result<(), String> {
        match self.environments.variables(environment) {
            Some(_) => Ok(()),
            None => Err(format!("it named the unknown environment {environment}")),
        }
    }

    fn declare_environment(
        &mut self,
        process: ProcessNumber,
        request: u64,
        variables: Vec<(String, String)>,
    ) {
        let (number, error) = match self.environments.declare(process, variables) {
            Ok(number) => (number, None),
            Err(reason) => (0, Some(SystemError::new("InvalidArgumentError", reason))),
        };
        let answer = FromRaylet::Environment {
            request,
            number,
            error,
        };
        self.clients.send(process, &answer);
    }

    fn give_room(&mut self, process: ProcessNumber, request: u64, length: u64, patient: bool) {
        let now = self.now();
        match self.store.lease(process, request, length, patient, now) {
            Room::Granted(extent) => {
                self.clients.send(process, &granted(request, extent));
                if self.store.shall_collect() {
                    self.collect_garbage();
                }
            }
            Room::Refused(error) => self.clients.send(process, &refused(request, error)),
            Room::Later => self.collect_garbage(),
        }
    }

    /// Notes that a process has said something of the store, or of what it holds.
    fn note_said(&mut self, process: ProcessNumber, message: &ToRaylet) {
        let now = self.now();
        match message {
            ToRaylet::Seal { holder, .. } => {
                self.collections.said(process, now);
                // What was sealed for another is that one's to let go of.
                if *holder != process && self.clients.get(*holder).is_some() {
                    self.collections.said(*holder, now);
                }
            }
            ToRaylet::LeaseSlab { .. }
            | ToRaylet::Allocate { .. }
            | ToRaylet::Abandon { .. }
            | ToRaylet::ReturnSlab { .. }
            | ToRaylet::Hold { .. }
            | ToRaylet::Publish { .. }
            | ToRaylet::Release { .. } => self.collections.said(process, now),
            _ => {}
        }
    }

    /// Asks every process to let go of what it does not use: its garbage collector does not feel the store.
    pub(crate) fn collect_garbage(&mut self) {
        let everyone: Vec<ProcessNumber> = self.clients.table.keys().copied().collect();
        for process in everyone {
            self.collect_garbage_of(process);
        }
    }

    fn collect_garbage_of(&mut self, process: ProcessNumber) {
        let now = self.now();
        let is_ready = self.clients.get(process).is_some_and(|client| client.ready);
        if is_ready && self.collections.ask(process, now) {
            self.clients.send(process, &FromRaylet::CollectGarbage {});
        }
    }

    /// A process has let go of what it did not use.
    fn collected(&mut self, process: ProcessNumber) {
        let now = self.now();
        if self.collections.answered(process, now) {
            self.collect_garbage_of(process);
        }
    }

    /// Asks those that have been quiet for a while and have something in the store that they may not use.
    pub(crate) fn look_after_quiet(&mut self) {
        let now = self.now();
        for process in self.collections.take_quiet(now) {
            let has_room = self.store.leased_bytes(process) > 0;
            let may_keep = self.store.has_objects() && self.objects.holds_any(process);
            if has_room || may_keep || self.actors.holds_living(process) {
                self.collect_garbage_of(process);
            }
        }
    }

    /// Passes the wish to cancel a task on. Only who runs it knows whether it still does, so that no other task suffers,
    /// unless it does not answer.
    fn cancel(&mut self, worker: ProcessNumber, task: ObjectId, force: bool, recursive: bool) {
        let message = FromRaylet::CancelTask {
            task,
            force,
            recursive,
        };
        if !force {
            self.clients.send(worker, &message);
            return;
        }
        self.clients.send_urgent(worker, &message);
        // The owner only passes it on, and an actor is not ended for one of its calls.
        let is_actor = self
            .clients
            .get(worker)
            .is_some_and(|client| client.actor.is_some());
        if task.owner != worker && !is_actor {
            self.feed(Event::WorkerAsked { worker: id(worker) });
        }
    }

    fn answer_node(&mut self, process: ProcessNumber, request: u64) {
        self.sample_leases(Some(process));
        let (store_used, store_total) = self.store.usage();
        let total = self.scheduler.total();
        let available = with_zeros(&self.scheduler.available(), &total);
        let workers = self.clients.table.iter();
        let summary = NodeSummary {
            total: resource_list(&total),
            available,
            store_used,
            store_total,
            workers: workers
                .filter(|(_, client)| client.process.is_some() && client.ready)
                .map(|(&number, client)| (number, client.pid))
                .collect(),
            objects: self.objects.len() as u64,
            actors: self.actors.living() as u64,
        };
        self.clients
            .send(process, &FromRaylet::Node { request, summary });
    }
}

/// What is used up is listed too, as 0.
fn with_zeros(available: &ResourceSet, total: &ResourceSet) -> Vec<(String, f64)> {
    let all = total.iter();
    all.map(|(name, _)| {
        let free = available.get(name.as_str());
        (name.as_str().to_owned(), free.to_f64())
    })
    .collect()
}

fn owned_by(id: ObjectId, process: ProcessNumber) -> Result<(), String> {
    if id.owner == process && id.node == 0 {
        Ok(())
    } else {
        Err(format!("it spoke for {id:?}, which is not its own"))
    }
}
