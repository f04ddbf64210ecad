//! Which worker runs which task: scheduling classes, their queues, and the leases on workers.
//!
//! Tasks of a class go to its leases in equal shares, several deep, so that a worker never waits for
//! its submitter. What has not started can be taken back: when a lease runs dry while another has
//! unstarted tasks, when the running task waits for another one, or when the raylet asks a lease back.
//!
//! - **LE-1:** a queued task is in the queue of its class once; a key whose task has ended is skipped.
//! - **LE-2:** a task in flight is in the list of one lease, with the frame that carries it.
//! - **LE-3:** the raylet knows a class while leases of it are wanted or held, and for a while after.

use std::collections::VecDeque;

use eagleray_ipc::{FrameId, Revocation};
use eagleray_protocol::{SystemError, ToRaylet};
use rustc_hash::{FxHashMap, FxHashSet};

use super::carriage::{Carriage, Sent};
use super::routes::Use;
use super::task::{Place, TaskTable};
use crate::handle::{PeerSlot, TaskKey};
use crate::rings::Rings;
use crate::work::Out;

/// Tasks in flight on one lease.
const PIPELINE_DEPTH: usize = 512;

/// Leases asked for beyond the number of CPUs, for tasks that need none.
const LEASES_WANTED_EXTRA: u32 = 16;

/// Classes that the raylet knows of this process, above which it is told of unused ones.
const DECLARED_KEPT: usize = 256;

/// Name and quantity of each resource, and the environment.
type Shape = (Vec<(String, u64)>, u32);

/// One shape of resources and environment, with its queue and leases.
struct Class {
    resources: Vec<(String, f64)>,
    environment: u32,
    /// Tasks may be sent ahead; not so if workers retire after some calls.
    is_pipelined: bool,
    queue: VecDeque<TaskKey>,
    leases: Vec<u32>,
    /// Leases that the raylet was asked for and has not granted.
    wanted: u32,
    refused: Option<SystemError>,
    is_dirty: bool,
    /// The raylet knows it (LE-3).
    is_declared: bool,
    /// Classes of the same resources and environment, which the raylet does not tell apart.
    siblings: Vec<u32>,
}

struct InFlight {
    slot: u32,
    frame: FrameId,
}

/// The right to run tasks of a class on a worker.
struct Lease {
    id: u64,
    class: u32,
    peer: PeerSlot,
    in_flight: VecDeque<InFlight>,
    /// The running task waits; nothing new is sent.
    is_blocked: bool,
    is_asked_back: bool,
    retires: bool,
}

/// What became of the tasks of a worker that is gone.
#[derive(Default)]
pub(super) struct Lost {
    pub(super) class: u32,
    /// Nobody has run them.
    pub(super) unstarted: Vec<u32>,
    /// The worker had begun them.
    pub(super) started: Vec<u32>,
}

/// See the module.
pub(super) struct Dispatch {
    cpus: u32,
    classes: Vec<Class>,
    numbers: FxHashMap<(Shape, bool), u32>,
    dirty: Vec<u32>,
    leases: Vec<Option<Lease>>,
    free_leases: Vec<u32>,
    lease_slots: FxHashMap<u64, u32>,
    declared: usize,
    /// Cancelled tasks that came back.
    ended: Vec<u32>,
    /// This process ends: what idles is given back at once.
    is_leaving: bool,
}

impl Dispatch {
    pub(super) fn new(cpus: u32) -> Self {
        Self {
            cpus,
            classes: Vec::new(),
            numbers: FxHashMap::default(),
            dirty: Vec::new(),
            leases: Vec::new(),
            free_leases: Vec::new(),
            lease_slots: FxHashMap::default(),
            declared: 0,
            ended: Vec::new(),
            is_leaving: false,
        }
    }

    // ---- classes

    /// The number of a class.
    pub(super) fn declare(
        &mut self,
        resources: Vec<(String, f64)>,
        environment: u32,
        is_pipelined: bool,
    ) -> u32 {
        let bits = resources
            .iter()
            .map(|(name, quantity)| (name.clone(), quantity.to_bits()))
            .collect();
        let shape = (bits, environment);
        if let Some(&number) = self.numbers.get(&(shape.clone(), is_pipelined)) {
            return number;
        }
        let number = self.classes.len() as u32;
        let sibling = self.numbers.get(&(shape.clone(), !is_pipelined)).copied();
        if let Some(sibling) = sibling {
            self.classes[sibling as usize].siblings.push(number);
        }
        self.numbers.insert((shape, is_pipelined), number);
        self.classes.push(Class {
            resources,
            environment,
            is_pipelined,
            queue: VecDeque::new(),
            leases: Vec::new(),
            wanted: 0,
            refused: None,
            is_dirty: false,
            is_declared: false,
            siblings: sibling.into_iter().collect(),
        });
        number
    }

