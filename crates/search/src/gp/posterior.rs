//! What a Gaussian process expects at other points, after it has seen some.
//!
//! Points whose values are not known yet are believed to have the values that are expected there (Ginsbourger, Le Riche and Carraro,
//! "Kriging is well-suited to parallelize optimization", 2010: the kriging believer). Such a belief changes no expectation, only the
//! doubt about it; so what is expected is made of the known values alone. Beliefs have no noise: it takes no second look to know what
//! will be known soon.

use super::kernel::{Kernel, Metric, Points, finish_diagonal, side_by_side};
use super::likelihood::NOISE_MIN;
use super::panels::{Panels, SIDE, factorize, padded, solve_backward, solve_forward, sums};

/// At so many points at a time is looked: their covariances with what was seen stay in the cache.
const BLOCK: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct Posterior {
    metric: Metric,
    scale: f64,
    dimensions: usize,
    /// What was seen and what is believed, on the kernel's axes.
    cells: Vec<f64>,
    count: usize,
    /// L, and Lᵀ.
    factor: Panels,
    upper: Panels,
    /// What is expected is the sum of covariances times these.
    weights: Vec<f64>,
}

/// What is expected at a point, in the units of the values that were seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Of the function, without noise.
    pub mean: f64,
    /// Likewise; not negative.
    pub variance: f64,
}

/// By the coordinates that are numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Slopes {
    /// How the mean changes.
    pub mean: Vec<f64>,
    /// How the variance does.
    pub variance: Vec<f64>,
}

impl Posterior {
    /// After these values were seen at the first points; the others are believed. `None` if the covariances have no factor.
    #[must_use]
    pub fn new(points: &Points, values: &[f64], kernel: &Kernel) -> Option<Self> {
        let count = points.len();
        let metric = Metric::new(kernel, points.numeric);
        let cells = metric.stretched(points);
        let mut factor = Panels::zeros(count, count);
        let own = side_by_side(&cells, points.dimensions);
        for (at, panel) in factor.iter_mut().enumerate() {
            let end = (at + 1) * SIDE;
            metric.squared_distances(&own[at], &cells, &mut panel[..end]);
            metric.covariances(&mut panel[..end]);
        }
        let is_seen = |at: usize| at < values.len();
        let noise = |at| if is_seen(at) { kernel.noise } else { NOISE_MIN };
        finish_diagonal(&mut factor, count, noise);
        if !factorize(&mut factor) {
            return None;
        }
        let upper = factor.transposed();
        // The factor of what was seen is the first part of the whole one, so zeros for the rest leave it alone in both directions.
        let mut right = Panels::zeros(1, count);
        for (at, value) in values.iter().enumerate() {
            right.set(0, at, *value);
        }
        solve_forward(&factor, &mut right);
        for at in values.len()..padded(count) {
            right.set(0, at, 0.0);
        }
        solve_backward(&upper, &mut right);
        Some(Self {
            metric,
            scale: kernel.scale,
            dimensions: points.dimensions,
            weights: right.row(0).collect(),
            cells,
            count,
            factor,
            upper,
        })
    }

    /// What is expected at points.
    #[must_use]
    pub fn moments(&self, points: &Points) -> Vec<Moments> {
        let mut moments = Vec::with_capacity(points.len());
        for block in points.cells.chunks(BLOCK * self.dimensions) {
            let (_, mut covariances, means) = self.look(block, points);
            solve_forward(&self.factor, &mut covariances);
            let count = block.len() / self.dimensions;
            moments.extend(
                self.squares(&covariances)
                    .zip(means)
                    .take(count)
                    .map(|(explained, mean)| self.moment(mean, explained)),
            );
        }
        moments
    }

