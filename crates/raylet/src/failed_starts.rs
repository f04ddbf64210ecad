//! Workers that were never ready: how the last of each environment ended, for whoever waits for workers like it, and what
//! is said of it.

use std::io;

use eagleray_protocol::{WorkerExit, signal_name};
use eagleray_scheduler::{EnvironmentId, Event, ProcessId, Refusal};
use rustc_hash::FxHashMap;

use crate::descriptors;

/// What bounds processes and threads, and what helps.
const PROCESSES_MAX: &str = "raise the limit of processes and threads of this user (ulimit -u) or of this \
     container (pids.max), or start fewer";

/// What the scheduler is told of a worker that could not be started: whether the next may be soon. Other processes end, and
/// give back memory; the program closes files; all else stays as it is.
pub(crate) fn event(error: &io::Error, worker: ProcessId) -> Event {
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::ENOMEM) => Event::StartInterrupted { worker },
        Some(libc::EMFILE | libc::ENFILE) => Event::StartShort { worker },
        _ => Event::WorkerGone { worker },
    }
}

/// What Node and the C library write when the system gives them no thread.
const NO_MORE_THREADS: [&str; 3] = [
    "Resource temporarily unavailable",
    "uv_thread_create",
    "pthread_create",
];

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

/// The text of the error of a start; of the lack of processes and descriptors, with what helps.
pub(crate) fn explained(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => format!("the system gives no further process: {PROCESSES_MAX}"),
        _ => descriptors::explained(error),
    }
}

/// Why workers of an environment can't be started, and how the last of them ended, in words.
pub(crate) fn why(reason: &Refusal, last: Option<&WorkerExit>) -> String {
    let Some(exit) = last else {
        return reason.to_string();
    };
    let how = match (exit.code, exit.signal) {
        _ if !exit.reason.is_empty() => exit.reason.clone(),
        (Some(code), _) => format!("the last one with exit code {code}"),
        (None, Some(signal)) => format!("the last one by {}", signal_name(signal)),
        (None, None) => return reason.to_string(),
    };
    let lacks_threads = exit
        .stderr_tail
        .iter()
        .any(|line| NO_MORE_THREADS.into_iter().any(|sign| line.contains(sign)));
    let hint = if lacks_threads {
        format!("; it may be that there can be no more: {}", PROCESSES_MAX)
    } else {
        String::new()
    };
    format!("{reason}: {how}{hint}")
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
    fn the_lack_of_processes_and_of_descriptors_is_explained_and_may_pass() {
        let no_process = io::Error::from_raw_os_error(libc::EAGAIN);
        assert!(explained(&no_process).contains("ulimit -u"));
        let worker = ProcessId(7);
        let told = |error: &io::Error| event(error, worker);
        assert_eq!(told(&no_process), Event::StartInterrupted { worker });
        let no_descriptor = io::Error::from_raw_os_error(libc::EMFILE);
        assert!(explained(&no_descriptor).contains("ulimit -n"));
        assert_eq!(told(&no_descriptor), Event::StartShort { worker });
        let no_program = io::Error::from_raw_os_error(libc::ENOENT);
        assert_eq!(told(&no_program), Event::WorkerGone { worker });
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
