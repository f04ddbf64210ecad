//! The way in: a core worker behind its lock.
//!
//! - **CW-1:** no thread sleeps, or waits for the raylet, while it holds the lock. A call that has to wait is cut in
//!   two: what comes before, and what comes after; in between others may have changed the state.

mod executing;
mod storing;
mod submitting;
mod waits;

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use eagleray_ipc::{ControlSocket, Doorbell, Mailbox};
use eagleray_object_store::Segment;
use eagleray_protocol::{DRIVER, FromRaylet, ProcessNumber, SystemError, ToRaylet, Welcome};

use crate::core::Core;
use crate::events::Event;
use crate::pacemaker::{Pace, Paced, Pacemaker};
use crate::records::{
    EVENT_CANCELLED, EVENT_COLLECT, EVENT_EXIT, EVENT_FUNCTION_FORGOTTEN, EVENT_OUTPUT,
    EVENT_RAYLET_GONE, EVENT_RUNTIME_ENDS, EVENT_UNHANDLED, RecordWriter,
};
use crate::room::Freed;
use crate::submissions::Submissions;

pub use self::submitting::{CreationRefused, NewActor};
pub use self::waits::Blocked;

/// How long the first message of the raylet may take.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(30);

/// An envelope above this goes into an extent.
pub const META_INLINE_MAX: usize = 64 << 10;

