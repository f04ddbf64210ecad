//! How fast 800 MB come into the store, against a plain copy into memory in the same state, in turn: pages that do not
//! exist yet (cold), pages that exist but are not mapped by this process, and pages that it has mapped (warm).
//! Run: `cargo bench -p eagleray-object-store --bench copy`. It needs 1.6 GB of memory and prints medians in GB/s.

use std::error::Error;
use std::time::Instant;

use eagleray_object_store::{Extent, Segment};

const BYTES: usize = 800_000_000;
const ROUNDS: usize = 5;

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Row {
    name: &'static str,
    plain: Vec<f64>,
    store: Vec<f64>,
    two_threads: Vec<f64>,
}

impl Row {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            plain: Vec::new(),
            store: Vec::new(),
            two_threads: Vec::new(),
        }
    }
}

fn main() -> Outcome<()> {
    let source = vec![1u8; BYTES];
    let mut rows = [Row::new("cold"), Row::new("not mapped"), Row::new("warm")];
    for _ in 0..ROUNDS {
        let ways: [Way; 3] = [plain, store, two_threads];
        for (way, column) in ways.into_iter().zip(0..) {
            let segment = Segment::create(BYTES as u64)?;
            let cold = measure(way, &segment, &source)?;
            let other = Segment::open(segment.descriptor().try_clone_to_owned()?)?;
            drop(segment);
            let not_mapped = measure(way, &other, &source)?;
            let extent = Extent::new(0, BYTES as u64);
            other.populate(extent)?;
            let warm = measure(way, &other, &source)?;
            for (row, figure) in rows.iter_mut().zip([cold, not_mapped, warm]) {
                [&mut row.plain, &mut row.store, &mut row.two_threads][column].push(figure);
            }
        }
    }
    println!(
        "{:<12} {:>12} {:>12} {:>8} {:>12}",
        "GB/s", "plain copy", "store", "ratio", "two threads"
    );
    for row in &mut rows {
        let (plain, store, two) = (
            median(&mut row.plain),
            median(&mut row.store),
            median(&mut row.two_threads),
        );
        println!(
            "{:<12} {plain:>12.2} {store:>12.2} {:>8.2} {two:>12.2}",
            row.name,
            store / plain
        );
    }
    Ok(())
}

type Way = fn(&Segment, &[u8]) -> Outcome<()>;

fn plain(segment: &Segment, source: &[u8]) -> Outcome<()> {
    let target = segment.pointer(0, source.len() as u64)?;
    // SAFETY: the target is valid for the source's length and is not part of it.
    unsafe { std::ptr::copy_nonoverlapping(source.as_ptr(), target, source.len()) };
    Ok(())
}

fn store(segment: &Segment, source: &[u8]) -> Outcome<()> {
    Ok(segment.write(0, source)?)
}

fn two_threads(segment: &Segment, source: &[u8]) -> Outcome<()> {
    let (first, second) = source.split_at(source.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| segment.write(first.len() as u64, second));
        segment.write(0, first)?;
        other.join().map_err(|_| "the second thread panicked")??;
        Ok(())
    })
}

fn measure(way: Way, segment: &Segment, source: &[u8]) -> Outcome<f64> {
    let start = Instant::now();
    way(segment, source)?;
    Ok(source.len() as f64 / start.elapsed().as_secs_f64() / 1e9)
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
