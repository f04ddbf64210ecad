//! The least value of a smooth function in a box, by its gradient: L-BFGS, with its steps bent at the walls.
//!
//! Nocedal, "Updating quasi-Newton matrices with limited storage", 1980, for the directions; Bertsekas, "Projected Newton methods for
//! optimization problems with simple constraints", 1982, for the walls: variables that are held by one take no part in a step. Steps
//! are those of Lewis and Overton, "Nonsmooth optimization via quasi-Newton methods", 2013.
//!
//! It is asked for a point and told its value, so whoever runs several at once can look at all their points together.

use std::collections::VecDeque;

use crate::matrix::dot;

/// So many steps are remembered, as in scipy's `L-BFGS-B`.
const MEMORY: usize = 10;

/// Points of one line, at most.
const LINE_MAX: usize = 20;

/// A step has to keep this part of what the slope promises.
const ENOUGH: f64 = 1e-4;

/// A step is long enough where the slope has fallen to this part.
const FLAT: f64 = 0.9;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// No slope is above this, walls left out.
    pub(crate) slope: f64,
    /// A step makes it better by no more than this part.
    pub(crate) gain: f64,
    /// Steps.
    pub(crate) steps: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Minimizer {
    low: Vec<f64>,
    high: Vec<f64>,
    limits: Limits,
    /// Where it stands: the least value so far.
    at: Place,
    /// Steps, the changes of the gradient by them, and the inverse of their product; the latest last.
    memory: VecDeque<(Vec<f64>, Vec<f64>, f64)>,
    line: Line,
    steps: usize,
    is_done: bool,
}

#[derive(Clone, Debug)]
struct Place {
    point: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// A search along a direction.
#[derive(Debug)]
struct Line {
    direction: Vec<f64>,
    /// Where to look next, as a multiple of the direction, and the point.
    length: f64,
    point: Vec<f64>,
    /// The longest step that was good and too short, with what was found there.
    short: Option<(f64, Place)>,
    /// The shortest one that was not good.
    long: Option<f64>,
    looked: usize,
}

impl Minimizer {
    /// From a point of the box, at which [`Minimizer::tell`] has to be called first.
    pub(crate) fn new(start: Vec<f64>, low: Vec<f64>, high: Vec<f64>, limits: Limits) -> Self {
        let line = Line {
            direction: Vec::new(),
            length: 0.0,
            point: start.clone(),
            short: None,
            long: None,
            looked: 0,
        };
        Self {
            low,
            high,
            limits,
            at: Place {
                point: start,
                value: f64::NAN,
                gradient: Vec::new(),
            },
            memory: VecDeque::with_capacity(MEMORY),
            line,
            steps: 0,
            is_done: false,
        }
    }

    /// It begins with what another one has found of the curvature of a function that is steeper by a factor, and alike otherwise.
    pub(crate) fn with_curvature(mut self, other: &Self, factor: f64) -> Self {
        for (moved, turned, inverse) in &other.memory {
            let turned = turned.iter().map(|each| factor * each).collect();
            let remembered = (moved.clone(), turned, inverse / factor);
            self.memory.push_back(remembered);
        }
        self
    }

    /// Where to look next.
    pub(crate) fn point(&self) -> &[f64] {
        &self.line.point
    }

    /// Nothing more comes of it.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    /// The best point and its value; NaN if the function has none at the start.
    pub(crate) fn best(&self) -> (&[f64], f64) {
        (&self.at.point, self.at.value)
    }

    /// How many steps have made it better.
    pub(crate) fn steps(&self) -> usize {
        self.steps
    }

    /// The value and the gradient at the point to look at; a value that is not finite is a bad one.
    pub(crate) fn tell(&mut self, value: f64, gradient: Vec<f64>) {
        let is_finite = value.is_finite() && gradient.iter().all(|each| each.is_finite());
        let place = Place {
            point: self.line.point.clone(),
            value,
            gradient,
        };
        if self.at.gradient.is_empty() {
            if !is_finite {
                self.is_done = true;
                return;
            }
            self.at = place;
            self.turn();
            return;
        }
        self.line.looked += 1;
        let moved: Vec<f64> = difference(&place.point, &self.at.point);
        let promised = dot(&moved, &self.at.gradient);
        let is_good = is_finite && place.value <= self.at.value + ENOUGH * promised;
        if !is_good {
            self.line.long = Some(self.line.length);
        } else if self.is_flat(&place) || self.line.looked >= LINE_MAX {
            self.step(place);
            return;
        } else {
            self.line.short = Some((self.line.length, place.clone()));
        }
        if self.line.looked >= LINE_MAX {
            self.end_line();
            return;
        }
        let length = self.line.length;
        self.line.length = match (&self.line.short, self.line.long) {
            (Some((short, _)), None) => 3.0 * short,
            (Some((short, _)), Some(long)) => 0.5 * (short + long),
            (None, _) => {
                // The least value of the parabola through what is known, but neither too near nor too far.
                let slope = dot(&self.line.direction, &self.at.gradient);
                let rise = place.value - self.at.value - slope * length;
                let least = -0.5 * slope * length / rise;
                let is_known = is_finite && least.is_finite();
                length * if is_known { least.clamp(0.1, 0.5) } else { 0.1 }
            }
        };
        self.aim();
    }

