//! What one parameter can be, as searchers see it: numbers. Names, choices' values and the shape of a config are the
//! matter of whoever asks.

use crate::normal;

/// So many standard deviations from the mean a normal parameter is cut off.
pub const NORMAL_CUT: f64 = 10.0;

/// The values of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Domain {
    /// A float from `low` up to, and without, `high`; with `is_log` as likely in each octave.
    Float {
        /// The least value; positive with `is_log`.
        low: f64,
        /// Above `low`.
        high: f64,
        /// Whether distances are those of the logarithms.
        is_log: bool,
    },
    /// The multiples of `step` from `first` · `step` to `last` · `step`, both included. Integers have the step 1.
    Stepped {
        /// The least multiple; with `is_log`, above half a step.
        first: i64,
        /// The greatest multiple.
        last: i64,
        /// Positive.
        step: f64,
        /// Digits behind the point of a multiple, so that 3 · 0.1 is 0.3.
        digits: u8,
        /// Whether distances are those of the logarithms.
        is_log: bool,
    },
    /// A float with a normal distribution, cut off at [`NORMAL_CUT`] standard deviations.
    Normal {
        /// Its centre.
        mean: f64,
        /// Its standard deviation, positive.
        sd: f64,
    },
    /// One of so many choices that have no order: their indices.
    Categorical {
        /// How many there are, at least one.
        count: usize,
    },
}

impl Domain {
    /// The integers from `first` to `last`, both included.
    #[must_use]
    pub const fn integers(first: i64, last: i64, is_log: bool) -> Self {
        Self::Stepped {
            first,
            last,
            step: 1.0,
            digits: 0,
            is_log,
        }
    }

    /// True if there is nothing to choose.
    #[must_use]
    pub fn is_single(&self) -> bool {
        match *self {
            Self::Float { low, high, .. } => low.next_up() >= high,
            Self::Stepped { first, last, .. } => first == last,
            Self::Normal { .. } => false,
            Self::Categorical { count } => count == 1,
        }
    }

    /// The value below which the share `unit` (in [0, 1)) of the distribution lies: how searchers that are not adaptive fill
    /// a domain. Integers, multiples and choices have equal parts; logarithmic ones are cut at half steps, as in Optuna.
    #[must_use]
    pub fn quantile(&self, unit: f64) -> f64 {
        match *self {
            Self::Float { is_log, .. } => {
                let (low, high) = self.bounds();
                let value = low + unit * (high - low);
                self.nearest(if is_log { value.exp() } else { value })
            }
            Self::Stepped {
                first,
                last,
                is_log,
                ..
            } => {
                if is_log {
                    let (low, high) = self.bounds();
                    return self.nearest((low + unit * (high - low)).exp());
                }
                let count = (last - first + 1) as f64;
                self.multiple(first + ((unit * count) as i64).min(last - first))
            }
            Self::Normal { mean, sd } => {
                mean + sd * normal::quantile_between(unit, -NORMAL_CUT, NORMAL_CUT)
            }
            Self::Categorical { count } => ((unit * count as f64) as usize).min(count - 1) as f64,
        }
    }

    /// The value of the domain that is nearest to a number.
    #[must_use]
    pub fn nearest(&self, value: f64) -> f64 {
        match *self {
            // `high` itself belongs to the domain no more.
            Self::Float { low, high, .. } => value.clamp(low, high.next_down().max(low)),
            Self::Stepped {
                first, last, step, ..
            } => self.multiple(((value / step).round() as i64).clamp(first, last)),
            Self::Normal { mean, sd } => {
                value.clamp(mean - NORMAL_CUT * sd, mean + NORMAL_CUT * sd)
            }
            Self::Categorical { count } => value.clamp(0.0, (count - 1) as f64).round(),
        }
    }

