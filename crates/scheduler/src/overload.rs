//! What is used beyond the limit comes back. A task that has waited takes its CPUs back at once, whoever runs on them
//! meanwhile; where that lasts, as with holders that have one task after another, a lease is asked back.
//!
//! Owns: since when CPUs are used beyond the limit.
//!
//! Invariants:
//! - OL-1 For as long as CPUs are used beyond the limit for `lease_quantum_ms` or longer, so many busy leases are asked
//!   back that what is left keeps the limit, as far as leases can be asked back at all. What is used beyond it for a
//!   moment is nothing: a task that waits for another one takes its CPU back just before that one's lease is idle.

use std::cmp::Reverse;

use eagleray_resources::{CPU, Quantity};

use crate::leases::Lease;
use crate::protocol::{Instruction, LeaseId, ProcessId};
use crate::scheduler::Scheduler;
use crate::transition::LeaseState;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Overload {
    since_ms: Option<u64>,
}

impl Overload {
    /// When leases are asked back unless it is over by then.
    pub fn due_ms(&self, quantum_ms: u64) -> Option<u64> {
        self.since_ms.map(|since| since.saturating_add(quantum_ms))
    }
}

impl Scheduler {
    /// Checks that what is used beyond the limit is known to be.
    pub(crate) fn validate_overload(&self) -> Result<(), String> {
        let excess = self.cpus_beyond_limit(|lease| lease.state == LeaseState::Idle);
        if excess.is_zero() == self.overload.since_ms.is_none() {
            return Ok(());
        }
        Err(format!(
            "OL-1: {excess} CPUs beyond the limit, since {:?}",
            self.overload.since_ms
        ))
    }

    /// Asks holders to return busy leases when CPUs have been used beyond the limit for too long (OL-1).
    pub(crate) fn end_overload(&mut self, out: &mut Vec<Instruction>) {
        let is_idle = |lease: &Lease| lease.state == LeaseState::Idle;
        if self.cpus_beyond_limit(is_idle).is_zero() {
            self.overload.since_ms = None;
            return;
        }
        self.overload.since_ms.get_or_insert(self.now_ms);
        if self.overload.due_ms(self.lease_quantum_ms) > Some(self.now_ms) {
            return;
        }
        let mut excess = self.cpus_beyond_limit(|lease| {
            is_idle(lease) || (lease.asked && self.now_ms < lease.overdue_at_ms)
        });
        let shares = self.shares();
        let mut busy: Vec<(Reverse<u32>, LeaseId, ProcessId, Quantity)> = self
            .leases
            .askable(self.now_ms)
            .filter(|(_, lease)| lease.state == LeaseState::Active)
            .map(|(id, lease)| {
                let share = Reverse(shares.of(lease.client));
                (share, id, lease.client, lease.holding.in_use_of(CPU))
            })
            .filter(|(_, _, _, cpus)| !cpus.is_zero())
            .collect();
        // Of whoever has most, the oldest first, as in `fairness.rs`.
        busy.sort_unstable();
        for (_, lease, client, cpus) in busy {
            if excess.is_zero() {
                break;
            }
            excess = excess.saturating_sub(cpus);
            self.leases.set_asked(lease, self.overdue_at_ms());
            out.push(Instruction::AskLeaseBack { lease, client });
        }
    }

    /// How much more is used than there is, without the leases that do not count.
    fn cpus_beyond_limit(&self, does_not_count: impl Fn(&Lease) -> bool) -> Quantity {
        let node = self.account.node();
        let (used, total) = (node.used().get(CPU), node.total().get(CPU));
        if used <= total {
            return Quantity::ZERO;
        }
        self.leases
            .iter()
            .filter(|(_, lease)| does_not_count(lease))
            .fold(used, |used, (_, lease)| {
                used.saturating_sub(lease.holding.in_use_of(CPU))
            })
            .saturating_sub(total)
    }
}
