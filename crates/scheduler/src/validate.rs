//! Every invariant, checked. For tests and debug builds; it walks over everything.

use eagleray_resources::{CPU, Quantity, ResourceSet};

use crate::account::{Holding, ProcessRoom};
use crate::pool::Awaiting;
use crate::queue::Requester;
use crate::scheduler::Scheduler;
use crate::transition::{ActorState, LeaseState, WorkerState};

impl Scheduler {
    /// Checks every invariant. Slow: for tests.
    ///
    /// # Errors
    /// Says which one is broken, and where.
    pub fn validate(&self) -> Result<(), String> {
        self.leases.validate()?;
        self.actors.validate()?;
        self.pool.validate()?;
        self.queue
            .validate(&self.account, self.reservations.turn())?;
        self.validate_account()?;
        self.validate_limits()?;
        self.validate_service()?;
        self.validate_requests()?;
        self.validate_classes()?;
        self.answers
            .validate(|worker| self.pool.get(worker).is_some())?;
        self.validate_overload()
    }

    fn holdings(&self) -> impl Iterator<Item = &Holding> {
        let leases = self.leases.iter().map(|(_, lease)| &lease.holding);
        let actors = self
            .actors
            .iter()
            .filter_map(|(_, actor)| actor.holding.as_ref());
        leases.chain(actors).chain(self.pool.leftovers())
    }

    /// LS-2: what is used is the sum of what is held.
    fn validate_account(&self) -> Result<(), String> {
        let node = self.account.node();
        let mut used = ResourceSet::new();
        let mut slots = 0;
        let (mut promised, mut room) = (0, 0);
        let mut gpus = vec![Quantity::ZERO; node.gpus().count()];
        for holding in self.holdings() {
            used.add(&holding.in_use());
            slots += u32::from(holding.uses_slot());
            promised += u32::from(holding.process_room() == ProcessRoom::Promised);
            room += u32::from(holding.process_room() != ProcessRoom::None);
            for (index, quantity) in holding.gpus() {
                gpus[index] = gpus[index].saturating_add(quantity);
            }
        }
        if used != *node.used() || slots != self.account.zero_cpu_slots_used() {
            return Err(format!(
                "LS-2: {} used, {used} held, {slots} slots",
                node.used()
            ));
        }
        let counted = (
            self.account.process_room_promised(),
            self.account.process_room_used(),
        );
        if counted != (promised, room) {
            return Err(format!(
                "LS-2: {counted:?} is the room for processes, {promised} promised, {room} held"
            ));
        }
        for (index, quantity) in gpus.iter().enumerate() {
            if node.gpus().remaining()[index].checked_add(*quantity) != Some(Quantity::ONE) {
                return Err(format!(
                    "LS-2: GPU {index} has shares of {quantity} and differs"
                ));
            }
        }
        Ok(())
    }

    /// LS-1: nothing is used beyond its total, except by tasks that have waited.
    fn validate_limits(&self) -> Result<(), String> {
        let node = self.account.node();
        let mut cpu_allowed = node.total().get(CPU);
        let mut slots_allowed = self.account.zero_cpu_slots();
        for (_, lease) in self.leases.iter().filter(|(_, lease)| lease.has_waited) {
            cpu_allowed = cpu_allowed.saturating_add(lease.holding.in_use().get(CPU));
            slots_allowed += u32::from(lease.holding.uses_slot());
        }
        for (name, used) in node.used().iter() {
            let allowed = if name.as_str() == CPU {
                cpu_allowed
            } else {
                node.total().get(name.as_str())
            };
            if used > allowed {
                return Err(format!("LS-1: {used} {name} used, {allowed} allowed"));
            }
        }
        if self.account.zero_cpu_slots_used() > slots_allowed {
            return Err(format!(
                "LS-1: {} slots used",
                self.account.zero_cpu_slots_used()
            ));
        }
        Ok(())
    }

