//! What can be said of a submitter from outside: by what its executors start, and by what its user sees.

use std::collections::{BTreeMap, BTreeSet};

use eagleray_core_worker::handle::{ActorNumber, Handle};
use eagleray_core_worker::objects::Value;
use eagleray_protocol::{Status, SystemError, decode};

/// What a value of a history says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) sequence: u64,
    pub(super) index: u32,
    pub(super) attempt: u32,
}

impl Origin {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.sequence.to_le_bytes().to_vec();
        bytes.extend(self.index.to_le_bytes());
        bytes.extend(self.attempt.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Origin> {
        Some(Origin {
            sequence: u64::from_le_bytes(bytes.get(0..8)?.try_into().ok()?),
            index: u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?),
            attempt: u32::from_le_bytes(bytes.get(12..16)?.try_into().ok()?),
        })
    }
}

/// What a result is, as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Given(Status, Origin),
    Failed(String),
}

struct Job {
    results: u32,
    /// Attempts that may follow the first one.
    retries: i64,
    actor: Option<ActorNumber>,
    is_end: bool,
    /// It has refs as arguments, whose errors become its own.
    has_refs: bool,
    /// Attempts that were started, in their order.
    starts: Vec<u32>,
    is_cancelled: bool,
    /// Its user's own refs.
    handles: BTreeSet<Handle>,
}

/// The auditor's own books.
#[derive(Default)]
pub(super) struct Audit {
    jobs: BTreeMap<u64, Job>,
    seen: BTreeMap<Handle, Seen>,
    /// The last call of an ordered actor that was started for the first time.
    last_started: BTreeMap<ActorNumber, u64>,
    ordered: BTreeSet<ActorNumber>,
}

impl Audit {
    pub(super) fn actor_is_ordered(&mut self, actor: ActorNumber) {
        self.ordered.insert(actor);
    }

    pub(super) fn submitted(
        &mut self,
        sequence: u64,
        results: u32,
        retries: i64,
        actor: Option<ActorNumber>,
        [is_end, has_refs]: [bool; 2],
    ) {
        let job = Job {
            results,
            retries,
            actor,
            is_end,
            has_refs,
            starts: Vec::new(),
            is_cancelled: false,
            handles: (sequence..sequence + u64::from(results)).collect(),
        };
        self.jobs.insert(sequence, job);
    }

    pub(super) fn cancelled(&mut self, sequence: u64) {
        if let Some(job) = self.jobs.get_mut(&sequence) {
            job.is_cancelled = true;
        }
    }

    pub(super) fn released(&mut self, handle: Handle) {
        for job in self.jobs.values_mut() {
            job.handles.remove(&handle);
        }
    }

    /// An executor starts a task or call.
    pub(super) fn started(&mut self, sequence: u64, attempt: u32) -> Result<(), String> {
        let Some(job) = self.jobs.get_mut(&sequence) else {
            return Err(format!("{sequence} was started and never submitted"));
        };
        if job.starts.contains(&attempt) {
            return Err(format!(
                "AC-2: attempt {attempt} of {sequence} was started twice"
            ));
        }
        if job.retries >= 0 && job.starts.len() as i64 > job.retries {
            return Err(format!(
                "AC-2: {sequence} was started {} times and may be repeated {} times",
                job.starts.len() + 1,
                job.retries
            ));
        }
        let is_first = job.starts.is_empty();
        job.starts.push(attempt);
        let (actor, is_end) = (job.actor, job.is_end);
        let Some(actor) = actor else {
            return Ok(());
        };
        if is_first && self.ordered.contains(&actor) {
            let last = self.last_started.insert(actor, sequence).unwrap_or(0);
            if last > sequence {
                return Err(format!(
                    "AC-1: call {sequence} of actor {actor} was started after {last}"
                ));
            }
        }
        if is_end {
            let earlier = self.jobs.range(..sequence).find(|(_, job)| {
                job.actor == Some(actor)
                    && !job.is_end
                    && job.starts.is_empty()
                    && !job.is_cancelled
                    && !job.handles.is_empty()
            });
            if let Some((earlier, job)) = earlier
                && !job
                    .handles
                    .iter()
                    .all(|handle| self.seen.contains_key(handle))
            {
                return Err(format!(
                    "AC-1: actor {actor} ends by {sequence}, and the call {earlier} has not begun"
                ));
            }
        }
        Ok(())
    }

