//! Connections: a pair of rings between a submitter and an executor.
//!
//! Owns: their numbers and memory. Is not: a reader or writer of the rings.
//!
//! Invariants:
//! - **CO-1:** between two processes there is at most one connection of each direction that both use.
//! - **CO-2:** the memory of a connection is freed when both sides have said that they are done, or are dead.
//! - **CO-3:** the mailbox of a dead process is freed after the last connection to it, because peers may
//!   write to it until then.
//! - **CO-4:** a process that is connected with itself, such as an actor that calls itself, is done with
//!   each side on its own.

use eagleray_ipc::ring::{self, RING_HEADER};
use eagleray_object_store::{Extent, PAGE};
use eagleray_protocol::ProcessNumber;
use rustc_hash::FxHashMap;

use crate::store::Store;

/// Bytes of frames in one ring; the longest frame is a little less than half of it.
const RING_CAPACITY: usize = 256 << 10;
const RING_LENGTH: u64 = (RING_HEADER + RING_CAPACITY) as u64;
/// Space of one ring, in whole pages.
const RING_SPACE: u64 = RING_LENGTH.next_multiple_of(PAGE);

/// A pair of rings.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) number: u32,
    pub(crate) submitter: ProcessNumber,
    pub(crate) executor: ProcessNumber,
    extent: Extent,
    submitter_open: bool,
    executor_open: bool,
}

impl Connection {
    /// The page with the connection's flags.
    pub(crate) fn page(&self) -> u64 {
        self.extent.offset
    }

    /// The ring from the submitter to the executor.
    pub(crate) fn requests(&self) -> Extent {
        Extent::new(self.extent.offset + PAGE, RING_LENGTH)
    }

    /// The ring from the executor to the submitter.
    pub(crate) fn replies(&self) -> Extent {
        Extent::new(self.extent.offset + PAGE + RING_SPACE, RING_LENGTH)
    }

    /// Closes one side of the process (CO-4).
    fn close(&mut self, process: ProcessNumber) {
        if self.submitter_open && self.submitter == process {
            self.submitter_open = false;
        } else if self.executor == process {
            self.executor_open = false;
        }
    }

    /// The process that still uses it, if only one does.
    fn survivor(&self) -> Option<ProcessNumber> {
        match (self.submitter_open, self.executor_open) {
            (true, false) => Some(self.submitter),
            (false, true) => Some(self.executor),
            _ => None,
        }
    }
}

/// All connections.
#[derive(Default)]
pub(crate) struct Connections {
    table: FxHashMap<u32, Connection>,
    by_pair: FxHashMap<(ProcessNumber, ProcessNumber), u32>,
    /// Mailboxes of dead processes that still have connections (CO-3).
    orphaned: FxHashMap<ProcessNumber, Extent>,
    numbers: u32,
}

impl Connections {
    /// The connection from a submitter to an executor, and whether it is new, so that both have to be told.
    pub(crate) fn ensure(
        &mut self,
        submitter: ProcessNumber,
        executor: ProcessNumber,
        store: &mut Store,
    ) -> Result<(Connection, bool), String> {
        if let Some(number) = self.by_pair.get(&(submitter, executor))
            && let Some(connection) = self.table.get(number)
        {
            return Ok((connection.clone(), false));
        }
        let extent = store
            .allocate_rings(PAGE + 2 * RING_SPACE)
            .map_err(|full| format!("no room for the rings of a connection: {full}"))?;
        self.numbers += 1;
        let connection = Connection {
            number: self.numbers,
            submitter,
            executor,
            extent,
            submitter_open: true,
            executor_open: true,
        };
        for ring in [connection.requests(), connection.replies()] {
            if let Err(error) = initialize(ring, store) {
                store.free_rings(extent);
                return Err(error);
            }
        }
        self.table.insert(connection.number, connection.clone());
        self.by_pair
            .insert((submitter, executor), connection.number);
        Ok((connection, true))
    }

    /// A process is done with a connection. Returns the peer if that still uses it, so that it can be told.
    pub(crate) fn close(
        &mut self,
        number: u32,
        process: ProcessNumber,
        store: &mut Store,
    ) -> Option<ProcessNumber> {
        let connection = self.table.get_mut(&number)?;
        let was_open = connection.survivor().is_none();
        connection.close(process);
        let survivor = connection.survivor();
        let pair = (connection.submitter, connection.executor);
        if !connection.submitter_open && !connection.executor_open {
            let extent = connection.extent;
            self.table.remove(&number);
            store.free_rings(extent);
            self.free_orphaned(pair.0, store);
            self.free_orphaned(pair.1, store);
        }
        if self.by_pair.get(&pair) == Some(&number) {
            self.by_pair.remove(&pair);
        }
        survivor.filter(|_| was_open)
    }

