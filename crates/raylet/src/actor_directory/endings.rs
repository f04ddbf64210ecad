//! How actors end: with their process, with their creator, with their last handle, or by an order; and
//! whether they are started again.

use eagleray_protocol::{
    ActorId, DRIVER, Nested, NestedKind, Outcome, ProcessNumber, SystemError, WorkerExit,
};

use rustc_hash::FxHashSet;

use super::{ActorDirectory, ActorStage, forget_one};
use crate::effects::{CallerNews, Effect, Holder};
use crate::errors;

impl ActorDirectory {
    /// A process has ended: the actor that it was, the actors that it made, and whom it called.
    pub(crate) fn process_ended(
        &mut self,
        process: ProcessNumber,
        exit: &WorkerExit,
        out: &mut Vec<Effect>,
    ) {
        self.living.remove(process);
        if let Some(id) = self.by_worker.remove(&process) {
            self.worker_gone(id, exit, out);
        }
        for id in sorted(self.made_by.remove(&process)) {
            let Some(record) = self.records.get(&id) else {
                continue;
            };
            if record.depends_on_creator() {
                let worker = record.worker;
                let reason = format!("the process that made it (pid {}) has ended", exit.pid);
                let error = errors::actor_died(id, record.class_name(), Some(&reason), None);
                self.die(id, error, out);
                out.extend(worker.map(|worker| Effect::Kill { worker, reason }));
            }
        }
        for id in sorted(self.called_by.remove(&process)) {
            if let Some(record) = self.records.get_mut(&id) {
                record.callers.remove(&process);
            }
            // Somebody who had only heard of it.
            self.end_if_unheld(id, out);
        }
    }

    /// Nobody takes anything any more from a process that has ended: it lets go of what it held (AD-6).
    pub(crate) fn forget_process(&mut self, process: ProcessNumber, out: &mut Vec<Effect>) {
        self.newest_of.remove(&process);
        for id in sorted(self.held_by.remove(&process)) {
            self.release(id, Holder::Process(process), out);
        }
    }

    /// A worker runs nothing any more. The actor that it was has ended, whatever restarts it has; its callers are told after
    /// the replies that it wrote.
    pub(crate) fn worker_left(
        &mut self,
        worker: ProcessNumber,
        reason: &str,
        out: &mut Vec<Effect>,
    ) {
        let Some(&id) = self.by_worker.get(&worker) else {
            return;
        };
        let Some(record) = self.records.get(&id) else {
            return;
        };
        let error = errors::actor_died(id, record.class_name(), Some(reason), None);
        let mut told = Vec::new();
        self.die(id, error.on_purpose(), &mut told);
        out.extend(told.into_iter().map(|effect| match effect {
            Effect::Tell {
                process,
                actor,
                news: CallerNews::Dead(error),
            } => Effect::Farewell {
                process,
                worker,
                actor,
                error,
            },
            other => other,
        }));
    }

    /// A process has ended in order: the actors that it made, and that have all they need, live on with their handles.
    pub(crate) fn adopt(&mut self, creator: ProcessNumber) {
        for id in sorted(self.made_by.get(&creator).cloned()) {
            let Some(record) = self.records.get_mut(&id) else {
                continue;
            };
            if matches!(record.stage, ActorStage::Announced | ActorStage::Registered) {
                continue;
            }
            record.creator = DRIVER;
            forget_one(&mut self.made_by, creator, id);
            self.made_by.entry(DRIVER).or_default().insert(id);
        }
    }

    /// The connection of a caller to a living actor was lost, and nobody has ended: its calls that ran are interrupted, and
    /// it gets another one.
    pub(crate) fn connect_again(
        &mut self,
        id: ActorId,
        process: ProcessNumber,
        out: &mut Vec<Effect>,
    ) {
        let Some(record) = self.records.get(&id) else {
            return;
        };
        let (ActorStage::Alive, Some(worker)) = (record.stage, record.worker) else {
            return;
        };
        if record.callers.contains(&process) {
            out.push(Effect::Tell {
                process,
                actor: id,
                news: CallerNews::Restarting(errors::actor_unavailable(id)),
            });
            out.push(Effect::Connect {
                process,
                actor: id,
                worker,
            });
        }
    }

