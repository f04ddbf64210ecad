//! Bounded spinning before a sleep, as long as it pays.
//!
//! A wake-up through the kernel takes tens of microseconds; an answer that is about to come is cheaper to
//! wait for. Whether it is about to come is learnt from the past: success lengthens the spin, failure
//! halves it, down to nothing, so that an idle process does not burn a core.

use std::time::{Duration, Instant};

/// The longest spin that pays, in microseconds: about what a sleep and a wake-up cost.
pub const SPIN_MAX_US: u32 = 50;

/// While the budget is zero, one call in this many tries a whole spin, to notice that times have changed.
const PROBE_EVERY: u32 = 64;

/// Pauses between two looks at the clock.
const PAUSES_PER_CLOCK: u32 = 16;

/// A spin whose length follows its success.
pub struct AdaptiveSpin {
    max: Duration,
    budget: Duration,
    calls_at_zero: u32,
}

impl AdaptiveSpin {
    /// Spins up to `max_us` microseconds, capped at [`SPIN_MAX_US`]; never on a machine (or in a
    /// container) that allows this process a single CPU, where whoever is waited for could not run.
    pub fn new(max_us: u32) -> Self {
        let is_alone = std::thread::available_parallelism().map_or(1, usize::from) < 2;
        Self::with_max(if is_alone { 0 } else { max_us.min(SPIN_MAX_US) })
    }

    fn with_max(max_us: u32) -> Self {
        let max = Duration::from_micros(max_us.into());
        Self {
            max,
            budget: max,
            calls_at_zero: 0,
        }
    }

    /// Spins until `condition` holds (true) or the budget is used up (false). The condition is checked at
    /// least once.
    pub fn spin(&mut self, mut condition: impl FnMut() -> bool) -> bool {
        if condition() {
            return true;
        }
        let budget = self.next_budget();
        if budget.is_zero() {
            return false;
        }
        let is_met = spin_for(budget, condition);
        self.learn(is_met);
        is_met
    }

    /// How long the next failing spin would take at most; zero when spinning does not pay at present.
    pub fn budget(&self) -> Duration {
        self.budget
    }

    fn next_budget(&mut self) -> Duration {
        if !self.budget.is_zero() || self.max.is_zero() {
            return self.budget;
        }
        self.calls_at_zero += 1;
        if self.calls_at_zero < PROBE_EVERY {
            return Duration::ZERO;
        }
        self.calls_at_zero = 0;
        self.max
    }

    fn learn(&mut self, is_met: bool) {
        self.budget = if is_met {
            (self.budget * 2).clamp(self.max / 4, self.max)
        } else if self.budget < Duration::from_micros(2) {
            Duration::ZERO
        } else {
            self.budget / 2
        };
    }
}

fn spin_for(budget: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        for _ in 0..PAUSES_PER_CLOCK {
            std::hint::spin_loop();
            if condition() {
                return true;
            }
        }
        if start.elapsed() >= budget {
            return false;
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn failure_halves_the_budget_to_nothing_and_success_restores_it() {
        let mut spin = AdaptiveSpin::with_max(50);
        let mut budgets = vec![spin.budget()];
        while !spin.budget().is_zero() {
            assert!(!spin.spin(|| false));
            budgets.push(spin.budget());
        }
        assert!(budgets.windows(2).all(|pair| pair[1] <= pair[0] / 2));
        for _ in 0..4 {
            spin.learn(true);
        }
        assert_eq!(spin.budget(), Duration::from_micros(50));
    }

    #[test]
    fn with_nothing_left_one_call_in_many_still_spins() {
        let mut spin = AdaptiveSpin::with_max(50);
        while !spin.budget().is_zero() {
            spin.spin(|| false);
        }
        let mut looks = Vec::new();
        for _ in 0..PROBE_EVERY {
            let mut count = 0;
            spin.spin(|| {
                count += 1;
                false
            });
            looks.push(count);
        }
        let (last, others) = looks.split_last().unwrap();
        assert!(others.iter().all(|count| *count == 1), "{looks:?}");
        assert!(*last > 1);
    }

    #[test]
    fn a_probe_that_succeeds_brings_spinning_back() {
        let mut spin = AdaptiveSpin::with_max(50);
        while !spin.budget().is_zero() {
            spin.spin(|| false);
        }
        spin.calls_at_zero = PROBE_EVERY - 1;
        let mut looks = 0;
        assert!(spin.spin(|| {
            looks += 1;
            looks > 3
        }));
        assert!(spin.budget() >= Duration::from_micros(12));
    }

    #[test]
    fn alone_on_a_cpu_there_is_no_spinning() {
        let mut spin = AdaptiveSpin::with_max(0);
        for _ in 0..PROBE_EVERY * 2 {
            let mut looks = 0;
            spin.spin(|| {
                looks += 1;
                false
            });
            assert_eq!(looks, 1);
        }
    }
}
