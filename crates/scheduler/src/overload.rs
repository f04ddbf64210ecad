//! Since when CPUs are used beyond the limit. A task that has waited takes its CPUs back at once, whoever runs on them
//! meanwhile; where that lasts, as with holders that have one task after another, a lease is asked back
//! (`fairness.rs`, OL-1).
//!
//! Is not: a judge of who has to give a lease back.

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Overload {
    since_ms: Option<u64>,
}

impl Overload {
    /// CPUs are used beyond the limit now.
    pub fn begin(&mut self, now_ms: u64) {
        self.since_ms.get_or_insert(now_ms);
    }

    /// They are not any more.
    pub fn end(&mut self) {
        self.since_ms = None;
    }

    /// Whether they are.
    pub fn is_on(&self) -> bool {
        self.since_ms.is_some()
    }

    /// When leases are asked back unless it is over by then.
    pub fn due_ms(&self, quantum_ms: u64) -> Option<u64> {
        self.since_ms.map(|since| since.saturating_add(quantum_ms))
    }
}
