//! Progress while JavaScript is busy.
//!
//! A thread that ticks once a millisecond while something would otherwise wait for JavaScript's thread
//! (queued tasks, submissions not handed over, replies whose reader has not been told), and sleeps otherwise until its
//! bell rings. It does nothing that JavaScript's thread does not do at its next call.
//!
//! The raylet has the bell, too: it rings for what must not wait for JavaScript, such as a forced cancellation.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use eagleray_ipc::Doorbell;

/// Time between two ticks: how long something may wait for a busy JavaScript thread.
const TICK: Duration = Duration::from_millis(1);

/// So many ticks with nothing to do put the thread to sleep; waking it costs more than a few ticks.
const IDLE_TICKS_MAX: u32 = 10;

/// What a pacemaker paces.
pub(crate) trait Paced: Send + Sync + 'static {
    /// Makes progress, and says what to wait for.
    fn pace(&self) -> Pace;

    /// Whether the control socket has room again is waited for through this descriptor.
    fn control(&self) -> BorrowedFd<'_>;
}

/// What a pacemaker waits for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The next tick.
    Tick,
    /// Nothing but the bell.
    Rest,
    /// Room in the control socket, or the next tick.
    Write,
}

struct Shared {
    bell: Doorbell,
    is_needed: AtomicBool,
    is_asleep: AtomicBool,
    is_stopped: AtomicBool,
}

/// Handle of the thread, which ends with it.
pub(crate) struct Pacemaker {
    shared: Arc<Shared>,
}

impl Pacemaker {
    /// A pacemaker that is not started.
    pub(crate) fn new(bell: Doorbell) -> Self {
        Self {
            shared: Arc::new(Shared {
                bell,
                is_needed: AtomicBool::new(false),
                is_asleep: AtomicBool::new(false),
                is_stopped: AtomicBool::new(false),
            }),
        }
    }

    /// Starts the thread. Without it everything still works, only later: JavaScript's own calls make progress.
    pub(crate) fn start<P: Paced>(&self, paced: Weak<P>) {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name("eagleray-pace".into())
            .stack_size(256 << 10);
        let _ = thread.spawn(move || run(&shared, &paced));
    }

    /// Something waits: tick until nothing does.
    pub(crate) fn need(&self) {
        self.shared.is_needed.swap(true, Ordering::SeqCst);
        // SYNC POINT: pacemaker-sleep. Either this thread sees `is_asleep`, or the sleeper sees `is_needed`.
        if self.shared.is_asleep.load(Ordering::SeqCst) {
            // Full, the bell wakes as well.
            let _ = self.shared.bell.ring();
        }
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.shared.is_stopped.store(true, Ordering::SeqCst);
        let _ = self.shared.bell.ring();
    }
}

impl Drop for Pacemaker {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run<P: Paced>(shared: &Shared, paced: &Weak<P>) {
    let mut pace = Pace::Rest;
    let mut idle_ticks = 0;
    loop {
        let is_resting = pace == Pace::Rest && idle_ticks >= IDLE_TICKS_MAX;
        if is_resting {
            // SYNC POINT: pacemaker-sleep. The partner is in `need`.
            shared.is_asleep.store(true, Ordering::SeqCst);
        }
        if !(is_resting && shared.is_needed.load(Ordering::SeqCst)) {
            let timeout = (!is_resting).then_some(TICK);
            // A failure to wait (there is none that could last) only makes this thread look early.
            let _ = match (pace, paced.upgrade()) {
                (_, None) => return,
                (Pace::Write, Some(paced)) => {
                    eagleray_ipc::wait_or_write(&[shared.bell.fd()], Some(paced.control()), timeout)
                }
                (_, Some(paced)) => {
                    // What is waited for long must not keep alive what it paces.
                    drop(paced);
                    eagleray_ipc::wait(&[shared.bell.fd().as_fd()], timeout)
                }
            };
        }
        shared.is_asleep.store(false, Ordering::SeqCst);
        let was_rung = matches!(shared.bell.clear(), Ok(true));
        if shared.is_stopped.load(Ordering::SeqCst) {
            return;
        }
        let is_needed = shared.is_needed.swap(false, Ordering::SeqCst);
        if !is_needed && !was_rung && pace == Pace::Rest {
            idle_ticks += 1;
            continue;
        }
        idle_ticks = 0;
        let Some(paced) = paced.upgrade() else {
            return;
        };
        pace = paced.pace();
    }
}
