//! What goes into the scheduler and what comes out of it.

use std::fmt;

use eagleray_resources::{CPU, Infeasible, Quantity, ResourceSet};

/// A driver or worker process. A worker's process id is also its id as a client. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u32);

/// The right to run tasks of one scheduling class on one worker. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub u64);

/// An actor, through all its restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(pub u64);

/// What a worker was started with (`env` of a task or actor). A worker serves one environment only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentId(pub u32);

impl EnvironmentId {
    /// The environment of the driver at `init`, without additions.
    pub const DEFAULT: EnvironmentId = EnvironmentId(0);
}

/// The driver's process; workers are numbered from the next one on.
pub const DRIVER: ProcessId = ProcessId(1);

/// What tasks have to have in common to run on each other's leases.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SchedulingClass {
    /// What each task needs while it runs.
    pub resources: ResourceSet,
    /// What its worker has to have been started with.
    pub environment: EnvironmentId,
}

/// What the scheduler has to know of its node, and its limits.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// What the node has.
    pub total: ResourceSet,
    /// The driver-visible name of each GPU of `total`, in order. A missing name is the GPU's index.
    pub gpu_ids: Vec<String>,
    /// Workers started ahead by [`Event::Started`], and idle workers that are kept for good.
    pub prestart: u32,
    /// Workers that may be starting at once.
    pub workers_starting_max: u32,
    /// Worker processes alive at once, actors and blocked workers included. Requests beyond wait, as long as some
    /// worker can make room; when all wait for each other, one more is started at a time.
    pub workers_max: u32,
    /// Leases of classes without any CPU that may be active at once. Without this limit, ten thousand tasks
    /// of `numCpus: 0` would be ten thousand processes. Leases whose task waits do not count.
    pub zero_cpu_leases_max: u32,
    /// Processes in a row that end before they were ready, until the requests that wait for them are refused.
    pub worker_start_failures_max: u32,
    /// Starts in a row that something outside has ended, until the requests that wait for them are refused. Between
    /// these there are pauses, which grow to [`Configuration::START_PAUSE_MAX_MS`].
    pub worker_start_interruptions_max: u32,
    /// The same of starts for which this program itself left nothing over (file descriptors): fewer, since what it holds for
    /// long it most often holds for good. With the pauses it is about ten seconds.
    pub worker_start_shortages_max: u32,
    /// How long an idle worker above `prestart` is kept.
    pub idle_worker_keep_ms: u64,
    /// How long a holder that is busy may use a lease before it can be asked to return it for others.
    pub lease_quantum_ms: u64,
    /// How long a busy holder that was asked is relied on, until others are asked as well: its task may take for ever.
    pub ask_others_after_ms: u64,
    /// How long a request may be overtaken by others before what it needs is reserved for it.
    pub reserve_after_ms: u64,
    /// How long such a reservation lasts at first; it doubles with each attempt in vain, and there is an equal
    /// pause after it, so that a request that can't be served for long does not stop the node.
    pub reserve_hold_ms: u64,
    /// The longest reservation.
    pub reserve_hold_max_ms: u64,
    /// How long a worker that was asked for something may take until it answers ([`Event::WorkerAsked`]).
    pub answer_grace_ms: u64,
    /// The number of the first worker.
    pub first_worker: ProcessId,
}

impl Configuration {
    /// Most workers that are started ahead, however many CPUs there are.
    pub const PRESTART_MAX: u32 = 64;

    /// The pause before the next try after one start that something outside has ended; it doubles with each.
    pub const START_PAUSE_MS: u64 = 10;

    /// The longest such pause.
    pub const START_PAUSE_MAX_MS: u64 = 1_000;

