//! Named quantities: what is asked for, held, or there in all.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::quantity::Quantity;

/// Processor cores.
pub const CPU: &str = "CPU";
/// Graphics processors; the only resource whose instances have identities.
pub const GPU: &str = "GPU";
/// Memory of the process in bytes; counted, not enforced.
pub const MEMORY: &str = "memory";
/// Bytes of the object store; reported beside the others, never asked for by a task.
pub const OBJECT_STORE_MEMORY: &str = "objectStoreMemory";

/// The name of a resource; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Name {
        Name(name.into())
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Named quantities, sorted by name, without zero entries. A clone shares its entries until one of
/// the two is changed.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ResourceSet {
    entries: Arc<Vec<(Name, Quantity)>>,
}

impl ResourceSet {
    /// The set that names nothing.
    pub fn new() -> ResourceSet {
        ResourceSet::default()
    }

    /// The quantity of `name`; zero when it is not in the set.
    pub fn get(&self, name: &str) -> Quantity {
        match self.position(name) {
            Ok(index) => self.entries[index].1,
            Err(_) => Quantity::ZERO,
        }
    }

    /// Sets the quantity of `name`; zero removes it.
    pub fn insert(&mut self, name: &str, quantity: Quantity) {
        match self.position(name) {
            Ok(index) if quantity.is_zero() => {
                Arc::make_mut(&mut self.entries).remove(index);
            }
            Ok(index) if self.entries[index].1 != quantity => {
                Arc::make_mut(&mut self.entries)[index].1 = quantity;
            }
            Err(index) if !quantity.is_zero() => {
                Arc::make_mut(&mut self.entries).insert(index, (name.into(), quantity));
            }
            _ => {}
        }
    }

    /// The set with `quantity` of `name` in it; for building one in an expression.
    #[must_use]
    pub fn with(mut self, name: &str, quantity: Quantity) -> ResourceSet {
        self.insert(name, quantity);
        self
    }

    /// The entries, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Name, Quantity)> {
        self.entries
            .iter()
            .map(|(name, quantity)| (name, *quantity))
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many names are in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether `available` has at least as much of everything.
    pub fn fits_in(&self, available: &ResourceSet) -> bool {
        self.iter()
            .all(|(name, quantity)| quantity <= available.get(name.as_str()))
    }

    /// What is left of this set after taking `other` away; `None` when something would fall below zero.
    pub fn checked_sub(&self, other: &ResourceSet) -> Option<ResourceSet> {
        let mut rest = self.clone();
        for (name, quantity) in other.iter() {
            rest.insert(
                name.as_str(),
                rest.get(name.as_str()).checked_sub(quantity)?,
            );
        }
        Some(rest)
    }

    /// What is left of this set after taking `other` away, nothing below zero.
    #[must_use]
    pub fn saturating_sub(&self, other: &ResourceSet) -> ResourceSet {
        let mut rest = self.clone();
        for (name, quantity) in other.iter() {
            rest.insert(
                name.as_str(),
                rest.get(name.as_str()).saturating_sub(quantity),
            );
        }
        rest
    }

    /// Adds `other` to this set; a sum is at most [`Quantity::MAX`].
    pub fn add(&mut self, other: &ResourceSet) {
        for (name, quantity) in other.iter() {
            self.insert(
                name.as_str(),
                self.get(name.as_str()).saturating_add(quantity),
            );
        }
    }

    /// The larger of both quantities for every name.
    #[must_use]
    pub fn union_max(&self, other: &ResourceSet) -> ResourceSet {
        let mut larger = self.clone();
        for (name, quantity) in other.iter() {
            larger.insert(name.as_str(), larger.get(name.as_str()).max(quantity));
        }
        larger
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.entries
            .binary_search_by(|(entry, _)| entry.as_str().cmp(name))
    }
}

impl<'a> FromIterator<(&'a str, Quantity)> for ResourceSet {
    fn from_iter<I: IntoIterator<Item = (&'a str, Quantity)>>(entries: I) -> ResourceSet {
        let mut set = ResourceSet::new();
        for (name, quantity) in entries {
            set.insert(name, quantity);
        }
        set
    }
}

impl fmt::Debug for ResourceSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// `{CPU: 2, GPU: 0.5}`.
impl fmt::Display for ResourceSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("{")?;
        for (index, (name, quantity)) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(formatter, "{separator}{name}: {quantity}")?;
        }
        formatter.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn steps(steps: i64) -> Quantity {
        Quantity::from_steps(steps).unwrap()
    }

    #[test]
    fn a_clone_is_independent_of_later_changes() {
        let original = ResourceSet::new().with(CPU, Quantity::ONE);
        let mut changed = original.clone();
        changed.insert(CPU, Quantity::ZERO);
        assert_eq!(original.get(CPU), Quantity::ONE);
        assert!(changed.is_empty());
    }

    #[test]
    fn it_prints_as_users_write_it() {
        let set = ResourceSet::new()
            .with(GPU, steps(5_000))
            .with(CPU, steps(20_000));
        assert_eq!(set.to_string(), "{CPU: 2, GPU: 0.5}");
    }

    fn any_map() -> impl Strategy<Value = BTreeMap<String, i64>> {
        proptest::collection::btree_map("[a-e]", 0i64..5, 0..5)
    }

    fn set_of(map: &BTreeMap<String, i64>) -> ResourceSet {
        map.iter()
            .map(|(name, quantity)| (name.as_str(), steps(*quantity)))
            .collect()
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_map_without_zeros(left in any_map(), right in any_map()) {
            let (left_set, right_set) = (set_of(&left), set_of(&right));
            let at = |map: &BTreeMap<String, i64>, name: &str| map.get(name).copied().unwrap_or(0);
            let names: Vec<String> = ('a'..='e').map(String::from).collect();

            prop_assert!(left_set.iter().all(|(_, quantity)| !quantity.is_zero()));
            prop_assert!(left_set.iter().map(|(name, _)| name.clone()).is_sorted());
            let fits = names.iter().all(|name| at(&left, name) <= at(&right, name));
            prop_assert_eq!(left_set.fits_in(&right_set), fits);
            prop_assert_eq!(right_set.checked_sub(&left_set).is_some(), fits);

            let mut sum = left_set.clone();
            sum.add(&right_set);
            for name in &names {
                prop_assert_eq!(sum.get(name), steps(at(&left, name) + at(&right, name)));
                let larger = at(&left, name).max(at(&right, name));
                prop_assert_eq!(left_set.union_max(&right_set).get(name), steps(larger));
                let rest = (at(&left, name) - at(&right, name)).max(0);
                prop_assert_eq!(left_set.saturating_sub(&right_set).get(name), steps(rest));
            }
            prop_assert_eq!(sum.checked_sub(&right_set), Some(left_set));
        }
    }
}