    /// What is expected at points, and how that changes.
    #[must_use]
    pub fn moments_and_slopes(&self, points: &Points) -> Vec<(Moments, Slopes)> {
        let mut results = Vec::with_capacity(points.len());
        for block in points.cells.chunks(BLOCK * self.dimensions) {
            let (stretched, mut covariances, means) = self.look(block, points);
            let mut slopes = covariances.clone();
            self.slope(&stretched, &mut slopes);
            solve_forward(&self.factor, &mut covariances);
            let explained: Vec<f64> = self.squares(&covariances).collect();
            solve_backward(&self.upper, &mut covariances);
            let own = side_by_side(&stretched, self.dimensions);
            let moments = means
                .iter()
                .zip(&explained)
                .map(|(mean, explained)| self.moment(*mean, *explained));
            let both = own.iter().zip(slopes.iter()).zip(covariances.iter());
            let slopes = both.flat_map(|((own, slopes), solved)| self.slopes(own, slopes, solved));
            let count = block.len() / self.dimensions;
            results.extend(moments.zip(slopes).take(count));
        }
        results
    }

    /// Points on the kernel's axes, their covariances with what was seen, and the means there.
    fn look(&self, block: &[f64], points: &Points) -> (Vec<f64>, Panels, Vec<f64>) {
        let block = Points {
            cells: block.to_vec(),
            ..*points
        };
        let stretched = self.metric.stretched(&block);
        let mut covariances = Panels::zeros(block.len(), self.count);
        let mut means = Vec::with_capacity(stretched.len() / self.dimensions);
        let own = side_by_side(&stretched, self.dimensions);
        for (own, panel) in own.iter().zip(covariances.iter_mut()) {
            let (panel, beyond) = panel.split_at_mut(self.count);
            self.metric.squared_distances(own, &self.cells, panel);
            self.metric.covariances(panel);
            beyond.fill([0.0; SIDE]);
            means.extend(sums(panel, &self.weights));
        }
        (stretched, covariances, means)
    }

    /// How much the covariances change with the squared distances, in their place.
    fn slope(&self, stretched: &[f64], slopes: &mut Panels) {
        let own = side_by_side(stretched, self.dimensions);
        let mut values = vec![[0.0; SIDE]; self.count];
        for (own, panel) in own.iter().zip(slopes.iter_mut()) {
            self.metric.squared_distances(own, &self.cells, &mut values);
            self.metric
                .covariances_and_slopes(&mut values, &mut panel[..self.count]);
        }
    }

    /// The sums of squares of rows.
    fn squares(&self, rows: &Panels) -> impl Iterator<Item = f64> {
        rows.iter().flat_map(|panel| {
            let mut sums = [0.0; SIDE];
            for cells in panel {
                for (sum, cell) in sums.iter_mut().zip(cells) {
                    *sum += cell * cell;
                }
            }
            sums
        })
    }

    fn moment(&self, mean: f64, explained: f64) -> Moments {
        Moments {
            mean,
            variance: (self.scale - explained).max(0.0),
        }
    }

