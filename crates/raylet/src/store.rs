//! The segment's space: objects in one part of it, rings and mailboxes in the other, so that a full store
//! never keeps processes from talking, and connections never take room from objects.
//!
//! Owns: both allocators, the population of memory ahead of demand, and the requests that wait for room.
//! Is not: the table of objects (`object_directory`), which says when room becomes free.
//!
//! Invariants:
//! - **ST-1:** a request for room is answered once: with room, or with `ObjectStoreFullError` at its deadline.
//! - **ST-2:** memory of rings and mailboxes is zero when it is handed out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use eagleray_object_store::{
    Allocator, Extent, PAGE, Population, PopulationLimits, Segment, StoreFull,
};
use eagleray_protocol::{FromRaylet, ProcessNumber, SystemError};

use crate::errors;

/// Address space for rings and mailboxes, in bytes. Memory is used only where it is touched.
const RINGS_BYTES: u64 = 4 << 30;

/// How long a patient request waits for others to let go.
const PATIENCE: Duration = Duration::from_millis(500);

struct Waiting {
    process: ProcessNumber,
    request: u64,
    length: u64,
    deadline: Duration,
}

/// The segment and its space.
pub(crate) struct Store {
    segment: Arc<Segment>,
    objects: Allocator,
    rings: Allocator,
    population: Population,
    waiting: Vec<Waiting>,
    /// Bytes in use when processes were last asked to collect garbage, or fewer since.
    collected_at: u64,
    /// Free bytes when the waiting requests were last tried.
    tried_with: u64,
}

/// What became of a request for room.
pub(crate) enum Room {
    /// Here it is.
    Granted(Extent),
    /// There is none, and waiting would not help or is not wanted.
    Refused(SystemError),
    /// The answer comes later; processes should collect garbage.
    Later,
}

impl Store {
    /// Makes the segment for a store of `bytes`. `wake` is called from another thread when
    /// [`end_turn`](Self::end_turn) has something to take in.
    pub(crate) fn create(bytes: u64, wake: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let too_large = || io::Error::new(io::ErrorKind::InvalidInput, "the store is too large");
        // The first page stays unused, so that no extent has the offset 0.
        let objects_end = bytes
            .checked_next_multiple_of(PAGE)
            .and_then(|bytes| bytes.checked_add(PAGE))
            .ok_or_else(too_large)?;
        let end = objects_end.checked_add(RINGS_BYTES).ok_or_else(too_large)?;
        let segment = Arc::new(Segment::create(end)?);
        let limits = PopulationLimits::for_store(bytes);
        Ok(Self {
            objects: Allocator::new(PAGE, objects_end),
            rings: Allocator::new(objects_end, end),
            population: Population::new(Arc::clone(&segment), limits, wake),
            segment,
            waiting: Vec::new(),
            collected_at: 0,
            tried_with: 0,
        })
    }

    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Bytes of objects, leased room included, and bytes in all.
    pub(crate) fn usage(&self) -> (u64, u64) {
        (self.objects.used_bytes(), self.objects.total_bytes())
    }

    /// Bytes that a process was given and has neither made an object of nor given back.
    pub(crate) fn leased_bytes(&self, process: ProcessNumber) -> u64 {
        self.objects.leased_bytes(process)
    }

    /// True if there are objects.
    pub(crate) fn has_objects(&self) -> bool {
        self.objects.allocated_bytes() > 0
    }

    /// True if the store is more than half full and has grown by an eighth since this was last true: a good
    /// time to ask for what nobody uses, before there is no room and somebody has to wait.
    pub(crate) fn shall_collect(&mut self) -> bool {
        let (used, total) = self.usage();
        // After others have let go, growth counts from there.
        self.collected_at = self.collected_at.min(used);
        let shall = used > total / 2 && used - self.collected_at > total / 8;
        if shall {
            self.collected_at = used;
        }
        shall
    }

    /// Gives a client room for an object or a slab.
    pub(crate) fn lease(
        &mut self,
        process: ProcessNumber,
        request: u64,
        length: u64,
        patient: bool,
        now: Duration,
    ) -> Room {
        match self.objects.lease(process, length) {
            Ok(extent) => Room::Granted(extent),
            Err(full) if patient && length <= full.total => {
                self.waiting.push(Waiting {
                    process,
                    request,
                    length,
                    deadline: now + PATIENCE,
                });
                self.tried_with = full.free;
                Room::Later
            }
            Err(full) => Room::Refused(errors::store_full(&full)),
        }
    }

    /// Takes extents out of a client's lease: all of them, or none and an error that names the first bad one.
    pub(crate) fn seal(
        &mut self,
        process: ProcessNumber,
        extents: &[Extent],
    ) -> Result<(), String> {
        for (index, &extent) in extents.iter().enumerate() {
            if let Err(error) = self.objects.seal(process, extent) {
                for &sealed in &extents[..index] {
                    self.free(sealed);
                }
                return Err(error.to_string());
            }
        }
        Ok(())
    }

    /// Gives back what a client leased and did not seal.
    pub(crate) fn abandon(&mut self, process: ProcessNumber, extent: Extent) -> Result<(), String> {
        self.objects
            .abandon(process, extent)
            .map_err(|error| error.to_string())
    }

