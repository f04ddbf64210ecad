//! What the two directories ask for: of each other, and of the shell around them.

use eagleray_object_store::Extent;
use eagleray_protocol::{ActorId, ActorOptions, ObjectId, Outcome, ProcessNumber, SystemError};

/// Who keeps an object or actor alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Holder {
    /// A driver or worker.
    Process(ProcessNumber),
    /// An object that carries its id.
    Object(ObjectId),
    /// An actor whose constructor's arguments carry its id, or whose readiness it is.
    Actor(ActorId),
}

/// What a caller of an actor is told; the connection is the shell's to open.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CallerNews {
    Pending,
    Restarting(SystemError),
    Dead(SystemError),
}

/// Something that has to be done, in order.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A subscriber gets an object's value.
    Notify {
        process: ProcessNumber,
        id: ObjectId,
        outcome: Outcome,
    },
    /// An owner is asked for the value of an object that it never published.
    Ask { id: ObjectId },
    /// The driver, which holds the object from now on, reports an error that nobody has looked at.
    Report { id: ObjectId, outcome: Outcome },
    /// Nobody holds the object of this extent any more.
    Free(Extent),
    /// For the object directory.
    HoldObject { id: ObjectId, holder: Holder },
    /// For the object directory.
    ReleaseObject { id: ObjectId, holder: Holder },
    /// For the object directory: an actor is ready, or will never be.
    Resolve { id: ObjectId, outcome: Outcome },
    /// For the actor directory.
    HoldActor { actor: ActorId, holder: Holder },
    /// For the actor directory.
    ReleaseActor { actor: ActorId, holder: Holder },
    /// A caller gets an actor's state.
    Tell {
        process: ProcessNumber,
        actor: ActorId,
        news: CallerNews,
    },
    /// A caller learns that an actor is dead, after everything that the actor's worker has written to it.
    Farewell {
        process: ProcessNumber,
        worker: ProcessNumber,
        actor: ActorId,
        error: SystemError,
    },
    /// A caller gets a connection to a living actor.
    Connect {
        process: ProcessNumber,
        actor: ActorId,
        worker: ProcessNumber,
    },
    /// The scheduler looks for a place.
    Place { number: u64, options: ActorOptions },
    /// The scheduler forgets the actor and stops its worker, if it has one. It uses its environment no more.
    Displace { number: u64, environment: u32 },
    /// A worker constructs the actor.
    Start {
        actor: ActorId,
        worker: ProcessNumber,
        gpu_ids: Vec<String>,
        restarts: u32,
    },
    /// A worker is ended at once.
    Kill {
        worker: ProcessNumber,
        reason: String,
    },
}
