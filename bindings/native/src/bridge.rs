//! What the calls of a runtime share: the core worker, the buffers that JavaScript has pinned, and the
//! records on their way back.
//!
//! Buffers that JavaScript allocates once: `submissions` (operations, see
//! `eagleray_core_worker::tasks::operations`), `handles` (numbers of objects for `get` and `wait`),
//! `inbox` (records that come back) and, in workers, `results` (inline results of a task). A call that
//! returns records returns their length in bytes; if the inbox is too small it returns [`OVERFLOW`]
//! plus the length, and `takeOverflow` gets them.

use std::cell::{RefCell, RefMut};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use eagleray_core_worker::{CoreWorker, RecordWriter, WaitStart};
use eagleray_protocol::{Details, SystemError};
use eagleray_raylet::RayletHandle;
use napi::bindgen_prelude::*;
use napi::sys;

use crate::event_loop::Watcher;

/// Added to a length that does not fit into the inbox. Lengths stay far below.
const OVERFLOW: f64 = 4_294_967_296.0 * 16.0;

/// Records of one `collect` stop at about this size.
pub(crate) const COLLECT_LIMIT: usize = 256 << 10;

/// How long the end of a process waits for the raylet to end its workers.
pub(crate) const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// What all calls of a runtime use. Only the thread of its environment has it.
pub struct Bridge {
    pub(crate) worker: Arc<CoreWorker>,
    pub(crate) held: Rc<RefCell<Held>>,
    out: RefCell<RecordWriter>,
    ids: RefCell<Vec<u64>>,
}

impl Bridge {
    pub(crate) fn new(worker: Arc<CoreWorker>, held: Rc<RefCell<Held>>) -> Self {
        Self {
            worker,
            held,
            out: RefCell::default(),
            ids: RefCell::default(),
        }
    }

    /// The first `count` numbers of the handles' buffer, copied.
    pub(crate) fn handles(&self, count: usize) -> RefMut<'_, Vec<u64>> {
        let mut ids = self.ids.borrow_mut();
        ids.clear();
        if let Some(pinned) = &self.held.borrow().handles {
            let count = count.min(pinned.length / 8);
            // SAFETY: pinned, a `Float64Array` and so aligned, and JavaScript is inside this call.
            let numbers = unsafe { std::slice::from_raw_parts(pinned.data.cast::<f64>(), count) };
            ids.extend(numbers.iter().map(|&number| number as u64));
        }
        ids
    }

    /// The records of the last call, which `takeOverflow` asks for.
    pub(crate) fn last_records(&self) -> RefMut<'_, RecordWriter> {
        self.out.borrow_mut()
    }

    /// An empty list of records for this call.
    pub(crate) fn records(&self) -> RefMut<'_, RecordWriter> {
        let mut out = self.out.borrow_mut();
        out.bytes.clear();
        if out.bytes.capacity() > 4 * COLLECT_LIMIT {
            out.bytes.shrink_to(COLLECT_LIMIT);
        }
        out
    }

    /// Hands records over: copies them into the inbox if they fit, and returns their length.
    pub(crate) fn deliver(&self, out: &RecordWriter) -> f64 {
        let length = out.bytes.len();
        match &self.held.borrow().inbox {
            Some(inbox) if inbox.length >= length => {
                // SAFETY: pinned, and long enough.
                unsafe { ptr::copy_nonoverlapping(out.bytes.as_ptr(), inbox.data, length) };
                length as f64
            }
            _ => OVERFLOW + length as f64,
        }
    }

    /// What JavaScript is told of a `get` or `wait` that was started.
    pub(crate) fn started(&self, start: &WaitStart, out: &RecordWriter) -> Result<f64> {
        match start {
            WaitStart::Done => Ok(self.deliver(out)),
            WaitStart::Pending(number) => Ok(-f64::from(*number)),
            refused => Err(wait_refused(refused)),
        }
    }
}

/// The error of a `get` or `wait` whose handles were refused; the SDK reads the position.
pub(crate) fn wait_refused(start: &WaitStart) -> Error {
    match start {
        WaitStart::Unknown(position) => Error::from_reason(format!("eagleray-unknown:{position}")),
        WaitStart::Duplicate(position) => {
            Error::from_reason(format!("eagleray-duplicate:{position}"))
        }
        WaitStart::Done | WaitStart::Pending(_) => Error::from_reason("no refusal"),
    }
}

