//! The life cycles of leases, workers and actors, and who may listen to them.
//!
//! ```text
//! lease    (granted) ─▶ AwaitingWorker ─▶ Active ◀─▶ Idle        from each of them ─▶ Ended
//!
//! worker   (started) ─▶ Starting ─▶ Idle ◀─▶ Leased
//!                                    │ ▲       │
//!                                    │ └─────┐ │                 from each of them ─▶ Gone
//!                                    ├──▶ Stopping ◀─┐
//!                                    └──▶ Dedicated ─┘
//!
//! actor    (wanted)  ─▶ Waiting ─▶ AwaitingWorker ─▶ Placed      from each of them ─▶ Ended
//! ```
//!
//! | state | where it lives |
//! | --- | --- |
//! | lease `AwaitingWorker` | table of leases, and the pool's line for its environment |
//! | lease `Active`, `Idle` | table of leases; its worker is `Leased` to it |
//! | worker `Starting`, `Leased`, `Dedicated`, `Stopping` | table of workers, and a count |
//! | worker `Idle` | table of workers, and the idle sets of the pool and of its environment |
//! | actor `Waiting` | table of actors, and the queue |
//! | actor `AwaitingWorker` | table of actors, and the pool's line for its environment |
//! | actor `Placed` | table of actors; its worker is `Dedicated` to it |
//!
//! A wish is not a machine: it is a number in the queue. `Stopping` goes back to `Idle` only when a surplus worker
//! was kept. What is `Ended` or `Gone` is in no table.

use crate::protocol::{ActorId, EnvironmentId, LeaseId, ProcessId};

/// Where a lease is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseState {
    /// Its resources are taken, its worker is not there yet. The client does not know of it.
    AwaitingWorker,
    /// The client may run tasks on its worker.
    Active,
    /// The client has it and does not use it; it counts as available.
    Idle,
    /// Returned, lost, withdrawn, or its holder has gone.
    Ended,
}

/// Where a worker is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerState {
    /// Its process was asked for and is not ready.
    Starting,
    /// It serves nobody.
    Idle,
    /// It serves one lease.
    Leased(LeaseId),
    /// It is one actor, for good.
    Dedicated(ActorId),
    /// It was told to end.
    Stopping,
    /// Its process has ended.
    Gone,
}

/// Where an actor is in its life, as far as its place is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActorState {
    /// It waits for resources.
    Waiting,
    /// Its resources are taken, its worker is not there yet.
    AwaitingWorker,
    /// It has its worker.
    Placed,
    /// Ended, withdrawn, refused, or its worker has gone.
    Ended,
}

/// One change of one state machine. `from` is `None` at the beginning of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Of a lease.
    Lease {
        /// Which.
        lease: LeaseId,
        /// Who holds it, or shall.
        client: ProcessId,
        /// Before.
        from: Option<LeaseState>,
        /// After.
        to: LeaseState,
    },
    /// Of a worker.
    Worker {
        /// Which.
        worker: ProcessId,
        /// What it was started with.
        environment: EnvironmentId,
        /// Before.
        from: Option<WorkerState>,
        /// After.
        to: WorkerState,
    },
    /// Of an actor.
    Actor {
        /// Which.
        actor: ActorId,
        /// Before.
        from: Option<ActorState>,
        /// After.
        to: ActorState,
    },
}

/// Who listens to every transition, in the order in which they happen.
pub type Observer = Box<dyn FnMut(Transition) + Send>;

impl LeaseState {
    /// The edges of a lease's life cycle.
    pub fn may_become(self, to: LeaseState) -> bool {
        use LeaseState::{Active, AwaitingWorker, Ended, Idle};
        matches!(
            (self, to),
            (AwaitingWorker, Active | Ended) | (Active, Idle | Ended) | (Idle, Active | Ended)
        )
    }
}

impl WorkerState {
    /// The edges of a worker's life cycle. A process may end whenever it likes.
    pub fn may_become(self, to: WorkerState) -> bool {
        use WorkerState::{Dedicated, Gone, Idle, Leased, Starting, Stopping};
        matches!(
            (self, to),
            (Starting, Idle | Gone)
                | (Idle, Leased(_) | Dedicated(_) | Stopping | Gone)
                | (Leased(_), Idle | Stopping | Gone)
                | (Dedicated(_), Stopping | Gone)
                | (Stopping, Idle | Gone)
        )
    }
}

impl ActorState {
    /// The edges of an actor's life cycle.
    pub fn may_become(self, to: ActorState) -> bool {
        use ActorState::{AwaitingWorker, Ended, Placed, Waiting};
        matches!(
            (self, to),
            (Waiting, AwaitingWorker | Ended) | (AwaitingWorker, Placed | Ended) | (Placed, Ended)
        )
    }
}

/// Where transitions are told to the observer, if there is one.
#[derive(Default)]
pub(crate) struct Journal {
    pub observer: Option<Observer>,
}

impl Journal {
    pub fn record(&mut self, transition: Transition) {
        if let Some(observer) = &mut self.observer {
            observer(transition);
        }
    }
}
