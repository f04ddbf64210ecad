//! The state of a core worker, and what moves it: the raylet's messages and the peers' frames.
//!
//! Everything here runs under one lock, held by the JavaScript thread during a call, or by the
//! pacemaker when JavaScript is busy. Nothing here calls JavaScript.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eagleray_ipc::control::is_peer_gone;
use eagleray_ipc::{AdaptiveSpin, ControlSocket, Doorbell, Mailbox, Received};
use eagleray_object_store::{Segment, SlabClient};
use eagleray_protocol::frames::{BLOCKED, REPLY, ReplyHeader, UNBLOCKED, padded, read_u32};
use eagleray_protocol::{
    ActorSpec, FromRaylet, FunctionId, Nested, ProcessNumber, SystemError, ToRaylet, WorkerExit,
};
use rustc_hash::FxHashMap;

use crate::actors::Actors;
use crate::connection::{Connection, Use};
use crate::events::Event;
use crate::executor::Executor;
use crate::leases::{Class, Lease, Queued};
use crate::objects::{Handle, ObjectTable};
use crate::store::{Freed, Regions};
use crate::tasks::{Task, Template};
use crate::waits::Waits;

/// Replies are copied out of the rings in batches of about this size.
const REPLY_BATCH: usize = 64 << 10;

/// How long what the raylet has sent may stay unread while this process is busy.
const RECEIVE_INTERVAL: Duration = Duration::from_micros(200);

/// Holds or releases in one message, so that it stays far below the limit of a control frame.
const ITEMS_PER_MESSAGE_MAX: usize = 64 << 10;

/// Scratch memory above this is given back after use.
const SCRATCH_MAX: usize = 1 << 20;

/// Replies that were copied out of a ring.
#[derive(Default)]
struct Replies {
    bytes: Vec<u8>,
    /// Kind, start and length of each frame.
    frames: Vec<(u32, usize, usize)>,
}

/// A change to what this process holds, in the order in which it happened.
enum HoldChange {
    Hold(Nested),
    Release(Nested),
}

/// The operations that JavaScript has written and not yet handed over.
pub(crate) struct Submissions {
    /// Start of the buffer: `[published: u32 | …]`, operations from byte 8 on.
    pub(crate) base: *mut u8,
    pub(crate) length: usize,
    /// Bytes of operations carried out already.
    pub(crate) consumed: usize,
}

// SAFETY: the buffer is pinned by the binding for the life of the core worker. JavaScript writes beyond
// `published` only; this side reads below it.
unsafe impl Send for Submissions {}

/// A core worker's state.
pub(crate) struct Core {
    pub(crate) process: ProcessNumber,
    pub(crate) cpus: u32,
    pub(crate) segment: Arc<Segment>,
    pub(crate) control: ControlSocket,
    pub(crate) doorbell: Doorbell,
    pub(crate) mailbox: Mailbox,
    pub(crate) spin: AdaptiveSpin,
    pub(crate) submissions: Option<Submissions>,
    pub(crate) freed: Arc<Mutex<Vec<Freed>>>,

    pub(crate) objects: ObjectTable,
    pub(crate) waits: Waits,
    pub(crate) events: VecDeque<Event>,
    pub(crate) tasks: Vec<Option<Task>>,
    pub(crate) free_slots: Vec<u32>,
    pub(crate) task_count: usize,
    /// How many of them are in flight.
    pub(crate) in_flight_count: usize,
    pub(crate) finished_count: u64,
    pub(crate) templates: Vec<Template>,
    /// By function, class and repetitions.
    pub(crate) template_numbers: FxHashMap<(FunctionId, u32, i64), u32>,
    pub(crate) classes: Vec<Class>,
    pub(crate) dirty_classes: Vec<u32>,
    pub(crate) leases: Vec<Option<Lease>>,
    pub(crate) actors: Actors,
    pub(crate) dirty_actors: Vec<u32>,
    pub(crate) creations: FxHashMap<u32, Box<ActorSpec>>,
    pub(crate) connections: Vec<Option<Connection>>,
    pub(crate) executor: Executor,
    pub(crate) slab: SlabClient,
    pub(crate) regions: Regions,