    /// Looks at all results that the user holds.
    pub(super) fn look<'a>(
        &mut self,
        value_of: impl Fn(Handle) -> Option<&'a Value>,
    ) -> Result<(), String> {
        for (&sequence, job) in &self.jobs {
            let mut seen_here = Vec::new();
            let mut pending = 0;
            for &handle in &job.handles {
                let Some(value) = value_of(handle) else {
                    return Err(format!("OB-1: the held result {handle} is gone"));
                };
                let Some(seen) = seen(value)? else {
                    pending += 1;
                    if self.seen.contains_key(&handle) {
                        return Err(format!("TA-1: the result {handle} is pending again"));
                    }
                    continue;
                };
                if let Some(before) = self.seen.get(&handle)
                    && *before != seen
                {
                    return Err(format!("TA-1: {handle} was {before:?} and is {seen:?}"));
                }
                check_origin(handle, sequence, job, &seen)?;
                seen_here.push(seen.clone());
                self.seen.insert(handle, seen);
            }
            if pending > 0 && !seen_here.is_empty() {
                return Err(format!(
                    "TA-1: {sequence} has {pending} of its results pending"
                ));
            }
            if let Some(first) = seen_here.first()
                && let Some(other) = seen_here.iter().find(|other| !is_of_one(first, other))
            {
                return Err(format!("TA-1: {sequence} has {first:?} and {other:?}"));
            }
        }
        Ok(())
    }

    /// The end: every result that the user holds is there.
    pub(super) fn finish(&self) -> Result<(), String> {
        for (sequence, job) in &self.jobs {
            for handle in &job.handles {
                if !self.seen.contains_key(handle) {
                    return Err(format!(
                        "the result {handle} of {sequence} never came; started {:?}",
                        job.starts
                    ));
                }
            }
        }
        Ok(())
    }
}

fn seen(value: &Value) -> Result<Option<Seen>, String> {
    let Some(outcome) = value.outcome() else {
        return Ok(None);
    };
    if outcome.status.is_system_error() {
        let error: SystemError = decode(&outcome.payload.meta)
            .map_err(|error| format!("a system error that can't be read: {error}"))?;
        return Ok(Some(Seen::Failed(error.kind)));
    }
    let origin = Origin::read(&outcome.payload.meta)
        .ok_or_else(|| "a value that no executor has sent".to_owned())?;
    Ok(Some(Seen::Given(outcome.status, origin)))
}

fn check_origin(handle: Handle, sequence: u64, job: &Job, seen: &Seen) -> Result<(), String> {
    match seen {
        Seen::Given(_, origin) => {
            // The error of an argument travels on as it is.
            let is_own = origin.sequence == sequence;
            if is_own && sequence + u64::from(origin.index) != handle {
                return Err(format!("TA-3: {handle} has the value of {origin:?}"));
            }
            if is_own && job.starts.last() != Some(&origin.attempt) {
                return Err(format!(
                    "TA-1: {handle} is of attempt {}, and {:?} were started",
                    origin.attempt, job.starts
                ));
            }
            if is_own && job.results <= origin.index {
                return Err(format!("{origin:?} is beyond the results of {sequence}"));
            }
        }
        Seen::Failed(kind)
            if kind == "WorkerCrashedError" && job.starts.is_empty() && !job.has_refs =>
        {
            return Err(format!(
                "{sequence} failed by a crash and was never started"
            ));
        }
        Seen::Failed(_) => {}
    }
    Ok(())
}

/// Whether two results can be of one answer: values of one attempt, or one error.
fn is_of_one(one: &Seen, other: &Seen) -> bool {
    match (one, other) {
        (Seen::Given(status, a), Seen::Given(other, b)) => {
            status == other && a.sequence == b.sequence && a.attempt == b.attempt
        }
        (Seen::Failed(one), Seen::Failed(other)) => one == other,
        _ => false,
    }
}
