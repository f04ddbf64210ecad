//! The allocator against the simplest model that can be right: one entry per page, and sums over all of them.

use std::ops::Range;

use eagleray_object_store::{Allocator, ClientId, Extent, PAGE};
use proptest::prelude::*;

const FIRST: usize = 3;
const END: usize = 67;
const CLIENTS: ClientId = 3;

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Page {
    Free {
        warm: bool,
    },
    Leased(ClientId),
    /// The number of the allocation, so that two that touch stay apart.
    Allocated(usize),
    Returning,
}

/// Arguments that select are taken modulo what there is to select from, so every operation does something.
#[derive(Clone, Debug)]
enum Operation {
    Allocate {
        pages: u64,
        less: u64,
    },
    Lease {
        client: ClientId,
        pages: u64,
        less: u64,
    },
    /// Seals or abandons a piece of a run that is leased to the client.
    Settle {
        client: ClientId,
        run: usize,
        skip: u64,
        pages: u64,
        less: u64,
        seal: bool,
    },
    /// Any extent at all, claimed by any client, for any of the calls that accept one.
    Claim {
        client: ClientId,
        extent: Extent,
        call: u8,
    },
    Release {
        which: usize,
    },
    ReleaseClient {
        client: ClientId,
    },
    Populate {
        max: u64,
    },
    MarkPopulated {
        first: u64,
        pages: u64,
    },
    TakeIdle {
        max: u64,
    },
    FinishGiveBack {
        which: usize,
        given_back: bool,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    let client = 0..CLIENTS;
    let offset = prop_oneof![
        (0..80u64).prop_map(|page| page * PAGE),
        0..80 * PAGE,
        any::<u64>(),
        Just(u64::MAX - PAGE + 1),
    ];
    let length = prop_oneof![0..6 * PAGE, any::<u64>(), Just(u64::MAX), Just(0)];
    prop_oneof![
        2 => (0..20u64, 0..PAGE).prop_map(|(pages, less)| Operation::Allocate { pages, less }),
        4 => (client.clone(), 1..24u64, 0..PAGE)
            .prop_map(|(client, pages, less)| Operation::Lease { client, pages, less }),
        6 => (client.clone(), any::<usize>(), 0..20u64, 1..8u64, 0..PAGE, any::<bool>()).prop_map(
            |(client, run, skip, pages, less, seal)| Operation::Settle { client, run, skip, pages, less, seal }
        ),
        4 => (client.clone(), offset, length, 0..5u8).prop_map(|(client, offset, length, call)| {
            Operation::Claim { client, extent: Extent::new(offset, length), call }
        }),
        5 => any::<usize>().prop_map(|which| Operation::Release { which }),
        1 => client.prop_map(|client| Operation::ReleaseClient { client }),
        2 => (0..9 * PAGE).prop_map(|max| Operation::Populate { max }),
        1 => (0..80u64, 1..20u64).prop_map(|(first, pages)| Operation::MarkPopulated { first, pages }),
        2 => (0..9 * PAGE).prop_map(|max| Operation::TakeIdle { max }),
        2 => (any::<usize>(), any::<bool>())
            .prop_map(|(which, given_back)| Operation::FinishGiveBack { which, given_back }),
    ]
}

struct Model {
    pages: Vec<Page>,
    allocations: Vec<(usize, Extent)>,
    returning: Vec<Extent>,
    next_allocation: usize,
}

impl Model {
    fn new() -> Self {
        let pages = vec![Page::Free { warm: false }; END];
        Self {
            pages,
            allocations: Vec::new(),
            returning: Vec::new(),
            next_allocation: 0,
        }
    }

    fn count(&self, matches: impl Fn(Page) -> bool) -> u64 {
        self.pages[FIRST..]
            .iter()
            .filter(|&&page| matches(page))
            .count() as u64
            * PAGE
    }

    /// The maximal runs of pages that match.
    fn runs(&self, matches: impl Fn(Page) -> bool) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for page in (FIRST..END).filter(|&page| matches(self.pages[page])) {
            match runs.last_mut() {
                Some(run) if run.end == page => run.end += 1,
                _ => runs.push(page..page + 1),
            }
        }
        runs
    }

    fn largest(&self, matches: impl Fn(Page) -> bool) -> u64 {
        self.runs(matches)
            .into_iter()
            .map(|run| run.len() as u64)
            .max()
            .unwrap_or(0)
    }

