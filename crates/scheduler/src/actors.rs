//! The actors that have a place or want one.
//!
//! Invariants:
//! - AC-1 An actor that waits is in the queue and holds nothing.
//! - AC-2 An actor that awaits a worker holds its placement; one that is placed holds `held` and has a worker.

use std::collections::BTreeMap;

use eagleray_resources::ResourceSet;

use crate::account::Holding;
use crate::protocol::{ActorId, EnvironmentId, ProcessId};
use crate::transition::{ActorState, Journal, Transition};

#[derive(Debug)]
pub(crate) struct Actor {
    pub state: ActorState,
    pub held: ResourceSet,
    pub environment: EnvironmentId,
    pub holding: Option<Holding>,
    pub worker: Option<ProcessId>,
    /// Its place among those that await a worker.
    pub awaiting_turn: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Actors {
    actors: BTreeMap<ActorId, Actor>,
}

impl Actors {
    pub fn get(&self, actor: ActorId) -> Option<&Actor> {
        self.actors.get(&actor)
    }

    pub fn get_mut(&mut self, actor: ActorId) -> Option<&mut Actor> {
        self.actors.get_mut(&actor)
    }

    pub fn iter(&self) -> impl Iterator<Item = (ActorId, &Actor)> {
        self.actors.iter().map(|(id, actor)| (*id, actor))
    }

    /// A new actor that waits for its place.
    pub fn insert(
        &mut self,
        actor: ActorId,
        held: ResourceSet,
        environment: EnvironmentId,
        journal: &mut Journal,
    ) {
        let state = ActorState::Waiting;
        let entry = Actor {
            state,
            held,
            environment,
            holding: None,
            worker: None,
            awaiting_turn: None,
        };
        self.actors.insert(actor, entry);
        journal.record(Transition::Actor {
            actor,
            from: None,
            to: state,
        });
    }

    /// The only place where an actor changes its state.
    pub fn transition(&mut self, id: ActorId, to: ActorState, journal: &mut Journal) {
        let Some(actor) = self.actors.get_mut(&id) else {
            return;
        };
        let from = actor.state;
        debug_assert!(
            from.may_become(to),
            "actor {id:?} can't go from {from:?} to {to:?}"
        );
        actor.state = to;
        journal.record(Transition::Actor {
            actor: id,
            from: Some(from),
            to,
        });
    }

    /// Takes an ended actor out of the table.
    pub fn remove(&mut self, id: ActorId, journal: &mut Journal) -> Option<Actor> {
        self.transition(id, ActorState::Ended, journal);
        self.actors.remove(&id)
    }

    /// Checks what AC-1 and AC-2 say of the table itself.
    pub fn validate(&self) -> Result<(), String> {
        for (id, actor) in &self.actors {
            let (holds, has_worker, awaits) = (
                actor.holding.is_some(),
                actor.worker.is_some(),
                actor.awaiting_turn.is_some(),
            );
            let consistent = match actor.state {
                ActorState::Waiting => !holds && !has_worker && !awaits,
                ActorState::AwaitingWorker => holds && !has_worker && awaits,
                ActorState::Placed => holds && has_worker && !awaits,
                ActorState::Ended => false,
            };
            if !consistent {
                return Err(format!(
                    "AC-1, AC-2: {id:?} is {:?}; holds: {holds}, worker: {has_worker}, awaits: {awaits}",
                    actor.state
                ));
            }
        }
        Ok(())
    }
}
