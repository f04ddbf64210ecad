//! The way in: a core worker behind its lock.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use eagleray_ipc::{ControlSocket, Doorbell, Mailbox};
use eagleray_object_store::{Segment, View};
use eagleray_protocol::{
    ActorId, FromRaylet, NamedActor, NodeSummary, ObjectId, Outcome, Payload, ProcessNumber,
    Status, SystemError, ToRaylet, Welcome,
};

use crate::actors::{CreationRefused, NewActor};
use crate::connection::Use;
use crate::core::{Core, Submissions};
use crate::events::{
    EVENT_CANCELLED, EVENT_COLLECT, EVENT_EXIT, EVENT_OUTPUT, EVENT_RAYLET_GONE, EVENT_UNHANDLED,
    Event, RecordWriter,
};
use crate::executor::Cancellation;
use crate::objects::Handle;
use crate::pacemaker::Pacemaker;
use crate::store::Freed;
use crate::tasks::Template;
use crate::waits::WaitStart;

/// How long the first message of the raylet may take.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(30);

/// A driver's or worker's side of the runtime.
pub struct CoreWorker {
    core: Mutex<Core>,
    pacemaker: Pacemaker,
    freed: Arc<Mutex<Vec<Freed>>>,
    this: Weak<Self>,
    segment: Arc<Segment>,
    welcome: Welcome,
    doorbell: RawFd,
    control: RawFd,
}

/// How a blocking `get` or `wait` ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Blocked {
    /// The record is written.
    Done,
    /// The time was over.
    TimedOut,
    /// The task that waits was cancelled.
    Cancelled,
    /// The runtime has ended.
    Ended,
    /// The raylet asks for what nobody uses, perhaps to make room for just what is waited for: collect
    /// garbage, and wait again.
    Collect,
}

/// Counts for the progress line and for tests.
#[derive(Copy, Clone, Debug, Default)]
pub struct Statistics {
    /// Tasks that were answered, since the start.
    pub finished: u64,
    /// Tasks that are neither answered nor failed.
    pub open: u64,
    /// Tasks in flight on leases or actors.
    pub in_flight: u64,
    /// Objects with an entry.
    pub objects: u64,
}