/// A driver's or worker's side of the runtime.
pub struct CoreWorker {
    core: Mutex<Core>,
    pacemaker: Pacemaker,
    freed: Arc<Mutex<Vec<Freed>>>,
    segment: Arc<Segment>,
    welcome: Welcome,
    doorbell: RawFd,
    control: RawFd,
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
        let (Some(memory), Some(doorbell), Some(bell)) = (fds.next(), fds.next(), fds.next())
        else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a welcome without its descriptors",
            ));
        };
        let segment = match segment {
            Some(segment) => segment,
            None => Arc::new(Segment::open(memory)?),
        };
        let mailbox = segment
            .pointer(welcome.mailbox, eagleray_ipc::mailbox::MAILBOX_SIZE as u64)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        // SAFETY: the segment stays mapped as long as the core worker lives, which holds it; `pointer`
        // has checked bounds, and the raylet gives every process a page of its own.
        let mailbox = unsafe { Mailbox::at(mailbox) };
        let freed = Arc::default();
        let mut core = Core::new(
            &welcome,
            Arc::clone(&segment),
            control,
            Doorbell::from_fd(doorbell),
            mailbox,
            Arc::clone(&freed),
        );
        for (frame, fds) in early {
            core.link.sort(&frame, fds);
        }
        let worker = Arc::new(Self {
            doorbell: core.attention.doorbell_number(),
            control: core.link.socket_number(),
            core: Mutex::new(core),
            pacemaker: Pacemaker::new(Doorbell::from_fd(bell)),
            freed,
            segment,
            welcome,
        });
        worker.pacemaker.start(Arc::downgrade(&worker));
        Ok(worker)
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(|poisoned| {
            // Whoever panicked has left the state as it was then: half a decision. To go on with it could do anything.
            self.core.clear_poison();
            let mut core = poisoned.into_inner();
            core.link.fail("the native module has panicked".to_owned());
            core
        })
    }

    /// Runs `action` under the lock, then carries out what came of it.
    fn with<R>(&self, action: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.lock();
        let result = action(&mut core);
        self.finish_call(&mut core);
        result
    }

    /// The end of a call that may have changed something.
    fn finish_call(&self, core: &mut Core) {
        core.drive();
        let has_events = core.has_events();
        core.attention.rouse(has_events);
        self.pace_if_needed(core);
    }

    fn pace_if_needed(&self, core: &mut Core) {
        if core.attention.take_pace_needed() {
            self.pacemaker.need();
        }
    }

    /// Who this process is.
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// The process of the raylet's numbering.
    pub fn process(&self) -> ProcessNumber {
        self.welcome.process
    }

    /// The descriptors to poll for reading: the doorbell's and the control socket's.
    pub fn descriptors(&self) -> [RawFd; 2] {
        [self.doorbell, self.control]
    }

    /// The segment, for views.
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Where finalizers put what they freed; see [`Freed`].
    pub fn note_freed(&self, freed: Freed) {
        self.freed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(freed);
        // Whoever runs the finalizer may be no thread of ours, and JavaScript may be idle.
        self.pacemaker.need();
    }

    // ---- waiting, without the lock

    fn doorbell(&self) -> BorrowedFd<'_> {
        // SAFETY: the core worker owns the descriptor through its core, which is never replaced.
        unsafe { BorrowedFd::borrow_raw(self.doorbell) }
    }

    fn control_socket(&self) -> BorrowedFd<'_> {
        // SAFETY: as above.
        unsafe { BorrowedFd::borrow_raw(self.control) }
    }

    /// Waits for an answer that the raylet gives at once. `None` if the raylet is gone. Nothing else is looked at
    /// before it is there: whatever comes in meanwhile is handled at the end.
    fn answer<'a>(&'a self, mut core: MutexGuard<'a, Core>, request: u64) -> Option<FromRaylet> {
        core.drive();
        // Nobody else does it while this thread waits (AT-3).
        core.peers.ring_unrung(false);
        core.attention.attend(true);
        loop {
            if let Some(answer) = core.link.take_answer(request) {
                self.attended(core);
                return Some(answer);
            }
            if core.link.is_gone() {
                self.attended(core);
                return None;
            }
            let writes = core.link.wants_write();
            drop(core);
            let socket = self.control_socket();
            // A failure to wait shows when the socket is read.
            let _ = eagleray_ipc::wait_or_write(&[socket], writes.then_some(socket), None);
            core = self.lock();
            core.receive();
            core.link.flush();
        }
    }

    fn attended(&self, mut core: MutexGuard<'_, Core>) {
        core.attention.attend(false);
        self.finish_call(&mut core);
    }

    /// Asks the raylet for something, and waits for its answer.
    fn request<R>(
        &self,
        message: impl FnOnce(u64) -> ToRaylet,
        read: impl FnOnce(FromRaylet) -> Option<R>,
    ) -> Result<R, SystemError> {
        let mut core = self.lock();
        core.take_submissions();
        // What was decided before is told before.
        core.drive();
        let request = core.link.ask(message);
        self.answer(core, request)
            .and_then(read)
            .ok_or_else(Core::ended)
    }

    /// Takes part in everything until `ended` has a result; `None` when the time is over.
    fn attend<R>(
        &self,
        deadline: Option<Instant>,
        mut ended: impl FnMut(&mut Core) -> Option<R>,
    ) -> Option<R> {
        let mut core = self.lock();
        core.attention.attend(true);
        loop {
            core.pump();
            if let Some(result) = ended(&mut core) {
                self.attended(core);
                return Some(result);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                self.attended(core);
                return None;
            }
            core.peers.ring_unrung(false);
            if core.spin_for_incoming(false) || !core.prepare_to_block() {
                continue;
            }
            let writes = core.link.wants_write();
            drop(core);
            let sources = [self.doorbell(), self.control_socket()];
            let writable = writes.then(|| self.control_socket());
            // A failure to wait only wakes the caller early, who looks again.
            let _ = eagleray_ipc::wait_or_write(&sources, writable, left);
            core = self.lock();
            core.attention.unblocked();
            core.receive();
        }
    }

    // ---- JavaScript's turns

    /// Gives the buffer in which JavaScript writes operations.
    ///
    /// # Safety
    /// `base` is aligned to 8 and points to `length` bytes that stay valid and in place for the life of
    /// this core worker, or until it is detached with a null pointer.
    pub unsafe fn attach_submissions(&self, base: *mut u8, length: usize) {
        self.lock().submissions = if base.is_null() {
            None
        } else {
            // SAFETY: the caller's promise.
            Some(unsafe { Submissions::new(base, length) })
        };
    }

    /// Carries out all operations written so far and starts their buffer anew. `more` says that
    /// JavaScript may write further ones in this turn without saying so.
    pub fn flush(&self, more: bool) {
        let mut core = self.lock();
        core.pump();
        core.reset_submissions();
        core.attention.turn_goes_on(more);
        self.pace_if_needed(&mut core);
    }

    /// Takes in what has happened, spinning for a short while if `spin` and something is awaited.
    /// Appends records of events; true if there are more than fit into about `limit` bytes.
    pub fn collect(&self, spin: bool, limit: usize, out: &mut RecordWriter) -> bool {
        let mut core = self.lock();
        core.pump();
        if spin
            && !core.has_events()
            && core.objects.open_waits() > 0
            && core.spin_for_incoming(false)
        {
            core.pump();
        }
        while let Some(event) = core.next_event() {
            write_event(&mut core, event, out);
            if out.bytes.len() >= limit {
                break;
            }
        }
        core.drive_if_needed();
        core.attention.has_looked();
        self.pace_if_needed(&mut core);
        core.has_events()
    }

    /// Says that JavaScript is about to go idle. True if something has come in meanwhile: then it
    /// should look again instead. `takes_tasks` says that it would take a task now.
    pub fn prepare_to_sleep(&self, takes_tasks: bool) -> bool {
        let mut core = self.lock();
        core.link.flush();
        if core.link.wants_write() {
            // Nothing would wake JavaScript when the socket has room again; the pacemaker sees to it.
            core.attention.need_pace();
            self.pace_if_needed(&mut core);
        }
        core.fall_asleep(takes_tasks)
    }

    /// JavaScript was woken by its event loop: by the doorbell, or by the control socket. For both it is woken twice.
    pub fn woken(&self) {
        let mut core = self.lock();
        if core.attention.woken() {
            core.link.looked();
        } else {
            core.receive();
        }
    }

    /// This worker runs nothing any more and says why: it finishes what it has begun towards others, and then an
    /// event says that the process shall end.
    pub fn leave(&self, reason: String) {
        self.with(|core| {
            core.pump();
            core.peers.ring_unrung(false);
            core.leave(reason);
        });
    }

    /// Says whether this worker has something to do when the runtime ends: then an event tells it.
    pub fn ends_in_order(&self, wanted: bool) {
        self.with(|core| core.out.tell(ToRaylet::EndsInOrder { wanted }));
    }

    /// Returns once all that this process has said, and all its replies, are out of it: for its very end. Gives up
    /// after `limit`.
    pub fn say_farewell(&self, limit: Duration) {
        let deadline = Instant::now().checked_add(limit);
        let all_gone = |core: &mut Core| {
            let is_done = !core.link.wants_write() && !core.peers.has_waiting();
            (is_done || core.link.is_gone()).then_some(())
        };
        if self.attend(deadline, all_gone).is_some() {
            let _ = self.synchronize();
        }
    }

    /// True once for each time that the raylet has asked for garbage to be collected; for those who can't
    /// wait for the event that says so, because the event loop does not turn meanwhile.
    pub fn shall_collect(&self) -> bool {
        let mut core = self.lock();
        core.receive();
        core.out.events.take_garbage()
    }

    /// Garbage was collected, as the raylet asked.
    pub fn collected(&self) {
        self.with(|core| {
            core.pump();
            core.out.tell(ToRaylet::Collected {});
        });
    }

    // ---- the end

    /// Reports failed results that nobody has looked at, as events; for the end of the runtime. The driver's are all that
    /// the raylet knows, too.
    pub fn report_unseen(&self) {
        self.with(|core| {
            core.pump();
            core.objects.report_unseen(false, &mut core.out);
        });
        if self.process() != DRIVER {
            return;
        }
        let answer = self.request(|request| ToRaylet::ReportUnseen { request }, |_| Some(()));
        if answer.is_err() {
            // There is no raylet that could know better.
            self.with(|core| core.objects.report_unseen(true, &mut core.out));
        }
    }

    /// Ends the runtime; the driver's last message.
    pub fn shut_down(&self) {
        self.with(|core| core.out.tell(ToRaylet::Shutdown {}));
    }

    /// Ends the runtime without the event loop, and takes in what the raylet says until its end, for at most
    /// `limit`.
    pub fn end_at_once(&self, limit: Duration) {
        self.shut_down();
        let deadline = Instant::now().checked_add(limit);
        // Whoever closes the runtime next waits for the raylet's end, and not for its words.
        self.attend(deadline, |core| core.link.is_gone().then_some(()));
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
        self.lock().link.is_gone()
    }

    /// Counts.
    pub fn statistics(&self) -> Statistics {
        let core = self.lock();
        Statistics {
            finished: core.submitter.finished(),
            open: core.submitter.open() as u64,
            in_flight: core.submitter.in_flight() as u64,
            objects: core.objects.len() as u64,
        }
    }
}

