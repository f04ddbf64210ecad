//! Tasks and actor calls from submission to result, as their submitter sees them.
//!
//! A task is *waiting* for arguments, *queued* (in its class's or actor's queue), *in flight* on a
//! ring, or *done*. `docs/life-cycles.md` draws the edges.
//!
//! - **TA-1:** every result entry of a task is completed exactly once: by a reply, by a failed
//!   argument, by cancellation, or by the death of who ran it.
//! - **TA-2:** what a task's arguments need is pinned from submission until the task is done.

use eagleray_object_store::Extent;
use eagleray_protocol::frames::{
    self, ARGUMENT_INLINE, ARGUMENT_REF, ARGUMENT_STORED, CALL, FUNCTION, SPILLED, TASK, TERMINATE,
    TaskHeader, read_argument, read_f64, read_u32, read_u64, write_argument,
};
use eagleray_protocol::{
    FunctionId, Nested, NestedKind, ObjectId, Outcome, Payload, Status, SystemError, ToRaylet,
};

use crate::NO_SLOT;
use crate::core::{Core, ResultItem};
use crate::leases::Queued;
use crate::objects::{BORROWED_BASE, Entry, Handle, Meta, Value};

/// Operations in the submission buffer.
pub mod operations {
    /// Submits a task.
    pub const TASK: u32 = 1;
    /// Calls an actor.
    pub const CALL: u32 = 2;
    /// Lets go of a ref.
    pub const RELEASE: u32 = 3;
    /// Lets go of an actor handle.
    pub const RELEASE_ACTOR: u32 = 4;
    /// Gives a small value that JavaScript held so far an entry here.
    pub const DEFINE: u32 = 5;
    /// Ends an actor after the calls before it.
    pub const TERMINATE: u32 = 6;
    /// Creates an actor; not part of a batch.
    pub const CREATE: u32 = 7;
}

/// Bytes of the fixed part of a `TASK` or `CALL` operation.
const SUBMISSION_HEADER: usize = 48;

/// A frame above this goes to its executor by an extent.
const FRAME_INLINE_MAX: usize = 64 << 10;

/// Results of one task, as the SDK bounds them (`COUNT_MAX`); beyond it an operation is malformed.
const RESULTS_MAX: u32 = i32::MAX as u32;

/// What all calls of a remote function with the same options have in common.
pub struct Template {
    /// The exported function.
    pub function: FunctionId,
    /// What errors call its tasks.
    pub name: String,
    /// Its envelope.
    pub export: Payload,
    /// The object that owns the envelope's extents, if it has any.
    pub export_object: Option<ObjectId>,
    /// Scheduling class.
    pub class: u32,
    /// Repetitions after a crash or a retryable error; -1 is without limit.
    pub max_retries: i64,
    /// The frame that exports the function, made when it is first sent. One too large for a ring is in the
    /// store for as long as this process lives.
    pub frame: Option<ExportFrame>,
}

/// The frame that exports a function.
pub struct ExportFrame {
    pub(crate) kind: u32,
    pub(crate) bytes: Box<[u8]>,
}

/// Where a task is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Arguments are missing.
    Waiting,
    /// In the queue of its class or actor.
    Queued,
    /// On a ring, or running.
    InFlight,
}

/// Who runs a task.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A worker leased for a template's class.
    Template(u32),
    /// An actor, by its number, and the index of the method.
    Actor { actor: u32, method: u32 },
    /// The end of an actor, in order.
    Terminate { actor: u32 },
    /// The raylet, which starts the actor.
    Create { actor: u32 },
}

