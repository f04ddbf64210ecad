//! Control messages between a process and its raylet.
//!
//! They travel over one stream socket per process, so those of one process arrive in the order in
//! which it sent them; nothing is known about the order between processes. Where that matters, the
//! sender asks for an answer (`request` other than 0) and waits for it before it lets others know:
//! a worker that keeps a borrowed object waits for the answer to [`ToRaylet::Hold`] before it replies
//! to the task that lent it.

use eagleray_object_store::Extent;

use crate::wire::{wire_enum, wire_struct};
use crate::{ActorId, FunctionId, Nested, ObjectId, Outcome, Payload, ProcessNumber, SystemError};

wire_enum! {
    /// What a driver or worker tells its raylet.
    #[derive(Debug)]
    #[allow(
        clippy::large_enum_variant,
        reason = "messages are made, sent and dropped one at a time; none is kept in bulk"
    )]
    pub enum ToRaylet {
        /// A worker is ready for work.
        1 => Ready {
            /// Operating system's process id.
            pid: u32,
        },
        /// Declares a scheduling class of this client, before the first wish for it.
        2 => DeclareClass {
            /// The client's own number for it.
            class: u32,
            /// Name and quantity, in units.
            resources: Vec<(String, f64)>,
            /// From [`FromRaylet::Environment`]; 0 is the default.
            environment: u32,
        },
        /// How many further leases the client could use now (absolute; 0 withdraws the wish).
        3 => LeasesWanted {
            /// The class declared before.
            class: u32,
            /// Leases beyond those already held.
            wanted: u32,
        },
        /// Gives a lease back; nothing runs on it any more.
        4 => ReturnLease {
            /// The lease.
            lease: u64,
            /// True if the worker must not be used again (`maxCalls`).
            retire: bool,
        },
        /// The task that runs here waits in `get` or `wait` (or waits no more).
        5 => Blocked {
            /// Waits now.
            blocked: bool,
        },
        /// Asks for a slab to place objects in.
        6 => LeaseSlab {
            /// Answered by `Granted`.
            request: u64,
            /// Bytes.
            length: u64,
            /// True to wait a while for others to let go, after asking them to collect garbage.
            patient: bool,
        },
        /// Asks for one extent.
        7 => Allocate {
            /// Answered by `Granted`.
            request: u64,
            /// Bytes.
            length: u64,
            /// True to wait a while for others to let go, after asking them to collect garbage.
            patient: bool,
        },
        /// Gives back extents that were never sealed.
        8 => Abandon {
            /// Extents of this client.
            extents: Vec<Extent>,
        },
        /// Gives back what is left of a slab.
        9 => ReturnSlab {
            /// The rest.
            rest: Extent,
        },
        /// Extents of this client become an immutable object that `holder` holds.
        10 => Seal {
            /// Answered by `Acknowledged` unless 0.
            request: u64,
            /// The object.
            id: ObjectId,
            /// Who holds it first: its owner.
            holder: ProcessNumber,
            /// May be empty: then only the nested ids are recorded.
            extents: Vec<Extent>,
            /// What the object's life keeps alive.
            nested: Vec<Nested>,
        },
        /// The client holds these from now on (once, however often it says so).
        11 => Hold {
            /// Answered by `Acknowledged` unless 0.
            request: u64,
            /// Objects and actors.
            items: Vec<Nested>,
        },
        /// The client lets go.
        12 => Release {
            /// Objects and actors.
            items: Vec<Nested>,
        },
        /// A ref leaves its owner: others may ask for its value, now or when it is there.
        13 => Publish {
            /// The object, owned by the sender.
            id: ObjectId,
            /// Its value, once known.
            outcome: Option<Outcome>,
        },
        /// Wants the value of a published object; answered by `ObjectReady`.
        14 => Subscribe {
            /// The object.
            id: ObjectId,
        },
        /// Asks for the number of an environment; answered by `Environment`.
        15 => DeclareEnvironment {
            /// Request number.
            request: u64,
            /// Sorted names and values.
            variables: Vec<(String, String)>,
        },
        /// Makes an actor known: others may find it, hold it and call it. The sender holds it. The
        /// object of the same id, which resolves when the actor is ready, is the raylet's to answer.
        28 => RegisterActor {
            /// Answered by `ActorCreated` unless 0.
            request: u64,
            /// Its id.
            id: ActorId,
            /// Its options.
            options: ActorOptions,
            /// An actor of that name may be returned instead.
            get_if_exists: bool,
        },
        /// The arguments of an actor's constructor are there: it can be started. Ids in `holds` are
        /// held until it can't be restarted any more.
        16 => CreateActor {
            /// Everything that is needed, also for restarts.
            spec: ActorSpec,
        },
        /// A registered actor will never be started.
        29 => FailActor {
            /// The actor.
            actor: ActorId,
            /// Why.
            error: SystemError,
        },
        /// Wants to call an actor: its states are reported from now on.
        17 => ConnectActor {
            /// The actor.
            actor: ActorId,
        },
        /// Ends an actor at once.
        18 => KillActor {
            /// The actor.
            actor: ActorId,
            /// True if `maxRestarts` may bring it back.
            may_restart: bool,
        },
        /// Looks a named actor up; answered by `FoundActor`.
        19 => FindActor {
            /// Request number.
            request: u64,
            /// Its name.
            name: String,
            /// Its namespace.
            namespace: String,
        },
        /// Cancels a task: tells the process that runs it, or its owner, who knows where that is.
        20 => Cancel {
            /// The process to tell.
            worker: ProcessNumber,
            /// The task.
            task: ObjectId,
            /// End the worker if it runs just this task; only the worker knows.
            force: bool,
            /// Also cancel what the task started.
            recursive: bool,
        },
        /// The client is done with its side of a connection: it has read all that it wants of it, and has said before what
        /// it holds of that. Said of a connection that was lost, of one that is not used, and by a worker that leaves of
        /// those on which it executed, as soon as no reply waits for room there.
        21 => CloseConnection {
            /// The connection.
            connection: u32,
        },
        /// A worker has run its actor's constructor.
        22 => ActorStarted {
            /// The value that `actorReady` refs resolve to, or what the constructor threw.
            outcome: Outcome,
        },
        /// A worker runs nothing any more: it answers `Exit`, or ends by itself. What it has begun towards others goes
        /// on until [`ToRaylet::Drained`]. If it is an actor, that has ended for its callers.
        23 => Leaving {
            /// For messages: why.
            reason: String,
        },
        /// Asks for the state of the node; answered by `Node`.
        24 => QueryNode {
            /// Request number.
            request: u64,
        },
        /// Ends the runtime. Only the driver may.
        25 => Shutdown {},
        /// Answers `CollectGarbage`, after everything that the process let go of.
        26 => Collected {},
        /// Asks for an answer once everything sent before is done.
        27 => Synchronize {
            /// Answered by `Acknowledged`.
            request: u64,
        },
        /// Asks for what workers have written and the raylet has not read yet.
        30 => DrainOutput {
            /// Answered by `Acknowledged`, after the lines.
            request: u64,
        },
        /// A scheduling class is not used any more: no lease of it is held or wanted. Its number may be declared again.
        31 => ForgetClass {
            /// The class declared before.
            class: u32,
        },
        /// The driver has as many lines of workers as it wants to hold, or has room for more.
        32 => PauseOutput {
            /// True to leave further lines in the workers' pipes, which hold the writers back.
            paused: bool,
        },
        /// A ring of a connection of this process holds what no peer would write. Answered by `ConnectionLost`, to both
        /// sides.
        33 => ConnectionBroken {
            /// The connection.
            connection: u32,
            /// For messages: what was found.
            reason: String,
        },
        /// Nothing that a leaving worker has begun is open any more: it ends now.
        34 => Drained {},
        /// Answers `ObjectWanted`: the object is gone, or never was.
        35 => ObjectGone {
            /// The object, owned by the sender.
            id: ObjectId,
        },
        /// Asks which of its own objects nobody else holds; answered by `Unheld`.
        36 => QueryUnheld {
            /// Request number.
            request: u64,
            /// Objects, owned by the sender.
            ids: Vec<ObjectId>,
        },
        /// Whether this worker has something to do when the runtime ends: then it is told with `RuntimeEnds`, and given time.
        37 => EndsInOrder {
            /// True if it has.
            wanted: bool,
        },
        /// Somebody in this process has looked at the errors that these objects are, or looks as soon as they are there.
        /// Said of published objects only, and before the sender lets go of them.
        38 => ErrorsSeen {
            /// Objects that the sender holds.
            ids: Vec<ObjectId>,
        },
        /// These published objects are one error, that of a task with several results: who looks at one has looked at all.
        /// Said before their values.
        40 => OneError {
            /// Objects, owned by the sender.
            ids: Vec<ObjectId>,
        },
        /// Asks for an `ErrorUnseen` of every published error that nobody has looked at, because the runtime ends. Only the
        /// driver may.
        39 => ReportUnseen {
            /// Answered by `Acknowledged`, after the errors.
            request: u64,
        },
        /// Answers a forced `CancelTask`, unless the sender is an actor, or owns the task, or ends by it: the task does not
        /// run here (any more). Who says nothing for long is ended.
        41 => StaysAlive {},
    }
}

