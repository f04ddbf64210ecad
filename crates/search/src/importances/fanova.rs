//! fANOVA: how much of the variance of a random forest's predictions is that of one parameter alone, all others averaged out.
//!
//! Hutter, Hoos and Leyton-Brown, "An efficient approach for assessing hyperparameter importance", 2014. The forest, and what is
//! averaged over, are those of Optuna 5's `FanovaImportanceEvaluator`: numbers are evenly likely between the ends of their domain,
//! those with a logarithmic one, too; a choice is one column for each of its values, that is 0 or 1, whatever the others are. The
//! predictions of a tree are constant in boxes, so nothing has to be sampled: see [`Marginals`].

use std::collections::BTreeMap;

use crate::domain::Domain;
use crate::history::{History, Trial};
use crate::normal::mass_below;
use crate::space::ParameterIndex;

use super::forest::{Node, Table, Tree};
use super::{EqualResults, Importances, assessed, shares};

const TREES: u64 = 64;

/// The part of each parameter in one metric. `None` for those that some complete trial does not have. The same seed gives the same
/// forest. If there is only one trial, all parts are equal.
///
/// # Errors
///
/// There are results, and all are the same.
pub fn fanova(history: &History, metric: usize, seed: u64) -> Result<Importances, EqualResults> {
    let trials = assessed(history, metric);
    let space = history.space();
    let mut parts: Importances = (0..space.len())
        .map(|parameter| {
            let is_everywhere = trials.iter().all(|(trial, _)| trial.has(parameter));
            (is_everywhere && !trials.is_empty()).then_some(0.0)
        })
        .collect();
    let variable: Vec<ParameterIndex> = (0..space.len())
        .filter(|parameter| parts[*parameter].is_some() && !space.domain(*parameter).is_single())
        .collect();
    if variable.is_empty() || trials.len() < 2 {
        return Ok(shares(parts));
    }
    let mut axes = Vec::with_capacity(variable.len());
    let mut bounds = Vec::new();
    let mut columns = Vec::new();
    for parameter in &variable {
        let first = columns.len();
        encode(
            space.domain(*parameter),
            *parameter,
            &trials,
            &mut columns,
            &mut bounds,
        );
        axes.push(Axis {
            columns: first..columns.len(),
            is_choice: matches!(space.domain(*parameter), Domain::Categorical { .. }),
        });
    }
    let results = trials.iter().map(|(_, result)| *result).collect();
    let fractions = mean_fractions(&Table::new(columns, results), &axes, &bounds, seed)?;
    for (parameter, fraction) in variable.iter().zip(fractions) {
        parts[*parameter] = Some(fraction);
    }
    Ok(shares(parts))
}

/// The columns of a parameter.
struct Axis {
    columns: std::ops::Range<usize>,
    is_choice: bool,
}

/// Appends the columns of a parameter, and their ends.
fn encode(
    domain: &Domain,
    parameter: ParameterIndex,
    trials: &[(&Trial, f64)],
    columns: &mut Vec<Vec<f64>>,
    bounds: &mut Vec<(f64, f64)>,
) {
    let column = |of: &dyn Fn(f64) -> f64| {
        let values = trials.iter().map(|(trial, _)| of(trial.values[parameter]));
        values.collect::<Vec<f64>>()
    };
    match *domain {
        Domain::Categorical { count } => {
            for choice in 0..count {
                columns.push(column(&|value| {
                    f64::from(u8::from(value as usize == choice))
                }));
                bounds.push((0.0, 1.0));
            }
        }
        Domain::Float { low, high, .. } => {
            columns.push(column(&|value| value));
            bounds.push((low, high));
        }
        Domain::Stepped { .. } => {
            columns.push(column(&|value| value));
            bounds.push((
                domain.nearest(f64::NEG_INFINITY),
                domain.nearest(f64::INFINITY),
            ));
        }
        // On the scale of the mass: between its far ends hardly anything is likely.
        Domain::Normal { mean, sd, .. } => {
            columns.push(column(&|value| mass_below((value - mean) / sd)));
            bounds.push((0.0, 1.0));
        }
    }
}

/// By parameter: the part of its variance in that of a tree, in the mean over all trees that have any.
fn mean_fractions(
    table: &Table,
    axes: &[Axis],
    bounds: &[(f64, f64)],
    seed: u64,
) -> Result<Vec<f64>, EqualResults> {
    let mut sums = vec![0.0; axes.len()];
    let mut trees = 0;
    for number in 0..TREES {
        let tree = Tree::grow(table, seed, number);
        let marginals = Marginals::new(&tree, axes, bounds);
        if marginals.variance > 0.0 {
            trees += 1;
            for (sum, axis) in sums.iter_mut().zip(axes) {
                *sum += marginals.variance_of(axis, bounds) / marginals.variance;
            }
        }
    }
    if trees == 0 {
        return Err(EqualResults);
    }
    Ok(sums.iter().map(|sum| sum / f64::from(trees)).collect())
}

