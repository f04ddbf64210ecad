//! The worker processes: which there are, which are free, which have to be started or stopped.
//!
//! Owns: the life cycle of workers and the line of those that await one. Is not: a judge of who gets resources;
//! whoever awaits a worker has its resources already.
//!
//! Invariants:
//! - WP-1 At most `workers_starting_max` workers start at once, at most `workers_max` live. Beyond that one more is
//!   started only when nobody makes progress without it: tasks that wait for tasks would lock otherwise.
//! - WP-2 While somebody awaits a worker of an environment, none of that environment is idle, unless it is the one that
//!   awaits: nobody gets a lease on itself.
//! - WP-3 For each who awaits a worker of an environment, one is starting or requested.
//! - WP-4 A worker that was an actor's, or was told to end, never serves anybody again, except a surplus
//!   worker that was kept.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rustc_hash::FxHashMap;

use crate::account::Holding;
use crate::protocol::{ActorId, EnvironmentId, LeaseId, ProcessId, StopReason};
use crate::transition::{Journal, Transition, WorkerState};

#[derive(Debug)]
pub(crate) struct Worker {
    pub environment: EnvironmentId,
    pub state: WorkerState,
    pub stop_reason: Option<StopReason>,
    /// What its process holds until it has ended: a GPU is free when nobody has memory on it any more.
    pub leftover: Option<Holding>,
    idle_turn: u64,
    idle_since_ms: u64,
    /// It could not be stopped when that was tried, so the next try is not before another period.
    was_kept: bool,
}

/// Who has its resources and awaits a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaiting {
    /// A lease, and who will hold it.
    Lease(LeaseId, ProcessId),
    Actor(ActorId),
}

impl Awaiting {
    /// Whether `worker` is not the one who would have the lease: a process can't wait for itself.
    fn may_have(self, worker: ProcessId) -> bool {
        !matches!(self, Awaiting::Lease(_, client) if client == worker)
    }
}

#[derive(Default)]
struct Environment {
    /// By when they became idle; the last one's caches are the warmest.
    idle: BTreeSet<(u64, ProcessId)>,
    awaiting: BTreeMap<u64, Awaiting>,
    starting: u32,
    requested: u32,
    failures_in_a_row: u32,
}

pub(crate) struct Limits {
    pub prestart: u32,
    pub starting_max: u32,
    pub workers_max: u32,
    pub start_failures_max: u32,
    pub idle_keep_ms: u64,
}

pub(crate) struct Pool {
    limits: Limits,
    workers: BTreeMap<ProcessId, Worker>,
    environments: FxHashMap<EnvironmentId, Environment>,
    idle: BTreeSet<(u64, ProcessId)>,
    start_requests: VecDeque<EnvironmentId>,
    prestart_remaining: u32,
    starting: u32,
    leased: u32,
    stopping: u32,
    stopping_surplus: u32,
    /// How many of the living were started beyond the limit, at most.
    beyond_limit: u32,
    next_worker: u32,
    next_turn: u64,
}

impl Pool {
    pub fn new(limits: Limits, first_worker: ProcessId) -> Pool {
        Pool {
            limits,
            workers: BTreeMap::new(),
            environments: FxHashMap::default(),
            idle: BTreeSet::new(),
            start_requests: VecDeque::new(),
            prestart_remaining: 0,
            starting: 0,
            leased: 0,
            stopping: 0,
            stopping_surplus: 0,
            beyond_limit: 0,
            next_worker: first_worker.0,
            next_turn: 0,
        }
    }

    pub fn get(&self, worker: ProcessId) -> Option<&Worker> {
        self.workers.get(&worker)
    }

    pub fn iter(&self) -> impl Iterator<Item = (ProcessId, &Worker)> {
        self.workers.iter().map(|(id, worker)| (*id, worker))
    }

    /// Have the first workers started.
    pub fn prestart(&mut self) {
        self.prestart_remaining = self.limits.prestart;
    }

    /// The idle worker of an environment that was busy last, if `awaiting` may have it; it stays idle until its
    /// transition.
    pub fn idle_worker(&self, environment: EnvironmentId, awaiting: Awaiting) -> Option<ProcessId> {
        let idle = self.environments.get(&environment)?.idle.iter().rev();
        idle.map(|(_, worker)| *worker)
            .find(|worker| awaiting.may_have(*worker))
    }

    /// Puts `awaiting` in line for the next worker of an environment and has one started. The number is its
    /// place, for [`Pool::cancel_awaiting`].
    pub fn await_worker(&mut self, environment: EnvironmentId, awaiting: Awaiting) -> u64 {
        let turn = self.fresh_turn();
        self.environments
            .entry(environment)
            .or_default()
            .awaiting
            .insert(turn, awaiting);
        self.request_missing(environment);
        turn
    }

