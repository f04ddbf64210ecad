//! The parameters that are modelled, as axes of the unit cube.

use crate::domain::Domain;
use crate::quasi_random::{DIMENSIONS_MAX, Sequence, Sobol};
use crate::random::Random;
use crate::space::{ParameterIndex, Space};

use super::kernel::Points;

/// A normal parameter is searched so many standard deviations to each side: its ends, where hardly anything is, would make all else
/// look alike.
const NORMAL_REACH: f64 = 3.0;

/// So far beyond the cube a value is taken to be at most.
const BEYOND: f64 = 2.0;

/// See the module. Choices come last.
#[derive(Debug)]
pub(super) struct Axes<'a> {
    axes: Vec<Axis<'a>>,
    numeric: usize,
}

/// A parameter. Numbers lie from 0 to 1 on the scale on which distances are measured, steps in the middle of the part that they have of
/// it; choices are their indices.
#[derive(Debug)]
pub(super) struct Axis<'a> {
    parameter: ParameterIndex,
    domain: &'a Domain,
    origin: f64,
    width: f64,
}

impl<'a> Axes<'a> {
    /// Of some parameters, without those with a single value.
    pub(super) fn new(space: &'a Space, parameters: impl Iterator<Item = ParameterIndex>) -> Self {
        let axis = |parameter| Axis::new(parameter, space.domain(parameter));
        let (choices, mut axes): (Vec<_>, Vec<_>) = parameters
            .filter_map(axis)
            .partition(|axis| axis.choices().is_some());
        let numeric = axes.len();
        axes.extend(choices);
        Self { axes, numeric }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.axes.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Axis<'a>> {
        self.axes.iter()
    }

    pub(super) fn get(&self, index: usize) -> &Axis<'a> {
        &self.axes[index]
    }

    /// The parameters, in the order of the axes.
    pub(super) fn parameters(&self) -> impl Iterator<Item = ParameterIndex> {
        self.axes.iter().map(|axis| axis.parameter)
    }

    /// No points, to be filled.
    pub(super) fn points(&self) -> Points {
        Points {
            dimensions: self.axes.len(),
            numeric: self.numeric,
            cells: Vec::new(),
        }
    }

    /// Adds the point of some values.
    pub(super) fn add(&self, points: &mut Points, values: &[f64]) {
        let place = |axis: &Axis| axis.place(values[axis.parameter]);
        points.cells.extend(self.axes.iter().map(place));
    }

    /// Writes the values of a point.
    pub(super) fn write(&self, point: &[f64], values: &mut [f64]) {
        for (axis, place) in self.axes.iter().zip(point) {
            values[axis.parameter] = axis.value(*place);
        }
    }

    /// Points that fill the cube evenly.
    pub(super) fn spread(&self, count: usize, random: &mut Random) -> Points {
        let mut points = self.points();
        let seed = random.next_u64();
        let sequence = Sobol::new(self.axes.len().min(DIMENSIONS_MAX), Some(seed));
        for number in 0..count as u64 {
            for (dimension, axis) in self.axes.iter().enumerate() {
                let unit = if dimension < DIMENSIONS_MAX {
                    sequence.coordinate(number, dimension)
                } else {
                    random.unit()
                };
                points.cells.push(axis.drawn(unit));
            }
        }
        points
    }
}

impl<'a> Axis<'a> {
    fn new(parameter: ParameterIndex, domain: &'a Domain) -> Option<Self> {
        if domain.is_single() {
            return None;
        }
        let (low, high) = match *domain {
            Domain::Normal { mean, sd, .. } => (mean - NORMAL_REACH * sd, mean + NORMAL_REACH * sd),
            Domain::Categorical { .. } => (0.0, 1.0),
            _ => domain.bounds(),
        };
        Some(Self {
            parameter,
            domain,
            origin: low,
            width: high - low,
        })
    }

    /// How many values it has; `None` if they lie close to each other everywhere.
    pub(super) fn count(&self) -> Option<usize> {
        match *self.domain {
            Domain::Stepped { first, last, .. } => Some((last - first) as usize + 1),
            Domain::Categorical { count } => Some(count),
            _ => None,
        }
    }

