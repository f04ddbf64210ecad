//! Leases: which worker runs which task, decided by the submitter.
//!
//! Tasks of a class go to its leases in equal shares, several deep, so that a worker never waits for
//! its submitter. What has not started can be taken back: when a lease runs dry while another has
//! unstarted tasks, when the running task waits for another one, or when the raylet asks a lease back.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use eagleray_ipc::{FrameId, Revocation};
use eagleray_protocol::{
    Details, ObjectId, Outcome, ProcessNumber, SystemError, ToRaylet, WorkerExit,
};

use crate::connection::{Connection, LEASE_BUSY_OFFSET, Use};
use crate::core::Core;
use crate::objects::{Entry, Value};
use crate::tasks::{Place, Target};

/// Tasks in flight on one lease.
const PIPELINE_DEPTH: usize = 512;

/// Leases asked for beyond the number of CPUs, for tasks that need none.
const LEASES_WANTED_EXTRA: u32 = 16;

/// One shape of resources and environment, with its queue and leases.
pub(crate) struct Class {
    pub(crate) resources: Vec<(String, f64)>,
    pub(crate) environment: u32,
    /// Tasks may be sent ahead; not so if workers retire after some calls.
    pub(crate) pipelined: bool,
    queue: VecDeque<Queued>,
    leases: Vec<u32>,
    wanted: u32,
    refused: Option<SystemError>,
    dirty: bool,
    /// Classes of the same resources and environment, which the raylet does not tell apart.
    siblings: Vec<u32>,
}

/// A queued task. Cancelled ones stay in the queue: the sequence number tells that the slot is
/// somebody else's by now.
#[derive(Copy, Clone)]
pub(crate) struct Queued {
    pub(crate) slot: u32,
    pub(crate) sequence: u64,
}

struct InFlight {
    slot: u32,
    frame: FrameId,
}

/// The right to run tasks of a class on a worker.
pub(crate) struct Lease {
    id: u64,
    class: u32,
    connection: u32,
    in_flight: VecDeque<InFlight>,
    /// The running task waits; nothing new is sent.
    blocked: bool,
    asked_back: bool,
    retire: bool,
}

impl Core {
    /// The number of a class, declaring it to the raylet the first time.
    pub(crate) fn declare_class(
        &mut self,
        resources: Vec<(String, f64)>,
        environment: u32,
        pipelined: bool,
    ) -> u32 {
        let known = self.classes.iter().position(|class| {
            class.resources == resources
                && class.environment == environment
                && class.pipelined == pipelined
        });
        if let Some(number) = known {
            return number as u32;
        }
        let number = self.classes.len() as u32;
        let siblings: Vec<u32> = (0..number)
            .filter(|&other| {
                let other = &self.classes[other as usize];
                other.resources == resources && other.environment == environment
            })
            .collect();
        for &other in &siblings {
            self.classes[other as usize].siblings.push(number);
        }
        self.tell(ToRaylet::DeclareClass {
            class: number,
            resources: resources.clone(),
            environment,
        });
        self.classes.push(Class {
            resources,
            environment,
            pipelined,
            queue: VecDeque::new(),
            leases: Vec::new(),
            wanted: 0,
            refused: None,
            dirty: false,
            siblings,
        });
        number
    }

    /// Adds a task to its class's queue; it is sent when the classes are dispatched.
    pub(crate) fn enqueue(&mut self, class: u32, slot: u32) {
        if let Some(queued) = self.queued(slot) {
            self.classes[class as usize].queue.push_back(queued);
        }
        self.mark_dirty(class);
    }

    /// The form in which a task stands in a queue.
    pub(crate) fn queued(&self, slot: u32) -> Option<Queued> {
        let task = self.tasks.get(slot as usize)?.as_ref()?;
        Some(Queued {
            slot,
            sequence: task.sequence,
        })
    }

    /// True unless a queued task was cancelled meanwhile.
    pub(crate) fn is_still_queued(&self, queued: Queued) -> bool {
        matches!(self.tasks.get(queued.slot as usize), Some(Some(task)) if task.sequence == queued.sequence)
    }

    fn requeue(&mut self, class: u32, slots: impl DoubleEndedIterator<Item = u32>) {
        for slot in slots.rev() {
            if matches!(self.tasks.get(slot as usize), Some(Some(task)) if task.cancelled) {
                // Cancelled while it was on its way back; its results are settled.
                self.finish_task(slot);
                continue;
            }
            self.set_place(slot, Place::Queued);
            if let Some(queued) = self.queued(slot) {
                self.classes[class as usize].queue.push_front(queued);
            }
        }
        self.mark_dirty(class);
    }

