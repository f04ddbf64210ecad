//! How a normal distribution, which has no ends, searches between two ends.
//!
//! Values behind an end are folded back, and near it the way is bent so that the fold is smooth: the end itself is the bottom of a
//! parabola. So what is best at an end is found there as anywhere else. To draw again whatever lies outside, as Optuna does, cuts off the
//! distribution at its best side: it shrinks before it gets there. pycma's `BoundTransform` does the same as this (Hansen).
//!
//! Invariants:
//! - WA-1 What comes out lies between the ends.
//! - WA-2 What is farther from both ends than the bend is wide stays as it is.

/// How wide the bend is on each side of an end, as a part of the range.
const BEND: f64 = 0.05;

/// The value between `low` and `high` for any one.
pub(super) fn folded(value: f64, low: f64, high: f64) -> f64 {
    let bend = BEND * (high - low);
    if (low + bend..=high - bend).contains(&value) {
        return value;
    }
    let length = high - low + 2.0 * bend;
    // There and back.
    let turn = (value - (low - bend)).rem_euclid(2.0 * length);
    let from_low = turn.min(2.0 * length - turn);
    let from_high = length - from_low;
    let bent = |from_end: f64| from_end * from_end / (4.0 * bend);
    let inside = if from_low < 2.0 * bend {
        low + bent(from_low)
    } else if from_high < 2.0 * bend {
        high - bent(from_high)
    } else {
        low - bend + from_low
    };
    inside.clamp(low, high)
}

/// One that is folded to this value.
pub(super) fn unfolded(value: f64, low: f64, high: f64) -> f64 {
    let bend = BEND * (high - low);
    let straight = |from_end: f64| (4.0 * bend * from_end.max(0.0)).sqrt() - bend;
    if value < low + bend {
        low + straight(value - low)
    } else if value > high - bend {
        high - straight(high - value)
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: [(f64, f64); 3] = [(0.0, 1.0), (-5.0, 5.0), (-2e-3, 7e6)];

    #[test]
    fn all_values_are_folded_between_the_ends() {
        for (low, high) in ENDS {
            for place in -1000..2000 {
                let value = low + f64::from(place) * 0.0037 * (high - low);
                let inside = folded(value, low, high);
                assert!((low..=high).contains(&inside), "{value} is {inside}");
            }
        }
    }

    #[test]
    fn what_is_not_near_an_end_stays_as_it_is() {
        for value in [0.05, 0.1, 1.0 / 3.0, 0.5, 0.95] {
            assert_eq!(folded(value, 0.0, 1.0), value);
        }
    }

    #[test]
    fn neighbours_stay_neighbours() {
        for place in -3000..3000 {
            let value = f64::from(place) / 1000.0;
            let apart = folded(value + 1e-3, 0.0, 1.0) - folded(value, 0.0, 1.0);
            assert!(apart.abs() <= 1e-3 + 1e-12, "{value}: {apart}");
        }
    }

    #[test]
    fn folding_undoes_unfolding() {
        for (low, high) in ENDS {
            for place in 0..=1000 {
                let value = low + f64::from(place) / 1000.0 * (high - low);
                let back = folded(unfolded(value, low, high), low, high);
                let distance = (back - value).abs() / (high - low);
                assert!(distance < 1e-12, "{value} became {back}");
            }
        }
    }
}
