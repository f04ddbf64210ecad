//! The worker processes: which there are, which are free, which have to be started or stopped.
//!
//! Owns: the life cycle of workers and the line of those that await one. Is not: a judge of who gets resources;
//! whoever awaits a worker has its resources already.
//!
//! Invariants:
//! - WP-1 At most `workers_starting_max` workers start at once, at most `workers_max` live, and none starts while there are
//!   as many as the memory allows. Beyond that one more is started only when nobody can make room for it: tasks that
//!   wait for tasks would lock otherwise.
//! - WP-2 While somebody awaits a worker of an environment, none of that environment is idle, unless it is the one that
//!   awaits: nobody gets a lease on itself.
//! - WP-3 For each who awaits a worker of an environment, one is starting, unless the limits of WP-1 are reached, or
//!   there is a pause because something outside has ended such starts.
//! - WP-4 A worker that was an actor's, or was told to end, never serves anybody again, except a surplus
//!   worker that was kept.

mod supply;
mod validate;

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use crate::account::Holding;
use crate::protocol::{ActorId, Configuration, EnvironmentId, LeaseId, ProcessId, StopReason};
use crate::transition::{Journal, Transition, WorkerState};

#[derive(Debug)]
pub(crate) struct Worker {
    pub environment: EnvironmentId,
    pub state: WorkerState,
    pub stop_reason: Option<StopReason>,
    /// What its process holds until it has ended: a GPU is free when nobody has memory on it any more.
    pub leftover: Option<Holding>,
    /// It was told to end, and finishes what it has begun: nobody counts on its end.
    lingers: bool,
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
    failures_in_a_row: u32,
    interruptions_in_a_row: u32,
    shortages_in_a_row: u32,
    /// Nothing is started before: starts were interrupted.
    retry_at_ms: Option<u64>,
}

/// Who has ended a worker that was not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndedBy {
    /// It has failed, and would again.
    Itself,
    /// Something that has nothing to do with what it is.
    Outside,
    /// This program, which holds what it needs.
    Shortage,
}

pub(crate) struct Limits {
    pub prestart: u32,
    pub starting_max: u32,
    pub workers_max: u32,
    pub start_failures_max: u32,
    pub start_interruptions_max: u32,
    pub start_shortages_max: u32,
    pub idle_keep_ms: u64,
}

pub(crate) struct Pool {
    limits: Limits,
    workers: BTreeMap<ProcessId, Worker>,
    environments: FxHashMap<EnvironmentId, Environment>,
    idle: BTreeSet<(u64, ProcessId)>,
    /// The environments of which workers are awaited, by the turn of the first in line.
    lines: BTreeSet<(u64, EnvironmentId)>,
    prestart_remaining: u32,
    starting: u32,
    leased: u32,
    stopping: u32,
    stopping_surplus: u32,
    /// How many of the living were started beyond the limit, at most.
    beyond_limit: u32,
    /// How many there may be by what the memory has.
    bound: u32,
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
            lines: BTreeSet::new(),
            prestart_remaining: 0,
            starting: 0,
            leased: 0,
            stopping: 0,
            stopping_surplus: 0,
            beyond_limit: 0,
            bound: u32::MAX,
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

    /// How many workers there are.
    pub fn count(&self) -> u32 {
        self.workers.len() as u32
    }

    /// How many of them are not ready yet.
    pub fn starting(&self) -> u32 {
        self.starting
    }

    /// How many workers of tasks may start whatever the memory has: those that are started ahead, and at least one.
    pub fn ahead(&self) -> u32 {
        self.limits.prestart.max(1)
    }

