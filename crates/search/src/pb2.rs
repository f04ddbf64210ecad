//! Population-based bandits: what a trial that takes over the state of a better one tries next.
//!
//! Parker-Holder, Nguyen and Roberts, "Provably efficient online hyperparameter optimization with population-based bandits", 2020. The
//! decisions are those of Ray 2.60's `PB2` (`tune/schedulers/pb2.py`, `pb2_utils.py`): a Gaussian process of how fast rewards have risen,
//! by time, reward and hyper-parameters, in which what is long ago counts less; where its upper bound is highest, the next ones lie.
//!
//! Different are: how much of the past is used is tried in lengths that grow by a quarter, not by ten; kernels are looked for from three
//! starts, and slopes are calculated, not tried out; and where covariances have no factor, because trials repeat each other, there is as
//! much noise as is needed for one. Ray's numbers are rounded to 32 bits at the end, these are not.

use std::cmp::Ordering;
use std::collections::VecDeque;

use crate::gp::kernel::{exp_negative, finish_diagonal};
use crate::gp::likelihood::explain;
use crate::gp::minimizer::{Limits, Minimizer};
use crate::gp::panels::{Panels, SIDE, factorize, padded, solve_backward, solve_forward};
use crate::normal::LN_SQRT_2PI;
use crate::random::{Purpose, Random};

/// The latest so many periods count. (Ray: 1,000; the work grows with the third power.)
const SEEN_MAX: usize = 250;

/// With fewer of them all are used.
const SEEN_MIN: usize = 200;

/// From so many on, the search for a kernel begins with the latest half.
const THINNED_FROM: usize = 96;

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

impl Period {
    fn order(&self, other: &Self) -> Ordering {
        let numbers = |period: &Self| [period.time, period.reward, period.change];
        let own = numbers(self).into_iter().chain(self.values.iter().copied());
        let others = numbers(other)
            .into_iter()
            .chain(other.values.iter().copied());
        own.zip(others)
            .map(|(own, other)| own.total_cmp(&other))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

/// What the next period begins with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Start {
    /// The time of the trial whose state is taken over.
    pub time: f64,
    /// Its reward.
    pub reward: f64,
}

/// What is known of a population. See the module.
#[derive(Debug)]
pub struct Population {
    bounds: Vec<(f64, f64)>,
    /// By time, and those of the same time by what they are: it does not matter who has reported first.
    seen: VecDeque<Period>,
    /// Of what was seen, once something was asked.
    fitted: Option<(Data, Bandit)>,
}

impl Population {
    /// With the least and the greatest value of each hyper-parameter.
    #[must_use]
    pub fn new(bounds: Vec<(f64, f64)>) -> Self {
        Self {
            bounds,
            seen: VecDeque::new(),
            fitted: None,
        }
    }

    /// A period has ended. It has a value for each hyper-parameter.
    pub fn observe(&mut self, period: Period) {
        debug_assert_eq!(period.values.len(), self.bounds.len());
        let at = self
            .seen
            .partition_point(|other| other.order(&period).is_le());
        self.seen.insert(at, period);
        if self.seen.len() > SEEN_MAX {
            self.seen.pop_front();
        }
        self.fitted = None;
    }

    /// The hyper-parameters for a period, inside their bounds; as in Ray, the best ones by the model for its time and reward.
    ///
    /// `running` are those of periods that began at the same time: they are not tried again. The result depends on nothing but what was
    /// seen and what is given. `None` if nothing was seen.
    pub fn explore(
        &mut self,
        running: &[Vec<f64>],
        start: Start,
        seed: u64,
        number: u64,
    ) -> Option<Vec<f64>> {
        let bounds = self.bounds.clone();
        let model = self.model(running, start)?;
        let mut random = Random::new(seed, Purpose::Model, number);
        let size = bounds.len();
        let searches = (0..STARTS).map(|_| {
            let place = bounds.iter().map(|_| random.unit()).collect();
            Minimizer::new(place, vec![0.0; size], vec![1.0; size], PLACE_LIMITS)
        });
        let mut searches: Vec<Minimizer> = searches.collect();
        loop {
            // Four points take as long as one.
            let mut open: Vec<&mut Minimizer> =
                searches.iter_mut().filter(|each| !each.is_done()).collect();
            if open.is_empty() {
                break;
            }
            let places: Vec<&[f64]> = open.iter().map(|each| each.point()).collect();
            let bounds = model.upper_bounds(&places);
            for (search, (bound, slope)) in open.iter_mut().zip(bounds) {
                search.tell(-bound, slope.iter().map(|each| -each).collect());
            }
        }
        let ends = searches.iter().map(Minimizer::best);
        let (place, _) = ends.min_by(|a, b| a.1.total_cmp(&b.1))?;
        let values = place
            .iter()
            .zip(&bounds)
            .map(|(place, (low, high))| low + place * (high - low));
        Some(values.collect())
    }

