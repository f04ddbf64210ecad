//! How requests that can't be granted get their share in the end: leases are asked back for them, and what
//! they need is reserved for them when they have been overtaken for too long.
//!
//! Invariants:
//! - FS-1 A busy holder is asked to return a lease only when it has had it for `lease_quantum_ms`, and only for
//!   somebody who has less: a client with fewer leases, another class of its own with fewer leases, an actor, or
//!   a request that has waited for `reserve_after_ms` and has nothing at all; or for somebody who has resources and no
//!   worker, while there are as many workers as there may be; or because CPUs are used beyond the limit (OL-1).
//! - FS-2 At most one request has a reservation. It has waited for `reserve_after_ms`, has no lease, and needs only
//!   what is free or comes back from leases: never what an actor keeps, or a task that waits itself,
//!   because the wait could be for each other.
//! - FS-3 Every reservation ends, and is followed by a pause of the same length when it was in vain.
//! - FS-4 A task may take for ever: that a busy holder was asked keeps nobody from asking for an idle lease, and after
//!   `ask_others_after_ms` from asking another busy holder.
//! - OL-1 For as long as CPUs are used beyond the limit for `lease_quantum_ms` or longer, so many busy leases are asked
//!   back that what is left keeps the limit, as far as leases can be asked back at all. What is used beyond it for a
//!   moment is nothing: a task that waits for another one takes its CPU back just before that one's lease is idle.

use std::cmp::Reverse;

use eagleray_resources::{CPU, Quantity};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::account::{Account, Demand, Want};
use crate::classes::ClassIndex;
use crate::leases::Lease;
use crate::protocol::{Instruction, LeaseId, ProcessId};
use crate::queue::{Request, Requester, Turn};
use crate::scheduler::Scheduler;
use crate::transition::LeaseState;

/// Requests at the head of the line for which leases are asked back after one event. A limit, because
/// the line may be long and what can be asked back is little. Those that nobody can help do not count.
const ASKED_FOR_MAX: usize = 16;

/// So many requests are looked at to find them, and so many kinds of them are told apart.
const LOOKED_AT_MAX: usize = 1_024;
const KINDS_MAX: usize = 16;

/// Candidates for a reservation that are looked at after one event.
const RESERVATION_CANDIDATES_MAX: usize = 16;

/// Which leases are expected back when it is decided for whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hope {
    /// Idle ones alone, which come back at once.
    Idle,
    /// Also busy ones, whose tasks may take long.
    Busy,
}

impl Hope {
    /// Whether a lease that was asked for is expected back (FS-4).
    fn counts(self, lease: &Lease, now_ms: u64) -> bool {
        match self {
            Hope::Idle => lease.state == LeaseState::Idle,
            Hope::Busy => lease.state == LeaseState::Idle || now_ms < lease.overdue_at_ms,
        }
    }
}

/// How many leases each client and each wish has that count as its share.
#[derive(Clone, Default)]
struct Shares {
    of_client: FxHashMap<ProcessId, u32>,
    of_wish: FxHashMap<(ProcessId, ClassIndex), u32>,
}

impl Shares {
    fn add(&mut self, client: ProcessId, class: ClassIndex) {
        *self.of_client.entry(client).or_default() += 1;
        *self.of_wish.entry((client, class)).or_default() += 1;
    }

    fn subtract(&mut self, client: ProcessId, class: ClassIndex) {
        for share in [
            self.of_client.get_mut(&client),
            self.of_wish.get_mut(&(client, class)),
        ]
        .into_iter()
        .flatten()
        {
            *share = share.saturating_sub(1);
        }
    }

    fn client(&self, client: ProcessId) -> u32 {
        self.of_client.get(&client).copied().unwrap_or(0)
    }

    fn wish(&self, client: ProcessId, class: ClassIndex) -> u32 {
        self.of_wish.get(&(client, class)).copied().unwrap_or(0)
    }
}

