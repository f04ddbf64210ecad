//! Workers and actors at the other ends of the rings: they take frames, run them for a while, and answer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use eagleray_core_worker::handle::{ActorNumber, PeerSlot};
use eagleray_core_worker::reply_items::ResultItem;
use eagleray_object_store::Extent;
use eagleray_protocol::frames::{
    BLOCKED, CALL, FORGET, FORGOTTEN, FUNCTION, REPLY, RESULT_INLINE, RESULT_STORED, ReplyHeader,
    SPILLED, TASK, TERMINATE, TaskHeader, UNBLOCKED, read_u32, read_u64,
};
use eagleray_protocol::{DRIVER, FunctionId, ObjectId, Payload, Status, encode};

use super::audit::{Audit, Origin};
use super::network::Network;
use crate::random::Random;

/// Frames of results have at most so many of them, so that many answers come in parts.
const ITEMS_PER_FRAME: usize = 3;

/// Tasks that an actor without order runs at once.
const CONCURRENCY: usize = 3;

/// What an executor is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Worker,
    Actor {
        actor: ActorNumber,
        is_ordered: bool,
    },
}

struct Running {
    header: TaskHeader,
    is_end: bool,
}

/// One process.
pub(super) struct Executor {
    pub(super) role: Role,
    functions: BTreeSet<FunctionId>,
    running: Vec<Running>,
    /// What it has written, for the submitter to read.
    replies: VecDeque<(u32, Vec<u8>)>,
    is_blocked: bool,
    /// It has given frames back and not said so yet.
    unsaid: Option<Vec<u8>>,
    is_retiring: bool,
}

impl Executor {
    pub(super) fn new(role: Role) -> Executor {
        Executor {
            role,
            functions: BTreeSet::new(),
            running: Vec::new(),
            replies: VecDeque::new(),
            is_blocked: false,
            unsaid: None,
            is_retiring: false,
        }
    }

    pub(super) fn functions(&self) -> usize {
        self.functions.len()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.replies.is_empty()
    }

    /// The next frame for the submitter.
    pub(super) fn next_reply(&mut self) -> Option<(u32, Vec<u8>)> {
        self.replies.pop_front()
    }

    /// It waits, or is about to say so.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_blocked || self.unsaid.is_some()
    }

    /// Says that it has forgotten a function, if it was asked to.
    fn answer_forget(&mut self, frame: &[u8]) {
        if frame.get(16) == Some(&1) {
            self.replies.push_back((FORGOTTEN, frame[..16].to_vec()));
        }
    }

    pub(super) fn has_replies(&self) -> bool {
        !self.replies.is_empty()
    }
}

/// All of them, by the slot of their connection.
#[derive(Default)]
pub(super) struct Executors {
    pub(super) table: BTreeMap<PeerSlot, Executor>,
    /// Objects that were sealed for the submitter and that it has not let go of.
    pub(super) sealed: BTreeSet<ObjectId>,
    /// Answers that were sent in several frames.
    pub(super) parts: u64,
}

impl Executors {
    /// Takes a frame, if this process would take one now. True if something happened.
    pub(super) fn take(
        &mut self,
        peer: PeerSlot,
        network: &mut Network,
        audit: &mut Audit,
    ) -> Result<bool, String> {
        let Some(executor) = self.table.get_mut(&peer) else {
            return Ok(false);
        };
        let limit = match executor.role {
            Role::Actor {
                is_ordered: false, ..
            } => CONCURRENCY,
            _ => 1,
        };
        let is_ending = executor.running.iter().any(|running| running.is_end);
        if executor.running.len() >= limit || executor.is_retiring || is_ending {
            return Ok(false);
        }
        let Some((mut kind, mut frame)) = network.rings.get_mut(&peer).and_then(|ring| ring.take())
        else {
            return Ok(false);
        };
        if kind == SPILLED {
            let offset = read_u64(&frame, 8).ok_or("a spilled frame without its place")?;
            let content = network
                .content(offset)
                .filter(|content| !content.is_empty())
                .ok_or_else(|| format!("the spilled frame at {offset} is not there"))?;
            kind = read_u32(&frame, 0).ok_or("a spilled frame without its kind")?;
            frame = content.to_vec();
        }
        match kind {
            FUNCTION => {
                let id = frame.first_chunk::<16>().ok_or("a function without id")?;
                if !executor.functions.insert(*id) {
                    return Err(format!("FU: {id:?} was sent twice over {peer}"));
                }
            }
            FORGET => {
                let id = frame.first_chunk::<16>().ok_or("a function without id")?;
                if !executor.functions.remove(id) {
                    return Err(format!(
                        "FU: {id:?} is to be forgotten over {peer} and unknown"
                    ));
                }
                executor.answer_forget(&frame);
            }
            TASK | CALL | TERMINATE => {
                let (header, _) = TaskHeader::read(&frame).ok_or("a task without header")?;
                if kind == TASK && !executor.functions.contains(&header.function) {
                    return Err(format!("a task of an unknown function over {peer}"));
                }
                audit.started(header.sequence, header.attempt)?;
                executor.running.push(Running {
                    header,
                    is_end: kind == TERMINATE,
                });
            }
            other => return Err(format!("a frame of the kind {other}")),
        }
        Ok(true)
    }

