//! Which processes there are, for those who have to tell one that has gone from one that has never been heard of.
//!
//! Numbers count up and are never used again, so a number that was given and is not among the living is that of a
//! process that has ended. The list is as long as there are processes, however many there were.

use eagleray_protocol::ProcessNumber;
use rustc_hash::FxHashSet;

/// The numbers of the processes that have not ended.
#[derive(Debug, Default)]
pub(crate) struct Living {
    numbers: FxHashSet<ProcessNumber>,
    newest: ProcessNumber,
}

impl Living {
    /// A process has started.
    pub(crate) fn insert(&mut self, process: ProcessNumber) {
        self.numbers.insert(process);
        self.newest = self.newest.max(process);
    }

    /// A process has ended.
    pub(crate) fn remove(&mut self, process: ProcessNumber) {
        self.numbers.remove(&process);
        self.newest = self.newest.max(process);
    }

    /// True if a process of this number was there, and has ended.
    pub(crate) fn has_ended(&self, process: ProcessNumber) -> bool {
        process <= self.newest && !self.numbers.contains(&process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_never_given_has_not_ended_and_the_list_holds_the_living_only() {
        let mut living = Living::default();
        for process in 1..10_000 {
            living.insert(process);
            if process > 1 {
                living.remove(process);
            }
        }
        assert!(!living.has_ended(1));
        assert!(living.has_ended(2) && living.has_ended(9_999));
        assert!(!living.has_ended(10_000), "it may be about to start");
        assert_eq!(living.numbers.len(), 1);
    }
}
