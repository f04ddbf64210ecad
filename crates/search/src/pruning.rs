//! The arithmetic of those who stop trials: percentiles, and the test whether one trial is worse than another.
//!
//! Owns: numbers from numbers. Is not: a decision, or a memory of who has reported what; schedulers have these.

use crate::normal::mass_below;

/// The test is exact up to so many differences, if all of them differ and none is 0.
const EXACT_MAX: usize = 50;

/// The test is exact up to so many differences, if some of them are equal or 0.
const EXACT_WITH_TIES_MAX: usize = 13;

/// The value that so many percent lie below, between two neighbours in proportion; what is no number does not count. NaN if nothing
/// does.
///
/// NumPy's `nanpercentile` with `method="linear"`. Where one neighbour is infinite and the percentile is the other one, that one is the
/// result; NumPy has NaN there.
#[must_use]
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| !value.is_nan())
        .collect();
    if sorted.is_empty() {
        return f64::NAN;
    }
    sorted.sort_unstable_by(f64::total_cmp);
    let last = sorted.len() - 1;
    let place = (last as f64 * (percent / 100.0)).clamp(0.0, last as f64);
    let before = place.floor() as usize;
    let (a, b) = (sorted[before], sorted[(before + 1).min(last)]);
    let share = place - before as f64;
    if share == 0.0 || a == b {
        a
    } else if share < 0.5 {
        a + (b - a) * share
    } else {
        // From the nearer end, as NumPy does: so it comes out as that end and not beside it.
        b - (b - a) * (1.0 - share)
    }
}

/// What speaks against it that differences lie around 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alternative {
    /// They are rather below.
    Less,
    /// They are rather above.
    Greater,
    /// Either.
    TwoSided,
}

/// How likely differences of pairs are at least so far off if there is no difference: Wilcoxon's signed-rank test. NaN if there are none,
/// or one is no number.
///
/// Wilcoxon, "Individual comparisons by ranking methods", 1945. SciPy 1.17's `wilcoxon(differences, zero_method="zsplit",
/// alternative=…, method="auto")`, with which Optuna's `WilcoxonPruner` decides: half of the ranks of zeros is on either side; up to 50
/// differences the distribution of the sum of ranks is the exact one, with ties or zeros up to 13, and otherwise a normal one.
#[must_use]
pub fn wilcoxon(differences: &[f64], alternative: Alternative) -> f64 {
    if differences.is_empty() || differences.iter().any(|difference| difference.is_nan()) {
        return f64::NAN;
    }
    let ranks = Ranks::new(differences);
    let exact_max = if ranks.has_ties || ranks.of_zeros > 0.0 {
        EXACT_WITH_TIES_MAX
    } else {
        EXACT_MAX
    };
    let (below, above) = if differences.len() <= exact_max {
        ranks.exact_tails()
    } else {
        ranks.normal_tails()
    };
    match alternative {
        Alternative::Less => below,
        Alternative::Greater => above,
        Alternative::TwoSided => (2.0 * below.min(above)).min(1.0),
    }
}

/// The ranks of differences by their size; equal ones share the mean of theirs.
struct Ranks {
    /// Of all but the zeros, doubled: so they are whole.
    doubled: Vec<usize>,
    /// The sum of those of the differences above 0, doubled.
    positive: usize,
    /// The sum of those of the zeros.
    of_zeros: f64,
    has_ties: bool,
    /// Σ t³ − t, over all sets of t equal ones.
    ties: f64,
    count: f64,
}

impl Ranks {
    fn new(differences: &[f64]) -> Self {
        let mut sorted = differences.to_vec();
        sorted.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
        let mut ranks = Self {
            doubled: Vec::with_capacity(sorted.len()),
            positive: 0,
            of_zeros: 0.0,
            has_ties: false,
            ties: 0.0,
            count: sorted.len() as f64,
        };
        let mut before = 0;
        for equal in sorted.chunk_by(|a, b| a.abs() == b.abs()) {
            let count = equal.len();
            // The first has the rank `before` + 1, the last one `before` + `count`.
            let doubled = 2 * before + 1 + count;
            before += count;
            ranks.has_ties |= count > 1;
            ranks.ties += (count as f64).powi(3) - count as f64;
            if equal[0] == 0.0 {
                ranks.of_zeros = (doubled * count) as f64 / 2.0;
                continue;
            }
            ranks.doubled.extend(std::iter::repeat_n(doubled, count));
            ranks.positive += doubled * equal.iter().filter(|each| **each > 0.0).count();
        }
        ranks
    }

    /// How likely the sum of positive ranks is at most what it is, and at least, if each sign is a coin. Zeros have none.
    fn exact_tails(&self) -> (f64, f64) {
        let mut shares = vec![1.0];
        for rank in &self.doubled {
            let mut next = vec![0.0; shares.len() + rank];
            for (sum, share) in shares.iter().enumerate() {
                next[sum] += share / 2.0;
                next[sum + rank] += share / 2.0;
            }
            shares = next;
        }
        let below: f64 = shares[..=self.positive].iter().sum();
        let above: f64 = shares[self.positive..].iter().sum();
        (below.min(1.0), above.min(1.0))
    }

    /// The same by a normal distribution with its mean and variance.
    fn normal_tails(&self) -> (f64, f64) {
        let count = self.count;
        let sum = (self.positive as f64 + self.of_zeros) / 2.0;
        let mean = count * (count + 1.0) / 4.0;
        let variance = (count * (count + 1.0) * (2.0 * count + 1.0) - self.ties / 2.0) / 24.0;
        let distance = (sum - mean) / variance.sqrt();
        (mass_below(distance), mass_below(-distance))
    }
}
