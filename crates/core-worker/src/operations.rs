//! The operations that JavaScript writes into the submission buffer, in its binary form.
//!
//! `docs/wire.md` draws them; `runtime/submissions.ts` writes them. A malformed one is a defect of the SDK, not of its
//! user.

use eagleray_protocol::frames::{read_f64, read_u32};

use crate::handle::{ActorNumber, BORROWED_BASE, Handle};
use crate::submitter::{Submission, Target};

/// Submits a task.
pub const TASK: u32 = 1;
/// Calls an actor.
pub const CALL: u32 = 2;
/// Lets go of a ref.
pub const RELEASE: u32 = 3;
/// Lets go of an actor handle.
pub const RELEASE_ACTOR: u32 = 4;
/// Gives a small value that JavaScript held so far an entry here.
pub const DEFINE: u32 = 5;
/// Ends an actor after the calls before it.
pub const TERMINATE: u32 = 6;
/// Creates an actor; not part of a batch.
pub const CREATE: u32 = 7;

/// Bytes of the fixed part of a `TASK` or `CALL` operation.
const SUBMISSION_HEADER: usize = 48;

/// Results of one task, as the SDK bounds them (`COUNT_MAX`); beyond it an operation is malformed.
const RESULTS_MAX: u32 = i32::MAX as u32;

/// One operation.
#[derive(Debug)]
pub enum Operation<'a> {
    /// A task, a call, or the end of an actor.
    Submit {
        /// What is submitted. Its `parent` is not known yet.
        submission: Submission<'a>,
        /// The token of the task that submits it; 0 if none does.
        token: u32,
    },
    /// A ref is let go of.
    Release(Handle),
    /// An actor handle is let go of.
    ReleaseActor(ActorNumber),
    /// A small value gets an entry.
    Define {
        /// Its number.
        sequence: u64,
        /// Its envelope.
        meta: &'a [u8],
        /// Refs inside.
        refs: Vec<Handle>,
        /// Actors inside.
        actors: Vec<ActorNumber>,
    },
}

/// The first operation of a batch, and its length; `None` if it is malformed.
#[inline]
pub fn first_of(batch: &[u8]) -> Option<(Operation<'_>, usize)> {
    let length = read_u32(batch, 0)? as usize;
    let record = batch.get(..length).filter(|record| record.len() >= 16)?;
    let operation = match read_u32(record, 4)? {
        TASK | CALL | TERMINATE => submission(record, read_u32(record, 36)?)?,
        RELEASE => Operation::Release(read_f64(record, 8)? as Handle),
        RELEASE_ACTOR => Operation::ReleaseActor(read_u32(record, 8)?),
        DEFINE => {
            let nested_count = read_u32(record, 16)? as usize;
            let meta_length = read_u32(record, 20)? as usize;
            let (refs, actors) = read_nested(record, 24, nested_count)?;
            let start = 24 + nested_count * 8;
            Operation::Define {
                sequence: read_f64(record, 8)? as u64,
                meta: record.get(start..start.checked_add(meta_length)?)?,
                refs,
                actors,
            }
        }
        _ => return None,
    };
    Some((operation, length))
}

/// Reads a task, a call or a creation; `actor` is the one that it is about.
#[inline]
pub fn submission(record: &[u8], actor: ActorNumber) -> Option<Operation<'_>> {
    let first = read_u32(record, 8)?;
    let result_count = read_u32(record, 12)?;
    let sequence = read_f64(record, 16)? as u64;
    let nested_count = read_u32(record, 32)? as usize;
    if result_count > RESULTS_MAX || sequence >= BORROWED_BASE - u64::from(RESULTS_MAX) {
        return None;
    }
    let (refs, actors) = read_nested(record, SUBMISSION_HEADER, nested_count)?;
    let target = match read_u32(record, 4)? {
        TASK => Target::Template(first),
        CALL => Target::Actor {
            actor,
            method: first,
        },
        TERMINATE => Target::Terminate { actor },
        _ => Target::Create { actor },
    };
    Some(Operation::Submit {
        submission: Submission {
            target,
            sequence,
            result_count,
            arguments: record.get(SUBMISSION_HEADER + nested_count * 8..)?,
            argument_count: read_u32(record, 28)?,
            refs,
            actors,
            parent: 0,
            retries: read_u32(record, 40)?.cast_signed(),
        },
        token: read_u32(record, 24)?,
    })
}

/// Reads nested handles: refs are positive, actors are their number below zero, less one.
#[inline]
fn read_nested(
    record: &[u8],
    start: usize,
    count: usize,
) -> Option<(Vec<Handle>, Vec<ActorNumber>)> {
    let mut refs = Vec::new();
    let mut actors = Vec::new();
    for index in 0..count {
        let value = read_f64(record, start.checked_add(index.checked_mul(8)?)?)?;
        if value < 0.0 {
            actors.push((-value - 1.0) as ActorNumber);
        } else {
            refs.push(value as Handle);
        }
    }
    Some((refs, actors))
}
