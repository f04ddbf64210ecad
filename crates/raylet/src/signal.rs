//! How other threads reach the raylet's loop.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use eagleray_ipc::Doorbell;

/// Wakes the loop from outside.
#[derive(Debug)]
pub(crate) struct Signal {
    stop: AtomicBool,
    pub(crate) doorbell: Doorbell,
}

impl Signal {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            stop: AtomicBool::new(false),
            doorbell: Doorbell::create()?,
        })
    }

    /// Has the loop end.
    pub(crate) fn stop(&self) {
        // SYNC POINT: raylet-stop. The flag is set before the doorbell wakes the loop.
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        // SYNC POINT: raylet-stop, the loop's side. It orders nothing but the flag with the doorbell.
        self.stop.load(Ordering::Acquire)
    }

    pub(crate) fn wake(&self) {
        // A counter that can't be written is full, so the loop wakes anyway.
        let _ = self.doorbell.ring();
    }
}
