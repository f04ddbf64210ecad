//! What follows from an event: grants, starts of workers, stops of workers that are too many.

use crate::account::Holding;
use crate::pool::Awaiting;
use crate::protocol::{ActorId, EnvironmentId, Instruction, LeaseId, ProcessId, StopReason};
use crate::queue::{Requester, Turn};
use crate::scheduler::{Scheduler, started_nothing};
use crate::transition::{ActorState, LeaseState, WorkerState};

impl Scheduler {
    /// Brings everything to rest after an event.
    pub(crate) fn settle(&mut self, out: &mut Vec<Instruction>) {
        self.queue.note_starving(self.now_ms);
        self.end_reservation_if_due();
        self.divide_memory();
        self.grant_what_fits(out);
        // An actor that gets a worker which was idle leaves more room for others.
        while self.divide_memory() {
            self.grant_what_fits(out);
        }
        self.bound_pool();
        self.begin_reservation();
        self.ask_back(out);
        self.end_overload(out);
        self.start_missing_workers(out);
        self.stop_surplus_workers(out);
    }

    fn grant_what_fits(&mut self, out: &mut Vec<Instruction>) {
        while let Some(turn) = self
            .reserved_that_fits()
            .or_else(|| self.queue.next_candidate(&self.account))
        {
            let Some(request) = self.queue.get(turn) else {
                break;
            };
            let privileged = self.reservations.turn() == Some(turn);
            match self.account.shortage(&request.demand, privileged) {
                Some((want, quantity)) => self.queue.park(turn, want, quantity),
                None => self.grant(turn, out),
            }
        }
        self.account.clear_risen();
    }

    fn reserved_that_fits(&self) -> Option<Turn> {
        let turn = self.reservations.turn()?;
        let request = self.queue.get(turn)?;
        self.account
            .shortage(&request.demand, true)
            .is_none()
            .then_some(turn)
    }

    /// Grants one lease, or a place, to a request whose demand is free.
    fn grant(&mut self, turn: Turn, out: &mut Vec<Instruction>) {
        let Some(request) = self.queue.get(turn) else {
            return;
        };
        let (requester, environment, is_last) =
            (request.requester, request.environment, request.count == 1);
        let Some(holding) = self.account.allocate(&request.demand) else {
            return;
        };
        self.queue.served_one(turn, self.now_ms);
        if self.reservations.turn() == Some(turn) {
            self.end_reservation();
        }
        match requester {
            Requester::Wish { client, class } => {
                // The wish's reference to the class becomes the lease's when it was the last.
                if !is_last {
                    self.classes.add_reference(class);
                }
                let lease = self
                    .leases
                    .insert(client, class, holding, &mut self.journal);
                self.provide_worker(environment, Awaiting::Lease(lease, client), out);
            }
            Requester::Actor(actor) => {
                self.hold_placement(actor, holding);
                self.provide_worker(environment, Awaiting::Actor(actor), out);
            }
        }
    }

    fn hold_placement(&mut self, actor: ActorId, holding: Holding) {
        if let Some(entry) = self.actors.get_mut(actor) {
            entry.holding = Some(holding);
        }
        self.transition_actor(actor, ActorState::AwaitingWorker);
    }

    fn provide_worker(
        &mut self,
        environment: EnvironmentId,
        awaiting: Awaiting,
        out: &mut Vec<Instruction>,
    ) {
        if let Some(worker) = self.pool.idle_worker(environment, awaiting) {
            self.assign(worker, awaiting, out);
            return;
        }
        let turn = Some(self.pool.await_worker(environment, awaiting));
        match awaiting {
            Awaiting::Lease(id, _) => {
                if let Some(lease) = self.leases.get_mut(id) {
                    lease.awaiting_turn = turn;
                }
            }
            Awaiting::Actor(id) => {
                if let Some(actor) = self.actors.get_mut(id) {
                    actor.awaiting_turn = turn;
                }
            }
        }
    }

    /// Gives an idle worker to the first in line for one like it.
    pub(crate) fn serve_awaiting(&mut self, worker: ProcessId, out: &mut Vec<Instruction>) {
        if let Some(awaiting) = self.pool.next_awaiting(worker) {
            self.assign(worker, awaiting, out);
        }
    }