    /// The defaults for a node that has `total`, whose GPUs are called `gpu_ids`.
    pub fn new(total: ResourceSet, gpu_ids: Vec<String>) -> Configuration {
        let cpu = total.get(CPU);
        let rounded_up = cpu
            .saturating_add(Quantity::from_steps(Quantity::STEPS_PER_UNIT - 1).unwrap_or_default());
        let cpus = u32::try_from(rounded_up.whole_units()).unwrap_or(u32::MAX);
        Configuration {
            total,
            gpu_ids,
            prestart: cpus.min(Self::PRESTART_MAX),
            workers_starting_max: cpus.clamp(2, Self::PRESTART_MAX),
            workers_max: 4_096,
            zero_cpu_leases_max: cpus.saturating_mul(4).clamp(32, 1_024),
            worker_start_failures_max: 5,
            worker_start_interruptions_max: 60,
            worker_start_shortages_max: 16,
            idle_worker_keep_ms: 1_000,
            lease_quantum_ms: 10,
            ask_others_after_ms: 100,
            reserve_after_ms: 100,
            reserve_hold_ms: 1_000,
            reserve_hold_max_ms: 60_000,
            answer_grace_ms: 5_000,
            first_worker: ProcessId(DRIVER.0 + 1),
        }
    }
}

/// What happened. Events about what the scheduler does not know (any more) change nothing, so messages that
/// cross each other need no care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The node is ready: start the first workers.
    Started,
    /// A driver is there. A worker is a client from [`Event::WorkerStarted`] on.
    ClientConnected {
        /// Its process.
        client: ProcessId,
    },
    /// A client has gone. Its wishes are dropped and its leases end: their workers are stopped, because what
    /// they run was started by it. Implied by [`Event::WorkerGone`].
    ClientGone {
        /// Its process.
        client: ProcessId,
    },
    /// How many further leases of a class a client would use now, beyond those it holds. Replaces what it said
    /// before; 0 withdraws. It goes down by one with each grant, without being said again.
    LeasesWanted {
        /// Who wants them.
        client: ProcessId,
        /// For which tasks.
        class: SchedulingClass,
        /// How many more; not a difference.
        wanted: u32,
    },
    /// Whether the holder has nothing to run on a lease. It may keep it for a short while; an idle lease
    /// counts as available and is asked back as soon as somebody needs it. A granted lease is not idle.
    LeaseIdle {
        /// The lease.
        lease: LeaseId,
        /// Whether nothing runs or waits on it.
        idle: bool,
    },
    /// The holder gives a lease back; nothing of it runs on the worker any more.
    LeaseReturned {
        /// The lease.
        lease: LeaseId,
        /// Whether the worker may serve others; `false` stops it (`maxCalls`, a task that left it unusable).
        worker_reusable: bool,
    },
    /// A started process is connected and ready.
    WorkerStarted {
        /// Its process.
        worker: ProcessId,
    },
    /// A worker's process has ended, at whatever moment and for whatever reason.
    WorkerGone {
        /// Its process.
        worker: ProcessId,
    },
    /// As [`Event::WorkerGone`], of a worker whose start was ended by something outside: somebody has killed it, or the
    /// system has no process to give at the moment. Of a worker that is ready it means the same as that.
    StartInterrupted {
        /// Its process.
        worker: ProcessId,
    },
    /// As [`Event::StartInterrupted`], of a worker for which this program itself has nothing left at the moment: file
    /// descriptors.
    StartShort {
        /// Its process.
        worker: ProcessId,
    },
    /// An idle worker that was to be stopped ([`StopReason::Surplus`]) still owns objects: it stays.
    WorkerKept {
        /// Its process.
        worker: ProcessId,
    },
    /// A worker that was told to end finishes what it has begun, and may take long: what it still holds is free from now
    /// on, and nobody counts on its end.
    WorkerLingers {
        /// Its process.
        worker: ProcessId,
    },
    /// A worker was told something that it answers at once, whatever it runs: that a task of it has to end at any price. If
    /// it answers nothing for [`Configuration::answer_grace_ms`], it is ended.
    WorkerAsked {
        /// Its process.
        worker: ProcessId,
    },
    /// A worker has answered one such message.
    WorkerAnswered {
        /// Its process.
        worker: ProcessId,
    },
    /// Whether the task that runs on a leased worker waits in `get` or `wait`. Meanwhile its CPUs are
    /// available; afterwards it has them back at once, beyond the limit if need be.
    /// Means nothing for actors. Saying it twice changes nothing.
    WorkerBlocked {
        /// Its process.
        worker: ProcessId,
        /// Whether it waits.
        blocked: bool,
    },
    /// An actor has to be placed. `placement` has to be free for that; from then on it keeps `held` only.
    ActorWanted {
        /// The actor; not one that is placed or waiting already.
        actor: ActorId,
        /// What has to be free to place it.
        placement: ResourceSet,
        /// What it keeps while it lives.
        held: ResourceSet,
        /// What its worker has to have been started with.
        environment: EnvironmentId,
    },
    /// An actor has ended, or is not wanted any more: its worker, if it has one, is stopped.
    ActorGone {
        /// The actor.
        actor: ActorId,
    },
    /// How much room the memory has for worker processes. From the first time on it bounds the processes of actors that
    /// keep less than a CPU, and those that are needed because tasks wait; see `memory.rs`.
    MemoryMeasured {
        /// How many it has room for, beyond those that are ready.
        room: u32,
    },
    /// Time has passed; see [`Scheduler::next_deadline_ms`](crate::Scheduler::next_deadline_ms).
    Tick,
}

