//! The tasks and calls that this process has submitted and that are not done.

use eagleray_object_store::Extent;
use eagleray_protocol::SystemError;

use super::slots::Slots;
use crate::handle::{ActorNumber, Handle, PeerSlot, TaskKey};

/// Where a task is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Arguments are missing.
    Waiting,
    /// In the queue of its class or actor.
    Queued,
    /// Its frame waits for room in the store.
    Spilling,
    /// On the ring to this peer, or running there.
    InFlight(PeerSlot),
    /// It was running at an actor whose process is gone; whether it is repeated depends on the actor's next state.
    Interrupted,
}

/// Who runs a task.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A worker leased for a template's class.
    Template(u32),
    /// An actor, and the index of the method.
    Actor {
        /// The actor.
        actor: ActorNumber,
        /// Index of the method.
        method: u32,
    },
    /// The end of an actor, in order.
    Terminate {
        /// The actor.
        actor: ActorNumber,
    },
    /// The raylet, which starts the actor.
    Create {
        /// The actor.
        actor: ActorNumber,
    },
}

impl Target {
    /// The actor whose queue the task stands in.
    #[inline]
    pub fn called_actor(self) -> Option<ActorNumber> {
        match self {
            Self::Actor { actor, .. } | Self::Terminate { actor } => Some(actor),
            Self::Template(_) | Self::Create { .. } => None,
        }
    }
}

/// A submitted task that is not done.
#[derive(Debug)]
pub struct Task {
    /// The sequence number of its first result.
    pub sequence: u64,
    /// Who runs it.
    pub target: Target,
    /// Where it is.
    pub place: Place,
    /// Its results are settled already; what comes is dropped.
    pub is_cancelled: bool,
    /// Results that it has to give.
    pub result_count: u32,
    /// Arguments in `arguments`.
    pub argument_count: u32,
    /// Attempts that came before.
    pub attempt: u32,
    /// Further attempts; -1 is without limit.
    pub retries_left: i32,
    /// Arguments that are not there yet.
    pub missing: u32,
    /// The serial of the task that submitted it; 0 if none did.
    pub parent: u64,
    /// As in frames, refs by handle.
    pub arguments: Box<[u8]>,
    /// What TA-2 pins.
    pub pins: Box<[Handle]>,
    /// Actors that TA-2 pins.
    pub actor_pins: Box<[ActorNumber]>,
    /// What few tasks have.
    pub(super) rare: Option<Box<Rare>>,
}

/// What few tasks have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// Where its frame is that is too long for a ring, and the frame's kind.
    pub(super) spilled: Option<(u32, Extent)>,
    /// The results of an answer that comes in several parts, until the last one is there (TA-1).
    pub(super) parts: Vec<u8>,
}

impl Task {
    /// The handles of its results.
    pub fn results(&self) -> std::ops::Range<Handle> {
        self.sequence..self.sequence + u64::from(self.result_count)
    }

    /// Its key, given its slot.
    #[inline]
    pub fn key(&self, slot: u32) -> TaskKey {
        TaskKey {
            slot,
            sequence: self.sequence,
        }
    }

    /// Where its frame is, if it is in the store, and the frame's kind.
    pub fn spilled(&self) -> Option<(u32, Extent)> {
        self.rare.as_ref()?.spilled
    }

    /// Whether a further attempt is allowed.
    #[inline]
    pub fn may_repeat(&self) -> bool {
        !self.is_cancelled && self.retries_left != 0
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// All of them, by slot.
#[derive(Debug, Default)]
pub(super) struct TaskTable {
    slots: Slots<Task>,
    free: Vec<u32>,
    open: usize,
    in_flight: usize,
    finished: u64,
}

impl TaskTable {
    /// The slot that the next task will have.
    pub(super) fn next_slot(&mut self) -> u32 {
        match self.free.last() {
            Some(&slot) => slot,
            None => {
                let slot = self.slots.len() as u32;
                self.slots.push_empty();
                self.free.push(slot);
                slot
            }
        }
    }

    /// Adds a task, at the slot that [`next_slot`](Self::next_slot) has named.
    #[inline]
    pub(super) fn insert(&mut self, task: Task) -> u32 {
        let slot = self.next_slot();
        self.free.pop();
        self.open += 1;
        match self.slots.get_mut(slot as usize) {
            Some(place) => *place = Some(task),
            None => unreachable!("next_slot has made it"),
        }
        slot
    }

    #[inline]
    pub(super) fn get(&self, slot: u32) -> Option<&Task> {
        self.slots.get(slot as usize)?.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Task> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// The task of a key, unless it has ended.
    #[inline]
    pub(super) fn find(&self, key: TaskKey) -> Option<&Task> {
        self.get(key.slot)
            .filter(|task| task.sequence == key.sequence)
    }

    /// As [`find`](Self::find), to change it.
    #[inline]
    pub(super) fn find_mut(&mut self, key: TaskKey) -> Option<&mut Task> {
        self.get_mut(key.slot)
            .filter(|task| task.sequence == key.sequence)
    }

    /// The key of the task in a slot.
    #[inline]
    pub(super) fn key(&self, slot: u32) -> Option<TaskKey> {
        self.get(slot).map(|task| task.key(slot))
    }

    /// Moves a task, and keeps count of those in flight.
    #[inline]
    pub(super) fn set_place(&mut self, slot: u32, place: Place) {
        let Some(Some(task)) = self.slots.get_mut(slot as usize) else {
            return;
        };
        let was = std::mem::replace(&mut task.place, place);
        self.in_flight += usize::from(matches!(place, Place::InFlight(_)));
        self.in_flight -= usize::from(matches!(was, Place::InFlight(_)));
    }

    /// Takes a task out.
    pub(super) fn remove(&mut self, slot: u32) -> Option<Task> {
        let task = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        self.open -= 1;
        self.in_flight -= usize::from(matches!(task.place, Place::InFlight(_)));
        if self.open == 0 && self.slots.shrink() {
            self.free = (0..self.slots.len() as u32).rev().collect();
        }
        Some(task)
    }

    /// Counts a task that was answered.
    #[inline]
    pub(super) fn count_finished(&mut self) {
        self.finished += 1;
    }

    /// Tasks that were answered, since the start.
    pub(super) fn finished(&self) -> u64 {
        self.finished
    }

    /// Tasks that are not done.
    #[inline]
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// How many of them are in flight.
    #[inline]
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// All of them, with their slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Task)> {
        self.slots.iter().map(|(slot, task)| (slot as u32, task))
    }
}

/// The error of a task that its executor has answered without this result.
pub(super) fn missing_result_error() -> SystemError {
    SystemError::new(
        "EaglerayError",
        "the worker has answered without this result",
    )
}

/// A peer has sent what no executor would.
#[derive(Debug, PartialEq, Eq)]
pub struct Nonsense(pub &'static str);
