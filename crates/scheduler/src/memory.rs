//! How many processes the memory allows, and who may have them.
//!
//! What holds a CPU is bounded by the CPUs. What is not are the processes of actors that keep less than a CPU, and the
//! workers that start because tasks wait in `get` and have left their CPUs to others. Once the memory was measured
//! ([`Event::MemoryMeasured`](crate::Event::MemoryMeasured)), these start only while it has room.
//!
//! Invariants:
//! - ME-1 Whatever the memory has, as many workers of tasks may start as are started ahead, and beside them as many actors:
//!   at least one of each.
//! - ME-2 An actor for which there is no room waits in the queue: it holds nothing, nothing is reserved for it, and no
//!   lease is asked back for it.
//! - ME-3 Room that tasks have taken which all wait is no lock for the actors that these wait for: one more is placed with
//!   each measurement. Nor is it one for tasks that these wait for (WP-1).

use crate::account::{Demand, Want};
use crate::scheduler::Scheduler;

impl Scheduler {
    /// The memory has room for `room` processes beyond those that are ready.
    pub(crate) fn memory_measured(&mut self, room: u32) {
        let ready = self.pool.count() - self.pool.starting();
        self.memory_allows = Some(ready.saturating_add(room));
        self.lends_room = self.is_locked_by_waiting_tasks();
    }

    /// Divides what the memory allows among actors and the workers of tasks. Says whether there is more for actors that
    /// wait.
    pub(crate) fn divide_memory(&mut self) -> bool {
        let Some(allowed) = self.memory_allows else {
            return false;
        };
        let ahead = self.pool.ahead();
        let room = allowed.saturating_sub(self.workers_of_tasks().max(ahead));
        let lent = if std::mem::take(&mut self.lends_room) {
            self.account.process_room_used().saturating_add(1)
        } else {
            0
        };
        self.account.set_process_room(room.max(ahead).max(lent))
    }

    /// Tells the pool how many processes there may be: those of actors that have room may be started, and so may workers
    /// of tasks (ME-1).
    pub(crate) fn bound_pool(&mut self) {
        if let Some(allowed) = self.memory_allows {
            let minimum = self.account.process_room_used() + self.pool.ahead();
            self.pool.set_bound(allowed.max(minimum));
        }
    }

    /// Whether a request waits for room as long as the memory has none, whatever comes back from leases (ME-2).
    pub(crate) fn waits_for_memory(&self, demand: &Demand) -> bool {
        demand.process_room && !self.account.has_process_room()
    }

    /// Processes that are not those of actors that need room. One that starts for such an actor is not counted as far as
    /// that can be known before it is ready.
    fn workers_of_tasks(&self) -> u32 {
        let promised = self.account.process_room_promised();
        let taken = self.account.process_room_used() - promised;
        let starting_for_actors = promised.min(self.pool.starting());
        self.pool
            .count()
            .saturating_sub(taken)
            .saturating_sub(starting_for_actors)
    }

    /// Whether tasks have taken more room than was theirs, all of them wait, maybe for actors that wait for room, and
    /// nothing that happens already changes it (ME-3).
    fn is_locked_by_waiting_tasks(&self) -> bool {
        self.queue.lacks(&Want::ProcessRoom)
            && self.workers_of_tasks() > self.pool.ahead()
            && self.leases.iter().next().is_some()
            && self.leases.nobody_runs()
            && self.pool.is_at_rest()
    }
}