    /// Takes one out of the line.
    pub fn cancel_awaiting(&mut self, environment: EnvironmentId, turn: u64) {
        if let Some(of) = self.environments.get_mut(&environment) {
            of.awaiting.remove(&turn);
        }
    }

    /// The first in line that may have `worker`.
    pub fn next_awaiting(&self, worker: ProcessId) -> Option<Awaiting> {
        let environment = self.workers.get(&worker)?.environment;
        let mut awaiting = self
            .environments
            .get(&environment)?
            .awaiting
            .values()
            .copied();
        awaiting.find(|awaiting| awaiting.may_have(worker))
    }

    /// All in line for a worker of an environment.
    pub fn all_awaiting(&self, environment: EnvironmentId) -> Vec<Awaiting> {
        let of = self.environments.get(&environment);
        of.map(|of| of.awaiting.values().copied().collect())
            .unwrap_or_default()
    }

    /// The next worker to start, if one is missing and the limits allow it. Its life begins here.
    pub fn start_next(&mut self, journal: &mut Journal) -> Option<(ProcessId, EnvironmentId)> {
        if self.starting >= self.limits.starting_max || !self.has_room() {
            return None;
        }
        let environment = match self.next_requested() {
            Some(environment) => {
                self.drop_request();
                environment
            }
            None if self.prestart_remaining > 0 => {
                self.prestart_remaining -= 1;
                EnvironmentId::DEFAULT
            }
            None => return None,
        };
        Some(self.start(environment, journal))
    }

    /// The next worker to start although there are as many as there may be, if everybody awaits one and no process
    /// starts or ends. The caller has seen that no task runs.
    pub fn start_beyond_limit(
        &mut self,
        journal: &mut Journal,
    ) -> Option<(ProcessId, EnvironmentId)> {
        if self.has_room() || self.starting > 0 || self.stopping > 0 {
            return None;
        }
        let environment = self.next_requested()?;
        self.drop_request();
        self.beyond_limit += 1;
        Some(self.start(environment, journal))
    }

    fn start(
        &mut self,
        environment: EnvironmentId,
        journal: &mut Journal,
    ) -> (ProcessId, EnvironmentId) {
        let worker = ProcessId(self.next_worker);
        self.next_worker += 1;
        let state = WorkerState::Starting;
        let entry = Worker {
            environment,
            state,
            stop_reason: None,
            leftover: None,
            idle_turn: 0,
            idle_since_ms: 0,
            was_kept: false,
        };
        self.workers.insert(worker, entry);
        self.starting += 1;
        self.environments.entry(environment).or_default().starting += 1;
        journal.record(Transition::Worker {
            worker,
            environment,
            from: None,
            to: state,
        });
        (worker, environment)
    }

    /// An idle worker that has to end so that a missing one can be started: the longest idle one that
    /// `may_stop` allows.
    pub fn in_the_way(
        &mut self,
        now_ms: u64,
        may_stop: impl Fn(ProcessId) -> bool,
    ) -> Option<ProcessId> {
        if self.has_room() || self.starting >= self.limits.starting_max {
            return None;
        }
        // One that is about to end makes room for one that is missing.
        self.next_requested()?;
        if self.stopping_surplus as usize >= self.start_requests.len() {
            return None;
        }
        let may_stop_now = |worker: ProcessId| {
            self.workers.get(&worker).is_some_and(|entry| {
                !entry.was_kept || entry.idle_since_ms + self.limits.idle_keep_ms <= now_ms
            }) && may_stop(worker)
        };
        self.idle
            .iter()
            .map(|(_, worker)| *worker)
            .find(|worker| may_stop_now(*worker))
    }

    /// An idle worker above those that are kept for good, idle for long enough, that `may_stop` allows.
    pub fn surplus(&self, now_ms: u64, may_stop: impl Fn(ProcessId) -> bool) -> Option<ProcessId> {
        if !self.has_surplus() {
            return None;
        }
        let is_due = |worker: &ProcessId| {
            self.keep_until_ms(*worker)
                .is_some_and(|at_ms| at_ms <= now_ms)
        };
        let mut due = self
            .idle
            .iter()
            .map(|(_, worker)| *worker)
            .take_while(is_due);
        due.find(|worker| may_stop(*worker))
    }

    /// When the next worker may become surplus that is not yet.
    pub fn next_surplus_ms(&self, now_ms: u64) -> Option<u64> {
        if !self.has_surplus() {
            return None;
        }
        let keep_until = self
            .idle
            .iter()
            .filter_map(|(_, worker)| self.keep_until_ms(*worker));
        keep_until.filter(|at_ms| *at_ms > now_ms).min()
    }