    /// A lease's ring has room for what found none.
    pub(crate) fn mark_lease(&mut self, lease: u32) {
        if let Some(Some(lease)) = self.leases.get(lease as usize) {
            self.mark_dirty(lease.class);
        }
    }

    pub(crate) fn mark_dirty(&mut self, class: u32) {
        let entry = &mut self.classes[class as usize];
        if !entry.dirty {
            entry.dirty = true;
            self.dirty_classes.push(class);
        }
    }

    /// Sends queued tasks to leases, and asks for as many leases as could be used.
    pub(crate) fn dispatch(&mut self) {
        while let Some(class) = self.dirty_classes.pop() {
            self.classes[class as usize].dirty = false;
            // Said of what is queued now: the raylet is asked again for what comes later.
            if let Some(error) = self.classes[class as usize].refused.take() {
                self.classes[class as usize].wanted = 0;
                while let Some(queued) = self.classes[class as usize].queue.pop_front() {
                    if self.is_still_queued(queued) {
                        self.fail_task_with(queued.slot, &error);
                    }
                }
                continue;
            }
            self.fill(class);
            self.balance(class);
            // Also for a lease that came too late to get anything: the raylet counts it as idle then.
            for position in 0..self.classes[class as usize].leases.len() {
                self.note_busy(self.classes[class as usize].leases[position]);
            }
            self.update_wish(class);
        }
    }

    /// Tasks in flight on all leases.
    pub(crate) fn in_flight_count(&self) -> u64 {
        self.leases
            .iter()
            .flatten()
            .map(|lease| lease.in_flight.len() as u64)
            .sum()
    }

    fn depth(&self, class: u32) -> usize {
        if self.classes[class as usize].pipelined {
            PIPELINE_DEPTH
        } else {
            1
        }
    }

    fn accepts(&self, lease: u32) -> bool {
        self.leases[lease as usize]
            .as_ref()
            .is_some_and(|lease| !lease.blocked && !lease.asked_back && !lease.retire)
    }

    fn in_flight(&self, lease: u32) -> usize {
        self.leases[lease as usize]
            .as_ref()
            .map_or(0, |lease| lease.in_flight.len())
    }

    /// Takes over the idle leases of classes of the same shape: the raylet would not ask them back for this one,
    /// because to it they are of the same class.
    fn take_over_idle(&mut self, class: u32) {
        for position in 0..self.classes[class as usize].siblings.len() {
            let sibling = self.classes[class as usize].siblings[position];
            if !self.classes[sibling as usize].queue.is_empty() {
                continue;
            }
            for lease in self.classes[sibling as usize].leases.clone() {
                if !self.accepts(lease) || self.in_flight(lease) > 0 {
                    continue;
                }
                self.classes[sibling as usize]
                    .leases
                    .retain(|&other| other != lease);
                self.classes[class as usize].leases.push(lease);
                if let Some(entry) = self.leases[lease as usize].as_mut() {
                    entry.class = class;
                }
            }
        }
    }

    /// Fills the leases of a class evenly from its queue.
    fn fill(&mut self, class: u32) {
        if self.classes[class as usize].queue.is_empty() {
            return;
        }
        self.take_over_idle(class);
        let leases: Vec<u32> = self.classes[class as usize]
            .leases
            .iter()
            .copied()
            .filter(|&lease| self.accepts(lease))
            .collect();
        if leases.is_empty() {
            return;
        }
        let in_flight: usize = leases.iter().map(|&lease| self.in_flight(lease)).sum();
        let queued = self.classes[class as usize].queue.len();
        let share = (queued + in_flight)
            .div_ceil(leases.len())
            .min(self.depth(class));
        for lease in leases {
            let mut free = share.saturating_sub(self.in_flight(lease));
            while free > 0 {
                let Some(queued) = self.classes[class as usize].queue.pop_front() else {
                    break;
                };
                if !self.is_still_queued(queued) {
                    continue;
                }
                if !self.send_task(lease, queued.slot) {
                    self.classes[class as usize].queue.push_front(queued);
                    break;
                }
                free -= 1;
            }
            self.note_busy(lease);
        }
    }