/// A submitted task that is not done.
pub(crate) struct Task {
    pub(crate) sequence: u64,
    pub(crate) target: Target,
    pub(crate) place: Place,
    pub(crate) result_count: u32,
    pub(crate) argument_count: u32,
    pub(crate) attempt: u32,
    pub(crate) retries_left: i64,
    /// Arguments that are not there yet.
    pub(crate) missing: u32,
    /// The serial of the task that submitted it; 0 if none did.
    pub(crate) parent: u64,
    /// Its results are settled already; what comes is dropped.
    pub(crate) cancelled: bool,
    pub(crate) arguments: Box<[u8]>,
    /// What TA-2 pins.
    pub(crate) pins: Box<[Handle]>,
    pub(crate) actor_pins: Box<[u32]>,
    /// The extent of a frame too large for a ring.
    spilled: Option<Extent>,
}

/// A malformed operation; a defect of the SDK, not of its user.
#[derive(Debug)]
pub struct MalformedSubmission {
    /// Where in the buffer.
    pub at: usize,
}

impl Core {
    /// Carries out a batch of operations.
    pub(crate) fn carry_out(&mut self, batch: &[u8]) -> Result<(), MalformedSubmission> {
        let mut at = 0;
        while at < batch.len() {
            let record = read_u32(batch, at)
                .and_then(|length| batch.get(at..at.checked_add(length as usize)?))
                .filter(|record| record.len() >= 16)
                .ok_or(MalformedSubmission { at })?;
            self.carry_out_one(record)
                .ok_or(MalformedSubmission { at })?;
            at += record.len();
        }
        Ok(())
    }

    fn carry_out_one(&mut self, record: &[u8]) -> Option<()> {
        match read_u32(record, 4)? {
            operations::TASK | operations::CALL | operations::TERMINATE => {
                self.submit(record, read_u32(record, 36)?)
            }
            operations::RELEASE => {
                self.release(read_f64(record, 8)? as Handle);
                Some(())
            }
            operations::RELEASE_ACTOR => {
                self.release_actor(read_u32(record, 8)?);
                Some(())
            }
            operations::DEFINE => {
                let sequence = read_f64(record, 8)? as u64;
                let nested_count = read_u32(record, 16)? as usize;
                let meta_length = read_u32(record, 20)? as usize;
                let (refs, actors) = read_nested(record, 24, nested_count)?;
                let start = 24 + nested_count * 8;
                let meta = record.get(start..start + meta_length)?;
                let nested = self.nested_ids(&refs, &actors);
                let payload = Payload {
                    nested: nested.into(),
                    ..Payload::inline(meta)
                };
                self.define(sequence, payload, refs, actors, false);
                Some(())
            }
            _ => None,
        }
    }

    /// Submits a task, a call or a creation.
    pub(crate) fn submit(&mut self, record: &[u8], actor: u32) -> Option<()> {
        let operation = read_u32(record, 4)?;
        let first = read_u32(record, 8)?;
        let result_count = read_u32(record, 12)?;
        let sequence = read_f64(record, 16)? as u64;
        let parent = self.serial_of(read_u32(record, 24)?);
        let argument_count = read_u32(record, 28)?;
        let nested_count = read_u32(record, 32)? as usize;
        if result_count > RESULTS_MAX || sequence >= BORROWED_BASE - u64::from(RESULTS_MAX) {
            return None;
        }
        let retries = i64::from(read_u32(record, 40)?.cast_signed());
        let (mut pins, mut actor_pins) = read_nested(record, SUBMISSION_HEADER, nested_count)?;
        let arguments = record.get(SUBMISSION_HEADER + nested_count * 8..)?;

        let (target, retries_left) = match operation {
            operations::TASK => (
                Target::Template(first),
                self.templates.get(first as usize)?.max_retries,
            ),
            operations::CALL => (
                Target::Actor {
                    actor,
                    method: first,
                },
                retries,
            ),
            operations::TERMINATE => (Target::Terminate { actor }, 0),
            _ => (Target::Create { actor }, 0),
        };
        if operation != operations::TASK {
            actor_pins.push(actor);
        }
        for &pin in &pins {
            self.publish(pin);
        }
        self.collect_ref_arguments(arguments, argument_count, &mut pins)?;
        for &pin in &pins {
            self.pin(pin);
        }
        for &actor in &actor_pins {
            self.pin_actor(actor);
        }
        let slot = self.new_slot();
        for index in 0..u64::from(result_count) {
            let id = ObjectId::local(self.process, sequence + index);
            let mut entry = Entry::new(id, 1, Value::Pending);
            entry.producer = slot;
            self.objects.insert_owned(sequence + index, entry);
        }
        let mut task = Task {
            sequence,
            target,
            place: Place::Waiting,
            result_count,
            argument_count,
            attempt: 0,
            retries_left,
            missing: 0,
            parent,
            cancelled: false,
            arguments: arguments.into(),
            pins: pins.into(),
            actor_pins: actor_pins.into(),
            spilled: None,
        };
        task.missing = self.count_missing(&task, slot);
        let missing = task.missing;
        self.tasks[slot as usize] = Some(task);
        self.task_count += 1;
        match target {
            Target::Template(_) if missing == 0 => self.ready(slot),
            Target::Create { actor } if missing == 0 => self.create_ready(slot, actor),
            Target::Template(_) | Target::Create { .. } => {}
            Target::Actor { .. } | Target::Terminate { .. } => {
                self.enqueue_call(slot, missing == 0)
            }
        }
        Some(())
    }

