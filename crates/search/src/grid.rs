//! Every config of a finite space, each once.
//!
//! Configs are numbered as nested loops make them, the parameter that is declared last varying fastest; what stands in a branch only
//! counts where the branch is chosen. Each is found by its number, so no list of them is made.

use std::sync::Arc;

use crate::domain::Domain;
use crate::history::History;
use crate::random::{Purpose, Random};
use crate::searcher::{Proposal, Searcher};
use crate::space::{Condition, ParameterIndex, Space, Values};

/// See the module.
#[derive(Debug)]
pub struct Grid {
    space: Arc<Space>,
    /// By parameter: how many ways there are for it and what depends on it.
    sizes: Vec<u128>,
    total: u128,
    order: Option<Shuffle>,
}

impl Grid {
    /// All configs of a space, in a random order if there is a seed.
    ///
    /// # Errors
    ///
    /// A parameter that has no finite number of values: its place.
    pub fn new(space: &Arc<Space>, seed: Option<u64>) -> Result<Self, ParameterIndex> {
        let is_endless =
            |domain: &Domain| matches!(domain, Domain::Float { .. } | Domain::Normal { .. });
        if let Some(index) = (0..space.len()).find(|index| is_endless(space.domain(*index))) {
            return Err(index);
        }
        let mut sizes = vec![0; space.len()];
        // What depends on a parameter is declared behind it.
        for index in (0..space.len()).rev() {
            if !has_branches(space, index) {
                sizes[index] = u128::from(choices(space.domain(index)));
                continue;
            }
            sizes[index] = (0..choices(space.domain(index)))
                .map(|choice| {
                    (index + 1..space.len())
                        .filter(|other| is_condition(space, *other, index, choice))
                        .fold(1_u128, |product, other| {
                            product.saturating_mul(sizes[other])
                        })
                })
                .fold(0_u128, u128::saturating_add);
        }
        let total = (0..space.len())
            .filter(|index| space.parameters()[*index].condition.is_none())
            .fold(1_u128, |product, index| {
                product.saturating_mul(sizes[index])
            });
        let order = seed.map(|seed| Shuffle::new(total, seed));
        Ok(Self {
            space: Arc::clone(space),
            sizes,
            total,
            order,
        })
    }

    /// How many configs there are.
    #[must_use]
    pub fn total(&self) -> u128 {
        self.total
    }

    fn values(&self, mut rest: u128) -> Values {
        let space = &self.space;
        let mut values = vec![f64::NAN; space.len()];
        for index in 0..space.len() {
            if !space.exists(index, &values) {
                continue;
            }
            if !has_branches(space, index) {
                // As many ways are behind each of its values.
                let domain = space.domain(index);
                let behind = self.ways_behind(index, &values);
                let choice = (rest / behind).min(u128::from(choices(domain)) - 1);
                values[index] = value(domain, choice as u64);
                rest -= choice * behind;
                continue;
            }
            for choice in 0..choices(space.domain(index)) {
                values[index] = value(space.domain(index), choice);
                let behind = self.ways_behind(index, &values);
                if rest < behind {
                    break;
                }
                rest -= behind;
            }
        }
        values
    }

    /// How many ways are left for the parameters behind one, where it and those before it have these values.
    fn ways_behind(&self, index: ParameterIndex, values: &[f64]) -> u128 {
        (index + 1..self.space.len())
            .filter(|other| {
                // Those of a choice that is still open are counted with it.
                let condition = self.space.parameters()[*other].condition;
                condition.is_none_or(|condition| condition.parameter <= index)
                    && self.space.exists(*other, values)
            })
            .fold(1_u128, |product, other| {
                product.saturating_mul(self.sizes[other])
            })
    }
}

impl Searcher for Grid {
    fn ask(&mut self, number: u64, _: &History) -> Proposal {
        let number = u128::from(number);
        if number >= self.total {
            return Proposal::Done;
        }
        let place = self
            .order
            .as_ref()
            .map_or(number, |order| order.place(number));
        Proposal::Values(self.values(place))
    }
}

