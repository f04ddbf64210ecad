//! Memory of the object store as JavaScript buffers.
//!
//! A view is an external `ArrayBuffer`, or an external `SharedArrayBuffer` where this Node can make
//! one: V8 does not charge the latter to its heap (`docs/object-store.md`). The finalizer unmaps it and
//! tells the core worker; that of a shared one may run on any thread.

use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, OnceLock, Weak};

use eagleray_core_worker::{CoreWorker, Freed};
use eagleray_object_store::View;
use eagleray_protocol::SystemError;
use napi::bindgen_prelude::*;
use napi::{check_status, sys};

use crate::runtime::system_error;

type SharedFinalizer = unsafe extern "C" fn(*mut c_void, *mut c_void);
type CreateShared = unsafe extern "C" fn(
    sys::napi_env,
    *mut c_void,
    usize,
    SharedFinalizer,
    *mut c_void,
    *mut sys::napi_value,
) -> sys::napi_status;

/// `node_api_create_external_sharedarraybuffer`, where this Node has it (22.23, 24.21, 26.10).
fn create_shared() -> Option<CreateShared> {
    static FOUND: OnceLock<Option<CreateShared>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: the name ends in a zero byte.
        let symbol = unsafe {
            libc::dlsym(
                libc::RTLD_DEFAULT,
                c"node_api_create_external_sharedarraybuffer".as_ptr(),
            )
        };
        // SAFETY: Node-API fixes the signature of the symbol of this name.
        (!symbol.is_null())
            .then(|| unsafe { std::mem::transmute::<*mut c_void, CreateShared>(symbol) })
    })
}

/// True if numeric arrays can be views that V8 does not charge.
pub(crate) fn shared_views() -> bool {
    create_shared().is_some()
}

/// What a finalizer needs.
struct Owner {
    worker: Weak<CoreWorker>,
    /// Unmapped by the finalizer, for views; regions are unmapped by the core worker.
    view: Option<View>,
    /// For regions: the core worker, whose end would unmap them, also after the runtime has ended.
    _keeps: Option<Arc<CoreWorker>>,
    freed: Option<Freed>,
}

impl Owner {
    fn finalize(mut self) {
        drop(self.view.take());
        if let (Some(worker), Some(freed)) = (self.worker.upgrade(), self.freed.take()) {
            worker.note_freed(freed);
        }
    }
}

unsafe extern "C" fn finalize(_env: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    // SAFETY: `hint` is the owner that `buffer` boxed, and a finalizer runs once.
    unsafe { Box::from_raw(hint.cast::<Owner>()) }.finalize();
}

unsafe extern "C" fn finalize_shared(_data: *mut c_void, hint: *mut c_void) {
    // SAFETY: as in `finalize`. Everything in an owner may be dropped on any thread.
    unsafe { Box::from_raw(hint.cast::<Owner>()) }.finalize();
}

/// A view of one buffer of an object.
pub(crate) fn view_buffer(
    env: &Env,
    worker: &Arc<CoreWorker>,
    handle: u64,
    view: View,
    shared: bool,
) -> Result<sys::napi_value> {
    let (address, length) = (view.address(), view.length());
    let owner = Owner {
        worker: Arc::downgrade(worker),
        view: Some(view),
        _keeps: None,
        freed: Some(Freed::View(handle)),
    };
    buffer(env, address, length, owner, shared)
}

/// A buffer over a region that the user fills.
pub(crate) fn region_buffer(
    env: &Env,
    worker: &Arc<CoreWorker>,
    address: usize,
    length: usize,
    shared: bool,
) -> Result<sys::napi_value> {
    let owner = Owner {
        worker: Arc::downgrade(worker),
        view: None,
        _keeps: Some(Arc::clone(worker)),
        freed: Some(Freed::Region(address)),
    };
    buffer(env, address as *mut u8, length, owner, shared)
}

fn buffer(
    env: &Env,
    address: *mut u8,
    length: usize,
    owner: Owner,
    shared: bool,
) -> Result<sys::napi_value> {
    let mut value = ptr::null_mut();
    let owner = Box::into_raw(Box::new(owner));
    let status = match create_shared().filter(|_| shared) {
        // SAFETY: the memory stays mapped until the finalizer; the owner is given to it.
        Some(create) => unsafe {
            create(
                env.raw(),
                address.cast(),
                length,
                finalize_shared,
                owner.cast(),
                &mut value,
            )
        },
        // SAFETY: as above.
        None => unsafe {
            sys::napi_create_external_arraybuffer(
                env.raw(),
                address.cast(),
                length,
                Some(finalize),
                owner.cast(),
                &mut value,
            )
        },
    };
    if status != sys::Status::napi_ok {
        // SAFETY: Node has not taken the owner: it refused.
        unsafe { Box::from_raw(owner) }.finalize();
        return Err(Error::from_reason(format!(
            "this build of Node does not allow buffers over foreign memory (status {status})"
        )));
    }
    Ok(value)
}

/// A buffer of V8's own memory that `fill` writes to.
pub(crate) fn new_buffer(
    env: &Env,
    length: usize,
    fill: impl FnOnce(&mut [u8]) -> std::result::Result<(), SystemError>,
) -> Result<sys::napi_value> {
    let (mut data, mut value) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: plain call with places for the results.
    check_status!(unsafe {
        sys::napi_create_arraybuffer(env.raw(), length, &mut data, &mut value)
    })?;
    if length > 0 {
        // SAFETY: Node has just made this memory, zeroed and of that length, and nobody else knows it yet.
        let target = unsafe { std::slice::from_raw_parts_mut(data.cast::<u8>(), length) };
        fill(target).map_err(|error| system_error(&error))?;
    }
    Ok(value)
}