    /// The only place where a worker changes its state.
    pub fn transition(
        &mut self,
        id: ProcessId,
        to: WorkerState,
        now_ms: u64,
        journal: &mut Journal,
    ) {
        let Some(worker) = self.workers.get(&id) else {
            return;
        };
        let (from, environment) = (worker.state, worker.environment);
        debug_assert!(
            from.may_become(to),
            "worker {id:?} can't go from {from:?} to {to:?}"
        );
        self.leave(id, from, environment);
        self.enter(id, to, environment, now_ms);
        journal.record(Transition::Worker {
            worker: id,
            environment,
            from: Some(from),
            to,
        });
    }

    /// Tells a worker to end; it keeps `leftover` until it has.
    pub fn stop(
        &mut self,
        id: ProcessId,
        reason: StopReason,
        leftover: Option<Holding>,
        now_ms: u64,
        journal: &mut Journal,
    ) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.stop_reason = Some(reason);
            worker.leftover = leftover;
        }
        self.transition(id, WorkerState::Stopping, now_ms, journal);
    }

    /// A surplus worker could not be stopped: it is idle again, or was never stopping.
    pub fn keep(&mut self, id: ProcessId, now_ms: u64, journal: &mut Journal) -> bool {
        let Some(worker) = self.workers.get_mut(&id) else {
            return false;
        };
        if worker.stop_reason != Some(StopReason::Surplus) {
            return false;
        }
        worker.was_kept = true;
        self.transition(id, WorkerState::Idle, now_ms, journal);
        true
    }

    /// A worker's process has ended: takes it out of the table. Gives the state it was in, too.
    pub fn remove(
        &mut self,
        id: ProcessId,
        now_ms: u64,
        journal: &mut Journal,
    ) -> Option<(WorkerState, Worker)> {
        let Worker {
            environment,
            state: before,
            ..
        } = *self.workers.get(&id)?;
        self.transition(id, WorkerState::Gone, now_ms, journal);
        if before == WorkerState::Starting {
            self.environments
                .entry(environment)
                .or_default()
                .failures_in_a_row += 1;
            self.request_missing(environment);
        }
        let worker = self.workers.remove(&id)?;
        self.beyond_limit = self.beyond_limit.saturating_sub(1);
        self.forget_if_empty(environment);
        Some((before, worker))
    }

    /// Whether so many workers of an environment ended before they were ready that one more try is in vain. Asking
    /// begins a new count.
    pub fn take_hopeless(&mut self, environment: EnvironmentId) -> bool {
        let Some(of) = self.environments.get_mut(&environment) else {
            return false;
        };
        let hopeless = of.failures_in_a_row >= self.limits.start_failures_max;
        if hopeless {
            of.failures_in_a_row = 0;
        }
        hopeless
    }

    /// What ending workers still hold.
    pub fn leftovers(&self) -> impl Iterator<Item = &Holding> {
        self.workers
            .values()
            .filter_map(|worker| worker.leftover.as_ref())
    }

    /// The environments of which there is a worker, or somebody who awaits one.
    pub fn environments(&self) -> Vec<EnvironmentId> {
        let mut environments: Vec<EnvironmentId> = self.environments.keys().copied().collect();
        environments.sort_unstable();
        environments
    }

    /// Checks WP-1 to WP-3 and the counts.
    pub fn validate(&self) -> Result<(), String> {
        let count = |wanted: fn(&WorkerState) -> bool| {
            self.workers
                .values()
                .filter(|worker| wanted(&worker.state))
                .count()
        };
        let starting = count(|state| *state == WorkerState::Starting);
        let leased = count(|state| matches!(state, WorkerState::Leased(_)));
        let idle = count(|state| *state == WorkerState::Idle);
        let stopping = count(|state| *state == WorkerState::Stopping);
        let surplus = self
            .workers
            .values()
            .filter(|worker| worker.is_stopping_surplus())
            .count();
        let counted = [
            self.starting,
            self.leased,
            self.idle.len() as u32,
            self.stopping,
            self.stopping_surplus,
        ];
        let are = [starting, leased, idle, stopping, surplus].map(|count| count as u32);
        if counted != are {
            return Err(format!("WP-1: counted {counted:?}, are {are:?}"));
        }
        if self.starting > self.limits.starting_max
            || self.workers.len() > (self.limits.workers_max + self.beyond_limit) as usize
        {
            return Err(format!(
                "WP-1: {starting} starting, {} live",
                self.workers.len()
            ));
        }
        let mut environment_starting = 0;
        let mut requested = 0;
        for (environment, of) in &self.environments {
            let unused = of.idle.iter().find(|(_, worker)| {
                of.awaiting
                    .values()
                    .any(|awaiting| awaiting.may_have(*worker))
            });
            if let Some((_, worker)) = unused {
                return Err(format!("WP-2: {worker:?} is idle and somebody awaits it"));
            }
            if of.awaiting.len() > (of.starting + of.requested) as usize {
                return Err(format!(
                    "WP-3: {} await a worker of {environment:?}, {} start, {} are requested",
                    of.awaiting.len(),
                    of.starting,
                    of.requested
                ));
            }
            let really = self
                .start_requests
                .iter()
                .filter(|requested| *requested == environment)
                .count();
            if really != of.requested as usize {
                return Err(format!("WP-3: {environment:?} has {really} requests"));
            }
            environment_starting += of.starting;
            requested += of.requested as usize;
        }
        if environment_starting != self.starting || requested != self.start_requests.len() {
            return Err("WP-3: the environments' sums differ".into());
        }
        for (id, worker) in &self.workers {
            if worker.leftover.is_some() && worker.state != WorkerState::Stopping {
                return Err(format!(
                    "WP-4: {id:?} is {:?} and has a leftover",
                    worker.state
                ));
            }
            if worker.state == WorkerState::Gone {
                return Err(format!("WP-4: {id:?} is gone and in the table"));
            }
        }
        Ok(())
    }

    fn leave(&mut self, id: ProcessId, from: WorkerState, environment: EnvironmentId) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let of = self.environments.entry(environment).or_default();
        match from {
            WorkerState::Starting => {
                self.starting -= 1;
                of.starting -= 1;
            }
            WorkerState::Idle => {
                self.idle.remove(&(worker.idle_turn, id));
                of.idle.remove(&(worker.idle_turn, id));
            }
            WorkerState::Leased(_) => self.leased -= 1,
            WorkerState::Stopping => {
                self.stopping -= 1;
                self.stopping_surplus -= u32::from(worker.is_stopping_surplus());
            }
            WorkerState::Dedicated(_) | WorkerState::Gone => {}
        }
    }

    fn enter(&mut self, id: ProcessId, to: WorkerState, environment: EnvironmentId, now_ms: u64) {
        let turn = self.fresh_turn();
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let of = self.environments.entry(environment).or_default();
        if worker.state == WorkerState::Starting && to == WorkerState::Idle {
            of.failures_in_a_row = 0;
        }
        worker.state = to;
        match to {
            WorkerState::Idle => {
                worker.idle_turn = turn;
                worker.idle_since_ms = now_ms;
                worker.stop_reason = None;
                self.idle.insert((turn, id));
                of.idle.insert((turn, id));
            }
            WorkerState::Leased(_) => {
                worker.was_kept = false;
                self.leased += 1;
            }
            WorkerState::Stopping => {
                self.stopping += 1;
                self.stopping_surplus += u32::from(worker.is_stopping_surplus());
            }
            WorkerState::Starting | WorkerState::Dedicated(_) | WorkerState::Gone => {}
        }
    }

    /// Requests as many starts as there are in line without one.
    fn request_missing(&mut self, environment: EnvironmentId) {
        let of = self.environments.entry(environment).or_default();
        while of.awaiting.len() > (of.starting + of.requested) as usize {
            of.requested += 1;
            self.start_requests.push_back(environment);
        }
    }

    /// The environment of the first request that is not out of date; drops those before it.
    fn next_requested(&mut self) -> Option<EnvironmentId> {
        while let Some(environment) = self.start_requests.front().copied() {
            let of = self.environments.entry(environment).or_default();
            if of.awaiting.len() > of.starting as usize {
                return Some(environment);
            }
            self.drop_request();
            self.forget_if_empty(environment);
        }
        None
    }

    fn drop_request(&mut self) {
        if let Some(environment) = self.start_requests.pop_front() {
            self.environments.entry(environment).or_default().requested -= 1;
        }
    }

    fn forget_if_empty(&mut self, environment: EnvironmentId) {
        if self
            .environments
            .get(&environment)
            .is_some_and(Environment::is_empty)
            && !self
                .workers
                .values()
                .any(|worker| worker.environment == environment)
        {
            self.environments.remove(&environment);
        }
    }

    fn has_room(&self) -> bool {
        self.workers.len() < self.limits.workers_max as usize
    }

    fn has_surplus(&self) -> bool {
        self.idle.len() + self.leased as usize > self.limits.prestart as usize
    }

    fn keep_until_ms(&self, worker: ProcessId) -> Option<u64> {
        Some(
            self.workers
                .get(&worker)?
                .idle_since_ms
                .saturating_add(self.limits.idle_keep_ms),
        )
    }

    fn fresh_turn(&mut self) -> u64 {
        self.next_turn += 1;
        self.next_turn
    }
}

impl Worker {
    fn is_stopping_surplus(&self) -> bool {
        self.state == WorkerState::Stopping && self.stop_reason == Some(StopReason::Surplus)
    }
}

impl Environment {
    fn is_empty(&self) -> bool {
        self.idle.is_empty()
            && self.awaiting.is_empty()
            && self.starting == 0
            && self.requested == 0
            && self.failures_in_a_row == 0
    }
}