impl Scheduler {
    /// Ends the reservation when its time is over, its request is gone, or it can't be fulfilled any more.
    pub(crate) fn end_reservation_if_due(&mut self) {
        let Some(turn) = self.reservations.turn() else {
            return;
        };
        let Some(request) = self.queue.get(turn) else {
            self.end_reservation();
            return;
        };
        if self.reservations.is_over(self.now_ms) {
            self.queue.count_reservation(turn);
            self.queue.put_last_for_reservation(turn);
            self.reservations.end_in_vain(self.now_ms);
            self.end_reservation();
        } else if !self.is_attainable(&request.demand) {
            self.queue.put_last_for_reservation(turn);
            self.end_reservation();
        }
    }

    /// Nothing is reserved any more.
    pub(crate) fn end_reservation(&mut self) {
        self.reservations.end();
        self.account.reserve(None);
    }

    /// Reserves for the first request that has been overtaken for too long and could be served by leases that
    /// come back.
    pub(crate) fn begin_reservation(&mut self) {
        if self.reservations.turn().is_some()
            || self.queue.starving_count() == 0
            || !self.reservations.shall_look(self.now_ms)
        {
            return;
        }
        for _ in 0..self.queue.starving_count().min(RESERVATION_CANDIDATES_MAX) {
            let Some(turn) = self.queue.first_for_reservation() else {
                return;
            };
            let Some(request) = self.queue.get(turn) else {
                return;
            };
            if self.has_nothing(request) && self.is_attainable(&request.demand) {
                self.reservations
                    .begin(turn, request.reservations, self.now_ms);
                self.account.reserve(Some(request.demand.clone()));
                return;
            }
            self.queue.put_last_for_reservation(turn);
        }
        self.reservations.note_fruitless(self.now_ms);
    }

    /// Asks holders to return leases for the first requests in line: idle ones first, whatever else was asked for.
    pub(crate) fn ask_back(&mut self, out: &mut Vec<Instruction>) {
        if self.queue.is_empty() || !self.leases.has_askable(self.now_ms) {
            return;
        }
        let turns = self.turns_to_ask_for();
        let mut asked = Vec::new();
        if self.leases.has_idle_askable() {
            self.choose_leases(&turns, Hope::Idle, &mut asked);
        }
        self.choose_leases(&turns, Hope::Busy, &mut asked);
        for id in asked {
            if let Some(client) = self.lease_holder(id) {
                self.leases.set_asked(id, self.overdue_at_ms());
                out.push(Instruction::AskLeaseBack { lease: id, client });
            }
        }
    }

    /// Until when a lease that is asked for now counts as about to come back.
    fn overdue_at_ms(&self) -> u64 {
        self.now_ms.saturating_add(self.ask_others_after_ms)
    }

    /// Adds the leases to ask for to those that were chosen before.
    fn choose_leases(&self, turns: &[Turn], hope: Hope, asked: &mut Vec<LeaseId>) {
        let mut shares = self.shares();
        // The account as it will be when all that was asked for is back, as far as there is hope for it.
        let mut expected = self.account.clone();
        for (id, lease) in self.leases.iter() {
            if asked.contains(&id) {
                shares.subtract(lease.client, lease.class);
                expected.preview_release(&lease.holding);
            } else if lease.asked && hope.counts(lease, self.now_ms) {
                expected.preview_release(&lease.holding);
            }
        }
        let reserved = self.reservations.turn();
        // What actors in vain asked for: those behind them would ask in vain, too, and are often many.
        let mut in_vain: Vec<&Demand> = Vec::new();
        let mut tried = 0;
        for &turn in turns {
            let Some(request) = self.queue.get(turn) else {
                continue;
            };
            let is_actor = matches!(request.requester, Requester::Actor(_));
            if is_actor && in_vain.contains(&&request.demand) {
                continue;
            }
            if tried == ASKED_FOR_MAX {
                break;
            }
            tried += 1;
            if !self.is_attainable(&request.demand) {
                continue;
            }
            for _ in 0..request.count {
                let mut trial = (expected.clone(), shares.clone(), asked.clone());
                let satisfied = self.ask_for_one(turn, request, hope, &mut trial);
                // Leases that do not suffice are of no use, unless what comes back is kept together.
                if satisfied || Some(turn) == reserved {
                    (expected, shares, *asked) = trial;
                }
                if !satisfied {
                    if is_actor && in_vain.len() < KINDS_MAX {
                        in_vain.push(&request.demand);
                    }
                    break;
                }
            }
        }
    }

