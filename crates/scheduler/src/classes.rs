//! Scheduling classes by number, so that tables compare a number and not names and quantities.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::protocol::SchedulingClass;

/// A class that is in use: by a wish or by a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClassIndex(u32);

#[derive(Default)]
pub(crate) struct Classes {
    indexes: FxHashMap<Arc<SchedulingClass>, ClassIndex>,
    slots: Vec<Option<Slot>>,
    free: Vec<ClassIndex>,
}

struct Slot {
    class: Arc<SchedulingClass>,
    references: u32,
}

impl ClassIndex {
    /// The lowest number, where ranges begin.
    pub const FIRST: ClassIndex = ClassIndex(0);
}

impl Classes {
    /// The number of a class, with one reference more to it.
    pub fn acquire(&mut self, class: &SchedulingClass) -> ClassIndex {
        if let Some(index) = self.indexes.get(class).copied() {
            self.add_reference(index);
            return index;
        }
        let class = Arc::new(class.clone());
        let slot = Slot {
            class: class.clone(),
            references: 1,
        };
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index.0 as usize] = Some(slot);
                index
            }
            None => {
                self.slots.push(Some(slot));
                ClassIndex(self.slots.len() as u32 - 1)
            }
        };
        self.indexes.insert(class, index);
        index
    }

    /// One more user of a class.
    pub fn add_reference(&mut self, index: ClassIndex) {
        self.slot_mut(index).references += 1;
    }

    /// One user less; without any, the class is forgotten.
    pub fn release(&mut self, index: ClassIndex) {
        let slot = self.slot_mut(index);
        slot.references -= 1;
        if slot.references == 0
            && let Some(slot) = self.slots[index.0 as usize].take()
        {
            self.indexes.remove(&slot.class);
            self.free.push(index);
        }
    }

    /// The class of a number.
    pub fn get(&self, index: ClassIndex) -> &SchedulingClass {
        &self.slots[index.0 as usize]
            .as_ref()
            .expect("a class in use has a slot")
            .class
    }

    /// How many users a class has.
    pub fn references(&self, index: ClassIndex) -> u32 {
        self.slots[index.0 as usize]
            .as_ref()
            .map_or(0, |slot| slot.references)
    }

    /// How many classes are in use.
    pub fn len(&self) -> usize {
        self.indexes.len()
    }

    fn slot_mut(&mut self, index: ClassIndex) -> &mut Slot {
        self.slots[index.0 as usize]
            .as_mut()
            .expect("a class in use has a slot")
    }
}
