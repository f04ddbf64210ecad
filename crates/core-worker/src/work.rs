//! What follows from a decision, as data.
//!
//! Who decides here (`objects`, `submitter`, `executor`) does no I/O and calls nobody above itself: it says what follows.
//! What the objects have to say to the tasks is [`Work`], which the submitter carries out until nothing is left; what is
//! to be done outside is an [`Effect`], which `core.rs` carries out; what JavaScript is told is an
//! [`Event`](crate::events::Event). All three are in order.
//!
//! Lists and no calls, so that a chain of tasks, each of which fails with the one before it, may be longer than any stack.

use std::collections::VecDeque;

use eagleray_object_store::Extent;
use eagleray_protocol::{Nested, ObjectId, ToRaylet};

use crate::events::Events;
use crate::handle::{ActorNumber, PeerSlot, TaskKey};

/// What the objects have to say to the tasks.
#[derive(Debug)]
pub enum Work {
    /// An argument of a task is there.
    ArgumentReady(TaskKey),
    /// Nobody here refers to an actor any more.
    ActorUnused(ActorNumber),
}

/// What room in the store is wanted for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum RoomFor {
    /// The frame of a task that is too long for a ring.
    Frame(TaskKey),
    /// The frame that exports a function, by its number in the submitter's table.
    Export(u32),
}

/// What is to be done outside of the state machines.
#[derive(Debug)]
pub enum Effect {
    /// The raylet is told something.
    Tell(Box<ToRaylet>),
    /// This process holds something from now on.
    Hold(Nested),
    /// This process lets go of something.
    LetGo(Nested),
    /// Errors that the raylet answers for were looked at here.
    ErrorsSeen(Vec<ObjectId>),
    /// A connection has no further use here.
    ClosePeer(PeerSlot),
    /// A short frame goes to a peer, as soon as there is room for it.
    Post {
        /// The connection.
        peer: PeerSlot,
        /// The frame's kind.
        kind: u32,
        /// Its content.
        frame: Box<[u8]>,
    },
    /// As `Post`, but not before the raylet has acknowledged all that it was told until now.
    PostSettled {
        /// The connection.
        peer: PeerSlot,
        /// The frame's kind.
        kind: u32,
        /// Its content.
        frame: Box<[u8]>,
    },
    /// The raylet is asked for room.
    AskRoom {
        /// What for.
        room_for: RoomFor,
        /// Bytes.
        length: u64,
    },
    /// Room that was never sealed is given back.
    Abandon(Extent),
    /// This process ends itself at once, and all that it has started.
    EndProcess {
        /// Why, for messages.
        reason: &'static str,
    },
}

/// Where decisions put what follows from them.
#[derive(Debug, Default)]
pub struct Out {
    /// For the tasks.
    pub work: VecDeque<Work>,
    /// Outside.
    pub effects: VecDeque<Effect>,
    /// For JavaScript.
    pub events: Events,
}

impl Out {
    /// Whether nothing follows but what JavaScript is told.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.work.is_empty() && self.effects.is_empty()
    }

    /// Adds some work.
    #[inline]
    pub fn follow(&mut self, work: Work) {
        self.work.push_back(work);
    }

    /// Adds an effect.
    #[inline]
    pub fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    /// Adds a message to the raylet.
    pub fn tell(&mut self, message: ToRaylet) {
        self.effects.push_back(Effect::Tell(Box::new(message)));
    }
}