impl CoreWorker {
    /// Connects to the raylet over a control socket. `segment` is the mapping to share if the raylet
    /// lives in the same process; otherwise the one that the raylet sends is mapped.
    pub fn connect(control: OwnedFd, segment: Option<Arc<Segment>>) -> io::Result<Arc<Self>> {
        let mut control = ControlSocket::from_fd(control)?;
        let (welcome, fds, early) = read_welcome(&mut control)?;
        let mut fds = fds.into_iter();
        let (Some(memory), Some(doorbell)) = (fds.next(), fds.next()) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a welcome without its descriptors",
            ));
        };
        let segment = match segment {
            Some(segment) => segment,
            None => Arc::new(Segment::open(memory)?),
        };
        let doorbell = Doorbell::from_fd(doorbell);
        let mailbox = segment
            .pointer(welcome.mailbox, eagleray_ipc::mailbox::MAILBOX_SIZE as u64)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        // SAFETY: the segment stays mapped as long as the core worker lives, which holds it; `pointer`
        // has checked bounds, and the raylet gives every process a page of its own.
        let mailbox = unsafe { Mailbox::at(mailbox) };
        let freed = Arc::default();
        let (doorbell_fd, control_fd) = (doorbell.fd().as_raw_fd(), control.fd().as_raw_fd());
        let mut core = Core::new(
            &welcome,
            Arc::clone(&segment),
            control,
            doorbell,
            mailbox,
            Arc::clone(&freed),
        );
        for (frame, fds) in early {
            core.sort_frame_of_raylet(&frame, fds);
        }
        Ok(Arc::new_cyclic(|this| Self {
            core: Mutex::new(core),
            pacemaker: Pacemaker::new(),
            freed,
            this: Weak::clone(this),
            segment,
            welcome,
            doorbell: doorbell_fd,
            control: control_fd,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic while the lock was held has been reported already; going on beats a second one.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `action` under the lock, then sends what came of it.
    fn with<R>(&self, action: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.lock();
        let result = action(&mut core);
        core.handle_deferred();
        core.settle();
        core.rouse();
        self.pace_if_needed(&mut core);
        result
    }

    fn pace_if_needed(&self, core: &mut Core) {
        if std::mem::take(&mut core.pace_needed) {
            self.pacemaker.need(&self.this);
        }
    }

    /// Who this process is.
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// The descriptors to poll for reading: the doorbell's and the control socket's.
    pub fn descriptors(&self) -> [RawFd; 2] {
        [self.doorbell, self.control]
    }

    /// The segment, for views.
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Where finalizers put what they freed; see [`Self::note_freed`].
    pub fn note_freed(&self, freed: Freed) {
        self.freed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(freed);
        // Whoever runs the finalizer may be no thread of ours, and JavaScript may be idle.
        self.pacemaker.need(&self.this);
    }

    /// Gives the buffer in which JavaScript writes operations.
    ///
    /// # Safety
    /// `base` is aligned to 8 and points to `length` bytes that stay valid and in place for the life of
    /// this core worker, or until it is detached with a null pointer.
    pub unsafe fn attach_submissions(&self, base: *mut u8, length: usize) {
        self.lock().submissions = if base.is_null() {
            None
        } else {
            Some(Submissions {
                base,
                length,
                consumed: 0,
            })
        };
    }

    /// Carries out all operations written so far and starts their buffer anew. `more` says that
    /// JavaScript may write further ones in this turn without saying so.
    pub fn flush(&self, more: bool) {
        let mut core = self.lock();
        core.pump();
        core.reset_submissions();
        // JavaScript looks at the end of its turn.
        core.idle = false;
        core.turn_open |= more;
        core.pace_needed |= more;
        self.pace_if_needed(&mut core);
    }

    /// Takes in what has happened, spinning for a short while if `spin` and something is awaited.
    /// Appends records of events; true if there are more than fit into about `limit` bytes.
    pub fn collect(&self, spin: bool, limit: usize, out: &mut RecordWriter) -> bool {
        let mut core = self.lock();
        core.pump();
        if spin && !core.has_events() && core.waits.len() > 0 && core.spin_for_incoming(false) {
            core.pump();
        }
        while let Some(event) = core.next_event() {
            write_event(&mut core, event, out);
            if out.bytes.len() >= limit {
                break;
            }
        }
        core.settle();
        core.idle = false;
        core.turn_open = false;
        core.news = false;
        self.pace_if_needed(&mut core);
        core.has_events()
    }

    /// Says that JavaScript is about to go idle. True if something has come in meanwhile: then it
    /// should look again instead. `takes_tasks` says that it would take a task now.
    pub fn prepare_to_sleep(&self, takes_tasks: bool) -> bool {
        let mut core = self.lock();
        core.send_all();
        core.mailbox.prepare_to_sleep();
        core.idle = !core.has_incoming(takes_tasks) && !core.has_events() && !core.news;
        if !core.idle {
            core.mailbox.cancel_sleep();
        }
        !core.idle
    }

    /// JavaScript was woken by the doorbell.
    pub fn woken(&self) {
        let mut core = self.lock();
        core.receive();
        core.mailbox.cancel_sleep();
        // An empty doorbell is no error: the control socket may have woken us.
        let _ = core.doorbell.clear();
    }

    /// A tick of the pacemaker; true if it is still needed.
    pub(crate) fn pace(&self) -> bool {
        // JavaScript's thread is inside a call, so it makes progress itself.
        let Ok(mut core) = self.core.try_lock() else {
            return true;
        };
        core.pump();
        let mut unrung = false;
        for connection in core.connections.iter_mut().flatten() {
            if connection.is_unrung() {
                connection.ring();
            }
            unrung |= connection.is_unrung();
        }
        if core.has_events() && core.mailbox.is_sleeping() {
            core.mailbox.cancel_sleep();
            let _ = core.doorbell.ring();
        }
        core.pace_needed = false;
        // Also what the raylet asks for, such as an idle lease, has to be seen to in a long turn.
        unrung || core.turn_open || core.has_tasks_to_send()
    }

    // ---- objects

    /// What follows upon the start of a `get` or `wait`.
    fn go_on(&self, core: &mut Core, start: &WaitStart) {
        if matches!(start, WaitStart::Pending(_)) {
            core.pump();
            // JavaScript looks at the end of its turn.
            core.idle = false;
        } else {
            core.rouse();
        }
        self.pace_if_needed(core);
    }

    /// Starts a `get`; see [`Core::start_get`].
    pub fn get(&self, handles: &[Handle], out: &mut RecordWriter) -> WaitStart {
        let mut core = self.lock();
        core.take_submissions();
        let start = core.start_get(handles, true, out);
        self.go_on(&mut core, &start);
        start
    }

    /// Starts a `wait`.
    pub fn wait(&self, handles: &[Handle], needed: usize, out: &mut RecordWriter) -> WaitStart {
        let mut core = self.lock();
        core.take_submissions();
        if core.has_incoming(false) {
            core.pump();
        }
        let start = core.start_wait(handles, needed, true, out);
        self.go_on(&mut core, &start);
        start
    }

    /// What is ready now, up to `needed`.
    pub fn ready_now(&self, handles: &[Handle], needed: usize, out: &mut RecordWriter) {
        self.with(|core| {
            core.pump();
            core.ready_now(handles, needed, out);
        });
    }

    /// Forgets a `get` or `wait`.
    pub fn withdraw(&self, wait: u32) {
        self.lock().withdraw_wait(wait);
    }

    /// As [`Self::get`] or, with `needed`, [`Self::wait`], blocking this thread. `token` is the task
    /// that waits, if one does.
    pub fn block(
        &self,
        handles: &[Handle],
        needed: Option<usize>,
        timeout: Option<Duration>,
        token: u32,
        out: &mut RecordWriter,
    ) -> Result<Blocked, WaitStart> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut core = self.lock();
        let ended = core.block(handles, needed, deadline, token, out);
        core.settle();
        core.rouse();
        self.pace_if_needed(&mut core);
        ended
    }

    /// The handle of an object, with one more count.
    pub fn borrow(&self, id: ObjectId) -> Handle {
        self.lock().borrow(id)
    }

    /// The id behind a handle.
    pub fn object_id(&self, handle: Handle) -> Option<ObjectId> {
        self.lock().objects.get(handle).map(|entry| entry.id)
    }

    /// Stores a value of this process under its next sequence number.
    pub fn put(
        &self,
        sequence: u64,
        meta: &[u8],
        buffers: &[&[u8]],
        refs: Vec<Handle>,
        actors: Vec<u32>,
        patient: bool,
    ) -> Result<(), SystemError> {
        self.with(|core| {
            core.take_submissions();
            let payload = core.store_value(meta, buffers, patient)?;
            core.put(sequence, payload, refs, actors)
        })
    }

    /// Hands out memory to be filled in place.
    pub fn allocate(&self, length: u64, patient: bool) -> Result<(usize, usize), SystemError> {
        self.with(|core| core.allocate_region(length, patient))
    }

    /// Maps one buffer of an object copy-on-write. Report [`Freed::View`] when it is unmapped.
    pub fn view(&self, handle: Handle, index: usize) -> Result<View, SystemError> {
        self.lock().view_buffer(handle, index)
    }

    /// The length of one buffer of an object, in bytes.
    pub fn buffer_length(&self, handle: Handle, index: usize) -> Result<u64, SystemError> {
        let core = self.lock();
        core.buffer_extent(handle, index)
            .map(|extent| extent.length)
    }

    /// Copies one buffer of an object, where a view can't be had.
    pub fn copy_buffer(
        &self,
        handle: Handle,
        index: usize,
        target: &mut [u8],
    ) -> Result<(), SystemError> {
        self.lock().copy_buffer(handle, index, target)
    }

    /// The envelope of an object whose envelope is in the store.
    pub fn fetch_meta(&self, handle: Handle) -> Option<Vec<u8>> {
        self.lock().fetch_meta(handle)
    }

    /// The payload of an object of this process, to export it as a function.
    pub fn payload(&self, handle: Handle) -> Option<(ObjectId, Payload)> {
        let core = self.lock();
        let entry = core.objects.get(handle)?;
        Some((entry.id, entry.value.outcome()?.payload))
    }

    /// Makes refs known to others, because they are about to leave this process.
    pub fn publish(&self, handles: &[Handle]) {
        self.with(|core| {
            core.take_submissions();
            for &handle in handles {
                core.publish(handle);
            }
        });
    }

    // ---- tasks and actors

    /// The number of a scheduling class.
    pub fn declare_class(
        &self,
        resources: Vec<(String, f64)>,
        environment: u32,
        pipelined: bool,
    ) -> u32 {
        self.with(|core| core.declare_class(resources, environment, pipelined))
    }

    /// The number of a template. `export` is the object that holds its function, and is held from now on.
    pub fn declare_template(&self, template: Template, export: Handle) -> u32 {
        self.lock().declare_template(template, export)
    }

    /// The number of an environment.
    pub fn declare_environment(
        &self,
        variables: Vec<(String, String)>,
    ) -> Result<u32, SystemError> {
        self.request(
            |request| ToRaylet::DeclareEnvironment { request, variables },
            |answer| match answer {
                FromRaylet::Environment { number, .. } => Some(number),
                _ => None,
            },
        )
    }

    /// Creates an actor; `record` is the submission of its creation.
    pub fn create_actor(&self, new: NewActor, record: &[u8]) -> Result<u32, CreationRefused> {
        self.with(|core| {
            core.take_submissions();
            core.turn_open = true;
            core.pace_needed = true;
            core.create_actor(new, record)
        })
    }

    /// The number of an actor that this process was given a handle of.
    pub fn actor_handle(&self, id: ActorId, ordered: bool) -> u32 {
        self.lock().actor_handle(id, ordered, false)
    }

    /// The calls that this process made of an actor and that are open, by their sequence numbers.
    pub fn open_calls(&self, actor: u32) -> Vec<u64> {
        self.with(|core| {
            core.pump();
            core.open_calls(actor)
        })
    }

    /// Ends an actor at once.
    pub fn kill_actor(&self, actor: ActorId, may_restart: bool) {
        self.with(|core| {
            core.take_submissions();
            core.tell(ToRaylet::KillActor { actor, may_restart });
        });
        // The name is free and calls fail from here on, also for this process's next call.
        let _ = self.synchronize();
    }

    /// Looks an actor up by its name.
    pub fn find_actor(
        &self,
        name: String,
        namespace: String,
    ) -> Result<Option<NamedActor>, SystemError> {
        self.request(
            |request| ToRaylet::FindActor {
                request,
                name,
                namespace,
            },
            |answer| match answer {
                FromRaylet::FoundActor { actor, .. } => Some(actor),
                _ => None,
            },
        )
    }

    /// Cancels the task that makes an object. False if that is refused: a call of an actor can't be
    /// forced, because its process is not the call's alone.
    pub fn cancel(&self, handle: Handle, force: bool, recursive: bool) -> bool {
        self.with(|core| {
            core.pump();
            let Some(entry) = core.objects.get(handle) else {
                return true;
            };
            if force && core.is_call(handle) {
                return false;
            }
            let id = entry.id;
            if id.owner == core.process {
                core.cancel(handle, force, recursive);
            } else {
                core.tell(ToRaylet::Cancel {
                    worker: id.owner,
                    task: id,
                    force,
                    recursive,
                });
            }
            true
        })
    }

    /// The state of the node.
    pub fn node(&self) -> Result<NodeSummary, SystemError> {
        self.request(
            |request| ToRaylet::QueryNode { request },
            |answer| match answer {
                FromRaylet::Node { summary, .. } => Some(summary),
                _ => None,
            },
        )
    }

    /// Returns once the raylet has done all that this process asked before.
    pub fn synchronize(&self) -> Result<(), SystemError> {
        self.request(
            |request| ToRaylet::Synchronize { request },
            |answer| match answer {
                FromRaylet::Acknowledged { .. } => Some(()),
                _ => None,
            },
        )
    }

    fn request<R>(
        &self,
        message: impl FnOnce(u64) -> ToRaylet,
        read: impl FnOnce(FromRaylet) -> Option<R>,
    ) -> Result<R, SystemError> {
        self.with(|core| {
            core.take_submissions();
            let request = core.next_request();
            core.tell(message(request));
            core.answer(request).and_then(read).ok_or_else(Core::ended)
        })
    }

    // ---- executing

    /// A worker is ready for tasks.
    pub fn ready(&self) {
        self.with(|core| {
            let pid = core.pid;
            core.tell(ToRaylet::Ready { pid });
        });
    }

    /// The next task's record, copied by `take`; spins a little for one if `spin`. False if there is none.
    pub fn next_task(&self, spin: bool, take: impl FnOnce(&[u8])) -> bool {
        let mut core = self.lock();
        core.pump();
        if !core.has_incoming_task() && spin {
            core.ring_unrung();
            core.spin_for_incoming(true);
            core.pump();
        }
        let found = match core.next_task() {
            Some(record) => {
                take(record);
                true
            }
            None => {
                core.ring_unrung();
                false
            }
        };
        core.settle();
        self.pace_if_needed(&mut core);
        found
    }

    /// The envelope of a function, as a value record.
    pub fn function(&self, number: u32, out: &mut RecordWriter) -> bool {
        self.lock().write_function(number, out)
    }

    /// Stores one result of a running task that is too large to travel, or carries ids.
    #[allow(
        clippy::too_many_arguments,
        reason = "they are those of the call from JavaScript, one for one"
    )]
    pub fn store_result(
        &self,
        token: u32,
        index: u32,
        status: Status,
        meta: &[u8],
        buffers: &[&[u8]],
        refs: &[Handle],
        actors: &[u32],
        patient: bool,
    ) -> Result<(), SystemError> {
        self.with(|core| {
            core.take_submissions();
            let Some((id, holder)) = core.result_id(token, index) else {
                return Ok(());
            };
            for &handle in refs {
                core.publish(handle);
            }
            let mut payload = core.store_value(meta, buffers, patient)?;
            payload.nested = core.nested_ids(refs, actors).into();
            let stored = core.describe_result(&payload, patient)?;
            core.seal_for(id, holder, &payload, stored.extent());
            core.add_stored_result(token, index, status, &stored);
            core.seal_result_regions(id, &payload)
        })
    }

    /// Answers a task.
    pub fn finish(&self, token: u32, results: &[u8], retire: bool) {
        let mut core = self.lock();
        core.take_submissions();
        core.finish(token, results, retire);
        core.settle();
        self.pace_if_needed(&mut core);
    }

    /// The constructor of this process's actor has ended.
    pub fn actor_started(&self, outcome: Outcome) {
        self.with(|core| {
            core.take_submissions();
            core.actor_started(outcome);
        });
    }

    /// The running task begins to wait, without blocking the thread.
    pub fn enter_wait(&self) {
        self.with(Core::enter_wait);
    }

    /// The running task has what it waited for.
    pub fn leave_wait(&self) {
        self.with(Core::leave_wait);
    }

    /// True if a running task was cancelled; looks at what the raylet has sent until now.
    pub fn is_cancelled(&self, token: u32) -> bool {
        self.with(|core| {
            core.receive();
            core.is_cancelled(token)
        })
    }

    /// How the cancellation of a running task stands. If it is fresh, this call counts as telling the task.
    pub fn tell_cancellation(&self, token: u32) -> Cancellation {
        self.lock().tell_cancellation(token)
    }

    /// The GPUs of this actor, or of the lease that the running task belongs to.
    pub fn gpu_ids(&self) -> Vec<String> {
        // Said by the raylet before the lease was granted, so it has arrived by now.
        self.with(|core| {
            core.receive();
            core.executor.gpu_ids.clone()
        })
    }

    /// The id of a running task, or (token 0) of the actor of this process.
    pub fn task_id(&self, token: u32, sequence: u64) -> ObjectId {
        let core = self.lock();
        if token == 0 {
            return core
                .executor
                .actor_id
                .unwrap_or(ObjectId::local(core.process, sequence));
        }
        core.result_id(token, 0)
            .map_or(ObjectId::local(core.process, sequence), |(id, _)| id)
    }

    /// The process of the raylet's numbering.
    pub fn process(&self) -> ProcessNumber {
        self.welcome.process
    }

    /// Says why this process ends on purpose, and makes sure that what it wrote is on its way.
    pub fn leave(&self, reason: String) {
        {
            let mut core = self.lock();
            core.pump();
            core.ring_unrung();
            core.tell(ToRaylet::Leaving { reason });
            core.settle();
            // Replies that wait for room count as well; their readers make room or die.
            while core.has_waiting_frames() && !core.raylet_gone {
                core.sleep(None);
                core.pump();
            }
        }
        let _ = self.synchronize();
    }

    /// True once for each time that the raylet has asked for garbage to be collected; for those who can't
    /// wait for the event that says so, because the event loop does not turn meanwhile.
    pub fn shall_collect(&self) -> bool {
        let mut core = self.lock();
        core.receive();
        let before = core.events.len();
        core.events
            .retain(|event| !matches!(event, Event::CollectGarbage));
        core.events.len() < before
    }

    /// Garbage was collected, as the raylet asked.
    pub fn collected(&self) {
        self.with(|core| {
            core.pump();
            core.tell(ToRaylet::Collected {});
        });
    }

    /// Reports failed results that nobody has looked at, as events; for the end of the runtime.
    pub fn report_unseen(&self) {
        self.with(|core| {
            core.pump();
            core.report_unseen();
        });
    }

    /// Ends the runtime; the driver's last message.
    pub fn shut_down(&self) {
        self.with(|core| core.tell(ToRaylet::Shutdown {}));
    }

    /// Ends the runtime without the event loop, and takes in what the raylet says until its end, for at most
    /// `limit`.
    pub fn end_at_once(&self, limit: Duration) {
        let deadline = Instant::now().checked_add(limit);
        self.with(|core| {
            core.pump();
            core.tell(ToRaylet::Shutdown {});
            while !core.raylet_gone {
                let rest = deadline.map(|at| at.saturating_duration_since(Instant::now()));
                match core.control.wait_readable(rest) {
                    Ok(true) => core.receive(),
                    // Whoever closes the runtime next waits for the raylet's end, and not for its words.
                    Ok(false) | Err(_) => return,
                }
            }
        });
    }

    /// Takes in what workers have written by now.
    pub fn drain_output(&self) {
        // Where the raylet is gone, there is nothing to take in but its end.
        let _ = self.request(|request| ToRaylet::DrainOutput { request }, |_| Some(()));
    }

    /// Ends the pacemaker. Views and refs that are left do no harm.
    pub fn close(&self) {
        self.pacemaker.stop();
        self.lock().submissions = None;
    }

    /// True once the raylet is gone.
    pub fn is_ended(&self) -> bool {
        self.lock().raylet_gone
    }

    /// Counts.
    pub fn statistics(&self) -> Statistics {
        let core = self.lock();
        Statistics {
            finished: core.finished_count,
            open: core.task_count as u64,
            in_flight: core.in_flight_count(),
            objects: core.objects.len() as u64,
        }
    }
}

