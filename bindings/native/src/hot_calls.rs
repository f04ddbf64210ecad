//! The calls that every task makes: plain functions of Node-API that take and return numbers.
//!
//! A method of a class that `#[napi]` exports unwraps its object, checks the object's type and notes the
//! borrow each time; for an empty task that was a fifth of what its worker did. These functions carry
//! their runtime along as data instead. Everything that is not called per task is in `runtime.rs`.

use std::ffi::{CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use eagleray_core_worker::{Cancellation, NextTask};
use eagleray_protocol::ObjectId;
use napi::bindgen_prelude::*;
use napi::sys;

use crate::bridge::{Bridge, COLLECT_LIMIT};

/// The most arguments that a hot call takes. Missing ones are 0.
const ARGUMENTS_MAX: usize = 4;

type Arguments = [f64; ARGUMENTS_MAX];
type Action = fn(&Bridge, Arguments) -> Result<f64>;

/// By their names in `native.ts`.
const HOT_CALLS: [(&str, Action); 14] = [
    ("flush", flush),
    ("collect", collect),
    ("prepareToSleep", prepare_to_sleep),
    ("woken", woken),
    ("get", get),
    ("wait", wait),
    ("watch", watch),
    ("withdraw", withdraw),
    ("nextTask", next_task),
    ("finish", finish),
    ("borrow", borrow),
    ("enterWait", enter_wait),
    ("leaveWait", leave_wait),
    ("tellCancellation", tell_cancellation),
];

fn flush(bridge: &Bridge, [more, ..]: Arguments) -> Result<f64> {
    bridge.worker.flush(more != 0.0);
    Ok(0.0)
}

fn collect(bridge: &Bridge, [spin, ..]: Arguments) -> Result<f64> {
    let mut out = bridge.records();
    bridge.worker.collect(spin != 0.0, COLLECT_LIMIT, &mut out);
    Ok(bridge.deliver(&out))
}

fn prepare_to_sleep(bridge: &Bridge, [takes_tasks, ..]: Arguments) -> Result<f64> {
    Ok(f64::from(
        bridge.worker.prepare_to_sleep(takes_tasks != 0.0),
    ))
}

fn woken(bridge: &Bridge, _: Arguments) -> Result<f64> {
    bridge.worker.woken();
    Ok(0.0)
}

fn get(bridge: &Bridge, [count, ..]: Arguments) -> Result<f64> {
    let ids = bridge.handles(count as usize);
    let mut out = bridge.records();
    let start = bridge.worker.get(&ids, &mut out);
    bridge.started(&start, &out)
}

fn wait(bridge: &Bridge, [count, needed, ..]: Arguments) -> Result<f64> {
    let ids = bridge.handles(count as usize);
    let mut out = bridge.records();
    let start = bridge.worker.wait(&ids, needed as usize, &mut out);
    bridge.started(&start, &out)
}

fn watch(bridge: &Bridge, [count, ..]: Arguments) -> Result<f64> {
    let ids = bridge.handles(count as usize);
    let mut out = bridge.records();
    let start = bridge.worker.watch(&ids, &mut out);
    bridge.started(&start, &out)
}

fn withdraw(bridge: &Bridge, [wait, ..]: Arguments) -> Result<f64> {
    bridge.worker.withdraw(wait as u32);
    Ok(0.0)
}

fn next_task(bridge: &Bridge, [spin, begins, ..]: Arguments) -> Result<f64> {
    let mut out = bridge.records();
    let next = bridge
        .worker
        .next_task(spin != 0.0, begins != 0.0, |record| {
            out.bytes.extend_from_slice(record);
        });
    Ok(match next {
        NextTask::Found => bridge.deliver(&out),
        NextTask::None => 0.0,
        NextTask::SliceOver => -1.0,
    })
}

fn finish(bridge: &Bridge, [token, length, retire, ..]: Arguments) -> Result<f64> {
    let held = bridge.held.borrow();
    let results = held
        .results
        .as_ref()
        // SAFETY: JavaScript is inside this call.
        .and_then(|results| unsafe { results.first(length as usize) })
        .ok_or_else(|| Error::from_reason("results beyond their buffer"))?;
    bridge.worker.finish(token as u32, results, retire != 0.0);
    Ok(0.0)
}

fn borrow(bridge: &Bridge, [owner, node, sequence, ..]: Arguments) -> Result<f64> {
    let id = ObjectId {
        owner: owner as u32,
        node: node as u32,
        sequence: sequence as u64,
    };
    Ok(bridge.worker.borrow(id) as f64)
}

fn enter_wait(bridge: &Bridge, _: Arguments) -> Result<f64> {
    bridge.worker.enter_wait();
    Ok(0.0)
}

fn leave_wait(bridge: &Bridge, _: Arguments) -> Result<f64> {
    bridge.worker.leave_wait();
    Ok(0.0)
}

fn tell_cancellation(bridge: &Bridge, [token, ..]: Arguments) -> Result<f64> {
    Ok(match bridge.worker.tell_cancellation(token as u32) {
        Cancellation::None => 0.0,
        Cancellation::Fresh => 1.0,
        Cancellation::Told => 2.0,
    })
}

/// What a function carries along.
struct HotCall {
    bridge: Rc<Bridge>,
    action: Action,
}

/// An object with all hot calls of a runtime.
pub(crate) fn hot_calls<'env>(env: &'env Env, bridge: &Rc<Bridge>) -> Result<Unknown<'env>> {
    let raw = env.raw();
    let mut object = ptr::null_mut();
    // SAFETY: `raw` is the environment of the running call, and the out pointer is valid.
    check_status!(unsafe { sys::napi_create_object(raw, &mut object) })?;
    for (name, action) in HOT_CALLS {
        let name = CString::new(name)?;
        let call = Box::into_raw(Box::new(HotCall {
            bridge: Rc::clone(bridge),
            action,
        }));
        let mut function = ptr::null_mut();
        // SAFETY: as above; the name is of the length given by its zero byte; the data lives until the
        // function's finalizer frees it.
        unsafe {
            check_status!(sys::napi_create_function(
                raw,
                name.as_ptr(),
                -1,
                Some(invoke),
                call.cast::<c_void>(),
                &mut function,
            ))?;
            check_status!(sys::napi_add_finalizer(
                raw,
                function,
                call.cast::<c_void>(),
                Some(free_call),
                ptr::null_mut(),
                ptr::null_mut(),
            ))?;
            check_status!(sys::napi_set_named_property(
                raw,
                object,
                name.as_ptr(),
                function
            ))?;
        }
    }
    // SAFETY: made just now in this environment.
    Ok(unsafe { Unknown::from_raw_unchecked(raw, object) })
}