    /// Whether the function has become flat along the line, as far as walls let it go on.
    fn is_flat(&self, place: &Place) -> bool {
        let (mut before, mut now) = (0.0, 0.0);
        for (at, along) in self.line.direction.iter().enumerate() {
            let wall = if *along < 0.0 {
                self.low[at]
            } else {
                self.high[at]
            };
            before += along * self.at.gradient[at];
            if place.point[at] != wall {
                now += along * place.gradient[at];
            }
        }
        now >= FLAT * before
    }

    /// The line has come to its end.
    fn end_line(&mut self) {
        if let Some((_, place)) = self.line.short.take() {
            self.step(place);
        } else if self.memory.is_empty() {
            self.is_done = true;
        } else {
            // What is remembered leads nowhere: straight down again.
            self.memory.clear();
            self.turn();
        }
    }

    /// Goes to a better place.
    fn step(&mut self, place: Place) {
        let moved = difference(&place.point, &self.at.point);
        let turned = difference(&place.gradient, &self.at.gradient);
        let curvature = dot(&moved, &turned);
        if curvature > f64::EPSILON * dot(&turned, &turned) {
            if self.memory.len() == MEMORY {
                self.memory.pop_front();
            }
            self.memory.push_back((moved, turned, 1.0 / curvature));
        }
        let size = self.at.value.abs().max(place.value.abs()).max(1.0);
        let gain = (self.at.value - place.value) / size;
        self.at = place;
        self.steps += 1;
        if gain <= self.limits.gain || self.steps >= self.limits.steps {
            self.is_done = true;
            return;
        }
        self.turn();
    }

    /// Finds a direction, and the first point on it.
    fn turn(&mut self) {
        let steepest: Vec<f64> = (0..self.at.point.len())
            .map(|at| {
                if self.is_held(at, -self.at.gradient[at]) {
                    0.0
                } else {
                    -self.at.gradient[at]
                }
            })
            .collect();
        let slope = steepest
            .iter()
            .fold(0.0, |largest: f64, each| largest.max(each.abs()));
        if slope <= self.limits.slope {
            self.is_done = true;
            return;
        }
        let mut direction = self.direction(&steepest);
        for at in 0..direction.len() {
            if steepest[at] == 0.0 || self.is_held(at, direction[at]) {
                direction[at] = 0.0;
            }
        }
        let length = dot(&steepest, &steepest).sqrt();
        let falls = dot(&direction, &self.at.gradient)
            < -1e-10 * length * dot(&direction, &direction).sqrt();
        let is_known = falls && !self.memory.is_empty();
        if !falls {
            direction = steepest;
            self.memory.clear();
        }
        self.line = Line {
            // Nothing is known of the scale at first.
            length: if is_known {
                1.0
            } else {
                (1.0 / length).min(1.0)
            },
            direction,
            point: Vec::new(),
            short: None,
            long: None,
            looked: 0,
        };
        self.aim();
    }

    /// A variable stands at a wall, and would go through it.
    fn is_held(&self, at: usize, along: f64) -> bool {
        let place = self.at.point[at];
        (place <= self.low[at] && along < 0.0) || (place >= self.high[at] && along > 0.0)
    }

    /// The inverse of the remembered curvature times the steepest descent: Nocedal's two loops, without what is held.
    fn direction(&self, steepest: &[f64]) -> Vec<f64> {
        let inner = |a: &[f64], b: &[f64]| -> f64 {
            let free = steepest.iter().zip(a).zip(b);
            free.filter(|((own, _), _)| **own != 0.0)
                .map(|((_, a), b)| a * b)
                .sum()
        };
        let mut direction = steepest.to_vec();
        let mut shares = Vec::with_capacity(self.memory.len());
        for (moved, turned, inverse) in self.memory.iter().rev() {
            let share = inverse * inner(moved, &direction);
            add(&mut direction, -share, turned);
            shares.push(share);
        }
        if let Some((moved, turned, _)) = self.memory.back() {
            let scale = inner(moved, turned) / inner(turned, turned);
            if scale.is_finite() && scale > 0.0 {
                direction.iter_mut().for_each(|each| *each *= scale);
            }
        }
        for ((moved, turned, inverse), share) in self.memory.iter().zip(shares.iter().rev()) {
            let other = inverse * inner(turned, &direction);
            add(&mut direction, share - other, moved);
        }
        direction
    }

