//! The leases that live, and who holds them.
//!
//! Invariants:
//! - LS-4 A lease has a worker unless it awaits one, and its holder is a client that is there.
//! - LS-5 A lease is asked back at most once.

use std::collections::{BTreeMap, BTreeSet};

use crate::account::Holding;
use crate::classes::ClassIndex;
use crate::protocol::{LeaseId, ProcessId};
use crate::transition::{Journal, LeaseState, Transition};

#[derive(Debug)]
pub(crate) struct Lease {
    pub client: ProcessId,
    pub class: ClassIndex,
    pub state: LeaseState,
    pub holding: Holding,
    /// Set as soon as it does not await a worker.
    pub worker: Option<ProcessId>,
    /// Its place among those that await a worker.
    pub awaiting_turn: Option<u64>,
    /// The holder was asked to return it.
    pub asked: bool,
    /// From when on a busy holder that was asked is not relied on any more.
    pub overdue_at_ms: u64,
    /// Its task has waited once, so it may have its CPUs beyond the limit.
    pub has_waited: bool,
    /// From when on a busy holder may be asked to return it.
    pub askable_at_ms: u64,
}

impl Lease {
    /// Whether its task waits in `get` or `wait`.
    pub fn is_blocked(&self) -> bool {
        self.holding.is_cpu_given_back()
    }

    /// Whether it counts as a share of its holder: what waits or is on its way back does not.
    pub fn is_share(&self) -> bool {
        !self.asked && !self.is_blocked()
    }
}

#[derive(Default)]
pub(crate) struct Leases {
    leases: BTreeMap<LeaseId, Lease>,
    of_client: BTreeSet<(ProcessId, LeaseId)>,
    /// Those that can be asked back, by when: idle ones since ever.
    askable: BTreeSet<(u64, LeaseId)>,
    last: u64,
}

impl Leases {
    pub fn get(&self, lease: LeaseId) -> Option<&Lease> {
        self.leases.get(&lease)
    }

    pub fn get_mut(&mut self, lease: LeaseId) -> Option<&mut Lease> {
        self.leases.get_mut(&lease)
    }

    pub fn iter(&self) -> impl Iterator<Item = (LeaseId, &Lease)> {
        self.leases.iter().map(|(id, lease)| (*id, lease))
    }

    /// The leases of a client, oldest first.
    pub fn of_client(
        &self,
        client: ProcessId,
    ) -> impl DoubleEndedIterator<Item = (LeaseId, &Lease)> {
        self.of_client
            .range((client, LeaseId(0))..=(client, LeaseId(u64::MAX)))
            .filter_map(|(_, id)| Some((*id, self.leases.get(id)?)))
    }

    /// A new lease that awaits its worker.
    pub fn insert(
        &mut self,
        client: ProcessId,
        class: ClassIndex,
        holding: Holding,
        journal: &mut Journal,
    ) -> LeaseId {
        self.last += 1;
        let id = LeaseId(self.last);
        let state = LeaseState::AwaitingWorker;
        let lease = Lease {
            client,
            class,
            state,
            holding,
            worker: None,
            awaiting_turn: None,
            asked: false,
            overdue_at_ms: 0,
            has_waited: false,
            askable_at_ms: 0,
        };
        self.leases.insert(id, lease);
        self.of_client.insert((client, id));
        journal.record(Transition::Lease {
            lease: id,
            client,
            from: None,
            to: state,
        });
        id
    }

    /// The only place where a lease changes its state.
    pub fn transition(&mut self, id: LeaseId, to: LeaseState, journal: &mut Journal) {
        let Some(lease) = self.leases.get_mut(&id) else {
            return;
        };
        let from = lease.state;
        debug_assert!(
            from.may_become(to),
            "lease {id:?} can't go from {from:?} to {to:?}"
        );
        lease.state = to;
        journal.record(Transition::Lease {
            lease: id,
            client: lease.client,
            from: Some(from),
            to,
        });
        self.refresh_askable(id);
    }