/// What the shell has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Start a process. [`Event::WorkerStarted`] or [`Event::WorkerGone`] follows.
    StartWorker {
        /// The number it shall have.
        worker: ProcessId,
        /// What to start it with.
        environment: EnvironmentId,
    },
    /// End a process. [`Event::WorkerGone`] follows.
    StopWorker {
        /// Its process.
        worker: ProcessId,
        /// Why; a surplus worker may be kept ([`Event::WorkerKept`]).
        reason: StopReason,
    },
    /// A process does not answer: end it at once, whatever it runs. [`Event::WorkerGone`] follows; until then everything
    /// is as it was.
    KillWorker {
        /// Its process.
        worker: ProcessId,
    },
    /// A client may run tasks on a worker.
    GrantLease {
        /// The number of the new lease.
        lease: LeaseId,
        /// Who has it.
        client: ProcessId,
        /// For which tasks.
        class: SchedulingClass,
        /// Where they run.
        worker: ProcessId,
        /// The GPUs they may use.
        gpu_ids: Vec<String>,
    },
    /// Others need it: the holder takes unstarted tasks back and returns the lease after what runs now.
    AskLeaseBack {
        /// The lease.
        lease: LeaseId,
        /// Who has it.
        client: ProcessId,
    },
    /// The worker of a lease has died, and the lease with it.
    LeaseLost {
        /// The lease.
        lease: LeaseId,
        /// Who had it.
        client: ProcessId,
        /// The worker that died.
        worker: ProcessId,
    },
    /// A worker is the actor's from now on. When that worker goes, the actor is forgotten here; to restart it,
    /// say [`Event::ActorWanted`] again.
    PlaceActor {
        /// The actor.
        actor: ActorId,
        /// Its process.
        worker: ProcessId,
        /// The GPUs it may use.
        gpu_ids: Vec<String>,
    },
    /// The leases that a client wants of a class will not come; its wish is dropped.
    RefuseWish {
        /// Who wanted them.
        client: ProcessId,
        /// For which tasks.
        class: SchedulingClass,
        /// Why not.
        reason: Refusal,
    },
    /// An actor will not be placed; it is forgotten.
    RefuseActor {
        /// The actor.
        actor: ActorId,
        /// Why not.
        reason: Refusal,
    },
}

/// Why a worker is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// It was idle, and there are enough others or its place is needed.
    Surplus,
    /// Its lease was returned with `worker_reusable: false`.
    Retired,
    /// The process that ran a task on it has gone.
    HolderGone,
    /// Its actor has ended.
    ActorGone,
}

/// Why a request will never be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The node does not have as much.
    Infeasible(Infeasible),
    /// Worker processes of this environment end before they are ready, time after time.
    WorkersDoNotStart {
        /// The environment.
        environment: EnvironmentId,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Infeasible(infeasible) => infeasible.fmt(formatter),
            Refusal::WorkersDoNotStart { .. } => {
                formatter.write_str("worker processes end before they are ready, time after time")
            }
        }
    }
}
