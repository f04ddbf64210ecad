//! Halton's sequence: the points of scipy's `qmc.Halton`.
//!
//! Halton, "On the efficiency of certain quasi-random sequences of points", 1960: a coordinate has the digits of the point's number in
//! the base of a prime, mirrored at the point. Scrambled by a random linear permutation of each digit (Matoušek, "On the
//! L2-discrepancy for anchored boxes", 1998), which needs no table for large primes.

use crate::random::{Purpose, Random};

use super::{DIMENSIONS_MAX, Sequence};

/// See the module.
#[derive(Debug)]
pub struct Halton {
    primes: Vec<u32>,
    seed: Option<u64>,
}

impl Halton {
    /// A sequence with so many dimensions, scrambled if there is a seed.
    ///
    /// # Panics
    ///
    /// With more than [`DIMENSIONS_MAX`] of them.
    #[must_use]
    pub fn new(dimensions: usize, seed: Option<u64>) -> Self {
        assert!(dimensions <= DIMENSIONS_MAX);
        Self {
            primes: primes(dimensions),
            seed,
        }
    }
}

impl Sequence for Halton {
    fn coordinate(&self, number: u64, dimension: usize) -> f64 {
        let base = self.primes[dimension];
        match self.seed {
            None => mirrored(number, base),
            Some(seed) => {
                let random = Random::new(seed, Purpose::Sequence, dimension as u64);
                scrambled(number, base, random)
            }
        }
    }
}

fn mirrored(mut number: u64, base: u32) -> f64 {
    let base = u64::from(base);
    let (mut sum, mut place) = (0.0, 1.0 / base as f64);
    while number > 0 {
        sum += (number % base) as f64 * place;
        place /= base as f64;
        number /= base;
    }
    sum
}

/// Zeros count as digits, too: as many as there are until nothing would be added.
fn scrambled(mut number: u64, base: u32, mut random: Random) -> f64 {
    let base = u64::from(base);
    let (mut sum, mut place) = (0.0, 1.0 / base as f64);
    while 1.0 - place < 1.0 {
        let factor = 1 + random.below(base as usize - 1) as u64;
        let shift = random.below(base as usize) as u64;
        sum += ((number % base * factor + shift) % base) as f64 * place;
        place /= base as f64;
        number /= base;
    }
    f64::min(sum, 1.0_f64.next_down())
}

fn primes(count: usize) -> Vec<u32> {
    let mut primes: Vec<u32> = Vec::with_capacity(count);
    for candidate in 2.. {
        if primes.len() == count {
            break;
        }
        let mut smaller = primes
            .iter()
            .take_while(|prime| *prime * *prime <= candidate);
        if smaller.all(|prime| candidate % prime != 0) {
            primes.push(candidate);
        }
    }
    primes
}
