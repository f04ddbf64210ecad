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
        /// Whoever tries a value rounds it to a multiple of this, if there is one. Searchers don't.
        rounding: Option<f64>,
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

    /// True if there is nothing to choose, or nothing that a model could tell apart: the ends are the same float on the scale on
    /// which distances are measured, or so far from each other that their distance is none. What has several values all the same
    /// is drawn by [`Self::quantile`].
    #[must_use]
    pub fn is_single(&self) -> bool {
        let has_one = match *self {
            Self::Float { low, high, .. } => low.next_up() >= high,
            Self::Stepped { first, last, .. } => first == last,
            // Models look at less than the whole of it.
            Self::Normal { mean, sd, .. } => mean - sd >= mean + sd,
            Self::Categorical { count } => return count == 1,
        };
        has_one || !self.has_width()
    }

    /// The value below which the share `unit` (in [0, 1)) of the distribution lies: how searchers that are not adaptive fill
    /// a domain. Integers, multiples and choices have equal parts; logarithmic ones are cut at half steps, as in Optuna.
    #[must_use]
    pub fn quantile(&self, unit: f64) -> f64 {
        match *self {
            // Where the logarithms are the same, the values are not; two ends whose distance is no number lie on both sides of 0.
            Self::Float { low, high, .. } if !self.has_width() => {
                self.nearest(if (high - low).is_finite() {
                    low + unit * (high - low)
                } else {
                    low * (1.0 - unit) + high * unit
                })
            }
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
                if is_log && self.has_width() {
                    let (low, high) = self.bounds();
                    return self.nearest((low + unit * (high - low)).exp());
                }
                let count = (last - first + 1) as f64;
                self.multiple(first + ((unit * count) as i64).min(last - first))
            }
            Self::Normal { mean, sd, .. } => {
                let value = mean + sd * normal::quantile_between(unit, -NORMAL_CUT, NORMAL_CUT);
                value.clamp(f64::MIN, f64::MAX)
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
            Self::Normal { .. } => {
                let (low, high) = self.bounds();
                value.clamp(low, high).clamp(f64::MIN, f64::MAX)
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

    /// Whether a config that has this value has what was proposed, up to rounding.
    #[must_use]
    pub fn is_same(&self, proposed: f64, value: f64) -> bool {
        let tolerance = match *self {
            Self::Normal {
                rounding: Some(step),
                ..
            } => step * (0.5 + 1e-9),
            Self::Stepped { step, .. } => step * 1e-9,
            _ => proposed.abs() * 1e-12,
        };
        (proposed - value).abs() <= tolerance
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
            Self::Normal { mean, sd, .. } => (mean - NORMAL_CUT * sd, mean + NORMAL_CUT * sd),
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

    /// Whether its ends have a distance that is a number above 0.
    fn has_width(&self) -> bool {
        let (low, high) = self.bounds();
        high > low && (high - low).is_finite()
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
            (-1e3..1e3_f64, 1e-3..1e3_f64).prop_map(|(mean, sd)| Domain::Normal {
                mean,
                sd,
                rounding: None
            }),
            (0..narrow_and_wide().len()).prop_map(|at| narrow_and_wide()[at].clone()),
            (1..100_usize).prop_map(|count| Domain::Categorical { count }),
        ]
    }

    /// Those whose ends are the same on the scale of the logarithms, or whose width is no number.
    fn narrow_and_wide() -> [Domain; 5] {
        [
            Domain::Float {
                low: 1e10,
                high: 1e10 * (1.0 + 1e-15),
                is_log: true,
            },
            Domain::integers((1 << 53) - 10, (1 << 53) - 1, true),
            Domain::Float {
                low: -1e308,
                high: 1.5e308,
                is_log: false,
            },
            Domain::Normal {
                mean: 1e308,
                sd: 1e308,
                rounding: None,
            },
            Domain::Normal {
                mean: 1e300,
                sd: 1.0,
                rounding: None,
            },
        ]
    }

    #[test]
    fn what_no_model_could_tell_apart_is_single_and_drawn_all_the_same() {
        for domain in narrow_and_wide() {
            assert!(domain.is_single(), "{domain:?}");
            let drawn: Vec<f64> = (0..1_000)
                .map(|at| domain.quantile(f64::from(at) / 1_000.0))
                .collect();
            assert!(
                drawn
                    .iter()
                    .all(|value| value.is_finite() && domain.contains(*value)),
                "{domain:?}"
            );
            assert!(drawn.is_sorted());
            let mut different = drawn;
            different.dedup();
            let values = match domain {
                Domain::Stepped { first, last, .. } => (last - first + 1) as usize,
                Domain::Float { is_log: false, .. } => 1_000,
                // As many floats as there are from 10¹⁰ to its end.
                Domain::Float { low, high, .. } => ((high - low) / (low.next_up() - low)) as usize,
                Domain::Normal { sd, .. } if sd > 1.0 => 2,
                _ => 1,
            };
            assert!(different.len() >= values, "{domain:?}: {different:?}");
        }
    }

    #[test]
    fn rounding_changes_no_config() {
        let of = |rounding| Domain::Normal {
            mean: 0.0,
            sd: 1.0,
            rounding,
        };
        assert!(of(Some(0.5)).is_same(0.25, 0.5) && of(Some(0.5)).is_same(0.25, 0.0));
        assert!(!of(Some(0.5)).is_same(0.24, 0.5) && !of(None).is_same(0.25, 0.2501));
        let tenths = Domain::Stepped {
            first: -3,
            last: 10,
            step: 0.1,
            digits: 1,
            is_log: false,
        };
        assert!(tenths.is_same(0.3, 3.0 * 0.1) && !tenths.is_same(0.3, 0.4));
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