    fn assign(&mut self, worker: ProcessId, awaiting: Awaiting, out: &mut Vec<Instruction>) {
        match awaiting {
            Awaiting::Lease(lease, _) => self.activate_lease(lease, worker, out),
            Awaiting::Actor(actor) => self.place_actor(actor, worker, out),
        }
    }

    fn activate_lease(&mut self, id: LeaseId, worker: ProcessId, out: &mut Vec<Instruction>) {
        let Some(lease) = self.leases.get_mut(id) else {
            return;
        };
        let class = self.classes.get(lease.class).clone();
        if let Some(turn) = lease.awaiting_turn.take() {
            self.pool.cancel_awaiting(class.environment, turn);
        }
        lease.worker = Some(worker);
        lease.askable_at_ms = self.now_ms.saturating_add(self.lease_quantum_ms);
        let client = lease.client;
        self.leases
            .transition(id, LeaseState::Active, &mut self.journal);
        self.transition_worker(worker, WorkerState::Leased(id));
        let gpu_ids = match self.leases.get(id) {
            Some(lease) => self.gpu_names(lease.holding.gpus()),
            None => Vec::new(),
        };
        out.push(Instruction::GrantLease {
            lease: id,
            client,
            class,
            worker,
            gpu_ids,
        });
    }

    fn place_actor(&mut self, id: ActorId, worker: ProcessId, out: &mut Vec<Instruction>) {
        let Some(actor) = self.actors.get_mut(id) else {
            return;
        };
        if let Some(turn) = actor.awaiting_turn.take() {
            self.pool.cancel_awaiting(actor.environment, turn);
        }
        actor.worker = Some(worker);
        if let Some(holding) = &mut actor.holding {
            self.account.take_process_room(holding);
            self.account.shrink(holding, &actor.held);
        }
        self.transition_actor(id, ActorState::Placed);
        self.transition_worker(worker, WorkerState::Dedicated(id));
        let holding = self.actors.get(id).and_then(|actor| actor.holding.as_ref());
        let gpu_ids = holding
            .map(|holding| self.gpu_names(holding.gpus()))
            .unwrap_or_default();
        out.push(Instruction::PlaceActor {
            actor: id,
            worker,
            gpu_ids,
        });
    }

    fn start_missing_workers(&mut self, out: &mut Vec<Instruction>) {
        self.pool.end_pauses(self.now_ms);
        while let Some((worker, environment)) = self.pool.start_next(&mut self.journal) {
            out.push(Instruction::StartWorker {
                worker,
                environment,
            });
        }
        while let Some(worker) = self.pool.in_the_way(self.now_ms, |worker| {
            started_nothing(&self.leases, &self.queue, worker)
        }) {
            self.stop_worker(worker, StopReason::Surplus, None, out);
        }
        if self.pool.is_stuck_at_limit() {
            self.unlock_at_limit(out);
        }
    }

    /// There are as many workers as there may be, none of them can be stopped, and somebody awaits another one.
    fn unlock_at_limit(&mut self, out: &mut Vec<Instruction>) {
        if !self.leases.nobody_runs() && self.somebody_can_make_room() {
            self.ask_for_room(out);
        } else if let Some((worker, environment)) = self.pool.start_beyond_limit(&mut self.journal)
        {
            out.push(Instruction::StartWorker {
                worker,
                environment,
            });
        }
    }

    /// Whether some leased worker could be stopped once its lease is back. One whose own tasks still run or wait can't.
    fn somebody_can_make_room(&self) -> bool {
        let mut leased = self
            .pool
            .iter()
            .filter(|(_, worker)| matches!(worker.state, WorkerState::Leased(_)));
        leased.any(|(worker, _)| started_nothing(&self.leases, &self.queue, worker))
    }

    fn stop_surplus_workers(&mut self, out: &mut Vec<Instruction>) {
        while let Some(worker) = self.pool.surplus(self.now_ms, |worker| {
            started_nothing(&self.leases, &self.queue, worker)
        }) {
            self.stop_worker(worker, StopReason::Surplus, None, out);
        }
    }
}