    /// Tasks of which an argument has arrived, and that were not told yet.
    pub(crate) arrived: VecDeque<Queued>,
    pub(crate) is_advancing: bool,
    /// Entries that were pinned by values that are gone.
    pub(crate) unpinned: Vec<Handle>,
    pub(crate) is_releasing: bool,
    /// Memory that is used again and again: a fresh allocation per task would cost more than the task.
    pub(crate) frame_scratch: Vec<u8>,
    batch_scratch: Vec<u8>,
    reply_scratch: Replies,

    hold_changes: Vec<HoldChange>,
    holds_unsettled: bool,
    answers: FxHashMap<u64, FromRaylet>,
    /// What the raylet has sent and was not handled yet: a call that waits for its answer handles nothing else,
    /// because what it works on would change under it.
    deferred: VecDeque<(FromRaylet, Vec<OwnedFd>)>,
    is_handling: bool,
    request: u64,
    last_receive: Instant,
    pub(crate) raylet_gone: bool,
    /// JavaScript knows that.
    told_of_end: bool,
    /// JavaScript was told that there is nothing for it, and has not looked since.
    pub(crate) idle: bool,
    /// JavaScript has asked for something and may compute for long before its turn ends.
    pub(crate) turn_open: bool,
    /// Something came in, or the mailbox says awake, since JavaScript has looked.
    pub(crate) news: bool,
    /// The pacemaker has something to look after.
    pub(crate) pace_needed: bool,
    pub(crate) pid: u32,
}

impl Core {
    pub(crate) fn new(
        welcome: &eagleray_protocol::Welcome,
        segment: Arc<Segment>,
        control: ControlSocket,
        doorbell: Doorbell,
        mailbox: Mailbox,
        freed: Arc<Mutex<Vec<Freed>>>,
    ) -> Self {
        Self {
            process: welcome.process,
            cpus: welcome.cpus,
            segment,
            control,
            doorbell,
            mailbox,
            spin: AdaptiveSpin::new(eagleray_ipc::spin::SPIN_MAX_US),
            submissions: None,
            freed,
            objects: ObjectTable::new(),
            waits: Waits::new(),
            events: VecDeque::new(),
            tasks: Vec::new(),
            free_slots: Vec::new(),
            task_count: 0,
            in_flight_count: 0,
            finished_count: 0,
            templates: Vec::new(),
            template_numbers: FxHashMap::default(),
            classes: Vec::new(),
            dirty_classes: Vec::new(),
            leases: Vec::new(),
            actors: Actors::new(),
            dirty_actors: Vec::new(),
            creations: FxHashMap::default(),
            connections: Vec::new(),
            executor: Executor::new(),
            slab: SlabClient::new(),
            regions: Regions::new(),
            arrived: VecDeque::new(),
            is_advancing: false,
            unpinned: Vec::new(),
            is_releasing: false,
            frame_scratch: Vec::new(),
            batch_scratch: Vec::new(),
            reply_scratch: Replies::default(),
            hold_changes: Vec::new(),
            holds_unsettled: false,
            answers: FxHashMap::default(),
            deferred: VecDeque::new(),
            is_handling: false,
            request: 0,
            last_receive: Instant::now(),
            raylet_gone: false,
            told_of_end: false,
            idle: false,
            turn_open: false,
            news: false,
            pace_needed: false,
            pid: std::process::id(),
        }
    }

    /// Sends a message to the raylet, after the changes of holds that came before it.
    pub(crate) fn tell(&mut self, message: ToRaylet) {
        self.send_hold_changes();
        self.send(&message);
    }

    fn send(&mut self, message: &ToRaylet) {
        if self.raylet_gone {
            return;
        }
        let frame = eagleray_protocol::encode(message);
        // Nothing is written here, so the only failure is a message above its limit.
        if let Err(error) = self.control.send_buffered(&frame, &[]) {
            self.fatal(&error.to_string());
        }
    }

    /// This process holds something from now on.
    pub(crate) fn hold(&mut self, item: Nested) {
        self.holds_unsettled = true;
        self.hold_changes.push(HoldChange::Hold(item));
    }

    /// This process lets go of something.
    pub(crate) fn let_go(&mut self, item: Nested) {
        self.hold_changes.push(HoldChange::Release(item));
    }

    /// True if the raylet has not acknowledged all holds (EX-1).
    pub(crate) fn has_unsettled_holds(&self) -> bool {
        self.holds_unsettled
    }

