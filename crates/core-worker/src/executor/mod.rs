//! The executing side: takes tasks from the rings, hands them to JavaScript one after the other, and
//! sends results back.
//!
//! - **EX-1:** a reply leaves only after the raylet has acknowledged that this process holds whatever
//!   it kept of the arguments, and that the submitter holds what the results carry: only then may the
//!   submitter let go. (Whoever calls [`Executor::begin_answer`] sees to it before [`Executor::answer`].)
//! - **EX-2:** every task that was taken is answered, unless this process or the connection dies.
//! - **EX-3:** a cancelled task is told once. If nothing else told it, its next wait ends at once,
//!   however long before that wait the cancellation arrived; later waits are for cleaning up.
//! - **EX-4:** submitters are served in turn: none for longer than [`TURN_FRAMES`] tasks or [`TURN_LENGTH`] while another
//!   one waits.

mod functions;
mod replies;

use std::sync::Arc;
use std::time::{Duration, Instant};

use eagleray_object_store::{Extent, Segment};
use eagleray_protocol::frames::{
    ARGUMENT_STORED, BLOCKED, CALL, FORGET, FORGOTTEN, FUNCTION, RESULT_SPILLED, RESULT_STORED,
    ReplyHeader, SPILLED, TASK, TERMINATE, TaskHeader, UNBLOCKED, read_argument, read_u32,
    read_u64,
};
use eagleray_protocol::{ActorSpec, ObjectId, Payload, ProcessNumber, Status, ToRaylet};

use self::functions::Functions;
use crate::events::Event;
use crate::handle::{Handle, PeerSlot};
use crate::objects::Objects;
use crate::peers::Peers;
use crate::records::RecordWriter;
use crate::reply_items::ResultItem;
use crate::work::{Effect, Out};

/// Record kind: run a task.
pub const RECORD_TASK: u32 = 1;
/// Record kind: call a method.
pub const RECORD_CALL: u32 = 2;
/// Record kind: construct the actor.
pub const RECORD_CREATE: u32 = 3;
/// Record kind: end the actor.
pub const RECORD_TERMINATE: u32 = 4;

/// Tasks of one submitter in a row, while another one waits. With fewer, submitters that wait for thousands of short tasks
/// are all woken over and over: at 16 four of them got a sixth less done.
const TURN_FRAMES: u32 = 256;

/// How long tasks of one submitter are taken in a row, while another one waits.
const TURN_LENGTH: Duration = Duration::from_millis(1);

/// After so long without a pause, other callbacks of JavaScript's event loop get their turn.
const SLICE_LENGTH: Duration = Duration::from_millis(5);

/// What JavaScript does next.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum NextTask {
    /// It runs the task whose record it was given.
    Found,
    /// There is no task: it sleeps.
    None,
    /// It lets its event loop go on, and asks again.
    SliceOver,
}

/// How the cancellation of a running task stands.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// It was not cancelled.
    None,
    /// It was cancelled, and is told only now.
    Fresh,
    /// It was cancelled, and knows.
    Told,
}

/// A task that runs here.
struct Running {
    /// Tells it apart from all others that this process ever ran; tokens are used again.
    serial: u64,
    peer: PeerSlot,
    /// The node's number of that connection: the slot may be another's when the task ends.
    connection: u32,
    submitter: ProcessNumber,
    sequence: u64,
    slot: u32,
    /// Entries made for its stored arguments.
    borrowed: Vec<Handle>,
    /// Results that went to the store, as items of the reply.
    stored: Vec<u8>,
    /// Results went to the store that are none after all.
    sealed_in_vain: bool,
    is_cancelled: bool,
    /// The task has been told of its cancellation: by a wait that was interrupted, by `isCanceled` or by
    /// its signal (EX-3).
    is_told: bool,
}

/// How a reply describes a result that is in the store, or that carries ids.
pub(crate) enum StoredResult {
    /// By a payload in wire form.
    Described(Vec<u8>),
    /// By the extent of one, which belongs to the object.
    Spilled(Extent),
}

