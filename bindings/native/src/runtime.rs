//! The runtime as JavaScript sees it: one object per driver or worker. What is called for each task is in
//! `hot_calls.rs`; the buffers between both sides are in `bridge.rs`.
#![allow(
    clippy::too_many_arguments,
    reason = "calls from JavaScript carry plain arguments: an object for them would cost a look-up each"
)]

use std::cell::RefCell;
use std::ffi::c_void;
use std::ops::Deref;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eagleray_core_worker::{
    Blocked, CoreWorker, CreationRefused, NewActor, RecordWriter, Template,
};
use eagleray_ipc::process;
use eagleray_protocol::{ActorOptions, ObjectId, Outcome, Payload, Status, SystemError};
use eagleray_raylet::RayletHandle;
use napi::bindgen_prelude::*;
use napi::sys;
use napi_derive::napi;

use crate::bridge::{
    Bridge, Held, Pinned, STOP_DEADLINE, borrow_bytes, bytes_of, system_error, wait_refused,
};
use crate::event_loop::Watcher;
use crate::hot_calls::hot_calls;
use crate::views;
use crate::views::Buffers;
use crate::watched::Watched;

/// How long a worker that ends waits for its last words to be taken.
const FAREWELL: Duration = Duration::from_secs(2);

/// What `startDriver` needs.
#[napi(object)]
pub struct DriverOptions {
    /// Name and quantity of every resource.
    pub resources: Vec<Quantity>,
    pub gpu_ids: Vec<String>,
    pub store_bytes: f64,
    /// The program of the workers and its arguments.
    pub program: String,
    pub arguments: Vec<String>,
    pub working_directory: String,
    /// The complete environment of the workers.
    pub environment: Vec<Variable>,
    /// Passed on to every process, unread.
    pub settings: String,
    /// How long a worker may take until it is ready.
    pub worker_start_timeout_ms: f64,
}

/// A resource and how much of it.
#[napi(object)]
pub struct Quantity {
    pub name: String,
    pub quantity: f64,
}

/// An environment variable.
#[napi(object)]
pub struct Variable {
    pub name: String,
    pub value: String,
}

/// A task template.
#[napi(object)]
pub struct TemplateOptions {
    /// 16 bytes that name the exported function.
    pub function: Uint8Array,
    /// What errors call its tasks.
    pub name: String,
    /// The object that holds its envelope.
    pub export_handle: f64,
    pub class: u32,
    pub max_retries: f64,
}

/// An actor to create.
#[napi(object)]
pub struct ActorCreation {
    pub sequence: f64,
    pub class: Uint8Array,
    pub export_handle: f64,
    pub class_name: String,
    pub name: String,
    pub namespace: String,
    pub detached: bool,
    pub max_restarts: f64,
    pub placement: Vec<Quantity>,
    pub held: Vec<Quantity>,
    pub environment: u32,
    pub max_concurrency: u32,
    pub methods: Vec<String>,
    pub handle: String,
    pub get_if_exists: bool,
}

/// An actor that was created or found.
#[napi(object)]
pub struct FoundActor {
    /// 16 bytes.
    pub id: Uint8Array,
    /// The actor's number in this process; 0 if an existing one was found instead.
    pub number: u32,
    pub handle: String,
}

/// The node now.
#[napi(object)]
pub struct NodeState {
    pub total: Vec<Quantity>,
    pub available: Vec<Quantity>,
    pub store_used: f64,
    pub store_total: f64,
    pub worker_pids: Vec<u32>,
    pub objects: f64,
    pub actors: f64,
}

/// Counts.
#[napi(object)]
pub struct RuntimeStatistics {
    pub finished: f64,
    pub open: f64,
    pub in_flight: f64,
    pub objects: f64,
}

fn pairs(quantities: Vec<Quantity>) -> Vec<(String, f64)> {
    quantities
        .into_iter()
        .map(|quantity| (quantity.name, quantity.quantity))
        .collect()
}

