//! Wakes JavaScript when a descriptor becomes readable, inside libuv's own loop: no thread, no queue.
//!
//! One `uv_poll_t` per descriptor. The handles count as reasons to stay alive only while `hold` says so.

use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;
use std::ptr;

use napi::bindgen_prelude::*;
use napi::sys;

#[repr(C)]
struct UvLoop {
    _opaque: [u8; 0],
}
type UvHandle = c_void;
type PollCallback = unsafe extern "C" fn(*mut UvHandle, c_int, c_int);
type CloseCallback = unsafe extern "C" fn(*mut UvHandle);

/// `UV_POLL` of `uv_handle_type`, and `UV_READABLE`: part of libuv's stable interface since 1.0.
const UV_POLL: c_int = 8;
const UV_READABLE: c_int = 1;

unsafe extern "C" {
    fn uv_handle_size(kind: c_int) -> usize;
    fn uv_poll_init(event_loop: *mut UvLoop, handle: *mut UvHandle, fd: c_int) -> c_int;
    fn uv_poll_start(handle: *mut UvHandle, events: c_int, callback: PollCallback) -> c_int;
    fn uv_poll_stop(handle: *mut UvHandle) -> c_int;
    fn uv_ref(handle: *mut UvHandle);
    fn uv_unref(handle: *mut UvHandle);
    fn uv_close(handle: *mut UvHandle, callback: Option<CloseCallback>);
    fn uv_handle_set_data(handle: *mut UvHandle, data: *mut c_void);
    fn uv_handle_get_data(handle: *const UvHandle) -> *mut c_void;
}

/// What a poll handle calls.
struct Target {
    env: sys::napi_env,
    callback: sys::napi_ref,
    context: sys::napi_async_context,
}

impl Target {
    fn new(env: &Env, callback: Function<'_, (), ()>) -> Result<Self> {
        let mut target = Self {
            env: env.raw(),
            callback: ptr::null_mut(),
            context: ptr::null_mut(),
        };
        let mut name = ptr::null_mut();
        let text = c"eagleray";
        // SAFETY: the environment is that of the running call; all out pointers are valid.
        unsafe {
            check_status!(sys::napi_create_reference(
                target.env,
                callback.raw(),
                1,
                &mut target.callback
            ))?;
            check_status!(sys::napi_create_string_utf8(
                target.env,
                text.as_ptr(),
                8,
                &mut name
            ))?;
            check_status!(sys::napi_async_init(
                target.env,
                ptr::null_mut(),
                name,
                &mut target.context
            ))?;
        }
        Ok(target)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // SAFETY: made in `new`, if they were made at all; the environment still lives: this runs in a call or in a cleanup
        // hook.
        unsafe {
            if !self.callback.is_null() {
                sys::napi_delete_reference(self.env, self.callback);
            }
            if !self.context.is_null() {
                sys::napi_async_destroy(self.env, self.context);
            }
        }
    }
}

/// Poll handles on some descriptors, all calling the same function. Dropping it stops watching: a handle that is left open
/// keeps its thread from ending, or ends the process with it.
pub(crate) struct Watcher {
    handles: Vec<*mut UvHandle>,
    /// What the handles point to; this value's own.
    target: *mut Target,
    held: bool,
}

impl Watcher {
    /// Calls `callback` whenever one of the descriptors is readable. To be dropped on this thread before the environment
    /// ends.
    pub(crate) fn start(
        env: &Env,
        descriptors: &[RawFd],
        callback: Function<'_, (), ()>,
    ) -> Result<Self> {
        // From here on the value closes what there is of it by then, however this function ends.
        let mut watcher = Self {
            handles: Vec::with_capacity(descriptors.len()),
            target: Box::into_raw(Box::new(Target::new(env, callback)?)),
            held: true,
        };
        let mut event_loop = ptr::null_mut();
        // SAFETY: the environment is that of the running call; the out pointer is valid.
        check_status!(unsafe { sys::napi_get_uv_event_loop(env.raw(), &mut event_loop) })?;
        for &fd in descriptors {
            watcher.add(event_loop.cast(), fd)?;
        }
        watcher.hold(false);
        Ok(watcher)
    }

    fn add(&mut self, event_loop: *mut UvLoop, fd: RawFd) -> Result<()> {
        // SAFETY: libuv says how large its handle is; the memory lives until the close callback frees it, or is freed
        // here while libuv does not know it.
        let handle = unsafe {
            let handle = libc::malloc(uv_handle_size(UV_POLL));
            if handle.is_null() {
                return Err(Error::from_reason("out of memory"));
            }
            if uv_poll_init(event_loop, handle, fd) != 0 {
                libc::free(handle);
                return Err(Error::from_reason("the event loop can't watch the runtime"));
            }
            handle
        };
        self.handles.push(handle);
        // SAFETY: the handle is open; its data is this value's target, which `drop` takes from the handle before it frees it.
        let started = unsafe {
            uv_handle_set_data(handle, self.target.cast());
            uv_poll_start(handle, UV_READABLE, on_readable)
        };
        if started != 0 {
            return Err(Error::from_reason("the event loop can't watch the runtime"));
        }
        Ok(())
    }

    /// Whether the handles keep the event loop alive.
    pub(crate) fn hold(&mut self, hold: bool) {
        if hold == self.held {
            return;
        }
        self.held = hold;
        for &handle in &self.handles {
            // SAFETY: the handles are open until the value is dropped.
            unsafe {
                if hold {
                    uv_ref(handle)
                } else {
                    uv_unref(handle)
                }
            };
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        for handle in self.handles.drain(..) {
            // SAFETY: open until here; libuv calls back when the memory is no longer its own.
            unsafe {
                uv_poll_stop(handle);
                uv_handle_set_data(handle, ptr::null_mut());
                uv_close(handle, Some(free_handle));
            }
        }
        // SAFETY: made by `Box::into_raw` in `start`, and no handle refers to it any more.
        drop(unsafe { Box::from_raw(self.target) });
    }
}

unsafe extern "C" fn free_handle(handle: *mut UvHandle) {
    // SAFETY: allocated with `malloc` in `add`; libuv has let go of it.
    unsafe { libc::free(handle) };
}

unsafe extern "C" fn on_readable(handle: *mut UvHandle, _status: c_int, _events: c_int) {
    // SAFETY: libuv calls this on the loop's thread with a handle of `add`; its data is the target
    // until `drop` clears it.
    unsafe {
        let target = uv_handle_get_data(handle).cast::<Target>();
        if target.is_null() {
            return;
        }
        let (env, context) = ((*target).env, (*target).context);
        let mut scope = ptr::null_mut();
        sys::napi_open_handle_scope(env, &mut scope);
        let mut function = ptr::null_mut();
        let mut global = ptr::null_mut();
        let mut result = ptr::null_mut();
        sys::napi_get_reference_value(env, (*target).callback, &mut function);
        sys::napi_get_global(env, &mut global);
        // Runs the function with its microtasks. What it throws is an uncaught exception of the process,
        // as for any callback of Node itself.
        let status =
            sys::napi_make_callback(env, context, global, function, 0, ptr::null(), &mut result);
        if status == sys::Status::napi_pending_exception {
            let mut error = ptr::null_mut();
            if sys::napi_get_and_clear_last_exception(env, &mut error) == sys::Status::napi_ok {
                sys::napi_fatal_exception(env, error);
            }
        }
        sys::napi_close_handle_scope(env, scope);
    }
}
