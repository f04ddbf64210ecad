//! Amounts of a resource in fixed point, so that a thousand tenths are exactly a hundred.

use std::fmt;

/// An amount of one resource, in steps of 1/10,000 (Ray's precision). Never negative.
///
/// The unit is the resource's own: cores for `CPU`, devices for `GPU`, bytes for `memory`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i64);

/// Why a number is not a [`Quantity`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InvalidQuantity {
    /// The number is NaN or infinite.
    NotFinite(f64),
    /// The number is below zero.
    Negative(f64),
    /// The number is above [`Quantity::MAX`].
    TooLarge(f64),
}

impl Quantity {
    /// Steps in one whole unit.
    pub const STEPS_PER_UNIT: i64 = 10_000;
    /// Nothing.
    pub const ZERO: Quantity = Quantity(0);
    /// One whole unit.
    pub const ONE: Quantity = Quantity(Self::STEPS_PER_UNIT);
    /// The largest quantity: 10^14 units, 100 TB of memory. No machine has as much of anything, and
    /// two of them add up without overflow.
    pub const MAX: Quantity = Quantity(100_000_000_000_000 * Self::STEPS_PER_UNIT);

    /// The quantity nearest to `value`; what is finer than 1/10,000 is rounded.
    ///
    /// # Errors
    /// Refuses what is negative, not a number, infinite, or above [`Quantity::MAX`].
    pub fn from_f64(value: f64) -> Result<Quantity, InvalidQuantity> {
        if !value.is_finite() {
            return Err(InvalidQuantity::NotFinite(value));
        }
        if value < 0.0 {
            return Err(InvalidQuantity::Negative(value));
        }
        if value > Self::MAX.to_f64() {
            return Err(InvalidQuantity::TooLarge(value));
        }
        // Whole and fraction apart: multiplying first would lose the last bytes of a large memory.
        let whole = value.trunc() as i64;
        let steps = (value.fract() * Self::STEPS_PER_UNIT as f64).round() as i64;
        Ok(Quantity(whole * Self::STEPS_PER_UNIT + steps).min(Self::MAX))
    }

    /// `units` whole units; more than [`Quantity::MAX`] becomes [`Quantity::MAX`].
    pub fn from_units(units: u64) -> Quantity {
        let most = (Self::MAX.0 / Self::STEPS_PER_UNIT) as u64;
        Quantity(units.min(most) as i64 * Self::STEPS_PER_UNIT)
    }

    /// `steps` of 1/10,000; `None` when negative or above [`Quantity::MAX`].
    pub fn from_steps(steps: i64) -> Option<Quantity> {
        (0..=Self::MAX.0)
            .contains(&steps)
            .then_some(Quantity(steps))
    }

    /// The quantity in steps of 1/10,000.
    pub fn steps(self) -> i64 {
        self.0
    }

    /// The quantity as a number, the nearest there is.
    pub fn to_f64(self) -> f64 {
        const EXACT: i64 = 1 << 53;
        if self.0 < EXACT {
            self.0 as f64 / Self::STEPS_PER_UNIT as f64
        } else {
            let whole = (self.0 / Self::STEPS_PER_UNIT) as f64;
            whole + (self.0 % Self::STEPS_PER_UNIT) as f64 / Self::STEPS_PER_UNIT as f64
        }
    }

    /// Whole units in it, rounded down.
    pub fn whole_units(self) -> u64 {
        (self.0 / Self::STEPS_PER_UNIT) as u64
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether it is a whole number of units.
    pub fn is_whole(self) -> bool {
        self.0 % Self::STEPS_PER_UNIT == 0
    }

    /// The sum; `None` above [`Quantity::MAX`].
    pub fn checked_add(self, other: Quantity) -> Option<Quantity> {
        Self::from_steps(self.0 + other.0)
    }

    /// The difference; `None` below zero.
    pub fn checked_sub(self, other: Quantity) -> Option<Quantity> {
        Self::from_steps(self.0 - other.0)
    }

    /// The sum, at most [`Quantity::MAX`].
    pub fn saturating_add(self, other: Quantity) -> Quantity {
        Quantity((self.0 + other.0).min(Self::MAX.0))
    }

    /// The difference, at least zero.
    pub fn saturating_sub(self, other: Quantity) -> Quantity {
        Quantity((self.0 - other.0).max(0))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.to_f64())
    }
}

