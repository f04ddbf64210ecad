//! Room in the object store: the slab of this process, the regions that `allocate` handed out, and requests for more.
//!
//! - **RO-1:** every extent that this process was given is in one place: in the slab, in a region, in the hands of
//!   whoever asked for it, sealed, or given back.
//! - **RO-2:** a request for room is open until the raylet has answered it; nobody waits for the answer here. (A call
//!   of JavaScript that needs room waits for it in `worker.rs`, without the lock.)

use std::collections::BTreeMap;
use std::sync::Arc;

use eagleray_object_store::{Extent, Region, Segment, SlabClient};
use eagleray_protocol::{FromRaylet, Payload, SystemError, ToRaylet};

use crate::handle::Handle;
use crate::raylet_link::RayletLink;
use crate::work::RoomFor;

/// Objects up to this size come from a slab, without asking the raylet.
const SLAB_OBJECT_MAX: u64 = 1 << 20;

/// Size of a slab.
const SLAB_LENGTH: u64 = 8 << 20;

/// What a finalizer of JavaScript's garbage collector has freed. It may run on any thread.
#[derive(Debug)]
pub enum Freed {
    /// A view of this object is unmapped.
    View(Handle),
    /// The array over the region at this address is gone.
    Region(usize),
}

/// Memory that `allocate` handed out.
struct AllocatedRegion {
    region: Region,
    stage: Stage,
}

/// How far an allocated region has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The program fills it.
    Filled,
    /// It became this object; the array stays a private view of it.
    Sealed(Handle),
    /// Its bytes were copied out of the store, and nothing is left of it there.
    CopiedOut,
}

/// What was asked of the raylet, for a frame.
enum Request {
    /// A slab: whatever waits for room is served from it.
    Slab,
    /// Room for one frame alone.
    Alone(RoomFor),
}

/// How a call comes to its room.
#[derive(Debug)]
pub(crate) enum Reservation {
    /// It has it.
    Reserved(Extent),
    /// The raylet was asked; [`Room::granted`] goes on with its answer.
    Asked(u64),
}

/// What a call waits for.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) length: u64,
    /// Whether to wait a while for others to let go.
    pub(crate) is_patient: bool,
    /// Whether a slab was asked for, out of which it would be served.
    is_slab: bool,
}

impl Wanted {
    pub(crate) fn new(length: u64, is_patient: bool) -> Self {
        Self {
            length,
            is_patient,
            is_slab: length <= SLAB_OBJECT_MAX,
        }
    }

    /// Room that shall not be part of a slab.
    pub(crate) fn alone(length: u64, is_patient: bool) -> Self {
        Self {
            length,
            is_patient,
            is_slab: false,
        }
    }
}

/// What a region lets go of when its array is gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RegionEnd {
    /// It was a view of this object.
    View(Handle),
    /// It was never sealed.
    Unsealed(Extent),
}

/// See the module.
pub(crate) struct Room {
    segment: Arc<Segment>,
    slab: SlabClient,
    /// By the address of their first byte.
    regions: BTreeMap<usize, AllocatedRegion>,
    /// Requests for frames, by their numbers.
    requests: Vec<(u64, Request)>,
    /// Frames that wait for a slab.
    wait_for_slab: Vec<(RoomFor, u64)>,
    /// What can't be used after all, to be given back.
    unused: Vec<Extent>,
}

impl Room {
    pub(crate) fn new(segment: Arc<Segment>) -> Self {
        Self {
            segment,
            slab: SlabClient::new(),
            regions: BTreeMap::new(),
            requests: Vec::new(),
            wait_for_slab: Vec::new(),
            unused: Vec::new(),
        }
    }

    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    // ---- for a call, which waits

    /// Room for a call of JavaScript: at hand, or asked for.
    pub(crate) fn reserve(&mut self, wanted: Wanted, link: &mut RayletLink) -> Reservation {
        if wanted.is_slab {
            if let Some(extent) = self.slab.reserve(wanted.length) {
                return Reservation::Reserved(extent);
            }
            return Reservation::Asked(link.ask(|request| ToRaylet::LeaseSlab {
                request,
                length: SLAB_LENGTH,
                patient: false,
            }));
        }
        Reservation::Asked(link.ask(|request| ToRaylet::Allocate {
            request,
            length: wanted.length,
            patient: wanted.is_patient,
        }))
    }