    fn new_slot(&mut self) -> u32 {
        self.free_slots.pop().unwrap_or_else(|| {
            self.tasks.push(None);
            (self.tasks.len() - 1) as u32
        })
    }

    /// Finds the refs among the arguments: their values are needed, so they are pinned.
    fn collect_ref_arguments(
        &self,
        mut arguments: &[u8],
        count: u32,
        pins: &mut Vec<Handle>,
    ) -> Option<()> {
        for _ in 0..count {
            let (item, rest) = read_argument(arguments)?;
            if item.kind == ARGUMENT_REF {
                pins.push(read_f64(item.bytes, 0)? as Handle);
            }
            arguments = rest;
        }
        Some(())
    }

    fn count_missing(&mut self, task: &Task, slot: u32) -> u32 {
        let dependent = Queued {
            slot,
            sequence: task.sequence,
        };
        let mut missing = 0;
        let mut arguments = &task.arguments[..];
        for _ in 0..task.argument_count {
            let Some((item, rest)) = read_argument(arguments) else {
                break;
            };
            if item.kind == ARGUMENT_REF {
                let handle = read_f64(item.bytes, 0).unwrap_or(0.0) as Handle;
                missing += u32::from(self.add_dependent(handle, dependent));
            }
            arguments = rest;
        }
        missing
    }

    /// An argument of a task is there.
    pub(crate) fn dependency_ready(&mut self, slot: u32) {
        let Some(Some(task)) = self.tasks.get_mut(slot as usize) else {
            return;
        };
        task.missing = task.missing.saturating_sub(1);
        if task.missing > 0 {
            return;
        }
        match task.target {
            Target::Template(_) if task.place == Place::Waiting => self.ready(slot),
            Target::Template(_) => {}
            Target::Create { actor } => self.create_ready(slot, actor),
            Target::Actor { actor, .. } | Target::Terminate { actor } => {
                self.call_ready(slot, actor)
            }
        }
    }

    /// All arguments are there: the task fails with the first failed one, or joins its queue.
    fn ready(&mut self, slot: u32) {
        if self.fail_with_argument(slot) {
            return;
        }
        let Some(Some(task)) = self.tasks.get(slot as usize) else {
            return;
        };
        if let Target::Template(template) = task.target {
            self.set_place(slot, Place::Queued);
            let class = self.templates[template as usize].class;
            self.enqueue(class, slot);
        }
    }

    /// Moves a task, and keeps count of those in flight.
    pub(crate) fn set_place(&mut self, slot: u32, place: Place) {
        let Some(Some(task)) = self.tasks.get_mut(slot as usize) else {
            return;
        };
        let was = std::mem::replace(&mut task.place, place);
        self.in_flight_count += usize::from(place == Place::InFlight);
        self.in_flight_count -= usize::from(was == Place::InFlight);
    }

