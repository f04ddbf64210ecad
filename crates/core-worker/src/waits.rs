//! `get` and `wait`: who waits for which objects.

use std::collections::HashSet;

use eagleray_protocol::Status;

use crate::core::Core;
use crate::events::{EVENT_GET, EVENT_WAIT, Event, RecordWriter};
use crate::objects::{Entry, Handle, Value};

/// Above this many objects, duplicates are looked for with a set.
const DUPLICATES_BY_SCAN_MAX: usize = 16;

enum Goal {
    /// All of them, or the first error.
    All { missing: usize },
    /// So many of them.
    Any { needed: usize, ready: usize },
}

/// One pending `get` or `wait`.
pub(crate) struct Wait {
    handles: Vec<Handle>,
    goal: Goal,
    done: bool,
    /// Its end is reported by an event; otherwise a blocked thread looks for it.
    reported: bool,
}

/// All pending waits, by number. Numbers are not reused, so stale ones are harmless.
pub(crate) struct Waits {
    open: rustc_hash::FxHashMap<u32, Wait>,
    next: u32,
}

impl Waits {
    pub(crate) fn new() -> Self {
        Self {
            open: rustc_hash::FxHashMap::default(),
            next: 1,
        }
    }

    /// True if the wait has neither ended nor been withdrawn.
    pub(crate) fn is_open(&self, number: u32) -> bool {
        self.open.contains_key(&number)
    }

    /// Number of waits whose end JavaScript has not seen.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    fn insert(&mut self, wait: Wait) -> u32 {
        let number = self.next;
        self.next = self.next.wrapping_add(1).max(1);
        self.open.insert(number, wait);
        number
    }
}

/// How a `get` or `wait` stands.
#[derive(Debug, PartialEq, Eq)]
pub enum WaitStart {
    /// It has ended; the record is written.
    Done,
    /// It goes on under this number.
    Pending(u32),
    /// The handle at this position is not one of this runtime.
    Unknown(usize),
    /// The handle at this position stands twice.
    Duplicate(usize),
}

impl Core {
    /// Starts a `get`: writes the record if it can end now.
    pub(crate) fn start_get(
        &mut self,
        handles: &[Handle],
        reported: bool,
        out: &mut RecordWriter,
    ) -> WaitStart {
        let mut missing = 0;
        for (position, &handle) in handles.iter().enumerate() {
            match self.objects.get(handle) {
                None => return WaitStart::Unknown(position),
                Some(entry) => match entry.value.status() {
                    None => missing += 1,
                    Some(Status::Value) => {}
                    Some(_) => {
                        self.write_get(0, handles, out);
                        return WaitStart::Done;
                    }
                },
            }
        }
        if missing == 0 {
            self.write_get(0, handles, out);
            return WaitStart::Done;
        }
        // An object that stands twice registers twice and counts twice.
        let wait = Wait {
            handles: handles.to_vec(),
            goal: Goal::All { missing },
            done: false,
            reported,
        };
        let number = self.waits.insert(wait);
        for &handle in handles {
            if self.is_pending(handle) {
                self.add_wait(handle, number);
            }
        }
        WaitStart::Pending(number)
    }

    /// Starts a `wait` for `needed` of the objects.
    pub(crate) fn start_wait(
        &mut self,
        handles: &[Handle],
        needed: usize,
        reported: bool,
        out: &mut RecordWriter,
    ) -> WaitStart {
        if let Some(position) = duplicate(handles) {
            return WaitStart::Duplicate(position);
        }
        let mut ready = 0;
        for (position, &handle) in handles.iter().enumerate() {
            match self.objects.get(handle) {
                None => return WaitStart::Unknown(position),
                Some(Entry {
                    value: Value::Pending,
                    ..
                }) => {}
                Some(_) => ready += 1,
            }
            // The rest is not looked at: a loop that waits for one of many refs would take quadratic time.
            if ready >= needed {
                self.write_wait(0, handles, needed, out);
                return WaitStart::Done;
            }
        }
        let wait = Wait {
            handles: handles.to_vec(),
            goal: Goal::Any { needed, ready },
            done: false,
            reported,
        };
        let number = self.waits.insert(wait);
        for &handle in handles {
            if self.is_pending(handle) {
                self.add_wait(handle, number);
            }
        }
        WaitStart::Pending(number)
    }

    fn is_pending(&self, handle: Handle) -> bool {
        matches!(
            self.objects.get(handle),
            Some(Entry {
                value: Value::Pending,
                ..
            })
        )
    }

