//! Connections: a pair of rings between a submitter and an executor.
//!
//! Owns: their numbers and memory, and which processes that have ended others may still read from. Is not: a reader
//! or writer of the rings.
//!
//! The death of a process has two steps. It has *ended* when it is reaped; who is connected with it is told then. It
//! is *forgotten* when nobody can take a frame of it any more, or say that he keeps something of one that he took. What
//! it held, for others to find it, is let go of only then.
//!
//! Invariants:
//! - **CO-1:** between two processes there is at most one connection of each direction that both use.
//! - **CO-2:** the memory of a connection is freed when both sides have said that they are done, or have ended.
//! - **CO-3:** the mailbox of a process that has ended is freed when it is forgotten, because peers may
//!   write to it until then.
//! - **CO-4:** a process that is connected with itself, such as an actor that calls itself, is done with
//!   each side on its own.
//! - **CO-5:** a process that has ended is forgotten once, and not before each of its peers has closed its side of
//!   their connection, or has ended and can be forgotten too: what a peer took of it just before its own end may have
//!   gone on to others.
//! - **CO-6:** a side is told once that its connection is lost, unless it has closed it.

use eagleray_ipc::ring::{self, RING_HEADER};
use eagleray_object_store::{Extent, PAGE};
use eagleray_protocol::ProcessNumber;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::store::Store;

/// Bytes of frames in one ring; the longest frame is a little less than half of it.
const RING_CAPACITY: usize = 256 << 10;
const RING_LENGTH: u64 = (RING_HEADER + RING_CAPACITY) as u64;
/// Space of one ring, in whole pages.
const RING_SPACE: u64 = RING_LENGTH.next_multiple_of(PAGE);
/// Space of a connection: the page of its flags, and two rings.
const CONNECTION_SPACE: u64 = PAGE + 2 * RING_SPACE;

/// What a side of a connection knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// It uses the connection.
    Open,
    /// It was told that the connection is lost, and has not closed it.
    Told,
    /// It is done.
    Closed,
}

/// A pair of rings.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) number: u32,
    pub(crate) submitter: ProcessNumber,
    pub(crate) executor: ProcessNumber,
    extent: Extent,
    of_submitter: Side,
    of_executor: Side,
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

    /// Closes one side of the process (CO-4). False if it has none that is open.
    fn close(&mut self, process: ProcessNumber) -> bool {
        if self.submitter == process && self.of_submitter != Side::Closed {
            self.of_submitter = Side::Closed;
        } else if self.executor == process && self.of_executor != Side::Closed {
            self.of_executor = Side::Closed;
        } else {
            return false;
        }
        true
    }

    fn close_all(&mut self, process: ProcessNumber) {
        while self.close(process) {}
    }

    fn is_of(&self, process: ProcessNumber) -> bool {
        [self.submitter, self.executor].contains(&process)
    }

    /// The process at the other end; itself if it is connected with itself.
    fn peer_of(&self, process: ProcessNumber) -> ProcessNumber {
        if self.submitter == process {
            self.executor
        } else {
            self.submitter
        }
    }

    fn has_closed(&self, process: ProcessNumber) -> bool {
        let closed = |of: ProcessNumber, side| of != process || side == Side::Closed;
        closed(self.submitter, self.of_submitter) && closed(self.executor, self.of_executor)
    }

    /// Marks the sides of `process` as told. False if there is none that has to be (CO-6).
    fn tell(&mut self, process: ProcessNumber) -> bool {
        let mut has_told = false;
        for (of, side) in [
            (self.submitter, &mut self.of_submitter),
            (self.executor, &mut self.of_executor),
        ] {
            if of == process && *side == Side::Open {
                *side = Side::Told;
                has_told = true;
            }
        }
        has_told
    }
}

/// What has to be done when something of connections has ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Connections that are lost, each with the side that has to be told.
    pub(crate) lost: Vec<(u32, ProcessNumber)>,
    /// Processes that are forgotten (CO-5).
    pub(crate) forgotten: Vec<ProcessNumber>,
}