    /// True if something has to be done for a task before anybody runs it.
    pub(crate) fn has_tasks_to_send(&self) -> bool {
        self.task_count > self.in_flight_count
    }

    /// Fails a task whose argument failed, with the same error. True if it did.
    pub(crate) fn fail_with_argument(&mut self, slot: u32) -> bool {
        let Some(outcome) = self.failed_argument(slot) else {
            return false;
        };
        self.fail_task(slot, &outcome);
        true
    }

    /// The error of the first argument that failed.
    pub(crate) fn failed_argument(&mut self, slot: u32) -> Option<Outcome> {
        let task = self.tasks.get(slot as usize)?.as_ref()?;
        let mut arguments = &task.arguments[..];
        for _ in 0..task.argument_count {
            let (item, rest) = read_argument(arguments)?;
            arguments = rest;
            if item.kind != ARGUMENT_REF {
                continue;
            }
            let handle = read_f64(item.bytes, 0)? as Handle;
            let Some(entry) = self.objects.get_mut(handle) else {
                continue;
            };
            if !matches!(entry.value.status(), None | Some(Status::Value)) {
                entry.observed = true;
                return entry.value.outcome();
            }
        }
        None
    }

    /// Builds the frame of a task for its executor in `frame`, whose content is replaced, and returns its
    /// kind. Fails if the task's arguments are gone or the store is full.
    pub(crate) fn build_frame(
        &mut self,
        slot: u32,
        frame: &mut Vec<u8>,
    ) -> Result<u32, SystemError> {
        let Some(Some(task)) = self.tasks.get(slot as usize) else {
            return Err(SystemError::new("EaglerayError", "the task is gone"));
        };
        let (kind, function) = match task.target {
            Target::Template(template) => (TASK, self.templates[template as usize].function),
            Target::Actor { method, .. } => {
                let mut function = [0; 16];
                function[0..4].copy_from_slice(&method.to_le_bytes());
                (CALL, function)
            }
            Target::Terminate { .. } | Target::Create { .. } => (TERMINATE, [0; 16]),
        };
        let header = TaskHeader {
            function,
            sequence: task.sequence,
            slot,
            attempt: task.attempt,
            result_count: task.result_count,
            argument_count: task.argument_count,
        };
        frame.clear();
        frame.resize(TaskHeader::LENGTH, 0);
        header.write(frame);
        // Taken out for the moment, because resolving refs changes other tables; kept for retries.
        let arguments = match self.tasks.get_mut(slot as usize) {
            Some(Some(task)) => std::mem::take(&mut task.arguments),
            _ => Box::default(),
        };
        let resolved = self.resolve_arguments(&arguments, header.argument_count, frame);
        if let Some(Some(task)) = self.tasks.get_mut(slot as usize) {
            task.arguments = arguments;
        }
        resolved?;
        if frame.len() <= FRAME_INLINE_MAX {
            return Ok(kind);
        }
        let extent = self.store_bytes(frame)?;
        // A frame that found no room in its ring, or whose worker has died, is built anew.
        if let Some(Some(task)) = self.tasks.get_mut(slot as usize)
            && let Some(earlier) = task.spilled.replace(extent)
        {
            self.tell(ToRaylet::Abandon {
                extents: vec![earlier],
            });
        }
        *frame = spilled_frame(kind, slot, extent);
        Ok(SPILLED)
    }

    /// The number of a template; equal ones share it, so that options made anew for each call cost nothing.
    pub(crate) fn declare_template(&mut self, template: Template, export: Handle) -> u32 {
        let key = (template.function, template.class, template.max_retries);
        if let Some(&number) = self.template_numbers.get(&key) {
            return number;
        }
        self.pin(export);
        let number = self.templates.len() as u32;
        self.templates.push(template);
        self.template_numbers.insert(key, number);
        number
    }

