//! A core worker's state as a whole, and the order in which things happen in it.
//!
//! Everything here runs under one lock, held by the JavaScript thread during a call, or by the
//! pacemaker when JavaScript is busy. Nothing here calls JavaScript, and nothing here waits.
//!
//! What is decided is decided below: by `submitter` (tasks and calls), `objects` (values, counts, waits) and `executor`
//! (what runs here). This file feeds them with what comes in, in [`Core::pump`], and carries out what they ask for, in
//! [`Core::drive`]: nothing else connects them to the raylet, the peers and the store.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use eagleray_ipc::{ControlSocket, Doorbell, Mailbox};
use eagleray_object_store::Segment;
use eagleray_protocol::frames::{BLOCKED, FORGOTTEN, REPLY, UNBLOCKED};
use eagleray_protocol::{
    ActorState, ConnectionSpec, FromRaylet, ObjectId, ProcessNumber, SystemError, ToRaylet,
    Welcome, WorkerExit,
};

use crate::attention::Attention;
use crate::connection::Connection;
use crate::events::Event;
use crate::executor::Executor;
use crate::handle::{Handle, PeerSlot};
use crate::memory::Memory;
use crate::objects::{Objects, WaitStart};
use crate::operations::{self, Operation};
use crate::peers::{Batch, Peers};
use crate::raylet_link::RayletLink;
use crate::records::RecordWriter;
use crate::room::{Freed, RegionEnd, Room};
use crate::submissions::Submissions;
use crate::submitter::{Cancellation, Submission, Submitter};
use crate::work::{Effect, Out};

/// Scratch memory above this is given back after use.
const SCRATCH_MAX: usize = 1 << 20;

/// How far a worker is with leaving. `docs/life-cycles.md` has the rule: who waits for what, and what is dropped.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Departure {
    /// It stays.
    No,
    /// It takes nothing new and finishes what it has begun towards others.
    Leaving,
    /// Nothing that it has begun is open: JavaScript was told to end the process.
    Drained,
}

/// A blocking `get` or `wait`, which may be left for a while so that JavaScript prints lines or collects garbage.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Blocking {
    /// The wait.
    pub(crate) number: u32,
    /// The task that waits; 0 if none does.
    pub(crate) token: u32,
    /// Whether that task gave its CPUs back meanwhile.
    pub(crate) gave_cpus_back: bool,
    /// Whether it is a `wait`, which ends with what is ready when its time is over.
    pub(crate) is_wait: bool,
}

/// See the module.
pub(crate) struct Core {
    pub(crate) process: ProcessNumber,
    pid: u32,
    pub(crate) link: RayletLink,
    pub(crate) attention: Attention,
    pub(crate) peers: Peers,
    pub(crate) room: Room,
    pub(crate) objects: Objects,
    pub(crate) submitter: Submitter,
    pub(crate) executor: Executor,
    pub(crate) out: Out,
    pub(crate) submissions: Option<Submissions>,
    pub(crate) blocking: Option<Blocking>,
    freed: Arc<Mutex<Vec<Freed>>>,
    departure: Departure,
    /// JavaScript knows that the raylet is gone.
    is_end_told: bool,
    /// Frames that wait until the raylet has acknowledged what it was told, by the request that asks for it.
    unsettled_posts: Vec<(u64, PeerSlot, u32, Box<[u8]>)>,
    batch: Vec<u8>,
    replies: Batch,
}

/// Rings and room, borrowed of the fields that the callee does not.
macro_rules! memory {
    ($self:ident) => {
        &mut Memory {
            peers: &mut $self.peers,
            room: &mut $self.room,
        }
    };
}

impl Core {
    pub(crate) fn new(
        welcome: &Welcome,
        segment: Arc<Segment>,
        control: ControlSocket,
        doorbell: Doorbell,
        mailbox: Mailbox,
        freed: Arc<Mutex<Vec<Freed>>>,
    ) -> Self {
        Self {
            process: welcome.process,
            pid: std::process::id(),
            link: RayletLink::new(control),
            attention: Attention::new(mailbox, doorbell),
            peers: Peers::default(),
            room: Room::new(Arc::clone(&segment)),
            objects: Objects::new(welcome.process),
            submitter: Submitter::new(welcome.process, welcome.cpus),
            executor: Executor::new(segment),
            out: Out::default(),
            submissions: None,
            blocking: None,
            freed,
            departure: Departure::No,
            is_end_told: false,
            unsettled_posts: Vec::new(),
            batch: Vec::new(),
            replies: Batch::default(),
        }
    }