    pub(crate) fn holds_settled(&mut self) {
        self.holds_unsettled = false;
    }

    fn send_hold_changes(&mut self) {
        let mut changes = std::mem::take(&mut self.hold_changes)
            .into_iter()
            .peekable();
        while let Some(first) = changes.next() {
            let message = match first {
                HoldChange::Hold(item) => {
                    let mut items = vec![item];
                    while items.len() < ITEMS_PER_MESSAGE_MAX
                        && let Some(HoldChange::Hold(item)) =
                            changes.next_if(|next| matches!(next, HoldChange::Hold(_)))
                    {
                        items.push(item);
                    }
                    ToRaylet::Hold { request: 0, items }
                }
                HoldChange::Release(item) => {
                    let mut items = vec![item];
                    while items.len() < ITEMS_PER_MESSAGE_MAX
                        && let Some(HoldChange::Release(item)) =
                            changes.next_if(|next| matches!(next, HoldChange::Release(_)))
                    {
                        items.push(item);
                    }
                    ToRaylet::Release { items }
                }
            };
            self.send(&message);
        }
    }

    /// A number for a request.
    pub(crate) fn next_request(&mut self) -> u64 {
        self.request += 1;
        self.request
    }

    /// Waits for the answer to a request. `None` if the raylet is gone. The raylet answers at once, or
    /// within a named limit when room has to be made; it never waits for this process.
    pub(crate) fn answer(&mut self, request: u64) -> Option<FromRaylet> {
        loop {
            if let Some(answer) = self.answers.remove(&request) {
                return Some(answer);
            }
            if self.raylet_gone {
                return None;
            }
            let sent = self.control.flush();
            match sent.and_then(|_| self.control.wait_readable(None)) {
                Ok(_) => self.read_control(),
                Err(error) => self.control_failed(&error),
            }
        }
    }

    /// Handles what the raylet has sent.
    pub(crate) fn receive(&mut self) {
        self.read_control();
        self.handle_deferred();
    }

    /// Reads what the raylet has sent, and handles nothing but answers.
    fn read_control(&mut self) {
        self.last_receive = Instant::now();
        let mut frames: Vec<(Vec<u8>, Vec<OwnedFd>)> = Vec::new();
        let received = self
            .control
            .receive(|frame, fds| frames.push((frame.to_vec(), fds)));
        self.news |= !frames.is_empty();
        for (frame, fds) in frames {
            self.sort_frame_of_raylet(&frame, fds);
        }
        match received {
            Ok(Received::Open) => {}
            Ok(Received::Closed) => self.raylet_is_gone(),
            Err(error) => self.fatal(&error.to_string()),
        }
    }

    /// The control socket can't be written to.
    fn control_failed(&mut self, error: &io::Error) {
        if is_peer_gone(error) {
            // The raylet has closed its end; what it has said before counts, and may say why.
            self.read_control();
            self.raylet_is_gone();
        } else {
            self.fatal(&error.to_string());
        }
    }

    /// Keeps one message of the raylet, in its binary form, until it is handled.
    pub(crate) fn sort_frame_of_raylet(&mut self, frame: &[u8], fds: Vec<OwnedFd>) {
        match eagleray_protocol::decode::<FromRaylet>(frame) {
            Ok(
                message @ (FromRaylet::Granted { request, .. }
                | FromRaylet::Acknowledged { request }
                | FromRaylet::FoundActor { request, .. }
                | FromRaylet::Environment { request, .. }
                | FromRaylet::Node { request, .. }
                | FromRaylet::ActorCreated { request, .. }),
            ) => {
                self.answers.insert(request, message);
            }
            Ok(message) => self.deferred.push_back((message, fds)),
            Err(error) => self.fatal(&format!("the raylet sent something malformed: {error}")),
        }
    }

    /// Handles what was read, in its order.
    pub(crate) fn handle_deferred(&mut self) {
        if std::mem::replace(&mut self.is_handling, true) {
            return;
        }
        while let Some((message, fds)) = self.deferred.pop_front() {
            self.handle(message, fds);
        }
        self.is_handling = false;
    }