    /// Tells the raylet of a class that it does not know, and of unused ones if it knows many (LE-3).
    fn declare_to_raylet(&mut self, class: u32, out: &mut Out) {
        let entry = &mut self.classes[class as usize];
        if std::mem::replace(&mut entry.is_declared, true) {
            return;
        }
        out.tell(ToRaylet::DeclareClass {
            class,
            resources: entry.resources.clone(),
            environment: entry.environment,
        });
        self.declared += 1;
        if self.declared > DECLARED_KEPT {
            self.forget_unused(class, out);
        }
    }

    fn forget_unused(&mut self, except: u32, out: &mut Out) {
        for (number, class) in self.classes.iter_mut().enumerate() {
            let number = number as u32;
            let is_unused = class.leases.is_empty() && class.wanted == 0 && class.queue.is_empty();
            if number != except && is_unused && std::mem::take(&mut class.is_declared) {
                self.declared -= 1;
                out.tell(ToRaylet::ForgetClass { class: number });
            }
        }
    }

    /// Adds a task to its class's queue; it is sent when the classes are dispatched.
    #[inline]
    pub(super) fn enqueue(&mut self, class: u32, task: TaskKey) {
        self.classes[class as usize].queue.push_back(task);
        self.mark(class);
    }

    /// Puts tasks back at the front of the queue, in their order, to be sent again.
    pub(super) fn requeue(
        &mut self,
        class: u32,
        slots: impl DoubleEndedIterator<Item = u32>,
        tasks: &mut TaskTable,
    ) {
        self.put_back(class, slots, tasks);
        self.mark(class);
    }

    fn put_back(
        &mut self,
        class: u32,
        slots: impl DoubleEndedIterator<Item = u32>,
        tasks: &mut TaskTable,
    ) {
        for slot in slots.rev() {
            tasks.set_place(slot, Place::Queued);
            match tasks.get(slot) {
                Some(task) if task.is_cancelled => self.ended.push(slot),
                Some(task) => self.classes[class as usize]
                    .queue
                    .push_front(task.key(slot)),
                None => {}
            }
        }
    }