    fn model(&mut self, running: &[Vec<f64>], start: Start) -> Option<Model<'_>> {
        if self.fitted.is_none() {
            self.fitted = Some(fit_latest(self.seen.make_contiguous(), &self.bounds)?);
        }
        let (data, bandit) = self.fitted.as_ref()?;
        let weight = 0.2 + (0.4 * data.changes.len() as f64).ln().max(0.0);
        let fixed = data.fixed(start);
        let doubtful = if running.is_empty() {
            None
        } else {
            let data = data.with(fixed, running);
            Some(Bandit::fit(&data)?)
        };
        Some(Model {
            bandit,
            doubtful,
            kappa: weight.sqrt(),
            fixed,
        })
    }
}

/// The model of as many of the latest periods as Ray's measure wants: the likelihood, though that of more changes is a smaller number.
/// The past is used if it fits very well.
fn fit_latest(seen: &[Period], bounds: &[(f64, f64)]) -> Option<(Data, Bandit)> {
    let latest = |length: usize| Data::new(&seen[seen.len() - length..], bounds);
    let mut lengths = lengths(seen.len()).into_iter();
    let data = latest(lengths.next()?);
    let bandit = Bandit::fit(&data)?;
    let mut best = log_likelihood(&data, &bandit.kernel, bandit.noise)?;
    let mut longer = None;
    for length in lengths {
        // What fits the latest periods is near to what fits more of them.
        let data = latest(length);
        let likelihood = log_likelihood(&data, &bandit.kernel, bandit.noise);
        if let Some(likelihood) = likelihood.filter(|each| *each > best) {
            best = likelihood;
            longer = Some(data);
        }
    }
    let Some(data) = longer else {
        return Some((data, bandit));
    };
    let bandit = bandit.climb_on(&data)?;
    Some((data, bandit))
}

/// What is known of the next period.
#[derive(Debug)]
struct Model<'a> {
    /// Of changes.
    bandit: &'a Bandit,
    /// With those that run, if there are any: of the doubt.
    doubtful: Option<Bandit>,
    /// How much the variance weighs.
    kappa: f64,
    fixed: [f64; FIXED],
}

impl Model<'_> {
    /// What changes may reach with hyper-parameters at places between their bounds, and how that changes with them.
    fn upper_bounds(&self, places: &[&[f64]]) -> Vec<(f64, Vec<f64>)> {
        let points: Vec<Vec<f64>> = places
            .iter()
            .map(|place| self.fixed.iter().chain(*place).copied().collect())
            .collect();
        let own = self.bandit.covariances(&points);
        let means = self.bandit.means(&points, &own);
        let variances = match &self.doubtful {
            Some(other) => other.variances(&points, &other.covariances(&points)),
            None => self.bandit.variances(&points, &own),
        };
        let sum = |mean: f64, variance: f64| mean + self.kappa * variance;
        means
            .iter()
            .zip(&variances)
            .map(|(mean, variance)| {
                let slopes = mean.slopes.iter().zip(&variance.slopes).skip(FIXED);
                (
                    sum(mean.value, variance.value),
                    slopes
                        .map(|(mean, variance)| sum(*mean, *variance))
                        .collect(),
                )
            })
            .collect()
    }
}

/// The time and the reward are given; all that follows can be chosen.
const FIXED: usize = 2;