    /// Sends one task. False if the ring is full.
    fn send_task(&mut self, lease: u32, slot: u32) -> bool {
        let Some(connection) = self.leases[lease as usize]
            .as_ref()
            .map(|lease| lease.connection)
        else {
            return false;
        };
        if self
            .connection(connection)
            .is_none_or(|connection| connection.has_waiting())
        {
            return false;
        }
        let mut frame = std::mem::take(&mut self.frame_scratch);
        let pushed = self.build_frame(slot, &mut frame).and_then(|kind| {
            if !self.export_to(connection, slot)? {
                return Ok(None);
            }
            let opened = self.connection(connection);
            Ok(opened.and_then(|opened| opened.try_send(kind, &[&frame])))
        });
        self.keep_frame_scratch(frame);
        let frame = match pushed {
            Ok(Some(frame)) => frame,
            Ok(None) => return false,
            Err(error) => {
                self.fail_task_with(slot, &error);
                return true;
            }
        };
        self.ring_later(connection);
        self.set_place(slot, Place::InFlight);
        if let Some(lease) = self.leases[lease as usize].as_mut() {
            lease.in_flight.push_back(InFlight { slot, frame });
        }
        true
    }

    /// Sends the function of a task ahead of it, once per connection. False if the ring is full.
    fn export_to(&mut self, connection: u32, slot: u32) -> Result<bool, SystemError> {
        let Some(Some(task)) = self.tasks.get(slot as usize) else {
            return Ok(true);
        };
        let Target::Template(number) = task.target else {
            return Ok(true);
        };
        let function = self.templates[number as usize].function;
        let is_known = |connection: &Connection| connection.exported.contains(&function);
        if self
            .connection(connection)
            .is_some_and(|opened| is_known(opened))
        {
            return Ok(true);
        }
        self.build_export(number)?;
        let (Some(Some(opened)), Some(frame)) = (
            self.connections.get_mut(connection as usize),
            &self.templates[number as usize].frame,
        ) else {
            return Ok(false);
        };
        if opened.try_send(frame.kind, &[&frame.bytes]).is_none() {
            return Ok(false);
        }
        opened.exported.insert(function);
        Ok(true)
    }

    /// Tells the raylet's idle detection how much is in flight.
    fn note_busy(&self, lease: u32) {
        let Some(lease) = self.leases[lease as usize].as_ref() else {
            return;
        };
        let Some(Some(connection)) = self.connections.get(lease.connection as usize) else {
            return;
        };
        if let Ok(word) = self
            .segment
            .atomic_u32_at(connection.peer_mailbox + LEASE_BUSY_OFFSET)
        {
            word.store(lease.in_flight.len() as u32, Ordering::Relaxed);
        }
    }

    /// Moves unstarted tasks from the fullest lease to one that has nothing to do.
    fn balance(&mut self, class: u32) {
        if !self.classes[class as usize].queue.is_empty()
            || self.classes[class as usize].leases.len() < 2
        {
            return;
        }
        let leases = self.classes[class as usize].leases.clone();
        for &idle in &leases {
            if !self.accepts(idle) || self.in_flight(idle) > 0 {
                continue;
            }
            let Some(&fullest) = leases.iter().max_by_key(|&&lease| self.in_flight(lease)) else {
                return;
            };
            let spare = self.in_flight(fullest);
            if spare < 2 {
                return;
            }
            let taken = self.take_back(fullest, spare / 2);
            if taken.is_empty() {
                continue;
            }
            self.requeue(class, taken.into_iter());
            self.fill(class);
        }
    }

    /// Takes up to `most` unstarted tasks back from the end of a lease's ring, in their order.
    fn take_back(&mut self, lease: u32, most: usize) -> Vec<u32> {
        let Some(connection) = self.leases[lease as usize]
            .as_ref()
            .map(|lease| lease.connection)
        else {
            return Vec::new();
        };
        let Some(Some(connection)) = self.connections.get_mut(connection as usize) else {
            return Vec::new();
        };
        let Some(lease) = self.leases[lease as usize].as_mut() else {
            return Vec::new();
        };
        let mut taken = VecDeque::new();
        while taken.len() < most {
            let Some(last) = lease.in_flight.back() else {
                break;
            };
            if connection.writer.revoke(last.frame) == Revocation::AlreadyTaken {
                break;
            }
            taken.push_front(last.slot);
            lease.in_flight.pop_back();
        }
        taken.into()
    }