    fn fill(&mut self, extent: Extent, page: Page) {
        self.pages[range_of(extent).expect("the model fills valid extents only")].fill(page);
    }

    fn record_allocation(&mut self, extent: Extent) {
        self.fill(extent, Page::Allocated(self.next_allocation));
        self.allocations.push((self.next_allocation, extent));
        self.next_allocation += 1;
    }

    fn is_leased_to(&self, client: ClientId, extent: Extent) -> bool {
        range_of(extent).is_some_and(|range| {
            self.pages[range]
                .iter()
                .all(|&page| page == Page::Leased(client))
        })
    }
}

/// The pages of an extent that an allocator of this segment could have handed out.
fn range_of(extent: Extent) -> Option<Range<usize>> {
    let end = extent.offset.checked_add(extent.length)?.div_ceil(PAGE);
    let start = extent.offset / PAGE;
    let valid = extent.offset.is_multiple_of(PAGE)
        && extent.length > 0
        && start >= FIRST as u64
        && end <= END as u64;
    valid.then_some(start as usize..end as usize)
}

fn is_free(page: Page) -> bool {
    matches!(page, Page::Free { .. })
}

fn is_cold(page: Page) -> bool {
    page == Page::Free { warm: false }
}

fn is_warm(page: Page) -> bool {
    page == Page::Free { warm: true }
}

/// What was granted was free, was warm as a whole if any warm run was large enough, and was refused only if it did not fit.
fn check_grant(
    model: &Model,
    length: u64,
    granted: Result<Extent, eagleray_object_store::StoreFull>,
) -> Result<Option<Extent>, TestCaseError> {
    let pages = length.max(1).div_ceil(PAGE);
    match granted {
        Ok(extent) => {
            prop_assert_eq!(extent.length, length.max(1));
            let range = range_of(extent).expect("a granted extent lies in the segment");
            prop_assert!(model.pages[range.clone()].iter().all(|&page| is_free(page)));
            if model.largest(is_warm) >= pages {
                prop_assert!(
                    model.pages[range].iter().all(|&page| is_warm(page)),
                    "warm space was passed over"
                );
            }
            Ok(Some(extent))
        }
        Err(full) => {
            prop_assert!(model.largest(is_free) < pages, "refused although it fits");
            prop_assert_eq!(full.requested, length.max(1));
            prop_assert_eq!(full.free, model.count(is_free));
            prop_assert_eq!(full.largest_free, model.largest(is_free) * PAGE);
            prop_assert_eq!(full.total, (END - FIRST) as u64 * PAGE);
            Ok(None)
        }
    }
}