    /// Ends one of the running tasks with an answer, or a part of one. The second item is true if an actor was ended
    /// by that.
    pub(super) fn answer(&mut self, peer: PeerSlot, random: &mut Random) -> (bool, bool) {
        let Some(executor) = self.table.get_mut(&peer) else {
            return (false, false);
        };
        if executor.running.is_empty() || executor.is_blocked || executor.unsaid.is_some() {
            return (false, false);
        }
        let which = random.below(executor.running.len() as u64) as usize;
        let Running { header, is_end } = executor.running.remove(which);
        if is_end {
            return (true, true);
        }
        let status = match random.below(10) {
            0 => Status::UserError,
            1 => Status::RetryableUserError,
            _ => Status::Value,
        };
        let mut list = Vec::new();
        let mut ends = vec![0];
        let mut sealed_in_vain = false;
        for index in 0..header.result_count {
            let origin = Origin {
                sequence: header.sequence,
                index,
                attempt: header.attempt,
            };
            let id = ObjectId::local(DRIVER, header.sequence + u64::from(index));
            let is_stored = random.chance(20);
            // A task that fails may have stored some of its results by then.
            if is_stored && status != Status::Value && random.chance(50) {
                self.sealed.insert(id);
                sealed_in_vain = true;
            }
            let content = if is_stored {
                self.sealed.insert(id);
                encode(&Payload {
                    meta: origin.to_bytes().into(),
                    extents: [Extent::new(4096, 8)].into(),
                    ..Payload::default()
                })
            } else {
                origin.to_bytes()
            };
            ResultItem {
                status: status as u32,
                form: if is_stored {
                    RESULT_STORED
                } else {
                    RESULT_INLINE
                },
                index,
                bytes: &content,
            }
            .write(&mut list);
            ends.push(list.len());
        }
        let retire = executor.role == Role::Worker && random.chance(8);
        executor.is_retiring |= retire;
        let mut first = 0;
        loop {
            let last = (first + ITEMS_PER_FRAME).min(ends.len() - 1);
            let is_last = last == ends.len() - 1;
            let part = ReplyHeader {
                sequence: header.sequence,
                slot: header.slot,
                result_count: (last - first) as u16,
                last: is_last,
                retire: is_last && retire,
                sealed_in_vain: is_last && sealed_in_vain,
            };
            let mut frame = vec![0; ReplyHeader::LENGTH];
            part.write(&mut frame);
            frame.extend_from_slice(&list[ends[first]..ends[last]]);
            executor.replies.push_back((REPLY, frame));
            if is_last {
                break;
            }
            self.parts += 1;
            first = last;
        }
        (true, false)
    }

    /// The running task of a worker begins to wait, or has what it waited for.
    pub(super) fn block(&mut self, peer: PeerSlot, network: &mut Network) -> bool {
        let Some(executor) = self.table.get_mut(&peer) else {
            return false;
        };
        if executor.role != Role::Worker || executor.running.is_empty() {
            return false;
        }
        if let Some(slots) = executor.unsaid.take() {
            executor.replies.push_back((BLOCKED, slots));
            executor.is_blocked = true;
            if let Some(ring) = network.rings.get_mut(&peer) {
                ring.release_given_back();
            }
        } else if executor.is_blocked {
            executor.is_blocked = false;
            executor.replies.push_back((UNBLOCKED, Vec::new()));
        } else {
            let ring = network.rings.get_mut(&peer);
            let back = ring.map(|ring| ring.give_back()).unwrap_or_default();
            let mut slots = Vec::new();
            for (kind, frame) in back {
                let spilled = read_u32(&frame, 0) == Some(FUNCTION);
                match kind {
                    FUNCTION => executor.functions.extend(frame.first_chunk::<16>()),
                    FORGET => {
                        if let Some(id) = frame.first_chunk::<16>() {
                            executor.functions.remove(id);
                        }
                        executor.answer_forget(&frame);
                    }
                    SPILLED if spilled => {
                        let content = read_u64(&frame, 8).and_then(|at| network.content(at));
                        let id = content.and_then(|content| content.first_chunk::<16>());
                        executor
                            .functions
                            .insert(*id.expect("FU-3: its frame is there"));
                    }
                    SPILLED => slots.extend(&frame[4..8]),
                    _ => {
                        let slot = TaskHeader::read(&frame).map_or(0, |(header, _)| header.slot);
                        slots.extend(slot.to_le_bytes());
                    }
                }
            }
            executor.unsaid = Some(slots);
        }
        true
    }

    /// What a process says that has lost its mind: answers for tasks of others, results that do not exist,
    /// frames taken back that it never had.
    pub(super) fn forge(random: &mut Random, open: &[(u32, u64, u32)]) -> Vec<(u32, Vec<u8>)> {
        let Some((slot, sequence, results)) = random.choose(open) else {
            return Vec::new();
        };
        if random.chance(40) {
            return vec![
                (BLOCKED, slot.to_le_bytes().to_vec()),
                (UNBLOCKED, Vec::new()),
            ];
        }
        let origin = Origin {
            sequence,
            index: 0,
            attempt: 99,
        };
        let content = origin.to_bytes();
        let mut frame = vec![0; ReplyHeader::LENGTH];
        ReplyHeader {
            sequence,
            slot,
            result_count: 1,
            last: random.chance(70),
            retire: false,
            sealed_in_vain: false,
        }
        .write(&mut frame);
        ResultItem {
            status: Status::Value as u32,
            form: RESULT_INLINE,
            index: random.below(u64::from(results) + 2) as u32,
            bytes: &content,
        }
        .write(&mut frame);
        vec![(REPLY, frame)]
    }
}