    /// The operating system's number of this process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    // ---- taking in

    /// Takes in everything that has happened, and sends what can be sent.
    pub(crate) fn pump(&mut self) {
        self.pump_at(Instant::now());
    }

    /// The same for whoever has just looked at the clock.
    pub(crate) fn pump_at(&mut self, now: Instant) {
        self.take_submissions();
        if self.link.receive_if_due(now) {
            self.attention.note_news();
        }
        self.handle_messages();
        self.book_freed();
        for peer in 0..self.peers.slots_end() {
            self.read_replies(peer);
            if self.peers.take_room(peer) {
                self.submitter.peer_has_room(peer);
            }
        }
        self.drive();
    }

    /// Reads the control socket now, and handles what came.
    pub(crate) fn receive(&mut self) {
        if self.link.receive() {
            self.attention.note_news();
        }
        self.handle_messages();
    }

    /// Carries out what JavaScript has written so far. To be followed by [`drive`](Self::drive).
    pub(crate) fn take_submissions(&mut self) {
        let Some(submissions) = &mut self.submissions else {
            return;
        };
        let mut batch = std::mem::take(&mut self.batch);
        submissions.take(&mut batch);
        if let Err(at) = self.carry_out_operations(&batch) {
            self.link
                .fail(format!("a malformed operation at byte {at}"));
        }
        batch.clear();
        batch.shrink_to(SCRATCH_MAX);
        self.batch = batch;
    }

    /// Carries out a batch of operations. The error is where a malformed one begins.
    pub(crate) fn carry_out_operations(&mut self, batch: &[u8]) -> Result<(), usize> {
        let mut at = 0;
        while at < batch.len() {
            let (operation, length) = operations::first_of(&batch[at..]).ok_or(at)?;
            self.carry_out_operation(operation).ok_or(at)?;
            at += length;
        }
        Ok(())
    }

    fn carry_out_operation(&mut self, operation: Operation<'_>) -> Option<()> {
        match operation {
            Operation::Submit { submission, token } => self.submit(submission, token)?,
            Operation::Release(handle) => self.objects.release(handle, &mut self.out),
            Operation::ReleaseActor(actor) => self.objects.release_actor(actor, &mut self.out),
            Operation::Define {
                sequence,
                meta,
                refs,
                actors,
            } => {
                let nested = self.objects.nested_ids(&refs, &actors);
                let payload = eagleray_protocol::Payload {
                    nested: nested.into(),
                    ..eagleray_protocol::Payload::inline(meta)
                };
                self.objects.define(sequence, payload, refs, actors, false);
            }
        }
        // What follows between objects and tasks comes before the next operation, which may look at it.
        self.submitter.carry_on(&mut self.objects, &mut self.out);
        Some(())
    }

    /// Submits a task, a call or a creation, on behalf of the task of a token.
    pub(crate) fn submit(&mut self, mut submission: Submission<'_>, token: u32) -> Option<()> {
        submission.parent = self.executor.serial_of(token);
        self.submitter
            .submit(submission, &mut self.objects, &mut self.out)
    }

    /// Starts the submission buffer anew. Only JavaScript's thread may ask for it.
    pub(crate) fn reset_submissions(&mut self) {
        if let Some(submissions) = &mut self.submissions {
            submissions.reset();
        }
    }

    /// Books what finalizers have freed.
    fn book_freed(&mut self) {
        let freed = match self.freed.lock() {
            Ok(mut freed) if !freed.is_empty() => std::mem::take(&mut *freed),
            _ => return,
        };
        for item in freed {
            match item {
                Freed::View(handle) => self.objects.release(handle, &mut self.out),
                Freed::Region(address) => {
                    let held = self.room.end_region(address);
                    self.let_region_go(held);
                }
            }
        }
    }

    /// The array over a region is garbage, and its finalizer has not run.
    pub(crate) fn copy_region_out(&mut self, address: usize) {
        let held = self.room.copy_region_out(address);
        self.let_region_go(held);
    }