/// Whether anything depends on a parameter.
fn has_branches(space: &Space, parameter: ParameterIndex) -> bool {
    space.parameters()[parameter + 1..].iter().any(|other| {
        other
            .condition
            .is_some_and(|condition| condition.parameter == parameter)
    })
}

fn is_condition(space: &Space, of: ParameterIndex, parameter: ParameterIndex, choice: u64) -> bool {
    let choice = choice as usize;
    space.parameters()[of].condition == Some(Condition { parameter, choice })
}

fn choices(domain: &Domain) -> u64 {
    match *domain {
        Domain::Stepped { first, last, .. } => (last - first + 1) as u64,
        Domain::Categorical { count } => count as u64,
        Domain::Float { .. } | Domain::Normal { .. } => 0,
    }
}

fn value(domain: &Domain, choice: u64) -> f64 {
    match *domain {
        Domain::Stepped { first, step, .. } => {
            domain.nearest((first + choice as i64) as f64 * step)
        }
        _ => choice as f64,
    }
}

/// A random order of the numbers below `total`, without a list of them: a Feistel network over the next power of four, followed until
/// it comes to a number below `total` (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
#[derive(Debug)]
struct Shuffle {
    total: u128,
    half_bits: u32,
    keys: [u64; 6],
}

impl Shuffle {
    fn new(total: u128, seed: u64) -> Self {
        let bits = u128::BITS - total.saturating_sub(1).leading_zeros();
        let mut random = Random::new(seed, Purpose::Sequence, 0);
        Self {
            total,
            half_bits: bits.div_ceil(2).max(1),
            keys: std::array::from_fn(|_| random.next_u64()),
        }
    }

    fn place(&self, number: u128) -> u128 {
        let mut place = number;
        loop {
            place = self.permuted(place);
            if place < self.total {
                return place;
            }
        }
    }

