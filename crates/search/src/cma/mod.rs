//! CMA-ES: a normal distribution that moves towards what was good, and takes its shape.

mod evolution;
mod margin;
mod search;
mod walls;

pub use evolution::{Evolution, Kind};
pub use margin::Margin;
pub use search::{Cma, CmaOptions, POPULATION_MAX, Restart};