    /// Asks one holder to return a lease, so that its worker makes room for one of another kind that somebody awaits.
    /// One at a time, because there is no way to see which of them will be free first.
    pub(crate) fn ask_for_room(&mut self, out: &mut Vec<Instruction>) {
        let is_hoped_for = |lease: &Lease| lease.asked && Hope::Busy.counts(lease, self.now_ms);
        if self
            .leases
            .iter()
            .any(|(_, lease)| is_hoped_for(lease) && !lease.is_blocked())
        {
            return;
        }
        let shares = self.shares();
        let running = self
            .leases
            .askable(self.now_ms)
            .filter(|(_, lease)| !lease.is_blocked());
        let best = running.min_by_key(|(id, lease)| asking_order(*id, lease, &shares));
        if let Some((lease, entry)) = best {
            let client = entry.client;
            self.leases.set_asked(lease, self.overdue_at_ms());
            out.push(Instruction::AskLeaseBack { lease, client });
        }
    }

    /// The requests for which leases may be asked back now: the one with the reservation, then the first in line, without
    /// those that wait for what actors keep, or for memory. Those whose client is about to return a lease of the
    /// same class come last: what it returns is for others.
    fn turns_to_ask_for(&self) -> Vec<Turn> {
        let debtors: FxHashSet<Requester> = self
            .leases
            .iter()
            .filter(|(_, lease)| lease.asked)
            .map(|(_, lease)| Requester::Wish {
                client: lease.client,
                class: lease.class,
            })
            .collect();
        let reserved = self.reservations.turn();
        let mut judged: Vec<(&Demand, bool)> = Vec::new();
        let mut is_attainable = |demand| match judged.iter().find(|(known, _)| *known == demand) {
            Some((_, attainable)) => *attainable,
            None if judged.len() == KINDS_MAX => true,
            None => {
                let attainable = self.is_attainable(demand);
                judged.push((demand, attainable));
                attainable
            }
        };
        let line = self
            .queue
            .iter()
            .take(LOOKED_AT_MAX)
            .filter(|(turn, request)| Some(*turn) != reserved && is_attainable(&request.demand));
        let (last, first): (Vec<_>, Vec<_>) =
            line.partition(|(_, request)| debtors.contains(&request.requester));
        let line = first.into_iter().chain(last).map(|(turn, _)| turn);
        reserved.into_iter().chain(line).collect()
    }

    /// A lease that was asked for has come back: were its holder still before the one for whom it was asked, it
    /// would get it again.
    pub(crate) fn holder_comes_last(&mut self, client: ProcessId, class: ClassIndex) {
        if let Some(turn) = self.queue.turn_of(Requester::Wish { client, class })
            && self.reservations.turn() != Some(turn)
        {
            self.queue.move_to_end(turn, self.now_ms);
        }
    }

    /// Chooses leases until one unit of `request` would fit, and takes that; says whether it did.
    fn ask_for_one(
        &self,
        turn: Turn,
        request: &Request,
        hope: Hope,
        (expected, shares, asked): &mut (Account, Shares, Vec<LeaseId>),
    ) -> bool {
        while let Some((want, _)) = expected.shortage(&request.demand, true) {
            let Some((id, lease)) = self.best_to_ask(turn, request, &want, hope, shares, asked)
            else {
                return false;
            };
            expected.preview_release(&lease.holding);
            shares.subtract(lease.client, lease.class);
            asked.push(id);
        }
        if let Requester::Wish { client, class } = request.requester {
            shares.add(client, class);
        }
        // The copy of the account ends with this event, so what it allocates is never released.
        expected.allocate(&request.demand).is_some()
    }

