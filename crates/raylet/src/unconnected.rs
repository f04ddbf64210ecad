//! Connections that could not be opened, for want of descriptors or of room for their rings, and when to try again: others
//! close theirs.
//!
//! - **UC-1:** whoever waits for a connection waits through [`TRIES_MAX`] attempts, with pauses that double up to
//!   [`PAUSE_MAX`]: about ten seconds. A success makes earlier failures forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use eagleray_protocol::{ActorId, ProcessNumber};

/// The pause after the first failure.
const PAUSE: Duration = Duration::from_millis(10);

/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// So many failures in a row are told to whoever waits.
const TRIES_MAX: u32 = 16;

/// So many are said in the log: fewer pass unseen.
const TRIES_UNTIL_PRINTED: u32 = 4;

/// What a process wants to be connected for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// Tasks of a class, by the process's own number.
    Tasks(u32),
    /// Calls of an actor.
    Calls(ActorId),
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is tried again later.
    Wait {
        /// The log says so once.
        printed: bool,
    },
    /// Whoever waits is told.
    GiveUp,
}

struct Attempts {
    failures: u32,
    /// How many connections wait for the next attempt: leases of one class are granted several at a time.
    waiting: u32,
    /// When it is tried again; `None` while it is being tried.
    at: Option<Duration>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Unconnected {
    attempts: BTreeMap<(ProcessNumber, Purpose), Attempts>,
}

impl Unconnected {
    /// A connection could not be opened.
    pub(crate) fn failed(
        &mut self,
        process: ProcessNumber,
        purpose: Purpose,
        now: Duration,
    ) -> Verdict {
        let key = (process, purpose);
        let attempts = self.attempts.entry(key).or_insert(Attempts {
            failures: 0,
            waiting: 0,
            at: None,
        });
        attempts.waiting += 1;
        if attempts.at.is_some() {
            // Of the same attempt.
            return Verdict::Wait { printed: false };
        }
        attempts.failures += 1;
        if attempts.failures >= TRIES_MAX {
            self.attempts.remove(&key);
            return Verdict::GiveUp;
        }
        let doubled = PAUSE.saturating_mul(1 << (attempts.failures - 1));
        attempts.at = Some(now + doubled.min(PAUSE_MAX));
        Verdict::Wait {
            printed: attempts.failures == TRIES_UNTIL_PRINTED,
        }
    }

    /// It is open, or not wanted any more.
    pub(crate) fn ended(&mut self, process: ProcessNumber, purpose: Purpose) {
        if !self.attempts.is_empty() {
            self.attempts.remove(&(process, purpose));
        }
    }

    /// A process has ended, and wants nothing any more.
    pub(crate) fn process_ended(&mut self, process: ProcessNumber) {
        self.attempts.retain(|(of, _), _| *of != process);
    }

    /// What is to be tried again by now, and how many connections.
    pub(crate) fn take_due(&mut self, now: Duration) -> Vec<(ProcessNumber, Purpose, u32)> {
        let mut due = Vec::new();
        for (&(process, purpose), attempts) in &mut self.attempts {
            if attempts.at.is_some_and(|at| at <= now) {
                attempts.at = None;
                due.push((process, purpose, std::mem::take(&mut attempts.waiting)));
            }
        }
        due
    }

    /// When something is to be tried again.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.attempts
            .values()
            .filter_map(|attempts| attempts.at)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASKS: Purpose = Purpose::Tasks(3);

    /// Fails at each attempt until it is given up; the times of the attempts.
    fn fail_until_given_up(unconnected: &mut Unconnected) -> Vec<Duration> {
        let mut times = vec![Duration::ZERO];
        loop {
            let now = times[times.len() - 1];
            if unconnected.failed(1, TASKS, now) == Verdict::GiveUp {
                return times;
            }
            let at = unconnected.next_deadline().unwrap();
            assert!(at > now);
            assert!(unconnected.take_due(now).is_empty());
            assert_eq!(unconnected.take_due(at), [(1, TASKS, 1)]);
            assert_eq!(unconnected.next_deadline(), None, "it is being tried");
            times.push(at);
        }
    }

    #[test]
    fn it_is_tried_again_after_pauses_that_grow_and_then_told() {
        let mut unconnected = Unconnected::default();
        let times = fail_until_given_up(&mut unconnected);
        assert_eq!(times.len(), TRIES_MAX as usize);
        assert_eq!(times[1], PAUSE);
        let patience = times[times.len() - 1];
        assert!(patience > Duration::from_secs(5) && patience < Duration::from_secs(20));
        assert!(unconnected.attempts.is_empty());
    }

    #[test]
    fn a_success_makes_failures_forgotten() {
        let mut unconnected = Unconnected::default();
        for _ in 1..TRIES_MAX {
            let verdict = unconnected.failed(1, TASKS, Duration::ZERO);
            assert_ne!(verdict, Verdict::GiveUp);
            unconnected.take_due(PAUSE_MAX);
        }
        unconnected.ended(1, TASKS);
        assert_eq!(fail_until_given_up(&mut unconnected).len(), 16);
    }

    #[test]
    fn one_line_is_printed_and_only_of_what_lasts() {
        let mut unconnected = Unconnected::default();
        let verdicts: Vec<_> = (1..TRIES_MAX)
            .map(|_| {
                let verdict = unconnected.failed(1, TASKS, Duration::ZERO);
                unconnected.take_due(PAUSE_MAX);
                verdict
            })
            .collect();
        let printed = Verdict::Wait { printed: true };
        assert_ne!(verdicts[0], printed);
        assert_eq!(verdicts.iter().filter(|each| **each == printed).count(), 1);
    }

    #[test]
    fn each_purpose_of_each_process_is_counted_by_itself_and_goes_with_the_process() {
        let mut unconnected = Unconnected::default();
        let calls = Purpose::Calls(ActorId::local(1, 7));
        for (process, purpose) in [(1, TASKS), (1, calls), (2, TASKS)] {
            unconnected.failed(process, purpose, Duration::ZERO);
        }
        unconnected.process_ended(1);
        assert_eq!(unconnected.take_due(PAUSE), [(2, TASKS, 1)]);
    }

    #[test]
    fn those_that_fail_together_are_one_attempt_and_are_tried_together() {
        let mut unconnected = Unconnected::default();
        for _ in 0..3 * TRIES_MAX {
            let verdict = unconnected.failed(1, TASKS, Duration::ZERO);
            assert_ne!(verdict, Verdict::GiveUp);
        }
        assert_eq!(unconnected.take_due(PAUSE), [(1, TASKS, 3 * TRIES_MAX)]);
    }
}