impl Core {
    /// Spins until a ring has something, for as long as that has paid off lately.
    fn spin_for_incoming(&mut self, takes_tasks: bool) -> bool {
        let connections = &self.connections;
        self.spin.spin(|| {
            connections.iter().flatten().any(|connection| {
                connection.reader.has_ready() && (takes_tasks || connection.use_of != Use::Executes)
            })
        })
    }

    /// Tells peers of what they have not been told.
    fn ring_unrung(&mut self) {
        for connection in self.connections.iter_mut().flatten() {
            if connection.is_unrung() {
                connection.ring();
            }
        }
    }

    fn block(
        &mut self,
        handles: &[Handle],
        needed: Option<usize>,
        deadline: Option<Instant>,
        token: u32,
        out: &mut RecordWriter,
    ) -> Result<Blocked, WaitStart> {
        self.pump();
        self.reset_submissions();
        // Before anything else, because a cancelled task's children were cancelled with it: what it would wait for
        // has ended then.
        if self.tell_cancellation(token) == Cancellation::Fresh {
            return Ok(Blocked::Cancelled);
        }
        let start = match needed {
            None => self.start_get(handles, false, out),
            Some(needed) => self.start_wait(handles, needed, false, out),
        };
        let number = match start {
            WaitStart::Done => return Ok(Blocked::Done),
            WaitStart::Pending(number) => number,
            refused => return Err(refused),
        };
        if token != 0 {
            self.enter_wait();
        }
        self.settle();
        let ended = self.block_until(number, deadline, token);
        if token != 0 {
            self.leave_wait();
        }
        if ended == Blocked::Done {
            self.finish_wait(number, out);
        } else {
            self.withdraw_wait(number);
            if let (Blocked::TimedOut, Some(needed)) = (&ended, needed) {
                self.ready_now(handles, needed, out);
            }
        }
        Ok(ended)
    }

