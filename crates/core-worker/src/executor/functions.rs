//! The functions that submitters have exported to this process.
//!
//! - **FN-1:** a function is known while a connection over which it came needs it; then JavaScript is told, and what
//!   its envelope holds is let go of. A number is never used twice: JavaScript may still hold what it has loaded.

use eagleray_protocol::{FunctionId, ObjectId, Payload};
use rustc_hash::FxHashMap;

use crate::events::Event;
use crate::handle::{Handle, PeerSlot};
use crate::objects::Objects;
use crate::work::Out;

struct Function {
    id: FunctionId,
    payload: Payload,
    /// What keeps its captured arrays, if they are in the store.
    handle: Option<Handle>,
    /// The connections over which it came and that have not said that they need it no more.
    needed_by: Vec<PeerSlot>,
    /// This process's actor is made of it, and it lives as long.
    is_actors: bool,
}

/// All of them, by number.
#[derive(Default)]
pub(super) struct Functions {
    functions: FxHashMap<u32, Function>,
    numbers: FxHashMap<FunctionId, u32>,
    next: u32,
}

impl Functions {
    /// A function came over a connection, or (without one) with an actor.
    pub(super) fn add(
        &mut self,
        id: FunctionId,
        object: Option<ObjectId>,
        payload: Payload,
        from: Option<PeerSlot>,
        objects: &mut Objects,
        out: &mut Out,
    ) -> u32 {
        let number = match self.numbers.get(&id) {
            Some(&number) => number,
            None => {
                let number = self.next;
                self.next += 1;
                let handle = object.map(|id| objects.borrow_with_value(id, payload.clone(), out));
                let function = Function {
                    id,
                    payload,
                    handle,
                    needed_by: Vec::new(),
                    is_actors: false,
                };
                self.functions.insert(number, function);
                self.numbers.insert(id, number);
                number
            }
        };
        if let Some(function) = self.functions.get_mut(&number) {
            match from {
                Some(peer) if !function.needed_by.contains(&peer) => function.needed_by.push(peer),
                Some(_) => {}
                None => function.is_actors = true,
            }
        }
        number
    }

    /// The number of a function.
    #[inline]
    pub(super) fn number(&self, id: &FunctionId) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    /// Envelope of a function, and the handle of what keeps it.
    pub(super) fn get(&self, number: u32) -> Option<(&Payload, Option<Handle>)> {
        let function = self.functions.get(&number)?;
        Some((&function.payload, function.handle))
    }

    /// A connection does not need a function any more.
    pub(super) fn forget(
        &mut self,
        id: &FunctionId,
        from: PeerSlot,
        objects: &mut Objects,
        out: &mut Out,
    ) {
        if let Some(&number) = self.numbers.get(id) {
            self.not_needed_by(number, from, objects, out);
        }
    }

    /// A connection is gone.
    pub(super) fn peer_gone(&mut self, peer: PeerSlot, objects: &mut Objects, out: &mut Out) {
        let mut numbers: Vec<u32> = self.functions.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            self.not_needed_by(number, peer, objects, out);
        }
    }

    fn not_needed_by(&mut self, number: u32, peer: PeerSlot, objects: &mut Objects, out: &mut Out) {
        let Some(function) = self.functions.get_mut(&number) else {
            return;
        };
        let before = function.needed_by.len();
        function.needed_by.retain(|&other| other != peer);
        if function.needed_by.len() == before
            || !function.needed_by.is_empty()
            || function.is_actors
        {
            return;
        }
        if let Some(function) = self.functions.remove(&number) {
            self.numbers.remove(&function.id);
            if let Some(handle) = function.handle {
                objects.release(handle, out);
            }
            out.events.push(Event::FunctionForgotten { number });
        }
    }
}