/// All connections.
#[derive(Default)]
pub(crate) struct Connections {
    table: FxHashMap<u32, Connection>,
    by_pair: FxHashMap<(ProcessNumber, ProcessNumber), u32>,
    of_process: FxHashMap<ProcessNumber, FxHashSet<u32>>,
    /// Processes that have ended and are not forgotten, with their mailboxes.
    ended: FxHashMap<ProcessNumber, Extent>,
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
        if let Some(connection) = self.between(submitter, executor) {
            return Ok((connection.clone(), false));
        }
        let extent = store
            .allocate_rings(CONNECTION_SPACE)
            .map_err(|full| format!("no room for the rings of a connection: {full}"))?;
        self.numbers += 1;
        let connection = Connection {
            number: self.numbers,
            submitter,
            executor,
            extent,
            of_submitter: Side::Open,
            of_executor: Side::Open,
        };
        for ring in [connection.requests(), connection.replies()] {
            if let Err(error) = initialize(ring, store) {
                store.free_rings(extent);
                return Err(error);
            }
        }
        let number = connection.number;
        self.table.insert(number, connection.clone());
        self.by_pair.insert((submitter, executor), number);
        for process in [submitter, executor] {
            self.of_process.entry(process).or_default().insert(number);
        }
        Ok((connection, true))
    }

    /// The connection from a submitter to an executor that both use.
    pub(crate) fn between(
        &self,
        submitter: ProcessNumber,
        executor: ProcessNumber,
    ) -> Option<&Connection> {
        self.table.get(self.by_pair.get(&(submitter, executor))?)
    }

    /// A connection of which nobody has heard yet was not opened after all.
    pub(crate) fn undo(&mut self, number: u32, store: &mut Store) {
        if let Some(connection) = self.table.get_mut(&number) {
            let (submitter, executor) = (connection.submitter, connection.executor);
            connection.close_all(submitter);
            connection.close_all(executor);
            self.by_pair.remove(&(submitter, executor));
            self.remove_if_done(number, store);
        }
    }

    /// A process is done with a connection. One of others is none of its business.
    pub(crate) fn close(
        &mut self,
        number: u32,
        process: ProcessNumber,
        store: &mut Store,
    ) -> Ended {
        let mut ended = Ended::default();
        let Some(connection) = self.table.get_mut(&number) else {
            return ended;
        };
        if !connection.close(process) {
            return ended;
        }
        let peer = connection.peer_of(process);
        self.part(number);
        if self.ended.contains_key(&peer) {
            self.forget_if_possible(peer, store, &mut ended.forgotten);
        } else {
            self.tell(number, peer, &mut ended.lost);
        }
        self.remove_if_done(number, store);
        ended
    }

    /// A connection can't be used any more, whatever its sides think. Nothing comes of one that is not the process's.
    pub(crate) fn break_off(&mut self, number: u32, process: ProcessNumber) -> Option<Broken> {
        let connection = self.table.get(&number)?;
        if !connection.is_of(process) {
            return None;
        }
        let (submitter, executor) = (connection.submitter, connection.executor);
        self.part(number);
        let mut lost = Vec::new();
        self.tell(number, submitter, &mut lost);
        self.tell(number, executor, &mut lost);
        Some(Broken {
            submitter,
            executor,
            lost,
        })
    }

    /// A process takes nothing any more from those who submit to it. Returns the connections that are lost by
    /// that, each with its submitter.
    pub(crate) fn executor_left(&mut self, process: ProcessNumber) -> Vec<(u32, ProcessNumber)> {
        let mut lost = Vec::new();
        for number in self.numbers_of(process) {
            if let Some(connection) = self.table.get(&number)
                && connection.executor == process
            {
                let submitter = connection.submitter;
                self.part(number);
                self.tell(number, submitter, &mut lost);
            }
        }
        lost
    }

    /// A process has ended.
    pub(crate) fn process_ended(
        &mut self,
        process: ProcessNumber,
        mailbox: Extent,
        store: &mut Store,
    ) -> Ended {
        let mut ended = Ended::default();
        self.ended.insert(process, mailbox);
        for number in self.numbers_of(process) {
            let Some(connection) = self.table.get(&number) else {
                continue;
            };
            let peer = connection.peer_of(process);
            self.part(number);
            if peer != process {
                self.tell(number, peer, &mut ended.lost);
            }
        }
        self.forget_if_possible(process, store, &mut ended.forgotten);
        for number in self.numbers_of(process) {
            self.remove_if_done(number, store);
        }
        ended
    }

    /// The next two that need a connection get a new one (CO-1).
    fn part(&mut self, number: u32) {
        if let Some(connection) = self.table.get(&number) {
            let pair = (connection.submitter, connection.executor);
            if self.by_pair.get(&pair) == Some(&number) {
                self.by_pair.remove(&pair);
            }
        }
    }

    fn tell(&mut self, number: u32, process: ProcessNumber, lost: &mut Vec<(u32, ProcessNumber)>) {
        if let Some(connection) = self.table.get_mut(&number)
            && !self.ended.contains_key(&process)
            && connection.tell(process)
        {
            lost.push((number, process));
        }
    }

    fn numbers_of(&self, process: ProcessNumber) -> Vec<u32> {
        let numbers = self.of_process.get(&process).into_iter().flatten();
        let mut numbers: Vec<u32> = numbers.copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// CO-5. Forgets a process that has ended, and those that waited for that, if nobody can read from it.
    fn forget_if_possible(
        &mut self,
        process: ProcessNumber,
        store: &mut Store,
        forgotten: &mut Vec<ProcessNumber>,
    ) {
        let mut candidates = vec![process];
        while let Some(candidate) = candidates.pop() {
            let Some(unread) = self.unread_with(candidate) else {
                continue;
            };
            for process in unread {
                for number in self.numbers_of(process) {
                    if let Some(connection) = self.table.get_mut(&number) {
                        connection.close_all(process);
                        let peer = connection.peer_of(process);
                        if self.ended.contains_key(&peer) {
                            candidates.push(peer);
                        }
                    }
                }
                if let Some(mailbox) = self.ended.remove(&process) {
                    store.free_rings(mailbox);
                    forgotten.push(process);
                }
                for number in self.numbers_of(process) {
                    self.remove_if_done(number, store);
                }
            }
        }
    }

    /// The process, and all that have ended and may have read from it, directly or not; `None` if one of those who may
    /// have has not ended, or if the process has not.
    fn unread_with(&self, process: ProcessNumber) -> Option<Vec<ProcessNumber>> {
        let mut found = vec![process];
        let mut position = 0;
        while let Some(&of) = found.get(position) {
            position += 1;
            if !self.ended.contains_key(&of) {
                return None;
            }
            for connection in self.connections_of(of) {
                let peer = connection.peer_of(of);
                if !connection.has_closed(peer) && !found.contains(&peer) {
                    found.push(peer);
                }
            }
        }
        Some(found)
    }

    fn connections_of(&self, process: ProcessNumber) -> impl Iterator<Item = &Connection> {
        let numbers = self.of_process.get(&process).into_iter().flatten();
        numbers.filter_map(|number| self.table.get(number))
    }

    /// CO-2. Of two that have ended, it is kept until who has not closed it is forgotten: the other one waits for that.
    fn remove_if_done(&mut self, number: u32, store: &mut Store) {
        let Some(connection) = self.table.get(&number) else {
            return;
        };
        let (submitter, executor) = (connection.submitter, connection.executor);
        let both = [submitter, executor];
        let have_closed = both.map(|process| connection.has_closed(process));
        let have_ended = both.map(|process| self.ended.contains_key(&process));
        let is_done = match have_ended {
            [true, true] => have_closed == [true, true],
            _ => (0..2).all(|side| have_closed[side] || have_ended[side]),
        };
        if !is_done {
            return;
        }
        let extent = connection.extent;
        self.table.remove(&number);
        store.free_rings(extent);
        for process in [submitter, executor] {
            if let Some(numbers) = self.of_process.get_mut(&process) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.of_process.remove(&process);
                }
            }
        }
    }
}

