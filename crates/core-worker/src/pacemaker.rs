//! Progress while JavaScript is busy.
//!
//! A thread that ticks once a millisecond while something would otherwise wait for JavaScript's thread
//! (queued tasks, submissions not handed over, replies whose reader has not been told), and sleeps on
//! a condition variable otherwise. It does nothing that the thread itself does not do at its next call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::Duration;

use crate::worker::CoreWorker;

/// Time between two ticks: how long something may wait for a busy JavaScript thread.
const TICK: Duration = Duration::from_millis(1);

/// So many ticks with nothing to do put the thread to sleep; waking it costs more than a few ticks.
const IDLE_TICKS_MAX: u32 = 50;

struct Shared {
    needed: AtomicBool,
    asleep: AtomicBool,
    lock: Mutex<bool>,
    wake: Condvar,
}

/// Handle of the thread; it starts when it is first needed and ends with the core worker.
pub(crate) struct Pacemaker {
    shared: Arc<Shared>,
    started: AtomicBool,
}

impl Pacemaker {
    pub(crate) fn new() -> Self {
        let shared = Shared {
            needed: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            lock: Mutex::new(false),
            wake: Condvar::new(),
        };
        Self {
            shared: Arc::new(shared),
            started: AtomicBool::new(false),
        }
    }

    /// Something waits: tick until nothing does.
    pub(crate) fn need(&self, worker: &Weak<CoreWorker>) {
        let shared = &self.shared;
        if !shared.needed.swap(true, Ordering::SeqCst)
            && !self.started.swap(true, Ordering::Relaxed)
        {
            let (shared, worker) = (Arc::clone(shared), Weak::clone(worker));
            let thread = std::thread::Builder::new().name("eagleray-pace".into());
            // Without the thread everything still works, only later; JavaScript's own calls make progress.
            let _ = thread.spawn(move || run(&shared, &worker));
        }
        // SYNC POINT: pacemaker-sleep. Either this thread sees `asleep`, or the sleeper sees `needed`.
        if shared.asleep.load(Ordering::SeqCst) {
            let _guard = shared.lock.lock();
            shared.wake.notify_one();
        }
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        if let Ok(mut stopped) = self.shared.lock.lock() {
            *stopped = true;
        }
        self.shared.wake.notify_one();
    }
}

fn run(shared: &Shared, worker: &Weak<CoreWorker>) {
    let mut idle = 0;
    loop {
        let Ok(stopped) = shared.lock.lock() else {
            return;
        };
        if *stopped {
            return;
        }
        if idle < IDLE_TICKS_MAX {
            drop(shared.wake.wait_timeout(stopped, TICK));
        } else {
            // SYNC POINT: pacemaker-sleep. The partner is in `need`, which takes the lock to notify.
            shared.asleep.store(true, Ordering::SeqCst);
            if !shared.needed.load(Ordering::SeqCst) {
                drop(shared.wake.wait(stopped));
            }
            shared.asleep.store(false, Ordering::SeqCst);
        }
        if !shared.needed.swap(false, Ordering::SeqCst) {
            idle += 1;
            continue;
        }
        idle = 0;
        let Some(worker) = worker.upgrade() else {
            return;
        };
        if worker.pace() {
            shared.needed.store(true, Ordering::SeqCst);
        }
    }
}