    /// The raylet has answered what [`reserve`](Self::reserve) asked.
    pub(crate) fn granted(
        &mut self,
        answer: FromRaylet,
        wanted: &mut Wanted,
        link: &mut RayletLink,
    ) -> Result<Reservation, SystemError> {
        if !std::mem::take(&mut wanted.is_slab) {
            return granted(answer).map(Reservation::Reserved);
        }
        if let Ok(slab) = granted(answer) {
            self.install_slab(slab);
            if let Some(extent) = self.slab.reserve(wanted.length) {
                return Ok(Reservation::Reserved(extent));
            }
        }
        // A nearly full store may still have room for the object alone.
        Ok(self.reserve(*wanted, link))
    }

    fn install_slab(&mut self, slab: Extent) {
        self.unused.extend(self.slab.install(slab));
    }

    // ---- for a frame, which does not

    /// Room that can be had without asking.
    pub(crate) fn at_hand(&mut self, length: u64) -> Option<Extent> {
        if length > SLAB_OBJECT_MAX {
            return None;
        }
        self.slab.reserve(length)
    }

    /// Asks for room for a frame; [`answered`](Self::answered) brings it.
    pub(crate) fn ask(&mut self, room_for: RoomFor, length: u64, link: &mut RayletLink) {
        if length > SLAB_OBJECT_MAX {
            self.ask_alone(room_for, length, link);
            return;
        }
        self.wait_for_slab.push((room_for, length));
        if self.wait_for_slab.len() == 1 {
            let request = link.ask(|request| ToRaylet::LeaseSlab {
                request,
                length: SLAB_LENGTH,
                patient: false,
            });
            self.requests.push((request, Request::Slab));
        }
    }

    fn ask_alone(&mut self, room_for: RoomFor, length: u64, link: &mut RayletLink) {
        let request = link.ask(|request| ToRaylet::Allocate {
            request,
            length,
            patient: true,
        });
        self.requests.push((request, Request::Alone(room_for)));
    }

    /// Whether a frame waits for room.
    pub(crate) fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// The answers for frames that have come: room, or why there is none.
    pub(crate) fn answered(
        &mut self,
        link: &mut RayletLink,
    ) -> Vec<(RoomFor, Result<Extent, SystemError>)> {
        let mut answered = Vec::new();
        for (request, what) in std::mem::take(&mut self.requests) {
            let Some(answer) = link.take_answer(request) else {
                self.requests.push((request, what));
                continue;
            };
            match what {
                Request::Alone(room_for) => answered.push((room_for, granted(answer))),
                Request::Slab => {
                    if let Ok(slab) = granted(answer) {
                        self.install_slab(slab);
                    }
                    for (room_for, length) in std::mem::take(&mut self.wait_for_slab) {
                        match self.slab.reserve(length) {
                            Some(extent) => answered.push((room_for, Ok(extent))),
                            None => self.ask_alone(room_for, length, link),
                        }
                    }
                }
            }
        }
        answered
    }

    // ---- giving back

    /// An extent that nothing was sealed in is not needed after all.
    pub(crate) fn give_back(&mut self, extent: Extent) {
        if !self.slab.cancel(extent) {
            self.unused.push(extent);
        }
    }

    /// Gives up the slab: the next small object asks for another one.
    pub(crate) fn give_back_slab(&mut self) {
        self.unused.extend(self.slab.take_rest());
    }

    /// Tells the raylet what is not needed after all.
    pub(crate) fn settle(&mut self, link: &mut RayletLink) {
        if !self.unused.is_empty() {
            let extents = std::mem::take(&mut self.unused);
            link.tell(&ToRaylet::Abandon { extents });
        }
    }

    // ---- regions