/// A task that has ended and is not answered.
pub(crate) struct Answer {
    running: Running,
}

/// Whose tasks are taken.
struct Turn {
    peer: PeerSlot,
    taken: u32,
    /// When the first one of them was taken.
    since: Instant,
}

/// See the module.
pub(crate) struct Executor {
    segment: Arc<Segment>,
    running: Vec<Option<Running>>,
    free_tokens: Vec<u32>,
    /// The serial of the last task that began here.
    last_serial: u64,
    functions: Functions,
    /// A frame that was taken and not yet handed over.
    record: RecordWriter,
    /// An argument's value on its way into the record.
    argument: RecordWriter,
    scratch: Vec<u8>,
    /// The actor that this process becomes, until it is constructed.
    actor: Option<Box<ActorSpec>>,
    actor_arguments: Vec<Handle>,
    actor_id: Option<ObjectId>,
    /// True once this process is dedicated to an actor.
    is_actor: bool,
    /// It takes no further task: this process leaves.
    is_closed: bool,
    turn: Turn,
    /// `get`s and `wait`s that the running task is in.
    waiting: u32,
    blocked: Option<PeerSlot>,
    /// The GPUs of the actor or lease.
    gpu_ids: Vec<String>,
    restarts: u32,
    /// When JavaScript began to take tasks without a pause.
    slice_since: Instant,
}

/// Scratch memory above this is given back after use.
const SCRATCH_MAX: usize = 1 << 20;

impl Executor {
    pub(crate) fn new(segment: Arc<Segment>) -> Self {
        Self {
            segment,
            running: Vec::new(),
            free_tokens: Vec::new(),
            last_serial: 0,
            functions: Functions::default(),
            record: RecordWriter::default(),
            argument: RecordWriter::default(),
            scratch: Vec::new(),
            actor: None,
            actor_arguments: Vec::new(),
            actor_id: None,
            is_actor: false,
            is_closed: false,
            turn: Turn {
                peer: 0,
                taken: 0,
                since: Instant::now(),
            },
            slice_since: Instant::now(),
            waiting: 0,
            blocked: None,
            gpu_ids: Vec::new(),
            restarts: 0,
        }
    }

    // ---- what the raylet says

    /// An order to become an actor.
    pub(crate) fn start_actor(&mut self, spec: ActorSpec, gpu_ids: Vec<String>, restarts: u32) {
        self.is_actor = true;
        self.actor_id = Some(spec.id);
        self.gpu_ids = gpu_ids;
        self.restarts = restarts;
        self.actor = Some(Box::new(spec));
    }

    /// The GPUs of the actor, or of the lease that the running task belongs to.
    pub(crate) fn gpu_ids(&self) -> &[String] {
        &self.gpu_ids
    }

    /// The GPUs of tasks from now on.
    pub(crate) fn set_gpu_ids(&mut self, gpu_ids: Vec<String>) {
        self.gpu_ids = gpu_ids;
    }

    /// The actor of this process.
    pub(crate) fn actor_id(&self) -> Option<ObjectId> {
        self.actor_id
    }

    /// No further task is taken.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// A connection on which this process executes is gone.
    pub(crate) fn peer_gone(&mut self, peer: PeerSlot, objects: &mut Objects, out: &mut Out) {
        self.functions.peer_gone(peer, objects, out);
        if self.blocked == Some(peer) {
            self.blocked = None;
        }
    }

    // ---- taking tasks

    /// True if the raylet has made this process an actor that is not constructed yet.
    pub(crate) fn has_actor_to_start(&self) -> bool {
        self.actor.is_some()
    }

    /// True if there is something to take.
    pub(crate) fn has_task(&self, peers: &Peers) -> bool {
        !self.is_closed && (self.actor.is_some() || peers.has_task())
    }