    /// How many choices it has, if it is one.
    pub(super) fn choices(&self) -> Option<usize> {
        match *self.domain {
            Domain::Categorical { count } => Some(count),
            _ => None,
        }
    }

    /// Where the value with this index lies, on an axis that has a count.
    pub(super) fn step(&self, index: usize) -> f64 {
        match *self.domain {
            Domain::Stepped { first, step, .. } => self.place((first + index as i64) as f64 * step),
            _ => index as f64,
        }
    }

    /// Which value lies at a place, on an axis that has a count.
    pub(super) fn index(&self, place: f64) -> usize {
        match *self.domain {
            Domain::Stepped { first, step, .. } => {
                ((self.value(place) / step).round() as i64 - first) as usize
            }
            _ => place as usize,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let place = (self.domain.scaled(value) - self.origin) / self.width;
        if self.choices().is_some() {
            return value;
        }
        // Users may tell of values that their space does not have, and so of places that are no number.
        if place.is_nan() {
            return 0.0;
        }
        place.clamp(-BEYOND, 1.0 + BEYOND)
    }

    fn value(&self, place: f64) -> f64 {
        self.domain.unscaled(self.origin + place * self.width)
    }

    /// The place of a share of the axis.
    fn drawn(&self, unit: f64) -> f64 {
        match self.count() {
            None => unit,
            Some(count) if self.choices().is_some() => {
                ((unit * count as f64) as usize).min(count - 1) as f64
            }
            Some(_) => self.step(self.index(unit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;
    use crate::space::Parameter;

    #[test]
    fn values_come_back_and_steps_are_in_the_middle_of_their_parts() {
        let domains = [
            Domain::Categorical { count: 3 },
            Domain::Float {
                low: 1e-4,
                high: 1.0,
                is_log: true,
            },
            Domain::integers(2, 5, false),
            Domain::integers(7, 7, false),
            Domain::Normal {
                mean: 1.0,
                sd: 2.0,
                rounding: None,
            },
            Domain::integers(1, 1_000, true),
            Domain::Stepped {
                first: -3,
                last: 12,
                step: 0.1,
                digits: 1,
                is_log: false,
            },
        ];
        let parameter = |domain| Parameter {
            domain,
            condition: None,
        };
        let space = Space::new(domains.map(parameter).into()).unwrap();
        let axes = Axes::new(&space, 0..space.len());
        assert_eq!(axes.parameters().collect::<Vec<_>>(), [1, 2, 4, 5, 6, 0]);
        let values = [2.0, 1e-2, 3.0, 7.0, -0.5, 40.0, 0.3];
        let mut points = axes.points();
        axes.add(&mut points, &values);
        assert_eq!((points.numeric, points.len()), (5, 1));
        let place = |axis: usize| points.row(0)[axis];
        assert!((place(0) - 0.5).abs() < 1e-15);
        assert!((place(1) - 0.375).abs() < 1e-15);
        assert!((place(2) - 0.375).abs() < 1e-15);
        assert_eq!(place(5), 2.0);
        let mut back = values.map(|_| f64::NAN);
        axes.write(points.row(0), &mut back);
        for (index, (back, value)) in back.iter().zip(values).enumerate() {
            assert!(
                index == 3 || (back - value).abs() < 1e-12,
                "{back} is not {value}"
            );
        }
        for axis in axes.iter() {
            for index in 0..axis.count().unwrap_or(0) {
                assert_eq!(axis.index(axis.step(index)), index);
            }
        }
        let spread = axes.spread(256, &mut Random::new(1, Purpose::Model, 0));
        for index in 0..spread.len() {
            let point = spread.row(index);
            axes.write(point, &mut back);
            let mut again = axes.points();
            axes.add(&mut again, &back);
            for (again, place) in again.row(0).iter().zip(point) {
                assert!((again - place).abs() < 1e-12, "{again} is not {place}");
            }
        }
    }
}
