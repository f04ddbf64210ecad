//! The objects alone, without a raylet and without tasks.

mod promised;
mod unseen_errors;
