//! Room in the object store: reserving it, filling it, and viewing it.

use std::collections::BTreeMap;

use eagleray_object_store::{Extent, Region, View};
use eagleray_protocol::{FromRaylet, ObjectId, Payload, SystemError, ToRaylet};

use crate::core::Core;
use crate::objects::{Handle, Value};

/// Objects up to this size come from a slab, without asking the raylet.
const SLAB_OBJECT_MAX: u64 = 1 << 20;
/// Size of a slab.
const SLAB_LENGTH: u64 = 8 << 20;
/// An envelope above this goes into an extent.
pub const META_INLINE_MAX: usize = 64 << 10;

/// What a finalizer of JavaScript's garbage collector has freed. It may run on any thread.
#[derive(Debug)]
pub enum Freed {
    /// A view of this object is unmapped.
    View(Handle),
    /// The array over the region at this address is gone.
    Region(usize),
}

/// Memory that `allocate` handed out.
pub(crate) struct AllocatedRegion {
    region: Region,
    /// The object that it became; the array stays a private view of it.
    sealed: Option<Handle>,
}

/// Regions by address.
pub(crate) type Regions = BTreeMap<usize, AllocatedRegion>;

impl Core {
    /// Room for `length` bytes.
    pub(crate) fn reserve(&mut self, length: u64, patient: bool) -> Result<Extent, SystemError> {
        if length > SLAB_OBJECT_MAX {
            return self.request_room(false, length, patient);
        }
        if let Some(extent) = self.slab.reserve(length) {
            return Ok(extent);
        }
        match self.request_room(true, SLAB_LENGTH, false) {
            Ok(slab) => {
                if let Some(rest) = self.slab.install(slab) {
                    self.tell(ToRaylet::ReturnSlab { rest });
                }
                match self.slab.reserve(length) {
                    Some(extent) => Ok(extent),
                    None => self.request_room(false, length, patient),
                }
            }
            // A nearly full store may still have room for the object alone.
            Err(_) => self.request_room(false, length, patient),
        }
    }

    fn request_room(
        &mut self,
        slab: bool,
        length: u64,
        patient: bool,
    ) -> Result<Extent, SystemError> {
        let request = self.next_request();
        self.tell(if slab {
            ToRaylet::LeaseSlab {
                request,
                length,
                patient,
            }
        } else {
            ToRaylet::Allocate {
                request,
                length,
                patient,
            }
        });
        match self.answer(request) {
            Some(FromRaylet::Granted {
                extent: Some(extent),
                ..
            }) => Ok(extent),
            Some(FromRaylet::Granted {
                error: Some(error), ..
            }) => Err(error),
            _ => Err(SystemError::new(
                "NotInitializedError",
                "the runtime has ended",
            )),
        }
    }

    /// Copies bytes into the store, for this process's own use.
    pub(crate) fn store_bytes(&mut self, bytes: &[u8]) -> Result<Extent, SystemError> {
        self.copy_in(bytes, true)
    }

    /// Copies a value's envelope (if it is large) and buffers into the store. A buffer that is the whole
    /// of an allocated region is taken over without a copy.
    pub(crate) fn store_value(
        &mut self,
        meta: &[u8],
        buffers: &[&[u8]],
        patient: bool,
    ) -> Result<Payload, SystemError> {
        let mut extents = Vec::with_capacity(buffers.len() + 1);
        let meta_in_extent = meta.len() > META_INLINE_MAX;
        if meta_in_extent {
            extents.push(self.copy_in(meta, patient)?);
        }
        for buffer in buffers {
            let extent = match self.unsealed_region(buffer) {
                Some(extent) => Ok(extent),
                None => self.copy_in(buffer, patient),
            };
            match extent {
                Ok(extent) => extents.push(extent),
                Err(error) => {
                    self.abandon_copies(&extents);
                    return Err(error);
                }
            }
        }
        let meta = if meta_in_extent {
            Box::default()
        } else {
            meta.into()
        };
        Ok(Payload {
            meta,
            meta_in_extent,
            extents: extents.into(),
            nested: Box::default(),
        })
    }

    /// Copies bytes into the store.
    pub(crate) fn copy_in(&mut self, bytes: &[u8], patient: bool) -> Result<Extent, SystemError> {
        let extent = self.reserve(bytes.len() as u64, patient)?;
        self.segment
            .write(extent.offset, bytes)
            .map_err(|error| store_error(&error.to_string()))?;
        Ok(extent)
    }

    /// Gives back extents that were copied to and not sealed; regions stay.
    pub(crate) fn abandon_copies(&mut self, extents: &[Extent]) {
        let regions = &self.regions;
        let copies: Vec<Extent> = extents
            .iter()
            .copied()
            .filter(|extent| {
                !regions
                    .values()
                    .any(|region| region.region.extent() == *extent)
            })
            .collect();
        if !copies.is_empty() {
            self.tell(ToRaylet::Abandon { extents: copies });
        }
    }

    fn unsealed_region(&self, buffer: &[u8]) -> Option<Extent> {
        let region = self.regions.get(&(buffer.as_ptr() as usize))?;
        let extent = region.region.extent();
        (region.sealed.is_none() && extent.length == buffer.len() as u64).then_some(extent)
    }

