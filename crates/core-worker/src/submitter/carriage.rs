//! The way of a task onto a ring: its function ahead of it, its frame in the store if it is too long.
//!
//! Nothing here waits for room: a frame that needs some is asked for, and its task is told when it is there.

use eagleray_ipc::{FrameId, Revocation};
use eagleray_object_store::Extent;
use eagleray_protocol::SystemError;
use eagleray_protocol::frames::SPILLED;

use super::frame::{self, FRAME_INLINE_MAX, spilled_frame};
use super::functions::{Export, Functions, made, made_at};
use super::routes::Routes;
use super::task::{Target, Task};
use crate::handle::PeerSlot;
use crate::objects::Objects;
use crate::rings::{Rings, Stored};
use crate::work::{Effect, Out, RoomFor};

/// What came of sending a task.
pub(super) enum Sent {
    /// It is on the ring.
    Frame(FrameId),
    /// The ring is full; the peer says when it is not.
    Full,
    /// It needs room in the store, which was asked for.
    NeedsRoom,
    /// It can't be sent.
    Failed(SystemError),
}

/// What sending needs, borrowed from its owners for the time being.
pub(super) struct Carriage<'a, R> {
    pub(super) functions: &'a mut Functions,
    pub(super) routes: &'a mut Routes,
    pub(super) objects: &'a mut Objects,
    pub(super) rings: &'a mut R,
    /// Memory that is used again and again: a fresh allocation per task would cost more than the task.
    pub(super) scratch: &'a mut Vec<u8>,
    pub(super) out: &'a mut Out,
}

/// Borrows what sending needs, of the fields that the callee does not.
macro_rules! carriage {
    ($self:ident, $objects:expr, $rings:expr, $out:expr) => {
        $crate::submitter::carriage::Carriage {
            functions: &mut $self.functions,
            routes: &mut $self.routes,
            objects: $objects,
            rings: $rings,
            scratch: &mut $self.scratch,
            out: $out,
        }
    };
}

impl<R: Rings> Carriage<'_, R> {
    /// Sends a task to a peer, if there is room.
    pub(super) fn send(&mut self, peer: PeerSlot, slot: u32, task: &mut Task) -> Sent {
        let mut id = None;
        if let Target::Template(template) = task.target {
            let Some(function) = self.functions.function(template) else {
                return Sent::Failed(SystemError::new("EaglerayError", "the function is gone"));
            };
            id = self.functions.id(function);
            if !self.routes.has_exported(peer, function) {
                match self.export(peer, function, slot, task) {
                    Sent::Frame(_) => self.routes.note_exported(peer, function),
                    not_sent => return not_sent,
                }
            }
        }
        if let Some((kind, extent)) = task.spilled() {
            return self.push(peer, SPILLED, &spilled_frame(kind, slot, extent));
        }
        let mut frame = std::mem::take(self.scratch);
        let built = frame::build(slot, task, id, self.objects, &mut frame, self.out);
        let sent = match built {
            Ok(kind) if frame.len() <= FRAME_INLINE_MAX => self.push(peer, kind, &frame),
            Ok(kind) => self.spill(peer, slot, task, kind, &frame),
            Err(error) => Sent::Failed(error),
        };
        *self.scratch = frame;
        sent
    }

    fn push(&mut self, peer: PeerSlot, kind: u32, frame: &[u8]) -> Sent {
        match self.rings.send(peer, kind, frame) {
            Some(frame) => Sent::Frame(frame),
            None => Sent::Full,
        }
    }

    /// Sends the function of a task ahead of it.
    fn export(&mut self, peer: PeerSlot, function: u32, slot: u32, task: &Task) -> Sent {
        if matches!(self.functions.export(function), Some(Export::Unmade)) {
            let bytes = self.functions.export_bytes(function).unwrap_or_default();
            let made = match made(bytes) {
                Ok(made) => made,
                Err(bytes) => match self.rings.store(&bytes) {
                    Stored::At(extent) => made_at(extent),
                    Stored::NoRoom => {
                        self.ask_room(RoomFor::Export(function), bytes.len());
                        Export::WaitsForRoom(Vec::new())
                    }
                    Stored::Failed(error) => return Sent::Failed(error),
                },
            };
            if let Some(export) = self.functions.export_mut(function) {
                *export = made;
            }
        }
        match self.functions.export_mut(function) {
            Some(Export::Made { kind, bytes, .. }) => match self.rings.send(peer, *kind, bytes) {
                Some(frame) => Sent::Frame(frame),
                None => Sent::Full,
            },
            Some(Export::WaitsForRoom(tasks)) => {
                tasks.push(task.key(slot));
                Sent::NeedsRoom
            }
            Some(Export::Unmade) | None => {
                Sent::Failed(SystemError::new("EaglerayError", "the function is gone"))
            }
        }
    }

    /// Sends a task whose frame is too long for a ring.
    fn spill(
        &mut self,
        peer: PeerSlot,
        slot: u32,
        task: &mut Task,
        kind: u32,
        frame: &[u8],
    ) -> Sent {
        match self.rings.store(frame) {
            Stored::At(extent) => {
                task.rare().spilled = Some((kind, extent));
                self.push(peer, SPILLED, &spilled_frame(kind, slot, extent))
            }
            Stored::NoRoom => {
                self.ask_room(RoomFor::Frame(task.key(slot)), frame.len());
                Sent::NeedsRoom
            }
            Stored::Failed(error) => Sent::Failed(error),
        }
    }

    fn ask_room(&mut self, room_for: RoomFor, length: usize) {
        self.out.effect(Effect::AskRoom {
            room_for,
            length: length as u64,
        });
    }

    /// The room for a task's frame is there: writes the frame into it.
    pub(super) fn fill_room(
        &mut self,
        slot: u32,
        task: &mut Task,
        extent: Extent,
    ) -> Result<(), SystemError> {
        let id = match task.target {
            Target::Template(template) => self
                .functions
                .function(template)
                .and_then(|function| self.functions.id(function)),
            _ => None,
        };
        let mut frame = std::mem::take(self.scratch);
        let built = frame::build(slot, task, id, self.objects, &mut frame, self.out);
        let written = built.and_then(|kind| {
            if frame.len() as u64 != extent.length {
                return Err(SystemError::new(
                    "EaglerayError",
                    "the task's arguments have changed while it waited for room",
                ));
            }
            self.rings.write(extent, &frame)?;
            task.rare().spilled = Some((kind, extent));
            Ok(())
        });
        *self.scratch = frame;
        written
    }

    /// Takes a frame back, unless its executor was faster.
    pub(super) fn revoke(&mut self, peer: PeerSlot, frame: FrameId) -> Revocation {
        self.rings.revoke(peer, frame)
    }
}
