//! Which workers to start, and which to stop because there are too many or their place is needed.

use super::{Environment, Pool, Worker};
use crate::protocol::{EnvironmentId, ProcessId};
use crate::transition::{Journal, Transition, WorkerState};

impl Pool {
    /// The next worker to start, if one is missing and the limits allow it. Its life begins here.
    pub fn start_next(&mut self, journal: &mut Journal) -> Option<(ProcessId, EnvironmentId)> {
        if self.starting >= self.limits.starting_max || !self.has_room() {
            return None;
        }
        let environment = match self.next_missing() {
            Some((_, environment)) => environment,
            None if self.prestart_remaining > 0 => {
                self.prestart_remaining -= 1;
                EnvironmentId::DEFAULT
            }
            None => return None,
        };
        Some(self.start(environment, journal))
    }

    /// The next worker to start although there are as many as there may be. The caller has seen that the pool is
    /// stuck at its limit and that no task runs.
    pub fn start_beyond_limit(
        &mut self,
        journal: &mut Journal,
    ) -> Option<(ProcessId, EnvironmentId)> {
        let (_, environment) = self.next_missing()?;
        self.beyond_limit += 1;
        Some(self.start(environment, journal))
    }

    /// Whether a worker is missing for which there is no room, and none is about to make some.
    pub fn is_room_wanted(&self) -> bool {
        let lines = self
            .lines
            .iter()
            .filter_map(|(_, environment)| self.environments.get(environment));
        !self.has_room()
            && lines.map(Environment::missing).sum::<usize>() > self.stopping_surplus as usize
    }

    /// Whether nothing that happens already will make room for the missing worker.
    pub fn is_stuck_at_limit(&self) -> bool {
        self.starting == 0 && self.stopping == 0 && self.is_room_wanted()
    }

    /// Whether an idle worker should end rather than serve those who await one like it, because somebody has waited
    /// longer for one of another kind, for which there is no room.
    pub fn should_make_room(&self, worker: ProcessId) -> bool {
        let turn = self.next_awaiting_turn(worker);
        self.is_room_wanted()
            && self
                .next_missing()
                .is_some_and(|(missing, _)| turn.is_none_or(|turn| missing < turn))
    }

    /// An idle worker that has to end so that a missing one can be started: the longest idle one that
    /// `may_stop` allows.
    pub fn in_the_way(
        &mut self,
        now_ms: u64,
        may_stop: impl Fn(ProcessId) -> bool,
    ) -> Option<ProcessId> {
        if self.starting >= self.limits.starting_max || !self.is_room_wanted() {
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

    /// The environment whose line has waited longest of those that have fewer workers starting than are awaited.
    pub(super) fn next_missing(&self) -> Option<(u64, EnvironmentId)> {
        self.lines.iter().copied().find(|(_, environment)| {
            self.environments
                .get(environment)
                .is_some_and(|of| of.missing() > 0 && of.retry_at_ms.is_none())
        })
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
            lingers: false,
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

    /// Whether a worker is missing because the memory has no room for it.
    pub fn lacks_memory(&self) -> bool {
        self.count() < self.limits.workers_max && self.is_room_wanted()
    }

    /// Whether nobody awaits a worker, and none starts or is about to end.
    pub fn is_at_rest(&self) -> bool {
        self.starting == 0 && self.stopping == 0 && self.lines.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.count() < self.limits.workers_max.min(self.bound)
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
