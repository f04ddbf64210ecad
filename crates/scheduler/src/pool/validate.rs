//! The pool's invariants, checked.

use super::Pool;
use crate::transition::WorkerState;

impl Pool {
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
        let stopping = self
            .workers
            .values()
            .filter(|worker| worker.is_stopping())
            .count();
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
        let mut lines = 0;
        for (environment, of) in &self.environments {
            let unused = of.idle.iter().find(|(_, worker)| {
                of.awaiting
                    .values()
                    .any(|awaiting| awaiting.may_have(*worker))
            });
            if let Some((_, worker)) = unused {
                return Err(format!("WP-2: {worker:?} is idle and somebody awaits it"));
            }
            let line = of
                .awaiting
                .first_key_value()
                .map(|(turn, _)| (*turn, *environment));
            if line.is_some_and(|line| !self.lines.contains(&line)) {
                return Err(format!("WP-3: the line for {environment:?} is not known"));
            }
            lines += usize::from(line.is_some());
            environment_starting += of.starting;
        }
        if environment_starting != self.starting || lines != self.lines.len() {
            return Err("WP-3: the environments' sums differ".into());
        }
        if self.starting < self.limits.starting_max
            && self.has_room()
            && let Some((_, environment)) = self.next_missing()
        {
            return Err(format!(
                "WP-3: a worker of {environment:?} is missing and could start"
            ));
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
}
