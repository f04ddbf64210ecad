//! JavaScript objects that are watched for their end.
//!
//! V8 tells of the end of an object in a later turn of the event loop. Whoever needs the room that a garbage ref
//! keeps can't wait for that: a weak reference of Node-API is empty as soon as garbage was collected.

use std::ptr;

use napi::bindgen_prelude::*;
use napi::{check_status, sys};

/// Objects by number.
#[derive(Default)]
pub(crate) struct Watched {
    references: Vec<Option<sys::napi_ref>>,
    free: Vec<u32>,
}

impl Watched {
    /// Adds an object; it is not kept alive.
    pub(crate) fn add(&mut self, env: &Env, object: &Unknown<'_>) -> Result<u32> {
        let mut reference = ptr::null_mut();
        // SAFETY: the value is of this environment and alive during the call; a count of zero makes it weak.
        check_status!(unsafe {
            sys::napi_create_reference(env.raw(), object.raw(), 0, &mut reference)
        })?;
        let number = self.free.pop().unwrap_or_else(|| {
            self.references.push(None);
            self.references.len() as u32 - 1
        });
        self.references[number as usize] = Some(reference);
        Ok(number)
    }

    /// Forgets an object.
    pub(crate) fn remove(&mut self, env: &Env, number: u32) {
        let place = self.references.get_mut(number as usize);
        if let Some(reference) = place.and_then(Option::take) {
            // SAFETY: made by `add` in this environment, and taken out, so it is deleted once.
            unsafe { sys::napi_delete_reference(env.raw(), reference) };
            self.free.push(number);
        }
    }

    /// Forgets the objects that have been collected, and returns their numbers.
    pub(crate) fn sweep(&mut self, env: &Env) -> Vec<u32> {
        let mut collected = Vec::new();
        for (number, reference) in self.references.iter().enumerate() {
            let &Some(reference) = reference else {
                continue;
            };
            let mut object = ptr::null_mut();
            // SAFETY: made by `add` in this environment and not deleted yet.
            let status =
                unsafe { sys::napi_get_reference_value(env.raw(), reference, &mut object) };
            if status == sys::Status::napi_ok && object.is_null() {
                collected.push(number as u32);
            }
        }
        for &number in &collected {
            self.remove(env, number);
        }
        collected
    }
}