fn quantities(pairs: Vec<(String, f64)>) -> Vec<Quantity> {
    pairs
        .into_iter()
        .map(|(name, quantity)| Quantity { name, quantity })
        .collect()
}

/// How long to block; below 0 without limit.
fn timeout(ms: f64) -> Option<Duration> {
    (ms >= 0.0).then(|| Duration::from_secs_f64((ms / 1000.0).min(1e9)))
}

fn id_from(bytes: &[u8]) -> Result<ObjectId> {
    let bytes = bytes
        .try_into()
        .map_err(|_| Error::from_reason("an id has 16 bytes"))?;
    Ok(ObjectId::from_bytes(bytes))
}

fn actor_numbers(handles: &[f64]) -> Vec<u32> {
    handles.iter().map(|&actor| actor as u32).collect()
}

/// A driver's or worker's runtime.
#[napi]
pub struct Runtime {
    bridge: Rc<Bridge>,
    watched: RefCell<Watched>,
    buffers: RefCell<Buffers>,
    /// True while the environment's end calls [`release_at_end`].
    hooked: bool,
}

impl Deref for Runtime {
    type Target = Bridge;

    fn deref(&self) -> &Bridge {
        &self.bridge
    }
}

/// Starts a raylet in this process and connects to it.
#[napi(catch_unwind)]
pub fn start_driver(env: Env, options: DriverOptions) -> Result<Runtime> {
    let configuration = eagleray_raylet::Configuration {
        resources: pairs(options.resources),
        gpu_ids: options.gpu_ids,
        store_bytes: options.store_bytes as u64,
        program: PathBuf::from(options.program),
        arguments: options.arguments,
        working_directory: PathBuf::from(options.working_directory),
        environment: options
            .environment
            .into_iter()
            .map(|variable| (variable.name, variable.value))
            .collect(),
        settings: options.settings,
        worker_start_timeout: Duration::from_secs_f64(options.worker_start_timeout_ms / 1_000.0),
        memory_room: eagleray_raylet::memory_room_of_host,
        driver_pid: std::process::id(),
    };
    let failed = |error: std::io::Error| {
        system_error(&SystemError::new(
            "EaglerayError",
            format!("the runtime could not be started: {error}"),
        ))
    };
    let started = eagleray_raylet::start(configuration).map_err(failed)?;
    let worker = CoreWorker::connect(started.control, Some(started.segment)).map_err(failed)?;
    Runtime::new(&env, worker, Some(started.raylet))
}

/// Whether this process is a worker, in whichever of its threads the question is asked.
static IS_WORKER_PROCESS: AtomicBool = AtomicBool::new(false);

/// True in each thread of a worker process.
#[napi(catch_unwind)]
pub fn is_worker_process() -> bool {
    // Relaxed, as where it is set: nothing else is read because of it, and whoever starts a thread has set it before.
    IS_WORKER_PROCESS.load(Ordering::Relaxed)
}

/// True in the thread that the process has started with.
#[napi(catch_unwind)]
pub fn is_main_thread() -> bool {
    process::is_main_thread()
}

/// Connects a worker to the raylet that started it, over its standard input, which becomes `/dev/null`.
#[napi(catch_unwind)]
pub fn connect_worker(env: Env) -> Result<Runtime> {
    IS_WORKER_PROCESS.store(true, Ordering::Relaxed);
    let failed = |error: std::io::Error| {
        Error::from_reason(format!("this worker could not reach its raylet: {error}"))
    };
    let control = take_standard_input().map_err(failed)?;
    let worker = CoreWorker::connect(control, None).map_err(failed)?;
    // Before the first task. The raylet's thread in the driver has started this process.
    if let Err(error) = process::end_with_parent(worker.welcome().driver_pid) {
        // Its control socket still tells it of the driver's end, unless a task keeps it from looking.
        eprintln!("eagleray: this worker can't be ended with a driver that is killed: {error}");
    }
    Runtime::new(&env, worker, None)
}