    /// The holder has been asked to return it, and is relied on to do so until `overdue_at_ms`.
    pub fn set_asked(&mut self, id: LeaseId, overdue_at_ms: u64) {
        if let Some(lease) = self.leases.get_mut(&id) {
            lease.asked = true;
            lease.overdue_at_ms = overdue_at_ms;
            self.refresh_askable(id);
        }
    }

    /// Takes an ended lease out of the table.
    pub fn remove(&mut self, id: LeaseId, journal: &mut Journal) -> Option<Lease> {
        self.transition(id, LeaseState::Ended, journal);
        let lease = self.leases.remove(&id)?;
        self.of_client.remove(&(lease.client, id));
        Some(lease)
    }

    /// Whether every holder waits: for a worker, or for what its task waits for.
    pub fn nobody_runs(&self) -> bool {
        let mut leases = self.leases.values();
        leases.all(|lease| lease.state == LeaseState::AwaitingWorker || lease.is_blocked())
    }

    /// Whether some lease could be asked back by now.
    pub fn has_askable(&self, now_ms: u64) -> bool {
        self.askable
            .first()
            .is_some_and(|(at_ms, _)| *at_ms <= now_ms)
    }

    /// Whether some idle lease could be asked back.
    pub fn has_idle_askable(&self) -> bool {
        let first = self.askable.range(..=(0, LeaseId(u64::MAX)));
        first
            .filter_map(|(_, id)| self.leases.get(id))
            .any(|lease| lease.state == LeaseState::Idle)
    }

    /// When the next busy holder that was asked is not relied on any more.
    pub fn next_overdue_ms(&self, now_ms: u64) -> Option<u64> {
        self.leases
            .values()
            .filter(|lease| lease.asked && lease.overdue_at_ms > now_ms)
            .map(|lease| lease.overdue_at_ms)
            .min()
    }

    /// The leases that could be asked back by now.
    pub fn askable(&self, now_ms: u64) -> impl Iterator<Item = (LeaseId, &Lease)> {
        self.askable
            .range(..=(now_ms, LeaseId(u64::MAX)))
            .filter_map(|(_, id)| Some((*id, self.leases.get(id)?)))
    }

    /// When the next lease can be asked back that can't be yet.
    pub fn next_askable_ms(&self, now_ms: u64) -> Option<u64> {
        self.askable
            .range((now_ms.saturating_add(1), LeaseId(0))..)
            .next()
            .map(|(at_ms, _)| *at_ms)
    }

    /// Checks LS-4, LS-5 and the indexes.
    pub fn validate(&self) -> Result<(), String> {
        if self.of_client.len() != self.leases.len() {
            return Err("LS-4: a lease without a holder, or the reverse".into());
        }
        let mut askable = 0;
        for (id, lease) in &self.leases {
            let awaits = lease.state == LeaseState::AwaitingWorker;
            if awaits != lease.worker.is_none() || awaits != lease.awaiting_turn.is_some() {
                return Err(format!(
                    "LS-4: {id:?} is {:?} with worker {:?}",
                    lease.state, lease.worker
                ));
            }
            if lease.state == LeaseState::Ended || (awaits && lease.asked) {
                return Err(format!(
                    "LS-5: {id:?} is {:?}, asked: {}",
                    lease.state, lease.asked
                ));
            }
            if let Some(at_ms) = lease.askable_position() {
                askable += 1;
                if !self.askable.contains(&(at_ms, *id)) {
                    return Err(format!("LS-5: {id:?} can be asked back and is not listed"));
                }
            }
        }
        if askable != self.askable.len() {
            return Err("LS-5: leases are listed that can't be asked back".into());
        }
        Ok(())
    }

    fn refresh_askable(&mut self, id: LeaseId) {
        let Some(lease) = self.leases.get(&id) else {
            return;
        };
        self.askable.remove(&(0, id));
        self.askable.remove(&(lease.askable_at_ms, id));
        if let Some(at_ms) = lease.askable_position() {
            self.askable.insert((at_ms, id));
        }
    }
}

impl Lease {
    fn askable_position(&self) -> Option<u64> {
        match self.state {
            LeaseState::Active if !self.asked => Some(self.askable_at_ms),
            LeaseState::Idle if !self.asked => Some(0),
            _ => None,
        }
    }
}
