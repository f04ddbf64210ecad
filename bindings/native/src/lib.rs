//! The binding between the core worker and Node: handles and plain data, nothing decided here.
//!
//! Hot calls pass numbers only; everything else travels in buffers that JavaScript allocates once
//! and [`bridge::Bridge`] pins. `bindings/native/README.md` has the rules.
#![deny(unsafe_op_in_unsafe_fn)]
// `#[napi]` makes the public items; what they mean is documented where users of the binding look:
// in `bindings/typescript/src/native.ts`.
#![allow(missing_docs)]

mod bridge;
mod event_loop;
mod free_variables;
mod functions;
mod hot_calls;
mod machine;
mod runtime;
mod search;
mod views;
mod watched;