fn apply(
    allocator: &mut Allocator,
    model: &mut Model,
    operation: Operation,
) -> Result<(), TestCaseError> {
    match operation {
        Operation::Allocate { pages, less } => {
            let length = (pages * PAGE).saturating_sub(less);
            if let Some(extent) = check_grant(model, length, allocator.allocate(length))? {
                model.record_allocation(extent);
            }
        }
        Operation::Lease {
            client,
            pages,
            less,
        } => {
            let length = pages * PAGE - less;
            if let Some(extent) = check_grant(model, length, allocator.lease(client, length))? {
                model.fill(extent, Page::Leased(client));
            }
        }
        Operation::Settle {
            client,
            run,
            skip,
            pages,
            less,
            seal,
        } => {
            let runs = model.runs(|page| page == Page::Leased(client));
            if runs.is_empty() {
                return Ok(());
            }
            let run = runs[run % runs.len()].clone();
            let first = run.start as u64 + skip % run.len() as u64;
            let pages = pages.min(run.end as u64 - first);
            let extent = Extent::new(first * PAGE, pages * PAGE - less);
            if seal {
                prop_assert_eq!(allocator.seal(client, extent), Ok(()));
                model.record_allocation(extent);
            } else {
                prop_assert_eq!(allocator.abandon(client, extent), Ok(()));
                model.fill(extent, Page::Free { warm: true });
            }
        }
        Operation::Claim {
            client,
            extent,
            call,
        } => claim(allocator, model, client, extent, call)?,
        Operation::Release { which } => {
            if model.allocations.is_empty() {
                return Ok(());
            }
            let (_, extent) = model
                .allocations
                .swap_remove(which % model.allocations.len());
            prop_assert_eq!(allocator.release(extent), Ok(()));
            prop_assert!(
                allocator.release(extent).is_err(),
                "an allocation is released once"
            );
            model.fill(extent, Page::Free { warm: true });
        }
        Operation::ReleaseClient { client } => {
            let leased = model.count(|page| page == Page::Leased(client));
            prop_assert_eq!(allocator.release_client(client), leased);
            for page in model
                .pages
                .iter_mut()
                .filter(|page| **page == Page::Leased(client))
            {
                *page = Page::Free { warm: true };
            }
        }
        Operation::Populate { max } => match allocator.next_range_to_populate(max) {
            Some(extent) => {
                prop_assert!(extent.length <= max.max(PAGE));
                let range = range_of(extent).expect("a range to populate lies in the segment");
                prop_assert!(model.pages[range].iter().all(|&page| is_cold(page)));
                prop_assert_eq!(allocator.mark_populated(extent), Ok(()));
                model.fill(extent, Page::Free { warm: true });
            }
            None => prop_assert_eq!(model.count(is_cold), 0),
        },
        Operation::MarkPopulated { first, pages } => {
            let extent = Extent::new(first * PAGE, pages * PAGE);
            let marked = allocator.mark_populated(extent);
            prop_assert_eq!(marked.is_ok(), range_of(extent).is_some());
            for page in range_of(extent).into_iter().flatten() {
                if is_free(model.pages[page]) {
                    model.pages[page] = Page::Free { warm: true };
                }
            }
        }
        Operation::TakeIdle { max } => match allocator.take_idle(max) {
            Some(extent) => {
                prop_assert!(extent.length <= max.max(PAGE));
                let range = range_of(extent).expect("an idle range lies in the segment");
                prop_assert!(model.pages[range].iter().all(|&page| is_warm(page)));
                model.fill(extent, Page::Returning);
                model.returning.push(extent);
            }
            None => prop_assert_eq!(model.count(is_warm), 0),
        },
        Operation::FinishGiveBack { which, given_back } => {
            if model.returning.is_empty() {
                return Ok(());
            }
            let extent = model.returning.swap_remove(which % model.returning.len());
            prop_assert_eq!(allocator.finish_give_back(extent, given_back), Ok(()));
            model.fill(extent, Page::Free { warm: !given_back });
        }
    }
    Ok(())
}