    /// True for what the domain holds, up to rounding.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        match *self {
            Self::Float { low, high, .. } => (low..=high).contains(&value),
            Self::Stepped { step, .. } => (self.nearest(value) - value).abs() <= step * 1e-9,
            Self::Normal { .. } | Self::Categorical { .. } => self.nearest(value) == value,
        }
    }

    /// A value on the scale on which distances are measured.
    #[must_use]
    pub fn scaled(&self, value: f64) -> f64 {
        if self.is_log() { value.ln() } else { value }
    }

    /// The value at a place of that scale: the nearest one that the domain has.
    #[must_use]
    pub fn unscaled(&self, place: f64) -> f64 {
        self.nearest(if self.is_log() { place.exp() } else { place })
    }

    /// The ends of that scale. Multiples fill it from half a step before the first to half a step behind the last; choices
    /// have none.
    #[must_use]
    pub fn bounds(&self) -> (f64, f64) {
        match *self {
            Self::Float { low, high, .. } => (self.scaled(low), self.scaled(high)),
            Self::Stepped {
                first, last, step, ..
            } => (
                self.scaled(self.multiple(first) - step / 2.0),
                self.scaled(self.multiple(last) + step / 2.0),
            ),
            Self::Normal { mean, sd } => (mean - NORMAL_CUT * sd, mean + NORMAL_CUT * sd),
            Self::Categorical { count } => (0.0, (count - 1) as f64),
        }
    }

    /// The distance of two neighbours, if there are such.
    #[must_use]
    pub fn step(&self) -> Option<f64> {
        match *self {
            Self::Stepped { step, .. } => Some(step),
            _ => None,
        }
    }

    fn is_log(&self) -> bool {
        matches!(
            self,
            Self::Float { is_log: true, .. } | Self::Stepped { is_log: true, .. }
        )
    }

    /// `index` · `step`, as one would write it: never by adding up.
    fn multiple(&self, index: i64) -> f64 {
        let Self::Stepped { step, digits, .. } = *self else {
            return index as f64;
        };
        let product = index as f64 * step;
        if digits == 0 {
            return product;
        }
        // The shortest text with so many digits is that of the number that was meant.
        format!("{product:.*}", usize::from(digits))
            .parse()
            .unwrap_or(product)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn domains() -> impl Strategy<Value = Domain> {
        prop_oneof![
            (-1e6..1e6_f64, 1e-6..1e6_f64).prop_map(|(low, range)| Domain::Float {
                low,
                high: low + range,
                is_log: false
            }),
            (1e-9..1e3_f64, 1.1..1e6_f64).prop_map(|(low, factor)| Domain::Float {
                low,
                high: low * factor,
                is_log: true
            }),
            (-1_000..1_000_i64, 0..1_000_i64).prop_map(|(first, more)| Domain::Stepped {
                first,
                last: first + more,
                step: 0.1,
                digits: 1,
                is_log: false
            }),
            (1..1_000_i64, 0..1_000_i64).prop_map(|(first, more)| Domain::integers(
                first,
                first + more,
                true
            )),
            (-1e3..1e3_f64, 1e-3..1e3_f64).prop_map(|(mean, sd)| Domain::Normal { mean, sd }),
            (1..100_usize).prop_map(|count| Domain::Categorical { count }),
        ]
    }

    proptest! {
        #[test]
        fn quantiles_are_in_the_domain_and_rise(domain in domains(), a in 0.0..1.0_f64, b in 0.0..1.0_f64) {
            let (smaller, larger) = (domain.quantile(a.min(b)), domain.quantile(a.max(b)));
            prop_assert!(domain.contains(smaller), "{domain:?} {smaller}");
            prop_assert!(smaller <= larger);
            let (low, high) = domain.bounds();
            prop_assert!((low..=high).contains(&domain.scaled(smaller)));
            prop_assert!((domain.unscaled(domain.scaled(smaller)) - smaller).abs() <= 1e-9 * (1.0 + smaller.abs()));
        }
    }

    #[test]
    fn multiples_are_written_as_one_would() {
        let tenths = Domain::Stepped {
            first: -3,
            last: 10,
            step: 0.1,
            digits: 1,
            is_log: false,
        };
        assert_eq!(tenths.nearest(0.31), 0.3);
        assert_eq!(tenths.nearest(-9.0), -0.3);
        assert_eq!(tenths.quantile(0.999_999), 1.0);
        assert_eq!(tenths.quantile(0.0), -0.3);
    }

    #[test]
    fn all_integers_have_equal_parts() {
        let domain = Domain::integers(3, 6, false);
        let counts = (0..4_000).fold([0; 4], |mut counts, at| {
            counts[domain.quantile(f64::from(at) / 4_000.0) as usize - 3] += 1;
            counts
        });
        assert_eq!(counts, [1_000; 4]);
    }

    #[test]
    fn logarithmic_integers_are_cut_at_half_steps() {
        let domain = Domain::integers(1, 2, true);
        // ln 1.5 lies at (ln 1.5 − ln 0.5) / (ln 2.5 − ln 0.5) of the scale.
        let cut = (1.5_f64 / 0.5).ln() / (2.5_f64 / 0.5).ln();
        assert_eq!(domain.quantile(cut - 1e-9), 1.0);
        assert_eq!(domain.quantile(cut + 1e-9), 2.0);
    }

    #[test]
    fn the_end_of_a_range_is_no_value() {
        let domain = Domain::Float {
            low: 0.0,
            high: 1.0,
            is_log: false,
        };
        assert!(domain.quantile(1.0_f64.next_down()) < 1.0);
        assert!(domain.nearest(7.0) < 1.0);
    }
}