    /// The memory allows so many workers from now on. Those that are there stay.
    pub fn set_bound(&mut self, bound: u32) {
        self.bound = bound;
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

    /// Puts `awaiting` in line for the next worker of an environment. The number is its place, for
    /// [`Pool::cancel_awaiting`].
    pub fn await_worker(&mut self, environment: EnvironmentId, awaiting: Awaiting) -> u64 {
        let turn = self.fresh_turn();
        let of = self.environments.entry(environment).or_default();
        if of.awaiting.is_empty() {
            self.lines.insert((turn, environment));
        }
        of.awaiting.insert(turn, awaiting);
        turn
    }

    /// Takes one out of the line.
    pub fn cancel_awaiting(&mut self, environment: EnvironmentId, turn: u64) {
        let Some(of) = self.environments.get_mut(&environment) else {
            return;
        };
        of.awaiting.remove(&turn);
        if self.lines.remove(&(turn, environment))
            && let Some((first, _)) = of.awaiting.first_key_value()
        {
            self.lines.insert((*first, environment));
        }
        self.forget_if_empty(environment);
    }

    /// The first in line that may have `worker`.
    pub fn next_awaiting(&self, worker: ProcessId) -> Option<Awaiting> {
        let environment = self.workers.get(&worker)?.environment;
        let turn = self.next_awaiting_turn(worker)?;
        self.environments
            .get(&environment)?
            .awaiting
            .get(&turn)
            .copied()
    }

    fn next_awaiting_turn(&self, worker: ProcessId) -> Option<u64> {
        let environment = self.workers.get(&worker)?.environment;
        let mut line = self.environments.get(&environment)?.awaiting.iter();
        line.find(|(_, awaiting)| awaiting.may_have(worker))
            .map(|(turn, _)| *turn)
    }

    /// All in line for a worker of an environment.
    pub fn all_awaiting(&self, environment: EnvironmentId) -> Vec<Awaiting> {
        let of = self.environments.get(&environment);
        of.map(|of| of.awaiting.values().copied().collect())
            .unwrap_or_default()
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
        if worker.stop_reason != Some(StopReason::Surplus) || worker.lingers {
            return false;
        }
        worker.was_kept = true;
        self.transition(id, WorkerState::Idle, now_ms, journal);
        true
    }

    /// A worker that was told to end may take long: gives what it held until its end.
    pub fn linger(&mut self, id: ProcessId) -> Option<Holding> {
        let worker = self.workers.get_mut(&id)?;
        if worker.state != WorkerState::Stopping || worker.lingers {
            return None;
        }
        self.stopping -= 1;
        self.stopping_surplus -= u32::from(worker.is_stopping_surplus());
        worker.lingers = true;
        worker.leftover.take()
    }

    /// A worker's process has ended: takes it out of the table. Gives the state it was in, too.
    pub fn remove(
        &mut self,
        id: ProcessId,
        ended_by: EndedBy,
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
            let of = self.environments.entry(environment).or_default();
            match ended_by {
                EndedBy::Itself => of.failures_in_a_row += 1,
                EndedBy::Outside => {
                    of.interruptions_in_a_row += 1;
                    of.pause(now_ms);
                }
                EndedBy::Shortage => {
                    of.shortages_in_a_row += 1;
                    of.pause(now_ms);
                }
            }
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
        let hopeless = of.failures_in_a_row >= self.limits.start_failures_max
            || of.interruptions_in_a_row >= self.limits.start_interruptions_max
            || of.shortages_in_a_row >= self.limits.start_shortages_max;
        if hopeless {
            of.start_afresh();
        }
        hopeless
    }

    /// Ends the pauses that are over.
    pub fn end_pauses(&mut self, now_ms: u64) {
        for of in self.environments.values_mut() {
            of.retry_at_ms = of.retry_at_ms.filter(|&at_ms| at_ms > now_ms);
        }
    }

    /// When the next pause is over after which a worker is to be started.
    pub fn next_retry_ms(&self) -> Option<u64> {
        let paused = self
            .environments
            .values()
            .filter(|of| !of.awaiting.is_empty());
        paused.filter_map(|of| of.retry_at_ms).min()
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
            WorkerState::Stopping if worker.lingers => {}
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
            of.start_afresh();
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

    fn fresh_turn(&mut self) -> u64 {
        self.next_turn += 1;
        self.next_turn
    }
}

impl Worker {
    /// Whether its end is near and makes room for another one, without anybody missing it.
    fn is_stopping_surplus(&self) -> bool {
        self.is_stopping() && self.stop_reason == Some(StopReason::Surplus)
    }

    /// Whether its end is near.
    fn is_stopping(&self) -> bool {
        self.state == WorkerState::Stopping && !self.lingers
    }
}

impl Environment {
    /// A start has failed for a reason that may pass: the next is not at once, and later each time.
    fn pause(&mut self, now_ms: u64) {
        let failed = self.interruptions_in_a_row + self.shortages_in_a_row;
        let doublings = failed.saturating_sub(1).min(32);
        let pause = Configuration::START_PAUSE_MS << doublings;
        let until = now_ms.saturating_add(pause.min(Configuration::START_PAUSE_MAX_MS));
        self.retry_at_ms = self.retry_at_ms.max(Some(until));
    }

    /// Forgets what became of starts.
    fn start_afresh(&mut self) {
        self.failures_in_a_row = 0;
        self.interruptions_in_a_row = 0;
        self.shortages_in_a_row = 0;
        self.retry_at_ms = None;
    }

    /// How many await a worker beyond those that are starting.
    fn missing(&self) -> usize {
        self.awaiting.len().saturating_sub(self.starting as usize)
    }

    fn is_empty(&self) -> bool {
        self.idle.is_empty()
            && self.awaiting.is_empty()
            && self.starting == 0
            && self.failures_in_a_row == 0
            && self.interruptions_in_a_row == 0
            && self.shortages_in_a_row == 0
    }
}
