//! Population-based bandits: what a trial that takes over the state of a better one tries next.
//!
//! Parker-Holder, Nguyen and Roberts, "Provably efficient online hyperparameter optimization with population-based bandits", 2020. The
//! decisions are those of Ray 2.60's `PB2` (`tune/schedulers/pb2.py`, `pb2_utils.py`): a Gaussian process of how fast rewards have risen,
//! by time, reward and hyper-parameters, in which what is long ago counts less; where its upper bound is highest, the next ones lie.
//!
//! Different are: how much of the past is used is tried in lengths that grow by a quarter, not by ten; kernels are looked for from three
//! starts, and slopes are calculated, not tried out; and where covariances have no factor, because trials repeat each other, there is as
//! much noise as is needed for one. Ray's numbers are rounded to 32 bits at the end, these are not.

use crate::gp::likelihood::explain;
use crate::gp::minimizer::{Limits, Minimizer};
use crate::gp::panels::{Panels, SIDE, factorize, solve_backward, solve_forward, sums};
use crate::random::{Purpose, Random};

/// The latest so many periods count.
const SEEN_MAX: usize = 1_000;

/// With fewer of them all are used.
const SEEN_MIN: usize = 200;

/// What is added to all variances: the first of them with which there is a factor.
const NOISES: [f64; 3] = [1e-10, 1e-6, 1e-3];

/// Of so many random starts.
const STARTS: usize = 10;

/// Added to a range before something is divided by it.
const RANGE_MIN: f64 = 1e-8;

/// Standardized changes beyond this are this.
const CHANGE_MAX: f64 = 2.0;

/// What a trial has gained from one report to the next, with the same hyper-parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Period {
    /// When it has ended.
    pub time: f64,
    /// The reward at its beginning, the more the better.
    pub reward: f64,
    /// How much it has risen in a unit of time.
    pub change: f64,
    /// The hyper-parameters.
    pub values: Vec<f64>,
}

/// What the next period begins with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Start {
    /// The time of the trial whose state is taken over.
    pub time: f64,
    /// Its reward.
    pub reward: f64,
}

/// The hyper-parameters for a period, inside their bounds; as in Ray, the best ones by the model for its time and reward.
///
/// `running` are those of periods that began at the same time: they are not tried again. The result depends on nothing but what is
/// given; of `seen`, those of the same time keep their order. `None` if nothing was seen.
#[must_use]
pub fn explore(
    seen: &[Period],
    bounds: &[(f64, f64)],
    running: &[Vec<f64>],
    start: Start,
    seed: u64,
    number: u64,
) -> Option<Vec<f64>> {
    let model = Model::new(seen, bounds, running, start)?;
    let mut random = Random::new(seed, Purpose::Model, number);
    let places = (0..STARTS).map(|_| {
        let place = bounds.iter().map(|_| random.unit()).collect();
        let walls = (vec![0.0; bounds.len()], vec![1.0; bounds.len()]);
        lowest(place, walls.0, walls.1, |place| {
            let (bound, slope) = model.bound(place);
            (-bound, slope.iter().map(|each| -each).collect())
        })
    });
    let (place, _) = places.min_by(|a, b| a.1.total_cmp(&b.1))?;
    let values = place
        .iter()
        .zip(bounds)
        .map(|(place, (low, high))| low + place * (high - low));
    Some(values.collect())
}

/// What is known of the next period.
#[derive(Debug)]
struct Model {
    /// Of changes.
    bandit: Bandit,
    /// With those that run, if there are any: of the doubt.
    doubtful: Option<Bandit>,
    /// How much the variance weighs.
    kappa: f64,
    fixed: [f64; FIXED],
}