/// Periods on the scale of the model.
#[derive(Clone, Debug)]
struct Data {
    times: Range,
    rewards: Range,
    bounds: Vec<Range>,
    /// Time, reward and hyper-parameters.
    points: Vec<Vec<f64>>,
    changes: Vec<f64>,
    /// Of each two points, in the lower half and in the tiles of the diagonal: the squared distance of all but the time, and half of
    /// that of the time.
    squares: Panels,
    half_times: Panels,
}

impl Data {
    fn new(seen: &[Period], bounds: &[(f64, f64)]) -> Self {
        let count = seen.len() as f64;
        let mean = seen.iter().map(|period| period.change).sum::<f64>() / count;
        let square = seen
            .iter()
            .map(|period| (period.change - mean).powi(2))
            .sum::<f64>()
            / count;
        let deviation = square.sqrt() + RANGE_MIN;
        let changes = seen
            .iter()
            .map(|period| ((period.change - mean) / deviation).clamp(-CHANGE_MAX, CHANGE_MAX));
        let mut data = Self {
            times: Range::of(seen.iter().map(|period| period.time)),
            rewards: Range::of(seen.iter().map(|period| period.reward)),
            bounds: bounds
                .iter()
                .map(|&(low, high)| Range { low, high })
                .collect(),
            points: Vec::new(),
            changes: changes.collect(),
            squares: Panels::zeros(0, 0),
            half_times: Panels::zeros(0, 0),
        };
        let points = seen.iter().map(|period| {
            let fixed = data.fixed(Start {
                time: period.time,
                reward: period.reward,
            });
            data.point(fixed, &period.values)
        });
        data.points = points.collect();
        data.measured()
    }

    /// With periods that begin like the next one. Nothing is known of their changes, and only doubt is taken from them.
    fn with(&self, fixed: [f64; FIXED], running: &[Vec<f64>]) -> Self {
        let mut data = self.clone();
        for values in running {
            data.points.push(self.point(fixed, values));
            data.changes.push(0.0);
        }
        data.measured()
    }

    /// The latest half, on the same scale. Every other one would not do: it leaves out what follows each other in one trial, and by that
    /// alone it is seen how fast things change.
    fn half(&self) -> Self {
        let first = self.points.len() / 2;
        Self {
            points: self.points[first..].to_vec(),
            changes: self.changes[first..].to_vec(),
            ..self.clone()
        }
        .measured()
    }

    /// Time and reward of a period.
    fn fixed(&self, start: Start) -> [f64; FIXED] {
        [
            self.times.place(start.time),
            self.rewards.place(start.reward),
        ]
    }

    fn point(&self, fixed: [f64; FIXED], values: &[f64]) -> Vec<f64> {
        let places = values.iter().zip(&self.bounds);
        fixed
            .into_iter()
            .chain(places.map(|(value, range)| range.place(*value)))
            .collect()
    }

    fn measured(mut self) -> Self {
        let count = self.points.len();
        self.squares = Panels::zeros(count, count);
        self.half_times = Panels::zeros(count, count);
        for (row, own) in self.points.iter().enumerate() {
            let end = (row / SIDE + 1) * SIDE;
            for (column, other) in self.points.iter().enumerate().take(end) {
                let (square, half_time) = distances(own, other);
                self.squares.set(row, column, square);
                self.half_times.set(row, column, half_time);
            }
        }
        self
    }
}

/// The squared distance of all but the time, and half of that of the time.
fn distances(a: &[f64], b: &[f64]) -> (f64, f64) {
    let square = a[1..]
        .iter()
        .zip(&b[1..])
        .map(|(a, b)| (a - b) * (a - b))
        .sum();
    (square, 0.5 * (a[0] - b[0]).abs())
}