/// An arbitrary claim succeeds exactly when the model finds it true, whoever makes it.
fn claim(
    allocator: &mut Allocator,
    model: &mut Model,
    client: ClientId,
    extent: Extent,
    call: u8,
) -> Result<(), TestCaseError> {
    match call {
        0 => {
            let sealed = allocator.seal(client, extent).is_ok();
            prop_assert_eq!(sealed, model.is_leased_to(client, extent));
            if sealed {
                model.record_allocation(extent);
            }
        }
        1 => {
            let abandoned = allocator.abandon(client, extent).is_ok();
            prop_assert_eq!(abandoned, model.is_leased_to(client, extent));
            if abandoned {
                model.fill(extent, Page::Free { warm: true });
            }
        }
        2 | 3 => {
            let released = allocator.release(extent).is_ok();
            let same = |other: Extent| range_of(other) == range_of(extent);
            let found = model
                .allocations
                .iter()
                .position(|&(_, other)| range_of(extent).is_some() && same(other));
            prop_assert_eq!(released, found.is_some());
            if let Some(index) = found {
                model.allocations.swap_remove(index);
                model.fill(extent, Page::Free { warm: true });
            }
        }
        _ => {
            // Ranges that are being given back may be finished in pieces, so only false claims are tried here.
            let taken = range_of(extent).is_some_and(|range| {
                model.pages[range]
                    .iter()
                    .all(|&page| page == Page::Returning)
            });
            if !taken {
                prop_assert!(allocator.finish_give_back(extent, true).is_err());
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 2000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// AL-1 to AL-3: after every operation, honest or hostile, every figure equals the model's and all invariants hold.
    #[test]
    fn agrees_with_one_state_per_page(operations in prop::collection::vec(operation(), 1..80)) {
        // The bounds are off page boundaries on purpose: they are rounded inwards.
        let mut allocator = Allocator::new(FIRST as u64 * PAGE - 100, END as u64 * PAGE + 100);
        let mut model = Model::new();
        for operation in operations {
            apply(&mut allocator, &mut model, operation)?;
            prop_assert_eq!(allocator.validate(), Ok(()));
            prop_assert_eq!(allocator.free_bytes(), model.count(is_free));
            prop_assert_eq!(allocator.populated_free(), model.count(is_warm));
            prop_assert_eq!(allocator.largest_free(), model.largest(is_free) * PAGE);
            prop_assert_eq!(allocator.returning_bytes(), model.count(|page| page == Page::Returning));
            prop_assert_eq!(
                allocator.used_bytes(),
                model.count(|page| matches!(page, Page::Leased(_) | Page::Allocated(_)))
            );
            prop_assert_eq!(
                allocator.populated_bytes(),
                model.count(|page| page != Page::Free { warm: false })
            );
            for client in 0..CLIENTS {
                prop_assert_eq!(
                    allocator.leased_bytes(client),
                    model.count(|page| page == Page::Leased(client))
                );
            }
        }
    }

    /// When all clients have died and all allocations are released, the segment is one free run again.
    #[test]
    fn everything_comes_back_in_one_piece(operations in prop::collection::vec(operation(), 1..80)) {
        let mut allocator = Allocator::new(FIRST as u64 * PAGE, END as u64 * PAGE);
        let mut model = Model::new();
        for operation in operations {
            apply(&mut allocator, &mut model, operation)?;
        }
        for client in 0..CLIENTS {
            allocator.release_client(client);
        }
        for extent in model.returning {
            prop_assert_eq!(allocator.finish_give_back(extent, true), Ok(()));
        }
        for (_, extent) in model.allocations {
            prop_assert_eq!(allocator.release(extent), Ok(()));
        }
        prop_assert_eq!(allocator.validate(), Ok(()));
        prop_assert_eq!(allocator.largest_free(), allocator.total_bytes());
    }
}

/// A store without a single page refuses everything and stays valid.
#[test]
fn an_empty_segment_refuses_every_request() {
    let mut allocator = Allocator::new(5 * PAGE + 1, 6 * PAGE + 1);
    assert_eq!(allocator.total_bytes(), 0);
    let full = allocator.lease(1, 1).unwrap_err();
    assert_eq!((full.requested, full.free, full.total), (1, 0, 0));
    assert_eq!(allocator.validate(), Ok(()));
}

/// The request that fits nowhere warm is placed so that it uses the largest warm run as a whole.
#[test]
fn a_request_larger_than_any_warm_run_grows_out_of_the_largest_one() {
    let mut allocator = Allocator::new(0, 100 * PAGE);
    allocator
        .mark_populated(Extent::new(90 * PAGE, 10 * PAGE))
        .unwrap();
    let extent = allocator.allocate(20 * PAGE).unwrap();
    assert_eq!(extent, Extent::new(80 * PAGE, 20 * PAGE));
    assert_eq!(allocator.populated_free(), 0);
}

/// A small request leaves large warm runs whole.
#[test]
fn a_request_takes_the_smallest_warm_run_that_fits() {
    let mut allocator = Allocator::new(0, 100 * PAGE);
    for (page, pages) in [(10, 30), (50, 3), (60, 2), (70, 4)] {
        allocator
            .mark_populated(Extent::new(page * PAGE, pages * PAGE))
            .unwrap();
    }
    assert_eq!(allocator.allocate(3 * PAGE).unwrap().offset, 50 * PAGE);
    assert_eq!(allocator.allocate(3 * PAGE).unwrap().offset, 70 * PAGE);
    assert_eq!(allocator.allocate(3 * PAGE).unwrap().offset, 10 * PAGE);
}

/// Population continues at the end of the largest warm run, then before it, then elsewhere.
#[test]
fn population_extends_the_largest_warm_run_first() {
    let mut allocator = Allocator::new(0, 12 * PAGE);
    let wall = allocator.allocate(12 * PAGE).unwrap();
    allocator.release(wall).unwrap();
    let idle = allocator.take_idle(u64::MAX).unwrap();
    allocator.finish_give_back(idle, true).unwrap();
    allocator
        .mark_populated(Extent::new(4 * PAGE, 3 * PAGE))
        .unwrap();
    let mut order = Vec::new();
    while let Some(extent) = allocator.next_range_to_populate(3 * PAGE) {
        order.push((extent.offset / PAGE, extent.length / PAGE));
        allocator.mark_populated(extent).unwrap();
    }
    assert_eq!(order, [(7, 3), (10, 2), (1, 3), (0, 1)]);
}