impl Model {
    fn new(
        seen: &[Period],
        bounds: &[(f64, f64)],
        running: &[Vec<f64>],
        start: Start,
    ) -> Option<Self> {
        let mut seen: Vec<&Period> = seen.iter().collect();
        seen.sort_by(|a, b| a.time.total_cmp(&b.time));
        let seen = &seen[seen.len().saturating_sub(SEEN_MAX)..];
        // By Ray's measure, though the likelihood of more changes is a smaller number: the past is used if it fits very well.
        let mut best: Option<(f64, Data, Bandit)> = None;
        for length in lengths(seen.len()) {
            let data = Data::new(&seen[seen.len() - length..], bounds, start);
            // What fits the latest periods is near to what fits more of them.
            let (likelihood, bandit) = match &best {
                Some((.., before)) => Bandit::fit(&data, &[before.kernel])?,
                None => Bandit::fit(&data, &Kernel::STARTS)?,
            };
            if best.as_ref().is_none_or(|(best, ..)| likelihood > *best) {
                best = Some((likelihood, data, bandit));
            }
        }
        let (_, mut data, bandit) = best?;
        let weight = 0.2 + (0.4 * data.changes.len() as f64).ln().max(0.0);
        let doubtful = if running.is_empty() {
            None
        } else {
            running.iter().for_each(|values| data.add(values));
            Some(Bandit::fit(&data, &Kernel::STARTS)?.1)
        };
        Some(Self {
            bandit,
            doubtful,
            kappa: weight.sqrt(),
            fixed: data.fixed,
        })
    }

    /// What changes may reach with hyper-parameters at a place between their bounds, and how that changes with it.
    fn bound(&self, place: &[f64]) -> (f64, Vec<f64>) {
        let point: Vec<f64> = self.fixed.iter().chain(place).copied().collect();
        let own = self.bandit.look(&point);
        let doubt = self.doubtful.as_ref().map(|other| other.look(&point));
        let doubt = doubt.as_ref().unwrap_or(&own);
        let slopes = own.by_mean.iter().zip(&doubt.by_variance).skip(FIXED);
        (
            own.mean + self.kappa * doubt.variance,
            slopes
                .map(|(mean, variance)| mean + self.kappa * variance)
                .collect(),
        )
    }
}

/// The time and the reward are given; all that follows can be chosen.
const FIXED: usize = 2;

/// Periods on the scale of the model.
#[derive(Clone, Debug)]
struct Data {
    /// Point by point.
    cells: Vec<f64>,
    changes: Vec<f64>,
    /// Time and reward of the next period.
    fixed: [f64; FIXED],
    bounds: Vec<(f64, f64)>,
}

impl Data {
    fn new(seen: &[&Period], bounds: &[(f64, f64)], start: Start) -> Self {
        let times = Range::of(seen.iter().map(|period| period.time));
        let rewards = Range::of(seen.iter().map(|period| period.reward));
        let count = seen.len() as f64;
        let mean = seen.iter().map(|period| period.change).sum::<f64>() / count;
        let square = seen
            .iter()
            .map(|period| (period.change - mean).powi(2))
            .sum::<f64>()
            / count;
        let deviation = square.sqrt() + RANGE_MIN;
        let mut data = Self {
            cells: Vec::new(),
            changes: Vec::new(),
            fixed: [times.place(start.time), rewards.place(start.reward)],
            bounds: bounds.to_vec(),
        };
        for period in seen {
            data.cells
                .extend([times.place(period.time), rewards.place(period.reward)]);
            data.add_values(&period.values);
            let change = (period.change - mean) / deviation;
            data.changes.push(change.clamp(-CHANGE_MAX, CHANGE_MAX));
        }
        data
    }

    /// Adds a period that begins like the next one. Nothing is known of its change, and only doubt is taken from it.
    fn add(&mut self, values: &[f64]) {
        self.cells.extend(self.fixed);
        self.add_values(values);
        self.changes.push(0.0);
    }

    fn add_values(&mut self, values: &[f64]) {
        let places = values.iter().zip(&self.bounds).map(|(value, (low, high))| {
            Range {
                low: *low,
                high: *high,
            }
            .place(*value)
        });
        self.cells.extend(places);
    }