    fn let_region_go(&mut self, held: Option<RegionEnd>) {
        match held {
            Some(RegionEnd::View(handle)) => self.objects.release(handle, &mut self.out),
            Some(RegionEnd::Unsealed(extent)) => self.room.give_back(extent),
            None => {}
        }
    }

    /// Reads the replies of one connection.
    fn read_replies(&mut self, peer: PeerSlot) {
        if !self.peers.has_replies(peer) {
            return;
        }
        let mut replies = std::mem::take(&mut self.replies);
        while self.peers.take_replies(peer, &mut replies) {
            for (kind, frame) in replies.frames() {
                self.handle_frame(peer, kind, frame);
            }
        }
        replies.reset();
        self.replies = replies;
    }

    fn handle_frame(&mut self, peer: PeerSlot, kind: u32, frame: &[u8]) {
        let (objects, out) = (&mut self.objects, &mut self.out);
        match kind {
            REPLY => {
                let read = self
                    .submitter
                    .reply(peer, frame, objects, memory!(self), out);
                if let Err(nonsense) = read {
                    self.peers.break_off(peer, nonsense.0.to_owned());
                }
            }
            BLOCKED => self
                .submitter
                .blocked(peer, frame, objects, memory!(self), out),
            UNBLOCKED => self.submitter.unblocked(peer),
            FORGOTTEN => {
                let read = self.submitter.function_forgotten(peer, frame, objects, out);
                if let Err(nonsense) = read {
                    self.peers.break_off(peer, nonsense.0.to_owned());
                }
            }
            _ => self
                .peers
                .break_off(peer, format!("a frame of the unknown kind {kind}")),
        }
    }

    // ---- what the raylet says

    /// Sends the frames whose news the raylet has acknowledged.
    fn post_settled(&mut self) {
        for (request, peer, kind, frame) in std::mem::take(&mut self.unsettled_posts) {
            if self.link.take_answer(request).is_none() {
                self.unsettled_posts.push((request, peer, kind, frame));
                continue;
            }
            self.peers.post(peer, kind, &[&frame]);
            self.peers.ring_later(peer);
        }
    }

    fn handle_messages(&mut self) {
        if self.room.has_requests() {
            for (room_for, answer) in self.room.answered(&mut self.link) {
                let (objects, out) = (&mut self.objects, &mut self.out);
                self.submitter
                    .room_answered(room_for, answer, objects, memory!(self), out);
            }
        }
        self.post_settled();
        while let Some((message, fds)) = self.link.next_message() {
            self.handle(message, fds);
        }
    }

    fn handle(&mut self, message: FromRaylet, fds: Vec<OwnedFd>) {
        let (objects, out) = (&mut self.objects, &mut self.out);
        match message {
            FromRaylet::LeaseGranted {
                lease,
                class,
                connection,
                ..
            } => {
                let peer = self.peers.slot_of(connection, false);
                self.submitter.lease_granted(lease, class, peer, out);
            }
            FromRaylet::ConnectionOpened { spec } => self.connection_opened(&spec, fds),
            FromRaylet::ConnectionLost { connection, exit } => {
                self.connection_lost(connection, &exit);
            }
            FromRaylet::AskLeaseBack { lease } => {
                self.submitter
                    .lease_asked_back(lease, objects, memory!(self), out);
            }
            // `ConnectionLost` follows, and says how.
            FromRaylet::LeaseLost { .. } => {}
            FromRaylet::ObjectReady { id, outcome } => objects.object_ready(id, outcome, out),
            FromRaylet::ObjectWanted { id } => objects.wanted(id, out),
            FromRaylet::ErrorUnseen { id, outcome } => objects.error_unseen(id, outcome, out),
            FromRaylet::ActorChanged { actor, state } => {
                let peer = match state {
                    ActorState::Alive { connection } => self.peers.slot_of(connection, false),
                    _ => None,
                };
                self.submitter
                    .actor_changed(actor, state, peer, objects, out);
            }
            FromRaylet::StartActor {
                spec,
                gpu_ids,
                restarts,
            } => {
                self.executor.start_actor(spec, gpu_ids, restarts);
                self.attention.wake();
            }
            FromRaylet::CancelTask {
                task,
                force,
                recursive,
            } => self.cancel_by_id(task, force, recursive),
            FromRaylet::Exit {} => self.leave(String::new()),
            FromRaylet::RuntimeEnds {} => out.events.push(Event::RuntimeEnds),
            FromRaylet::GpusAssigned { gpu_ids } => self.executor.set_gpu_ids(gpu_ids),
            FromRaylet::CollectGarbage {} => {
                self.room.give_back_slab();
                out.events.push(Event::CollectGarbage);
            }
            FromRaylet::Output {
                pid,
                name,
                is_error,
                text,
            } => out.events.push(Event::Output {
                pid,
                name,
                is_error,
                text,
            }),
            FromRaylet::ClassRefused { class, error } => self.submitter.class_refused(class, error),
            // Only the first message is a welcome, and it was read before; answers are sorted out.
            FromRaylet::Welcome { .. }
            | FromRaylet::Granted { .. }
            | FromRaylet::Acknowledged { .. }
            | FromRaylet::FoundActor { .. }
            | FromRaylet::Environment { .. }
            | FromRaylet::Node { .. }
            | FromRaylet::ActorCreated { .. }
            | FromRaylet::Unheld { .. } => {}
        }
        self.submitter.carry_on(&mut self.objects, &mut self.out);
    }