/// The predictions of a tree, averaged over all columns but those of one parameter. The mean of all predictions is taken off.
///
/// A leaf is a box. It adds its value, times the share of all other columns that it takes, between its ends in this column.
struct Marginals {
    /// Of all predictions.
    variance: f64,
    /// By column: what the leaves add that do not cut it.
    everywhere: Vec<f64>,
    /// By column: where something is added, and how much.
    changes: Vec<Vec<(f64, f64)>>,
    /// By the first column of a choice: what is added where some of its columns are 0 or 1.
    cells: BTreeMap<usize, BTreeMap<Cell, f64>>,
}

/// Columns, rising, that have to be 1 or 0; all others may be either.
type Cell = Vec<(usize, bool)>;

impl Marginals {
    fn new(tree: &Tree, axes: &[Axis], bounds: &[(f64, f64)]) -> Self {
        let mut mean = 0.0;
        Walk::new(tree, bounds).visit(0, 1.0, &mut |leaf| mean += leaf.volume * leaf.value);
        // By column: the first one of its choice.
        let mut choice_of = vec![None; bounds.len()];
        for axis in axes.iter().filter(|axis| axis.is_choice) {
            choice_of[axis.columns.clone()].fill(Some(axis.columns.start));
        }
        let mut marginals = Self {
            variance: 0.0,
            everywhere: vec![0.0; bounds.len()],
            changes: vec![Vec::new(); bounds.len()],
            cells: BTreeMap::new(),
        };
        Walk::new(tree, bounds).visit(0, 1.0, &mut |leaf| {
            marginals.add(leaf, mean, bounds, &choice_of);
        });
        marginals
    }

    fn add(
        &mut self,
        leaf: &Leaf<'_>,
        mean: f64,
        bounds: &[(f64, f64)],
        choice_of: &[Option<usize>],
    ) {
        let value = leaf.value - mean;
        let amount = value * leaf.volume;
        self.variance += value * amount;
        let mut cells: BTreeMap<usize, Cell> = BTreeMap::new();
        for column in leaf.cut {
            let (low, high) = leaf.ends[*column];
            if let Some(first) = choice_of[*column] {
                cells.entry(first).or_default().push((*column, low > 0.0));
                continue;
            }
            let share = (high - low) / (bounds[*column].1 - bounds[*column].0);
            // All leaves together have 0.
            self.everywhere[*column] -= amount;
            self.changes[*column].push((low, amount / share));
            self.changes[*column].push((high, -amount / share));
        }
        for (first, mut cell) in cells {
            cell.sort_unstable();
            self.everywhere[first] -= amount;
            let added = amount / half_to_the(cell.len());
            *self
                .cells
                .entry(first)
                .or_default()
                .entry(cell)
                .or_default() += added;
        }
    }

    fn variance_of(&self, axis: &Axis, bounds: &[(f64, f64)]) -> f64 {
        let first = axis.columns.start;
        let (mean, square) = if axis.is_choice {
            self.moments_of_cells(first)
        } else {
            self.moments_of_column(first, bounds[first])
        };
        (square - mean * mean).max(0.0)
    }

    fn moments_of_column(&self, column: usize, (low, high): (f64, f64)) -> (f64, f64) {
        let mut changes = self.changes[column].clone();
        changes.sort_by(|a, b| a.0.total_cmp(&b.0));
        changes.push((high, 0.0));
        let (mut mean, mut square) = (0.0, 0.0);
        let (mut place, mut value) = (low, self.everywhere[column]);
        for (next, change) in changes {
            let share = (next - place) / (high - low);
            mean += share * value;
            square += share * value * value;
            place = next;
            value += change;
        }
        (mean, square)
    }

    /// Optuna goes through all corners of the cube, 2 to the number of choices; how often two cells meet is known without.
    fn moments_of_cells(&self, first: usize) -> (f64, f64) {
        let none = BTreeMap::new();
        let cells = self.cells.get(&first).unwrap_or(&none);
        let everywhere = self.everywhere[first];
        let (mut mean, mut square) = (everywhere, everywhere * everywhere);
        for (at, (cell, value)) in cells.iter().enumerate() {
            let share = half_to_the(cell.len());
            mean += share * value;
            square += share * value * (value + 2.0 * everywhere);
            for (other, its_value) in cells.iter().take(at) {
                if let Some(columns) = columns_of_both(cell, other) {
                    square += 2.0 * half_to_the(columns) * value * its_value;
                }
            }
        }
        (mean, square)
    }
}

/// How many columns two cells tie down together; `None` if they have nothing in common.
fn columns_of_both(a: &Cell, b: &Cell) -> Option<usize> {
    let mut shared = 0;
    let mut rest = b.as_slice();
    for (column, is_one) in a {
        let skipped = rest.partition_point(|(other, _)| other < column);
        rest = &rest[skipped..];
        if let Some((other, its_one)) = rest.first()
            && other == column
        {
            if its_one != is_one {
                return None;
            }
            shared += 1;
        }
    }
    Some(a.len() + b.len() - shared)
}