#[derive(Clone, Copy, Debug)]
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

    /// By squared distances and halves of those in time.
    fn covariances(
        &self,
        squares: &[[f64; SIDE]],
        half_times: &[[f64; SIDE]],
        to: &mut [[f64; SIDE]],
    ) {
        let (by_square, by_time) = (self.length.recip(), -(-self.epsilon).ln_1p());
        for ((to, squares), half_times) in to.iter_mut().zip(squares).zip(half_times) {
            for row in 0..SIDE {
                let exponent = half_times[row] * by_time + squares[row] * by_square;
                to[row] = self.variance * exp_negative(exponent.min(EXPONENT_MAX));
            }
        }
    }
}

/// What is farther is as good as nothing.
const EXPONENT_MAX: f64 = 700.0;

/// A model of changes.
#[derive(Debug)]
struct Bandit {
    kernel: Kernel,
    noise: f64,
    /// The way to the kernel, if it was looked for.
    ascent: Option<Minimizer>,
    points: Vec<Vec<f64>>,
    factor: Panels,
    upper: Panels,
    weights: Vec<f64>,
}

/// What is expected at a point, or the doubt of it, with the derivatives by all of its coordinates but the time.
#[derive(Debug)]
struct Look {
    value: f64,
    slopes: Vec<f64>,
}

impl Bandit {
    /// The kernel that makes the changes most likely, as far as it is found from some. `None` if no covariances have a factor.
    ///
    /// An evaluation takes the third power of the number of periods, so most of the way is gone with a part of them.
    fn fit(data: &Data) -> Option<Self> {
        if data.changes.len() < THINNED_FROM {
            return Self::climb(data, &Kernel::STARTS, None);
        }
        Self::fit(&data.half())?.climb_on(data)
    }

    /// The same with more periods: the way goes on from there, and what is known of its curves counts by the number of periods.
    fn climb_on(&self, data: &Data) -> Option<Self> {
        let factor = data.changes.len() as f64 / self.points.len() as f64;
        let before = self.ascent.as_ref().map(|ascent| (ascent, factor));
        Self::climb(data, &[self.kernel], before)
    }

    fn climb(data: &Data, starts: &[Kernel], before: Option<(&Minimizer, f64)>) -> Option<Self> {
        let mut room = Room::of(data);
        NOISES.iter().find_map(|noise| {
            let tops = starts
                .iter()
                .filter_map(|start| climb(data, start, before, *noise, &mut room));
            let top = tops.max_by(|a, b| b.best().1.total_cmp(&a.best().1))?;
            let kernel = Kernel::of(top.best().0);
            let ascent = Some(top);
            Some(Self {
                ascent,
                ..Self::new(data, kernel, *noise)?
            })
        })
    }

    fn new(data: &Data, kernel: Kernel, noise: f64) -> Option<Self> {
        let factor = factor(data, &kernel, noise)?;
        let upper = factor.transposed();
        let mut right = row_of(&data.changes);
        solve_forward(&factor, &mut right);
        solve_backward(&upper, &mut right);
        Some(Self {
            kernel,
            noise,
            ascent: None,
            points: data.points.clone(),
            factor,
            upper,
            weights: right.row(0).collect(),
        })
    }

    /// Of points with the periods, a row for each point.
    fn covariances(&self, points: &[Vec<f64>]) -> Panels {
        let count = self.points.len();
        let mut squares = Panels::zeros(points.len(), count);
        let mut half_times = squares.clone();
        for (row, point) in points.iter().enumerate() {
            for (at, other) in self.points.iter().enumerate() {
                let (square, half_time) = distances(point, other);
                squares.set(row, at, square);
                half_times.set(row, at, half_time);
            }
        }
        let mut covariances = Panels::zeros(points.len(), count);
        for (at, to) in covariances.iter_mut().enumerate() {
            let (squares, half_times) = (squares.panel(at), half_times.panel(at));
            self.kernel
                .covariances(&squares[..count], &half_times[..count], &mut to[..count]);
        }
        covariances
    }

    /// The changes that are expected at points with these covariances.
    fn means(&self, points: &[Vec<f64>], covariances: &Panels) -> Vec<Look> {
        let looks = points.iter().enumerate().map(|(row, point)| {
            let weights = self.weights.iter().copied();
            let (value, slopes) = self.sums(point, covariances.row(row), weights);
            Look { value, slopes }
        });
        looks.collect()
    }

