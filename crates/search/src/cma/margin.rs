//! A margin for parameters that have steps: each side of the step that the distribution stands on keeps some probability, so that it is
//! not caught there.
//!
//! Hamano, Saito, Nomura and Shirakawa, "CMA-ES with margin", 2022, as `cmaes` 0.13 has it (`CMAwM`), which is Optuna's.

use crate::normal::{mass_below, quantile};

use super::Evolution;

/// The steps of some coordinates.
#[derive(Clone, Debug)]
pub struct Margin {
    margin: f64,
    steps: Vec<Stepped>,
}

#[derive(Clone, Debug)]
struct Stepped {
    coordinate: usize,
    low: f64,
    step: f64,
    count: usize,
    /// By how much the distribution is stretched here, for values alone.
    stretch: f64,
}

impl Margin {
    /// For coordinates that have `count` values, at least two, from `low` on, each `step` from the one before it:
    /// `(coordinate, low, step, count)`.
    #[must_use]
    pub fn new(
        evolution: &Evolution,
        steps: impl Iterator<Item = (usize, f64, f64, usize)>,
    ) -> Self {
        let size = evolution.mean().len() * evolution.population();
        Self {
            margin: 1.0 / size as f64,
            steps: steps
                .map(|(coordinate, low, step, count)| Stepped {
                    coordinate,
                    low,
                    step,
                    count,
                    stretch: 1.0,
                })
                .collect(),
        }
    }

    /// What is tried for a point of the distribution: its steps.
    #[must_use]
    pub fn encoded(&self, evolution: &Evolution, point: &[f64]) -> Vec<f64> {
        let mut encoded = point.to_vec();
        for each in &self.steps {
            let mean = evolution.mean()[each.coordinate];
            let place = (point[each.coordinate] - mean) * each.stretch + mean;
            encoded[each.coordinate] = each.value(each.nearest(place));
        }
        encoded
    }

    /// Keeps the margin after a generation: moves the middle, and stretches.
    pub fn keep(&mut self, evolution: &mut Evolution) {
        for each in &mut self.steps {
            each.keep(self.margin, evolution);
        }
    }
}

impl Stepped {
    fn keep(&mut self, margin: f64, evolution: &mut Evolution) {
        let mean = evolution.mean()[self.coordinate];
        let deviation = evolution.variance(self.coordinate).sqrt();
        let sigma = evolution.sigma();
        let (below, above) = self.limits(mean);
        let scale = sigma * self.stretch * deviation;
        let left = mass_below((below - mean) / scale);
        let right = 1.0 - mass_below((above - mean) / scale);
        let middle = 1.0 - (left + right);
        if left.max(right) > 0.5 {
            // It stands behind the last step: the only way is back.
            if left.min(right) < margin {
                let away = sigma * self.stretch * distance_of(margin) * deviation;
                let side = if mean == above {
                    0.0
                } else {
                    (mean - above).signum()
                };
                evolution.mean_mut()[self.coordinate] = above + side * away;
            }
            return;
        }
        let half = margin / 2.0;
        let (left, right) = (left.max(half), right.max(half));
        let lacking = 1.0 - left - right - middle;
        let sum = left + middle + right - 3.0 * half;
        let corrected =
            |mass: f64| (mass + lacking * (mass - half) / sum).clamp(1e-10, 0.5 - 1e-10);
        let (to_left, to_right) = (distance_of(corrected(left)), distance_of(corrected(right)));
        self.stretch = (above - below) / ((to_left + to_right) * sigma * deviation);
        evolution.mean_mut()[self.coordinate] =
            (below * to_right + above * to_left) / (to_left + to_right);
    }

    fn value(&self, index: usize) -> f64 {
        self.low + index as f64 * self.step
    }

    /// Half the way from one step to the next.
    fn limit(&self, index: usize) -> f64 {
        f64::midpoint(self.value(index), self.value(index + 1))
    }

    /// The nearest step; of two that are as near the lower one.
    fn nearest(&self, place: f64) -> usize {
        let last = self.count - 1;
        let mut index =
            (((place - self.low) / self.step + 0.5).floor().max(0.0) as usize).min(last);
        if index > 0 && place <= self.limit(index - 1) {
            index -= 1;
        }
        // Dividing may be off by one.
        if index < last && place > self.limit(index) {
            index += 1;
        }
        index
    }

    /// Where the step that a place belongs to begins and ends; at the ends, the nearest such limits.
    fn limits(&self, place: f64) -> (f64, f64) {
        let (index, last) = (self.nearest(place), self.count - 2);
        (
            self.limit(index.saturating_sub(1).min(last)),
            self.limit(index.min(last)),
        )
    }
}

/// So many standard deviations from the middle this much mass is left behind.
fn distance_of(mass: f64) -> f64 {
    -quantile(mass)
}