    /// Makes the frame that exports a template's function, unless it is made.
    pub(crate) fn build_export(&mut self, template: u32) -> Result<(), SystemError> {
        let Some(entry) = self.templates.get(template as usize) else {
            return Ok(());
        };
        if entry.frame.is_some() {
            return Ok(());
        }
        let mut bytes = entry.function.to_vec();
        bytes.extend(eagleray_protocol::encode(&(
            entry.export_object,
            entry.export.clone(),
        )));
        let frame = if bytes.len() <= FRAME_INLINE_MAX {
            ExportFrame {
                kind: FUNCTION,
                bytes: bytes.into(),
            }
        } else {
            let extent = self.store_bytes(&bytes)?;
            ExportFrame {
                kind: SPILLED,
                bytes: spilled_frame(FUNCTION, NO_SLOT, extent).into(),
            }
        };
        self.templates[template as usize].frame = Some(frame);
        Ok(())
    }

    /// Copies arguments, with the values of refs in the place of the refs.
    pub(crate) fn resolve_arguments(
        &mut self,
        arguments: &[u8],
        count: u32,
        frame: &mut Vec<u8>,
    ) -> Result<(), SystemError> {
        let mut rest = arguments;
        let mut copied = 0;
        for _ in 0..count {
            let Some((item, after)) = read_argument(rest) else {
                return Err(SystemError::new("EaglerayError", "malformed arguments"));
            };
            let start = arguments.len() - rest.len();
            rest = after;
            if item.kind != ARGUMENT_REF {
                continue;
            }
            frame.extend_from_slice(&arguments[copied..start]);
            copied = arguments.len() - after.len();
            let handle = read_f64(item.bytes, 0).unwrap_or(0.0) as Handle;
            self.publish_inside(handle);
            let Some(entry) = self.objects.get(handle) else {
                return Err(SystemError::new(
                    "ObjectLostError",
                    "an argument's object is gone",
                ));
            };
            match &entry.value {
                Value::Inline { meta, .. } => write_argument(frame, ARGUMENT_INLINE, meta),
                Value::Full(full) if !full.outcome.payload.is_stored() => {
                    write_argument(frame, ARGUMENT_INLINE, &full.outcome.payload.meta);
                }
                Value::Full(full) => {
                    let stored =
                        eagleray_protocol::encode(&(entry.id, full.outcome.payload.clone()));
                    write_argument(frame, ARGUMENT_STORED, &stored);
                }
                Value::Pending => {
                    return Err(SystemError::new(
                        "EaglerayError",
                        "an argument is not there yet",
                    ));
                }
            }
        }
        frame.extend_from_slice(&arguments[copied..]);
        Ok(())
    }

    /// Takes a task out: its pins go (TA-2). Its results must have been completed.
    pub(crate) fn finish_task(&mut self, slot: u32) {
        let Some(task) = self.tasks.get_mut(slot as usize).and_then(Option::take) else {
            return;
        };
        self.free_slots.push(slot);
        self.task_count -= 1;
        self.in_flight_count -= usize::from(task.place == Place::InFlight);
        if let Target::Actor { actor, .. } | Target::Terminate { actor } = task.target {
            self.call_closed(actor);
        }
        if let Some(extent) = task.spilled {
            self.tell(ToRaylet::Abandon {
                extents: vec![extent],
            });
        }
        for pin in task.pins {
            self.release(pin);
        }
        for actor in task.actor_pins {
            self.release_actor(actor);
        }
    }

    /// Completes whatever results of a task are missing with an error, and takes the task out.
    pub(crate) fn fail_task(&mut self, slot: u32, outcome: &Outcome) {
        let Some(Some(task)) = self.tasks.get(slot as usize) else {
            return;
        };
        let (sequence, count) = (task.sequence, u64::from(task.result_count));
        for index in 0..count {
            if matches!(
                self.objects.get(sequence + index),
                Some(Entry {
                    value: Value::Pending,
                    ..
                })
            ) {
                self.complete(sequence + index, Value::from_outcome(outcome.clone()));
            }
        }
        self.finish_task(slot);
    }