    fn connection_opened(&mut self, spec: &ConnectionSpec, fds: Vec<OwnedFd>) {
        let opened = match fds.into_iter().next() {
            Some(doorbell) => {
                Connection::open(spec, self.room.segment(), Doorbell::from_fd(doorbell))
            }
            None => Err("its doorbell did not come along".to_owned()),
        };
        let connection = match opened {
            Ok(connection) => connection,
            Err(reason) => {
                self.link.tell(&ToRaylet::ConnectionBroken {
                    connection: spec.connection,
                    reason: format!("it could not be opened: {reason}"),
                });
                return;
            }
        };
        let new = self.peers.add(connection);
        // What came before this message woke nobody.
        self.attention.wake();
        let submitter = &self.submitter;
        let may_close = |peer| peer != new && submitter.may_close(peer);
        if let Some(peer) = self.peers.surplus(may_close) {
            self.submitter
                .peer_closed(peer, &mut self.objects, &mut self.out);
            self.close_peer(peer);
        }
    }

    fn connection_lost(&mut self, number: u32, exit: &WorkerExit) {
        if let Some(peer) = self.peers.slot_of(number, false) {
            // What the peer wrote before it died counts.
            self.read_replies(peer);
            let (objects, out) = (&mut self.objects, &mut self.out);
            self.submitter
                .peer_lost(peer, exit, objects, memory!(self), out);
            self.submitter.carry_on(&mut self.objects, &mut self.out);
            self.close_peer(peer);
        }
        if let Some(peer) = self.peers.slot_of(number, true) {
            self.executor_side_gone(peer);
        }
    }

    /// Nothing is executed for a peer any more.
    fn executor_side_gone(&mut self, peer: PeerSlot) {
        self.executor
            .peer_gone(peer, &mut self.objects, &mut self.out);
        self.unsettled_posts.retain(|post| post.1 != peer);
        self.close_peer(peer);
    }

    /// Has no further use for a connection. What is held of what came over it, the raylet hears before.
    fn close_peer(&mut self, peer: PeerSlot) {
        self.carry_out_effects();
        if let Some(connection) = self.peers.remove(peer) {
            self.link.tell(&ToRaylet::CloseConnection { connection });
        }
    }

    // ---- carrying out

    /// As [`drive`](Self::drive), after something that seldom decides anything.
    pub(crate) fn drive_if_needed(&mut self) {
        if !self.out.is_empty()
            || self.submitter.has_changed()
            || self.out.events.is_output_pause_due()
        {
            self.drive();
        }
    }