    /// Takes one unstarted task back, wherever it stands in the ring. False if it has started.
    pub(crate) fn take_back_task(&mut self, slot: u32) -> bool {
        for lease in self.leases.iter_mut().flatten() {
            let Some(position) = lease.in_flight.iter().position(|item| item.slot == slot) else {
                continue;
            };
            let Some(Some(connection)) = self.connections.get_mut(lease.connection as usize) else {
                return false;
            };
            if connection.writer.revoke(lease.in_flight[position].frame) == Revocation::AlreadyTaken
            {
                return false;
            }
            lease.in_flight.remove(position);
            return true;
        }
        false
    }

    /// The worker that runs a task of a lease.
    pub(crate) fn worker_of_task(&self, slot: u32) -> Option<u32> {
        self.leases
            .iter()
            .flatten()
            .find(|lease| lease.in_flight.iter().any(|item| item.slot == slot))
            .and_then(|lease| self.connections.get(lease.connection as usize)?.as_ref())
            .map(|connection| connection.peer)
    }

    fn update_wish(&mut self, class: u32) {
        let entry = &self.classes[class as usize];
        let ahead: usize = entry
            .leases
            .iter()
            .map(|&lease| self.in_flight(lease).saturating_sub(1))
            .sum();
        let backlog =
            (entry.queue.len() + ahead).min((self.cpus + LEASES_WANTED_EXTRA) as usize) as u32;
        let sent = entry.wanted;
        if backlog > sent || (backlog == 0 && sent > 0) || backlog * 2 < sent {
            self.classes[class as usize].wanted = backlog;
            self.tell(ToRaylet::LeasesWanted {
                class,
                wanted: backlog,
            });
        }
    }

    /// The raylet leases a worker to this process.
    pub(crate) fn lease_granted(&mut self, id: u64, class: u32, connection: u32) {
        let Some(connection) = self.submitter_slot(connection) else {
            self.tell(ToRaylet::ReturnLease {
                lease: id,
                retire: false,
            });
            return;
        };
        let Some(entry) = self.classes.get_mut(class as usize) else {
            return;
        };
        entry.wanted = entry.wanted.saturating_sub(1);
        let lease = Lease {
            id,
            class,
            connection,
            in_flight: VecDeque::new(),
            blocked: false,
            asked_back: false,
            retire: false,
        };
        let slot = match self.leases.iter().position(Option::is_none) {
            Some(free) => {
                self.leases[free] = Some(lease);
                free as u32
            }
            None => {
                self.leases.push(Some(lease));
                (self.leases.len() - 1) as u32
            }
        };
        self.classes[class as usize].leases.push(slot);
        if let Some(connection) = self.connection(connection) {
            connection.use_of = Use::Lease(slot);
        }
        self.mark_dirty(class);
    }

    /// Others wait for this lease: what has not started goes back into the queue.
    pub(crate) fn lease_asked_back(&mut self, id: u64) {
        let Some(slot) = self.lease_slot(id) else {
            return;
        };
        let Some(lease) = self.leases[slot as usize].as_mut() else {
            return;
        };
        lease.asked_back = true;
        let class = lease.class;
        let taken = self.take_back(slot, usize::MAX);
        self.requeue(class, taken.into_iter());
        self.return_if_done(slot);
    }

    fn lease_slot(&self, id: u64) -> Option<u32> {
        self.leases
            .iter()
            .position(|lease| lease.as_ref().is_some_and(|lease| lease.id == id))
            .map(|slot| slot as u32)
    }

    fn return_if_done(&mut self, slot: u32) {
        self.note_busy(slot);
        let done = self.leases[slot as usize]
            .as_ref()
            .is_some_and(|lease| lease.in_flight.is_empty() && (lease.asked_back || lease.retire));
        if !done {
            return;
        }
        if let Some(lease) = self.remove_lease(slot) {
            self.tell(ToRaylet::ReturnLease {
                lease: lease.id,
                retire: lease.retire,
            });
        }
    }

    fn remove_lease(&mut self, slot: u32) -> Option<Lease> {
        let lease = self.leases[slot as usize].take()?;
        self.classes[lease.class as usize]
            .leases
            .retain(|&other| other != slot);
        if let Some(connection) = self.connection(lease.connection) {
            connection.use_of = Use::Unused;
        }
        self.mark_dirty(lease.class);
        Some(lease)
    }