    /// As [`Self::fail_task`], with an error of the runtime.
    pub(crate) fn fail_task_with(&mut self, slot: u32, error: &SystemError) {
        self.fail_task(slot, &Outcome::system_error(error));
    }

    /// Lets go of a result that was sealed for this process and that nobody here will hold.
    fn drop_result(&mut self, handle: Handle) {
        let id = ObjectId::local(self.process, handle);
        self.let_go(Nested {
            kind: NestedKind::Ref,
            id,
        });
    }

    /// The process that ran a task is gone: it may have sealed results for this process without saying so.
    pub(crate) fn expect_sealed_results(&mut self, slot: u32) {
        let Some(Some(task)) = self.tasks.get(slot as usize) else {
            return;
        };
        let (sequence, count) = (task.sequence, u64::from(task.result_count));
        for handle in sequence..sequence + count {
            self.ignore_sealed_result(handle);
        }
    }

    /// A result was, or may have been, sealed for this process and is not its value. The raylet is told once
    /// the entry goes, since a further attempt may seal it again; it does not mind a release of what it does
    /// not know.
    pub(crate) fn ignore_sealed_result(&mut self, handle: Handle) {
        match self.objects.get_mut(handle) {
            Some(entry) => entry.known = true,
            None => self.drop_result(handle),
        }
    }

    /// Reads one result of a reply into its entry. False if the frame is malformed.
    pub(crate) fn take_result(&mut self, sequence: u64, item: &ResultItem<'_>) -> bool {
        let Some(status) = u8::try_from(item.status).ok().and_then(Status::from_byte) else {
            return false;
        };
        let status = if status == Status::RetryableUserError {
            Status::UserError
        } else {
            status
        };
        let handle = sequence + u64::from(item.index);
        if item.form == frames::RESULT_INLINE {
            self.complete(
                handle,
                Value::Inline {
                    status,
                    meta: Meta::from_slice(item.bytes),
                },
            );
            return true;
        }
        let Some(payload) = self.read_description(item) else {
            return false;
        };
        // The executor has sealed it for this process, which holds it from now on, or lets go of it if nobody
        // here wants it any more.
        match self.objects.get_mut(handle) {
            Some(entry) => entry.known = true,
            None => {
                self.drop_result(handle);
                return true;
            }
        }
        self.complete(handle, Value::from_outcome(Outcome { status, payload }));
        true
    }
}

/// The frame that stands for one in an extent.
fn spilled_frame(kind: u32, slot: u32, extent: Extent) -> Vec<u8> {
    let mut frame = Vec::with_capacity(24);
    frame.extend_from_slice(&kind.to_le_bytes());
    frame.extend_from_slice(&slot.to_le_bytes());
    frame.extend_from_slice(&extent.offset.to_le_bytes());
    frame.extend_from_slice(&extent.length.to_le_bytes());
    frame
}

impl Core {
    fn read_description(&self, item: &ResultItem<'_>) -> Option<Payload> {
        if item.form != frames::RESULT_SPILLED {
            return eagleray_protocol::decode(item.bytes).ok();
        }
        let extent = Extent {
            offset: read_u64(item.bytes, 0)?,
            length: read_u64(item.bytes, 8)?,
        };
        eagleray_protocol::decode(&self.segment.read_to_vec(extent).ok()?).ok()
    }
}

/// Reads nested handles: refs are positive, actors are their number below zero, less one.
fn read_nested(record: &[u8], start: usize, count: usize) -> Option<(Vec<Handle>, Vec<u32>)> {
    let mut refs = Vec::new();
    let mut actors = Vec::new();
    for index in 0..count {
        let value = read_f64(record, start + index * 8)?;
        if value < 0.0 {
            actors.push((-value - 1.0) as u32);
        } else {
            refs.push(value as Handle);
        }
    }
    Some((refs, actors))
}