/// What has to be done about a connection that was broken off.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) submitter: ProcessNumber,
    pub(crate) executor: ProcessNumber,
    /// The sides that have to be told.
    pub(crate) lost: Vec<(u32, ProcessNumber)>,
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

    fn lost(number: u32, process: ProcessNumber) -> Ended {
        Ended {
            lost: vec![(number, process)],
            ..Ended::default()
        }
    }

    fn forgotten(processes: &[ProcessNumber]) -> Ended {
        Ended {
            forgotten: processes.to_vec(),
            ..Ended::default()
        }
    }

    fn mailbox(store: &mut Store) -> Extent {
        store.allocate_rings(PAGE).unwrap()
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
        let closed = connections.close(first.number, 1, &mut store);
        assert_eq!(closed, lost(first.number, 2));
        let (other, new) = connections.ensure(1, 2, &mut store).unwrap();
        assert!(new);
        assert_ne!(
            other.page(),
            first.page(),
            "the executor still uses the first"
        );
        let closed = connections.close(first.number, 2, &mut store);
        assert_eq!(closed, Ended::default());
        let (third, _) = connections.ensure(2, 1, &mut store).unwrap();
        assert_eq!(third.page(), first.page(), "its memory is free");
    }

    #[test]
    fn a_connection_of_others_is_not_closed_and_no_second_one_is_opened() {
        let mut store = store();
        let mut connections = Connections::default();
        let (first, _) = connections.ensure(1, 2, &mut store).unwrap();
        for (number, process) in [(first.number, 3), (first.number + 1, 1)] {
            let closed = connections.close(number, process, &mut store);
            assert_eq!(closed, Ended::default());
            assert_eq!(connections.break_off(number, process), None);
        }
        let (same, new) = connections.ensure(1, 2, &mut store).unwrap();
        assert_eq!((same.number, new), (first.number, false), "CO-1");
    }

    #[test]
    fn a_process_that_calls_itself_closes_both_sides() {
        let mut store = store();
        let mut connections = Connections::default();
        let (own, _) = connections.ensure(1, 1, &mut store).unwrap();
        let closed = connections.close(own.number, 1, &mut store);
        assert_eq!(closed, lost(own.number, 1));
        let fresh = mailbox(&mut store);
        assert_ne!(
            fresh.offset,
            own.page(),
            "its executing side still uses the memory"
        );
        store.free_rings(fresh);
        let closed = connections.close(own.number, 1, &mut store);
        assert_eq!(closed, Ended::default());
        assert_eq!(mailbox(&mut store).offset, own.page(), "its memory is free");
    }

    #[test]
    fn the_death_of_a_process_that_calls_itself_frees_its_connection() {
        for closed_before in [false, true] {
            let mut store = store();
            let mut connections = Connections::default();
            let box_of_1 = mailbox(&mut store);
            let (own, _) = connections.ensure(1, 1, &mut store).unwrap();
            if closed_before {
                connections.close(own.number, 1, &mut store);
            }
            let ended = connections.process_ended(1, box_of_1, &mut store);
            assert_eq!(ended, forgotten(&[1]));
            assert_eq!(mailbox(&mut store), box_of_1);
            assert_eq!(mailbox(&mut store).offset, own.page(), "its memory is free");
        }
    }

    #[test]
    fn a_dead_process_is_forgotten_when_its_last_peer_has_closed() {
        let mut store = store();
        let mut connections = Connections::default();
        let box_of_2 = mailbox(&mut store);
        let (called, _) = connections.ensure(1, 2, &mut store).unwrap();
        let (calls, _) = connections.ensure(2, 3, &mut store).unwrap();
        let ended = connections.process_ended(2, box_of_2, &mut store);
        assert_eq!(ended.lost, [(called.number, 1), (calls.number, 3)]);
        assert!(ended.forgotten.is_empty());
        assert_eq!(
            connections.close(called.number, 1, &mut store),
            Ended::default()
        );
        let elsewhere = mailbox(&mut store);
        assert_ne!(elsewhere, box_of_2, "CO-3");
        store.free_rings(elsewhere);
        assert_eq!(
            connections.close(calls.number, 3, &mut store),
            forgotten(&[2])
        );
        assert_eq!(mailbox(&mut store), box_of_2);
        assert!(connections.table.is_empty() && connections.of_process.is_empty());
    }

    #[test]
    fn what_went_through_a_process_that_died_too_is_waited_for() {
        let mut store = store();
        let mut connections = Connections::default();
        let boxes = [mailbox(&mut store), mailbox(&mut store)];
        // 2 calls 3, which calls 4: what 4 takes of 3 may be of 2.
        connections.ensure(2, 3, &mut store).unwrap();
        let (last, _) = connections.ensure(3, 4, &mut store).unwrap();
        let ended = connections.process_ended(2, boxes[0], &mut store);
        assert!(ended.forgotten.is_empty(), "3 has not closed");
        let ended = connections.process_ended(3, boxes[1], &mut store);
        assert_eq!(ended, lost(last.number, 4));
        let mut ended = connections.close(last.number, 4, &mut store);
        ended.forgotten.sort_unstable();
        assert_eq!(ended, forgotten(&[2, 3]), "CO-5");
        assert!(connections.table.is_empty() && connections.ended.is_empty());
    }

    #[test]
    fn those_who_die_together_do_not_wait_for_each_other() {
        let mut store = store();
        let mut connections = Connections::default();
        let processes = [2, 3, 4];
        for submitter in processes {
            for executor in processes {
                connections.ensure(submitter, executor, &mut store).unwrap();
            }
        }
        let mut all = Vec::new();
        for process in processes {
            let own = mailbox(&mut store);
            all.extend(
                connections
                    .process_ended(process, own, &mut store)
                    .forgotten,
            );
        }
        all.sort_unstable();
        assert_eq!(all, processes);
        assert!(connections.table.is_empty() && connections.of_process.is_empty());
    }

    #[test]
    fn a_peer_that_had_closed_before_is_not_waited_for() {
        let mut store = store();
        let mut connections = Connections::default();
        let own = mailbox(&mut store);
        let (closed, _) = connections.ensure(2, 3, &mut store).unwrap();
        assert_eq!(
            connections.close(closed.number, 3, &mut store),
            lost(closed.number, 2)
        );
        assert_eq!(
            connections.process_ended(2, own, &mut store),
            forgotten(&[2])
        );
    }

    #[test]
    fn a_connection_that_is_broken_off_is_told_once_to_each_side() {
        let mut store = store();
        let mut connections = Connections::default();
        let (broken, _) = connections.ensure(1, 2, &mut store).unwrap();
        let told = connections.break_off(broken.number, 2).unwrap();
        assert_eq!(told.lost, [(broken.number, 1), (broken.number, 2)]);
        let again = connections.break_off(broken.number, 1).unwrap();
        assert!(again.lost.is_empty(), "CO-6");
        let (_, new) = connections.ensure(1, 2, &mut store).unwrap();
        assert!(new, "the next one is another");
        for process in [1, 2] {
            let closed = connections.close(broken.number, process, &mut store);
            assert_eq!(closed, Ended::default());
        }
        assert_eq!(connections.table.len(), 1);
    }

    #[test]
    fn an_executor_that_leaves_keeps_what_it_submits() {
        let mut store = store();
        let mut connections = Connections::default();
        let (executes, _) = connections.ensure(1, 2, &mut store).unwrap();
        connections.ensure(2, 3, &mut store).unwrap();
        assert_eq!(connections.executor_left(2), [(executes.number, 1)]);
        assert!(connections.executor_left(2).is_empty(), "CO-6");
        assert!(connections.between(1, 2).is_none());
        assert!(connections.between(2, 3).is_some());
    }

    #[test]
    fn histories_of_connections_leave_nothing_and_forget_each_once() {
        for seed in 0..300_u64 {
            let mut store = store();
            let mut connections = Connections::default();
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut below = |limit: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % limit
            };
            let mut living: Vec<ProcessNumber> = (2..9).collect();
            let mut open: Vec<(u32, ProcessNumber)> = Vec::new();
            let mut gone = Vec::new();
            while !living.is_empty() {
                let mut ended = Ended::default();
                match below(4) {
                    0 | 1 => {
                        let pick = |index: u64| living[index as usize % living.len()];
                        let (submitter, executor) = (pick(below(64)), pick(below(64)));
                        let (connection, new) =
                            connections.ensure(submitter, executor, &mut store).unwrap();
                        if new {
                            open.push((connection.number, submitter));
                            open.push((connection.number, executor));
                        }
                    }
                    2 if !open.is_empty() => {
                        let (number, process) = open.swap_remove(below(64) as usize % open.len());
                        ended = connections.close(number, process, &mut store);
                    }
                    _ => {
                        let process = living.swap_remove(below(64) as usize % living.len());
                        open.retain(|&(_, of)| of != process);
                        let own = mailbox(&mut store);
                        ended = connections.process_ended(process, own, &mut store);
                    }
                }
                for (_, process) in &ended.lost {
                    assert!(living.contains(process), "seed {seed}: {process} has ended");
                }
                gone.extend(ended.forgotten);
            }
            gone.sort_unstable();
            assert_eq!(gone, (2..9).collect::<Vec<_>>(), "seed {seed}: CO-5");
            assert!(connections.table.is_empty() && connections.of_process.is_empty());
            assert!(connections.ended.is_empty() && connections.by_pair.is_empty());
        }
    }
}