impl fmt::Display for InvalidQuantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidQuantity::NotFinite(value) => {
                write!(formatter, "{value} is not a finite number")
            }
            InvalidQuantity::Negative(value) => write!(formatter, "{value} is negative"),
            InvalidQuantity::TooLarge(value) => {
                write!(
                    formatter,
                    "{value} is above the largest quantity, {}",
                    Quantity::MAX
                )
            }
        }
    }
}

impl std::error::Error for InvalidQuantity {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finer_than_the_precision_is_rounded() {
        assert_eq!(Quantity::from_f64(0.5).unwrap().steps(), 5_000);
        assert_eq!(Quantity::from_f64(0.00004).unwrap(), Quantity::ZERO);
        assert_eq!(Quantity::from_f64(0.00005).unwrap().steps(), 1);
        assert_eq!(Quantity::from_f64(0.99999).unwrap(), Quantity::ONE);
        assert_eq!(Quantity::from_f64(-0.0).unwrap(), Quantity::ZERO);
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        assert!(matches!(
            Quantity::from_f64(f64::NAN),
            Err(InvalidQuantity::NotFinite(_))
        ));
        assert!(matches!(
            Quantity::from_f64(f64::INFINITY),
            Err(InvalidQuantity::NotFinite(_))
        ));
        assert!(matches!(
            Quantity::from_f64(-0.1),
            Err(InvalidQuantity::Negative(_))
        ));
        assert!(matches!(
            Quantity::from_f64(1e15),
            Err(InvalidQuantity::TooLarge(_))
        ));
        assert_eq!(Quantity::from_f64(1e14).unwrap(), Quantity::MAX);
    }

    #[test]
    fn the_bytes_of_a_large_memory_stay_exact() {
        let bytes: u64 = 17_592_186_044_415;
        let quantity = Quantity::from_f64(bytes as f64).unwrap();
        assert_eq!(quantity, Quantity::from_units(bytes));
        assert_eq!(quantity.to_f64(), bytes as f64);
    }

    #[test]
    fn arithmetic_refuses_to_leave_its_range() {
        assert_eq!(Quantity::ONE.checked_sub(Quantity::MAX), None);
        assert_eq!(Quantity::MAX.checked_add(Quantity::ONE), None);
        assert_eq!(Quantity::MAX.saturating_add(Quantity::ONE), Quantity::MAX);
        assert_eq!(Quantity::ZERO.saturating_sub(Quantity::ONE), Quantity::ZERO);
    }

    proptest! {
        #[test]
        fn every_step_survives_the_way_through_a_number(steps in 0..=Quantity::MAX.steps()) {
            // Below 2^39 units neighbouring doubles are closer than half a step; at 10^14 units they are 156 steps apart.
            let quantity = Quantity::from_steps(steps).unwrap();
            let back = Quantity::from_f64(quantity.to_f64()).unwrap();
            let tolerance = if steps < (1 << 39) * Quantity::STEPS_PER_UNIT { 0 } else { 79 };
            prop_assert!((back.steps() - steps).abs() <= tolerance);
        }

        #[test]
        fn what_was_added_can_be_taken_away(left in 0i64..1 << 60, right in 0i64..1 << 60) {
            let (left, right) = (left % Quantity::MAX.steps(), right % Quantity::MAX.steps());
            let left = Quantity::from_steps(left).unwrap();
            let right = Quantity::from_steps(right).unwrap();
            if let Some(sum) = left.checked_add(right) {
                prop_assert_eq!(sum.checked_sub(right), Some(left));
            }
        }
    }
}