    /// The variances of what is expected there.
    fn variances(&self, points: &[Vec<f64>], covariances: &Panels) -> Vec<Look> {
        let mut solved = covariances.clone();
        solve_forward(&self.factor, &mut solved);
        let explained: Vec<f64> = (0..points.len())
            .map(|row| solved.row(row).map(|each| each * each).sum())
            .collect();
        solve_backward(&self.upper, &mut solved);
        let looks = points.iter().zip(explained).enumerate();
        looks
            .map(|(row, (point, explained))| {
                let (_, slopes) = self.sums(point, covariances.row(row), solved.row(row));
                Look {
                    value: (self.kernel.variance - explained).max(0.0),
                    slopes: slopes.iter().map(|slope| -2.0 * slope).collect(),
                }
            })
            .collect()
    }

    /// The sum of a point's covariances times weights, and its derivatives.
    fn sums(
        &self,
        point: &[f64],
        covariances: impl Iterator<Item = f64>,
        weights: impl Iterator<Item = f64>,
    ) -> (f64, Vec<f64>) {
        let mut value = 0.0;
        let mut slopes = vec![0.0; point.len()];
        for (other, (covariance, weight)) in self.points.iter().zip(covariances.zip(weights)) {
            let part = covariance * weight;
            value += part;
            let coordinates = slopes.iter_mut().zip(point).zip(other).skip(1);
            for ((slope, own), other) in coordinates {
                *slope += part * (own - other);
            }
        }
        let factor = -2.0 / self.kernel.length;
        slopes.iter_mut().for_each(|slope| *slope *= factor);
        (value, slopes)
    }
}

fn row_of(values: &[f64]) -> Panels {
    let mut row = Panels::zeros(1, values.len());
    for (at, value) in values.iter().enumerate() {
        row.set(0, at, *value);
    }
    row
}

/// The way to the kernel at which changes are most likely, as far as it is found from one. `None` if it makes none likely.
fn climb(
    data: &Data,
    start: &Kernel,
    before: Option<(&Minimizer, f64)>,
    noise: f64,
    room: &mut Room,
) -> Option<Minimizer> {
    let (low, high): (Vec<f64>, Vec<f64>) = Kernel::BOUNDS
        .iter()
        .map(|(low, high)| (low.ln(), high.ln()))
        .unzip();
    let start = [start.variance, start.length, start.epsilon].map(f64::ln);
    let start = (0..3).map(|each| start[each].clamp(low[each], high[each]));
    let steps = if data.changes.len() < THINNED_FROM {
        KERNEL_LIMITS.steps
    } else {
        STEPS_NEAR
    };
    let limits = Limits {
        steps,
        ..KERNEL_LIMITS
    };
    let mut minimizer = Minimizer::new(start.collect(), low, high, limits);
    if let Some((before, factor)) = before {
        minimizer = minimizer.with_curvature(before, factor);
    }
    while !minimizer.is_done() {
        match likelihood(data, &Kernel::of(minimizer.point()), noise, room) {
            Some((value, slope)) => {
                minimizer.tell(-value, slope.map(|each| -each).to_vec());
            }
            None => minimizer.tell(f64::INFINITY, vec![0.0; 3]),
        }
    }
    minimizer.best().1.is_finite().then_some(minimizer)
}

/// Steps with many periods: these begin near to the top.
const STEPS_NEAR: usize = 3;

/// Both are much finer than what a few more periods change.
const KERNEL_LIMITS: Limits = Limits {
    slope: 1e-2,
    gain: 1e-5,
    steps: 100,
};

const PLACE_LIMITS: Limits = Limits {
    slope: 1e-4,
    gain: 1e-7,
    steps: 50,
};

/// Matrices of the size of some data: a way to a kernel calculates the same ones again and again.
#[derive(Debug)]
struct Room {
    covariances: Panels,
    factor: Panels,
    inverse: Panels,
}

impl Room {
    fn of(data: &Data) -> Self {
        let count = data.changes.len();
        let zeros = || Panels::zeros(count, count);
        Self {
            covariances: zeros(),
            factor: zeros(),
            inverse: zeros(),
        }
    }
}