unsafe extern "C" fn free_call(_: sys::napi_env, call: *mut c_void, _: *mut c_void) {
    // SAFETY: made by `Box::into_raw` in `hot_calls`; the function is garbage, so nobody calls it again.
    drop(unsafe { Box::from_raw(call.cast::<HotCall>()) });
}

unsafe extern "C" fn invoke(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let mut values = [ptr::null_mut(); ARGUMENTS_MAX];
    let mut count = ARGUMENTS_MAX;
    let mut data = ptr::null_mut();
    // SAFETY: Node calls this with a valid environment and info; the out pointers are valid, and `count`
    // is the room behind `values`. Node fills up missing ones with `undefined`.
    let read = unsafe {
        sys::napi_get_cb_info(
            env,
            info,
            &mut count,
            values.as_mut_ptr(),
            ptr::null_mut(),
            &mut data,
        )
    };
    if read != sys::Status::napi_ok || data.is_null() {
        return ptr::null_mut();
    }
    let mut arguments = [0.0; ARGUMENTS_MAX];
    for (argument, value) in arguments.iter_mut().zip(values).take(count) {
        // SAFETY: a value of this call. One that is no number leaves the 0.
        unsafe { sys::napi_get_value_double(env, value, argument) };
    }
    // SAFETY: the data that `hot_calls` gave to this function, alive as long as the function.
    let call = unsafe { &*data.cast::<HotCall>() };
    // A panic that crosses `extern "C"` would abort the user's process.
    let answer = catch_unwind(AssertUnwindSafe(|| (call.action)(&call.bridge, arguments)));
    match answer {
        Ok(Ok(number)) => {
            let mut value = ptr::null_mut();
            // SAFETY: as above.
            unsafe { sys::napi_create_double(env, number, &mut value) };
            value
        }
        Ok(Err(error)) => throw(env, &error.reason),
        Err(_) => throw(env, "a panic in the native module"),
    }
}

fn throw(env: sys::napi_env, message: &str) -> sys::napi_value {
    let message = CString::new(message.replace('\0', " ")).unwrap_or_default();
    // SAFETY: the environment of the running call, and a text that ends in a zero byte.
    unsafe { sys::napi_throw_error(env, ptr::null(), message.as_ptr()) };
    ptr::null_mut()
}