    /// A reply of a leased worker ends a task.
    pub(crate) fn lease_task_done(&mut self, lease: u32, slot: u32, retire: bool) {
        let Some(entry) = self.leases[lease as usize].as_mut() else {
            return;
        };
        if entry
            .in_flight
            .front()
            .is_some_and(|item| item.slot == slot)
        {
            entry.in_flight.pop_front();
        } else if let Some(position) = entry.in_flight.iter().position(|item| item.slot == slot) {
            entry.in_flight.remove(position);
        }
        entry.retire |= retire;
        let class = entry.class;
        let is_idle = entry.in_flight.is_empty();
        let low = entry.in_flight.len() <= PIPELINE_DEPTH / 2;
        if retire {
            let taken = self.take_back(lease, usize::MAX);
            self.requeue(class, taken.into_iter());
        }
        self.return_if_done(lease);
        if low {
            self.mark_dirty(class);
        }
        if is_idle {
            for position in 0..self.classes[class as usize].siblings.len() {
                let sibling = self.classes[class as usize].siblings[position];
                if !self.classes[sibling as usize].queue.is_empty() {
                    self.mark_dirty(sibling);
                }
            }
        }
    }

    /// The worker's running task waits (or waits no more); the frames behind it are revoked already.
    pub(crate) fn lease_blocked(&mut self, lease: u32, blocked: bool, revoked: &[u32]) {
        let Some(entry) = self.leases[lease as usize].as_mut() else {
            return;
        };
        entry.blocked = blocked;
        entry.in_flight.retain(|item| !revoked.contains(&item.slot));
        let class = entry.class;
        if blocked {
            // What was written after the worker had looked.
            let late = self.take_back(lease, usize::MAX);
            self.requeue(class, revoked.iter().copied().chain(late));
        }
        self.mark_dirty(class);
    }

    /// The raylet can never serve a class.
    pub(crate) fn class_refused(&mut self, class: u32, error: SystemError) {
        if let Some(entry) = self.classes.get_mut(class as usize) {
            entry.refused = Some(error);
            self.mark_dirty(class);
        }
    }

    /// The worker of a lease is gone. All its replies have been read.
    pub(crate) fn lease_connection_lost(&mut self, lease: u32, exit: &WorkerExit) {
        let Some(connection) = self.leases[lease as usize]
            .as_ref()
            .map(|lease| lease.connection)
        else {
            return;
        };
        let mut unstarted = Vec::new();
        let mut started = Vec::new();
        if let (Some(Some(connection)), Some(lease)) = (
            self.connections.get_mut(connection as usize),
            self.leases[lease as usize].as_mut(),
        ) {
            for item in lease.in_flight.drain(..) {
                match connection.writer.revoke(item.frame) {
                    Revocation::Revoked => unstarted.push(item.slot),
                    Revocation::AlreadyTaken => started.push(item.slot),
                }
            }
        }
        let Some(lease) = self.remove_lease(lease) else {
            return;
        };
        let mut again = Vec::new();
        for slot in started {
            self.expect_sealed_results(slot);
            if self.may_retry(slot) {
                again.push(slot);
            } else {
                let error = crash_error(exit, self.task_name(slot));
                self.fail_task_with(slot, &error);
            }
        }
        again.extend(unstarted);
        self.requeue(lease.class, again.into_iter());
    }

    /// Uses up one repetition of a task. False if there is none, or if the task was cancelled.
    pub(crate) fn may_retry(&mut self, slot: u32) -> bool {
        let Some(Some(task)) = self.tasks.get_mut(slot as usize) else {
            return false;
        };
        if task.cancelled || task.retries_left == 0 {
            return false;
        }
        if task.retries_left > 0 {
            task.retries_left -= 1;
        }
        task.attempt += 1;
        true
    }

    /// Repeats a task whose function threw an error that `retryExceptions` matches.
    pub(crate) fn retry_after_error(&mut self, slot: u32) -> bool {
        let Some(Some(task)) = self.tasks.get(slot as usize) else {
            return false;
        };
        let target = task.target;
        if !self.may_retry(slot) {
            return false;
        }
        match target {
            Target::Template(template) => {
                let class = self.templates[template as usize].class;
                self.set_place(slot, Place::Queued);
                self.enqueue(class, slot);
            }
            Target::Actor { actor, .. } | Target::Terminate { actor } => {
                self.repeat_call(slot, actor)
            }
            Target::Create { .. } => return false,
        }
        true
    }