/// Of each two points, in the lower half and in the tiles of the diagonal.
fn calculate_covariances(data: &Data, kernel: &Kernel, matrix: &mut Panels) {
    for (at, to) in matrix.iter_mut().enumerate() {
        let end = (at + 1) * SIDE;
        let (squares, half_times) = (data.squares.panel(at), data.half_times.panel(at));
        kernel.covariances(&squares[..end], &half_times[..end], &mut to[..end]);
    }
}

/// The factor of covariances, padded with the identity. `None` if there is none.
fn factor(data: &Data, kernel: &Kernel, noise: f64) -> Option<Panels> {
    let count = data.changes.len();
    let mut matrix = Panels::zeros(count, count);
    calculate_covariances(data, kernel, &mut matrix);
    finish_diagonal(&mut matrix, count, |_| noise);
    factorize(&mut matrix).then_some(matrix)
}

/// The logarithm of the likelihood, and its derivatives by the logarithms of the kernel's parameters.
fn likelihood(
    data: &Data,
    kernel: &Kernel,
    noise: f64,
    room: &mut Room,
) -> Option<(f64, [f64; 3])> {
    let count = data.changes.len();
    let Room {
        covariances,
        factor,
        inverse,
    } = room;
    calculate_covariances(data, kernel, covariances);
    // What is there only for the size has no part in the slopes.
    for at in count..padded(count) {
        for column in 0..padded(count) {
            covariances.set(at, column, 0.0);
        }
        for row in count..padded(count) {
            covariances.set(row, at, 0.0);
        }
    }
    for (at, (to, from)) in factor.iter_mut().zip(covariances.iter()).enumerate() {
        let end = (at + 1) * SIDE;
        to[..end].copy_from_slice(&from[..end]);
    }
    finish_diagonal(factor, count, |_| noise);
    if !factorize(factor) {
        return None;
    }
    let mut slope = [[0.0; SIDE]; 3];
    let explained = explain(factor, &data.changes, inverse, |panel, tile, shares| {
        let tile = tile * SIDE..(tile + 1) * SIDE;
        let covariances = &covariances.panel(panel)[tile.clone()];
        let squares = &data.squares.panel(panel)[tile.clone()];
        let half_times = &data.half_times.panel(panel)[tile];
        for (column, shares) in shares.iter().enumerate() {
            for row in 0..SIDE {
                let share = -shares[row] * covariances[column][row];
                slope[0][row] += share;
                slope[1][row] += share * squares[column][row];
                slope[2][row] -= share * half_times[column][row];
            }
        }
    });
    let [by_variance, by_square, by_half_time] = slope.map(|each| each.iter().sum::<f64>());
    let slope = [
        by_variance,
        by_square / kernel.length,
        by_half_time * kernel.epsilon / (1.0 - kernel.epsilon),
    ];
    Some((explained.log_likelihood, slope))
}