fn take_standard_input() -> std::io::Result<OwnedFd> {
    // SAFETY: descriptor 0 is open in a worker: it is the control socket; the copy is owned below.
    let copy = unsafe { libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: just made, and nobody else's.
    let control = unsafe { OwnedFd::from_raw_fd(copy) };
    let null = std::fs::File::open("/dev/null")?;
    // SAFETY: both descriptors are open.
    if unsafe { libc::dup2(null.as_raw_fd(), 0) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(control)
}

/// True if numeric arrays are views that the garbage collector does not count.
#[napi(catch_unwind)]
pub fn has_shared_views() -> bool {
    views::shared_views()
}

impl Runtime {
    fn new(env: &Env, worker: Arc<CoreWorker>, raylet: Option<RayletHandle>) -> Result<Self> {
        let held = Rc::new(RefCell::new(Held::new(Arc::clone(&worker), raylet)));
        let owner = Rc::into_raw(Rc::clone(&held));
        // SAFETY: the hook owns one count of `held`, which it gives back when it runs or is removed.
        let status = unsafe {
            sys::napi_add_env_cleanup_hook(
                env.raw(),
                Some(release_at_end),
                owner.cast_mut().cast::<c_void>(),
            )
        };
        if status != sys::Status::napi_ok {
            // SAFETY: Node has not taken the count.
            drop(unsafe { Rc::from_raw(owner) });
            held.borrow_mut().release();
            return Err(Error::from_reason(
                "the runtime can't watch for the end of its thread",
            ));
        }
        Ok(Self {
            bridge: Rc::new(Bridge::new(worker, held)),
            watched: RefCell::default(),
            buffers: RefCell::default(),
            hooked: true,
        })
    }
}

#[napi]
impl Runtime {
    /// Pins the buffers.
    #[napi(catch_unwind)]
    pub fn attach(
        &mut self,
        env: Env,
        submissions: Unknown<'_>,
        handles: Unknown<'_>,
        inbox: Unknown<'_>,
    ) -> Result<()> {
        let submissions = Pinned::new(&env, &submissions)?;
        if !(submissions.data as usize).is_multiple_of(8) {
            return Err(Error::from_reason(
                "the buffer of submissions must be aligned to 8 bytes",
            ));
        }
        // SAFETY: pinned until `close`, which detaches it first.
        unsafe {
            self.worker
                .attach_submissions(submissions.data, submissions.length)
        };
        let mut held = self.held.borrow_mut();
        held.submissions = Some(submissions);
        held.handles = Some(Pinned::new(&env, &handles)?);
        held.inbox = Some(Pinned::new(&env, &inbox)?);
        Ok(())
    }

    /// Replaces the buffer of handles with a larger one.
    #[napi(catch_unwind)]
    pub fn attach_handles(&self, env: Env, handles: Unknown<'_>) -> Result<()> {
        let handles = Pinned::new(&env, &handles)?;
        self.held.borrow_mut().handles = Some(handles);
        Ok(())
    }

    /// Pins the buffer in which JavaScript writes the inline results of a task, or replaces it.
    #[napi(catch_unwind)]
    pub fn attach_results(&self, env: Env, results: Unknown<'_>) -> Result<()> {
        let results = Pinned::new(&env, &results)?;
        self.held.borrow_mut().results = Some(results);
        Ok(())
    }

    /// The calls that every task makes.
    #[napi(catch_unwind)]
    pub fn hot_calls<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        hot_calls(env, &self.bridge)
    }

    /// Copies records that did not fit into the inbox.
    #[napi(catch_unwind)]
    pub fn take_overflow(&self, env: Env, target: Unknown<'_>) -> Result<()> {
        let (data, length) = bytes_of(&env, target.raw())?;
        let out = self.last_records();
        let count = length.min(out.bytes.len());
        // SAFETY: the array belongs to the running call and is at least so long.
        unsafe { ptr::copy_nonoverlapping(out.bytes.as_ptr(), data, count) };
        Ok(())
    }

    /// Calls `wake` when something has come in.
    #[napi(catch_unwind)]
    pub fn watch(&mut self, env: Env, wake: Function<'_, (), ()>) -> Result<()> {
        let watcher = Watcher::start(&env, &self.worker.descriptors(), wake)?;
        self.held.borrow_mut().watcher = Some(watcher);
        Ok(())
    }

    /// Whether the runtime keeps the event loop alive.
    #[napi(catch_unwind)]
    pub fn hold(&mut self, hold: bool) {
        if let Some(watcher) = &mut self.held.borrow_mut().watcher {
            watcher.hold(hold);
        }
    }

    #[napi(catch_unwind)]
    pub fn ready_now(&self, count: u32, needed: u32) -> f64 {
        let ids = self.handles(count as usize);
        let mut out = self.records();
        self.worker.ready_now(&ids, needed as usize, &mut out);
        self.deliver(&out)
    }

    /// Blocks; `needed` below 0 is a `get`. Returns the length of the record, or -1 when the time was
    /// over, -2 when the task was cancelled, -3 when the runtime has ended; or -4 when garbage has to be
    /// collected first, -5 when there are lines to print: then `blockAgain` goes on. A `wait` whose time is over
    /// returns its record.
    #[napi(catch_unwind)]
    pub fn block(
        &self,
        count: u32,
        needed: i32,
        timeout_ms: f64,
        token: u32,
        keep_cpus: bool,
    ) -> Result<f64> {
        let ids = self.handles(count as usize);
        let mut out = self.records();
        let needed = usize::try_from(needed).ok();
        let blocked = self
            .worker
            .block(
                &ids,
                needed,
                timeout(timeout_ms),
                token,
                keep_cpus,
                &mut out,
            )
            .map_err(|refused| wait_refused(&refused))?;
        Ok(self.blocked(&blocked, &out))
    }

    /// Goes on with `block` after what it was left for.
    #[napi(catch_unwind)]
    pub fn block_again(&self, timeout_ms: f64) -> f64 {
        let mut out = self.records();
        let blocked = self.worker.block_again(timeout(timeout_ms), &mut out);
        self.blocked(&blocked, &out)
    }

    fn blocked(&self, blocked: &Blocked, out: &RecordWriter) -> f64 {
        match blocked {
            Blocked::Done => self.deliver(out),
            Blocked::TimedOut if !out.bytes.is_empty() => self.deliver(out),
            Blocked::TimedOut => -1.0,
            Blocked::Cancelled => -2.0,
            Blocked::Ended => -3.0,
            Blocked::Collect => -4.0,
            Blocked::Lines => -5.0,
        }
    }

    #[napi(catch_unwind)]
    pub fn object_id(&self, handle: f64) -> Option<Uint8Array> {
        self.worker
            .object_id(handle as u64)
            .map(|id| Uint8Array::new(id.to_bytes().to_vec()))
    }

    /// The id of a running task, or (token 0) of the actor of this process.
    #[napi(catch_unwind)]
    pub fn task_id(&self, token: u32, sequence: f64) -> Uint8Array {
        let id = self.worker.task_id(token, sequence as u64);
        Uint8Array::new(id.to_bytes().to_vec())
    }

    #[napi(catch_unwind)]
    pub fn publish(&self, handles: Vec<f64>) {
        let handles: Vec<u64> = handles.into_iter().map(|handle| handle as u64).collect();
        self.worker.publish(&handles);
    }

    #[napi(catch_unwind)]
    pub fn promise(&self, sequence: f64) {
        self.worker.promise(sequence as u64);
    }

    #[napi(catch_unwind)]
    pub fn settle(
        &self,
        env: Env,
        handle: f64,
        meta: Unknown<'_>,
        refs: Vec<f64>,
        actors: Vec<f64>,
    ) -> Result<()> {
        let meta = borrow_bytes(&env, &meta)?;
        let refs = refs.into_iter().map(|handle| handle as u64).collect();
        self.worker
            .settle(handle as u64, meta, refs, actor_numbers(&actors));
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn unheld(&self, handles: Vec<f64>) -> Result<Vec<f64>> {
        let handles: Vec<_> = handles.into_iter().map(|handle| handle as u64).collect();
        let unheld = self.worker.unheld(&handles);
        let unheld = unheld.map_err(|error| system_error(&error))?;
        Ok(unheld.into_iter().map(|handle| handle as f64).collect())
    }

    #[napi(catch_unwind)]
    pub fn put(
        &self,
        env: Env,
        sequence: f64,
        meta: Unknown<'_>,
        buffers: Vec<Unknown<'_>>,
        refs: Vec<f64>,
        actors: Vec<f64>,
        patient: bool,
    ) -> Result<()> {
        let meta = borrow_bytes(&env, &meta)?;
        let buffers = buffers
            .iter()
            .map(|buffer| borrow_bytes(&env, buffer))
            .collect::<Result<Vec<_>>>()?;
        let refs = refs.into_iter().map(|handle| handle as u64).collect();
        self.worker
            .put(
                sequence as u64,
                meta,
                &buffers,
                refs,
                actor_numbers(&actors),
                patient,
            )
            .map_err(|error| system_error(&error))
    }

    #[napi(catch_unwind)]
    pub fn allocate<'env>(
        &self,
        env: &'env Env,
        length: f64,
        shared: bool,
        patient: bool,
    ) -> Result<Unknown<'env>> {
        let (address, length) = self
            .worker
            .allocate(length as u64, patient)
            .map_err(|error| system_error(&error))?;
        let mut buffers = self.buffers.borrow_mut();
        let value = buffers.region(env, &self.worker, address, length, shared)?;
        // SAFETY: made just now in this environment.
        Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), value) })
    }

    #[napi(catch_unwind)]
    pub fn attach_view<'env>(
        &self,
        env: &'env Env,
        handle: f64,
        index: u32,
        shared: bool,
    ) -> Result<Unknown<'env>> {
        let handle = handle as u64;
        let view = self
            .worker
            .view(handle, index as usize)
            .map_err(|error| system_error(&error))?;
        let mut buffers = self.buffers.borrow_mut();
        let value = buffers.view(env, &self.worker, handle, view, shared)?;
        // SAFETY: made just now in this environment.
        Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), value) })
    }

    /// A copy of one buffer of an object, where a view of it can't be had or would keep the object.
    #[napi(catch_unwind)]
    pub fn copy_buffer<'env>(
        &self,
        env: &'env Env,
        handle: f64,
        index: u32,
    ) -> Result<Unknown<'env>> {
        let (handle, index) = (handle as u64, index as usize);
        let length = self
            .worker
            .buffer_length(handle, index)
            .map_err(|error| system_error(&error))?;
        let value = views::new_buffer(env, length as usize, |target| {
            self.worker.copy_buffer(handle, index, target)
        })?;
        // SAFETY: made just now in this environment.
        Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), value) })
    }

    /// Notes an object without keeping it alive: `sweep` tells when it is garbage. Returns its number.
    #[napi(catch_unwind)]
    pub fn watch_object(&self, env: Env, object: Unknown<'_>) -> Result<u32> {
        self.watched.borrow_mut().add(&env, &object)
    }

    /// Forgets an object.
    #[napi(catch_unwind)]
    pub fn unwatch_object(&self, env: Env, number: u32) {
        self.watched.borrow_mut().remove(&env, number);
    }

    /// The numbers of the objects that have been collected; each is told once.
    #[napi(catch_unwind)]
    pub fn sweep_objects(&self, env: Env) -> Vec<u32> {
        self.watched.borrow_mut().sweep(&env)
    }

    /// Gives the store the room of buffers that have been collected and whose finalizers wait for a turn of the event
    /// loop.
    #[napi(catch_unwind)]
    pub fn copy_garbage_out(&self, env: Env) {
        self.buffers.borrow_mut().copy_garbage_out(&env);
    }

    /// True if the raylet has asked for garbage to be collected and this was not told before.
    #[napi(catch_unwind)]
    pub fn shall_collect(&self) -> bool {
        self.worker.shall_collect()
    }

    #[napi(catch_unwind)]
    pub fn fetch_meta(&self, handle: f64) -> Option<Uint8Array> {
        self.worker.fetch_meta(handle as u64).map(Uint8Array::new)
    }

    #[napi(catch_unwind)]
    pub fn declare_class(
        &self,
        resources: Vec<Quantity>,
        environment: u32,
        pipelined: bool,
    ) -> u32 {
        self.worker
            .declare_class(pairs(resources), environment, pipelined)
    }

    #[napi(catch_unwind)]
    pub fn declare_environment(&self, variables: Vec<Variable>) -> Result<u32> {
        let variables = variables
            .into_iter()
            .map(|variable| (variable.name, variable.value))
            .collect();
        self.worker
            .declare_environment(variables)
            .map_err(|error| system_error(&error))
    }

    #[napi(catch_unwind)]
    pub fn declare_template(&self, options: TemplateOptions) -> Result<u32> {
        let function = function_id(&options.function)?;
        let (export_object, export) = self.exported(options.export_handle)?;
        let template = Template {
            function,
            name: options.name,
            export,
            export_object,
            class: options.class,
            max_retries: options.max_retries as i64,
        };
        Ok(self
            .worker
            .declare_template(template, options.export_handle as u64))
    }

    /// One user less of a template, which `declareTemplate` counts.
    #[napi(catch_unwind)]
    pub fn release_template(&self, number: u32) {
        self.worker.release_template(number);
    }

    /// Tells V8's garbage collector of memory outside of its heap that objects in it keep.
    #[napi(catch_unwind)]
    pub fn adjust_external_memory(&self, env: Env, change: f64) -> Result<()> {
        env.adjust_external_memory(change as i64)?;
        Ok(())
    }

    fn exported(&self, handle: f64) -> Result<(Option<ObjectId>, Payload)> {
        let (id, payload) = self
            .worker
            .payload(handle as u64)
            .ok_or_else(|| Error::from_reason("the exported function is gone"))?;
        let object = (payload.is_stored() || !payload.nested.is_empty()).then_some(id);
        if object.is_some() {
            self.worker.publish(&[handle as u64]);
        }
        Ok((object, payload))
    }

    #[napi(catch_unwind)]
    pub fn create_actor(
        &self,
        env: Env,
        creation: ActorCreation,
        record: Unknown<'_>,
    ) -> Result<FoundActor> {
        let (export_object, export) = self.exported(creation.export_handle)?;
        let id = ObjectId::local(self.worker.process(), creation.sequence as u64);
        let handle = creation.handle.clone();
        let name = creation.name.clone();
        let new = NewActor {
            sequence: creation.sequence as u64,
            class: function_id(&creation.class)?,
            export,
            export_object,
            options: ActorOptions {
                class_name: creation.class_name,
                name: creation.name,
                namespace: creation.namespace,
                detached: creation.detached,
                max_restarts: creation.max_restarts as i64,
                placement: pairs(creation.placement),
                held: pairs(creation.held),
                environment: creation.environment,
                max_concurrency: creation.max_concurrency,
                methods: creation.methods,
                handle: creation.handle,
            },
            get_if_exists: creation.get_if_exists,
        };
        match self.worker.create_actor(new, borrow_bytes(&env, &record)?) {
            Ok(number) => Ok(FoundActor {
                id: Uint8Array::new(id.to_bytes().to_vec()),
                number,
                handle,
            }),
            Err(CreationRefused::Exists(actor)) => Ok(FoundActor {
                id: Uint8Array::new(actor.id.to_bytes().to_vec()),
                number: 0,
                handle: actor.handle,
            }),
            Err(CreationRefused::NameTaken) => {
                Err(Error::from_reason(format!("eagleray-taken:{name}")))
            }
            Err(CreationRefused::RayletGone) => Err(system_error(&SystemError::new(
                "NotInitializedError",
                "the runtime has ended",
            ))),
            Err(CreationRefused::Malformed) => Err(Error::from_reason("a malformed creation")),
        }
    }

    #[napi(catch_unwind)]
    pub fn actor_number(&self, id: Uint8Array, ordered: bool) -> Result<u32> {
        Ok(self.worker.actor_handle(id_from(&id)?, ordered))
    }

    #[napi(catch_unwind)]
    pub fn open_calls(&self, actor: u32) -> Vec<f64> {
        let sequences = self.worker.open_calls(actor).into_iter();
        sequences.map(|sequence| sequence as f64).collect()
    }

    #[napi(catch_unwind)]
    pub fn kill_actor(&self, id: Uint8Array, may_restart: bool) -> Result<()> {
        self.worker.kill_actor(id_from(&id)?, may_restart);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn find_actor(&self, name: String, namespace: String) -> Result<Option<FoundActor>> {
        let found = self
            .worker
            .find_actor(name, namespace)
            .map_err(|error| system_error(&error))?;
        Ok(found.map(|actor| FoundActor {
            id: Uint8Array::new(actor.id.to_bytes().to_vec()),
            number: 0,
            handle: actor.handle,
        }))
    }

    #[napi(catch_unwind)]
    pub fn cancel(&self, handle: f64, force: bool, recursive: bool) -> bool {
        self.worker.cancel(handle as u64, force, recursive)
    }

    #[napi(catch_unwind)]
    pub fn node(&self) -> Result<NodeState> {
        let node = self.worker.node().map_err(|error| system_error(&error))?;
        Ok(NodeState {
            total: quantities(node.total),
            available: quantities(node.available),
            store_used: node.store_used as f64,
            store_total: node.store_total as f64,
            worker_pids: node.workers.into_iter().map(|(_, pid)| pid).collect(),
            objects: node.objects as f64,
            actors: node.actors as f64,
        })
    }

    #[napi(catch_unwind)]
    pub fn ready(&self) {
        self.worker.ready();
    }

    /// A function's envelope, as a value record.
    #[napi(catch_unwind)]
    pub fn function(&self, number: u32) -> f64 {
        let mut out = self.records();
        if self.worker.function(number, &mut out) {
            self.deliver(&out)
        } else {
            0.0
        }
    }

    #[napi(catch_unwind)]
    pub fn store_result(
        &self,
        env: Env,
        token: u32,
        index: u32,
        status: u32,
        meta: Unknown<'_>,
        buffers: Vec<Unknown<'_>>,
        refs: Vec<f64>,
        actors: Vec<f64>,
        patient: bool,
    ) -> Result<()> {
        let meta = borrow_bytes(&env, &meta)?;
        let buffers = buffers
            .iter()
            .map(|buffer| borrow_bytes(&env, buffer))
            .collect::<Result<Vec<_>>>()?;
        let refs: Vec<u64> = refs.into_iter().map(|handle| handle as u64).collect();
        let status = u8::try_from(status)
            .ok()
            .and_then(Status::from_byte)
            .unwrap_or(Status::UserError);
        self.worker
            .store_result(
                token,
                index,
                status,
                meta,
                &buffers,
                &refs,
                &actor_numbers(&actors),
                patient,
            )
            .map_err(|error| system_error(&error))
    }

    /// What `storeResult` has stored for a task is no result of it: the task has failed meanwhile.
    #[napi(catch_unwind)]
    pub fn discard_results(&self, token: u32) {
        self.worker.discard_results(token);
    }

    #[napi(catch_unwind)]
    pub fn actor_started(&self, env: Env, status: u32, meta: Unknown<'_>) -> Result<()> {
        let meta = borrow_bytes(&env, &meta)?;
        let status = u8::try_from(status)
            .ok()
            .and_then(Status::from_byte)
            .unwrap_or(Status::UserError);
        self.worker.actor_started(Outcome {
            status,
            payload: Payload::inline(meta),
        });
        Ok(())
    }

    /// The constructor has thrown an error that is stored as an object, of which one count goes.
    #[napi(catch_unwind)]
    pub fn actor_failed(&self, stored: f64) {
        self.worker.actor_failed(stored as u64);
    }

    #[napi(catch_unwind)]
    pub fn is_cancelled(&self, token: u32) -> bool {
        self.worker.is_cancelled(token)
    }

    #[napi(catch_unwind)]
    pub fn gpu_ids(&self) -> Vec<String> {
        self.worker.gpu_ids()
    }

    #[napi(catch_unwind)]
    pub fn collected(&self) {
        self.worker.collected();
    }

    /// Runs nothing any more. An event says when what this process has begun is done, and it shall end.
    #[napi(catch_unwind)]
    pub fn leave(&self, reason: String) {
        self.worker.leave(reason);
    }

    /// Says whether this worker has something to do when the runtime ends; then an event tells it.
    #[napi(catch_unwind)]
    pub fn ends_in_order(&self, wanted: bool) {
        self.worker.ends_in_order(wanted);
    }

    /// Returns once all that this process has said is out of it.
    #[napi(catch_unwind)]
    pub fn say_farewell(&self) {
        self.worker.say_farewell(FAREWELL);
    }

    #[napi(catch_unwind)]
    pub fn settings(&self) -> String {
        self.worker.welcome().settings.clone()
    }

    #[napi(catch_unwind)]
    pub fn process_number(&self) -> u32 {
        self.worker.process()
    }

    #[napi(catch_unwind)]
    pub fn is_ended(&self) -> bool {
        self.worker.is_ended()
    }

    #[napi(catch_unwind)]
    pub fn statistics(&self) -> RuntimeStatistics {
        let statistics = self.worker.statistics();
        RuntimeStatistics {
            finished: statistics.finished as f64,
            open: statistics.open as f64,
            in_flight: statistics.in_flight as f64,
            objects: statistics.objects as f64,
        }
    }

    #[napi(catch_unwind)]
    pub fn report_unseen(&self) {
        self.worker.report_unseen();
    }

    /// Asks the raylet to end; the event `RAYLET_GONE` follows when all workers have.
    #[napi(catch_unwind)]
    pub fn shut_down(&self) {
        self.worker.shut_down();
    }

    /// Ends the runtime at once, for a process whose event loop does not turn any more. What the raylet still
    /// said, lines of workers above all, can be collected afterwards.
    #[napi(catch_unwind)]
    pub fn end_at_once(&self) {
        self.worker.end_at_once(STOP_DEADLINE);
    }

    /// Makes events of the lines that workers have written by now.
    #[napi(catch_unwind)]
    pub fn drain_output(&self) {
        self.worker.drain_output();
    }

    /// Lets go of everything: the last call. Ends the raylet, if this process hosts one.
    #[napi(catch_unwind)]
    pub fn close(&mut self, env: Env) -> Result<()> {
        self.held.borrow_mut().release();
        if std::mem::take(&mut self.hooked) {
            let owner = Rc::as_ptr(&self.held);
            // SAFETY: added in `new` with the same function and pointer; not removed before.
            check_status!(unsafe {
                sys::napi_remove_env_cleanup_hook(
                    env.raw(),
                    Some(release_at_end),
                    owner.cast_mut().cast::<c_void>(),
                )
            })?;
            // SAFETY: the count that the hook owned.
            unsafe { Rc::decrement_strong_count(owner) };
        }
        Ok(())
    }
}

/// The environment ends and JavaScript no longer runs: lets go of what a runtime holds.
unsafe extern "C" fn release_at_end(held: *mut c_void) {
    // SAFETY: the count that `Runtime::new` gave to the hook; a hook runs once, on JavaScript's thread.
    let held = unsafe { Rc::from_raw(held.cast_const().cast::<RefCell<Held>>()) };
    held.borrow_mut().release();
}

fn function_id(bytes: &[u8]) -> Result<[u8; 16]> {
    bytes
        .try_into()
        .map_err(|_| Error::from_reason("a function's id has 16 bytes"))
}