    /// Frees an extent of an object.
    pub(crate) fn free(&mut self, extent: Extent) {
        let released = self.objects.release(extent);
        debug_assert!(released.is_ok(), "OD-2: {released:?}");
    }

    /// A process has ended: what it asked for is not wanted any more. What it leased stays: others may still read there.
    pub(crate) fn process_ended(&mut self, process: ProcessNumber) {
        self.waiting.retain(|waiting| waiting.process != process);
    }

    /// Nobody reads any more from a process that has ended: what it leased is free.
    pub(crate) fn forget_process(&mut self, process: ProcessNumber) {
        self.objects.release_client(process);
    }

    /// Zeroed memory for rings or mailboxes.
    pub(crate) fn allocate_rings(&mut self, length: u64) -> Result<Extent, StoreFull> {
        self.rings.allocate(length)
    }

    /// Frees memory of rings or mailboxes that no process uses any more.
    pub(crate) fn free_rings(&mut self, extent: Extent) {
        // Given back, it reads as zeros (ST-2). Where the system refuses that, it stays taken instead.
        if self.segment.give_back(extent).is_ok() {
            let released = self.rings.release(extent);
            debug_assert!(released.is_ok(), "{released:?}");
        }
    }

    /// Serves requests that waited, as far as there is room or their time is over, and looks after the
    /// population. The answers are for the processes named.
    pub(crate) fn end_turn(
        &mut self,
        now: Duration,
    ) -> (Vec<(ProcessNumber, FromRaylet)>, Option<io::Error>) {
        let error = self.population.step(now, &mut self.objects).err();
        let mut answers = Vec::new();
        let free = self.objects.free_bytes();
        let may_fit = free > self.tried_with;
        self.tried_with = free;
        let objects = &mut self.objects;
        self.waiting.retain(|waiting| {
            if !may_fit && now < waiting.deadline {
                return true;
            }
            let answer = match objects.lease(waiting.process, waiting.length) {
                Ok(extent) => granted(waiting.request, extent),
                Err(_) if now < waiting.deadline => return true,
                Err(full) => refused(waiting.request, errors::store_full(&full)),
            };
            answers.push((waiting.process, answer));
            false
        });
        (answers, error)
    }

    /// When [`end_turn`](Self::end_turn) wants to be called at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let waiting = self.waiting.iter().map(|waiting| waiting.deadline);
        waiting.chain(self.population.next_deadline()).min()
    }
}

/// The message that answers a request with room.
pub(crate) fn granted(request: u64, extent: Extent) -> FromRaylet {
    FromRaylet::Granted {
        request,
        extent: Some(extent),
        error: None,
    }
}

/// The message that answers a request for which there is no room.
pub(crate) fn refused(request: u64, error: SystemError) -> FromRaylet {
    FromRaylet::Granted {
        request,
        extent: None,
        error: Some(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        Store::create(16 * PAGE, || {}).unwrap()
    }

    fn extent_of(room: Room) -> Extent {
        match room {
            Room::Granted(extent) => extent,
            _ => panic!("no room"),
        }
    }

    #[test]
    fn a_patient_request_is_served_when_others_let_go() {
        let mut store = store();
        let all = extent_of(store.lease(1, 1, 16 * PAGE, true, Duration::ZERO));
        let waits = store.lease(2, 7, PAGE, true, Duration::ZERO);
        assert!(matches!(waits, Room::Later));
        assert!(store.end_turn(Duration::from_millis(1)).0.is_empty());
        store.seal(1, &[all]).unwrap();
        store.free(all);
        let (answers, _) = store.end_turn(Duration::from_millis(2));
        assert!(matches!(
            answers.as_slice(),
            [(
                2,
                FromRaylet::Granted {
                    request: 7,
                    extent: Some(_),
                    ..
                }
            )]
        ));
    }

    #[test]
    fn a_patient_request_fails_at_its_deadline_and_an_impatient_or_hopeless_one_at_once() {
        let mut store = store();
        extent_of(store.lease(1, 1, 16 * PAGE, true, Duration::ZERO));
        assert!(matches!(
            store.lease(2, 7, PAGE, true, Duration::ZERO),
            Room::Later
        ));
        assert_eq!(store.next_deadline(), Some(PATIENCE));
        let (answers, _) = store.end_turn(PATIENCE);
        assert!(matches!(
            answers.as_slice(),
            [(
                2,
                FromRaylet::Granted {
                    request: 7,
                    error: Some(_),
                    ..
                }
            )]
        ));
        for (length, patient) in [(PAGE, false), (17 * PAGE, true)] {
            let room = store.lease(2, 8, length, patient, PATIENCE);
            assert!(matches!(room, Room::Refused(_)));
        }
    }

    #[test]
    fn a_seal_of_foreign_extents_takes_nothing() {
        let mut store = store();
        let own = extent_of(store.lease(1, 1, PAGE, false, Duration::ZERO));
        let foreign = extent_of(store.lease(2, 1, PAGE, false, Duration::ZERO));
        assert!(store.seal(1, &[own, foreign]).is_err());
        assert!(store.seal(2, &[foreign]).is_ok());
    }
}