    /// Carries out what was decided, until nothing is left, and tells everybody who has to know.
    pub(crate) fn drive(&mut self) {
        while !self.out.is_empty() || self.submitter.has_changed() {
            self.submitter.carry_on(&mut self.objects, &mut self.out);
            let (objects, out) = (&mut self.objects, &mut self.out);
            self.submitter.send(objects, memory!(self), out);
            self.carry_out_effects();
        }
        while let Some((peer, reason)) = self.peers.next_broken() {
            if let Some(connection) = self.peers.get(peer).map(|opened| opened.number) {
                self.link
                    .tell(&ToRaylet::ConnectionBroken { connection, reason });
            }
        }
        if let Some(paused) = self.out.events.output_pause() {
            self.link.tell(&ToRaylet::PauseOutput { paused });
        }
        self.peers.settle();
        self.leave_when_drained();
        self.room.settle(&mut self.link);
        self.link.flush();
        if self.submitter.has_tasks_to_send() || self.link.wants_write() {
            self.attention.need_pace();
        }
        if let Some(reason) = self.link.take_fatal() {
            self.out.events.push(Event::Output {
                pid: self.pid,
                name: "eagleray".into(),
                is_error: true,
                text: format!("the runtime has to end: {reason}"),
            });
        }
    }

    fn carry_out_effects(&mut self) {
        while let Some(effect) = self.out.effects.pop_front() {
            match effect {
                Effect::Tell(message) => self.link.tell(&message),
                Effect::Hold(item) => self.link.hold(item),
                Effect::LetGo(item) => self.link.let_go(item),
                Effect::ErrorsSeen(ids) => self.link.errors_seen(&ids),
                Effect::ClosePeer(peer) => {
                    self.submitter
                        .peer_closed(peer, &mut self.objects, &mut self.out);
                    if let Some(connection) = self.peers.remove(peer) {
                        self.link.tell(&ToRaylet::CloseConnection { connection });
                    }
                }
                Effect::Post { peer, kind, frame } => {
                    self.peers.post(peer, kind, &[&frame]);
                    self.peers.ring_later(peer);
                }
                Effect::PostSettled { peer, kind, frame } => {
                    let request = self.link.ask(|request| ToRaylet::Synchronize { request });
                    self.unsettled_posts.push((request, peer, kind, frame));
                }
                Effect::AskRoom { room_for, length } => {
                    self.room.ask(room_for, length, &mut self.link);
                }
                Effect::Abandon(extent) => self.room.give_back(extent),
                Effect::EndProcess { reason } => self.end_process(reason),
            }
        }
    }

    /// Ends this process and what it has started, at once.
    fn end_process(&mut self, reason: &str) {
        self.link.tell(&ToRaylet::Leaving {
            reason: reason.to_owned(),
        });
        self.link.flush();
        // Replies that were written count; nothing else of this process does any more.
        let _ = eagleray_ipc::process::kill_own_group();
    }

    // ---- leaving

    /// This worker runs nothing any more: it finishes what it has begun, and ends. JavaScript is told when.
    pub(crate) fn leave(&mut self, reason: String) {
        if self.departure != Departure::No {
            return;
        }
        self.departure = Departure::Leaving;
        self.executor.close();
        self.submitter.leave();
        // What is told of it comes after what was decided before.
        self.out.tell(ToRaylet::Leaving { reason });
    }

    /// Closes the connections on which this process has executed, as soon as it has answered there: their submitters
    /// need not wait for what it does for itself.
    fn close_served(&mut self) {
        while let Some(peer) = self.peers.served() {
            self.executor_side_gone(peer);
        }
    }

    fn leave_when_drained(&mut self) {
        if self.departure != Departure::Leaving {
            return;
        }
        self.close_served();
        if self.submitter.open() > 0 || self.peers.has_waiting() {
            return;
        }
        self.departure = Departure::Drained;
        self.link.tell(&ToRaylet::Drained {});
        self.out.events.push(Event::Exit);
    }

    // ---- cancelling

    /// Cancels a task that runs here, or one that this process owns.
    fn cancel_by_id(&mut self, task: ObjectId, force: bool, recursive: bool) {
        let Some((token, serial)) = self.executor.find(task) else {
            if task.owner == self.process {
                self.cancel(task.sequence, force, recursive);
            } else if force && !self.executor.is_actor() {
                self.out.tell(ToRaylet::StaysAlive {});
            }
            return;
        };
        if force && !self.executor.is_actor() {
            self.out.effect(Effect::EndProcess {
                reason: "its task was cancelled",
            });
            return;
        }
        self.executor.cancel(token, &mut self.out);
        if recursive {
            for child in self.submitter.children(serial) {
                self.cancel(child, force, true);
            }
        }
    }

