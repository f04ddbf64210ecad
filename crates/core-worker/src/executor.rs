//! The executing side: takes tasks from the rings, hands them to JavaScript one after the other, and
//! sends results back.
//!
//! - **EX-1:** a reply leaves only after the raylet has acknowledged that this process holds whatever
//!   it kept of the arguments, and that the submitter holds what the results carry: only then may the
//!   submitter let go.
//! - **EX-2:** every task that was taken is answered, unless this process dies.
//! - **EX-3:** a cancelled task is told once. If nothing else told it, its next wait ends at once,
//!   however long before that wait the cancellation arrived; later waits are for cleaning up.

use std::ops::Range;

use eagleray_ipc::RingError;
use eagleray_object_store::Extent;
use eagleray_protocol::frames::{
    ARGUMENT_STORED, BLOCKED, CALL, FUNCTION, REPLY, RESULT_SPILLED, RESULT_STORED, ReplyHeader,
    SPILLED, TASK, TERMINATE, TaskHeader, UNBLOCKED, padded, read_argument, read_u32, read_u64,
};
use eagleray_protocol::{
    ActorSpec, FunctionId, ObjectId, Outcome, Payload, ProcessNumber, Status, SystemError, ToRaylet,
};
use rustc_hash::FxHashMap;

use crate::connection::Use;
use crate::core::Core;
use crate::events::{Event, RecordWriter};
use crate::objects::Handle;

/// Record kind: run a task.
pub const RECORD_TASK: u32 = 1;
/// Record kind: call a method.
pub const RECORD_CALL: u32 = 2;
/// Record kind: construct the actor.
pub const RECORD_CREATE: u32 = 3;
/// Record kind: end the actor.
pub const RECORD_TERMINATE: u32 = 4;

/// One reply frame carries results up to this size together.
const REPLY_FRAME_MAX: usize = 96 << 10;

/// The longest description of a stored result that travels in the reply.
const DESCRIPTION_INLINE_MAX: usize = 32 << 10;

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
    connection: u32,
    /// The node's number of that connection: the slot may be another's when the task ends.
    connection_number: u32,
    submitter: ProcessNumber,
    sequence: u64,
    slot: u32,
    /// Entries made for its stored arguments.
    borrowed: Vec<Handle>,
    /// Results that went to the store, as items of the reply.
    stored: Vec<u8>,
    cancelled: bool,
    /// The task has been told of its cancellation: by a wait that was interrupted, by `isCanceled` or by
    /// its signal (EX-3).
    told: bool,
}

/// How a reply describes a result that is in the store, or that carries ids.
pub(crate) enum StoredResult {
    /// By a payload in wire form.
    Described(Vec<u8>),
    /// By the extent of one.
    Spilled(Extent),
}

impl StoredResult {
    /// The extent that belongs to the description alone.
    pub(crate) fn extent(&self) -> Option<Extent> {
        match self {
            Self::Described(_) => None,
            Self::Spilled(extent) => Some(*extent),
        }
    }
}

/// What this process executes.
pub(crate) struct Executor {
    running: Vec<Option<Running>>,
    /// The serial of the last task that began here.
    last_serial: u64,
    functions: Vec<Payload>,
    function_handles: Vec<Option<Handle>>,
    function_numbers: FxHashMap<FunctionId, u32>,
    /// A frame that was taken and not yet handed over.
    record: RecordWriter,
    actor: Option<Box<ActorSpec>>,
    actor_arguments: Vec<Handle>,
    pub(crate) actor_id: Option<ObjectId>,
    /// True once this process is dedicated to an actor.
    pub(crate) is_actor: bool,
    next_connection: usize,
    /// `get`s and `wait`s that the running task is in.
    waiting: u32,
    blocked: Option<u32>,
    /// The GPUs of the actor or lease.
    pub(crate) gpu_ids: Vec<String>,
    pub(crate) restarts: u32,
}

