//! Slots with running numbers, of which there may be millions for a moment.
//!
//! One growing list would be moved as it grows, would never become smaller again, and its small pages cost the processor a
//! tenth of what it takes to queue a million tasks and to run them.

use std::mem::MaybeUninit;

use eagleray_object_store::prefer_huge_pages;

/// Slots of one chunk: several megabytes, so that most of it is in whole huge pages wherever it lies. Memory that was never
/// touched is none.
const CHUNK: usize = 1 << 16;

/// A list that grows at its end.
#[derive(Debug)]
pub(super) struct Slots<T> {
    /// All but the last one are full.
    chunks: Vec<Vec<Option<T>>>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// Number of slots, empty or not.
    pub(super) fn len(&self) -> usize {
        match self.chunks.split_last() {
            Some((last, full)) => full.len() * CHUNK + last.len(),
            None => 0,
        }
    }

    /// Adds an empty slot.
    pub(super) fn push_empty(&mut self) {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            let mut chunk = Vec::with_capacity(CHUNK);
            // Whoever has so many will fill it. The first one may stay nearly empty.
            if !self.chunks.is_empty() {
                let free: &mut [MaybeUninit<Option<T>>] = chunk.spare_capacity_mut();
                prefer_huge_pages(free);
            }
            self.chunks.push(chunk);
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(None);
        }
    }

    #[inline]
    pub(super) fn get(&self, slot: usize) -> Option<&Option<T>> {
        self.chunks.get(slot / CHUNK)?.get(slot % CHUNK)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: usize) -> Option<&mut Option<T>> {
        self.chunks.get_mut(slot / CHUNK)?.get_mut(slot % CHUNK)
    }

    /// Gives the memory back of all but the first chunk, where nothing is in use. False if there is no other.
    pub(super) fn shrink(&mut self) -> bool {
        let is_large = self.chunks.len() > 1;
        self.chunks.truncate(1);
        is_large
    }

    /// What is in use, with its slot.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        let slots = self.chunks.iter().flatten().enumerate();
        slots.filter_map(|(slot, value)| Some((slot, value.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_numbered_through_all_chunks() {
        let mut slots = Slots::default();
        let count = 2 * CHUNK + 5;
        for slot in 0..count {
            assert_eq!(slots.len(), slot);
            slots.push_empty();
            assert_eq!(slots.get(slot), Some(&None));
            *slots.get_mut(slot).expect("it was just added") = Some(slot * 3);
        }
        assert!((0..count).all(|slot| slots.get(slot) == Some(&Some(slot * 3))));
        assert!(slots.get(count).is_none() && slots.get_mut(count).is_none());
        *slots.get_mut(CHUNK).expect("it is there") = None;
        let used: Vec<usize> = slots.iter().map(|(slot, _)| slot).collect();
        assert!(
            used.iter()
                .copied()
                .eq((0..count).filter(|&slot| slot != CHUNK))
        );
    }

    #[test]
    fn the_first_chunk_stays() {
        let mut slots = Slots::<u8>::default();
        for _ in 0..CHUNK {
            slots.push_empty();
        }
        assert!(!slots.shrink());
        slots.push_empty();
        assert!(slots.shrink());
        assert_eq!(slots.len(), CHUNK);
        assert!(!slots.shrink());
    }
}
