//! The one entry of the crate.

use eagleray_resources::{Infeasible, NodeResources, ResourceSet};

use crate::protocol::{Configuration, Event, Instruction, LeaseId, ProcessId};
use crate::transition::Observer;

/// The scheduler of one node.
pub struct Scheduler {
    node: NodeResources,
    observer: Option<Observer>,
}

impl Scheduler {
    /// A scheduler that has done nothing yet.
    pub fn new(configuration: Configuration) -> Scheduler {
        Scheduler {
            node: NodeResources::new(configuration.total),
            observer: None,
        }
    }

    /// Listens to every transition from now on.
    pub fn set_observer(&mut self, observer: Option<Observer>) {
        self.observer = observer;
    }

    /// Takes in what happened at `now_ms` (any clock that never goes back) and appends what has to be done.
    pub fn handle(&mut self, _event: Event, _now_ms: u64, _out: &mut Vec<Instruction>) {}

    /// When the scheduler wants an [`Event::Tick`] at the latest; `None` when time changes nothing.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        None
    }

    /// What the node has.
    pub fn total(&self) -> ResourceSet {
        self.node.total().clone()
    }

    /// What is free; idle leases count as free.
    pub fn available(&self) -> ResourceSet {
        self.node.available()
    }

    /// Whether this node could ever serve a request.
    ///
    /// # Errors
    /// Names the first resource that the node lacks.
    pub fn feasible(&self, wanted: &ResourceSet) -> Result<(), Infeasible> {
        self.node.feasible(wanted)
    }

    /// Who holds a lease; `None` when nobody does (any more). For a shell that checks whether a message
    /// about a lease comes from its holder.
    pub fn lease_holder(&self, _lease: LeaseId) -> Option<ProcessId> {
        None
    }

    /// Checks every invariant.
    ///
    /// # Errors
    /// Says which one is broken, and where.
    pub fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}
