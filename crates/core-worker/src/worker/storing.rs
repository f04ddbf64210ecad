//! Values and their memory: storing them, reading them, and room for them.

use eagleray_object_store::{Extent, View};
use eagleray_protocol::{FromRaylet, ObjectId, Payload, SystemError, ToRaylet};

use super::{CoreWorker, META_INLINE_MAX};
use crate::core::Core;
use crate::handle::{ActorNumber, BORROWED_BASE, Handle};
use crate::objects::Value;
use crate::room::{Reservation, Wanted, store_error};

/// So many objects the raylet is asked about in one message, which stays far below the limit of a control frame.
const QUERIED_MAX: usize = 16 << 10;

impl CoreWorker {
    /// Room in the store. Waits for others to let go if it is patient and there is none.
    pub(super) fn reserve(&self, mut wanted: Wanted) -> Result<Extent, SystemError> {
        let mut core = self.lock();
        let mut reservation = {
            let core = &mut *core;
            core.room.reserve(wanted, &mut core.link)
        };
        loop {
            let request = match reservation {
                Reservation::Reserved(extent) => return Ok(extent),
                Reservation::Asked(request) => request,
            };
            let answer = if wanted.is_patient {
                drop(core);
                self.attend(None, |core| {
                    let answer = core.link.take_answer(request).map(Some);
                    answer.or_else(|| core.link.is_gone().then_some(None))
                })
                .flatten()
            } else {
                self.answer(core, request)
            };
            let Some(answer) = answer else {
                return Err(Core::ended());
            };
            core = self.lock();
            let state = &mut *core;
            reservation = state.room.granted(answer, &mut wanted, &mut state.link)?;
        }
    }

    /// Copies bytes into the store.
    pub(super) fn copy_in(&self, bytes: &[u8], is_patient: bool) -> Result<Extent, SystemError> {
        let extent = self.reserve(Wanted::new(bytes.len() as u64, is_patient))?;
        // Without the lock: nobody else has this room, and a large copy takes its time.
        if let Err(error) = self.segment.write(extent.offset, bytes) {
            self.give_back(&[extent]);
            return Err(store_error(&error.to_string()));
        }
        Ok(extent)
    }

    pub(super) fn give_back(&self, extents: &[Extent]) {
        self.with(|core| {
            for &extent in extents {
                core.room.give_back(extent);
            }
        });
    }

    /// Copies a value's envelope (if it is large) and buffers into the store. A buffer that is the whole
    /// of an allocated region is taken over without a copy.
    pub(super) fn store_value(
        &self,
        meta: &[u8],
        buffers: &[&[u8]],
        is_patient: bool,
    ) -> Result<StoredValue, SystemError> {
        let mut stored = StoredValue::default();
        let meta_in_extent = meta.len() > META_INLINE_MAX;
        let in_extent = meta_in_extent.then_some(meta);
        for bytes in in_extent.into_iter().chain(buffers.iter().copied()) {
            let region = self.lock().room.unsealed_region(bytes);
            let extent = match region {
                Some(extent) => extent,
                None => match self.copy_in(bytes, is_patient) {
                    Ok(extent) => {
                        stored.copies.push(extent);
                        extent
                    }
                    Err(error) => {
                        self.give_back(&stored.copies);
                        return Err(error);
                    }
                },
            };
            stored.extents.push(extent);
        }
        if !meta_in_extent {
            stored.meta = meta.into();
        }
        stored.meta_in_extent = meta_in_extent;
        Ok(stored)
    }

    /// The handle of an object, with one more count.
    pub fn borrow(&self, id: ObjectId) -> Handle {
        let mut core = self.lock();
        let core = &mut *core;
        core.objects.borrow(id, &mut core.out)
    }

    /// The id behind a handle.
    pub fn object_id(&self, handle: Handle) -> Option<ObjectId> {
        self.lock().objects.id(handle)
    }

    /// Makes room in the table for a value that this process will have later, under its next sequence number.
    pub fn promise(&self, sequence: u64) {
        self.with(|core| core.objects.promise(sequence));
    }

    /// Gives a small value that was promised. The first one stands.
    pub fn settle(&self, handle: Handle, meta: &[u8], refs: Vec<Handle>, actors: Vec<ActorNumber>) {
        self.with(|core| {
            core.take_submissions();
            let payload = Payload {
                nested: core.objects.nested_ids(&refs, &actors).into(),
                ..Payload::inline(meta)
            };
            core.objects
                .settle(handle, payload, refs, actors, &mut core.out);
        });
    }

    /// Those of this process's objects that nobody refers to but whoever asks: no task or value here, and nobody
    /// elsewhere. That stays so until one of them is passed on.
    pub fn unheld(&self, handles: &[Handle]) -> Result<Vec<Handle>, SystemError> {
        let mut found = Vec::new();
        for asked in handles.chunks(QUERIED_MAX) {
            let ids = self.with(|core| {
                // What JavaScript has passed on counts here first.
                core.take_submissions();
                let objects = &core.objects;
                asked
                    .iter()
                    .filter(|&&handle| handle < BORROWED_BASE && objects.has_one_count(handle))
                    .filter_map(|&handle| objects.id(handle))
                    .collect()
            });
            found.extend(self.request(
                |request| ToRaylet::QueryUnheld { request, ids },
                |answer| match answer {
                    FromRaylet::Unheld { ids, .. } => Some(ids),
                    _ => None,
                },
            )?);
        }
        let handles = found.iter().map(|id| id.sequence);
        let core = self.lock();
        // A ref to it may have come home meanwhile.
        Ok(handles
            .filter(|&handle| core.objects.has_one_count(handle))
            .collect())
    }

