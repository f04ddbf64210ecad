//! Random numbers that depend on nothing but what they are for: a seed, a trial and a purpose.
//!
//! Whoever draws for trial 7 gets the same numbers whether trials 0 to 6 have drawn before or not, so what a searcher
//! proposes never depends on the order of calls. The generator is xoshiro256++ (Blackman and Vigna, "Scrambled linear
//! pseudorandom number generators", 2021), seeded by SplitMix64 as its authors recommend.

use crate::normal;

/// What numbers are drawn for: two purposes of one trial never share any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Values that no model has proposed.
    Sampling = 1,
    /// Candidates and choices of a model.
    Model = 2,
    /// The order or the scrambling of a sequence that belongs to no trial.
    Sequence = 3,
    /// Values instead of those that were proposed, which could not be taken.
    Redrawing = 4,
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The stream for one purpose of one trial.
    #[must_use]
    pub fn new(seed: u64, purpose: Purpose, number: u64) -> Self {
        let mut mixer = SplitMix(seed);
        // Each part is mixed in before the next, so that (1, 2) and (2, 1) have nothing in common.
        let mut mixer = SplitMix(mixer.next() ^ purpose as u64);
        let mut mixer = SplitMix(mixer.next() ^ number);
        Self {
            state: std::array::from_fn(|_| mixer.next()),
        }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [s0, s1, s2, s3] = self.state;
        let result = s0.wrapping_add(s3).rotate_left(23).wrapping_add(s0);
        let mut state = [s0, s1, s2 ^ s0, s3 ^ s1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= s1 << 17;
        state[3] = state[3].rotate_left(45);
        self.state = state;
        result
    }

    /// A number in [0, 1), a multiple of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// An integer in 0..`count`. `count` must not be 0.
    pub fn below(&mut self, count: usize) -> usize {
        // The product's high half; the bias is below count / 2⁶⁴ (Lemire, "Fast random integer generation", 2019).
        ((u128::from(self.next_u64()) * count as u128) >> 64) as usize
    }

    /// A standard normal number, by the inverse of the distribution: one draw each.
    pub fn normal(&mut self) -> f64 {
        // Never 0, whose inverse is −∞.
        normal::quantile(self.unit() + f64::EPSILON / 4.0)
    }

    /// An index with a probability in proportion to its weight. The weights are not negative, and one of them is positive.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut rest = self.unit() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            rest -= weight;
            if rest < 0.0 {
                return index;
            }
        }
        // Rounding has left something: the last one that is possible at all.
        weights
            .iter()
            .rposition(|weight| *weight > 0.0)
            .unwrap_or(0)
    }
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_those_of_the_reference() {
        // The first outputs of the authors' C code for the state 1, 2, 3, 4.
        let mut random = Random {
            state: [1, 2, 3, 4],
        };
        let expected = [41_943_041, 58_720_359, 3_588_806_011_781_223];
        assert_eq!(
            [random.next_u64(), random.next_u64(), random.next_u64()],
            expected
        );
    }

    #[test]
    fn streams_of_neighbours_differ() {
        let first = |seed, purpose, number| Random::new(seed, purpose, number).next_u64();
        let all = [
            first(0, Purpose::Sampling, 0),
            first(0, Purpose::Sampling, 1),
            first(1, Purpose::Sampling, 0),
            first(0, Purpose::Model, 0),
            first(0, Purpose::Model, 1),
        ];
        for (index, value) in all.iter().enumerate() {
            assert!(!all[..index].contains(value));
        }
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut random = Random::new(1, Purpose::Sampling, 0);
        let count = 200_000;
        let (mut sum, mut squares, mut units) = (0.0, 0.0, 0.0);
        let mut counts = [0_usize; 3];
        for _ in 0..count {
            let normal = random.normal();
            sum += normal;
            squares += normal * normal;
            units += random.unit();
            counts[random.weighted(&[1.0, 0.0, 3.0])] += 1;
        }
        let count = f64::from(count);
        // Five standard errors.
        assert!((sum / count).abs() < 5.0 / count.sqrt());
        assert!((squares / count - 1.0).abs() < 5.0 * (2.0 / count).sqrt());
        assert!((units / count - 0.5).abs() < 5.0 * (1.0 / 12.0 / count).sqrt());
        assert_eq!(counts[1], 0);
        assert!((counts[0] as f64 / count - 0.25).abs() < 5.0 * (0.25 * 0.75 / count).sqrt());
    }
}