    /// One of a wait's objects is there.
    pub(crate) fn advance_wait(&mut self, number: u32, is_error: bool) {
        let Some(wait) = self.waits.open.get_mut(&number) else {
            return;
        };
        let ended = match &mut wait.goal {
            Goal::All { missing } => {
                *missing -= 1;
                *missing == 0 || is_error
            }
            Goal::Any { needed, ready } => {
                *ready += 1;
                *ready >= *needed
            }
        };
        if ended && !wait.done {
            wait.done = true;
            if wait.reported {
                self.events.push_back(Event::Wait { number });
            }
        }
    }

    /// True if a blocked wait has ended.
    pub(crate) fn wait_is_done(&self, number: u32) -> bool {
        self.waits.open.get(&number).is_none_or(|wait| wait.done)
    }

    /// Ends a wait and writes its record; what is ready now if it was cut short.
    pub(crate) fn finish_wait(&mut self, number: u32, out: &mut RecordWriter) {
        let Some(wait) = self.waits.open.remove(&number) else {
            return;
        };
        match wait.goal {
            Goal::All { .. } => self.write_get(number, &wait.handles, out),
            Goal::Any { needed, .. } => self.write_wait(number, &wait.handles, needed, out),
        }
    }

    /// Forgets a wait.
    pub(crate) fn withdraw_wait(&mut self, number: u32) {
        self.waits.open.remove(&number);
    }

    /// What a wait that ran out of time has to show, without ending it by itself.
    pub(crate) fn ready_now(&mut self, handles: &[Handle], needed: usize, out: &mut RecordWriter) {
        self.write_wait(0, handles, needed, out);
    }

    /// Writes the values, or the first error alone.
    fn write_get(&mut self, number: u32, handles: &[Handle], out: &mut RecordWriter) {
        let failed = handles.iter().copied().find(|&handle| {
            self.objects
                .get(handle)
                .and_then(|entry| entry.value.status())
                .is_some_and(|status| status != Status::Value)
        });
        out.begin(EVENT_GET);
        out.u32(number);
        match failed {
            Some(handle) => {
                out.u32(1);
                // Whoever asked for all of them has seen that it failed, whatever becomes of the others.
                for &asked in handles {
                    if let Some(entry) = self.objects.get_mut(asked) {
                        entry.observed = true;
                    }
                }
                self.write_value(handle, out);
            }
            None => {
                out.u32(handles.len() as u32);
                for &handle in handles {
                    self.write_value(handle, out);
                }
            }
        }
        out.end();
    }

    /// Writes the value of one object.
    pub(crate) fn write_value(&self, handle: Handle, out: &mut RecordWriter) {
        match self.objects.get(handle).map(|entry| &entry.value) {
            Some(Value::Inline { status, meta }) => out.inline_value(*status as u32, handle, meta),
            Some(Value::Full(full)) => {
                out.value(full.outcome.status as u32, handle, &full.outcome.payload)
            }
            Some(Value::Pending) | None => {
                debug_assert!(false, "the value of an object that is not there");
                out.inline_value(Status::SystemError as u32, handle, &[]);
            }
        }
    }

    fn write_wait(&self, number: u32, handles: &[Handle], needed: usize, out: &mut RecordWriter) {
        out.begin(EVENT_WAIT);
        out.u32(number);
        let count_at = out.bytes.len();
        out.u32(0);
        let mut count = 0;
        for (position, &handle) in handles.iter().enumerate() {
            if count == needed {
                break;
            }
            if self
                .objects
                .get(handle)
                .is_some_and(|entry| !matches!(entry.value, Value::Pending))
            {
                out.u32(position as u32);
                count += 1;
            }
        }
        out.bytes[count_at..count_at + 4].copy_from_slice(&(count as u32).to_le_bytes());
        out.end();
    }
}

/// The position of the first handle that stands a second time.
fn duplicate(handles: &[Handle]) -> Option<usize> {
    if handles.windows(2).all(|pair| pair[0] < pair[1]) {
        return None;
    }
    if handles.len() <= DUPLICATES_BY_SCAN_MAX {
        return (1..handles.len())
            .find(|&position| handles[..position].contains(&handles[position]));
    }
    let mut seen = HashSet::with_capacity(handles.len());
    handles.iter().position(|&handle| !seen.insert(handle))
}

#[cfg(test)]
mod tests {
    use super::duplicate;

    #[test]
    fn duplicates_are_found_in_short_and_long_lists() {
        assert_eq!(duplicate(&[]), None);
        assert_eq!(duplicate(&[3, 1, 2]), None);
        assert_eq!(duplicate(&[3, 1, 3]), Some(2));
        let mut long: Vec<u64> = (0..100).rev().collect();
        assert_eq!(duplicate(&long), None);
        long.push(50);
        assert_eq!(duplicate(&long), Some(100));
    }
}