    fn points(&self) -> impl Iterator<Item = &[f64]> {
        self.cells.chunks_exact(FIXED + self.bounds.len())
    }
}

struct Range {
    low: f64,
    high: f64,
}

impl Range {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        Self { low, high }
    }

    fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low + RANGE_MIN)
    }
}

/// The kernel: variance · e^(−d² / length) · (1 − epsilon)^(|t| / 2), where d is the distance of rewards and hyper-parameters, and t that
/// of times. Bogunovic, Scarlett and Cevher, "Time-varying Gaussian process bandit optimization", 2016.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kernel {
    variance: f64,
    length: f64,
    epsilon: f64,
}

impl Kernel {
    /// What Ray begins with, and two that are shorter: the likelihood often has several tops.
    const STARTS: [Self; 3] = [
        Self::with_length(1.0),
        Self::with_length(0.1),
        Self::with_length(0.01),
    ];
    /// Ray's, of variance, length and epsilon.
    const BOUNDS: [(f64, f64); 3] = [(1e-5, 1e5), (1e-5, 1e5), (1e-5, 0.5)];

    const fn with_length(length: f64) -> Self {
        Self {
            variance: 1.0,
            length,
            epsilon: 0.1,
        }
    }

    fn of(logarithms: &[f64]) -> Self {
        Self {
            variance: logarithms[0].exp(),
            length: logarithms[1].exp(),
            epsilon: logarithms[2].exp(),
        }
    }

    /// With the squared distance, and half the distance in time.
    fn covariance(&self, a: &[f64], b: &[f64]) -> (f64, f64, f64) {
        let half_time = 0.5 * (a[0] - b[0]).abs();
        let square: f64 = a[1..]
            .iter()
            .zip(&b[1..])
            .map(|(a, b)| (a - b) * (a - b))
            .sum();
        let exponent = half_time * (-self.epsilon).ln_1p() - square / self.length;
        (self.variance * exponent.exp(), square, half_time)
    }
}

/// A model of changes.
#[derive(Debug)]
struct Bandit {
    kernel: Kernel,
    points: Vec<Vec<f64>>,
    factor: Panels,
    upper: Panels,
    weights: Vec<f64>,
}

/// What is expected at a point, with the derivatives by all of its coordinates but the time.
#[derive(Debug)]
struct Look {
    mean: f64,
    variance: f64,
    by_mean: Vec<f64>,
    by_variance: Vec<f64>,
}

impl Bandit {
    /// The kernel that makes the changes most likely, as far as it is found from some, and how likely it makes them. `None` if no
    /// covariances have a factor.
    fn fit(data: &Data, starts: &[Kernel]) -> Option<(f64, Self)> {
        NOISES.iter().find_map(|noise| {
            let (low, high): (Vec<f64>, Vec<f64>) = Kernel::BOUNDS
                .iter()
                .map(|(low, high)| (low.ln(), high.ln()))
                .unzip();
            let tops = starts.iter().map(|start| {
                let start = [start.variance, start.length, start.epsilon].map(f64::ln);
                let start = (0..3).map(|each| start[each].clamp(low[each], high[each]));
                lowest(
                    start.collect(),
                    low.clone(),
                    high.clone(),
                    |logarithms| match likelihood(data, &Kernel::of(logarithms), *noise) {
                        Some((value, slope)) => (-value, slope.map(|each| -each).to_vec()),
                        None => (f64::INFINITY, vec![0.0; 3]),
                    },
                )
            });
            let tops = tops.filter(|(_, value)| value.is_finite());
            let (place, value) = tops.min_by(|a, b| a.1.total_cmp(&b.1))?;
            Some((-value, Self::new(data, Kernel::of(&place), *noise)?))
        })
    }

