//! The requests that wait: wishes for leases, and actors without a place.
//!
//! Every request has a turn; the lowest comes first. A wish that was granted one lease and wants more goes
//! behind all others, which is what makes grants go round. A request that can't be granted is *parked* under the
//! first thing it lacks, so an event looks only at requests that lack something of which there is more now.
//!
//! Invariants:
//! - WQ-1 A request is either ready (to be looked at) or parked under exactly one want.
//! - WQ-2 A parked request needs more of its want than is open to it, unless that want is in `risen`.
//! - WQ-3 A request that has waited for `reserve_after_ms` is in the order of reservations, once.

use std::collections::{BTreeMap, BTreeSet};

use eagleray_resources::Quantity;

use crate::account::{Account, Demand, Want};
use crate::classes::ClassIndex;
use crate::protocol::{ActorId, EnvironmentId, ProcessId};

/// Who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Requester {
    Wish {
        client: ProcessId,
        class: ClassIndex,
    },
    Actor(ActorId),
}

/// The place of a request in the line. A new one is given with each move to its end.
pub(crate) type Turn = u64;

/// One who waits, for one lease or more, or for a place.
#[derive(Debug)]
pub(crate) struct Request {
    pub requester: Requester,
    pub demand: Demand,
    pub environment: EnvironmentId,
    /// How many leases are wanted still; 1 for an actor.
    pub count: u32,
    /// Reservations made for it in vain.
    pub reservations: u32,
    starving_at_ms: u64,
    reservation_turn: Option<Turn>,
    parked: Option<(Want, Quantity)>,
}

pub(crate) struct Queue {
    requests: BTreeMap<Turn, Request>,
    turns: BTreeMap<Requester, Turn>,
    ready: BTreeSet<Turn>,
    parked: BTreeMap<Want, BTreeMap<Quantity, BTreeSet<Turn>>>,
    /// When requests that are not in `reservation_order` enter it.
    starving_at: BTreeSet<(u64, Turn)>,
    reservation_order: BTreeMap<Turn, Turn>,
    reserve_after_ms: u64,
    next_turn: Turn,
}

