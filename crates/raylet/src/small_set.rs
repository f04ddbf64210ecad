//! A set that is most often tiny and may be huge: who holds an object, and what an object carries.
//!
//! Up to [`SEARCHED_MAX`] members are searched one by one, which needs no memory besides theirs; beyond, an index finds
//! them. Members have no order once one was removed.

use std::hash::Hash;

use rustc_hash::FxHashMap;

/// So many members are searched faster than an index is asked.
const SEARCHED_MAX: usize = 16;

/// See the module.
#[derive(Debug)]
pub(crate) struct SmallSet<T> {
    members: Vec<T>,
    /// Where each member stands, if there are more than [`SEARCHED_MAX`].
    index: Option<Box<FxHashMap<T, usize>>>,
}

impl<T> Default for SmallSet<T> {
    fn default() -> Self {
        Self {
            members: Vec::new(),
            index: None,
        }
    }
}

impl<T: Copy + Eq + Hash> SmallSet<T> {
    fn position(&self, member: &T) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(member).copied(),
            None => self.members.iter().position(|other| other == member),
        }
    }

    pub(crate) fn contains(&self, member: &T) -> bool {
        self.position(member).is_some()
    }

    /// True if it was no member before.
    pub(crate) fn insert(&mut self, member: T) -> bool {
        if self.contains(&member) {
            return false;
        }
        let position = self.members.len();
        self.members.push(member);
        match &mut self.index {
            Some(index) => {
                index.insert(member, position);
            }
            None if position == SEARCHED_MAX => {
                let numbered = self.members.iter().copied().zip(0..);
                self.index = Some(Box::new(numbered.collect()));
            }
            None => {}
        }
        true
    }

    /// True if it was a member.
    pub(crate) fn remove(&mut self, member: &T) -> bool {
        let Some(position) = self.position(member) else {
            return false;
        };
        self.members.swap_remove(position);
        if self.members.len() <= SEARCHED_MAX / 2 {
            // Half of it: whoever adds and removes one at the limit does not make an index each time.
            self.index = None;
        }
        if let Some(index) = &mut self.index {
            index.remove(member);
            if let Some(moved) = self.members.get(position) {
                index.insert(*moved, position);
            }
        }
        true
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.members.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl<T> IntoIterator for SmallSet<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.members.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_is_a_set_whatever_is_added_and_removed() {
        let mut state = 1_u32;
        let mut random = move |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for most in [3, SEARCHED_MAX as u32, 40, 1_000] {
            let (mut set, mut model) = (SmallSet::default(), BTreeSet::new());
            for step in 0..20_000 {
                let member = random(most);
                // It grows and shrinks by turns.
                if random(10) < if step / 2_000 % 2 == 0 { 7 } else { 3 } {
                    assert_eq!(set.insert(member), model.insert(member));
                } else {
                    assert_eq!(set.remove(&member), model.remove(&member));
                }
                assert_eq!(set.contains(&member), model.contains(&member));
                assert_eq!(set.is_empty(), model.is_empty());
            }
            assert_eq!(set.iter().copied().collect::<BTreeSet<_>>(), model);
            for member in 0..most {
                assert_eq!(set.contains(&member), model.contains(&member));
            }
            assert_eq!(set.into_iter().count(), model.len());
        }
    }
}