    /// Cancels a task of this process's own, by the handle of one of its results.
    pub(crate) fn cancel(&mut self, handle: Handle, force: bool, recursive: bool) {
        let (objects, out) = (&mut self.objects, &mut self.out);
        let running = match self.submitter.cancel(handle, objects, memory!(self), out) {
            Cancellation::Runs { peer, sequence } => Some((peer, sequence)),
            // It was cancelled before, and goes on.
            Cancellation::Nothing if force => self.submitter.cancelled(handle),
            Cancellation::Nothing | Cancellation::Dropped => None,
        };
        if let Some((peer, sequence)) = running
            && let Some(worker) = self.peers.process(peer)
        {
            self.out.tell(ToRaylet::Cancel {
                worker,
                task: ObjectId::local(self.process, sequence),
                force,
                recursive,
            });
        }
        self.submitter.carry_on(&mut self.objects, &mut self.out);
    }

    // ---- looking

    /// True if a ring holds something for this process, or has room for what waits to be sent. Tasks
    /// count only if this process would take one now: a busy worker sleeps beside a full ring.
    pub(crate) fn has_incoming(&mut self, takes_tasks: bool) -> bool {
        self.link.has_messages()
            || (takes_tasks && self.executor.has_actor_to_start())
            || self.peers.has_incoming(takes_tasks)
    }

    /// Spins until a ring has something, for as long as that has paid off lately.
    pub(crate) fn spin_for_incoming(&mut self, takes_tasks: bool) -> bool {
        let peers = &self.peers;
        self.attention.spin(|| peers.has_ready(takes_tasks))
    }

    /// JavaScript is about to sleep in its event loop. True if something has come in meanwhile.
    pub(crate) fn fall_asleep(&mut self, takes_tasks: bool) -> bool {
        let has_events = self.has_events();
        let (link, peers, executor) = (&self.link, &mut self.peers, &self.executor);
        let may_sleep = self.attention.fall_asleep(|| {
            has_events
                || link.has_messages()
                || (takes_tasks && executor.has_actor_to_start())
                || peers.has_incoming(takes_tasks)
        });
        !may_sleep
    }

    /// The thread is about to sleep inside a call. False if something has come in meanwhile.
    pub(crate) fn prepare_to_block(&mut self) -> bool {
        let (link, peers) = (&self.link, &mut self.peers);
        self.attention
            .prepare_to_block(|| link.has_messages() || link.is_gone() || peers.has_incoming(false))
    }

    /// The next event that JavaScript is told of. That the raylet is gone comes last, after what it still said
    /// (`None` inside): nothing is read any more then.
    pub(crate) fn next_event(&mut self) -> Option<Option<Event>> {
        if let Some(event) = self.out.events.pop() {
            return Some(Some(event));
        }
        if self.has_events() {
            self.is_end_told = true;
            return Some(None);
        }
        None
    }

    /// True if JavaScript has not been told of something.
    pub(crate) fn has_events(&self) -> bool {
        let is_end = self.link.is_gone() && !self.is_end_told && !self.link.has_messages();
        is_end || !self.out.events.is_empty()
    }

    /// An error for whoever waits when the runtime ends.
    pub(crate) fn ended() -> SystemError {
        SystemError::new("NotInitializedError", "the runtime has ended")
    }

    // ---- `get` and `wait`

    /// Starts a `get` or, with `needed`, a `wait`.
    pub(crate) fn start_wait(
        &mut self,
        handles: &[Handle],
        needed: Option<usize>,
        is_reported: bool,
        record: &mut RecordWriter,
    ) -> WaitStart {
        let out = &mut self.out;
        match needed {
            None => self.objects.start_get(handles, is_reported, record, out),
            Some(needed) => self
                .objects
                .start_wait(handles, needed, is_reported, record, out),
        }
    }

    /// The running task begins to wait.
    pub(crate) fn enter_wait(&mut self) {
        self.executor
            .enter_wait(&mut self.peers, &mut self.objects, &mut self.out);
    }

    /// The running task has what it waited for.
    pub(crate) fn leave_wait(&mut self) {
        self.executor.leave_wait(&mut self.peers, &mut self.out);
    }
}
