//! A set of page numbers kept as maximal runs.
//!
//! Owns nothing but numbers. Pages are `u64`; a run is `start..end`. The set can say which of its runs is the smallest
//! that fits a request, which is what an allocator asks most.
//!
//! Invariants:
//! - **RS-1 (maximal):** runs are non-empty, disjoint and never touch, so each page lies in at most one run.
//! - **RS-2 (mirrored):** `by_size` holds exactly the runs of `by_start`, and `pages` is the sum of their sizes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A set of page numbers, stored as maximal runs and indexed by start and by size.
#[derive(Clone, Debug, Default)]
pub(crate) struct RangeSet {
    by_start: BTreeMap<u64, u64>,
    by_size: BTreeSet<(u64, u64)>,
    pages: u64,
}

impl RangeSet {
    /// The number of pages in the set.
    pub(crate) fn pages(&self) -> u64 {
        self.pages
    }

    /// The size of the largest run, 0 when empty.
    pub(crate) fn largest(&self) -> u64 {
        self.by_size.last().map_or(0, |&(size, _)| size)
    }

    /// The largest run; among equals the last one.
    pub(crate) fn largest_run(&self) -> Option<Range<u64>> {
        self.by_size
            .last()
            .map(|&(size, start)| start..start + size)
    }

    /// The run that starts last.
    pub(crate) fn last_run(&self) -> Option<Range<u64>> {
        self.by_start
            .last_key_value()
            .map(|(&start, &end)| start..end)
    }

    /// The smallest run of at least `pages`; among equals the first one.
    pub(crate) fn best_fit(&self, pages: u64) -> Option<Range<u64>> {
        let &(size, start) = self.by_size.range((pages, 0)..).next()?;
        Some(start..start + size)
    }

    /// The runs from the largest to the smallest.
    pub(crate) fn by_size_descending(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.by_size
            .iter()
            .rev()
            .map(|&(size, start)| start..start + size)
    }

    /// The runs in order.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.by_start.iter().map(|(&start, &end)| start..end)
    }

    /// The run that holds `page`.
    pub(crate) fn run_at(&self, page: u64) -> Option<Range<u64>> {
        let (&start, &end) = self.by_start.range(..=page).next_back()?;
        (page < end).then_some(start..end)
    }

    /// Whether every page of a non-empty `range` is in the set.
    pub(crate) fn contains(&self, range: &Range<u64>) -> bool {
        self.run_at(range.start)
            .is_some_and(|run| range.end <= run.end)
    }

    /// The parts of `range` that are in the set, in order.
    pub(crate) fn overlaps(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self
            .run_at(range.start)
            .map_or(range.start, |run| run.start);
        self.by_start
            .range(first..range.end.max(first))
            .map(move |(&start, &end)| start.max(range.start)..end.min(range.end))
            .filter(|part| part.start < part.end)
    }

    /// The parts of `range` that are not in the set, in order.
    pub(crate) fn gaps(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let end = range.end;
        let mut position = range.start;
        self.overlaps(range)
            .map(Some)
            .chain(std::iter::once(None))
            .filter_map(move |part| {
                let gap = position..part.as_ref().map_or(end, |part| part.start);
                position = part.map_or(end, |part| part.end);
                (gap.start < gap.end).then_some(gap)
            })
    }

    /// Adds every page of `range`; pages that are in the set already stay.
    pub(crate) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let mut merged = range.clone();
        if let Some((&start, &end)) = self.by_start.range(..range.start).next_back()
            && end >= range.start
        {
            merged = start..merged.end.max(end);
            self.remove_run(start, end);
        }
        while let Some((&start, &end)) = self.by_start.range(merged.start..=merged.end).next() {
            merged.end = merged.end.max(end);
            self.remove_run(start, end);
        }
        self.add_run(merged.start, merged.end);
    }

    /// Removes every page of `range`; pages that are not in the set stay out.
    pub(crate) fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        if let Some(run) = self.run_at(range.start) {
            self.remove_run(run.start, run.end);
            if run.start < range.start {
                self.add_run(run.start, range.start);
            }
            if run.end > range.end {
                self.add_run(range.end, run.end);
                return;
            }
        }
        while let Some((&start, &end)) = self.by_start.range(range.clone()).next() {
            self.remove_run(start, end);
            if end > range.end {
                self.add_run(range.end, end);
            }
        }
    }

    /// Checks RS-1 and RS-2.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let mut previous_end = None;
        let mut pages = 0;
        for (&start, &end) in &self.by_start {
            if start >= end || previous_end.is_some_and(|previous| start <= previous) {
                return Err(format!("RS-1: run {start}..{end} after {previous_end:?}"));
            }
            if !self.by_size.contains(&(end - start, start)) {
                return Err(format!("RS-2: run {start}..{end} is missing by size"));
            }
            previous_end = Some(end);
            pages += end - start;
        }
        if self.by_size.len() != self.by_start.len() || pages != self.pages {
            return Err(format!(
                "RS-2: {} runs by size, {} by start, {pages} pages counted, {} recorded",
                self.by_size.len(),
                self.by_start.len(),
                self.pages
            ));
        }
        Ok(())
    }

    fn add_run(&mut self, start: u64, end: u64) {
        self.by_start.insert(start, end);
        self.by_size.insert((end - start, start));
        self.pages += end - start;
    }

    fn remove_run(&mut self, start: u64, end: u64) {
        self.by_start.remove(&start);
        self.by_size.remove(&(end - start, start));
        self.pages -= end - start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAGES: u64 = 48;

    fn pages_of(runs: impl Iterator<Item = Range<u64>>) -> Vec<u64> {
        runs.flatten().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 512 }))]

        /// Every answer of the set equals the answer of one boolean per page, after any sequence of insertions and removals.
        #[test]
        fn agrees_with_one_boolean_per_page(
            changes in prop::collection::vec((any::<bool>(), 0..PAGES, 0..PAGES), 1..40),
            asked in (0..PAGES, 0..PAGES),
        ) {
            let mut set = RangeSet::default();
            let mut model = [false; PAGES as usize];
            for (insert, from, to) in changes {
                let range = from.min(to)..from.max(to);
                if insert { set.insert(range.clone()) } else { set.remove(range.clone()) }
                model[range.start as usize..range.end as usize].fill(insert);
                prop_assert_eq!(set.validate(), Ok(()));
            }
            let inside: Vec<u64> = (0..PAGES).filter(|&page| model[page as usize]).collect();
            prop_assert_eq!(pages_of(set.runs()), inside);
            let range = asked.0.min(asked.1)..asked.0.max(asked.1);
            let (yes, no): (Vec<u64>, Vec<u64>) = range.clone().partition(|&page| model[page as usize]);
            prop_assert_eq!(pages_of(set.overlaps(range.clone())), yes);
            prop_assert_eq!(pages_of(set.gaps(range.clone())), no.clone());
            if !range.is_empty() {
                prop_assert_eq!(set.contains(&range), no.is_empty());
            }
            for pages in 1..PAGES {
                let smallest = set.runs().filter(|run| run.end - run.start >= pages)
                    .min_by_key(|run| (run.end - run.start, run.start));
                prop_assert_eq!(set.best_fit(pages), smallest);
            }
        }
    }
}
