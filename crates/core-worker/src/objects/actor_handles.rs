//! The actors that something in this process refers to: a number for each, and how many refer to it.

use eagleray_protocol::{ActorId, Nested, NestedKind};
use rustc_hash::FxHashMap;

use crate::handle::ActorNumber;
use crate::work::{Effect, Out, Work};

struct ActorHandle {
    id: ActorId,
    /// Handles in JavaScript, and pins by calls and values.
    count: u32,
    /// Its calls start in order even when one has to wait for an argument.
    is_ordered: bool,
}

/// All actors of the process's handles.
pub(crate) struct ActorHandles {
    by_number: FxHashMap<ActorNumber, ActorHandle>,
    by_id: FxHashMap<ActorId, ActorNumber>,
    next: ActorNumber,
}

impl ActorHandles {
    pub(crate) fn new() -> Self {
        Self {
            by_number: FxHashMap::default(),
            by_id: FxHashMap::default(),
            next: 1,
        }
    }

    /// The number of an actor, with one more count on it. `is_held` if the raylet counts this process among its
    /// holders already.
    pub(crate) fn number(
        &mut self,
        id: ActorId,
        is_ordered: bool,
        is_held: bool,
        out: &mut Out,
    ) -> ActorNumber {
        if let Some(&actor) = self.by_id.get(&id) {
            self.pin(actor);
            return actor;
        }
        let actor = self.next;
        self.next += 1;
        self.by_id.insert(id, actor);
        self.by_number.insert(
            actor,
            ActorHandle {
                id,
                count: 1,
                is_ordered,
            },
        );
        if !is_held {
            out.effect(Effect::Hold(Nested {
                kind: NestedKind::Actor,
                id,
            }));
        }
        actor
    }

    /// The id of an actor.
    pub(crate) fn id(&self, actor: ActorNumber) -> Option<ActorId> {
        self.by_number.get(&actor).map(|handle| handle.id)
    }

    /// The number of an actor that is known here.
    pub(crate) fn known(&self, id: ActorId) -> Option<ActorNumber> {
        self.by_id.get(&id).copied()
    }

    /// Whether its calls start in order even when one has to wait for an argument.
    pub(crate) fn is_ordered(&self, actor: ActorNumber) -> bool {
        self.by_number
            .get(&actor)
            .is_none_or(|handle| handle.is_ordered)
    }

    /// One more count.
    pub(crate) fn pin(&mut self, actor: ActorNumber) {
        if let Some(handle) = self.by_number.get_mut(&actor) {
            handle.count += 1;
        }
    }

    /// One count less; the handle goes with the last one.
    pub(crate) fn release(&mut self, actor: ActorNumber, out: &mut Out) {
        let Some(handle) = self.by_number.get_mut(&actor) else {
            return;
        };
        handle.count = handle.count.saturating_sub(1);
        if handle.count > 0 {
            return;
        }
        let id = handle.id;
        self.by_number.remove(&actor);
        self.by_id.remove(&id);
        // Whoever calls it closes its connection first; the raylet counts this process as a holder until then.
        out.follow(Work::ActorUnused(actor));
        out.effect(Effect::LetGo(Nested {
            kind: NestedKind::Actor,
            id,
        }));
    }
}