    fn worker_gone(&mut self, id: ActorId, exit: &WorkerExit, out: &mut Vec<Effect>) {
        let Some(record) = self.records.get_mut(&id) else {
            return;
        };
        record.worker = None;
        let on_purpose = std::mem::take(&mut record.was_killed);
        if !matches!(record.stage, ActorStage::Starting | ActorStage::Alive) {
            return;
        }
        let restarts = record.use_up_restart();
        let Some(options) = record.options.clone().filter(|_| restarts) else {
            let reason = (!exit.reason.is_empty()).then_some(exit.reason.as_str());
            let mut error = errors::actor_died(id, record.class_name(), reason, Some(exit));
            error.on_purpose = on_purpose;
            self.die(id, error, out);
            return;
        };
        let (number, callers) = (record.number, record.callers.clone());
        self.transition(id, ActorStage::Wanted);
        let mut interrupted = errors::actor_unavailable(id);
        interrupted.on_purpose = on_purpose;
        for process in callers {
            out.push(Effect::Tell {
                process,
                actor: id,
                news: CallerNews::Restarting(interrupted.clone()),
            });
        }
        out.push(Effect::Place { number, options });
        self.end_if_unheld(id, out);
    }

    /// Nobody can call it any more.
    pub(super) fn end_if_unheld(&mut self, id: ActorId, out: &mut Vec<Effect>) {
        let Some(record) = self
            .records
            .get(&id)
            .filter(|record| record.holders.is_empty())
        else {
            return;
        };
        let ends = match record.stage {
            // A constructor that has begun is not interrupted: it may have effects outside.
            ActorStage::Starting => false,
            ActorStage::Announced => record.callers.is_empty(),
            ActorStage::Dead => true,
            _ => !record.is_detached(),
        };
        if !ends {
            return;
        }
        if record.stage != ActorStage::Announced {
            let reason = "its last handle is gone";
            let error = errors::actor_died(id, record.class_name(), Some(reason), None);
            self.die(id, error.on_purpose(), out);
        }
        self.forget(id, out);
    }

    /// Somebody has heard of an actor that will not be registered any more: its creator has ended, or has registered it
    /// before, and it is forgotten (AD-5).
    pub(super) fn fail_if_never_registered(&mut self, id: ActorId, out: &mut Vec<Effect>) {
        let announced =
            matches!(self.records.get(&id), Some(record) if record.stage == ActorStage::Announced);
        let is_forgotten = self
            .newest_of
            .get(&id.owner)
            .is_some_and(|&newest| id.sequence <= newest);
        if announced && (is_forgotten || self.living.has_ended(id.owner)) {
            let reason = "it has ended";
            let error = errors::actor_died(id, "", Some(reason), None);
            self.die(id, error, out);
        }
    }

    /// The end for good: frees the name, tells everybody, lets go of what restarts needed.
    pub(super) fn die(&mut self, id: ActorId, error: SystemError, out: &mut Vec<Effect>) {
        let Some(record) = self
            .records
            .get_mut(&id)
            .filter(|record| record.stage != ActorStage::Dead)
        else {
            return;
        };
        record.death = Some(error.clone());
        let displaced = (record.options.as_ref()).map(|options| Effect::Displace {
            number: record.number,
            environment: options.environment,
        });
        let worker = record.worker.take();
        let callers = record.callers.clone();
        let spec = record.spec.take();
        if let Some(options) = &record.options {
            let name = (options.namespace.clone(), options.name.clone());
            if self.names.get(&name) == Some(&id) {
                self.names.remove(&name);
            }
        }
        if let Some(worker) = worker {
            self.by_worker.remove(&worker);
        }
        self.transition(id, ActorStage::Dead);
        out.push(Effect::Resolve {
            id,
            outcome: Outcome::system_error(&error),
        });
        for process in callers {
            out.push(Effect::Tell {
                process,
                actor: id,
                news: CallerNews::Dead(error.clone()),
            });
        }
        out.extend(displaced);
        for hold in spec.iter().flat_map(|spec| &spec.holds) {
            out.push(let_go(*hold, Holder::Actor(id)));
        }
        if self
            .records
            .get(&id)
            .is_some_and(|record| record.holders.is_empty())
        {
            self.forget(id, out);
        }
    }

    fn forget(&mut self, id: ActorId, out: &mut Vec<Effect>) {
        let Some(record) = self.records.remove(&id) else {
            return;
        };
        self.by_number.remove(&record.number);
        forget_one(&mut self.made_by, record.creator, id);
        for process in record.callers {
            forget_one(&mut self.called_by, process, id);
        }
        if record.options.is_some() {
            out.push(Effect::ReleaseObject {
                id,
                holder: Holder::Actor(id),
            });
        }
    }
}

fn sorted(ids: Option<FxHashSet<ActorId>>) -> Vec<ActorId> {
    let mut ids: Vec<ActorId> = ids.into_iter().flatten().collect();
    ids.sort_unstable();
    ids
}

fn let_go(item: Nested, holder: Holder) -> Effect {
    match item.kind {
        NestedKind::Ref => Effect::ReleaseObject {
            id: item.id,
            holder,
        },
        NestedKind::Actor => Effect::ReleaseActor {
            actor: item.id,
            holder,
        },
    }
}