    fn new(data: &Data, kernel: Kernel, noise: f64) -> Option<Self> {
        let factor = factor(data, &kernel, noise)?;
        let upper = factor.transposed();
        let mut right = Panels::zeros(1, data.changes.len());
        for (at, change) in data.changes.iter().enumerate() {
            right.set(0, at, *change);
        }
        solve_forward(&factor, &mut right);
        solve_backward(&upper, &mut right);
        Some(Self {
            kernel,
            points: data.points().map(<[f64]>::to_vec).collect(),
            factor,
            upper,
            weights: right.row(0).collect(),
        })
    }

    fn look(&self, point: &[f64]) -> Look {
        let mut covariances = Panels::zeros(1, self.points.len());
        for (at, other) in self.points.iter().enumerate() {
            covariances.set(0, at, self.kernel.covariance(point, other).0);
        }
        let own: Vec<f64> = covariances.row(0).collect();
        let mean = sums(covariances.panel(0), &self.weights)[0];
        solve_forward(&self.factor, &mut covariances);
        let explained: f64 = covariances.row(0).map(|each| each * each).sum();
        solve_backward(&self.upper, &mut covariances);
        let mut by_mean = vec![0.0; point.len()];
        let mut by_variance = by_mean.clone();
        let solved = covariances.row(0).zip(&self.weights).zip(own);
        for (other, ((solved, weight), covariance)) in self.points.iter().zip(solved) {
            for axis in 1..point.len() {
                let slope = -2.0 / self.kernel.length * covariance * (point[axis] - other[axis]);
                by_mean[axis] += weight * slope;
                by_variance[axis] -= 2.0 * solved * slope;
            }
        }
        Look {
            mean,
            variance: (self.kernel.variance - explained).max(0.0),
            by_mean,
            by_variance,
        }
    }
}

/// The factor of the covariances, padded with the identity. `None` if there is none.
fn factor(data: &Data, kernel: &Kernel, noise: f64) -> Option<Panels> {
    let count = data.changes.len();
    let mut matrix = Panels::zeros(count, count);
    for (row, own) in data.points().enumerate() {
        for (column, other) in data.points().enumerate().take(row + 1) {
            matrix.set(row, column, kernel.covariance(own, other).0);
        }
        matrix.set(row, row, kernel.variance + noise);
    }
    for at in count..matrix.columns() {
        matrix.set(at, at, 1.0);
    }
    factorize(&mut matrix).then_some(matrix)
}

/// The logarithm of the likelihood, and its derivatives by the logarithms of the kernel's parameters.
fn likelihood(data: &Data, kernel: &Kernel, noise: f64) -> Option<(f64, [f64; 3])> {
    let explained = explain(&factor(data, kernel, noise)?, &data.changes);
    let mut slope = [0.0; 3];
    for (row, own) in data.points().enumerate() {
        // A tile of the diagonal has both halves, each with half of the weight.
        let end = (row / SIDE + 1) * SIDE;
        for (column, other) in data.points().enumerate().take(end) {
            let (covariance, square, half_time) = kernel.covariance(own, other);
            let share = -explained.by_covariance.get(row, column) * covariance;
            slope[0] += share;
            slope[1] += share * square / kernel.length;
            slope[2] -= share * half_time * kernel.epsilon / (1.0 - kernel.epsilon);
        }
    }
    Some((explained.log_likelihood, slope))
}

/// The lowest place of a function in a box, from a start, and its value there.
fn lowest(
    start: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    function: impl Fn(&[f64]) -> (f64, Vec<f64>),
) -> (Vec<f64>, f64) {
    let limits = Limits {
        slope: 1e-5,
        gain: 1e7 * f64::EPSILON,
        steps: 200,
    };
    let mut minimizer = Minimizer::new(start, low, high, limits);
    while !minimizer.is_done() {
        let (value, slope) = function(minimizer.point());
        minimizer.tell(value, slope);
    }
    let (place, value) = minimizer.best();
    (place.to_vec(), value)
}