    /// True if an object is the open result of an actor's method.
    pub(crate) fn is_call(&self, handle: u64) -> bool {
        let Some(entry) = self.objects.get(handle) else {
            return false;
        };
        matches!(self.tasks.get(entry.producer as usize), Some(Some(task))
            if matches!(task.target, Target::Actor { .. }))
    }

    /// Ends a task on behalf of its user. True if its results were still open, or if it is forced to end
    /// after it was asked to.
    pub(crate) fn cancel(&mut self, handle: u64, force: bool, recursive: bool) -> bool {
        if force && self.force_cancelled(handle, recursive) {
            return true;
        }
        let Some(Entry {
            producer,
            value: Value::Pending,
            ..
        }) = self.objects.get(handle)
        else {
            return false;
        };
        let slot = *producer;
        let Some(Some(task)) = self.tasks.get(slot as usize) else {
            return false;
        };
        let (sequence, place, target) = (task.sequence, task.place, task.target);
        let error = Outcome::system_error(&self.cancellation_error(slot, sequence));
        let started = place == Place::InFlight
            && match target {
                Target::Template(_) => !self.take_back_task(slot),
                Target::Actor { actor, .. } | Target::Terminate { actor } => {
                    !self.take_back_call(slot, actor)
                }
                Target::Create { .. } => false,
            };
        if !started {
            self.fail_task(slot, &error);
            // What stood behind it may go on, and a lease may be idle now.
            match target {
                Target::Template(template) => {
                    self.mark_dirty(self.templates[template as usize].class);
                }
                Target::Actor { actor, .. } | Target::Terminate { actor } => self.mark_actor(actor),
                Target::Create { .. } => {}
            }
            return true;
        }
        let worker = match target {
            Target::Template(_) => self.worker_of_task(slot),
            Target::Actor { actor, .. } | Target::Terminate { actor } => {
                self.worker_of_actor(actor)
            }
            Target::Create { .. } => None,
        };
        self.tell_worker_to_cancel(worker, sequence, force, recursive);
        if let Some(Some(task)) = self.tasks.get_mut(slot as usize) {
            task.cancelled = true;
            for index in 0..u64::from(task.result_count) {
                self.complete(sequence + index, Value::from_outcome(error.clone()));
            }
        }
        true
    }

    /// Forces a task to end that was cancelled before and goes on: its results are settled, and nothing
    /// but the task itself tells of it. False if there is no such task.
    fn force_cancelled(&mut self, handle: u64, recursive: bool) -> bool {
        let cancelled = |slot: u32| {
            let task = self.tasks.get(slot as usize)?.as_ref()?;
            let results = task.sequence..task.sequence + u64::from(task.result_count);
            (task.cancelled && results.contains(&handle)).then_some((slot, task.sequence))
        };
        let in_flight = self
            .leases
            .iter()
            .flatten()
            .flat_map(|lease| &lease.in_flight);
        let Some((slot, sequence)) = in_flight.map(|item| item.slot).find_map(cancelled) else {
            return false;
        };
        let worker = self.worker_of_task(slot);
        self.tell_worker_to_cancel(worker, sequence, true, recursive);
        true
    }

    /// What the function of a task is called. Methods of actors have names only in their handles.
    fn task_name(&self, slot: u32) -> Option<&str> {
        let Some(Some(task)) = self.tasks.get(slot as usize) else {
            return None;
        };
        match task.target {
            Target::Template(template) => Some(&self.templates.get(template as usize)?.name),
            _ => None,
        }
    }

    fn cancellation_error(&self, slot: u32, sequence: u64) -> SystemError {
        let id = ObjectId::local(self.process, sequence);
        let details = Details::new()
            .text("taskId", &format!("{id:?}"))
            .text_if_any("taskName", self.task_name(slot));
        SystemError::new("TaskCancelledError", "").with_details(details.finish())
    }

    fn tell_worker_to_cancel(
        &mut self,
        worker: Option<ProcessNumber>,
        sequence: u64,
        force: bool,
        recursive: bool,
    ) {
        let Some(worker) = worker else { return };
        let task = ObjectId::local(self.process, sequence);
        self.tell(ToRaylet::Cancel {
            worker,
            task,
            force,
            recursive,
        });
    }
}

/// The error of a task whose worker is gone.
fn crash_error(exit: &WorkerExit, task_name: Option<&str>) -> SystemError {
    let details = Details::new().exit(exit).text_if_any("taskName", task_name);
    SystemError::new("WorkerCrashedError", "").with_details(details.finish())
}
