//! How the last workers ended that were never ready, for whoever waits for workers like them.

use eagleray_protocol::WorkerExit;
use eagleray_scheduler::EnvironmentId;
use rustc_hash::FxHashMap;

/// See the module.
#[derive(Default)]
pub(crate) struct FailedStarts {
    last: FxHashMap<EnvironmentId, WorkerExit>,
    /// What was printed, until a start succeeds or whoever waited is told.
    printed: Option<String>,
}

impl FailedStarts {
    /// A worker has ended before it was ready. What is kept of environments that are not known any more is dropped.
    pub(crate) fn note(
        &mut self,
        environment: EnvironmentId,
        exit: WorkerExit,
        is_known: impl Fn(EnvironmentId) -> bool,
    ) {
        self.last.retain(|environment, _| is_known(*environment));
        self.last.insert(environment, exit);
    }

    /// A worker is ready: what was wrong is so no more.
    pub(crate) fn succeeded(&mut self, environment: EnvironmentId) {
        self.last.remove(&environment);
        self.printed = None;
    }

    /// Whoever waited for a worker is told.
    pub(crate) fn told(&mut self) {
        self.printed = None;
    }

    /// How the last worker of an environment ended.
    pub(crate) fn last(&self, environment: EnvironmentId) -> Option<&WorkerExit> {
        self.last.get(&environment)
    }

    /// Whether a text is to be printed: a start is tried again at once, and most often fails in the same way.
    pub(crate) fn shall_print(&mut self, text: &str) -> bool {
        if self.printed.as_deref() == Some(text) {
            return false;
        }
        self.printed = Some(text.to_owned());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: i64) -> WorkerExit {
        WorkerExit {
            process: 2,
            pid: 7,
            code: Some(code),
            signal: None,
            stderr_tail: Vec::new(),
            reason: String::new(),
        }
    }

    #[test]
    fn each_environment_has_its_own_last_failure() {
        let mut starts = FailedStarts::default();
        let [first, second, third] = [1, 2, 3].map(EnvironmentId);
        starts.note(first, exit(1), |_| true);
        starts.note(second, exit(2), |_| true);
        starts.note(second, exit(3), |_| true);
        assert_eq!(starts.last(first).and_then(|exit| exit.code), Some(1));
        assert_eq!(starts.last(second).and_then(|exit| exit.code), Some(3));
        assert!(starts.last(third).is_none());
        starts.succeeded(first);
        assert!(starts.last(first).is_none());
        starts.note(third, exit(4), |environment| environment != second);
        assert!(starts.last(second).is_none(), "it is not known any more");
        assert_eq!(starts.last.len(), 1);
    }

    #[test]
    fn the_same_text_is_printed_again_only_after_somebody_was_told_or_a_start_succeeded() {
        let mut starts = FailedStarts::default();
        assert!(starts.shall_print("no program"));
        assert!(!starts.shall_print("no program"));
        assert!(starts.shall_print("no directory"));
        starts.told();
        assert!(starts.shall_print("no directory"));
        starts.succeeded(EnvironmentId::DEFAULT);
        assert!(starts.shall_print("no directory"));
    }
}
