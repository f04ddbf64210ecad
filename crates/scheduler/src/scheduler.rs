//! The one entry of the crate: takes an event in, brings the tables up to date, and settles what follows.

use std::collections::BTreeSet;

use eagleray_resources::{Infeasible, Quantity, ResourceSet};

use crate::account::{Account, Demand, Want};
use crate::actors::Actors;
use crate::answers::Answers;
use crate::classes::Classes;
use crate::leases::Leases;
use crate::overload::Overload;
use crate::pool::{Awaiting, EndedBy, Limits, Pool};
use crate::protocol::{
    ActorId, Configuration, EnvironmentId, Event, Instruction, LeaseId, ProcessId, Refusal,
    SchedulingClass, StopReason,
};
use crate::queue::{Queue, Requester, Turn};
use crate::reservations::Reservations;
use crate::transition::{ActorState, Journal, LeaseState, Observer, WorkerState};

/// The scheduler of one node. See the crate's header for what it promises.
pub struct Scheduler {
    pub(crate) account: Account,
    pub(crate) classes: Classes,
    pub(crate) queue: Queue,
    pub(crate) leases: Leases,
    pub(crate) actors: Actors,
    pub(crate) pool: Pool,
    pub(crate) reservations: Reservations,
    pub(crate) clients: BTreeSet<ProcessId>,
    pub(crate) gpu_ids: Vec<String>,
    pub(crate) overload: Overload,
    pub(crate) answers: Answers,
    pub(crate) lease_quantum_ms: u64,
    pub(crate) ask_others_after_ms: u64,
    /// How many processes there may be by what the memory had when it was measured last; `None` before that.
    pub(crate) memory_allows: Option<u32>,
    /// One more actor gets room this time (ME-3).
    pub(crate) lends_room: bool,
    pub(crate) now_ms: u64,
    pub(crate) journal: Journal,
}

impl Scheduler {
    /// A scheduler that has done nothing yet.
    pub fn new(configuration: Configuration) -> Scheduler {
        let limits = Limits {
            prestart: configuration.prestart.min(configuration.workers_max),
            // Without one start at a time and one worker, nothing could ever run.
            starting_max: configuration.workers_starting_max.max(1),
            workers_max: configuration.workers_max.max(1),
            start_failures_max: configuration.worker_start_failures_max.max(1),
            start_interruptions_max: configuration.worker_start_interruptions_max.max(1),
            start_shortages_max: configuration.worker_start_shortages_max.max(1),
            idle_keep_ms: configuration.idle_worker_keep_ms,
        };
        let zero_cpu_slots = configuration.zero_cpu_leases_max.max(1);
        let account = Account::new(configuration.total, zero_cpu_slots);
        let gpu_ids = (0..account.node().gpus().count())
            .map(|index| {
                configuration
                    .gpu_ids
                    .get(index)
                    .cloned()
                    .unwrap_or_else(|| index.to_string())
            })
            .collect();
        Scheduler {
            account,
            classes: Classes::default(),
            queue: Queue::new(configuration.reserve_after_ms),
            leases: Leases::default(),
            actors: Actors::default(),
            pool: Pool::new(limits, configuration.first_worker),
            reservations: Reservations::new(
                configuration.reserve_hold_ms,
                configuration.reserve_hold_max_ms,
            ),
            clients: BTreeSet::new(),
            gpu_ids,
            overload: Overload::default(),
            answers: Answers::new(configuration.answer_grace_ms),
            lease_quantum_ms: configuration.lease_quantum_ms,
            ask_others_after_ms: configuration.ask_others_after_ms,
            memory_allows: None,
            lends_room: false,
            now_ms: 0,
            journal: Journal::default(),
        }
    }

    /// Listens to every transition from now on.
    pub fn set_observer(&mut self, observer: Option<Observer>) {
        self.journal.observer = observer;
    }