    fn permuted(&self, number: u128) -> u128 {
        let mask = (1_u128 << self.half_bits) - 1;
        let (mut left, mut right) = (number >> self.half_bits, number & mask);
        for key in self.keys {
            let mixed = Random::new(key, Purpose::Sequence, right as u64).next_u64();
            (left, right) = (right, (left ^ u128::from(mixed)) & mask);
        }
        left << self.half_bits | right
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::space::Parameter;

    fn all(grid: &mut Grid) -> Vec<Values> {
        let history = History::new(Arc::clone(&grid.space));
        (0..)
            .map_while(|number| match grid.ask(number, &history) {
                Proposal::Values(values) => Some(values),
                _ => None,
            })
            .collect()
    }

    fn key(values: &[f64]) -> Vec<u64> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    /// Nested loops, one inside of the other.
    fn looped(space: &Space, values: &mut Values, index: usize, found: &mut Vec<Values>) {
        if index == space.len() {
            return found.push(values.clone());
        }
        if !space.exists(index, values) {
            values[index] = f64::NAN;
            return looped(space, values, index + 1, found);
        }
        for choice in 0..choices(space.domain(index)) {
            values[index] = value(space.domain(index), choice);
            looped(space, values, index + 1, found);
        }
        values[index] = f64::NAN;
    }

    fn spaces() -> impl Strategy<Value = Arc<Space>> {
        prop::collection::vec((0..2_u8, 1..4_usize, 0.0..1.0_f64, 0..3_usize), 1..6).prop_map(
            |parts| {
                let mut parameters: Vec<Parameter> = Vec::new();
                for (kind, count, parent, choice) in parts {
                    let domain = if kind == 0 {
                        Domain::Categorical { count }
                    } else {
                        Domain::integers(5, 4 + count as i64, false)
                    };
                    let parents: Vec<(usize, usize)> = parameters
                        .iter()
                        .enumerate()
                        .filter_map(|(index, parameter)| match parameter.domain {
                            Domain::Categorical { count } => Some((index, count)),
                            _ => None,
                        })
                        .collect();
                    let at = (parent * 2.0 * parents.len() as f64) as usize;
                    let condition = parents.get(at).map(|(parameter, count)| Condition {
                        parameter: *parameter,
                        choice: choice % count,
                    });
                    parameters.push(Parameter { domain, condition });
                }
                Arc::new(Space::new(parameters).unwrap())
            },
        )
    }

    proptest! {
        #[test]
        fn configs_are_those_of_nested_loops(space in spaces(), seed in 0..5_u64) {
            let mut expected = Vec::new();
            looped(&space, &mut vec![f64::NAN; space.len()], 0, &mut expected);
            let mut grid = Grid::new(&space, None).unwrap();
            let found = all(&mut grid);
            let keys = |list: &[Values]| list.iter().map(|values| key(values)).collect::<Vec<_>>();
            prop_assert_eq!(keys(&found), keys(&expected));
            prop_assert_eq!(grid.total(), expected.len() as u128);
            let shuffled = all(&mut Grid::new(&space, Some(seed)).unwrap());
            let set = |list: &[Values]| keys(list).into_iter().collect::<HashSet<_>>();
            prop_assert_eq!(shuffled.len(), expected.len());
            prop_assert_eq!(set(&shuffled), set(&expected));
        }
    }

    #[test]
    fn a_space_with_a_float_is_refused() {
        let parameter = |domain| Parameter {
            domain,
            condition: None,
        };
        let float = Domain::Float {
            low: 0.0,
            high: 1.0,
            is_log: false,
        };
        let space = Space::new(vec![
            parameter(Domain::Categorical { count: 2 }),
            parameter(float),
        ]);
        assert_eq!(Grid::new(&Arc::new(space.unwrap()), None).unwrap_err(), 1);
    }

    #[test]
    fn a_shuffled_order_is_another_one() {
        let domain = Domain::integers(0, 999, false);
        let parameter = Parameter {
            domain,
            condition: None,
        };
        let space = Arc::new(Space::new(vec![parameter]).unwrap());
        let values = |seed| -> Vec<f64> {
            let configs = all(&mut Grid::new(&space, seed).unwrap());
            configs.into_iter().map(|values| values[0]).collect()
        };
        let (plain, one, two) = (values(None), values(Some(1)), values(Some(2)));
        assert!(plain.is_sorted() && !one.is_sorted());
        assert_ne!(one, two);
        // Half of what stands in the first half came from there, give or take six standard deviations.
        let stayed = one[..500].iter().filter(|value| **value < 500.0).count();
        assert!((155..=345).contains(&stayed), "{stayed}");
    }

    /// One value after the other, each of these would take days.
    #[test]
    fn a_config_is_found_without_looking_at_those_before() {
        let plain = |domain| Parameter {
            domain,
            condition: None,
        };
        let first = 1_u64 << 45;
        let parameters = vec![
            plain(Domain::integers(0, first as i64, false)),
            plain(Domain::Categorical { count: 3 }),
        ];
        let space = Arc::new(Space::new(parameters).unwrap());
        let mut grid = Grid::new(&space, None).unwrap();
        assert_eq!(grid.total(), 3 * (u128::from(first) + 1));
        let history = History::new(Arc::clone(&space));
        let last = 3 * first + 2;
        assert_eq!(
            grid.ask(last, &history),
            Proposal::Values(vec![first as f64, 2.0])
        );
        assert_eq!(grid.ask(last + 1, &history), Proposal::Done);
        assert_eq!(
            grid.ask(last / 2, &history),
            Proposal::Values(vec![(first / 2) as f64, ((last / 2) % 3) as f64])
        );
    }

    #[test]
    fn a_grid_beyond_all_numbers_can_be_asked() {
        let parameter = Parameter {
            domain: Domain::integers(0, 999_999, false),
            condition: None,
        };
        let space = Arc::new(Space::new(vec![parameter; 40]).unwrap());
        let history = History::new(Arc::clone(&space));
        for seed in [None, Some(3)] {
            let mut grid = Grid::new(&space, seed).unwrap();
            assert!(matches!(grid.ask(u64::MAX, &history), Proposal::Values(_)));
        }
    }
}