impl Queue {
    pub fn new(reserve_after_ms: u64) -> Queue {
        Queue {
            requests: BTreeMap::new(),
            turns: BTreeMap::new(),
            ready: BTreeSet::new(),
            parked: BTreeMap::new(),
            starving_at: BTreeSet::new(),
            reservation_order: BTreeMap::new(),
            reserve_after_ms,
            next_turn: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub fn get(&self, turn: Turn) -> Option<&Request> {
        self.requests.get(&turn)
    }

    pub fn turn_of(&self, requester: Requester) -> Option<Turn> {
        self.turns.get(&requester).copied()
    }

    /// All requests, the first in line first.
    pub fn iter(&self) -> impl Iterator<Item = (Turn, &Request)> {
        self.requests.iter().map(|(turn, request)| (*turn, request))
    }

    /// The classes of which a client wants more.
    pub fn wishes_of(&self, client: ProcessId) -> impl Iterator<Item = (ClassIndex, Turn)> {
        self.turns
            .range(
                Requester::Wish {
                    client,
                    class: ClassIndex::FIRST,
                }..,
            )
            .map_while(move |(requester, turn)| match requester {
                Requester::Wish { client: of, class } if *of == client => Some((*class, *turn)),
                _ => None,
            })
    }

    /// Puts a new request at the end of the line.
    pub fn insert(
        &mut self,
        requester: Requester,
        demand: Demand,
        environment: EnvironmentId,
        count: u32,
        now_ms: u64,
    ) {
        let request = Request {
            requester,
            demand,
            environment,
            count,
            reservations: 0,
            starving_at_ms: 0,
            reservation_turn: None,
            parked: None,
        };
        self.enqueue(request, now_ms);
    }

    /// Changes how many are wanted, without a change of place.
    pub fn set_count(&mut self, turn: Turn, count: u32) {
        if let Some(request) = self.requests.get_mut(&turn) {
            request.count = count;
        }
    }

    /// Takes a request out.
    pub fn remove(&mut self, turn: Turn) -> Option<Request> {
        let request = self.requests.remove(&turn)?;
        self.turns.remove(&request.requester);
        self.unpark(turn, request.parked.as_ref());
        match request.reservation_turn {
            Some(reservation_turn) => {
                self.reservation_order.remove(&reservation_turn);
            }
            None => {
                self.starving_at.remove(&(request.starving_at_ms, turn));
            }
        }
        Some(request)
    }

    /// One of what `turn` wants has been granted: the rest, if any, goes to the end of the line.
    pub fn served_one(&mut self, turn: Turn, now_ms: u64) {
        if let Some(mut request) = self.remove(turn)
            && request.count > 1
        {
            request.count -= 1;
            request.reservations = 0;
            request.parked = None;
            self.enqueue(request, now_ms);
        }
    }

    /// Puts a request at the end of the line: what its client has to return is for others.
    pub fn move_to_end(&mut self, turn: Turn, now_ms: u64) {
        if let Some(mut request) = self.remove(turn) {
            let parked = request.parked.take();
            let turn = self.enqueue(request, now_ms);
            if let Some((want, quantity)) = parked {
                self.park(turn, want, quantity);
            }
        }
    }

    /// The first in line of those that have to be looked at: the ready ones, and the parked ones that lack something
    /// of which there is enough now.
    pub fn next_candidate(&self, account: &Account) -> Option<Turn> {
        let mut first = self.ready.first().copied();
        for want in account.risen() {
            let Some(by_need) = self.parked.get(want) else {
                continue;
            };
            for turns in by_need
                .range(..=account.open_to_all(want))
                .map(|(_, turns)| turns)
            {
                let turn = turns.first().copied();
                first = match (first, turn) {
                    (Some(first), Some(turn)) => Some(first.min(turn)),
                    (first, turn) => first.or(turn),
                };
            }
        }
        first
    }

    /// `turn` lacks `want`, of which it needs `quantity`.
    pub fn park(&mut self, turn: Turn, want: Want, quantity: Quantity) {
        let Some(request) = self.requests.get_mut(&turn) else {
            return;
        };
        let before = request.parked.replace((want.clone(), quantity));
        self.unpark(turn, before.as_ref());
        self.parked
            .entry(want)
            .or_default()
            .entry(quantity)
            .or_default()
            .insert(turn);
    }

    /// Whether somebody was looked at and lacked `want`.
    pub fn lacks(&self, want: &Want) -> bool {
        self.parked.contains_key(want)
    }

    /// Moves those that have waited long enough by now into the order of reservations.
    pub fn note_starving(&mut self, now_ms: u64) {
        while let Some((at_ms, turn)) = self.starving_at.first().copied()
            && at_ms <= now_ms
        {
            self.starving_at.pop_first();
            self.put_last_for_reservation(turn);
        }
    }

    /// The request whose turn it is to get a reservation.
    pub fn first_for_reservation(&self) -> Option<Turn> {
        self.reservation_order.values().next().copied()
    }

    /// How many have waited long enough for a reservation.
    pub fn starving_count(&self) -> usize {
        self.reservation_order.len()
    }

    /// Whether a request has waited long enough for a reservation.
    pub fn is_starving(&self, turn: Turn) -> bool {
        self.requests
            .get(&turn)
            .is_some_and(|request| request.reservation_turn.is_some())
    }

    /// A reservation for `turn` is not possible, or was in vain: others come first next time.
    pub fn put_last_for_reservation(&mut self, turn: Turn) {
        let fresh = self.fresh_turn();
        if let Some(request) = self.requests.get_mut(&turn) {
            if let Some(before) = request.reservation_turn.replace(fresh) {
                self.reservation_order.remove(&before);
            }
            self.reservation_order.insert(fresh, turn);
        }
    }

    /// Counts a reservation in vain.
    pub fn count_reservation(&mut self, turn: Turn) {
        if let Some(request) = self.requests.get_mut(&turn) {
            request.reservations = request.reservations.saturating_add(1);
        }
    }

    /// When the next request will have waited long enough for a reservation.
    pub fn next_starving_ms(&self) -> Option<u64> {
        self.starving_at.first().map(|(at_ms, _)| *at_ms)
    }

    /// Checks WQ-1 to WQ-3.
    pub fn validate(&self, account: &Account, reserved: Option<Turn>) -> Result<(), String> {
        let parked: usize = self
            .parked
            .values()
            .flat_map(BTreeMap::values)
            .map(BTreeSet::len)
            .sum();
        let starving = self.starving_at.len() + self.reservation_order.len();
        let count = self.requests.len();
        if parked != count || !self.ready.is_empty() || self.turns.len() != count {
            return Err(format!(
                "WQ-1: {count} requests, {parked} parked, {} ready, {} named",
                self.ready.len(),
                self.turns.len()
            ));
        }
        if starving != count {
            return Err(format!(
                "WQ-3: {count} requests, {starving} of them watched for starvation"
            ));
        }
        for (turn, request) in &self.requests {
            let Some((want, quantity)) = &request.parked else {
                return Err(format!(
                    "WQ-1: request {turn} of {:?} is not parked",
                    request.requester
                ));
            };
            let bucket = self
                .parked
                .get(want)
                .and_then(|by_need| by_need.get(quantity));
            if !bucket.is_some_and(|turns| turns.contains(turn)) {
                return Err(format!("WQ-1: request {turn} is not where it says"));
            }
            if request.count == 0 || self.turns.get(&request.requester) != Some(turn) {
                return Err(format!(
                    "WQ-1: request {turn} wants nothing or has another turn"
                ));
            }
            if account
                .shortage(&request.demand, reserved == Some(*turn))
                .is_none()
            {
                return Err(format!(
                    "WQ-2: {:?} waits for {:?}, which is there",
                    request.requester, request.demand
                ));
            }
        }
        Ok(())
    }

    fn enqueue(&mut self, mut request: Request, now_ms: u64) -> Turn {
        let turn = self.fresh_turn();
        request.starving_at_ms = now_ms.saturating_add(self.reserve_after_ms);
        request.reservation_turn = None;
        self.starving_at.insert((request.starving_at_ms, turn));
        self.turns.insert(request.requester, turn);
        self.ready.insert(turn);
        self.requests.insert(turn, request);
        turn
    }

    fn unpark(&mut self, turn: Turn, parked: Option<&(Want, Quantity)>) {
        let Some((want, quantity)) = parked else {
            self.ready.remove(&turn);
            return;
        };
        let Some(by_need) = self.parked.get_mut(want) else {
            return;
        };
        if let Some(turns) = by_need.get_mut(quantity) {
            turns.remove(&turn);
            if turns.is_empty() {
                by_need.remove(quantity);
            }
        }
        if by_need.is_empty() {
            self.parked.remove(want);
        }
    }

    fn fresh_turn(&mut self) -> Turn {
        self.next_turn += 1;
        self.next_turn
    }
}
