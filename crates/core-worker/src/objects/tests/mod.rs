//! The objects alone, without a raylet and without tasks.

mod inherited_errors;
mod promised;
mod unseen_errors;