    /// LS-3: a worker serves at most one lease or actor, and each has its worker.
    fn validate_service(&self) -> Result<(), String> {
        for (id, worker) in self.pool.iter() {
            let served = match worker.state {
                WorkerState::Leased(lease) => self
                    .leases
                    .get(lease)
                    .is_some_and(|lease| lease.worker == Some(id)),
                WorkerState::Dedicated(actor) => self
                    .actors
                    .get(actor)
                    .is_some_and(|actor| actor.worker == Some(id)),
                _ => true,
            };
            if !served {
                return Err(format!(
                    "LS-3: {id:?} is {:?}, which does not know it",
                    worker.state
                ));
            }
        }
        for (id, lease) in self.leases.iter() {
            if let Some(worker) = lease.worker {
                let entry = self.pool.get(worker);
                let environment = self.classes.get(lease.class).environment;
                if !entry.is_some_and(|entry| {
                    entry.state == WorkerState::Leased(id) && entry.environment == environment
                }) {
                    return Err(format!(
                        "LS-3: {id:?} has {worker:?}, which does not serve it"
                    ));
                }
            }
            if lease.worker == Some(lease.client) {
                return Err(format!("LS-3: {:?} has a lease on itself", lease.client));
            }
            if !self.clients.contains(&lease.client) {
                return Err(format!(
                    "LS-4: {id:?} is of {:?}, which has gone",
                    lease.client
                ));
            }
        }
        for (id, actor) in self.actors.iter() {
            if let Some(worker) = actor.worker
                && self.pool.get(worker).map(|entry| entry.state)
                    != Some(WorkerState::Dedicated(id))
            {
                return Err(format!(
                    "LS-3: {id:?} has {worker:?}, which does not serve it"
                ));
            }
        }
        Ok(())
    }

    /// AC-1 and its like for wishes: who waits is in exactly one line.
    fn validate_requests(&self) -> Result<(), String> {
        for (id, actor) in self.actors.iter() {
            let waits = self.queue.turn_of(Requester::Actor(id)).is_some();
            if waits != (actor.state == ActorState::Waiting) {
                return Err(format!(
                    "AC-1: {id:?} is {:?}, in the queue: {waits}",
                    actor.state
                ));
            }
        }
        for (turn, request) in self.queue.iter() {
            let known = match request.requester {
                Requester::Actor(actor) => self.actors.get(actor).is_some(),
                Requester::Wish { client, .. } => self.clients.contains(&client),
            };
            if !known {
                return Err(format!(
                    "WQ-1: request {turn} is of nobody: {:?}",
                    request.requester
                ));
            }
        }
        let environments = self.pool.environments();
        for awaiting in environments
            .into_iter()
            .flat_map(|of| self.pool.all_awaiting(of))
        {
            let consistent = match awaiting {
                Awaiting::Lease(id, _) => self
                    .leases
                    .get(id)
                    .is_some_and(|lease| lease.state == LeaseState::AwaitingWorker),
                Awaiting::Actor(id) => self
                    .actors
                    .get(id)
                    .is_some_and(|actor| actor.state == ActorState::AwaitingWorker),
            };
            if !consistent {
                return Err(format!(
                    "WP-3: {awaiting:?} awaits a worker and is not there"
                ));
            }
        }
        if let Some(turn) = self.reservations.turn()
            && self.queue.get(turn).is_none()
        {
            return Err(format!("FS-2: the reservation of {turn} is of nobody"));
        }
        Ok(())
    }

    /// Classes are kept exactly as long as a wish or a lease uses them.
    fn validate_classes(&self) -> Result<(), String> {
        let of_leases = self.leases.iter().map(|(_, lease)| lease.class);
        let of_wishes = self
            .queue
            .iter()
            .filter_map(|(_, request)| match request.requester {
                Requester::Wish { class, .. } => Some(class),
                Requester::Actor(_) => None,
            });
        let mut used: Vec<_> = of_leases.chain(of_wishes).collect();
        used.sort_unstable();
        let references = used.len() as u32;
        used.dedup();
        let counted: u32 = used
            .iter()
            .map(|class| self.classes.references(*class))
            .sum();
        if counted != references || used.len() != self.classes.len() {
            return Err(format!("classes: {references} users, {counted} counted"));
        }
        Ok(())
    }
}