impl Executor {
    pub(crate) fn new() -> Self {
        Self {
            running: Vec::new(),
            last_serial: 0,
            functions: Vec::new(),
            function_handles: Vec::new(),
            function_numbers: FxHashMap::default(),
            record: RecordWriter::default(),
            actor: None,
            actor_arguments: Vec::new(),
            actor_id: None,
            is_actor: false,
            next_connection: 0,
            waiting: 0,
            blocked: None,
            gpu_ids: Vec::new(),
            restarts: 0,
        }
    }
}

impl Executor {
    /// True if the raylet has made this process an actor that is not constructed yet.
    pub(crate) fn has_actor_to_start(&self) -> bool {
        self.actor.is_some()
    }
}

impl Core {
    /// The next task, as a record; `None` if there is none now. The record stays until the next call.
    ///
    /// `[length: u32 | kind: u32 | token: u32 | function or method: u32 | results: u32 | arguments: u32
    /// | attempt: u32 | submitter: u32 | sequence: f64]`, then the arguments: `[kind: u32 | length: u32]`
    /// and an envelope, or a value record (see `events`) for a stored one.
    pub(crate) fn next_task(&mut self) -> Option<&[u8]> {
        self.executor.record.bytes.clear();
        if let Some(spec) = self.executor.actor.take() {
            self.write_creation(&spec);
            return Some(&self.executor.record.bytes);
        }
        let count = self.connections.len();
        for offset in 0..count {
            let index = (self.executor.next_connection + offset) % count;
            if self.take_from(index) {
                self.executor.next_connection = index;
                return Some(&self.executor.record.bytes);
            }
        }
        None
    }

    /// True if some ring has something for this executor.
    pub(crate) fn has_incoming_task(&self) -> bool {
        self.executor.actor.is_some()
            || self.connections.iter().flatten().any(|connection| {
                connection.use_of == Use::Executes && connection.reader.has_ready()
            })
    }

    /// Takes one task from a connection's ring into the record.
    fn take_from(&mut self, index: usize) -> bool {
        let mut frame = std::mem::take(&mut self.frame_scratch);
        let taken = self.take_into(index, &mut frame);
        self.keep_frame_scratch(frame);
        taken
    }

    fn take_into(&mut self, index: usize, frame: &mut Vec<u8>) -> bool {
        loop {
            let Some(connection) = self.connections[index].as_mut() else {
                return false;
            };
            if connection.use_of != Use::Executes {
                return false;
            }
            let peer = connection.peer;
            let mut kind = match connection.reader.take_next() {
                Ok(Some(taken)) => {
                    frame.clear();
                    frame.extend_from_slice(taken.payload);
                    taken.kind
                }
                Ok(None) => {
                    // Revoked frames were skipped, perhaps, and somebody waits for their room.
                    if connection.reader.take_space_request() {
                        connection.ring();
                    }
                    return false;
                }
                Err(error) => {
                    self.connection_broken(index as u32, &error);
                    return false;
                }
            };
            connection.reader.release();
            if connection.reader.take_space_request() {
                connection.ring();
            }
            if kind == SPILLED {
                let Some(content) = self.read_spilled(frame) else {
                    continue;
                };
                (kind, *frame) = content;
            }
            match kind {
                FUNCTION => self.install_function(frame),
                TASK | CALL | TERMINATE if self.write_task(index as u32, peer, kind, frame) => {
                    return true;
                }
                _ => {}
            }
        }
    }

    fn connection_broken(&mut self, index: u32, error: &RingError) {
        // Only a process that scribbles over the segment gets here; nothing it says can be trusted.
        self.fatal(&format!("a peer broke the protocol of its ring: {error}"));
        self.close_connection(index);
    }

    fn read_spilled(&self, frame: &[u8]) -> Option<(u32, Vec<u8>)> {
        let extent = Extent {
            offset: read_u64(frame, 8)?,
            length: read_u64(frame, 16)?,
        };
        Some((read_u32(frame, 0)?, self.segment.read_to_vec(extent).ok()?))
    }

