//! Memory of the object store as JavaScript buffers.
//!
//! A view is an external `ArrayBuffer`, or an external `SharedArrayBuffer` where this Node can make
//! one: V8 does not charge the latter to its heap (`docs/object-store.md`). The finalizer unmaps it and
//! tells the core worker; that of a shared one may run on any thread.

use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use eagleray_core_worker::{CoreWorker, Freed};
use eagleray_object_store::View;
use eagleray_protocol::SystemError;
use napi::bindgen_prelude::*;
use napi::{check_status, sys};
use rustc_hash::FxHashMap;

use crate::bridge::system_error;
use crate::watched::Watched;

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

/// What a buffer lies over. Held by its finalizer, and by [`Buffers`] where that watches it.
struct Owner {
    worker: Weak<CoreWorker>,
    memory: Memory,
}

enum Memory {
    /// A view of an object.
    View(Mutex<Viewed>),
    /// A region that the program fills, at this address. It is unmapped by the core worker, whose end would unmap it
    /// too, also after the runtime has ended: so that is kept.
    Region(
        usize,
        #[expect(dead_code, reason = "it is kept alive")] Arc<CoreWorker>,
    ),
}

struct Viewed {
    /// Unmapped by the finalizer.
    view: Option<View>,
    /// The object that the view pins.
    pinned: Option<u64>,
}

impl Owner {
    fn note_freed(&self, freed: Freed) {
        if let Some(worker) = self.worker.upgrade() {
            worker.note_freed(freed);
        }
    }

    /// The buffer's memory is used by nobody any more.
    fn finalize(&self) {
        match &self.memory {
            Memory::View(viewed) => {
                let mut viewed = viewed.lock().unwrap_or_else(PoisonError::into_inner);
                drop(viewed.view.take());
                if let Some(handle) = viewed.pinned.take() {
                    self.note_freed(Freed::View(handle));
                }
            }
            Memory::Region(address, _) => self.note_freed(Freed::Region(*address)),
        }
    }

    /// Lets go of the store before the finalizer runs; the memory keeps its bytes until then.
    fn copy_out(&self) {
        match &self.memory {
            Memory::View(viewed) => {
                let mut viewed = viewed.lock().unwrap_or_else(PoisonError::into_inner);
                // Without memory for the copy it waits for its finalizer.
                if viewed
                    .view
                    .as_ref()
                    .is_some_and(|view| view.copy_out().is_ok())
                    && let Some(handle) = viewed.pinned.take()
                {
                    self.note_freed(Freed::View(handle));
                }
            }
            Memory::Region(address, _) => {
                if let Some(worker) = self.worker.upgrade() {
                    worker.copy_region_out(*address);
                }
            }
        }
    }
}

unsafe extern "C" fn finalize(_env: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    // SAFETY: `hint` is the count of the owner that `Buffers::make` gave away, and a finalizer runs once.
    unsafe { Arc::from_raw(hint.cast_const().cast::<Owner>()) }.finalize();
}

unsafe extern "C" fn finalize_shared(_data: *mut c_void, hint: *mut c_void) {
    // SAFETY: as in `finalize`. Everything in an owner may be used and dropped on any thread.
    unsafe { Arc::from_raw(hint.cast_const().cast::<Owner>()) }.finalize();
}

/// The buffers over memory of the store that Node finalizes in a later turn of the event loop: they are watched, so that
/// the room that garbage keeps can be had at once by those who can't wait for that turn.
///
/// Shared buffers are finalized as soon as they are collected, and are not in here.
#[derive(Default)]
pub(crate) struct Buffers {
    watched: Watched,
    /// By their numbers in `watched`.
    owners: FxHashMap<u32, Arc<Owner>>,
    /// At how many owners it is looked for those whose buffers are finalized.
    look_at: usize,
}

/// So many owners are never looked through.
const OWNERS_FEW: usize = 64;

impl Buffers {
    /// A view of one buffer of an object.
    pub(crate) fn view(
        &mut self,
        env: &Env,
        worker: &Arc<CoreWorker>,
        handle: u64,
        view: View,
        shared: bool,
    ) -> Result<sys::napi_value> {
        let (address, length) = (view.address(), view.length());
        let viewed = Viewed {
            view: Some(view),
            pinned: Some(handle),
        };
        let memory = Memory::View(Mutex::new(viewed));
        self.make(env, address, length, worker, memory, shared)
    }

    /// A buffer over a region that the user fills.
    pub(crate) fn region(
        &mut self,
        env: &Env,
        worker: &Arc<CoreWorker>,
        address: usize,
        length: usize,
        shared: bool,
    ) -> Result<sys::napi_value> {
        let memory = Memory::Region(address, Arc::clone(worker));
        self.make(env, address as *mut u8, length, worker, memory, shared)
    }

    /// Lets the store have the room of those buffers that have been collected and are not finalized yet.
    pub(crate) fn copy_garbage_out(&mut self, env: &Env) {
        for number in self.watched.sweep(env) {
            if let Some(owner) = self.owners.remove(&number)
                && Arc::strong_count(&owner) > 1
            {
                owner.copy_out();
            }
        }
    }

    fn make(
        &mut self,
        env: &Env,
        address: *mut u8,
        length: usize,
        worker: &Arc<CoreWorker>,
        memory: Memory,
        shared: bool,
    ) -> Result<sys::napi_value> {
        let worker = Arc::downgrade(worker);
        let owner = Arc::new(Owner { worker, memory });
        let mut value = ptr::null_mut();
        let hint = Arc::into_raw(Arc::clone(&owner)).cast_mut().cast();
        let create_shared = create_shared().filter(|_| shared);
        let status = match create_shared {
            // SAFETY: the memory stays mapped until the finalizer; a count of the owner is given to it.
            Some(create) => unsafe {
                create(
                    env.raw(),
                    address.cast(),
                    length,
                    finalize_shared,
                    hint,
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
                    hint,
                    &mut value,
                )
            },
        };
        if status != sys::Status::napi_ok {
            // SAFETY: Node has not taken the count: it refused.
            unsafe { Arc::from_raw(hint.cast_const().cast::<Owner>()) }.finalize();
            return Err(Error::from_reason(format!(
                "this build of Node does not allow buffers over foreign memory (status {status})"
            )));
        }
        if create_shared.is_none() {
            self.watch(env, value, owner)?;
        }
        Ok(value)
    }

    fn watch(&mut self, env: &Env, value: sys::napi_value, owner: Arc<Owner>) -> Result<()> {
        if self.owners.len() >= self.look_at.max(OWNERS_FEW) {
            let finalized = |_: &u32, owner: &mut Arc<Owner>| Arc::strong_count(owner) == 1;
            for (number, _) in self.owners.extract_if(finalized) {
                self.watched.remove(env, number);
            }
            self.look_at = self.owners.len() * 2;
        }
        // SAFETY: made just now in this environment.
        let object = unsafe { Unknown::from_raw_unchecked(env.raw(), value) };
        let number = self.watched.add(env, &object)?;
        self.owners.insert(number, owner);
        Ok(())
    }
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
