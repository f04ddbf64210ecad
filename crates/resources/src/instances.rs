//! Resources whose single pieces matter: a task that asks for one GPU must be told which.

use crate::quantity::Quantity;

/// A part of one GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuShare {
    /// Which GPU, counted from 0 in the order of the node's list.
    pub index: usize,
    /// How much of it, at most one.
    pub quantity: Quantity,
}

/// What is left of each GPU of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instances {
    capacity: Vec<Quantity>,
    remaining: Vec<Quantity>,
}

impl Instances {
    /// One instance for each whole unit of `total`, and one of the rest when it is not whole.
    pub fn new(total: Quantity) -> Instances {
        let mut capacity = vec![Quantity::ONE; total.whole_units() as usize];
        let whole = Quantity::from_units(total.whole_units());
        let rest = total.saturating_sub(whole);
        if !rest.is_zero() {
            capacity.push(rest);
        }
        Instances {
            remaining: capacity.clone(),
            capacity,
        }
    }

    /// How many instances there are.
    pub fn count(&self) -> usize {
        self.capacity.len()
    }

    /// What is left of each, in order.
    pub fn remaining(&self) -> &[Quantity] {
        &self.remaining
    }

    /// How many are entirely free and whole.
    pub fn whole_free(&self) -> Quantity {
        let free = self
            .remaining
            .iter()
            .filter(|remaining| **remaining == Quantity::ONE)
            .count();
        Quantity::from_units(free as u64)
    }

    /// The most that a single instance still has.
    pub fn largest_free(&self) -> Quantity {
        self.remaining.iter().copied().max().unwrap_or_default()
    }

    /// Whether `quantity` has a form that instances can serve: below one, or whole.
    pub fn is_servable_form(quantity: Quantity) -> bool {
        quantity < Quantity::ONE || quantity.is_whole()
    }

    /// Takes `quantity`: below one, a part of the most used instance that still has as much, so that whole
    /// ones stay whole; otherwise that many entirely free instances. `None`, with nothing taken,
    /// when they are not there or the quantity is neither below one nor whole.
    pub fn allocate(&mut self, quantity: Quantity) -> Option<Vec<GpuShare>> {
        if quantity.is_zero() {
            return Some(Vec::new());
        }
        if quantity < Quantity::ONE {
            let index = (0..self.remaining.len())
                .filter(|index| self.remaining[*index] >= quantity)
                .min_by_key(|index| self.remaining[*index])?;
            self.remaining[index] = self.remaining[index].saturating_sub(quantity);
            return Some(vec![GpuShare { index, quantity }]);
        }
        if !quantity.is_whole() || self.whole_free() < quantity {
            return None;
        }
        let free: Vec<usize> = (0..self.remaining.len())
            .filter(|index| self.remaining[*index] == Quantity::ONE)
            .take(quantity.whole_units() as usize)
            .collect();
        for index in &free {
            self.remaining[*index] = Quantity::ZERO;
        }
        Some(
            free.into_iter()
                .map(|index| GpuShare {
                    index,
                    quantity: Quantity::ONE,
                })
                .collect(),
        )
    }

    /// Gives shares back.
    pub fn release(&mut self, shares: &[GpuShare]) {
        for share in shares {
            let remaining = self.remaining[share.index].saturating_add(share.quantity);
            debug_assert!(
                remaining <= self.capacity[share.index],
                "RS-4: a GPU share was released twice"
            );
            self.remaining[share.index] = remaining.min(self.capacity[share.index]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quantity(value: f64) -> Quantity {
        Quantity::from_f64(value).unwrap()
    }

    fn share(index: usize, value: f64) -> GpuShare {
        GpuShare {
            index,
            quantity: quantity(value),
        }
    }

    #[test]
    fn fractions_share_one_gpu_and_leave_the_others_whole() {
        let mut gpus = Instances::new(quantity(2.0));
        assert_eq!(gpus.allocate(quantity(0.5)), Some(vec![share(0, 0.5)]));
        assert_eq!(gpus.allocate(quantity(0.25)), Some(vec![share(0, 0.25)]));
        assert_eq!(gpus.allocate(quantity(1.0)), Some(vec![share(1, 1.0)]));
        assert_eq!(gpus.allocate(quantity(0.5)), None);
        assert_eq!(gpus.allocate(quantity(0.25)), Some(vec![share(0, 0.25)]));
    }

    #[test]
    fn the_best_fit_is_the_most_used_one_that_still_has_enough() {
        let mut gpus = Instances::new(quantity(3.0));
        let first = gpus.allocate(quantity(0.9)).unwrap();
        let second = gpus.allocate(quantity(0.6)).unwrap();
        assert_eq!((first[0].index, second[0].index), (0, 1));
        assert_eq!(gpus.allocate(quantity(0.3)), Some(vec![share(1, 0.3)]));
        assert_eq!(gpus.allocate(quantity(0.1)), Some(vec![share(0, 0.1)]));
    }

    #[test]
    fn halves_of_two_gpus_are_no_whole_gpu() {
        let mut gpus = Instances::new(quantity(2.0));
        let first = gpus.allocate(quantity(0.6)).unwrap();
        gpus.allocate(quantity(0.6)).unwrap();
        assert_eq!(gpus.allocate(quantity(0.8)), None);
        assert_eq!(gpus.allocate(quantity(1.0)), None);
        gpus.release(&first);
        assert_eq!(gpus.allocate(quantity(1.0)), Some(vec![share(0, 1.0)]));
    }

    #[test]
    fn above_one_must_be_whole() {
        let mut gpus = Instances::new(quantity(4.0));
        assert_eq!(gpus.allocate(quantity(1.5)), None);
        assert_eq!(gpus.allocate(quantity(4.0)).unwrap().len(), 4);
    }

    proptest! {
        #[test]
        fn shares_add_up_and_come_back(
            count in 0u64..5,
            steps in proptest::collection::vec((1i64..40_000, any::<bool>()), 0..40),
        ) {
            let mut gpus = Instances::new(Quantity::from_units(count));
            let fresh = gpus.clone();
            let mut held: Vec<Vec<GpuShare>> = Vec::new();
            for (steps, release_one) in steps {
                if release_one && !held.is_empty() {
                    let shares = held.swap_remove(steps as usize % held.len());
                    gpus.release(&shares);
                    continue;
                }
                let wanted = Quantity::from_steps(steps).unwrap();
                let before = gpus.clone();
                match gpus.allocate(wanted) {
                    Some(shares) => {
                        let sum = shares.iter().fold(Quantity::ZERO, |sum, share| sum.saturating_add(share.quantity));
                        prop_assert_eq!(sum, wanted);
                        held.push(shares);
                    }
                    None => {
                        prop_assert_eq!(&gpus, &before);
                        if wanted < Quantity::ONE {
                            prop_assert!(wanted > gpus.largest_free());
                        } else if wanted.is_whole() {
                            prop_assert!(wanted > gpus.whole_free());
                        }
                    }
                }
            }
            for shares in held {
                gpus.release(&shares);
            }
            prop_assert_eq!(gpus, fresh);
        }
    }
}