    fn install_function(&mut self, frame: &[u8]) {
        let Some((id, rest)) = frame.split_at_checked(16) else {
            return;
        };
        let mut function = [0; 16];
        function.copy_from_slice(id);
        if let Ok((object, payload)) =
            eagleray_protocol::decode::<(Option<ObjectId>, Payload)>(rest)
        {
            self.add_function(function, object, payload);
        }
    }

    fn add_function(
        &mut self,
        function: FunctionId,
        object: Option<ObjectId>,
        payload: Payload,
    ) -> u32 {
        if let Some(&number) = self.executor.function_numbers.get(&function) {
            return number;
        }
        let number = self.executor.functions.len() as u32;
        // A function whose captured arrays are in the store keeps them for as long as it is known here.
        let handle = object.map(|id| self.borrow_with_value(id, payload.clone()));
        self.executor.functions.push(payload);
        self.executor.function_handles.push(handle);
        self.executor.function_numbers.insert(function, number);
        number
    }

    /// Writes the envelope of a function as a value record. False if there is none of that number.
    pub(crate) fn write_function(&self, number: u32, out: &mut RecordWriter) -> bool {
        let Some(payload) = self.executor.functions.get(number as usize) else {
            return false;
        };
        let handle = self.executor.function_handles[number as usize].unwrap_or(0);
        out.value(Status::Value as u32, handle, payload);
        true
    }

    fn write_task(
        &mut self,
        connection: u32,
        submitter: ProcessNumber,
        kind: u32,
        frame: &[u8],
    ) -> bool {
        let Some((header, arguments)) = TaskHeader::read(frame) else {
            return false;
        };
        let function = match kind {
            TASK => match self.executor.function_numbers.get(&header.function) {
                Some(&number) => number,
                // The submitter sends a function ahead of its first task; without it nothing can run.
                None => u32::MAX,
            },
            _ => read_u32(&header.function, 0).unwrap_or(u32::MAX),
        };
        let connection_number = self
            .connection(connection)
            .map_or(0, |opened| opened.number);
        self.executor.last_serial += 1;
        let running = Running {
            serial: self.executor.last_serial,
            connection,
            connection_number,
            submitter,
            sequence: header.sequence,
            slot: header.slot,
            borrowed: Vec::new(),
            stored: Vec::new(),
            cancelled: false,
            told: false,
        };
        let token = self.new_token(running);
        let record_kind = match kind {
            TASK => RECORD_TASK,
            CALL => RECORD_CALL,
            _ => RECORD_TERMINATE,
        };
        self.begin_record(record_kind, token, function, &header);
        let borrowed = self.write_arguments(arguments, header.argument_count);
        if let Some(running) = self.running_mut(token) {
            running.borrowed = borrowed;
        }
        self.executor.record.end();
        true
    }

    fn begin_record(&mut self, kind: u32, token: u32, function: u32, header: &TaskHeader) {
        let record = &mut self.executor.record;
        record.begin(kind);
        record.u32(token);
        record.u32(function);
        record.u32(header.result_count);
        record.u32(header.argument_count);
        record.u32(header.attempt);
        record.u32(0);
        record.f64(header.sequence as f64);
    }

    fn write_creation(&mut self, spec: &ActorSpec) {
        let function = self.add_function(spec.class, spec.export_object, spec.export.clone());
        let header = TaskHeader {
            function: spec.class,
            sequence: spec.id.sequence,
            slot: 0,
            attempt: self.executor.restarts,
            result_count: 1,
            argument_count: spec.argument_count,
        };
        self.begin_record(RECORD_CREATE, 0, function, &header);
        self.executor.actor_arguments = self.write_arguments(&spec.arguments, spec.argument_count);
        self.executor.record.end();
    }

