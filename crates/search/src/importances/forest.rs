//! A random forest for regression: trees that are grown on trials drawn with replacement.
//!
//! Breiman, "Random forests", 2001. The decisions are those of scikit-learn's `RandomForestRegressor` with the settings that Optuna
//! gives it: every node looks at all columns, splits where the squared error becomes least, in the middle between two neighbours,
//! and goes on until all its results are the same.

use std::ops::Range;

use crate::random::{Purpose, Random};

/// No path is longer.
const DEPTH_MAX: usize = 64;

/// What trees learn from: columns of numbers, and a result for each row, of which the mean of all is taken off.
pub(super) struct Table {
    columns: Vec<Vec<f64>>,
    results: Vec<f64>,
    /// By column: the rows by their value in it.
    sorted: Vec<Vec<usize>>,
}

impl Table {
    pub(super) fn new(columns: Vec<Vec<f64>>, mut results: Vec<f64>) -> Self {
        // Squares of what is far from 0 have no digits left for what differs.
        let mean = results.iter().sum::<f64>() / results.len() as f64;
        for result in &mut results {
            *result -= mean;
        }
        let sorted = columns
            .iter()
            .map(|column| {
                let mut rows: Vec<usize> = (0..column.len()).collect();
                rows.sort_by(|a, b| column[*a].total_cmp(&column[*b]));
                rows
            })
            .collect();
        Self {
            columns,
            results,
            sorted,
        }
    }
}

/// The first node is the root.
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
}

pub(super) enum Node {
    Leaf {
        value: f64,
    },
    /// What is at most the threshold goes to the left.
    Split {
        column: usize,
        threshold: f64,
        left: usize,
        right: usize,
    },
}

impl Tree {
    /// The tree with this number.
    pub(super) fn grow(table: &Table, seed: u64, number: u64) -> Self {
        let mut random = Random::new(seed, Purpose::Sequence, number);
        let rows = table.results.len();
        let mut weights = vec![0.0; rows];
        for _ in 0..rows {
            weights[random.below(rows)] += 1.0;
        }
        let drawn = |row: &usize| weights[*row] > 0.0;
        let sorted: Vec<Vec<usize>> = table
            .sorted
            .iter()
            .map(|rows| rows.iter().copied().filter(drawn).collect())
            .collect();
        let mut growth = Growth {
            table,
            order: (0..table.columns.len()).collect(),
            is_left: vec![false; rows],
            right: Vec::with_capacity(rows),
            nodes: Vec::new(),
            weights,
            sorted,
            random,
        };
        let whole = 0..growth.sorted.first().map_or(0, Vec::len);
        growth.grow(whole, 0);
        Self {
            nodes: growth.nodes,
        }
    }
}

/// A tree that grows. Each node has the same range of rows in all columns.
struct Growth<'a> {
    table: &'a Table,
    /// How often each row was drawn.
    weights: Vec<f64>,
    /// By column: the rows that were drawn; inside the range of a node by value.
    sorted: Vec<Vec<usize>>,
    /// All columns, in the order in which the last node has looked at them.
    order: Vec<usize>,
    is_left: Vec<bool>,
    right: Vec<usize>,
    random: Random,
    nodes: Vec<Node>,
}

struct Cut {
    column: usize,
    threshold: f64,
    /// So many rows go to the left.
    left: usize,
}

impl Growth<'_> {
    /// The place of the node for these rows.
    fn grow(&mut self, range: Range<usize>, depth: usize) -> usize {
        let at = self.nodes.len();
        let (weight, sum) = self.totals(&range);
        self.nodes.push(Node::Leaf {
            value: sum / weight,
        });
        if depth == DEPTH_MAX || self.is_pure(&range) {
            return at;
        }
        let Some(cut) = self.best_cut(&range, weight, sum) else {
            return at;
        };
        self.divide(&range, &cut);
        let middle = range.start + cut.left;
        let left = self.grow(range.start..middle, depth + 1);
        let right = self.grow(middle..range.end, depth + 1);
        self.nodes[at] = Node::Split {
            column: cut.column,
            threshold: cut.threshold,
            left,
            right,
        };
        at
    }

    fn rows(&self, range: &Range<usize>) -> &[usize] {
        &self.sorted[0][range.clone()]
    }

    fn totals(&self, range: &Range<usize>) -> (f64, f64) {
        let (mut weight, mut sum) = (0.0, 0.0);
        for row in self.rows(range) {
            weight += self.weights[*row];
            sum += self.weights[*row] * self.table.results[*row];
        }
        (weight, sum)
    }

    fn is_pure(&self, range: &Range<usize>) -> bool {
        let rows = self.rows(range);
        let result = |row: &usize| self.table.results[*row];
        rows.iter().all(|row| result(row) == result(&rows[0]))
    }

    /// Where the squared error becomes least, if anywhere. Columns are looked at in a random order: where few rows are left, many cuts
    /// are equally good, and none of them may win always.
    fn best_cut(&mut self, range: &Range<usize>, weight: f64, sum: f64) -> Option<Cut> {
        for at in (1..self.order.len()).rev() {
            self.order.swap(at, self.random.below(at + 1));
        }
        let mut best: Option<Cut> = None;
        let mut most = f64::NEG_INFINITY;
        for column in &self.order {
            let values = &self.table.columns[*column];
            let rows = &self.sorted[*column][range.clone()];
            let (mut left_weight, mut left_sum) = (0.0, 0.0);
            for (at, pair) in rows.windows(2).enumerate() {
                left_weight += self.weights[pair[0]];
                left_sum += self.weights[pair[0]] * self.table.results[pair[0]];
                let (lower, upper) = (values[pair[0]], values[pair[1]]);
                if lower == upper {
                    continue;
                }
                // The squares of all results less this are the squared error.
                let right_sum = sum - left_sum;
                let explained = left_sum * left_sum / left_weight
                    + right_sum * right_sum / (weight - left_weight);
                if explained > most {
                    most = explained;
                    let middle = lower / 2.0 + upper / 2.0;
                    best = Some(Cut {
                        column: *column,
                        threshold: if middle < upper { middle } else { lower },
                        left: at + 1,
                    });
                }
            }
        }
        best
    }

    /// Moves the rows of the left side before those of the right one, in all columns, and leaves them sorted.
    fn divide(&mut self, range: &Range<usize>, cut: &Cut) {
        for (at, row) in self.sorted[cut.column][range.clone()].iter().enumerate() {
            self.is_left[*row] = at < cut.left;
        }
        for rows in &mut self.sorted {
            let rows = &mut rows[range.clone()];
            self.right.clear();
            let mut left = 0;
            for at in 0..rows.len() {
                let row = rows[at];
                if self.is_left[row] {
                    rows[left] = row;
                    left += 1;
                } else {
                    self.right.push(row);
                }
            }
            rows[left..].copy_from_slice(&self.right);
        }
    }
}