    fn handle(&mut self, message: FromRaylet, fds: Vec<OwnedFd>) {
        match message {
            // Only the first message is a welcome, and it was read before.
            FromRaylet::Welcome { .. } => {}
            FromRaylet::LeaseGranted {
                lease,
                class,
                connection,
                ..
            } => self.lease_granted(lease, class, connection),
            FromRaylet::ConnectionOpened { spec } => {
                let Some(doorbell) = fds.into_iter().next() else {
                    return;
                };
                match Connection::open(&spec, &self.segment, Doorbell::from_fd(doorbell)) {
                    Ok(connection) => {
                        self.add_connection(connection);
                        self.wake_to_look();
                    }
                    Err(error) => self.fatal(&format!("a connection could not be opened: {error}")),
                }
            }
            FromRaylet::AskLeaseBack { lease } => self.lease_asked_back(lease),
            // `ConnectionLost` follows, and says how.
            FromRaylet::LeaseLost { .. } => {}
            FromRaylet::ObjectReady { id, outcome } => self.object_ready(id, outcome),
            FromRaylet::ActorChanged { actor, state } => self.actor_changed(actor, state),
            FromRaylet::StartActor {
                spec,
                gpu_ids,
                restarts,
            } => {
                self.start_actor(spec, gpu_ids, restarts);
                self.wake_to_look();
            }
            FromRaylet::CancelTask {
                task,
                force,
                recursive,
            } => self.cancel_by_id(task, force, recursive),
            FromRaylet::Exit {} => self.events.push_back(Event::Exit),
            FromRaylet::GpusAssigned { gpu_ids } => self.executor.gpu_ids = gpu_ids,
            FromRaylet::CollectGarbage {} => self.events.push_back(Event::CollectGarbage),
            FromRaylet::Output {
                pid,
                name,
                is_error,
                text,
            } => {
                self.events.push_back(Event::Output {
                    pid,
                    name,
                    is_error,
                    text,
                });
            }
            FromRaylet::ClassRefused { class, error } => self.class_refused(class, error),
            FromRaylet::ConnectionLost { connection, exit } => {
                self.connection_lost(connection, &exit)
            }
            // Answers are sorted out before.
            FromRaylet::Granted { .. }
            | FromRaylet::Acknowledged { .. }
            | FromRaylet::FoundActor { .. }
            | FromRaylet::Environment { .. }
            | FromRaylet::Node { .. }
            | FromRaylet::ActorCreated { .. } => {}
        }
    }

    /// Sees to it that JavaScript looks, after a call that may have taken in what JavaScript was to be woken
    /// for, and that JavaScript does not follow up with a look of its own.
    pub(crate) fn rouse(&mut self) {
        if self.idle && (self.news || self.has_events()) {
            self.idle = false;
            self.wake_to_look();
        }
    }

    /// Rings this process's own doorbell. The message that brought work may have been read by the
    /// pacemaker, or by a call of JavaScript that takes no tasks: the socket wakes nobody again.
    fn wake_to_look(&self) {
        // Full, the doorbell wakes as well.
        let _ = self.doorbell.ring();
    }

    fn object_ready(
        &mut self,
        id: eagleray_protocol::ObjectId,
        outcome: eagleray_protocol::Outcome,
    ) {
        if let Some(handle) = self.objects.borrowed_handle(id) {
            self.complete(handle, crate::objects::Value::from_outcome(outcome));
        }
    }

    fn raylet_is_gone(&mut self) {
        self.raylet_gone = true;
    }