    fn write_arguments(&mut self, mut arguments: &[u8], count: u32) -> Vec<Handle> {
        let mut borrowed = Vec::new();
        for _ in 0..count {
            let Some((item, rest)) = read_argument(arguments) else {
                break;
            };
            arguments = rest;
            if item.kind != ARGUMENT_STORED {
                let record = &mut self.executor.record;
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
            let handle = self.borrow_with_value(id, payload);
            borrowed.push(handle);
            let mut value = RecordWriter::default();
            self.write_value(handle, &mut value);
            let record = &mut self.executor.record;
            record.u32(1);
            record.u32(value.bytes.len() as u32);
            record.raw(&value.bytes);
        }
        borrowed
    }

    fn new_token(&mut self, running: Running) -> u32 {
        let list = &mut self.executor.running;
        match list.iter().position(Option::is_none) {
            Some(free) => {
                list[free] = Some(running);
                free as u32 + 1
            }
            None => {
                list.push(Some(running));
                list.len() as u32
            }
        }
    }

    fn running_mut(&mut self, token: u32) -> Option<&mut Running> {
        self.executor
            .running
            .get_mut(token.checked_sub(1)? as usize)?
            .as_mut()
    }

    /// A raylet's order to become an actor.
    pub(crate) fn start_actor(&mut self, spec: ActorSpec, gpu_ids: Vec<String>, restarts: u32) {
        self.executor.is_actor = true;
        self.executor.actor_id = Some(spec.id);
        self.executor.gpu_ids = gpu_ids;
        self.executor.restarts = restarts;
        self.executor.actor = Some(Box::new(spec));
    }

    /// The constructor has ended.
    pub(crate) fn actor_started(&mut self, outcome: Outcome) {
        self.settle_holds();
        self.tell(ToRaylet::ActorStarted { outcome });
        for handle in std::mem::take(&mut self.executor.actor_arguments) {
            self.release(handle);
        }
    }

    /// The id of a result of a running task, and who owns it.
    pub(crate) fn result_id(&self, token: u32, index: u32) -> Option<(ObjectId, ProcessNumber)> {
        let running = self
            .executor
            .running
            .get(token.checked_sub(1)? as usize)?
            .as_ref()?;
        let id = ObjectId::local(running.submitter, running.sequence + u64::from(index));
        Some((id, running.submitter))
    }

    /// The description of a stored result, as its reply carries it. One that is too long for a ring is
    /// stored, too.
    pub(crate) fn describe_result(
        &mut self,
        payload: &Payload,
        patient: bool,
    ) -> Result<StoredResult, SystemError> {
        let bytes = eagleray_protocol::encode(payload);
        if bytes.len() <= DESCRIPTION_INLINE_MAX {
            return Ok(StoredResult::Described(bytes));
        }
        match self.copy_in(&bytes, patient) {
            Ok(extent) => Ok(StoredResult::Spilled(extent)),
            Err(error) => {
                self.abandon_copies(&payload.extents);
                Err(error)
            }
        }
    }

    /// Adds a result that was sealed in the store, or that carries ids, to a task's reply.
    pub(crate) fn add_stored_result(
        &mut self,
        token: u32,
        index: u32,
        status: Status,
        stored: &StoredResult,
    ) {
        let (form, bytes) = match stored {
            StoredResult::Described(bytes) => (RESULT_STORED, bytes.clone()),
            StoredResult::Spilled(extent) => {
                let mut bytes = extent.offset.to_le_bytes().to_vec();
                bytes.extend_from_slice(&extent.length.to_le_bytes());
                (RESULT_SPILLED, bytes)
            }
        };
        if let Some(running) = self.running_mut(token) {
            for value in [status as u32, form, index, bytes.len() as u32] {
                running.stored.extend_from_slice(&value.to_le_bytes());
            }
            running.stored.extend_from_slice(&bytes);
            running
                .stored
                .resize(running.stored.len().next_multiple_of(8), 0);
        }
    }

    /// Answers a task with its inline results (items as in [`ReplyHeader`]) and the stored ones.
    pub(crate) fn finish(&mut self, token: u32, body: &[u8], retire: bool) {
        let Some(running) = token
            .checked_sub(1)
            .and_then(|index| self.executor.running.get_mut(index as usize)?.take())
        else {
            return;
        };
        if running.cancelled {
            // The token is the next task's, which nobody has cancelled (EX-3).
            self.events
                .retain(|event| !matches!(event, Event::Cancelled { token: of } if *of == token));
        }
        for &handle in &running.borrowed {
            self.release(handle);
        }
        self.settle_holds();
        if self
            .connection(running.connection)
            .is_none_or(|opened| opened.number != running.connection_number)
        {
            return;
        }
        let header = ReplyHeader {
            sequence: running.sequence,
            slot: running.slot,
            result_count: 0,
            last: true,
            retire,
        };
        if running.stored.is_empty() && body.len() <= REPLY_FRAME_MAX {
            let header = ReplyHeader {
                result_count: count_items(body),
                ..header
            };
            self.send_reply(running.connection, header, body);
        } else {
            let mut items = running.stored;
            items.extend_from_slice(body);
            self.send_in_parts(running.connection, header, &items);
        }
        self.wake_submitter(running.connection);
    }

    fn send_in_parts(&mut self, connection: u32, header: ReplyHeader, items: &[u8]) {
        let parts = split_items(items, REPLY_FRAME_MAX);
        let last = parts.len() - 1;
        for (index, (range, result_count)) in parts.into_iter().enumerate() {
            let part = ReplyHeader {
                result_count,
                last: index == last,
                retire: index == last && header.retire,
                ..header
            };
            self.send_reply(connection, part, &items[range]);
        }
    }

    fn send_reply(&mut self, connection: u32, header: ReplyHeader, items: &[u8]) {
        let mut bytes = [0; ReplyHeader::LENGTH];
        header.write(&mut bytes);
        if let Some(connection) = self.connection(connection) {
            connection.send(REPLY, &[&bytes, items]);
        }
    }

    fn wake_submitter(&mut self, connection: u32) {
        let Some(opened) = self.connection(connection) else {
            return;
        };
        // With nothing more to do here, the submitter is told at once.
        if opened.has_waiting() || !opened.reader.has_ready() {
            opened.ring();
        } else if opened.ring_lazily() {
            self.pace_needed = true;
        }
    }

    /// The running task begins to wait in `get` or `wait`.
    pub(crate) fn enter_wait(&mut self) {
        self.executor.waiting += 1;
        if self.executor.waiting > 1 || self.executor.is_actor {
            return;
        }
        let Some(connection) = self
            .executor
            .running
            .iter()
            .flatten()
            .next()
            .map(|running| running.connection)
        else {
            return;
        };
        self.executor.blocked = Some(connection);
        self.tell(ToRaylet::Blocked { blocked: true });
        let mut functions = Vec::new();
        let mut spilled = Vec::new();
        let mut slots = Vec::new();
        if let Some(opened) = self.connection(connection) {
            let revoked = opened.reader.revoke_unstarted(|kind, frame| match kind {
                FUNCTION => functions.push(frame.to_vec()),
                // Whoever wrote a function's frame into an extent keeps it for as long as the connection.
                SPILLED if read_u32(frame, 0) == Some(FUNCTION) => spilled.push(frame.to_vec()),
                SPILLED => slots.extend(read_u32(frame, 4)),
                _ => slots.extend(TaskHeader::read(frame).map(|(header, _)| header.slot)),
            });
            if let Err(error) = revoked {
                self.connection_broken(connection, &error);
                return;
            }
            // Whoever waits for the room is rung with the frame that follows.
            opened.reader.take_space_request();
        }
        for frame in spilled {
            functions.extend(self.read_spilled(&frame).map(|(_, content)| content));
        }
        for function in functions {
            self.install_function(&function);
        }
        let revoked: Vec<u8> = slots.into_iter().flat_map(u32::to_le_bytes).collect();
        if let Some(opened) = self.connection(connection) {
            opened.send(BLOCKED, &[&revoked]);
            opened.ring();
        }
    }

    /// The running task has what it waited for.
    pub(crate) fn leave_wait(&mut self) {
        self.executor.waiting = self.executor.waiting.saturating_sub(1);
        if self.executor.waiting > 0 {
            return;
        }
        if let Some(connection) = self.executor.blocked.take() {
            self.tell(ToRaylet::Blocked { blocked: false });
            if let Some(opened) = self.connection(connection) {
                opened.send(UNBLOCKED, &[]);
                opened.ring();
            }
        }
    }

    /// The serial of a task that runs here; 0 if none has this token.
    pub(crate) fn serial_of(&mut self, token: u32) -> u64 {
        self.running_mut(token).map_or(0, |running| running.serial)
    }

    /// True if a task that runs here was cancelled, which the caller tells it (EX-3).
    pub(crate) fn is_cancelled(&mut self, token: u32) -> bool {
        let Some(running) = self.running_mut(token) else {
            return false;
        };
        running.told |= running.cancelled;
        running.cancelled
    }

    /// How the cancellation of a task that runs here stands; if it was not told yet, the caller tells it
    /// (EX-3).
    pub(crate) fn tell_cancellation(&mut self, token: u32) -> Cancellation {
        match self.running_mut(token) {
            Some(running) if running.cancelled => {
                if std::mem::replace(&mut running.told, true) {
                    Cancellation::Told
                } else {
                    Cancellation::Fresh
                }
            }
            _ => Cancellation::None,
        }
    }

    /// Cancels a task that runs here, or one that this process owns.
    pub(crate) fn cancel_by_id(&mut self, task: ObjectId, force: bool, recursive: bool) {
        let running = self
            .executor
            .running
            .iter_mut()
            .enumerate()
            .find(|(_, running)| {
                running.as_ref().is_some_and(|running| {
                    running.submitter == task.owner && running.sequence == task.sequence
                })
            });
        let Some((index, Some(running))) = running else {
            if task.owner == self.process {
                self.cancel(task.sequence, force, recursive);
            }
            return;
        };
        running.cancelled = true;
        let serial = running.serial;
        let token = index as u32 + 1;
        self.events.push_back(Event::Cancelled { token });
        if recursive {
            let children: Vec<Handle> = self
                .tasks
                .iter()
                .flatten()
                .filter(|child| child.parent == serial)
                .map(|child| child.sequence)
                .collect();
            for child in children {
                self.cancel(child, force, true);
            }
        }
    }

    /// EX-1: what this process kept is acknowledged before anybody may let go.
    fn settle_holds(&mut self) {
        if self.has_unsettled_holds() {
            let request = self.next_request();
            self.tell(ToRaylet::Synchronize { request });
            self.answer(request);
            self.holds_settled();
        }
    }

    /// The value of a stored result that this process makes for a submitter is sealed.
    /// `description` is the extent of its description, which lives as long as the object.
    pub(crate) fn seal_for(
        &mut self,
        id: ObjectId,
        holder: ProcessNumber,
        payload: &Payload,
        description: Option<Extent>,
    ) {
        let request = self.next_request();
        let mut extents = payload.extents.to_vec();
        extents.extend(description);
        self.tell(ToRaylet::Seal {
            request,
            id,
            holder,
            extents,
            nested: payload.nested.to_vec(),
        });
        self.answer(request);
        self.holds_settled();
    }
}

pub(crate) fn item_length(items: &[u8]) -> Option<usize> {
    let length = read_u32(items, 12)? as usize;
    (items.len() >= 16 + length).then(|| (16 + padded(length)).min(items.len()))
}

/// Cuts results into frames of at most `limit` bytes, each with the number of its results; a result
/// above the limit is alone. At least one frame, because even a task without results is answered.
pub(crate) fn split_items(items: &[u8], limit: usize) -> Vec<(Range<usize>, u16)> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut end = 0;
    let mut count = 0;
    while let Some(length) = item_length(&items[end..]) {
        if end > start && end + length - start > limit {
            parts.push((start..end, count));
            start = end;
            count = 0;
        }
        end += length;
        count += 1;
    }
    parts.push((start..end, count));
    parts
}

pub(crate) fn count_items(mut items: &[u8]) -> u16 {
    let mut count = 0;
    while let Some(length) = item_length(items) {
        count += 1;
        items = &items[length..];
    }
    count
}