/// The logarithm of the likelihood.
fn log_likelihood(data: &Data, kernel: &Kernel, noise: f64) -> Option<f64> {
    let count = data.changes.len();
    let factor = factor(data, kernel, noise)?;
    let mut whitened = row_of(&data.changes);
    solve_forward(&factor, &mut whitened);
    let square: f64 = whitened.row(0).map(|each| each * each).sum();
    let log_determinant: f64 = (0..count).map(|at| factor.get(at, at).ln()).sum();
    Some(-0.5 * square - log_determinant - count as f64 * LN_SQRT_2PI)
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

    fn population(seen: &[Period], bounds: &[(f64, f64)]) -> Population {
        let mut population = Population::new(bounds.to_vec());
        for period in seen {
            population.observe(period.clone());
        }
        population
    }

    const START: Start = Start {
        time: 20.0,
        reward: 2.0,
    };

    fn explored(seen: &[Period], running: &[Vec<f64>], number: u64) -> Vec<f64> {
        let mut population = population(seen, &BOUNDS);
        let values = population.explore(running, START, 1, number).unwrap();
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
    fn it_does_not_matter_who_reports_first() {
        let seen = periods(40, 3.0);
        let turned: Vec<Period> = seen
            .chunks(4)
            .flat_map(|each| each.iter().rev().cloned())
            .collect();
        assert_ne!(seen, turned);
        assert_eq!(explored(&seen, &[], 3), explored(&turned, &[], 3));
    }

    #[test]
    fn nothing_seen_is_nothing_known() {
        assert_eq!(population(&[], &BOUNDS).explore(&[], START, 1, 0), None);
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
        let data = Data::new(&seen, &BOUNDS);
        let start = [0.4_f64, -0.9, -1.5];
        let mut room = Room::of(&data);
        let (_, slope) = likelihood(&data, &Kernel::of(&start), 1e-3, &mut room).unwrap();
        for each in 0..3 {
            let mut moved = |by: f64| {
                let mut logarithms = start;
                logarithms[each] += by;
                likelihood(&data, &Kernel::of(&logarithms), 1e-3, &mut room)
                    .unwrap()
                    .0
            };
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!(
                (slope[each] - difference).abs() < 1e-5 * (1.0 + difference.abs()),
                "{slope:?}, {difference}"
            );
        }
        let bandit = Bandit::new(&data, Kernel::of(&start), 1e-3).unwrap();
        let point = [0.7, 0.4, 0.2, 0.9];
        let looks = |point: [f64; 4]| {
            let points = [point.to_vec()];
            let covariances = bandit.covariances(&points);
            [
                bandit.means(&points, &covariances).remove(0),
                bandit.variances(&points, &covariances).remove(0),
            ]
        };
        for (each, look) in looks(point).iter().enumerate() {
            for axis in 1..4 {
                let moved = |by: f64| {
                    let mut point = point;
                    point[axis] += by;
                    looks(point)[each].value
                };
                let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((look.slopes[axis] - difference).abs() < 1e-5);
            }
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
            let mut population = population(&periods, &case.bounds);
            let mut data = Data::new(&periods, &case.bounds);
            let fixed = data.fixed(start);
            let explored = population.explore(&case.running, start, 1, 0).unwrap();
            let model = population.model(&case.running, start).unwrap();
            let mut own = [Some(model.bandit), model.doubtful.as_ref()].into_iter();
            let mut bandits = Vec::new();
            for fitted in &case.fitted {
                let kernel = Kernel {
                    variance: fitted.variance,
                    length: fitted.length,
                    epsilon: fitted.epsilon,
                };
                let (found, _) =
                    likelihood(&data, &kernel, NOISES[0], &mut Room::of(&data)).unwrap();
                let expected = fitted.log_likelihood;
                assert!(
                    (found - expected).abs() < 1e-4 * (1.0 + expected.abs()),
                    "case {index}: {found} is not {expected}"
                );
                let own = own.next().flatten().unwrap();
                let own = log_likelihood(&data, &own.kernel, own.noise).unwrap();
                assert!(
                    own > expected - 0.05,
                    "case {index}: {own} against {expected}"
                );
                bandits.push(Bandit::new(&data, kernel, NOISES[0]).unwrap());
                data = data.with(fixed, &case.running);
            }
            // With Ray's kernels the bound is Ray's.
            let kappa = model.kappa;
            let mut bandits = bandits.into_iter();
            let model = Model {
                bandit: &bandits.next().unwrap(),
                doubtful: bandits.next(),
                kappa,
                fixed,
            };
            let bound_at = |place: Vec<f64>| model.upper_bounds(&[&place])[0].0;
            let place = |values: &[f64]| -> Vec<f64> {
                let ends = values.iter().zip(&case.bounds);
                ends.map(|(value, (low, high))| (value - low) / (high - low))
                    .collect()
            };
            let bound = bound_at(place(&case.proposed));
            assert!(
                (bound - case.bound).abs() < 1e-3,
                "case {index}: {bound} is not {}",
                case.bound
            );
            let reached = bound_at(place(&explored));
            assert!(
                reached > case.bound - 0.1,
                "case {index}: {explored:?} has {reached}, {:?} has {}",
                case.proposed,
                case.bound
            );
        }
    }
}