    /// The next task, as a record; `None` if there is none now. The record stays until the next call.
    ///
    /// `[length: u32 | kind: u32 | token: u32 | function or method: u32 | results: u32 | arguments: u32
    /// | attempt: u32 | unused: u32 | sequence: f64]`, then the arguments: `[kind: u32 | length: u32]`
    /// and an envelope, or a value record (see `records`) for a stored one.
    pub(crate) fn next_task(
        &mut self,
        now: Instant,
        peers: &mut Peers,
        objects: &mut Objects,
        out: &mut Out,
    ) -> Option<&[u8]> {
        self.record.bytes.clear();
        if self.is_closed {
            return None;
        }
        if let Some(spec) = self.actor.take() {
            self.write_creation(&spec, objects, out);
            return Some(&self.record.bytes);
        }
        let count = peers.slots_end();
        if count == 0 {
            return None;
        }
        self.end_turn_if_due(now, peers);
        let mut frame = std::mem::take(&mut self.scratch);
        let mut taken_from = None;
        for offset in 0..count {
            let peer = (self.turn.peer + offset) % count;
            if self.take_from(peer, &mut frame, peers, objects, out) {
                taken_from = Some(peer);
                break;
            }
        }
        frame.clear();
        frame.shrink_to(SCRATCH_MAX);
        self.scratch = frame;
        let peer = taken_from?;
        if peer == self.turn.peer && self.turn.taken > 0 {
            self.turn.taken += 1;
        } else {
            self.turn = Turn {
                peer,
                taken: 1,
                since: now,
            };
        }
        Some(&self.record.bytes)
    }

    /// JavaScript begins to take tasks.
    pub(crate) fn begin_slice(&mut self, now: Instant) {
        self.slice_since = now;
    }

