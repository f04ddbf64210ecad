//! Search algorithms: what to try next, from what was tried.
//!
//! Owns: samplers, importances, hypervolumes and quasi-random points, one algorithm a file, which names its paper and the reference
//! that it is checked against. Is not: a clock, a thread or a file; a keeper of names and of the shape of configs, which are those of
//! who asks; a runner of trials.
//!
//! The same questions give the same answers: see SE-1 in [`searcher`].

#![deny(unsafe_code)]

pub mod bohb;
pub mod cma;
pub mod domain;
pub mod fronts;
pub mod gp;
pub mod grid;
pub mod history;
pub mod hypervolume;
pub mod importances;
pub mod matrix;
pub mod normal;
pub mod nsga2;
pub mod pb2;
pub mod quasi_random;
pub mod random;
pub mod random_search;
pub mod searcher;
pub mod space;
pub mod tpe;
