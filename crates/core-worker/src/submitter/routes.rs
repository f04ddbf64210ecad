//! What this process submits over each of its connections, and which functions went over it.

use eagleray_protocol::FunctionId;
use eagleray_protocol::frames::FORGET;
use rustc_hash::FxHashSet;

use crate::handle::{ActorNumber, PeerSlot};
use crate::work::{Effect, Out};

/// Who uses a connection.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Nobody at the moment.
    Unused,
    /// Tasks of a lease, by its slot.
    Lease(u32),
    /// Calls of an actor.
    Actor(ActorNumber),
}

struct Route {
    use_of: Use,
    /// Numbers of the functions that the peer has.
    exported: FxHashSet<u32>,
}

/// By the slot of the connection. One that was never used for anything has no entry.
#[derive(Default)]
pub(super) struct Routes {
    routes: Vec<Option<Route>>,
}

impl Routes {
    /// Who uses a connection.
    #[inline]
    pub(super) fn use_of(&self, peer: PeerSlot) -> Use {
        match self.routes.get(peer as usize) {
            Some(Some(route)) => route.use_of,
            _ => Use::Unused,
        }
    }

    /// Somebody uses a connection from now on, or nobody does.
    pub(super) fn set(&mut self, peer: PeerSlot, use_of: Use) {
        let index = peer as usize;
        if self.routes.len() <= index {
            self.routes.resize_with(index + 1, || None);
        }
        let route = self.routes[index].get_or_insert_with(|| Route {
            use_of: Use::Unused,
            exported: FxHashSet::default(),
        });
        route.use_of = use_of;
    }

    /// A connection is gone.
    pub(super) fn remove(&mut self, peer: PeerSlot) {
        if let Some(route) = self.routes.get_mut(peer as usize) {
            *route = None;
        }
    }

    /// Whether a function went over a connection.
    #[inline]
    pub(super) fn has_exported(&self, peer: PeerSlot, function: u32) -> bool {
        matches!(self.routes.get(peer as usize), Some(Some(route)) if route.exported.contains(&function))
    }

    /// A function went over a connection.
    pub(super) fn note_exported(&mut self, peer: PeerSlot, function: u32) {
        if let Some(Some(route)) = self.routes.get_mut(peer as usize) {
            route.exported.insert(function);
        }
    }

    /// Tells every peer that has a function to forget it, and to say so if asked to. Returns these peers.
    pub(super) fn forget(
        &mut self,
        function: u32,
        id: FunctionId,
        answer: bool,
        out: &mut Out,
    ) -> Vec<PeerSlot> {
        let mut told = Vec::new();
        let mut frame = id.to_vec();
        frame.push(u8::from(answer));
        for (peer, route) in self.routes.iter_mut().enumerate() {
            if let Some(route) = route
                && route.exported.remove(&function)
            {
                told.push(peer as PeerSlot);
                out.effect(Effect::Post {
                    peer: peer as PeerSlot,
                    kind: FORGET,
                    frame: frame.as_slice().into(),
                });
            }
        }
        told
    }
}