/// How many of the latest periods are tried: all if they are few.
fn lengths(count: usize) -> Vec<usize> {
    if count <= SEEN_MIN {
        return if count == 0 { Vec::new() } else { vec![count] };
    }
    let mut lengths = vec![SEEN_MIN];
    while let Some(last) = lengths
        .last()
        .map(|last| last + last / 4)
        .filter(|next| *next < count)
    {
        lengths.push(last);
    }
    lengths.push(count);
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: [(f64, f64); 2] = [(0.0, 10.0), (-1.0, 1.0)];

    /// Rewards rise faster the nearer the first one is to 7, and later to 3; the second one does not matter.
    fn periods(count: usize, turn: f64) -> Vec<Period> {
        let mut random = Random::new(1, Purpose::Sequence, 0);
        (0..count)
            .map(|at| {
                let time = (at / 4) as f64;
                let values: Vec<f64> = BOUNDS
                    .iter()
                    .map(|(low, high)| low + random.unit() * (high - low))
                    .collect();
                let best = if time < turn { 7.0 } else { 3.0 };
                Period {
                    time,
                    reward: 0.1 * time,
                    change: -(values[0] - best).abs() + 0.05 * random.normal(),
                    values,
                }
            })
            .collect()
    }

    const START: Start = Start {
        time: 20.0,
        reward: 2.0,
    };

    fn explored(seen: &[Period], running: &[Vec<f64>], number: u64) -> Vec<f64> {
        let values = explore(seen, &BOUNDS, running, START, 1, number).unwrap();
        for (value, (low, high)) in values.iter().zip(BOUNDS) {
            assert!((low..=high).contains(value), "{values:?}");
        }
        values
    }

    #[test]
    fn it_finds_what_raises_rewards() {
        let values = explored(&periods(80, f64::INFINITY), &[], 3);
        assert!((values[0] - 7.0).abs() < 1.5, "{values:?}");
    }

    #[test]
    fn nothing_seen_is_nothing_known() {
        assert_eq!(explore(&[], &BOUNDS, &[], START, 1, 0), None);
        // One, and all the same, are enough for a model.
        let one = periods(1, 0.0);
        explored(&one, &[], 0);
        explored(&vec![one[0].clone(); 9], &[vec![3.0, 0.0]], 0);
    }

    #[test]
    fn what_runs_is_not_tried_again() {
        let seen = periods(12, f64::INFINITY);
        let first = explored(&seen, &[], 3);
        let mut running = vec![first.clone()];
        for number in 4..7 {
            let next = explored(&seen, &running, number);
            let nearest = running
                .iter()
                .map(|other| (next[0] - other[0]).abs() / 10.0 + (next[1] - other[1]).abs() / 2.0);
            assert!(
                nearest.fold(f64::INFINITY, f64::min) > 1e-3,
                "{next:?}, {running:?}"
            );
            running.push(next);
        }
        assert_eq!(explored(&seen, &[], 3), first);
    }

    #[test]
    fn derivatives_are_those_of_what_they_are_of() {
        let seen = periods(23, 3.0);
        let seen: Vec<&Period> = seen.iter().collect();
        let data = Data::new(&seen, &BOUNDS, START);
        let start = [0.4_f64, -0.9, -1.5];
        let (_, slope) = likelihood(&data, &Kernel::of(&start), 1e-3).unwrap();
        for each in 0..3 {
            let moved = |by: f64| {
                let mut logarithms = start;
                logarithms[each] += by;
                likelihood(&data, &Kernel::of(&logarithms), 1e-3).unwrap().0
            };
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!(
                (slope[each] - difference).abs() < 1e-5 * (1.0 + difference.abs()),
                "{slope:?}, {difference}"
            );
        }
        let bandit = Bandit::new(&data, Kernel::of(&start), 1e-3).unwrap();
        let point = [0.7, 0.4, 0.2, 0.9];
        let look = bandit.look(&point);
        for axis in 1..4 {
            let moved = |by: f64| {
                let mut point = point;
                point[axis] += by;
                bandit.look(&point)
            };
            let (more, less) = (moved(1e-5), moved(-1e-5));
            assert!((look.by_mean[axis] - (more.mean - less.mean) / 2e-5).abs() < 1e-5);
            assert!((look.by_variance[axis] - (more.variance - less.variance) / 2e-5).abs() < 1e-5);
        }
    }

    #[test]
    fn the_past_is_tried_in_growing_lengths() {
        assert_eq!(lengths(0), [0; 0]);
        assert_eq!(lengths(200), [200]);
        assert_eq!(lengths(400), [200, 250, 312, 390, 400]);
    }

    #[derive(serde::Deserialize)]
    struct Fixtures {
        cases: Vec<Case>,
    }

    #[derive(serde::Deserialize)]
    struct Case {
        periods: Vec<WrittenPeriod>,
        bounds: Vec<(f64, f64)>,
        running: Vec<Vec<f64>>,
        time: f64,
        reward: f64,
        fitted: Vec<Fitted>,
        proposed: Vec<f64>,
        bound: f64,
    }

    #[derive(serde::Deserialize)]
    struct WrittenPeriod {
        time: f64,
        reward: f64,
        change: f64,
        values: Vec<f64>,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fitted {
        variance: f64,
        length: f64,
        epsilon: f64,
        log_likelihood: f64,
    }

    #[test]
    fn models_are_those_of_ray_and_proposals_as_good() {
        let text = include_str!("../tests/fixtures/ray_pb2.json");
        let Fixtures { cases } = serde_json::from_str(text).unwrap();
        assert!(cases.len() >= 6);
        for (index, case) in cases.into_iter().enumerate() {
            let periods: Vec<Period> = case
                .periods
                .into_iter()
                .map(|written| Period {
                    time: written.time,
                    reward: written.reward,
                    change: written.change,
                    values: written.values,
                })
                .collect();
            let start = Start {
                time: case.time,
                reward: case.reward,
            };
            let sorted: Vec<&Period> = periods.iter().collect();
            let mut data = Data::new(&sorted, &case.bounds, start);
            let mut bandits = Vec::new();
            for fitted in &case.fitted {
                let kernel = Kernel {
                    variance: fitted.variance,
                    length: fitted.length,
                    epsilon: fitted.epsilon,
                };
                let (found, _) = likelihood(&data, &kernel, NOISES[0]).unwrap();
                let expected = fitted.log_likelihood;
                assert!(
                    (found - expected).abs() < 1e-4 * (1.0 + expected.abs()),
                    "case {index}: {found} is not {expected}"
                );
                let (own, _) = Bandit::fit(&data, &Kernel::STARTS).unwrap();
                assert!(
                    own > expected - 0.05,
                    "case {index}: {own} against {expected}"
                );
                bandits.push(Bandit::new(&data, kernel, NOISES[0]).unwrap());
                case.running.iter().for_each(|values| data.add(values));
            }
            // With Ray's kernels the bound is Ray's.
            let mut model = Model::new(&periods, &case.bounds, &case.running, start).unwrap();
            let mut bandits = bandits.into_iter();
            model.bandit = bandits.next().unwrap();
            model.doubtful = bandits.next();
            let place = |values: &[f64]| -> Vec<f64> {
                let ends = values.iter().zip(&case.bounds);
                ends.map(|(value, (low, high))| (value - low) / (high - low))
                    .collect()
            };
            let (bound, _) = model.bound(&place(&case.proposed));
            assert!(
                (bound - case.bound).abs() < 1e-3,
                "case {index}: {bound} is not {}",
                case.bound
            );
            let own = explore(&periods, &case.bounds, &case.running, start, 1, 0).unwrap();
            let (reached, _) = model.bound(&place(&own));
            assert!(
                reached > case.bound - 0.1,
                "case {index}: {own:?} has {reached}, {:?} has {}",
                case.proposed,
                case.bound
            );
        }
    }
}