fn half_to_the(power: usize) -> f64 {
    0.5_f64.powi(power as i32)
}

/// A leaf, as the walk comes to it.
struct Leaf<'a> {
    value: f64,
    /// Its share of the whole.
    volume: f64,
    /// The columns that were cut on the way.
    cut: &'a [usize],
    /// By column: from where to where it reaches.
    ends: &'a [(f64, f64)],
}

/// A way through a tree to all leaves that are not empty.
struct Walk<'a> {
    tree: &'a Tree,
    ends: Vec<(f64, f64)>,
    cut: Vec<usize>,
    /// By column: how often it was cut.
    cuts: Vec<usize>,
}

impl<'a> Walk<'a> {
    fn new(tree: &'a Tree, bounds: &[(f64, f64)]) -> Self {
        Self {
            tree,
            ends: bounds.to_vec(),
            cut: Vec::new(),
            cuts: vec![0; bounds.len()],
        }
    }

    fn visit(&mut self, node: usize, volume: f64, each: &mut impl FnMut(&Leaf<'_>)) {
        if volume <= 0.0 {
            return;
        }
        match self.tree.nodes[node] {
            Node::Leaf { value } => each(&Leaf {
                value,
                volume,
                cut: &self.cut,
                ends: &self.ends,
            }),
            Node::Split {
                column,
                threshold,
                left,
                right,
            } => {
                let (low, high) = self.ends[column];
                if self.cuts[column] == 0 {
                    self.cut.push(column);
                }
                self.cuts[column] += 1;
                self.ends[column] = (low, threshold);
                self.visit(left, volume * (threshold - low) / (high - low), each);
                self.ends[column] = (threshold, high);
                self.visit(right, volume * (high - threshold) / (high - low), each);
                self.ends[column] = (low, high);
                self.cuts[column] -= 1;
                if self.cuts[column] == 0 {
                    self.cut.pop();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(value: f64) -> Node {
        Node::Leaf { value }
    }

    fn split(column: usize, threshold: f64, left: usize, right: usize) -> Node {
        Node::Split {
            column,
            threshold,
            left,
            right,
        }
    }

    fn number(column: usize) -> Axis {
        Axis {
            columns: column..column + 1,
            is_choice: false,
        }
    }

    fn assert_near(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 1e-12,
            "{found} is not {expected}"
        );
    }

    #[test]
    fn a_column_that_is_cut_twice_has_the_variance_of_its_steps() {
        // 1 up to 1, 2 up to 3, and from there 5 or 7, as the other column has it; of a range of 4, or of 1.
        let nodes = vec![
            split(0, 1.0, 1, 2),
            leaf(1.0),
            split(0, 3.0, 3, 4),
            leaf(2.0),
            split(1, 0.25, 5, 6),
            leaf(5.0),
            leaf(7.0),
        ];
        let bounds = [(0.0, 4.0), (0.0, 1.0)];
        let axes = [number(0), number(1)];
        let marginals = Marginals::new(&Tree { nodes }, &axes, &bounds);
        // Means by the first column: 1 on a quarter, 2 on a half, 6.5 on a quarter.
        let mean = 0.25 + 1.0 + 6.5 / 4.0;
        let square = 0.25 + 2.0 + 6.5 * 6.5 / 4.0;
        assert_near(
            marginals.variance_of(&axes[0], &bounds),
            square - mean * mean,
        );
        // By the second: ¾ · (1 + 2 · 2) / 3 + ¼ · 5 on a quarter, and ½ more behind it.
        assert_near(marginals.variance_of(&axes[1], &bounds), 0.25 * 0.25 * 0.75);
        let squares = 0.25 + 2.0 + (25.0 + 3.0 * 49.0) / 16.0;
        assert_near(marginals.variance, squares - mean * mean);
    }

    #[test]
    fn cells_of_a_choice_have_the_variance_of_all_corners() {
        let nodes = vec![
            split(0, 0.5, 1, 2),
            split(2, 0.5, 3, 4),
            split(3, 2.0, 5, 6),
            split(1, 0.5, 7, 8),
            leaf(4.0),
            leaf(1.0),
            leaf(9.0),
            leaf(-2.0),
            leaf(3.0),
        ];
        let bounds = [(0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, 8.0)];
        let axes = [
            Axis {
                columns: 0..3,
                is_choice: true,
            },
            number(3),
        ];
        let marginals = Marginals::new(&Tree { nodes }, &axes, &bounds);
        let corners: Vec<f64> = (0..8)
            .map(
                |corner| match (corner & 1, corner >> 1 & 1, corner >> 2 & 1) {
                    (1, _, _) => 0.25 + 0.75 * 9.0,
                    (_, _, 1) => 4.0,
                    (_, 1, _) => 3.0,
                    _ => -2.0,
                },
            )
            .collect();
        let mean = corners.iter().sum::<f64>() / 8.0;
        let square = corners.iter().map(|value| value * value).sum::<f64>() / 8.0;
        assert_near(
            marginals.variance_of(&axes[0], &bounds),
            square - mean * mean,
        );
    }
}
