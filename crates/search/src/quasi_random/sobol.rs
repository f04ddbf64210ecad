//! Sobol's sequence, with the direction numbers of Joe and Kuo: the points of scipy's `qmc.Sobol`.
//!
//! Sobol, "On the distribution of points in a cube and the approximate evaluation of integrals", 1967; Antonov and Saleev, 1979, for the
//! order by Gray code. Scrambled by Owen's nested permutations, in the form of Burley, "Practical hash-based Owen scrambling", 2020.

use crate::random::{Purpose, Random};

use super::{DIMENSIONS_MAX, Sequence};

/// Binary digits of a coordinate; from the 2³⁰th point on the sequence repeats.
const DIGITS: usize = 30;

/// For each dimension but the first: a primitive polynomial, and as many numbers as it has degrees.
const DIRECTIONS: &str = include_str!("directions.txt");

/// See the module.
#[derive(Debug)]
pub struct Sobol {
    /// By dimension: what each binary digit of a point's number turns over.
    directions: Vec<[u32; DIGITS]>,
    /// By dimension; empty if nothing is scrambled.
    seeds: Vec<u32>,
}

impl Sobol {
    /// A sequence with so many dimensions, scrambled if there is a seed.
    ///
    /// # Panics
    ///
    /// With more than [`DIMENSIONS_MAX`] of them.
    #[must_use]
    pub fn new(dimensions: usize, seed: Option<u64>) -> Self {
        assert!(dimensions <= DIMENSIONS_MAX);
        let first = std::array::from_fn(|digit| 1 << (DIGITS - 1 - digit));
        let others = DIRECTIONS
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(directions_of);
        let directions = std::iter::once(first)
            .chain(others)
            .take(dimensions)
            .collect();
        let seeds = seed.map_or_else(Vec::new, |seed| {
            let mut random = Random::new(seed, Purpose::Sequence, 0);
            (0..dimensions).map(|_| random.next_u64() as u32).collect()
        });
        Self { directions, seeds }
    }
}

impl Sequence for Sobol {
    fn coordinate(&self, number: u64, dimension: usize) -> f64 {
        let gray = (number ^ (number >> 1)) as u32;
        let directions = &self.directions[dimension];
        let bits = (0..DIGITS)
            .filter(|digit| gray >> digit & 1 == 1)
            .fold(0, |bits, digit| bits ^ directions[digit]);
        match self.seeds.get(dimension) {
            None => f64::from(bits) / f64::from(1_u32 << DIGITS),
            Some(seed) => {
                let scrambled = scrambled(bits << (u32::BITS as usize - DIGITS), *seed);
                f64::from(scrambled) / 4_294_967_296.0
            }
        }
    }
}

/// The directions of a line of the table: by the recurrence that its polynomial stands for.
fn directions_of(line: &str) -> [u32; DIGITS] {
    // The table is part of the program, and a test reads all of it.
    let mut numbers = line.split(' ').map(|each| each.parse::<u64>().unwrap_or(0));
    let polynomial = numbers.next().unwrap_or(1);
    let degree = polynomial.ilog2() as usize;
    let mut all = [0_u64; DIGITS];
    for (place, number) in all.iter_mut().zip(numbers) {
        *place = number;
    }
    for digit in degree..DIGITS {
        let mut next = all[digit - degree];
        for back in 1..=degree {
            if polynomial >> (degree - back) & 1 == 1 {
                next ^= all[digit - back] << back;
            }
        }
        all[digit] = next;
    }
    std::array::from_fn(|digit| (all[digit] << (DIGITS - 1 - digit)) as u32)
}

/// Turns digits over, each by all those before it: points of one interval of any length 2⁻ᵏ stay in one.
fn scrambled(bits: u32, seed: u32) -> u32 {
    // Multiplication carries upwards, so the first digit has to be the lowest.
    let mut mixed = bits.reverse_bits();
    mixed = mixed.wrapping_add(seed);
    for factor in [0x6c50_b47c, 0xb82f_1e52, 0xc7af_e638, 0x8d22_f6e6_u32] {
        mixed ^= mixed.wrapping_mul(factor);
    }
    mixed.reverse_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_dimension() {
        let lines: Vec<&str> = DIRECTIONS
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        assert_eq!(lines.len(), DIMENSIONS_MAX - 1);
        for line in lines {
            let numbers: Vec<u64> = line.split(' ').map(|each| each.parse().unwrap()).collect();
            assert_eq!(numbers[0].ilog2() as usize, numbers.len() - 1);
            // The direction number of a digit is odd, and below two to the power of its place.
            for (place, number) in numbers[1..].iter().enumerate() {
                assert!(number % 2 == 1 && *number < 2 << place);
            }
        }
    }
}