/// What must be let go of before the environment ends, on JavaScript's thread: by `close`, or by the hook
/// if a `Worker` thread or the process ends without it. Both own it, so neither finds it freed.
pub(crate) struct Held {
    pub(crate) worker: Arc<CoreWorker>,
    pub(crate) raylet: Option<RayletHandle>,
    pub(crate) watcher: Option<Watcher>,
    pub(crate) submissions: Option<Pinned>,
    pub(crate) handles: Option<Pinned>,
    pub(crate) inbox: Option<Pinned>,
    pub(crate) results: Option<Pinned>,
}

impl Held {
    /// Nothing but the core worker and, in a driver, its raylet.
    pub(crate) fn new(worker: Arc<CoreWorker>, raylet: Option<RayletHandle>) -> Self {
        Self {
            worker,
            raylet,
            watcher: None,
            submissions: None,
            handles: None,
            inbox: None,
            results: None,
        }
    }

    /// Lets go of everything, once; a second call finds nothing.
    pub(crate) fn release(&mut self) {
        self.watcher = None;
        // Before the buffers: its thread may be reading submissions.
        self.worker.close();
        self.submissions = None;
        self.handles = None;
        self.inbox = None;
        self.results = None;
        if let Some(raylet) = self.raylet.take() {
            raylet.stop();
            raylet.join(STOP_DEADLINE);
        }
    }
}

/// A pinned buffer of JavaScript; dropping it lets go of the buffer.
pub(crate) struct Pinned {
    env: sys::napi_env,
    reference: sys::napi_ref,
    pub(crate) data: *mut u8,
    pub(crate) length: usize,
}

impl Pinned {
    pub(crate) fn new(env: &Env, array: &Unknown<'_>) -> Result<Self> {
        let (data, length) = bytes_of(env, array.raw())?;
        let mut reference = ptr::null_mut();
        // SAFETY: the value belongs to the running call.
        check_status!(unsafe {
            sys::napi_create_reference(env.raw(), array.raw(), 1, &mut reference)
        })?;
        Ok(Self {
            env: env.raw(),
            reference,
            data,
            length,
        })
    }

    /// The first `length` bytes; `None` if there are not so many.
    ///
    /// # Safety
    /// JavaScript must not run while the slice is used.
    pub(crate) unsafe fn first(&self, length: usize) -> Option<&[u8]> {
        if length > self.length {
            return None;
        }
        if length == 0 {
            return Some(&[]);
        }
        // SAFETY: pinned and so in place; nobody writes meanwhile, by the caller's promise.
        Some(unsafe { std::slice::from_raw_parts(self.data, length) })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: made in `new`; dropped on JavaScript's thread while the environment lives, by `Held::release` at the
        // latest.
        unsafe { sys::napi_delete_reference(self.env, self.reference) };
    }
}

/// The memory of a typed array.
pub(crate) fn bytes_of(env: &Env, array: sys::napi_value) -> Result<(*mut u8, usize)> {
    let (mut kind, mut length, mut data, mut buffer, mut offset) =
        (0, 0, ptr::null_mut(), ptr::null_mut(), 0);
    // SAFETY: all out pointers are valid; a value that is no typed array is refused by status.
    check_status!(unsafe {
        sys::napi_get_typedarray_info(
            env.raw(),
            array,
            &mut kind,
            &mut length,
            &mut data,
            &mut buffer,
            &mut offset,
        )
    })?;
    let width = match kind {
        sys::TypedarrayType::int16_array | sys::TypedarrayType::uint16_array => 2,
        sys::TypedarrayType::int32_array
        | sys::TypedarrayType::uint32_array
        | sys::TypedarrayType::float32_array => 4,
        sys::TypedarrayType::float64_array
        | sys::TypedarrayType::bigint64_array
        | sys::TypedarrayType::biguint64_array => 8,
        _ => 1,
    };
    Ok((data.cast(), length * width))
}

/// The bytes of a typed array for the time of the call.
pub(crate) fn borrow_bytes<'a>(env: &Env, array: &Unknown<'a>) -> Result<&'a [u8]> {
    let (data, length) = bytes_of(env, array.raw())?;
    if length == 0 {
        return Ok(&[]);
    }
    // SAFETY: the array lives for the call, JavaScript does not run meanwhile, and what a `Worker` thread
    // of the user writes to shared memory at the same time only changes which bytes are copied.
    Ok(unsafe { std::slice::from_raw_parts(data, length) })
}

/// A system error as the SDK expects it: JSON behind a marker.
pub(crate) fn system_error(error: &SystemError) -> Error {
    let details = if error.details.is_empty() {
        "{}"
    } else {
        &error.details
    };
    let fields = Details::new()
        .text("kind", &error.kind)
        .text("message", &error.message)
        .raw("details", details);
    Error::from_reason(format!("eagleray:{}", fields.finish()))
}