    /// Maps an extent as memory to be filled in place, and returns its address and length.
    pub(crate) fn map_region(&mut self, extent: Extent) -> Result<(usize, usize), SystemError> {
        match Region::map(&self.segment, extent) {
            Ok(region) => {
                let (address, length) = (region.address() as usize, region.length());
                let allocated = AllocatedRegion {
                    region,
                    stage: Stage::Filled,
                };
                self.regions.insert(address, allocated);
                Ok((address, length))
            }
            Err(error) => {
                self.give_back(extent);
                Err(store_error(&error.to_string()))
            }
        }
    }

    /// The extent behind a buffer that is the whole of a region which was not sealed: it needs no copy.
    pub(crate) fn unsealed_region(&self, buffer: &[u8]) -> Option<Extent> {
        let region = self.regions.get(&(buffer.as_ptr() as usize))?;
        let extent = region.region.extent();
        (region.stage == Stage::Filled && extent.length == buffer.len() as u64).then_some(extent)
    }

    /// Whether regions that were not sealed are among the extents of a value.
    pub(crate) fn has_regions_of(&self, payload: &Payload) -> bool {
        self.unsealed_among(payload).next().is_some()
    }

    fn unsealed_among<'a>(&'a self, payload: &'a Payload) -> impl Iterator<Item = usize> + 'a {
        let among = |region: &AllocatedRegion| {
            region.stage == Stage::Filled && payload.extents.contains(&region.region.extent())
        };
        let regions = self.regions.iter();
        regions.filter_map(move |(&address, region)| among(region).then_some(address))
    }

    /// Turns the regions among a sealed value's extents into private views of the object, and returns how many: each
    /// needs the object from now on. Also why one of them could not be turned, if that is so.
    pub(crate) fn seal_regions(
        &mut self,
        payload: &Payload,
        handle: Handle,
    ) -> (u32, Option<SystemError>) {
        let addresses: Vec<usize> = self.unsealed_among(payload).collect();
        let mut sealed = 0;
        let mut failed = None;
        for address in addresses {
            let Some(region) = self.regions.get_mut(&address) else {
                continue;
            };
            if let Err(error) = region.region.seal(&self.segment) {
                failed = Some(store_error(&error.to_string()));
            }
            // The raylet has sealed it in any case: what is left to do is to let go of the object.
            region.stage = Stage::Sealed(handle);
            sealed += 1;
        }
        (sealed, failed)
    }

    /// The array over a region is gone: what that lets go of.
    pub(crate) fn end_region(&mut self, address: usize) -> Option<RegionEnd> {
        self.regions.remove(&address)?.holds()
    }

    /// The array over a region is garbage, and its finalizer has not run: what it lets go of at once. Its memory stays,
    /// with its bytes, until [`end_region`](Self::end_region).
    pub(crate) fn copy_region_out(&mut self, address: usize) -> Option<RegionEnd> {
        let region = self.regions.get_mut(&address)?;
        let held = region.holds()?;
        // Without memory for the copy it waits for its finalizer.
        region.region.copy_out().ok()?;
        region.stage = Stage::CopiedOut;
        Some(held)
    }
}

impl AllocatedRegion {
    fn holds(&self) -> Option<RegionEnd> {
        match self.stage {
            Stage::Filled => Some(RegionEnd::Unsealed(self.region.extent())),
            Stage::Sealed(handle) => Some(RegionEnd::View(handle)),
            Stage::CopiedOut => None,
        }
    }
}

/// The room in an answer, or why there is none.
fn granted(answer: FromRaylet) -> Result<Extent, SystemError> {
    match answer {
        FromRaylet::Granted {
            extent: Some(extent),
            ..
        } => Ok(extent),
        FromRaylet::Granted {
            error: Some(error), ..
        } => Err(error),
        _ => Err(store_error("the raylet has answered neither yes nor no")),
    }
}

/// An error of the store itself.
pub(crate) fn store_error(message: &str) -> SystemError {
    SystemError::new(
        "EaglerayError",
        format!("the object store failed: {message}"),
    )
}