wire_enum! {
    /// What a raylet tells a driver or worker.
    #[derive(Debug)]
    #[allow(
        clippy::large_enum_variant,
        reason = "messages are made, sent and dropped one at a time; none is kept in bulk"
    )]
    pub enum FromRaylet {
        /// The first message. Comes with three descriptors: of the segment, of the process's own doorbell, and of its
        /// pacemaker's bell, which the raylet rings after it has sent what must be looked at even while JavaScript
        /// computes: a forced `CancelTask`, `Exit`, `AskLeaseBack`, `ConnectionLost`.
        1 => Welcome {
            /// Who the process is.
            welcome: Welcome,
        },
        /// A worker is leased to this client.
        2 => LeaseGranted {
            /// The lease.
            lease: u64,
            /// The client's class number.
            class: u32,
            /// The worker.
            worker: ProcessNumber,
            /// The connection to it, opened before.
            connection: u32,
            /// GPUs that tasks of the lease may use.
            gpu_ids: Vec<String>,
        },
        /// Rings to a peer. Comes with the peer's doorbell's descriptor.
        3 => ConnectionOpened {
            /// Where the rings are.
            spec: ConnectionSpec,
        },
        /// Others wait: return the lease after what runs there now.
        4 => AskLeaseBack {
            /// The lease.
            lease: u64,
        },
        /// The worker of a lease is gone.
        5 => LeaseLost {
            /// The lease.
            lease: u64,
        },
        /// Answers `LeaseSlab` and `Allocate`.
        6 => Granted {
            /// Request number.
            request: u64,
            /// The room, or why there is none.
            extent: Option<Extent>,
            /// Why there is none.
            error: Option<SystemError>,
        },
        /// Answers requests that have no other answer.
        7 => Acknowledged {
            /// Request number.
            request: u64,
        },
        /// The value of an object that this process subscribed to.
        8 => ObjectReady {
            /// The object.
            id: ObjectId,
            /// Its value.
            outcome: Outcome,
        },
        /// An actor that this process calls has changed its state.
        9 => ActorChanged {
            /// The actor.
            actor: ActorId,
            /// Its state now.
            state: ActorState,
        },
        /// This worker becomes an actor.
        10 => StartActor {
            /// What to construct.
            spec: ActorSpec,
            /// GPUs that it may use.
            gpu_ids: Vec<String>,
            /// How often it was started before.
            restarts: u32,
        },
        /// A running task is cancelled.
        11 => CancelTask {
            /// The task.
            task: ObjectId,
            /// If the receiver runs just this task, and is no actor, it says `Leaving` and kills its process group. If it is
            /// the task's owner, it passes that on to whoever runs it. If it runs another one, it answers `StaysAlive`.
            force: bool,
            /// Also cancel what it started.
            recursive: bool,
        },
        /// Nothing new comes to this worker: it shall finish what it has begun towards others, and end. Answered by
        /// `Leaving` at once, and by `Drained` when nothing of that is open any more.
        12 => Exit {},
        /// Let go of what is not used: garbage, and empty slabs. Answered by `Collected`; not asked again before that.
        13 => CollectGarbage {},
        /// A line that a worker printed.
        14 => Output {
            /// Operating system's process id of the worker.
            pid: u32,
            /// The task or actor that printed it.
            name: String,
            /// True for standard error.
            is_error: bool,
            /// The line, without its end.
            text: String,
        },
        /// Answers `FindActor`.
        15 => FoundActor {
            /// Request number.
            request: u64,
            /// The actor, if there is one.
            actor: Option<NamedActor>,
        },
        /// Answers `DeclareEnvironment`.
        16 => Environment {
            /// Request number.
            request: u64,
            /// Its number, which the process may name from now on; 0 with an error.
            number: u32,
            /// Why it has none.
            error: Option<SystemError>,
        },
        /// Answers `QueryNode`.
        17 => Node {
            /// Request number.
            request: u64,
            /// The node now.
            summary: NodeSummary,
        },
        /// Answers `RegisterActor`.
        18 => ActorCreated {
            /// Request number.
            request: u64,
            /// An actor of that name that was there before.
            existing: Option<NamedActor>,
            /// True if the name was taken and nothing was created.
            refused: bool,
        },
        /// Tasks of a class that are queued now will not run: they never can, or a lack of something has lasted.
        19 => ClassRefused {
            /// The client's class number.
            class: u32,
            /// Why.
            error: SystemError,
        },
        /// The GPUs that tasks of this worker may use from now on.
        21 => GpusAssigned {
            /// Ids, as the driver's `CUDA_VISIBLE_DEVICES` names them.
            gpu_ids: Vec<String>,
        },
        /// The peer of a connection is gone, has closed its side, or the connection is broken. What the peer wrote before
        /// still counts. Answered by `CloseConnection`.
        20 => ConnectionLost {
            /// The connection.
            connection: u32,
            /// How the peer ended, or why it did not: `reason` says.
            exit: WorkerExit,
        },
        /// Somebody waits for the value of an object of this process that was never published. Answered by `Publish`, or
        /// by `ObjectGone` if there is none. If it was published meanwhile, nothing is to be done.
        22 => ObjectWanted {
            /// The object, owned by the receiver.
            id: ObjectId,
        },
        /// Answers `QueryUnheld`.
        23 => Unheld {
            /// Request number.
            request: u64,
            /// Those that no other process and no object holds, in the order of the question.
            ids: Vec<ObjectId>,
        },
        /// The runtime ends. This worker has said `EndsInOrder`: it shall do what it has to do, whatever runs, and end.
        24 => RuntimeEnds {},
        /// Nobody has looked at a published error, and nobody does any more. The receiver, which is the driver, holds the
        /// object from now on, as if it had said so; it reports the error to the user, and lets go.
        25 => ErrorUnseen {
            /// The object.
            id: ObjectId,
            /// The error.
            outcome: Outcome,
        },
    }
}