    /// A process is dead. Returns the connections that peers still use, each with its peer, so that they
    /// can be told.
    pub(crate) fn process_died(
        &mut self,
        process: ProcessNumber,
        mailbox: Extent,
        store: &mut Store,
    ) -> Vec<(u32, ProcessNumber)> {
        self.orphaned.insert(process, mailbox);
        let mut numbers: Vec<u32> = self
            .table
            .values()
            .filter(|connection| [connection.submitter, connection.executor].contains(&process))
            .map(|connection| connection.number)
            .collect();
        numbers.sort_unstable();
        let close = |number| {
            let peer = self.close(number, process, store)?;
            if peer != process {
                return Some((number, peer));
            }
            // It was its own peer (CO-4).
            self.close(number, process, store);
            None
        };
        let lost = numbers.into_iter().filter_map(close).collect();
        self.free_orphaned(process, store);
        lost
    }

    fn free_orphaned(&mut self, process: ProcessNumber, store: &mut Store) {
        let used = self
            .table
            .values()
            .any(|connection| [connection.submitter, connection.executor].contains(&process));
        if !used && let Some(mailbox) = self.orphaned.remove(&process) {
            store.free_rings(mailbox);
        }
    }
}

fn initialize(ring: Extent, store: &Store) -> Result<(), String> {
    let base = store
        .segment()
        .pointer(ring.offset, ring.length)
        .map_err(|error| error.to_string())?;
    // SAFETY: `pointer` has checked the bounds, the segment stays mapped while the store lives, and the
    // allocator has given this memory to nobody else.
    unsafe { ring::initialize(base, ring.length as usize) }.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        Store::create(PAGE, || {}).unwrap()
    }

    #[test]
    fn a_pair_shares_one_connection_until_a_side_is_done_with_it() {
        let mut store = store();
        let mut connections = Connections::default();
        let (first, new) = connections.ensure(1, 2, &mut store).unwrap();
        assert!(new);
        let (same, new) = connections.ensure(1, 2, &mut store).unwrap();
        assert!(!new);
        assert_eq!(same.number, first.number);
        assert_eq!(connections.close(first.number, 1, &mut store), Some(2));
        let (other, new) = connections.ensure(1, 2, &mut store).unwrap();
        assert!(new);
        assert_ne!(
            other.page(),
            first.page(),
            "the executor still uses the first"
        );
        assert_eq!(connections.close(first.number, 2, &mut store), None);
        let (third, _) = connections.ensure(2, 1, &mut store).unwrap();
        assert_eq!(third.page(), first.page(), "its memory is free");
    }

    #[test]
    fn a_process_that_calls_itself_closes_both_sides() {
        let mut store = store();
        let mut connections = Connections::default();
        let (own, _) = connections.ensure(1, 1, &mut store).unwrap();
        assert_eq!(connections.close(own.number, 1, &mut store), Some(1));
        let fresh = store.allocate_rings(PAGE).unwrap();
        assert_ne!(
            fresh.offset,
            own.page(),
            "its executing side still uses the memory"
        );
        store.free_rings(fresh);
        assert_eq!(connections.close(own.number, 1, &mut store), None);
        assert_eq!(
            store.allocate_rings(PAGE).unwrap().offset,
            own.page(),
            "its memory is free"
        );
    }

    #[test]
    fn the_death_of_a_process_that_calls_itself_frees_its_connection() {
        for closed_before in [false, true] {
            let mut store = store();
            let mut connections = Connections::default();
            let mailbox = store.allocate_rings(PAGE).unwrap();
            let (own, _) = connections.ensure(1, 1, &mut store).unwrap();
            if closed_before {
                connections.close(own.number, 1, &mut store);
            }
            assert_eq!(connections.process_died(1, mailbox, &mut store), []);
            assert_eq!(store.allocate_rings(PAGE).unwrap(), mailbox);
            assert_eq!(
                store.allocate_rings(PAGE).unwrap().offset,
                own.page(),
                "its memory is free"
            );
        }
    }

    #[test]
    fn the_memory_of_a_dead_process_waits_for_its_peers() {
        let mut store = store();
        let mut connections = Connections::default();
        let mailbox = store.allocate_rings(PAGE).unwrap();
        let (lost, _) = connections.ensure(1, 2, &mut store).unwrap();
        let peers = connections.process_died(2, mailbox, &mut store);
        assert_eq!(peers, [(lost.number, 1)]);
        let fresh = store.allocate_rings(PAGE).unwrap();
        assert_ne!(fresh, mailbox);
        connections.close(lost.number, 1, &mut store);
        assert_eq!(store.allocate_rings(PAGE).unwrap(), mailbox);
    }
}