impl Paced for CoreWorker {
    fn pace(&self) -> Pace {
        let mut core = match self.core.try_lock() {
            Ok(core) => core,
            // JavaScript's thread is inside a call, so it makes progress itself.
            Err(TryLockError::WouldBlock) => return Pace::Tick,
            Err(TryLockError::Poisoned(_)) => return Pace::Rest,
        };
        if core.attention.is_attended() {
            return Pace::Rest;
        }
        core.receive();
        core.pump();
        core.peers.ring_unrung(false);
        let has_events = core.has_events();
        core.attention.rouse(has_events);
        core.attention.take_pace_needed();
        // Also what the raylet asks for, such as an idle lease, has to be seen to in a long turn.
        if core.attention.is_turn_open() || core.submitter.has_tasks_to_send() {
            Pace::Tick
        } else if core.link.wants_write() {
            Pace::Write
        } else {
            Pace::Rest
        }
    }

    fn control(&self) -> BorrowedFd<'_> {
        self.control_socket()
    }
}

fn write_event(core: &mut Core, event: Option<Event>, out: &mut RecordWriter) {
    match event {
        Some(Event::Wait { number }) => core.objects.finish_wait(number, out, &mut core.out),
        Some(Event::UnhandledError { handle }) => {
            out.begin(EVENT_UNHANDLED);
            core.objects.write_value(handle, out);
            out.end();
        }
        Some(Event::Output {
            pid,
            name,
            is_error,
            text,
        }) => {
            out.begin(EVENT_OUTPUT);
            out.u32(pid);
            out.u32(u32::from(is_error));
            out.u32(name.len() as u32);
            out.u32(text.len() as u32);
            out.raw(name.as_bytes());
            out.raw(text.as_bytes());
            out.end();
        }
        Some(Event::Cancelled { token }) => write_number(EVENT_CANCELLED, token, out),
        Some(Event::FunctionForgotten { number }) => {
            write_number(EVENT_FUNCTION_FORGOTTEN, number, out);
        }
        Some(Event::Exit) => write_bare(EVENT_EXIT, out),
        Some(Event::CollectGarbage) => write_bare(EVENT_COLLECT, out),
        Some(Event::RuntimeEnds) => write_bare(EVENT_RUNTIME_ENDS, out),
        None => write_bare(EVENT_RAYLET_GONE, out),
    }
}

fn write_number(kind: u32, number: u32, out: &mut RecordWriter) {
    out.begin(kind);
    out.u32(number);
    out.end();
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