wire_struct! {
    /// Who a process is, and what it needs to know to start.
    #[derive(Clone, Debug)]
    pub struct Welcome {
        /// Its number.
        pub process: ProcessNumber,
        /// Operating system's process id of the driver.
        pub driver_pid: u32,
        /// Where its mailbox is in the segment.
        pub mailbox: u64,
        /// Whole CPUs of the node, rounded up: bounds how many leases are worth asking for.
        pub cpus: u32,
        /// Settings of the SDK, passed on unread (JSON).
        pub settings: String,
    }
}

wire_struct! {
    /// Rings between a submitter and an executor, as seen from the process that receives this.
    #[derive(Clone, Debug)]
    pub struct ConnectionSpec {
        /// The node's number for it.
        pub connection: u32,
        /// The process at the other end.
        pub peer: ProcessNumber,
        /// Operating system's process id of the peer.
        pub peer_pid: u32,
        /// Where the peer's mailbox is.
        pub peer_mailbox: u64,
        /// True if this process executes and the peer submits.
        pub executor: bool,
        /// The page with the connection's flags.
        pub page: u64,
        /// The ring that this process writes.
        pub outgoing: Extent,
        /// The ring that this process reads.
        pub incoming: Extent,
    }
}

wire_struct! {
    /// Everything needed to start an actor, and to start it again.
    #[derive(Clone, Debug)]
    pub struct ActorSpec {
        /// Its id, which is that of the ref that resolves when it is ready.
        pub id: ActorId,
        /// The exported class.
        pub class: FunctionId,
        /// The class's envelope.
        pub export: Payload,
        /// The object that owns the envelope's extents, if it has any.
        pub export_object: Option<ObjectId>,
        /// Constructor arguments in the form of [`crate::frames`].
        pub arguments: Box<[u8]>,
        /// Number of arguments.
        pub argument_count: u32,
        /// What the arguments need while the actor may be restarted.
        pub holds: Vec<Nested>,
        /// Its options.
        pub options: ActorOptions,
    }
}