    /// Takes in what happened at `now_ms` (any clock that never goes back) and appends what has to be done.
    pub fn handle(&mut self, event: Event, now_ms: u64, out: &mut Vec<Instruction>) {
        self.now_ms = self.now_ms.max(now_ms);
        match event {
            Event::Started => self.pool.prestart(),
            Event::ClientConnected { client } => {
                self.clients.insert(client);
            }
            Event::ClientGone { client } => self.client_gone(client, out),
            Event::LeasesWanted {
                client,
                class,
                wanted,
            } => {
                self.leases_wanted(client, class, wanted, out);
            }
            Event::LeaseIdle { lease, idle } => self.lease_idle(lease, idle),
            Event::LeaseReturned {
                lease,
                worker_reusable,
            } => {
                self.lease_returned(lease, worker_reusable, out);
            }
            Event::WorkerStarted { worker } => self.worker_started(worker, out),
            Event::WorkerGone { worker } => self.worker_gone(worker, EndedBy::Itself, out),
            Event::StartInterrupted { worker } => self.worker_gone(worker, EndedBy::Outside, out),
            Event::StartShort { worker } => self.worker_gone(worker, EndedBy::Shortage, out),
            Event::WorkerKept { worker } => self.worker_kept(worker, out),
            Event::WorkerLingers { worker } => {
                if let Some(leftover) = self.pool.linger(worker) {
                    self.account.release(leftover);
                }
            }
            Event::WorkerAsked { worker } => {
                if self.pool.get(worker).is_some() {
                    self.answers.asked(worker, self.now_ms);
                }
            }
            Event::WorkerAnswered { worker } => self.answers.answered(worker, self.now_ms),
            Event::WorkerBlocked { worker, blocked } => self.worker_blocked(worker, blocked),
            Event::ActorWanted {
                actor,
                placement,
                held,
                environment,
            } => {
                self.actor_wanted(actor, placement, held, environment, out);
            }
            Event::ActorGone { actor } => self.actor_gone(actor, out),
            Event::MemoryMeasured { room } => self.memory_measured(room),
            Event::Tick => {}
        }
        let deaf = self.answers.take_due(self.now_ms).into_iter();
        out.extend(deaf.map(|worker| Instruction::KillWorker { worker }));
        self.settle(out);
    }