    /// The next event that JavaScript is told of. That the raylet is gone comes last, after what it still said:
    /// nothing is read any more then.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if event.is_none() && self.has_events() {
            self.told_of_end = true;
            return Some(Event::RayletGone);
        }
        event
    }

    /// True if JavaScript has not been told of something.
    pub(crate) fn has_events(&self) -> bool {
        let end = self.raylet_gone && !self.told_of_end && self.deferred.is_empty();
        end || !self.events.is_empty()
    }

    /// The runtime can't go on: the process is told, and whatever waits is told.
    pub(crate) fn fatal(&mut self, reason: &str) {
        if self.raylet_gone {
            return;
        }
        self.events.push_back(Event::Output {
            pid: self.pid,
            name: "eagleray".into(),
            is_error: true,
            text: format!("the runtime has to end: {reason}"),
        });
        self.raylet_is_gone();
    }

    fn add_connection(&mut self, connection: Connection) {
        match self.connections.iter().position(Option::is_none) {
            Some(free) => self.connections[free] = Some(connection),
            None => self.connections.push(Some(connection)),
        }
    }

    /// The slot of a connection over which this process submits, by the node's number for it. An actor that
    /// calls itself has both ends of one number.
    pub(crate) fn submitter_slot(&self, number: u32) -> Option<u32> {
        self.slot_where(|connection| {
            connection.number == number && connection.use_of != Use::Executes
        })
    }

    fn slot_where(&self, is_it: impl Fn(&Connection) -> bool) -> Option<u32> {
        self.connections
            .iter()
            .position(|connection| connection.as_ref().is_some_and(&is_it))
            .map(|slot| slot as u32)
    }

    pub(crate) fn connection(&mut self, slot: u32) -> Option<&mut Connection> {
        self.connections.get_mut(slot as usize)?.as_mut()
    }

    /// Rings the peer at the end of this call.
    pub(crate) fn ring_later(&mut self, slot: u32) {
        if let Some(connection) = self.connection(slot) {
            connection.needs_ring = true;
        }
    }

    pub(crate) fn close_connection(&mut self, slot: u32) {
        if let Some(connection) = self
            .connections
            .get_mut(slot as usize)
            .and_then(Option::take)
        {
            self.tell(ToRaylet::CloseConnection {
                connection: connection.number,
            });
        }
    }

    fn connection_lost(&mut self, number: u32, exit: &WorkerExit) {
        let Some(slot) = self.slot_where(|connection| connection.number == number) else {
            return;
        };
        // What the peer wrote before it died counts.
        self.read_replies(slot);
        match self.connection(slot).map(|connection| connection.use_of) {
            Some(Use::Lease(lease)) => self.lease_connection_lost(lease, exit),
            Some(Use::Actor(actor)) => self.actor_connection_lost(actor),
            Some(Use::Executes | Use::Unused) | None => {}
        }
        self.close_connection(slot);
    }

    /// Takes in everything that has happened, and sends what can be sent.
    pub(crate) fn pump(&mut self) {
        self.take_submissions();
        self.receive_if_due();
        self.handle_deferred();
        let freed = self
            .freed
            .lock()
            .map(|mut freed| std::mem::take(&mut *freed))
            .unwrap_or_default();
        if !freed.is_empty() {
            self.book_freed(freed);
        }
        for slot in 0..self.connections.len() as u32 {
            self.read_replies(slot);
            self.notice_room(slot);
        }
        self.dispatch();
        self.dispatch_calls();
        self.settle();
    }

    /// Looks once more at the queue of which a frame had found no room in a connection's ring.
    fn notice_room(&mut self, slot: u32) {
        let Some(connection) = self.connection(slot) else {
            return;
        };
        if !connection.take_room() {
            return;
        }
        match connection.use_of {
            Use::Lease(lease) => self.mark_lease(lease),
            Use::Actor(actor) => self.mark_actor(actor),
            Use::Executes | Use::Unused => {}
        }
    }

    /// Sends what was put aside: frames that waited for room, messages, bells.
    pub(crate) fn settle(&mut self) {
        self.send_hold_changes();
        if self.control.wants_write()
            && let Err(error) = self.control.flush()
        {
            self.control_failed(&error);
        }
        for connection in self.connections.iter_mut().flatten() {
            if connection.has_waiting() && connection.send_waiting() {
                connection.needs_ring = true;
            }
            if connection.needs_ring {
                connection.needs_ring = false;
                connection.ring();
            }
        }
        self.pace_needed |= self.has_tasks_to_send() || self.control.wants_write();
    }

    /// Sends all that is queued for the raylet, and takes in what it sends meanwhile. For a process that is
    /// about to sleep: nothing would wake it when the socket has room again.
    /// True if something came in.
    pub(crate) fn send_all(&mut self) -> bool {
        let mut has_received = false;
        while self.control.wants_write() && !self.raylet_gone {
            match self.control.wait_to_write(None) {
                Ok(true) => {
                    self.receive();
                    has_received = true;
                }
                Ok(false) => {}
                Err(error) => self.control_failed(&error),
            }
        }
        has_received
    }

    /// Reads the control socket unless that was done just now: a system call per task would cost more
    /// than the task. Whoever sleeps is woken by the socket, and reads it then.
    fn receive_if_due(&mut self) {
        if !self.raylet_gone && self.last_receive.elapsed() >= RECEIVE_INTERVAL {
            self.receive();
        }
    }

    /// Carries out what JavaScript has written so far.
    pub(crate) fn take_submissions(&mut self) {
        let Some(submissions) = &mut self.submissions else {
            return;
        };
        // SAFETY: the base is aligned to 8 and pinned; JavaScript stores with `Atomics.store`.
        let published = unsafe { &*submissions.base.cast::<std::sync::atomic::AtomicU32>() };
        // SYNC POINT: submissions-published. Acquire: partner is JavaScript's `Atomics.store` in the SDK's
        // submission buffer; what is below the published length is written.
        let end = published.load(std::sync::atomic::Ordering::Acquire) as usize;
        if end <= submissions.consumed || end > submissions.length - 8 {
            return;
        }
        // SAFETY: `consumed..end` lies inside the buffer, as just checked, and JavaScript leaves it alone
        // until `reset_submissions`, which it calls itself. Copied, because carrying it out needs `self`.
        let batch = unsafe {
            std::slice::from_raw_parts(
                submissions.base.add(8 + submissions.consumed),
                end - submissions.consumed,
            )
        };
        let mut copy = std::mem::take(&mut self.batch_scratch);
        copy.clear();
        copy.extend_from_slice(batch);
        submissions.consumed = end;
        if let Err(error) = self.carry_out(&copy) {
            self.fatal(&format!("a malformed operation at byte {}", error.at));
        }
        copy.clear();
        copy.shrink_to(SCRATCH_MAX);
        self.batch_scratch = copy;
    }

    /// Starts the buffer anew. Only JavaScript's thread may ask for it.
    pub(crate) fn reset_submissions(&mut self) {
        if let Some(submissions) = &mut self.submissions {
            submissions.consumed = 0;
            // SAFETY: as in `take_submissions`.
            let published = unsafe { &*submissions.base.cast::<std::sync::atomic::AtomicU32>() };
            // SYNC POINT: submissions-published. The same thread writes next.
            published.store(0, std::sync::atomic::Ordering::Release);
        }
    }

    /// Gives the memory of a frame back for the next one.
    pub(crate) fn keep_frame_scratch(&mut self, mut frame: Vec<u8>) {
        frame.clear();
        frame.shrink_to(SCRATCH_MAX);
        self.frame_scratch = frame;
    }

    /// Reads the replies of one connection.
    fn read_replies(&mut self, slot: u32) {
        let mut replies = std::mem::take(&mut self.reply_scratch);
        while let Some(use_of) = self.copy_replies(slot, &mut replies) {
            for &(kind, start, length) in &replies.frames {
                self.handle_frame(use_of, kind, &replies.bytes[start..start + length]);
            }
        }
        replies.bytes.clear();
        replies.bytes.shrink_to(SCRATCH_MAX);
        self.reply_scratch = replies;
    }

    /// Copies a batch of replies out of a connection's ring; `None` if there are none.
    fn copy_replies(&mut self, slot: u32, replies: &mut Replies) -> Option<Use> {
        let connection = self.connections.get_mut(slot as usize)?.as_mut()?;
        if connection.use_of == Use::Executes || !connection.reader.has_ready() {
            return None;
        }
        let Replies { bytes, frames } = replies;
        bytes.clear();
        frames.clear();
        while bytes.len() < REPLY_BATCH {
            match connection.reader.take_next() {
                Ok(Some(frame)) => {
                    frames.push((frame.kind, bytes.len(), frame.payload.len()));
                    bytes.extend_from_slice(frame.payload);
                    connection.reader.release();
                }
                Ok(None) => break,
                Err(error) => {
                    self.fatal(&format!("a peer broke the protocol of its ring: {error}"));
                    self.close_connection(slot);
                    return None;
                }
            }
        }
        connection.reader.flush();
        if connection.reader.take_space_request() {
            connection.ring();
        }
        (!frames.is_empty()).then_some(connection.use_of)
    }

    fn handle_frame(&mut self, use_of: Use, kind: u32, frame: &[u8]) {
        match (kind, use_of) {
            (REPLY, _) => self.handle_reply(use_of, frame),
            (BLOCKED, Use::Lease(lease)) => {
                let revoked: Vec<u32> = frame
                    .chunks_exact(4)
                    .filter_map(|bytes| read_u32(bytes, 0))
                    .collect();
                self.lease_blocked(lease, true, &revoked);
            }
            (UNBLOCKED, Use::Lease(lease)) => self.lease_blocked(lease, false, &[]),
            _ => {}
        }
    }

    fn handle_reply(&mut self, use_of: Use, frame: &[u8]) {
        let Some((header, mut items)) = ReplyHeader::read(frame) else {
            return;
        };
        let slot = header.slot;
        let known = matches!(self.tasks.get(slot as usize), Some(Some(task)) if task.sequence == header.sequence);
        let mut retried = false;
        for _ in 0..header.result_count {
            let Some((item, rest)) = read_result(items) else {
                break;
            };
            items = rest;
            if known
                && header.last
                && item.status == eagleray_protocol::Status::RetryableUserError as u32
            {
                retried = self.may_retry_later(slot);
            }
            if known && !retried {
                self.take_result(header.sequence, &item);
            } else if item.form != eagleray_protocol::frames::RESULT_INLINE {
                self.ignore_sealed_result(header.sequence + u64::from(item.index));
            }
        }
        if !known {
            return;
        }
        if !header.last {
            return;
        }
        self.finished_count += 1;
        match use_of {
            Use::Lease(lease) => self.lease_task_done(lease, slot, header.retire),
            Use::Actor(actor) => self.call_done(actor, slot),
            Use::Executes | Use::Unused => {}
        }
        if retried {
            self.retry_after_error(slot);
        } else {
            self.finish_task(slot);
        }
    }

    fn may_retry_later(&self, slot: u32) -> bool {
        matches!(self.tasks.get(slot as usize), Some(Some(task)) if !task.cancelled && task.retries_left != 0)
    }

    /// True if a ring holds something for this process, or has room for what waits to be sent. Tasks
    /// count only if this process would take one now: a busy worker sleeps beside a full ring.
    pub(crate) fn has_incoming(&mut self, takes_tasks: bool) -> bool {
        !self.deferred.is_empty()
            || (takes_tasks && self.executor.has_actor_to_start())
            || self.connections.iter_mut().flatten().any(|connection| {
                (connection.reader.has_ready()
                    && (takes_tasks || connection.use_of != Use::Executes))
                    || connection.may_send_waiting()
                    || connection.has_room_again()
            })
    }

    /// True if frames wait for room in some ring.
    pub(crate) fn has_waiting_frames(&self) -> bool {
        self.connections
            .iter()
            .flatten()
            .any(Connection::has_waiting)
    }

    /// The descriptors that wake this process: its doorbell and its control socket.
    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.doorbell.fd(), self.control.fd()]
    }

    /// Sleeps until something comes in or the time is over.
    pub(crate) fn sleep(&mut self, timeout: Option<Duration>) {
        if self.send_all() {
            return;
        }
        self.mailbox.prepare_to_sleep();
        if self.has_incoming(false) || self.raylet_gone {
            self.mailbox.cancel_sleep();
            return;
        }
        // A failure here (a signal, say) only wakes the caller early, who looks again.
        let _ = eagleray_ipc::wait(&self.descriptors(), timeout);
        self.mailbox.cancel_sleep();
        let _ = self.doorbell.clear();
        // Nobody rings for JavaScript any more, before it has looked.
        self.news = true;
        self.receive();
    }

    /// An error for whoever waits when the runtime ends.
    pub(crate) fn ended() -> SystemError {
        SystemError::new("NotInitializedError", "the runtime has ended")
    }
}

/// One result of a reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ResultItem<'a> {
    pub(crate) status: u32,
    /// `RESULT_…`
    pub(crate) form: u32,
    /// Which of the task's results it is.
    pub(crate) index: u32,
    pub(crate) bytes: &'a [u8],
}

/// Reads the first result of a reply, and returns what follows it.
pub(crate) fn read_result(items: &[u8]) -> Option<(ResultItem<'_>, &[u8])> {
    let length = read_u32(items, 12)? as usize;
    let item = ResultItem {
        status: read_u32(items, 0)?,
        form: read_u32(items, 4)?,
        index: read_u32(items, 8)?,
        bytes: items.get(16..16usize.checked_add(length)?)?,
    };
    Some((item, items.get(16 + padded(length)..).unwrap_or(&[])))
}