    /// The point of the line at its length, bent at the walls. The end, if that is where it stands.
    fn aim(&mut self) {
        let line = &mut self.line;
        line.point = self.at.point.clone();
        for (at, value) in line.point.iter_mut().enumerate() {
            *value = (*value + line.length * line.direction[at]).clamp(self.low[at], self.high[at]);
        }
        let stands = match &line.short {
            Some((_, place)) => line.point == place.point,
            None => line.point == self.at.point,
        };
        if stands {
            self.end_line();
        }
    }
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn add(to: &mut [f64], factor: f64, vector: &[f64]) {
    for (to, each) in to.iter_mut().zip(vector) {
        *to += factor * each;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        slope: 1e-8,
        gain: 0.0,
        steps: 500,
    };

    /// The best point and value, and how many points were looked at.
    fn minimize(
        start: &[f64],
        walls: (f64, f64),
        function: impl Fn(&[f64]) -> (f64, Vec<f64>),
    ) -> (Vec<f64>, f64, usize) {
        let size = start.len();
        let (low, high) = (vec![walls.0; size], vec![walls.1; size]);
        let mut minimizer = Minimizer::new(start.to_vec(), low, high, LIMITS);
        let mut looked = 0;
        while !minimizer.is_done() {
            let point = minimizer.point().to_vec();
            assert!(point.iter().all(|each| (walls.0..=walls.1).contains(each)));
            let (value, gradient) = function(&point);
            minimizer.tell(value, gradient);
            looked += 1;
            assert!(looked < 2_000);
        }
        let (point, value) = minimizer.best();
        (point.to_vec(), value, looked)
    }

    fn rosenbrock(x: &[f64]) -> (f64, Vec<f64>) {
        let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
        let gradient = vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b];
        (a * a + 100.0 * b * b, gradient)
    }

    #[test]
    fn it_finds_the_end_of_a_bent_valley() {
        let (point, value, looked) = minimize(&[-1.2, 1.0], (-5.0, 5.0), rosenbrock);
        assert!(value < 1e-14 && (point[0] - 1.0).abs() < 1e-6, "{point:?}");
        // scipy's `L-BFGS-B` looks at 45 points.
        assert!(looked < 70, "{looked}");
    }

    #[test]
    fn it_goes_along_walls() {
        // In the box the least value lies at its wall, where x = ½.
        let (point, value, looked) = minimize(&[-1.2, 0.4], (-2.0, 0.5), rosenbrock);
        assert!(
            (point[0] - 0.5).abs() < 1e-12 && (point[1] - 0.25).abs() < 1e-7,
            "{point:?}"
        );
        assert!((value - 0.25).abs() < 1e-12);
        assert!(looked < 70, "{looked}");
    }

    #[test]
    fn it_scales() {
        let (point, _, looked) = minimize(&[3.0; 12], (-4.0, 4.0), |x| {
            let weight = |at: usize| 10_f64.powf(4.0 * at as f64 / 11.0);
            let value = x
                .iter()
                .enumerate()
                .map(|(at, x)| weight(at) * (x - 1.0) * (x - 1.0));
            let gradient = x
                .iter()
                .enumerate()
                .map(|(at, x)| 2.0 * weight(at) * (x - 1.0));
            (value.sum(), gradient.collect())
        });
        assert!(
            point.iter().all(|each| (each - 1.0).abs() < 1e-6),
            "{point:?}"
        );
        // scipy's looks at 289 points.
        assert!(looked < 400, "{looked}");
    }

    #[test]
    fn it_stays_where_the_function_has_values() {
        let (point, value, _) = minimize(&[5.0], (-10.0, 10.0), |x| {
            (x[0] - x[0].ln(), vec![1.0 - 1.0 / x[0]])
        });
        assert!((point[0] - 1.0).abs() < 1e-6 && (value - 1.0).abs() < 1e-12);
        let (_, value, looked) = minimize(&[-1.0], (-10.0, 10.0), |x| (x[0].ln(), vec![1.0]));
        assert!(value.is_nan() && looked == 1);
    }
}