    /// Takes part in everything until a wait has ended.
    fn block_until(&mut self, number: u32, deadline: Option<Instant>, token: u32) -> Blocked {
        loop {
            self.pump();
            // First, because a cancelled task's children are cancelled with it, which ends what it waits for.
            if self.tell_cancellation(token) == Cancellation::Fresh {
                return Blocked::Cancelled;
            }
            if self.wait_is_done(number) {
                return Blocked::Done;
            }
            if self.raylet_gone {
                return Blocked::Ended;
            }
            let asks = |event: &Event| matches!(event, Event::CollectGarbage);
            if self.events.iter().any(asks) {
                return Blocked::Collect;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Blocked::TimedOut;
            }
            // Nobody else makes progress while this thread has the lock.
            self.ring_unrung();
            if !self.spin_for_incoming(false) {
                self.sleep(left);
            }
        }
    }
}

fn write_event(core: &mut Core, event: Event, out: &mut RecordWriter) {
    match event {
        Event::Wait { number } => core.finish_wait(number, out),
        Event::UnhandledError { outcome } => {
            out.begin(EVENT_UNHANDLED);
            out.value(outcome.status as u32, 0, &outcome.payload);
            out.end();
        }
        Event::Output {
            pid,
            name,
            is_error,
            text,
        } => {
            out.begin(EVENT_OUTPUT);
            out.u32(pid);
            out.u32(u32::from(is_error));
            out.u32(name.len() as u32);
            out.u32(text.len() as u32);
            out.raw(name.as_bytes());
            out.raw(text.as_bytes());
            out.end();
        }
        Event::Cancelled { token } => {
            out.begin(EVENT_CANCELLED);
            out.u32(token);
            out.end();
        }
        Event::Exit => write_bare(EVENT_EXIT, out),
        Event::CollectGarbage => write_bare(EVENT_COLLECT, out),
        Event::RayletGone => write_bare(EVENT_RAYLET_GONE, out),
    }
}

fn write_bare(kind: u32, out: &mut RecordWriter) {
    out.begin(kind);
    out.end();
}

type Early = Vec<(Vec<u8>, Vec<OwnedFd>)>;

/// Reads the raylet's first message, and whatever came right behind it.
fn read_welcome(control: &mut ControlSocket) -> io::Result<(Welcome, Vec<OwnedFd>, Early)> {
    let malformed = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut frames = Early::new();
    while frames.is_empty() {
        if !control.wait_readable(Some(WELCOME_TIMEOUT))? {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the raylet did not answer",
            ));
        }
        let received = control.receive(|frame, fds| frames.push((frame.to_vec(), fds)))?;
        if frames.is_empty() && received == eagleray_ipc::Received::Closed {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionReset,
                "the raylet has ended",
            ));
        }
    }
    let (frame, fds) = frames.remove(0);
    match eagleray_protocol::decode(&frame) {
        Ok(FromRaylet::Welcome { welcome }) => Ok((welcome, fds, frames)),
        Ok(_) => Err(malformed("the first message is no welcome")),
        Err(error) => Err(malformed(&error.to_string())),
    }
}