    /// When the scheduler wants an [`Event::Tick`] at the latest; `None` when time changes nothing.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let surplus = self.pool.next_surplus_ms(self.now_ms);
        let retry = self.pool.next_retry_ms();
        let answer = self.answers.next_due_ms();
        let overload = self.overload.due_ms(self.lease_quantum_ms);
        let is_overloaded = overload.is_some();
        if self.queue.is_empty() && !self.pool.is_room_wanted() && !is_overloaded {
            return [surplus, retry, answer].into_iter().flatten().min();
        }
        [
            surplus,
            retry,
            answer,
            overload.filter(|at_ms| *at_ms > self.now_ms),
            self.queue.next_starving_ms(),
            self.leases.next_askable_ms(self.now_ms),
            self.leases.next_overdue_ms(self.now_ms),
            self.reservations.next_deadline_ms(self.now_ms),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether somebody waits because the memory has no room for a further process. It has to be measured again then
    /// ([`Event::MemoryMeasured`]), from time to time: others use it, too.
    pub fn lacks_memory(&self) -> bool {
        self.queue.lacks(&Want::ProcessRoom) || self.pool.lacks_memory()
    }

    /// What the node has.
    pub fn total(&self) -> ResourceSet {
        self.account.node().total().clone()
    }

    /// What is free; idle leases count as free.
    pub fn available(&self) -> ResourceSet {
        let mut used = self.account.node().used().clone();
        for (_, lease) in self
            .leases
            .iter()
            .filter(|(_, lease)| lease.state == LeaseState::Idle)
        {
            used = used.saturating_sub(&lease.holding.in_use());
        }
        self.account.node().total().saturating_sub(&used)
    }

    /// Whether this node could ever serve a request.
    ///
    /// # Errors
    /// Names the first resource that the node lacks.
    pub fn feasible(&self, wanted: &ResourceSet) -> Result<(), Infeasible> {
        self.account.node().feasible(wanted)
    }

    /// Who holds a lease; `None` when nobody does (any more). For a shell that checks whether a message
    /// about a lease comes from its holder.
    pub fn lease_holder(&self, lease: LeaseId) -> Option<ProcessId> {
        let lease = self.leases.get(lease)?;
        (lease.state != LeaseState::AwaitingWorker).then_some(lease.client)
    }

    fn client_gone(&mut self, client: ProcessId, out: &mut Vec<Instruction>) {
        self.clients.remove(&client);
        let wishes: Vec<Turn> = self.queue.wishes_of(client).map(|(_, turn)| turn).collect();
        for turn in wishes {
            self.drop_request(turn);
        }
        let leases: Vec<LeaseId> = self
            .leases
            .of_client(client)
            .map(|(lease, _)| lease)
            .collect();
        for lease in leases {
            self.end_lease(lease, Some(StopReason::HolderGone), out);
        }
    }

    fn leases_wanted(
        &mut self,
        client: ProcessId,
        class: SchedulingClass,
        wanted: u32,
        out: &mut Vec<Instruction>,
    ) {
        if !self.clients.contains(&client) {
            return;
        }
        if let Err(infeasible) = self.feasible(&class.resources) {
            if wanted > 0 {
                let reason = Refusal::Infeasible(infeasible);
                out.push(Instruction::RefuseWish {
                    client,
                    class,
                    reason,
                });
            }
            return;
        }
        let index = self.classes.acquire(&class);
        // Leases without a worker yet are promised, but the client does not know of them.
        let promised: Vec<LeaseId> = self
            .leases
            .of_client(client)
            .filter(|(_, lease)| lease.class == index && lease.state == LeaseState::AwaitingWorker)
            .map(|(lease, _)| lease)
            .collect();
        for lease in promised.iter().skip(wanted as usize) {
            self.end_lease(*lease, None, out);
        }
        let missing = wanted.saturating_sub(promised.len() as u32);
        let requester = Requester::Wish {
            client,
            class: index,
        };
        match self.queue.turn_of(requester) {
            Some(turn) if missing == 0 => self.drop_request(turn),
            Some(turn) => self.queue.set_count(turn, missing),
            None if missing == 0 => {}
            None => {
                self.classes.add_reference(index);
                let demand = Demand::of_lease(class.resources);
                self.queue
                    .insert(requester, demand, class.environment, missing, self.now_ms);
            }
        }
        self.classes.release(index);
    }

    fn lease_idle(&mut self, lease: LeaseId, idle: bool) {
        let to = if idle {
            LeaseState::Idle
        } else {
            LeaseState::Active
        };
        let state = self.leases.get(lease).map(|lease| lease.state);
        if state.is_some_and(|state| {
            state != to && state.may_become(to) && state != LeaseState::AwaitingWorker
        }) {
            self.leases.transition(lease, to, &mut self.journal);
        }
    }

    fn lease_returned(&mut self, lease: LeaseId, reusable: bool, out: &mut Vec<Instruction>) {
        if self.lease_holder(lease).is_none() {
            return;
        }
        if let Some(entry) = self.leases.get(lease).filter(|entry| entry.asked) {
            self.holder_comes_last(entry.client, entry.class);
        }
        self.end_lease(lease, (!reusable).then_some(StopReason::Retired), out);
    }

    fn worker_started(&mut self, worker: ProcessId, out: &mut Vec<Instruction>) {
        if self
            .pool
            .get(worker)
            .is_some_and(|entry| entry.state == WorkerState::Starting)
        {
            self.clients.insert(worker);
            self.pool
                .transition(worker, WorkerState::Idle, self.now_ms, &mut self.journal);
            self.serve_awaiting(worker, out);
        }
    }

    fn worker_kept(&mut self, worker: ProcessId, out: &mut Vec<Instruction>) {
        if self.pool.keep(worker, self.now_ms, &mut self.journal) {
            self.serve_awaiting(worker, out);
        }
    }

    fn worker_gone(&mut self, worker: ProcessId, ended_by: EndedBy, out: &mut Vec<Instruction>) {
        self.client_gone(worker, out);
        self.answers.gone(worker);
        let removed = self
            .pool
            .remove(worker, ended_by, self.now_ms, &mut self.journal);
        let Some((before, entry)) = removed else {
            return;
        };
        match before {
            WorkerState::Leased(lease) => self.lease_lost(lease, worker, out),
            WorkerState::Dedicated(actor) => {
                let actor = self.actors.remove(actor, &mut self.journal);
                if let Some(holding) = actor.and_then(|actor| actor.holding) {
                    self.account.release(holding);
                }
            }
            WorkerState::Starting
            | WorkerState::Idle
            | WorkerState::Stopping
            | WorkerState::Gone => {}
        }
        if let Some(leftover) = entry.leftover {
            self.account.release(leftover);
        }
        if self.pool.take_hopeless(entry.environment) {
            self.refuse_environment(entry.environment, out);
        }
    }

    fn lease_lost(&mut self, lease: LeaseId, worker: ProcessId, out: &mut Vec<Instruction>) {
        if let Some(lost) = self.leases.remove(lease, &mut self.journal) {
            self.classes.release(lost.class);
            self.account.release(lost.holding);
            out.push(Instruction::LeaseLost {
                lease,
                client: lost.client,
                worker,
            });
        }
    }

    fn worker_blocked(&mut self, worker: ProcessId, blocked: bool) {
        let Some(WorkerState::Leased(lease)) = self.pool.get(worker).map(|entry| entry.state)
        else {
            return;
        };
        if let Some(lease) = self.leases.get_mut(lease) {
            if blocked {
                lease.has_waited = true;
                self.account.release_cpu(&mut lease.holding);
            } else {
                self.account.retake_cpu(&mut lease.holding);
            }
        }
    }

    fn actor_wanted(
        &mut self,
        actor: ActorId,
        placement: ResourceSet,
        held: ResourceSet,
        environment: EnvironmentId,
        out: &mut Vec<Instruction>,
    ) {
        if self.actors.get(actor).is_some() {
            return;
        }
        let placement = placement.union_max(&held);
        if let Err(infeasible) = self.feasible(&placement) {
            out.push(Instruction::RefuseActor {
                actor,
                reason: Refusal::Infeasible(infeasible),
            });
            return;
        }
        let demand = Demand::of_actor(placement, &held);
        self.actors
            .insert(actor, held, environment, &mut self.journal);
        self.queue
            .insert(Requester::Actor(actor), demand, environment, 1, self.now_ms);
    }

    fn actor_gone(&mut self, actor: ActorId, out: &mut Vec<Instruction>) {
        let Some(entry) = self.actors.remove(actor, &mut self.journal) else {
            return;
        };
        if let Some(turn) = self.queue.turn_of(Requester::Actor(actor)) {
            self.queue.remove(turn);
        }
        if let Some(turn) = entry.awaiting_turn {
            self.pool.cancel_awaiting(entry.environment, turn);
        }
        match (entry.worker, entry.holding) {
            (Some(worker), holding) => {
                self.stop_worker(worker, StopReason::ActorGone, holding, out);
            }
            (None, Some(holding)) => self.account.release(holding),
            (None, None) => {}
        }
    }

    /// Ends a lease. Its worker serves the next one, or is stopped for the given reason.
    fn end_lease(&mut self, id: LeaseId, stop: Option<StopReason>, out: &mut Vec<Instruction>) {
        let Some(lease) = self.leases.remove(id, &mut self.journal) else {
            return;
        };
        let environment = self.classes.get(lease.class).environment;
        self.classes.release(lease.class);
        if let Some(turn) = lease.awaiting_turn {
            self.pool.cancel_awaiting(environment, turn);
        }
        match (lease.worker, stop) {
            (Some(worker), Some(reason)) => {
                self.stop_worker(worker, reason, Some(lease.holding), out);
            }
            (Some(worker), None) => {
                self.account.release(lease.holding);
                self.pool
                    .transition(worker, WorkerState::Idle, self.now_ms, &mut self.journal);
                self.serve_or_make_room(worker, out);
            }
            (None, _) => self.account.release(lease.holding),
        }
    }

    /// A worker is idle again: it serves the next in line, or ends when somebody has waited longer for one of another
    /// kind. At once, because its last holder may want it, too, and would be granted it first.
    fn serve_or_make_room(&mut self, worker: ProcessId, out: &mut Vec<Instruction>) {
        if self.pool.should_make_room(worker) && started_nothing(&self.leases, &self.queue, worker)
        {
            self.stop_worker(worker, StopReason::Surplus, None, out);
        } else {
            self.serve_awaiting(worker, out);
        }
    }

    /// Tells a worker to end. Its CPUs are free at once, so its successor can start; the rest is free when
    /// the process has ended, or lingers.
    pub(crate) fn stop_worker(
        &mut self,
        worker: ProcessId,
        reason: StopReason,
        mut holding: Option<crate::account::Holding>,
        out: &mut Vec<Instruction>,
    ) {
        if let Some(holding) = &mut holding {
            self.account.release_cpu(holding);
        }
        self.pool
            .stop(worker, reason, holding, self.now_ms, &mut self.journal);
        out.push(Instruction::StopWorker { worker, reason });
    }

    /// Takes a request out of the line for good.
    fn drop_request(&mut self, turn: Turn) {
        if let Some(request) = self.queue.remove(turn)
            && let Requester::Wish { class, .. } = request.requester
        {
            self.classes.release(class);
        }
    }

    /// Refuses whoever needs a worker of an environment whose workers do not start.
    fn refuse_environment(&mut self, environment: EnvironmentId, out: &mut Vec<Instruction>) {
        let reason = Refusal::WorkersDoNotStart { environment };
        let mut wishes = BTreeSet::new();
        let mut actors = BTreeSet::new();
        let waiting = self
            .queue
            .iter()
            .filter(|(_, request)| request.environment == environment);
        for (_, request) in waiting {
            match request.requester {
                Requester::Wish { client, class } => {
                    wishes.insert((client, class));
                }
                Requester::Actor(actor) => {
                    actors.insert(actor);
                }
            }
        }
        let mut promised = Vec::new();
        for awaiting in self.pool.all_awaiting(environment) {
            match awaiting {
                Awaiting::Actor(actor) => {
                    actors.insert(actor);
                }
                Awaiting::Lease(id, _) => {
                    promised.push(id);
                    let lease = self.leases.get(id);
                    wishes.extend(lease.map(|lease| (lease.client, lease.class)));
                }
            }
        }
        for (client, class) in wishes {
            let reason = reason.clone();
            let refused = self.classes.get(class).clone();
            out.push(Instruction::RefuseWish {
                client,
                class: refused,
                reason,
            });
            if let Some(turn) = self.queue.turn_of(Requester::Wish { client, class }) {
                self.drop_request(turn);
            }
        }
        for lease in promised {
            self.end_lease(lease, None, out);
        }
        for actor in actors {
            self.actor_gone(actor, out);
            out.push(Instruction::RefuseActor {
                actor,
                reason: reason.clone(),
            });
        }
    }

    /// The names of the GPUs of a holding, each once.
    pub(crate) fn gpu_names(&self, gpus: impl Iterator<Item = (usize, Quantity)>) -> Vec<String> {
        gpus.map(|(index, _)| self.gpu_ids[index].clone()).collect()
    }

    pub(crate) fn transition_worker(&mut self, worker: ProcessId, to: WorkerState) {
        self.pool
            .transition(worker, to, self.now_ms, &mut self.journal);
    }

    pub(crate) fn transition_actor(&mut self, actor: ActorId, to: ActorState) {
        self.actors.transition(actor, to, &mut self.journal);
    }
}

/// Whether no task that a worker started runs or waits: those would end with it.
pub(crate) fn started_nothing(leases: &Leases, queue: &Queue, worker: ProcessId) -> bool {
    leases.of_client(worker).next().is_none() && queue.wishes_of(worker).next().is_none()
}