    /// Turns the regions among a sealed value's extents into private views of the object.
    pub(crate) fn seal_regions(
        &mut self,
        payload: &Payload,
        handle: Handle,
    ) -> Result<(), SystemError> {
        let addresses: Vec<usize> = self
            .regions
            .iter()
            .filter(|(_, region)| {
                region.sealed.is_none() && payload.extents.contains(&region.region.extent())
            })
            .map(|(&address, _)| address)
            .collect();
        for address in addresses {
            let Some(region) = self.regions.get_mut(&address) else {
                continue;
            };
            region
                .region
                .seal(&self.segment)
                .map_err(|error| store_error(&error.to_string()))?;
            region.sealed = Some(handle);
            self.pin(handle);
        }
        Ok(())
    }

    /// As [`Self::seal_regions`], for a result that another process owns.
    pub(crate) fn seal_result_regions(
        &mut self,
        id: ObjectId,
        payload: &Payload,
    ) -> Result<(), SystemError> {
        if !self.regions.values().any(|region| {
            region.sealed.is_none() && payload.extents.contains(&region.region.extent())
        }) {
            return Ok(());
        }
        // The array lives on here as a view, so this process holds the object like any reader.
        let handle = self.borrow_with_value(id, payload.clone());
        let sealed = self.seal_regions(payload, handle);
        self.release(handle);
        sealed
    }

    /// Stores a value of this process: seals it and makes its entry.
    pub(crate) fn put(
        &mut self,
        sequence: u64,
        mut payload: Payload,
        refs: Vec<Handle>,
        actors: Vec<u32>,
    ) -> Result<(), SystemError> {
        payload.nested = self.nested_ids(&refs, &actors).into();
        let stored = payload.is_stored();
        if stored {
            let id = ObjectId::local(self.process, sequence);
            self.tell(ToRaylet::Seal {
                request: 0,
                id,
                holder: self.process,
                extents: payload.extents.to_vec(),
                nested: Vec::new(),
            });
        }
        let extents = payload.clone();
        self.define(sequence, payload, refs, actors, stored);
        if stored {
            self.seal_regions(&extents, sequence)
        } else {
            Ok(())
        }
    }

    /// Hands out memory of the store to be filled in place: its address and length.
    pub(crate) fn allocate_region(
        &mut self,
        length: u64,
        patient: bool,
    ) -> Result<(usize, usize), SystemError> {
        let extent = self.request_room(false, length, patient)?;
        let region =
            Region::map(&self.segment, extent).map_err(|error| store_error(&error.to_string()))?;
        let address = region.address() as usize;
        let length = region.length();
        self.regions.insert(
            address,
            AllocatedRegion {
                region,
                sealed: None,
            },
        );
        Ok((address, length))
    }

    /// Maps one buffer of an object copy-on-write; the object stays until the view is freed.
    pub(crate) fn view_buffer(
        &mut self,
        handle: Handle,
        index: usize,
    ) -> Result<View, SystemError> {
        let extent = self.buffer_extent(handle, index)?;
        let view =
            View::map(&self.segment, extent).map_err(|error| store_error(&error.to_string()))?;
        self.pin(handle);
        Ok(view)
    }

    /// Where one buffer of an object is.
    pub(crate) fn buffer_extent(
        &self,
        handle: Handle,
        index: usize,
    ) -> Result<Extent, SystemError> {
        let extent = match self.objects.get(handle).map(|entry| &entry.value) {
            Some(Value::Full(full)) => full.outcome.payload.buffers().get(index).copied(),
            _ => None,
        };
        extent.ok_or_else(|| SystemError::new("ObjectLostError", "the object's buffer is gone"))
    }

    /// Copies one buffer of an object.
    pub(crate) fn copy_buffer(
        &self,
        handle: Handle,
        index: usize,
        target: &mut [u8],
    ) -> Result<(), SystemError> {
        let extent = self.buffer_extent(handle, index)?;
        self.segment
            .read_into(extent, target)
            .map_err(|error| store_error(&error.to_string()))
    }

    /// The envelope of an object whose envelope is in the store.
    pub(crate) fn fetch_meta(&self, handle: Handle) -> Option<Vec<u8>> {
        match &self.objects.get(handle)?.value {
            Value::Full(full) if full.outcome.payload.meta_in_extent => self
                .segment
                .read_to_vec(*full.outcome.payload.extents.first()?)
                .ok(),
            Value::Full(full) => Some(full.outcome.payload.meta.to_vec()),
            Value::Inline { meta, .. } => Some(meta.to_vec()),
            Value::Pending => None,
        }
    }

    /// Books what finalizers have freed.
    pub(crate) fn book_freed(&mut self, freed: Vec<Freed>) {
        for item in freed {
            match item {
                Freed::View(handle) => self.release(handle),
                Freed::Region(address) => {
                    let Some(region) = self.regions.remove(&address) else {
                        continue;
                    };
                    match region.sealed {
                        Some(handle) => self.release(handle),
                        None => {
                            let extents = vec![region.region.extent()];
                            self.tell(ToRaylet::Abandon { extents });
                        }
                    }
                }
            }
        }
    }
}

fn store_error(message: &str) -> SystemError {
    SystemError::new(
        "EaglerayError",
        format!("the object store failed: {message}"),
    )
}
