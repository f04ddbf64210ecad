//! What executors say: results, and that they wait.
//!
//! - **TA-3:** a reply counts only if its task is in flight on the connection over which it came.

use eagleray_protocol::frames::{self, ReplyHeader, read_u32};
use eagleray_protocol::{Outcome, Payload, Status};
use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use super::Submitter;
use super::routes::Use;
use super::task::{Nonsense, Place, Task, missing_result_error};
use crate::handle::{Handle, PeerSlot};
use crate::objects::{FullValue, Meta, Objects, Value};
use crate::reply_items::{ResultItem, items};
use crate::rings::Rings;
use crate::work::Out;

impl Submitter {
    /// A peer has answered a task, or given a part of its results.
    pub fn reply<R: Rings>(
        &mut self,
        peer: PeerSlot,
        frame: &[u8],
        objects: &mut Objects,
        rings: &mut R,
        out: &mut Out,
    ) -> Result<(), Nonsense> {
        let (header, bytes) =
            ReplyHeader::read(frame).ok_or(Nonsense("a reply without its header"))?;
        let slot = header.slot;
        let is_ours = |task: &&mut Task| {
            task.sequence == header.sequence && task.place == Place::InFlight(peer)
        };
        let Some(task) = self.tasks.get_mut(slot).filter(is_ours) else {
            late_results(header.sequence, bytes, objects, out);
            return Ok(());
        };
        if !header.last {
            task.rare().parts.extend_from_slice(bytes);
            return Ok(());
        }
        let mut parts = match &mut task.rare {
            Some(rare) => std::mem::take(&mut rare.parts),
            None => Vec::new(),
        };
        let all = if parts.is_empty() {
            bytes
        } else {
            parts.extend_from_slice(bytes);
            &parts
        };
        let mut values: SmallVec<[(Handle, Value); 1]> = SmallVec::new();
        let mut is_retryable = false;
        for item in items(all) {
            if item.index >= task.result_count {
                return Err(Nonsense("a result of a number that its task does not have"));
            }
            is_retryable |= item.status == Status::RetryableUserError as u32;
            let handle = header.sequence + u64::from(item.index);
            values.push((handle, read_value(&item, rings)?));
        }
        // TA-1: an attempt counts as a whole, or not at all.
        let is_repeated = is_retryable && task.may_repeat();
        let is_void = is_repeated || task.is_cancelled;
        let is_complete = is_void || are_all(&values, header.sequence, task.result_count);
        if header.sealed_in_vain {
            for handle in task.results() {
                objects.sealed_in_vain(handle, out);
            }
        }
        if values.len() > 1 && !is_void && values.iter().all(|(_, value)| value.is_missed()) {
            objects.fail_together(task.results(), out);
        }
        for (handle, value) in values {
            // What is not inline the executor has sealed for this process, which holds it from now on, or lets go of
            // it if nobody here wants it any more.
            let is_wanted =
                matches!(value, Value::Inline { .. }) || objects.is_sealed_for_us(handle, out);
            if is_wanted && !is_void {
                objects.complete(handle, value, out);
            }
        }
        self.tasks.count_finished();
        self.answered(peer, slot, header.retire, objects, rings, out);
        if is_repeated {
            self.repeat(slot, out);
        } else if is_complete {
            self.finish(slot, objects, out);
        } else {
            self.fail_with(slot, &missing_result_error(), objects, out);
        }
        Ok(())
    }

    /// A task's executor is done with it.
    fn answered<R: Rings>(
        &mut self,
        peer: PeerSlot,
        slot: u32,
        retires: bool,
        objects: &mut Objects,
        rings: &mut R,
        out: &mut Out,
    ) {
        match self.routes.use_of(peer) {
            Use::Lease(lease) => {
                let mut carriage = carriage!(self, objects, rings, out);
                let tasks = &mut self.tasks;
                self.dispatch
                    .answered(lease, slot, retires, tasks, &mut carriage);
            }
            Use::Actor(actor) => self.callers.answered(actor, slot),
            Use::Unused => {}
        }
    }

    /// The running task of a worker waits; `frame` names what the worker has taken back.
    pub fn blocked<R: Rings>(
        &mut self,
        peer: PeerSlot,
        frame: &[u8],
        objects: &mut Objects,
        rings: &mut R,
        out: &mut Out,
    ) {
        let Use::Lease(lease) = self.routes.use_of(peer) else {
            return;
        };
        let revoked: FxHashSet<u32> = frame
            .chunks_exact(4)
            .filter_map(|bytes| read_u32(bytes, 0))
            .collect();
        let mut carriage = carriage!(self, objects, rings, out);
        let tasks = &mut self.tasks;
        self.dispatch.blocked(lease, &revoked, tasks, &mut carriage);
    }

    /// The running task of a worker has what it waited for.
    pub fn unblocked(&mut self, peer: PeerSlot) {
        if let Use::Lease(lease) = self.routes.use_of(peer) {
            self.dispatch.unblocked(lease);
        }
    }
}

/// Whether each of a task's results is among values that were sent, given in the order in which they came.
fn are_all(values: &[(Handle, Value)], first: Handle, count: u32) -> bool {
    if values.len() != count as usize {
        return false;
    }
    // In order, as executors send them that store nothing.
    if (first..)
        .zip(values)
        .all(|(expected, (handle, _))| expected == *handle)
    {
        return true;
    }
    let handles: FxHashSet<Handle> = values.iter().map(|(handle, _)| *handle).collect();
    handles.len() == count as usize
}

/// The value of a result that an executor has sent.
fn read_value<R: Rings>(item: &ResultItem<'_>, rings: &mut R) -> Result<Value, Nonsense> {
    let status = u8::try_from(item.status).ok().and_then(Status::from_byte);
    let status = match status.ok_or(Nonsense("a result of an unknown status"))? {
        Status::RetryableUserError => Status::UserError,
        status => status,
    };
    if item.form == frames::RESULT_INLINE {
        return Ok(Value::Inline {
            status,
            meta: Meta::from_slice(item.bytes),
        });
    }
    let payload: Option<Payload> = if item.form == frames::RESULT_SPILLED {
        let content = item.extent().and_then(|extent| rings.read(extent));
        content.and_then(|bytes| eagleray_protocol::decode(&bytes).ok())
    } else {
        eagleray_protocol::decode(item.bytes).ok()
    };
    let payload = payload.ok_or(Nonsense("a result without a readable description"))?;
    // In this form also where it has no extents: it was sealed for this process, which the entry has to know.
    Ok(Value::Full(Box::new(FullValue {
        outcome: Outcome { status, payload },
        pins: Vec::new(),
        actor_pins: Vec::new(),
    })))
}

/// Results of a task that is not in flight there (TA-3). What was sealed for this process is let go of.
fn late_results(sequence: u64, bytes: &[u8], objects: &mut Objects, out: &mut Out) {
    for item in items(bytes) {
        if item.form != frames::RESULT_INLINE {
            objects.sealed_in_vain(sequence + u64::from(item.index), out);
        }
    }
}
