//! Which workers to start, and which to stop because there are too many or their place is needed.

use super::{Pool, Worker};
use crate::protocol::{EnvironmentId, ProcessId};
use crate::transition::{Journal, Transition, WorkerState};

impl Pool {
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

    /// Requests as many starts as there are in line without one.
    pub(super) fn request_missing(&mut self, environment: EnvironmentId) {
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
}
