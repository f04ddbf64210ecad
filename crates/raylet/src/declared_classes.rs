//! The scheduling classes that one process has declared, and how many leases of each it wants.
//!
//! A process may tell classes apart that are one to the scheduler, which replaces wishes: it is told their sum.

use std::collections::BTreeMap;

use eagleray_scheduler::SchedulingClass;
use rustc_hash::FxHashMap;

/// Classes that one process may have declared at a time.
pub(crate) const CLASSES_MAX: usize = 1 << 16;

struct Declared {
    class: SchedulingClass,
    /// Leases that the process could still use.
    wanted: u32,
}

/// By the process's own numbers.
#[derive(Default)]
pub(crate) struct DeclaredClasses {
    table: BTreeMap<u32, Declared>,
    numbers: FxHashMap<SchedulingClass, Vec<u32>>,
    /// How many of them are wanted.
    wanting: usize,
}

/// Why a class was not declared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DeclarationRefused {
    /// The number is in use.
    Twice,
    /// There are [`CLASSES_MAX`].
    TooMany,
}

impl DeclaredClasses {
    /// Takes a class in.
    pub(crate) fn declare(
        &mut self,
        number: u32,
        class: SchedulingClass,
    ) -> Result<(), DeclarationRefused> {
        if self.table.contains_key(&number) {
            return Err(DeclarationRefused::Twice);
        }
        if self.table.len() >= CLASSES_MAX {
            return Err(DeclarationRefused::TooMany);
        }
        self.numbers.entry(class.clone()).or_default().push(number);
        let declared = Declared { class, wanted: 0 };
        self.table.insert(number, declared);
        Ok(())
    }

    /// The process uses a class no more.
    pub(crate) fn forget(&mut self, number: u32) -> Option<SchedulingClass> {
        let declared = self.table.remove(&number)?;
        self.wanting -= usize::from(declared.wanted > 0);
        if let Some(numbers) = self.numbers.get_mut(&declared.class) {
            numbers.retain(|&other| other != number);
            if numbers.is_empty() {
                self.numbers.remove(&declared.class);
            }
        }
        Some(declared.class)
    }

    /// What a number stands for.
    pub(crate) fn get(&self, number: u32) -> Option<&SchedulingClass> {
        Some(&self.table.get(&number)?.class)
    }

    /// Sets how many leases of a class the process could still use.
    pub(crate) fn want(&mut self, number: u32, wanted: u32) {
        if let Some(declared) = self.table.get_mut(&number) {
            self.wanting -= usize::from(declared.wanted > 0);
            declared.wanted = wanted;
            self.wanting += usize::from(wanted > 0);
        }
    }

    /// So many leases more of a class are wanted, which had been granted in vain.
    pub(crate) fn want_again(&mut self, number: u32, more: u32) {
        if let Some(wanted) = self.table.get(&number).map(|declared| declared.wanted) {
            self.want(number, wanted.saturating_add(more));
        }
    }

    /// What the scheduler is told to be wanted of a class.
    pub(crate) fn wanted_of(&self, class: &SchedulingClass) -> u32 {
        self.alike(class)
            .filter_map(|number| self.table.get(&number))
            .fold(0, |sum: u32, declared| sum.saturating_add(declared.wanted))
    }

    /// True if some lease is wanted, of whatever class.
    pub(crate) fn has_wishes(&self) -> bool {
        self.wanting > 0
    }

    /// True if leases of a class are wanted.
    pub(crate) fn is_wanted(&self, number: u32) -> bool {
        self.table
            .get(&number)
            .is_some_and(|declared| declared.wanted > 0)
    }

    /// A lease was granted: the number under which the process gets it, of which it wants one less. `None` if it knows
    /// the class no more.
    pub(crate) fn take_granted(&mut self, class: &SchedulingClass) -> Option<u32> {
        let wants = |&number: &u32| {
            let declared = self.table.get(&number);
            declared.is_some_and(|declared| declared.wanted > 0)
        };
        let number = self
            .alike(class)
            .find(wants)
            .or_else(|| self.alike(class).next())?;
        let wanted = self.table.get(&number)?.wanted;
        self.want(number, wanted.saturating_sub(1));
        Some(number)
    }

    /// The wishes for a class are dropped: the numbers of those that there were.
    pub(crate) fn drop_wishes(&mut self, class: &SchedulingClass) -> Vec<u32> {
        let wished: Vec<u32> = self
            .alike(class)
            .filter(|&number| self.is_wanted(number))
            .collect();
        for &number in &wished {
            self.want(number, 0);
        }
        wished
    }

    /// The environments of the classes, once for each class.
    pub(crate) fn environments(&self) -> impl Iterator<Item = u32> {
        self.table
            .values()
            .map(|declared| declared.class.environment.0)
    }

    fn alike(&self, class: &SchedulingClass) -> impl Iterator<Item = u32> {
        self.numbers.get(class).into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use eagleray_resources::{CPU, Quantity, ResourceSet};
    use eagleray_scheduler::EnvironmentId;

    use super::*;

    fn class(steps: i64) -> SchedulingClass {
        SchedulingClass {
            resources: ResourceSet::new().with(CPU, Quantity::from_steps(steps).unwrap()),
            environment: EnvironmentId::DEFAULT,
        }
    }

    #[test]
    fn classes_alike_are_wished_for_together_and_granted_apart() {
        let mut classes = DeclaredClasses::default();
        for number in 0..2 {
            classes.declare(number, class(1)).unwrap();
        }
        classes.declare(2, class(2)).unwrap();
        classes.want(0, 1);
        classes.want(1, 2);
        assert_eq!(classes.wanted_of(&class(1)), 3);
        assert_eq!(classes.take_granted(&class(1)), Some(0));
        assert_eq!(classes.wanted_of(&class(1)), 2);
        assert!(classes.has_wishes());
        assert_eq!(classes.take_granted(&class(1)), Some(1));
        assert_eq!(classes.drop_wishes(&class(1)), [1]);
        assert!(!classes.has_wishes());
        assert_eq!(classes.take_granted(&class(3)), None);
    }

    #[test]
    fn the_number_of_a_forgotten_class_can_be_declared_again() {
        let mut classes = DeclaredClasses::default();
        classes.declare(0, class(1)).unwrap();
        classes.want(0, 1);
        assert_eq!(classes.declare(0, class(2)), Err(DeclarationRefused::Twice));
        assert_eq!(classes.forget(0), Some(class(1)));
        assert_eq!(classes.forget(0), None);
        assert!(!classes.has_wishes() && classes.numbers.is_empty());
        classes.declare(0, class(2)).unwrap();
        assert_eq!(classes.get(0), Some(&class(2)));
    }

    #[test]
    fn one_class_too_many_is_refused_and_the_others_stay() {
        let mut classes = DeclaredClasses::default();
        for number in 0..CLASSES_MAX as u32 {
            classes
                .declare(number, class(i64::from(number) + 1))
                .unwrap();
        }
        let more = CLASSES_MAX as u32;
        assert_eq!(
            classes.declare(more, class(1)),
            Err(DeclarationRefused::TooMany)
        );
        classes.forget(7);
        classes.declare(more, class(1)).unwrap();
    }
}