    /// Tasks that came back and had been cancelled on their way: they have ended.
    pub(super) fn take_ended(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.ended)
    }

    /// Something of a class has changed: it is looked at when the classes are dispatched.
    #[inline]
    pub(super) fn mark(&mut self, class: u32) {
        let Some(entry) = self.classes.get_mut(class as usize) else {
            return;
        };
        if !entry.is_dirty {
            entry.is_dirty = true;
            self.dirty.push(class);
        }
    }

    /// A lease's ring has room for what found none.
    pub(super) fn mark_lease(&mut self, lease: u32) {
        if let Some(Some(lease)) = self.leases.get(lease as usize) {
            self.mark(lease.class);
        }
    }

    /// The raylet can never serve what is queued of a class now.
    pub(super) fn refuse(&mut self, class: u32, error: SystemError) {
        if let Some(entry) = self.classes.get_mut(class as usize) {
            entry.refused = Some(error);
            entry.wanted = 0;
            self.mark(class);
        }
    }

    /// The number of a class is one that was declared.
    pub(super) fn knows(&self, class: u32) -> bool {
        (class as usize) < self.classes.len()
    }

    /// This process ends: leases are given back as soon as nothing runs on them.
    pub(super) fn leave(&mut self) {
        self.is_leaving = true;
        for class in 0..self.classes.len() as u32 {
            self.mark(class);
        }
    }

    // ---- sending

    /// Whether some class has to be looked at.
    pub(super) fn has_changed(&self) -> bool {
        !self.dirty.is_empty() || !self.ended.is_empty()
    }

    /// Sends queued tasks to leases, and asks for as many leases as could be used. Returns the tasks that can't be
    /// run, with why.
    pub(super) fn run<R: Rings>(
        &mut self,
        tasks: &mut TaskTable,
        carriage: &mut Carriage<'_, R>,
    ) -> Vec<(TaskKey, SystemError)> {
        let mut failed = Vec::new();
        while let Some(class) = self.dirty.pop() {
            self.classes[class as usize].is_dirty = false;
            // Said of what is queued now: the raylet is asked again for what comes later.
            if let Some(error) = self.classes[class as usize].refused.take() {
                let queue = std::mem::take(&mut self.classes[class as usize].queue);
                failed.extend(queue.into_iter().map(|task| (task, error.clone())));
                continue;
            }
            self.fill(class, tasks, carriage, &mut failed);
            self.balance(class, tasks, carriage, &mut failed);
            self.return_idle(class, carriage);
            // Also for a lease that came too late to get anything: the raylet counts it as idle then.
            for position in 0..self.classes[class as usize].leases.len() {
                self.note_busy(self.classes[class as usize].leases[position], carriage);
            }
            self.update_wish(class, carriage.out);
        }
        failed
    }

    fn depth(&self, class: u32) -> usize {
        if self.classes[class as usize].is_pipelined {
            PIPELINE_DEPTH
        } else {
            1
        }
    }

    #[inline]
    fn accepts(&self, lease: u32) -> bool {
        self.leases[lease as usize]
            .as_ref()
            .is_some_and(|lease| !lease.is_blocked && !lease.is_asked_back && !lease.retires)
    }

    #[inline]
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
    fn fill<R: Rings>(
        &mut self,
        class: u32,
        tasks: &mut TaskTable,
        carriage: &mut Carriage<'_, R>,
        failed: &mut Vec<(TaskKey, SystemError)>,
    ) {
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
            let Some(entry) = self.leases[lease as usize].as_mut() else {
                continue;
            };
            let queue = &mut self.classes[class as usize].queue;
            let mut free = share.saturating_sub(entry.in_flight.len());
            while free > 0 {
                let Some(&key) = queue.front() else { break };
                let Some(task) = tasks.find_mut(key) else {
                    queue.pop_front();
                    continue;
                };
                match carriage.send(entry.peer, key.slot, task) {
                    Sent::Frame(frame) => {
                        let slot = key.slot;
                        tasks.set_place(slot, Place::InFlight(entry.peer));
                        entry.in_flight.push_back(InFlight { slot, frame });
                        free -= 1;
                    }
                    Sent::Full => break,
                    Sent::NeedsRoom => tasks.set_place(key.slot, Place::Spilling),
                    Sent::Failed(error) => failed.push((key, error)),
                }
                queue.pop_front();
            }
        }
    }

    /// Tells the raylet's idle detection how much is in flight.
    fn note_busy<R: Rings>(&self, lease: u32, carriage: &mut Carriage<'_, R>) {
        if let Some(lease) = self.leases[lease as usize].as_ref() {
            let count = lease.in_flight.len() as u32;
            carriage.rings.note_in_flight(lease.peer, count);
        }
    }

    /// Moves unstarted tasks from the fullest lease to one that has nothing to do.
    fn balance<R: Rings>(
        &mut self,
        class: u32,
        tasks: &mut TaskTable,
        carriage: &mut Carriage<'_, R>,
        failed: &mut Vec<(TaskKey, SystemError)>,
    ) {
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
            let taken = self.take_back(fullest, spare / 2, carriage);
            if taken.is_empty() {
                continue;
            }
            // Not marked: if the idle worker's ring is full they go back to where they were, and marking the class
            // for that would move them to and fro for ever. Its room is an event that marks the class.
            self.put_back(class, taken.into_iter(), tasks);
            self.fill(class, tasks, carriage, failed);
        }
    }

    /// Takes up to `most` unstarted tasks back from the end of a lease's ring, in their order.
    fn take_back<R: Rings>(
        &mut self,
        lease: u32,
        most: usize,
        carriage: &mut Carriage<'_, R>,
    ) -> Vec<u32> {
        let Some(lease) = self.leases[lease as usize].as_mut() else {
            return Vec::new();
        };
        let mut taken = VecDeque::new();
        while taken.len() < most {
            let Some(last) = lease.in_flight.back() else {
                break;
            };
            if carriage.revoke(lease.peer, last.frame) != Revocation::Revoked {
                break;
            }
            taken.push_front(last.slot);
            lease.in_flight.pop_back();
        }
        taken.into()
    }

    /// Takes one unstarted task back, wherever it stands in its ring. False if it has started.
    pub(super) fn take_back_task<R: Rings>(
        &mut self,
        slot: u32,
        peer: PeerSlot,
        carriage: &mut Carriage<'_, R>,
    ) -> bool {
        let Use::Lease(lease) = carriage.routes.use_of(peer) else {
            return false;
        };
        let Some(Some(lease)) = self.leases.get_mut(lease as usize) else {
            return false;
        };
        let Some(position) = lease.in_flight.iter().position(|item| item.slot == slot) else {
            return false;
        };
        if carriage.revoke(peer, lease.in_flight[position].frame) != Revocation::Revoked {
            return false;
        }
        lease.in_flight.remove(position);
        true
    }

    fn update_wish(&mut self, class: u32, out: &mut Out) {
        let entry = &self.classes[class as usize];
        let ahead: usize = entry
            .leases
            .iter()
            .map(|&lease| self.in_flight(lease).saturating_sub(1))
            .sum();
        let most = self.cpus.saturating_add(LEASES_WANTED_EXTRA);
        let backlog = (entry.queue.len() + ahead).min(most as usize) as u32;
        let sent = entry.wanted;
        if backlog > sent || (backlog == 0 && sent > 0) || backlog * 2 < sent {
            self.declare_to_raylet(class, out);
            self.classes[class as usize].wanted = backlog;
            out.tell(ToRaylet::LeasesWanted {
                class,
                wanted: backlog,
            });
        }
    }

    // ---- leases

    /// The raylet leases a worker to this process, over a connection that is open here.
    pub(super) fn grant(&mut self, id: u64, class: u32, peer: PeerSlot) -> u32 {
        let entry = &mut self.classes[class as usize];
        entry.wanted = entry.wanted.saturating_sub(1);
        let lease = Lease {
            id,
            class,
            peer,
            in_flight: VecDeque::new(),
            is_blocked: false,
            is_asked_back: false,
            retires: false,
        };
        let slot = match self.free_leases.pop() {
            Some(free) => {
                self.leases[free as usize] = Some(lease);
                free
            }
            None => {
                self.leases.push(Some(lease));
                (self.leases.len() - 1) as u32
            }
        };
        self.lease_slots.insert(id, slot);
        self.classes[class as usize].leases.push(slot);
        self.mark(class);
        slot
    }

    /// A lease that was granted can't be used: what it was wanted for is wanted still.
    pub(super) fn give_up_grant(&mut self, id: u64, class: u32, out: &mut Out) {
        if let Some(entry) = self.classes.get_mut(class as usize) {
            entry.wanted = entry.wanted.saturating_sub(1);
            self.mark(class);
        }
        out.tell(ToRaylet::ReturnLease {
            lease: id,
            retire: false,
        });
    }

    /// Others wait for this lease: what has not started goes back into the queue.
    pub(super) fn ask_back<R: Rings>(
        &mut self,
        id: u64,
        tasks: &mut TaskTable,
        carriage: &mut Carriage<'_, R>,
    ) {
        let Some(&slot) = self.lease_slots.get(&id) else {
            return;
        };
        let Some(lease) = self.leases[slot as usize].as_mut() else {
            return;
        };
        lease.is_asked_back = true;
        let class = lease.class;
        let taken = self.take_back(slot, usize::MAX, carriage);
        self.requeue(class, taken.into_iter(), tasks);
        self.return_if_done(slot, carriage);
    }

    fn return_if_done<R: Rings>(&mut self, slot: u32, carriage: &mut Carriage<'_, R>) {
        self.note_busy(slot, carriage);
        let may_go =
            |lease: &Lease| lease.in_flight.is_empty() && (lease.is_asked_back || lease.retires);
        if self.leases[slot as usize].as_ref().is_some_and(may_go)
            && let Some(lease) = self.remove(slot, carriage)
        {
            carriage.out.tell(ToRaylet::ReturnLease {
                lease: lease.id,
                retire: lease.retires,
            });
        }
    }

    /// Gives back what idles when this process ends.
    fn return_idle<R: Rings>(&mut self, class: u32, carriage: &mut Carriage<'_, R>) {
        if !self.is_leaving || !self.classes[class as usize].queue.is_empty() {
            return;
        }
        for slot in self.classes[class as usize].leases.clone() {
            if let Some(lease) = self.leases[slot as usize].as_mut() {
                lease.is_asked_back = true;
            }
            self.return_if_done(slot, carriage);
        }
    }

    fn remove<R: Rings>(&mut self, slot: u32, carriage: &mut Carriage<'_, R>) -> Option<Lease> {
        let lease = self.leases[slot as usize].take()?;
        self.free_leases.push(slot);
        self.lease_slots.remove(&lease.id);
        self.classes[lease.class as usize]
            .leases
            .retain(|&other| other != slot);
        carriage.routes.set(lease.peer, Use::Unused);
        self.mark(lease.class);
        Some(lease)
    }

    /// A reply of a leased worker ends a task. `retires`: it must not get another one.
    pub(super) fn answered<R: Rings>(
        &mut self,
        lease: u32,
        slot: u32,
        retires: bool,
        tasks: &mut TaskTable,
        carriage: &mut Carriage<'_, R>,
    ) {
        let Some(Some(entry)) = self.leases.get_mut(lease as usize) else {
            return;
        };
        let is_first = entry
            .in_flight
            .front()
            .is_some_and(|item| item.slot == slot);
        if is_first {
            entry.in_flight.pop_front();
        } else if let Some(position) = entry.in_flight.iter().position(|item| item.slot == slot) {
            entry.in_flight.remove(position);
        }
        entry.retires |= retires;
        let class = entry.class;
        let is_idle = entry.in_flight.is_empty();
        let is_low = entry.in_flight.len() <= PIPELINE_DEPTH / 2;
        if retires {
            let taken = self.take_back(lease, usize::MAX, carriage);
            self.requeue(class, taken.into_iter(), tasks);
        }
        self.return_if_done(lease, carriage);
        if is_low {
            self.mark(class);
        }
        if is_idle {
            for position in 0..self.classes[class as usize].siblings.len() {
                let sibling = self.classes[class as usize].siblings[position];
                if !self.classes[sibling as usize].queue.is_empty() {
                    self.mark(sibling);
                }
            }
        }
    }

    /// The worker's running task waits. The frames of `revoked` were taken back by the worker itself; returned are
    /// those tasks of them that are this lease's, and what was written after the worker had looked.
    pub(super) fn blocked<R: Rings>(
        &mut self,
        lease: u32,
        revoked: &FxHashSet<u32>,
        tasks: &mut TaskTable,
        carriage: &mut Carriage<'_, R>,
    ) {
        let Some(Some(entry)) = self.leases.get_mut(lease as usize) else {
            return;
        };
        entry.is_blocked = true;
        let class = entry.class;
        let mut back = Vec::new();
        entry.in_flight.retain(|item| {
            let is_back = revoked.contains(&item.slot);
            if is_back {
                back.push(item.slot);
            }
            !is_back
        });
        back.extend(self.take_back(lease, usize::MAX, carriage));
        self.requeue(class, back.into_iter(), tasks);
        self.return_if_done(lease, carriage);
    }

    /// The worker's running task has what it waited for.
    pub(super) fn unblocked(&mut self, lease: u32) {
        if let Some(Some(entry)) = self.leases.get_mut(lease as usize) {
            entry.is_blocked = false;
            let class = entry.class;
            self.mark(class);
        }
    }

    /// The worker of a lease is gone, or can't be talked to any more. All its replies have been read.
    pub(super) fn lose<R: Rings>(
        &mut self,
        lease: u32,
        carriage: &mut Carriage<'_, R>,
    ) -> Option<Lost> {
        let lease = self.remove(lease, carriage)?;
        let mut lost = Lost {
            class: lease.class,
            ..Lost::default()
        };
        for item in lease.in_flight {
            match carriage.revoke(lease.peer, item.frame) {
                // The worker may have taken it back itself, and died before it could say so.
                Revocation::Revoked | Revocation::GivenBack => lost.unstarted.push(item.slot),
                Revocation::AlreadyTaken => lost.started.push(item.slot),
            }
        }
        Some(lost)
    }

    // ---- for tests

    /// Checks LE-1 and LE-2.
    pub(super) fn validate(&self, tasks: &TaskTable) -> Result<(), String> {
        let mut queued = FxHashSet::default();
        for (number, class) in self.classes.iter().enumerate() {
            for key in &class.queue {
                let Some(task) = tasks.find(*key) else {
                    continue;
                };
                if task.place != Place::Queued {
                    return Err(format!(
                        "LE-1: {key:?} of class {number} is {:?}",
                        task.place
                    ));
                }
                if !queued.insert(key.slot) {
                    return Err(format!("LE-1: {key:?} is queued twice"));
                }
            }
        }
        let mut flying = FxHashSet::default();
        for lease in self.leases.iter().flatten() {
            for item in &lease.in_flight {
                let place = tasks.get(item.slot).map(|task| task.place);
                if place != Some(Place::InFlight(lease.peer)) || !flying.insert(item.slot) {
                    return Err(format!(
                        "LE-2: slot {} of lease {} is {place:?}",
                        item.slot, lease.id
                    ));
                }
            }
        }
        Ok(())
    }
}
