//! What each message of a process means. An error is the sender's fault: it is not served any more.

use eagleray_protocol::{
    DRIVER, FromRaylet, Nested, NestedKind, NodeSummary, ObjectId, ProcessNumber, ToRaylet,
};
use eagleray_resources::ResourceSet;
use eagleray_scheduler::{EnvironmentId, Event, LeaseId, Refusal, SchedulingClass};

use crate::actor_directory::Registration;
use crate::clients::DeclaredClass;
use crate::effects::{Effect, Holder};
use crate::server::{Server, id, resource_list, resource_set};
use crate::store::{Room, granted, refused};

/// Classes that one process may declare.
const CLASSES_MAX: usize = 1 << 16;

/// Environments of one node.
const ENVIRONMENTS_MAX: usize = 1 << 16;

impl Server {
    pub(crate) fn handle_message(
        &mut self,
        process: ProcessNumber,
        message: ToRaylet,
    ) -> Result<(), String> {
        let mut out = Vec::new();
        match message {
            ToRaylet::Ready { .. } => self.worker_ready(process),
            ToRaylet::DeclareClass {
                class,
                resources,
                environment,
            } => self.declare_class(process, class, &resources, environment)?,
            ToRaylet::LeasesWanted { class, wanted } => {
                self.leases_wanted(process, class, wanted)?
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
            ToRaylet::DeclareEnvironment { request, variables } => {
                self.declare_environment(process, request, variables)?;
            }
            ToRaylet::RegisterActor {
                request,
                id,
                options,
                get_if_exists,
            } => {
                owned_by(id, process)?;
                self.known_environment(options.environment)?;
                let result = self.actors.register(id, options, get_if_exists, &mut out);
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
                self.known_environment(spec.options.environment)?;
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
            ToRaylet::ActorStarted { outcome } => self.actors.started(process, outcome, &mut out),
            ToRaylet::Leaving { reason } => {
                let worker = self.clients.get_mut(process);
                if let Some(worker) = worker.and_then(|client| client.process.as_mut()) {
                    worker.leaving = Some(reason.clone());
                }
                self.actors.leaving(process, reason);
            }
            ToRaylet::QueryNode { request } => self.answer_node(process, request),
            ToRaylet::Shutdown {} if process == DRIVER => self.stopping = true,
            ToRaylet::Shutdown {} => return Err("only the driver may end the runtime".to_owned()),
            // What it let go of has come before.
            ToRaylet::Collected {} => {}
            ToRaylet::Synchronize { request } => self.acknowledge(process, request),
            ToRaylet::ForgetClass { class } => {
                if let Some(client) = self.clients.get_mut(process) {
                    client.classes.remove(&class);
                }
            }
            ToRaylet::PauseOutput { .. }
            | ToRaylet::ConnectionBroken { .. }
            | ToRaylet::Drained {} => {}
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
        if client.classes.len() >= CLASSES_MAX {
            return Err(format!("it declared more than {CLASSES_MAX} classes"));
        }
        let declared = DeclaredClass { class, wanted: 0 };
        if client.classes.insert(number, declared).is_some() {
            return Err(format!("it declared the class {number} twice"));
        }
        Ok(())
    }

    fn leases_wanted(
        &mut self,
        process: ProcessNumber,
        number: u32,
        wanted: u32,
    ) -> Result<(), String> {
        let Some(client) = self.clients.get_mut(process) else {
            return Ok(());
        };
        let Some(declared) = client.classes.get_mut(&number) else {
            return Err(format!("it wants leases of the unknown class {number}"));
        };
        declared.wanted = wanted;
        let class = declared.class.clone();
        // Whose lease is idle is decided by what they do now, not by what they did when others last wanted one.
        if wanted > 0 {
            self.sample_leases(None);
        }
        let Some(client) = self.clients.get_mut(process) else {
            return Ok(());
        };
        // Classes that the client tells apart may be one to the scheduler, which replaces wishes.
        let wanted = client
            .classes
            .values()
            .filter(|declared| declared.class == class)
            .fold(0, |sum: u32, declared| sum.saturating_add(declared.wanted));
        if wanted > 0
            && let Err(infeasible) = self.scheduler.feasible(&class.resources)
        {
            let error = self.refusal(&Refusal::Infeasible(infeasible), &class);
            self.refuse_class(process, &class, &error);
            return Ok(());
        }
        self.feed(Event::LeasesWanted {
            client: id(process),
            class,
            wanted,
        });
        Ok(())
    }

    fn known_environment(&self, environment: u32) -> Result<(), String> {
        if (environment as usize) < self.environments.len() {
            Ok(())
        } else {
            Err(format!("it named the unknown environment {environment}"))
        }
    }

    fn declare_environment(
        &mut self,
        process: ProcessNumber,
        request: u64,
        mut variables: Vec<(String, String)>,
    ) -> Result<(), String> {
        // A name with these would make the start of a process fail, or panic.
        let bad = |(name, value): &(String, String)| {
            name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')
        };
        if let Some((name, _)) = variables.iter().find(|variable| bad(variable)) {
            return Err(format!("{name:?} can't be an environment variable"));
        }
        variables.sort_unstable();
        let known = self.environments.iter().position(|it| *it == variables);
        let number = match known {
            Some(number) => number,
            None if self.environments.len() >= ENVIRONMENTS_MAX => {
                return Err(format!("there are {ENVIRONMENTS_MAX} environments already"));
            }
            None => {
                self.environments.push(variables);
                self.environments.len() - 1
            }
        };
        let number = number as u32;
        self.clients
            .send(process, &FromRaylet::Environment { request, number });
        Ok(())
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

    /// Asks every process to let go of what it does not use: its garbage collector does not feel the store.
    pub(crate) fn collect_garbage(&mut self) {
        let everyone: Vec<ProcessNumber> = self.clients.table.keys().copied().collect();
        for process in everyone {
            self.clients.send(process, &FromRaylet::CollectGarbage {});
        }
    }

    /// Kills the worker of a leased task, if that is asked for; otherwise passes the wish on.
    fn cancel(&mut self, worker: ProcessNumber, task: ObjectId, force: bool, recursive: bool) {
        // The lease may have gone on to somebody else by now, whose task must not suffer.
        let runs_it = self.clients.get(worker).is_some_and(|client| {
            client.actor.is_none() && client.lease.is_some_and(|(_, holder)| holder == task.owner)
        });
        if force && runs_it {
            self.kill_worker(worker, "its task was cancelled");
            return;
        }
        let message = FromRaylet::CancelTask {
            task,
            force,
            recursive,
        };
        self.clients.send(worker, &message);
    }

    fn close_connection(&mut self, process: ProcessNumber, connection: u32) {
        let ended = self.connections.close(connection, process, &mut self.store);
        self.forget(&ended.forgotten);
        // The peer's side has no use any more either: the process that closed has nothing open there.
        let Some(client) = self.clients.get(process) else {
            return;
        };
        let exit = eagleray_protocol::WorkerExit {
            process,
            pid: client.pid,
            code: None,
            signal: None,
            stderr_tail: Vec::new(),
            reason: "it closed the connection".to_owned(),
        };
        self.tell_lost(&ended.lost, &exit);
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