wire_struct! {
    /// Options of an actor.
    #[derive(Clone, Debug)]
    pub struct ActorOptions {
        /// For messages.
        pub class_name: String,
        /// Empty if it has none.
        pub name: String,
        /// Namespace of the name.
        pub namespace: String,
        /// Outlives its handles and its creator.
        pub detached: bool,
        /// Starts after the first one; -1 is without limit.
        pub max_restarts: i64,
        /// Needed to be placed.
        pub placement: Vec<(String, f64)>,
        /// Held while it lives.
        pub held: Vec<(String, f64)>,
        /// Environment number.
        pub environment: u32,
        /// Async methods that may interleave.
        pub max_concurrency: u32,
        /// Names of its methods; calls carry the index.
        pub methods: Vec<String>,
        /// What the SDK needs to make a handle, passed on unread (JSON).
        pub handle: String,
    }
}

wire_struct! {
    /// An actor found by its name.
    #[derive(Clone, Debug)]
    pub struct NamedActor {
        /// Its id.
        pub id: ActorId,
        /// What the SDK needs to make a handle (JSON).
        pub handle: String,
    }
}

wire_enum! {
    /// The state of an actor as its callers see it.
    #[derive(Clone, Debug)]
    pub enum ActorState {
        /// It is not placed or its constructor has not ended.
        1 => Pending {},
        /// Calls may be sent over the connection.
        2 => Alive {
            /// The connection, opened before.
            connection: u32,
        },
        /// It died and will be started again.
        3 => Restarting {
            /// Why the last one died.
            error: SystemError,
        },
        /// It is gone for good.
        4 => Dead {
            /// Why.
            error: SystemError,
        },
        /// It is there, and no connection to it could be opened for a while: what was asked of it fails, and the next call
        /// asks again.
        5 => Unreachable {
            /// Why.
            error: SystemError,
        },
    }
}

wire_struct! {
    /// How a worker ended.
    #[derive(Clone, Debug)]
    pub struct WorkerExit {
        /// Its number.
        pub process: ProcessNumber,
        /// Operating system's process id.
        pub pid: u32,
        /// Exit code, unless a signal ended it.
        pub code: Option<i64>,
        /// The signal that ended it.
        pub signal: Option<i64>,
        /// The last lines of its standard error.
        pub stderr_tail: Vec<String>,
        /// Why it was ended, if it was on purpose.
        pub reason: String,
    }
}

wire_struct! {
    /// The state of the node, for `clusterResources`, `availableResources` and `nodes`.
    #[derive(Clone, Debug)]
    pub struct NodeSummary {
        /// All of it.
        pub total: Vec<(String, f64)>,
        /// What is not in use; idle leases count as available.
        pub available: Vec<(String, f64)>,
        /// Bytes of the object store in use.
        pub store_used: u64,
        /// Bytes of the object store.
        pub store_total: u64,
        /// Number and process id of the live workers.
        pub workers: Vec<(u32, u32)>,
        /// Objects in the directory.
        pub objects: u64,
        /// Live actors.
        pub actors: u64,
    }
}