    /// The lease to ask back next for `request`, which lacks `want`.
    fn best_to_ask(
        &self,
        turn: Turn,
        request: &Request,
        want: &Want,
        hope: Hope,
        shares: &Shares,
        asked: &[LeaseId],
    ) -> Option<(LeaseId, &Lease)> {
        let starving = self.queue.is_starving(turn) && share_of(request, shares) == 0;
        self.leases
            .askable(self.now_ms)
            .filter(|(id, lease)| !asked.contains(id) && lease.holding.would_bring(want))
            .filter(|(_, lease)| hope == Hope::Busy || lease.state == LeaseState::Idle)
            .filter(|(_, lease)| may_ask(lease, request, starving, shares))
            .min_by_key(|(id, lease)| asking_order(*id, lease, shares))
    }

    /// Whether a request can hope for what it needs: for all but what actors keep and what waiting tasks keep.
    /// An actor for which the memory has no room can't.
    fn is_attainable(&self, demand: &Demand) -> bool {
        if self.waits_for_memory(demand) {
            return false;
        }
        let node = self.account.node();
        demand.resources.iter().all(|(name, quantity)| {
            let name = name.as_str();
            let leases = self.leases.iter().map(|(_, lease)| lease);
            let returning = leases
                .filter(|lease| !lease.is_blocked())
                .map(|lease| &lease.holding);
            let kept = returning
                .chain(self.pool.leftovers())
                .fold(node.used().get(name), |kept, holding| {
                    kept.saturating_sub(holding.in_use_of(name))
                });
            quantity <= node.total().get(name).saturating_sub(kept)
        })
    }

    fn shares(&self) -> Shares {
        let mut shares = Shares::default();
        for (_, lease) in self.leases.iter().filter(|(_, lease)| lease.is_share()) {
            shares.add(lease.client, lease.class);
        }
        shares
    }

    /// Whether a request has no lease of its kind that could make progress for it.
    fn has_nothing(&self, request: &Request) -> bool {
        match request.requester {
            Requester::Actor(_) => true,
            Requester::Wish { client, class } => !self
                .leases
                .of_client(client)
                .any(|(_, lease)| lease.class == class && lease.is_share()),
        }
    }
}

impl Scheduler {
    /// Checks that what is used beyond the limit is known to be.
    pub(crate) fn validate_overload(&self) -> Result<(), String> {
        let excess = self.cpus_beyond_limit(|lease| lease.state == LeaseState::Idle);
        if excess.is_zero() != self.overload.is_on() {
            return Ok(());
        }
        Err(format!(
            "OL-1: {excess} CPUs beyond the limit, known: {}",
            self.overload.is_on()
        ))
    }

    /// Asks holders to return busy leases when CPUs have been used beyond the limit for too long (OL-1).
    pub(crate) fn end_overload(&mut self, out: &mut Vec<Instruction>) {
        let is_idle = |lease: &Lease| lease.state == LeaseState::Idle;
        if self.cpus_beyond_limit(is_idle).is_zero() {
            self.overload.end();
            return;
        }
        self.overload.begin(self.now_ms);
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
                let share = Reverse(shares.client(lease.client));
                (share, id, lease.client, lease.holding.in_use_of(CPU))
            })
            .filter(|(_, _, _, cpus)| !cpus.is_zero())
            .collect();
        // Of whoever has most, the oldest first.
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

/// Idle leases first, then those of whoever has most, the oldest first.
fn asking_order(id: LeaseId, lease: &Lease, shares: &Shares) -> (bool, Reverse<u32>, LeaseId) {
    (
        lease.state != LeaseState::Idle,
        Reverse(shares.client(lease.client)),
        id,
    )
}

/// Whether a lease that can be asked back may be asked back for `request` (FS-1).
fn may_ask(lease: &Lease, request: &Request, starving: bool, shares: &Shares) -> bool {
    let Requester::Wish { client, class } = request.requester else {
        return true;
    };
    let is_own = lease.client == client;
    if is_own && lease.class == class {
        return false;
    }
    if lease.state == LeaseState::Idle || starving {
        return true;
    }
    if is_own {
        shares.wish(client, lease.class) > shares.wish(client, class)
    } else {
        shares.client(lease.client) > shares.client(client)
    }
}

fn share_of(request: &Request, shares: &Shares) -> u32 {
    match request.requester {
        Requester::Actor(_) => 0,
        Requester::Wish { client, class } => shares.wish(client, class),
    }
}