    /// True if JavaScript has taken tasks for so long that its event loop has to go on.
    pub(crate) fn is_slice_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.slice_since) > SLICE_LENGTH
    }

    /// EX-4.
    fn end_turn_if_due(&mut self, now: Instant, peers: &Peers) {
        if self.turn.taken == 0 || peers.executing() < 2 {
            return;
        }
        let elapsed = now.saturating_duration_since(self.turn.since);
        if self.turn.taken >= TURN_FRAMES || elapsed > TURN_LENGTH {
            self.turn = Turn {
                peer: self.turn.peer + 1,
                taken: 0,
                since: now,
            };
        }
    }

    /// Takes one task from a connection's ring into the record.
    fn take_from(
        &mut self,
        peer: PeerSlot,
        frame: &mut Vec<u8>,
        peers: &mut Peers,
        objects: &mut Objects,
        out: &mut Out,
    ) -> bool {
        while let Some(mut kind) = peers.take_task(peer, frame) {
            if kind == SPILLED {
                let Some(content) = self.read_spilled(frame) else {
                    continue;
                };
                (kind, *frame) = content;
            }
            match kind {
                TASK | CALL | TERMINATE => {
                    if self.write_task(peer, kind, frame, peers, objects, out) {
                        return true;
                    }
                }
                _ => self.take_function(peer, kind, frame, objects, out),
            }
        }
        false
    }

    fn read_spilled(&self, frame: &[u8]) -> Option<(u32, Vec<u8>)> {
        let extent = Extent {
            offset: read_u64(frame, 8)?,
            length: read_u64(frame, 16)?,
        };
        Some((read_u32(frame, 0)?, self.segment.read_to_vec(extent).ok()?))
    }

    /// A frame that brings a function, or says that it is not needed any more.
    fn take_function(
        &mut self,
        peer: PeerSlot,
        kind: u32,
        frame: &[u8],
        objects: &mut Objects,
        out: &mut Out,
    ) {
        let Some((id, rest)) = frame.split_first_chunk::<16>() else {
            return;
        };
        match kind {
            FUNCTION => {
                if let Ok((object, payload)) =
                    eagleray_protocol::decode::<(Option<ObjectId>, Payload)>(rest)
                {
                    self.functions
                        .add(*id, object, payload, Some(peer), objects, out);
                }
            }
            FORGET => {
                self.functions.forget(id, peer, objects, out);
                if rest.first() == Some(&1) {
                    out.effect(Effect::PostSettled {
                        peer,
                        kind: FORGOTTEN,
                        frame: (*id).into(),
                    });
                }
            }
            _ => {}
        }
    }

    /// Writes the envelope of a function as a value record. False if there is none of that number.
    pub(crate) fn write_function(&self, number: u32, record: &mut RecordWriter) -> bool {
        let Some((payload, handle)) = self.functions.get(number) else {
            return false;
        };
        record.value(Status::Value as u32, handle.unwrap_or(0), payload);
        true
    }

    fn write_task(
        &mut self,
        peer: PeerSlot,
        kind: u32,
        frame: &[u8],
        peers: &Peers,
        objects: &mut Objects,
        out: &mut Out,
    ) -> bool {
        let (Some((header, arguments)), Some(connection)) =
            (TaskHeader::read(frame), peers.get(peer))
        else {
            return false;
        };
        let function = match kind {
            // The submitter sends a function ahead of its first task; without it nothing can run.
            TASK => self.functions.number(&header.function).unwrap_or(u32::MAX),
            _ => read_u32(&header.function, 0).unwrap_or(u32::MAX),
        };
        self.last_serial += 1;
        let running = Running {
            serial: self.last_serial,
            peer,
            connection: connection.number,
            submitter: connection.peer,
            sequence: header.sequence,
            slot: header.slot,
            borrowed: Vec::new(),
            stored: Vec::new(),
            sealed_in_vain: false,
            is_cancelled: false,
            is_told: false,
        };
        let token = self.new_token(running);
        let record_kind = match kind {
            TASK => RECORD_TASK,
            CALL => RECORD_CALL,
            _ => RECORD_TERMINATE,
        };
        self.begin_record(record_kind, token, function, &header);
        let borrowed = self.write_arguments(arguments, header.argument_count, objects, out);
        if let Some(running) = self.running_mut(token) {
            running.borrowed = borrowed;
        }
        self.record.end();
        true
    }

    fn begin_record(&mut self, kind: u32, token: u32, function: u32, header: &TaskHeader) {
        let record = &mut self.record;
        record.begin(kind);
        record.u32(token);
        record.u32(function);
        record.u32(header.result_count);
        record.u32(header.argument_count);
        record.u32(header.attempt);
        record.u32(0);
        record.f64(header.sequence as f64);
    }

    fn write_creation(&mut self, spec: &ActorSpec, objects: &mut Objects, out: &mut Out) {
        let function = self.functions.add(
            spec.class,
            spec.export_object,
            spec.export.clone(),
            None,
            objects,
            out,
        );
        let header = TaskHeader {
            function: spec.class,
            sequence: spec.id.sequence,
            slot: 0,
            attempt: self.restarts,
            result_count: 1,
            argument_count: spec.argument_count,
        };
        self.begin_record(RECORD_CREATE, 0, function, &header);
        self.actor_arguments =
            self.write_arguments(&spec.arguments, spec.argument_count, objects, out);
        self.record.end();
    }

    fn write_arguments(
        &mut self,
        mut arguments: &[u8],
        count: u32,
        objects: &mut Objects,
        out: &mut Out,
    ) -> Vec<Handle> {
        let mut borrowed = Vec::new();
        for _ in 0..count {
            let Some((item, rest)) = read_argument(arguments) else {
                break;
            };
            arguments = rest;
            let record = &mut self.record;
            if item.kind != ARGUMENT_STORED {
                record.u32(0);
                record.u32(item.bytes.len() as u32);
                record.raw(item.bytes);
                record.pad();
                continue;
            }
            let Ok((id, payload)) = eagleray_protocol::decode::<(ObjectId, Payload)>(item.bytes)
            else {
                break;
            };
            let handle = objects.borrow_with_value(id, payload, out);
            borrowed.push(handle);
            self.argument.bytes.clear();
            objects.write_value(handle, &mut self.argument);
            record.u32(1);
            record.u32(self.argument.bytes.len() as u32);
            record.raw(&self.argument.bytes);
        }
        borrowed
    }

    // ---- running tasks

    fn new_token(&mut self, running: Running) -> u32 {
        match self.free_tokens.pop() {
            Some(token) => {
                self.running[token as usize - 1] = Some(running);
                token
            }
            None => {
                self.running.push(Some(running));
                self.running.len() as u32
            }
        }
    }

    fn running(&self, token: u32) -> Option<&Running> {
        self.running.get(token.checked_sub(1)? as usize)?.as_ref()
    }

    fn running_mut(&mut self, token: u32) -> Option<&mut Running> {
        self.running
            .get_mut(token.checked_sub(1)? as usize)?
            .as_mut()
    }

    /// The serial of a task that runs here; 0 if none has this token.
    pub(crate) fn serial_of(&self, token: u32) -> u64 {
        self.running(token).map_or(0, |running| running.serial)
    }

    /// The id of a result of a running task, and who owns it.
    pub(crate) fn result_id(&self, token: u32, index: u32) -> Option<(ObjectId, ProcessNumber)> {
        let running = self.running(token)?;
        let id = ObjectId::local(running.submitter, running.sequence + u64::from(index));
        Some((id, running.submitter))
    }

    /// The token and the serial of a task that runs here, by its id.
    pub(crate) fn find(&self, task: ObjectId) -> Option<(u32, u64)> {
        let is_it = |running: &Running| {
            running.submitter == task.owner && running.sequence == task.sequence
        };
        let mut running = self.running.iter().zip(1..);
        running.find_map(|(running, token)| {
            let running = running.as_ref().filter(|running| is_it(running))?;
            Some((token, running.serial))
        })
    }

    /// Whether this process is an actor's alone.
    pub(crate) fn is_actor(&self) -> bool {
        self.is_actor
    }

    /// A task that runs here is cancelled.
    pub(crate) fn cancel(&mut self, token: u32, out: &mut Out) {
        if let Some(running) = self.running_mut(token) {
            running.is_cancelled = true;
            out.events.push(Event::Cancelled { token });
        }
    }

    /// True if a task that runs here was cancelled, which the caller tells it (EX-3).
    pub(crate) fn is_cancelled(&mut self, token: u32) -> bool {
        self.tell_cancellation(token) != Cancellation::None
    }

    /// How the cancellation of a task that runs here stands; if it was not told yet, the caller tells it
    /// (EX-3).
    pub(crate) fn tell_cancellation(&mut self, token: u32) -> Cancellation {
        match self.running_mut(token) {
            Some(running) if running.is_cancelled => {
                if std::mem::replace(&mut running.is_told, true) {
                    Cancellation::Told
                } else {
                    Cancellation::Fresh
                }
            }
            _ => Cancellation::None,
        }
    }

    // ---- answers

    /// Adds a result that was sealed in the store, or that carries ids, to a task's reply.
    pub(crate) fn add_stored_result(
        &mut self,
        token: u32,
        index: u32,
        status: Status,
        stored: &StoredResult,
    ) {
        let place;
        let (form, bytes) = match stored {
            StoredResult::Described(bytes) => (RESULT_STORED, bytes.as_slice()),
            StoredResult::Spilled(extent) => {
                place = [extent.offset.to_le_bytes(), extent.length.to_le_bytes()].concat();
                (RESULT_SPILLED, place.as_slice())
            }
        };
        if let Some(running) = self.running_mut(token) {
            let item = ResultItem {
                status: status as u32,
                form,
                index,
                bytes,
            };
            item.write(&mut running.stored);
        }
    }

    /// What a task has stored is not its result after all, because it failed meanwhile: an answer is one attempt's
    /// values, or its error.
    pub(crate) fn discard_results(&mut self, token: u32) {
        if let Some(running) = self.running_mut(token)
            && !running.stored.is_empty()
        {
            running.stored.clear();
            running.sealed_in_vain = true;
        }
    }

    /// A task has ended. EX-1 is the caller's to see to before it calls [`answer`](Self::answer).
    pub(crate) fn begin_answer(
        &mut self,
        token: u32,
        objects: &mut Objects,
        out: &mut Out,
    ) -> Option<Answer> {
        let index = token.checked_sub(1)? as usize;
        let running = self.running.get_mut(index)?.take()?;
        self.free_tokens.push(token);
        if running.is_cancelled {
            // The token is the next task's, which nobody has cancelled (EX-3).
            out.events.forget_cancellation(token);
        }
        for &handle in &running.borrowed {
            objects.release(handle, out);
        }
        Some(Answer { running })
    }

    /// Sends a task's inline results (items as in [`ReplyHeader`]) and the stored ones. True if the submitter has to
    /// be rung later, because more replies may come.
    pub(crate) fn answer(
        &mut self,
        answer: Answer,
        body: &[u8],
        retires: bool,
        peers: &mut Peers,
    ) -> bool {
        let Answer { running } = answer;
        let peer = running.peer;
        let is_same = |connection: u32| connection == running.connection;
        if !peers.get(peer).is_some_and(|opened| is_same(opened.number)) {
            return false;
        }
        let header = ReplyHeader {
            sequence: running.sequence,
            slot: running.slot,
            result_count: 0,
            last: true,
            retire: retires,
            sealed_in_vain: running.sealed_in_vain,
        };
        if running.stored.is_empty() {
            replies::send(peers, peer, header, body);
        } else {
            let mut items = running.stored;
            items.extend_from_slice(body);
            replies::send(peers, peer, header, &items);
        }
        // With nothing more to do here, the submitter is told at once.
        peers.ring_when_idle(peer)
    }

    /// The constructor has ended: its arguments may go, once the raylet has acknowledged what was kept of them.
    pub(crate) fn take_actor_arguments(&mut self) -> Vec<Handle> {
        std::mem::take(&mut self.actor_arguments)
    }

    // ---- waiting

    /// The running task begins to wait in `get` or `wait`: its submitter gets back what has not started.
    pub(crate) fn enter_wait(&mut self, peers: &mut Peers, objects: &mut Objects, out: &mut Out) {
        self.waiting += 1;
        if self.waiting > 1 || self.is_actor {
            return;
        }
        let Some(peer) = self
            .running
            .iter()
            .flatten()
            .next()
            .map(|running| running.peer)
        else {
            return;
        };
        self.blocked = Some(peer);
        out.tell(ToRaylet::Blocked { blocked: true });
        // What it has not started may be functions, of which the submitter knows that it has sent them.
        let mut others = Vec::new();
        let mut slots = Vec::new();
        peers.revoke_unstarted(peer, |kind, frame| match kind {
            FUNCTION | FORGET => others.push((kind, frame.to_vec())),
            SPILLED if read_u32(frame, 0) == Some(FUNCTION) => others.push((kind, frame.to_vec())),
            SPILLED => slots.extend(read_u32(frame, 4)),
            _ => slots.extend(TaskHeader::read(frame).map(|(header, _)| header.slot)),
        });
        for (mut kind, mut frame) in others {
            // Whoever wrote a function's frame into an extent keeps it until it is told that it was read.
            if kind == SPILLED
                && let Some(content) = self.read_spilled(&frame)
            {
                (kind, frame) = content;
            }
            self.take_function(peer, kind, &frame, objects, out);
        }
        let revoked: Vec<u8> = slots.into_iter().flat_map(u32::to_le_bytes).collect();
        peers.post(peer, BLOCKED, &[&revoked]);
        peers.ring_later(peer);
    }

    /// The running task has what it waited for.
    pub(crate) fn leave_wait(&mut self, peers: &mut Peers, out: &mut Out) {
        self.waiting = self.waiting.saturating_sub(1);
        if self.waiting > 0 {
            return;
        }
        if let Some(peer) = self.blocked.take() {
            out.tell(ToRaylet::Blocked { blocked: false });
            peers.post(peer, UNBLOCKED, &[]);
            peers.ring_later(peer);
        }
    }
}
