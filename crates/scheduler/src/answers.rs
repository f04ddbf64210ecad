//! Who was asked for something that is answered at once, whatever the process does, and has not answered yet: a process that
//! is stopped, or stuck where none of its threads gets on, never will, and is ended.
//!
//! Invariants:
//! - AN-1 A worker that was asked and has answered nothing for `answer_grace_ms` is ended, and no other one is for that.
//! - AN-2 Nothing is kept of workers that are gone, or were never asked.

use std::collections::BTreeMap;

use crate::protocol::ProcessId;

/// Questions to one worker, which answers them in order.
#[derive(Debug)]
struct Questions {
    open: u32,
    /// When the oldest was asked, or the one before it answered: whoever answers slowly is there.
    since_ms: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Answers {
    grace_ms: u64,
    asked: BTreeMap<ProcessId, Questions>,
}

impl Answers {
    pub fn new(grace_ms: u64) -> Answers {
        Answers {
            grace_ms,
            asked: BTreeMap::new(),
        }
    }

    /// A worker was asked.
    pub fn asked(&mut self, worker: ProcessId, now_ms: u64) {
        let questions = self.asked.entry(worker).or_insert(Questions {
            open: 0,
            since_ms: now_ms,
        });
        questions.open = questions.open.saturating_add(1);
    }

    /// It has answered once.
    pub fn answered(&mut self, worker: ProcessId, now_ms: u64) {
        let Some(questions) = self.asked.get_mut(&worker) else {
            return;
        };
        questions.open -= 1;
        questions.since_ms = now_ms;
        if questions.open == 0 {
            self.asked.remove(&worker);
        }
    }

    /// It has gone.
    pub fn gone(&mut self, worker: ProcessId) {
        self.asked.remove(&worker);
    }

    /// When the next one has to be ended, unless it answers.
    pub fn next_due_ms(&self) -> Option<u64> {
        let dues = self.asked.values().map(|asked| self.due_ms(asked));
        dues.min()
    }

    /// Those that have to be ended; they are forgotten.
    pub fn take_due(&mut self, now_ms: u64) -> Vec<ProcessId> {
        // It is empty all but always.
        let due: Vec<ProcessId> = self
            .asked
            .iter()
            .filter(|(_, asked)| self.due_ms(asked) <= now_ms)
            .map(|(worker, _)| *worker)
            .collect();
        for worker in &due {
            self.asked.remove(worker);
        }
        due
    }

    fn due_ms(&self, asked: &Questions) -> u64 {
        asked.since_ms.saturating_add(self.grace_ms)
    }

    /// AN-2.
    pub fn validate(&self, is_there: impl Fn(ProcessId) -> bool) -> Result<(), String> {
        for (worker, questions) in &self.asked {
            if questions.open == 0 || !is_there(*worker) {
                return Err(format!("AN-2: {worker:?} is kept with {questions:?}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKER: ProcessId = ProcessId(2);
    const OTHER: ProcessId = ProcessId(3);

    #[test]
    fn who_answers_is_not_due_and_who_does_not_is_once() {
        let mut answers = Answers::new(100);
        answers.asked(WORKER, 10);
        answers.asked(OTHER, 20);
        assert_eq!(answers.next_due_ms(), Some(110));
        answers.answered(WORKER, 30);
        assert_eq!(answers.next_due_ms(), Some(120));
        assert_eq!(answers.take_due(119), []);
        assert_eq!(answers.take_due(120), [OTHER]);
        assert_eq!(answers.next_due_ms(), None);
        assert_eq!(answers.take_due(1_000), []);
    }

    #[test]
    fn a_second_question_gives_no_more_time_and_an_answer_does() {
        let mut answers = Answers::new(100);
        answers.asked(WORKER, 0);
        answers.asked(WORKER, 90);
        assert_eq!(answers.next_due_ms(), Some(100));
        answers.answered(WORKER, 95);
        assert_eq!(answers.next_due_ms(), Some(195));
        answers.answered(WORKER, 100);
        assert_eq!(answers.next_due_ms(), None);
        // Nobody has asked for this one.
        answers.answered(WORKER, 100);
        assert_eq!(answers.next_due_ms(), None);
    }

    #[test]
    fn who_has_gone_is_forgotten() {
        let mut answers = Answers::new(100);
        answers.asked(WORKER, 0);
        assert!(answers.validate(|_| true).is_ok());
        assert!(answers.validate(|_| false).unwrap_err().contains("AN-2"));
        answers.gone(WORKER);
        assert_eq!(answers.next_due_ms(), None);
    }

    #[test]
    fn a_grace_beyond_all_clocks_is_never_over() {
        let mut answers = Answers::new(u64::MAX);
        answers.asked(WORKER, 5);
        assert_eq!(answers.take_due(u64::MAX - 1), []);
    }
}