    /// Stores a value of this process under its next sequence number.
    pub fn put(
        &self,
        sequence: u64,
        meta: &[u8],
        buffers: &[&[u8]],
        refs: Vec<Handle>,
        actors: Vec<ActorNumber>,
        is_patient: bool,
    ) -> Result<(), SystemError> {
        self.lock().take_submissions();
        let stored = self.store_value(meta, buffers, is_patient)?;
        self.with(|core| {
            let mut payload = stored.into_payload();
            payload.nested = core.objects.nested_ids(&refs, &actors).into();
            let is_stored = payload.is_stored();
            if is_stored {
                core.out.tell(ToRaylet::Seal {
                    request: 0,
                    id: ObjectId::local(core.process, sequence),
                    holder: core.process,
                    extents: payload.extents.to_vec(),
                    nested: Vec::new(),
                });
            }
            let sealed = payload.clone();
            core.objects
                .define(sequence, payload, refs, actors, is_stored);
            seal_regions(core, &sealed, sequence)
        })
    }

    /// Hands out memory to be filled in place: its address and length.
    pub fn allocate(&self, length: u64, is_patient: bool) -> Result<(usize, usize), SystemError> {
        let extent = self.reserve(Wanted::alone(length, is_patient))?;
        self.with(|core| core.room.map_region(extent))
    }

    /// The array over the region at this address is garbage, and its finalizer, which reports [`Freed::Region`], runs
    /// later: the store gets its room back at once. The memory keeps its bytes until then, in case that they were handed
    /// on (`ArrayBuffer.prototype.transfer`).
    pub fn copy_region_out(&self, address: usize) {
        self.with(|core| core.copy_region_out(address));
    }

    /// Maps one buffer of an object copy-on-write; the object stays until [`Freed::View`] is reported.
    pub fn view(&self, handle: Handle, index: usize) -> Result<View, SystemError> {
        let mut core = self.lock();
        let extent = buffer(&core, handle, index)?;
        let view =
            View::map(&self.segment, extent).map_err(|error| store_error(&error.to_string()))?;
        core.objects.pin(handle);
        Ok(view)
    }

    /// The length of one buffer of an object, in bytes.
    pub fn buffer_length(&self, handle: Handle, index: usize) -> Result<u64, SystemError> {
        buffer(&self.lock(), handle, index).map(|extent| extent.length)
    }

    /// Copies one buffer of an object, where a view can't be had.
    pub fn copy_buffer(
        &self,
        handle: Handle,
        index: usize,
        target: &mut [u8],
    ) -> Result<(), SystemError> {
        let extent = buffer(&self.lock(), handle, index)?;
        self.segment
            .read_into(extent, target)
            .map_err(|error| store_error(&error.to_string()))
    }

    /// The envelope of an object whose envelope is in the store.
    pub fn fetch_meta(&self, handle: Handle) -> Option<Vec<u8>> {
        let core = self.lock();
        match core.objects.value(handle)? {
            Value::Full(full) if full.outcome.payload.meta_in_extent => {
                let extent = *full.outcome.payload.extents.first()?;
                self.segment.read_to_vec(extent).ok()
            }
            Value::Full(full) => Some(full.outcome.payload.meta.to_vec()),
            Value::Inline { meta, .. } => Some(meta.to_vec()),
            Value::Pending => None,
        }
    }

    /// The payload of an object of this process, to export it as a function.
    pub fn payload(&self, handle: Handle) -> Option<(ObjectId, Payload)> {
        let core = self.lock();
        let outcome = core.objects.value(handle)?.outcome()?;
        Some((core.objects.id(handle)?, outcome.payload))
    }

    /// Makes refs known to others, because they are about to leave this process.
    pub fn publish(&self, handles: &[Handle]) {
        self.with(|core| {
            core.take_submissions();
            for &handle in handles {
                core.objects.publish(handle, &mut core.out);
            }
        });
    }
}

/// A value whose large parts are in the store and not sealed.
#[derive(Default)]
pub(super) struct StoredValue {
    meta: Box<[u8]>,
    meta_in_extent: bool,
    extents: Vec<Extent>,
    /// Those of them that are no regions, to be given back if nothing comes of it.
    pub(super) copies: Vec<Extent>,
}

impl StoredValue {
    pub(super) fn into_payload(self) -> Payload {
        Payload {
            meta: self.meta,
            meta_in_extent: self.meta_in_extent,
            extents: self.extents.into(),
            nested: Box::default(),
        }
    }
}

/// Where one buffer of an object is.
fn buffer(core: &Core, handle: Handle, index: usize) -> Result<Extent, SystemError> {
    core.objects
        .buffer(handle, index)
        .ok_or_else(|| SystemError::new("ObjectLostError", "the object's buffer is gone"))
}

/// Turns the regions among a sealed value's extents into private views of the object, which they pin.
pub(super) fn seal_regions(
    core: &mut Core,
    payload: &Payload,
    handle: Handle,
) -> Result<(), SystemError> {
    let (sealed, failed) = core.room.seal_regions(payload, handle);
    for _ in 0..sealed {
        core.objects.pin(handle);
    }
    failed.map_or(Ok(()), Err)
}
