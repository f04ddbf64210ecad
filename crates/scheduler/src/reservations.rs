//! The one request for which what it needs is kept, and for how long (FS-2, FS-3 in `fairness.rs`).

use crate::queue::Turn;

/// The one reservation there can be.
pub(crate) struct Reservations {
    current: Option<Reservation>,
    pause_until_ms: u64,
    /// When there was last nobody to reserve for, and whether that was asked again at the same time.
    fruitless: Option<(u64, bool)>,
    hold_ms: u64,
    hold_max_ms: u64,
}

#[derive(Clone, Copy)]
struct Reservation {
    turn: Turn,
    from_ms: u64,
    until_ms: u64,
}

impl Reservations {
    pub fn new(hold_ms: u64, hold_max_ms: u64) -> Reservations {
        Reservations {
            current: None,
            pause_until_ms: 0,
            fruitless: None,
            hold_ms: hold_ms.max(1),
            hold_max_ms,
        }
    }

    /// The request that has the reservation.
    pub fn turn(&self) -> Option<Turn> {
        self.current.map(|current| current.turn)
    }

    /// When time alone will change something.
    pub fn next_deadline_ms(&self, now_ms: u64) -> Option<u64> {
        match self.current {
            Some(current) => Some(current.until_ms),
            None => {
                let pause = Some(self.pause_until_ms);
                let again = self
                    .fruitless
                    .and_then(|(at_ms, again)| again.then_some(at_ms + 1));
                pause
                    .into_iter()
                    .chain(again)
                    .filter(|at_ms| *at_ms > now_ms)
                    .min()
            }
        }
    }

    /// Whether the reservation has lasted as long as it may.
    pub fn is_over(&self, now_ms: u64) -> bool {
        self.current
            .is_some_and(|current| now_ms >= current.until_ms)
    }

    /// Nothing is reserved any more.
    pub fn end(&mut self) {
        self.current = None;
    }

    /// Nothing is reserved any more, and nothing will be for as long as it was in vain.
    pub fn end_in_vain(&mut self, now_ms: u64) {
        if let Some(current) = self.current.take() {
            self.pause_until_ms = now_ms.saturating_add(current.until_ms - current.from_ms);
        }
    }

    /// There was nobody to reserve for.
    pub fn note_fruitless(&mut self, now_ms: u64) {
        self.fruitless = Some((now_ms, false));
    }

    /// Whether to look for a request to reserve for: once at a time is enough, as nothing is lost by a
    /// millisecond and many events may happen in one.
    pub fn shall_look(&mut self, now_ms: u64) -> bool {
        match &mut self.fruitless {
            Some((at_ms, again)) if *at_ms == now_ms => {
                *again = true;
                false
            }
            _ => now_ms >= self.pause_until_ms,
        }
    }

    /// Reserves for a request that has had `earlier` reservations in vain: twice as long each time.
    pub fn begin(&mut self, turn: Turn, earlier: u32, now_ms: u64) {
        let doubled = self.hold_ms.saturating_mul(1 << earlier.min(32));
        let until_ms = now_ms.saturating_add(doubled.min(self.hold_max_ms).max(1));
        self.current = Some(Reservation {
            turn,
            from_ms: now_ms,
            until_ms,
        });
    }
}
