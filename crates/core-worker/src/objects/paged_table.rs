//! A table whose keys are running numbers.
//!
//! Results of one caller are numbered in order and mostly looked up in order, so neighbours share a
//! page; a page is freed when its last entry goes, wherever it lies.

use rustc_hash::FxHashMap;

/// Entries per page: small, so that one long-lived entry keeps little memory.
const PAGE_ENTRIES: u64 = 64;

struct Page<T> {
    live: u32,
    entries: [Option<T>; PAGE_ENTRIES as usize],
}

/// A map from running numbers to values.
pub(crate) struct PagedTable<T> {
    pages: FxHashMap<u64, Box<Page<T>>>,
    length: usize,
}

impl<T> PagedTable<T> {
    /// An empty table.
    pub(crate) fn new() -> Self {
        Self {
            pages: FxHashMap::default(),
            length: 0,
        }
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The entry of a number.
    #[inline]
    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        let page = self.pages.get(&(number / PAGE_ENTRIES))?;
        page.entries[(number % PAGE_ENTRIES) as usize].as_ref()
    }

    /// The entry of a number, to change it.
    #[inline]
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let page = self.pages.get_mut(&(number / PAGE_ENTRIES))?;
        page.entries[(number % PAGE_ENTRIES) as usize].as_mut()
    }

    /// Adds or replaces an entry.
    pub(crate) fn insert(&mut self, number: u64, value: T) {
        let page = self.pages.entry(number / PAGE_ENTRIES).or_insert_with(|| {
            Box::new(Page {
                live: 0,
                entries: [const { None }; PAGE_ENTRIES as usize],
            })
        });
        let entry = &mut page.entries[(number % PAGE_ENTRIES) as usize];
        if entry.replace(value).is_none() {
            page.live += 1;
            self.length += 1;
        }
    }

    /// The numbers of all entries, in no order.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.pages.iter().flat_map(|(key, page)| {
            let numbers = (key * PAGE_ENTRIES..).zip(&page.entries);
            numbers.filter_map(|(number, entry)| entry.is_some().then_some(number))
        })
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, number: u64) -> Option<T> {
        let key = number / PAGE_ENTRIES;
        let page = self.pages.get_mut(&key)?;
        let value = page.entries[(number % PAGE_ENTRIES) as usize].take()?;
        page.live -= 1;
        self.length -= 1;
        if page.live == 0 {
            self.pages.remove(&key);
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paged_table_is_a_map() {
        let mut table = PagedTable::new();
        let mut model = std::collections::BTreeMap::new();
        let mut state = 88_172_645_463_325_252_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for step in 0..50_000u32 {
            // Few enough numbers that they meet, far enough apart for several pages.
            let number = random() % 400 * 3;
            match random() % 3 {
                0 => {
                    table.insert(number, step);
                    model.insert(number, step);
                }
                1 => assert_eq!(table.remove(number), model.remove(&number)),
                _ => assert_eq!(table.get(number), model.get(&number)),
            }
            assert_eq!(table.len(), model.len());
        }
        for (number, step) in model {
            assert_eq!(table.get_mut(number), Some(&mut step.clone()));
        }
    }

    #[test]
    fn pages_go_with_their_last_entry() {
        let mut table = PagedTable::new();
        for number in 0..200u64 {
            table.insert(number, number * 2);
        }
        assert_eq!(table.len(), 200);
        assert_eq!(table.get(199), Some(&398));
        for number in 0..200 {
            assert_eq!(table.remove(number), Some(number * 2));
            assert_eq!(table.remove(number), None);
        }
        assert_eq!(table.len(), 0);
        assert!(table.pages.is_empty());
    }
}
