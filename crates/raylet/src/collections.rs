//! Which processes are asked to let go of what they don't use: V8 does not feel the store, so somebody has to ask.
//!
//! They are asked when somebody needs room or a place; and each by itself when it has said nothing of the store for a
//! while, so that nothing is kept by a process that idles.
//!
//! Invariants:
//! - **GC-1:** a process is not asked again before it has answered.
//! - **GC-2:** a process that idles is asked once, until it has said something of the store again.
//! - **GC-3:** where answering takes long, a process is asked less often by itself: it spends a small part of its time on
//!   that.

use std::collections::BTreeSet;
use std::time::Duration;

use eagleray_protocol::ProcessNumber;
use rustc_hash::FxHashMap;

/// How long a process says nothing of the store before it is asked.
const QUIET: Duration = Duration::from_secs(1);

/// The part of its time that a process may spend on being asked while it idles (GC-3).
const PART_OF_TIME: u32 = 20;

#[derive(Default)]
struct Asked {
    said_at: Duration,
    /// It is in the list of those that may be asked when they have been quiet.
    is_listed: bool,
    /// Since when its answer is awaited.
    since: Option<Duration>,
    /// Somebody wanted it to be asked meanwhile.
    again: bool,
    /// How long its last answer took.
    took: Duration,
}

impl Asked {
    fn quiet_from(&self) -> Duration {
        self.said_at + QUIET.max(self.took * PART_OF_TIME)
    }
}

/// All processes that were asked, or have said something of the store.
#[derive(Default)]
pub(crate) struct Collections {
    table: FxHashMap<ProcessNumber, Asked>,
    /// When those that have said something may have been quiet for long enough.
    due: BTreeSet<(Duration, ProcessNumber)>,
}

impl Collections {
    /// A process has said something of the store, or something there has become its own.
    pub(crate) fn said(&mut self, process: ProcessNumber, now: Duration) {
        let asked = self.table.entry(process).or_default();
        asked.said_at = now;
        if !asked.is_listed {
            asked.is_listed = true;
            self.due.insert((asked.quiet_from(), process));
        }
    }

    /// Somebody needs what a process may not use. True if it has to be asked now (GC-1).
    pub(crate) fn ask(&mut self, process: ProcessNumber, now: Duration) -> bool {
        let asked = self.table.entry(process).or_default();
        if asked.since.is_some() {
            asked.again = true;
            return false;
        }
        asked.since = Some(now);
        true
    }

    /// A process has answered. True if somebody has wanted it to be asked meanwhile.
    pub(crate) fn answered(&mut self, process: ProcessNumber, now: Duration) -> bool {
        let Some(asked) = self.table.get_mut(&process) else {
            return false;
        };
        if let Some(since) = asked.since.take() {
            asked.took = now.saturating_sub(since);
        }
        std::mem::take(&mut asked.again)
    }

    /// The processes that have been quiet for long enough, each once (GC-2).
    pub(crate) fn take_quiet(&mut self, now: Duration) -> Vec<ProcessNumber> {
        let mut quiet = Vec::new();
        while let Some(&(at, process)) = self.due.first()
            && at <= now
        {
            self.due.pop_first();
            let Some(asked) = self.table.get_mut(&process) else {
                continue;
            };
            let at = asked.quiet_from();
            if at > now {
                self.due.insert((at, process));
            } else {
                asked.is_listed = false;
                quiet.push(process);
            }
        }
        quiet
    }

    /// When [`take_quiet`](Self::take_quiet) may have something to give.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.due.first().map(|&(at, _)| at)
    }

    /// A process has ended.
    pub(crate) fn process_ended(&mut self, process: ProcessNumber) {
        self.table.remove(&process);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_process_is_not_asked_again_before_it_has_answered() {
        let mut collections = Collections::default();
        assert!(collections.ask(1, at(0)));
        assert!(!collections.ask(1, at(1)) && !collections.ask(1, at(2)));
        assert!(collections.ask(2, at(2)), "another one is");
        assert!(collections.answered(1, at(3)), "once more, for both");
        assert!(collections.ask(1, at(3)));
        assert!(!collections.answered(1, at(4)));
        assert!(!collections.answered(3, at(4)), "it was never asked");
    }

    #[test]
    fn a_process_that_idles_is_asked_once_until_it_says_something() {
        let mut collections = Collections::default();
        collections.said(1, at(0));
        collections.said(1, at(900));
        assert_eq!(collections.next_deadline(), Some(at(1_000)));
        assert!(collections.take_quiet(at(1_000)).is_empty());
        assert_eq!(collections.next_deadline(), Some(at(1_900)));
        assert_eq!(collections.take_quiet(at(1_900)), [1]);
        assert_eq!(collections.next_deadline(), None);
        assert!(collections.take_quiet(at(90_000)).is_empty(), "GC-2");
        collections.said(1, at(90_000));
        assert_eq!(collections.take_quiet(at(91_000)), [1]);
    }

    #[test]
    fn one_that_takes_long_to_answer_is_asked_less_often() {
        let mut collections = Collections::default();
        collections.ask(1, at(0));
        collections.answered(1, at(400));
        collections.said(1, at(1_000));
        assert_eq!(collections.next_deadline(), Some(at(9_000)), "GC-3");
    }

    #[test]
    fn of_one_that_has_ended_nothing_is_left() {
        let mut collections = Collections::default();
        collections.said(1, at(0));
        collections.process_ended(1);
        assert!(collections.take_quiet(at(5_000)).is_empty());
        assert!(collections.table.is_empty() && collections.due.is_empty());
    }
}