    /// The slopes at four points, from those of the covariances there.
    fn slopes(
        &self,
        own: &[[f64; SIDE]],
        slopes: &[[f64; SIDE]],
        solved: &[[f64; SIDE]],
    ) -> [Slopes; SIDE] {
        let stretch = &self.metric.stretch;
        let mut means = vec![[0.0; SIDE]; stretch.len()];
        let mut variances = means.clone();
        let seen = self.cells.chunks_exact(self.dimensions);
        for (((point, slopes), solved), weight) in seen
            .zip(slopes)
            .zip(solved)
            .zip(&self.weights)
            .take(self.count)
        {
            for (axis, other) in point.iter().enumerate().take(stretch.len()) {
                for row in 0..SIDE {
                    let moved = slopes[row] * (own[axis][row] - other);
                    means[axis][row] += weight * moved;
                    variances[axis][row] += solved[row] * moved;
                }
            }
        }
        std::array::from_fn(|row| {
            let along = |sums: &[[f64; SIDE]], factor: f64| {
                let each = sums.iter().zip(stretch);
                each.map(|(sum, stretch)| factor * stretch * sum[row])
                    .collect()
            };
            Slopes {
                mean: along(&means, 2.0),
                variance: along(&variances, -4.0),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(count: usize, offset: f64) -> Points {
        let mut points = Points {
            dimensions: 3,
            numeric: 2,
            cells: Vec::new(),
        };
        for at in 0..count {
            let place = at as f64 + offset;
            points.cells.extend([
                (0.37 * place).fract(),
                (0.61 * place).fract(),
                (at % 2) as f64,
            ]);
        }
        points
    }

    fn values(points: &Points) -> Vec<f64> {
        (0..points.len())
            .map(|at| (4.0 * points.row(at)[0]).sin() - points.row(at)[1])
            .collect()
    }

    fn kernel(noise: f64) -> Kernel {
        Kernel {
            inverse_squared_lengths: vec![3.0, 1.5, 0.4],
            scale: 1.7,
            noise,
        }
    }

    #[test]
    fn what_was_seen_is_expected_and_what_is_far_is_not_known() {
        let seen = points(30, 0.0);
        let posterior = Posterior::new(&seen, &values(&seen), &kernel(1e-6)).unwrap();
        for (moments, value) in posterior.moments(&seen).iter().zip(values(&seen)) {
            assert!(
                (moments.mean - value).abs() < 1e-3 && moments.variance < 1e-5,
                "{moments:?}"
            );
        }
        let far = Points {
            cells: vec![1e3, -1e3, 0.0],
            ..seen
        };
        let far = posterior.moments(&far)[0];
        assert!(far.mean.abs() < 1e-200 && far.variance == 1.7, "{far:?}");
    }

    #[test]
    fn slopes_are_derivatives() {
        let seen = points(17, 0.0);
        let posterior = Posterior::new(&seen, &values(&seen)[..15], &kernel(1e-2)).unwrap();
        let others = points(70, 0.43);
        let moments = posterior.moments(&others);
        for (index, (own, slopes)) in posterior
            .moments_and_slopes(&others)
            .into_iter()
            .enumerate()
        {
            assert_eq!(own, moments[index]);
            for axis in 0..2 {
                let moved = |by: f64| {
                    let mut cells = others.row(index).to_vec();
                    cells[axis] += by;
                    posterior.moments(&Points { cells, ..others })[0]
                };
                let (more, less) = (moved(1e-5), moved(-1e-5));
                let mean = (more.mean - less.mean) / 2e-5;
                let variance = (more.variance - less.variance) / 2e-5;
                assert!(
                    (slopes.mean[axis] - mean).abs() < 1e-6,
                    "{slopes:?}, {mean}"
                );
                assert!(
                    (slopes.variance[axis] - variance).abs() < 1e-6,
                    "{slopes:?}, {variance}"
                );
            }
        }
    }

    #[test]
    fn a_belief_changes_only_doubt() {
        let all = points(20, 0.0);
        let seen = points(17, 0.0);
        let before = Posterior::new(&seen, &values(&seen), &kernel(NOISE_MIN)).unwrap();
        let believed = Posterior::new(&all, &values(&seen), &kernel(NOISE_MIN)).unwrap();
        // The same as to see what was expected.
        let mut expected = values(&seen);
        let means = before.moments(&all);
        expected.extend(means[17..].iter().map(|moments| moments.mean));
        let told = Posterior::new(&all, &expected, &kernel(NOISE_MIN)).unwrap();
        let others = points(9, 0.29);
        let each = before
            .moments(&others)
            .into_iter()
            .zip(believed.moments(&others))
            .zip(told.moments(&others));
        for ((before, believed), told) in each {
            assert!((before.mean - believed.mean).abs() < 1e-9);
            assert!((told.mean - believed.mean).abs() < 1e-6);
            assert!((told.variance - believed.variance).abs() < 1e-9);
            assert!(believed.variance <= before.variance + 1e-12);
        }
    }
}
