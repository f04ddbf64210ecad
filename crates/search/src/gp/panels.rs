//! Matrices by panels of four rows, and what a Gaussian process needs of linear algebra: factors, and solutions by them.
//!
//! In a panel the four cells of a column lie side by side. Everything here is made of sums of products of four rows with four rows,
//! and these then read both from front to end: what a BLAS packs its matrices for at every call. Sixteen sums fit into the registers
//! of any processor, so none needs code of its own, and all of them round alike.
//!
//! Invariants:
//! - PA-1 Rows and columns are multiples of four. Whoever needs fewer adds rows of the identity to a matrix, and zeros to a right side:
//!   neither factors nor solutions change by that.
//! - PA-2 Of a triangular matrix only the tiles of its triangle are read, those on the diagonal included, in which the other half is zero.

/// Rows of a panel, and columns of a tile.
pub(crate) const SIDE: usize = 4;

/// Of so many panels at a time a solution is looked for: they stay in the cache while the factor goes by.
const BLOCK: usize = 16;

/// Four columns of a panel: by column, then by row.
pub(crate) type Tile = [[f64; SIDE]; SIDE];

/// A matrix. See the module.
#[derive(Clone, Debug)]
pub(crate) struct Panels {
    columns: usize,
    cells: Vec<[f64; SIDE]>,
}

/// The next multiple of [`SIDE`].
pub(crate) fn padded(count: usize) -> usize {
    count.next_multiple_of(SIDE)
}

impl Panels {
    /// Zeros, at least so many rows and columns.
    pub(crate) fn zeros(rows: usize, columns: usize) -> Self {
        let columns = padded(columns);
        Self {
            columns,
            cells: vec![[0.0; SIDE]; padded(rows) / SIDE * columns],
        }
    }

    /// How many columns there are.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// All panels.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[[f64; SIDE]]> {
        self.cells.chunks_exact(self.columns)
    }

    /// All panels, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut [[f64; SIDE]]> {
        self.cells.chunks_exact_mut(self.columns)
    }

    /// A panel, to be changed.
    pub(crate) fn panel_mut(&mut self, index: usize) -> &mut [[f64; SIDE]] {
        &mut self.cells[index * self.columns..(index + 1) * self.columns]
    }

    /// A panel.
    pub(crate) fn panel(&self, index: usize) -> &[[f64; SIDE]] {
        &self.cells[index * self.columns..(index + 1) * self.columns]
    }

    /// A cell.
    pub(crate) fn get(&self, row: usize, column: usize) -> f64 {
        self.cells[row / SIDE * self.columns + column][row % SIDE]
    }

    /// Changes a cell.
    pub(crate) fn set(&mut self, row: usize, column: usize, value: f64) {
        self.cells[row / SIDE * self.columns + column][row % SIDE] = value;
    }

    /// A row.
    pub(crate) fn row(&self, row: usize) -> impl Iterator<Item = f64> {
        self.panel(row / SIDE)
            .iter()
            .map(move |cells| cells[row % SIDE])
    }

    /// A lower triangular matrix, mirrored at the diagonal.
    pub(crate) fn transposed(&self) -> Self {
        let mut result = Self::zeros(self.columns, self.columns);
        for (panel, cells) in self.iter().enumerate() {
            for (column, cells) in cells[..(panel + 1) * SIDE].iter().enumerate() {
                for (row, cell) in cells.iter().enumerate() {
                    result.set(column, panel * SIDE + row, *cell);
                }
            }
        }
        result
    }
}

/// The sums of products of four rows with four rows, over all columns of both: by row of `b`, then by row of `a`.
#[inline]
pub(crate) fn products(a: &[[f64; SIDE]], b: &[[f64; SIDE]]) -> Tile {
    let mut sums = [[0.0; SIDE]; SIDE];
    for (a, b) in a.iter().zip(b) {
        for (sums, b) in sums.iter_mut().zip(b) {
            for (sum, a) in sums.iter_mut().zip(a) {
                *sum += a * b;
            }
        }
    }
    sums
}

/// The sums of the cells of four rows times factors.
pub(crate) fn sums(rows: &[[f64; SIDE]], factors: &[f64]) -> [f64; SIDE] {
    let mut sums = [0.0; SIDE];
    for (cells, factor) in rows.iter().zip(factors) {
        for (sum, cell) in sums.iter_mut().zip(cells) {
            *sum += cell * factor;
        }
    }
    sums
}

/// Turns a symmetric positive definite matrix, of which the lower triangle is read, into its Cholesky factor L: L · Lᵀ is the matrix.
/// False if it is not positive definite.
pub(crate) fn factorize(matrix: &mut Panels) -> bool {
    let columns = matrix.columns;
    for tile in 0..columns / SIDE {
        let first = tile * SIDE;
        let (own, below) = matrix.cells[tile * columns..].split_at_mut(columns);
        let (left, right) = own.split_at_mut(first);
        let diagonal = &mut right[..SIDE];
        subtract(diagonal, &products(left, left));
        if !factorize_tile(diagonal) {
            return false;
        }
        for panel in below.chunks_exact_mut(columns) {
            eliminate(panel, left, diagonal);
        }
    }
    true
}

/// Solves X · Lᵀ = B for the rows of B, in place: each row of X is L⁻¹ times a row of B.
pub(crate) fn solve_forward(factor: &Panels, right: &mut Panels) {
    let columns = factor.columns;
    for block in right.cells.chunks_mut(BLOCK * columns) {
        for (tile, own) in factor.iter().enumerate() {
            let (left, rest) = own.split_at(tile * SIDE);
            for panel in block.chunks_exact_mut(columns) {
                eliminate(panel, left, &rest[..SIDE]);
            }
        }
    }
}

/// Solves X · L = B for the rows of B, in place: each row of X is L⁻ᵀ times a row of B. Takes Lᵀ.
pub(crate) fn solve_backward(upper: &Panels, right: &mut Panels) {
    let columns = upper.columns;
    for block in right.cells.chunks_mut(BLOCK * columns) {
        for tile in (0..columns / SIDE).rev() {
            let (diagonal, beyond) = upper.panel(tile)[tile * SIDE..].split_at(SIDE);
            for panel in block.chunks_exact_mut(columns) {
                let (own, solved) = panel[tile * SIDE..].split_at_mut(SIDE);
                subtract(own, &products(solved, beyond));
                for column in (0..SIDE).rev() {
                    // Of row `column` of Lᵀ what is right of the diagonal.
                    for (later, cells) in diagonal.iter().enumerate().skip(column + 1) {
                        subtract_multiple(own, column, later, cells[column]);
                    }
                    divide(&mut own[column], diagonal[column][column]);
                }
            }
        }
    }
}

/// L⁻ᵀ, an upper triangular matrix, into one of that size. What is left of its diagonal tiles stays as it is (PA-2).
pub(crate) fn invert_transposed(factor: &Panels, result: &mut Panels) {
    for (tile, panel) in result.iter_mut().enumerate() {
        let first = tile * SIDE;
        // Row by row the solution of X · Lᵀ = 1, whose rows begin at their own column.
        panel[first..].fill([0.0; SIDE]);
        for at in 0..SIDE {
            panel[first + at][at] = 1.0;
        }
        for (each, own) in factor.iter().enumerate().skip(tile) {
            let (left, rest) = own.split_at(each * SIDE);
            let (solved, open) = panel.split_at_mut(each * SIDE);
            subtract(
                &mut open[..SIDE],
                &products(&solved[first..], &left[first..]),
            );
            solve_tile(&mut open[..SIDE], &rest[..SIDE]);
        }
    }
}

/// Solves for the four columns of a panel behind those of `left`.
#[inline]
fn eliminate(panel: &mut [[f64; SIDE]], left: &[[f64; SIDE]], diagonal: &[[f64; SIDE]]) {
    let (solved, open) = panel.split_at_mut(left.len());
    subtract(&mut open[..SIDE], &products(solved, left));
    solve_tile(&mut open[..SIDE], diagonal);
}

/// Solves X · Lᵀ = B for a tile, of which L is the factor's on the diagonal.
#[inline]
fn solve_tile(tile: &mut [[f64; SIDE]], diagonal: &[[f64; SIDE]]) {
    for column in 0..SIDE {
        for (before, cells) in diagonal[..column].iter().enumerate() {
            subtract_multiple(tile, column, before, cells[column]);
        }
        divide(&mut tile[column], diagonal[column][column]);
    }
}

fn factorize_tile(tile: &mut [[f64; SIDE]]) -> bool {
    for column in 0..SIDE {
        for before in 0..column {
            let factor = tile[before][column];
            subtract_multiple(tile, column, before, factor);
        }
        let square = tile[column][column];
        // Also false for what is no number.
        if !(square > 0.0 && square.is_finite()) {
            return false;
        }
        divide(&mut tile[column], square.sqrt());
        tile[column][..column].fill(0.0);
    }
    true
}

#[inline]
fn subtract(tile: &mut [[f64; SIDE]], other: &Tile) {
    for (own, other) in tile.iter_mut().zip(other) {
        for (own, other) in own.iter_mut().zip(other) {
            *own -= other;
        }
    }
}

#[inline]
fn subtract_multiple(tile: &mut [[f64; SIDE]], column: usize, of: usize, factor: f64) {
    let other = tile[of];
    for (cell, other) in tile[column].iter_mut().zip(other) {
        *cell -= factor * other;
    }
}

#[inline]
fn divide(column: &mut [f64; SIDE], divisor: f64) {
    for cell in column {
        *cell /= divisor;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A · Aᵀ + 1, padded as in PA-1, and the matrix that it is made of.
    fn definite() -> impl Strategy<Value = (usize, Panels)> {
        (1..23_usize).prop_flat_map(|size| {
            prop::collection::vec(-2.0..2.0_f64, size * size).prop_map(move |cells| {
                let mut matrix = Panels::zeros(size, size);
                for row in 0..matrix.columns() {
                    for column in 0..matrix.columns() {
                        let one = f64::from(u8::from(row == column));
                        let is_inside = row < size && column < size;
                        let sum: f64 = if is_inside {
                            (0..size)
                                .map(|at| cells[row * size + at] * cells[column * size + at])
                                .sum()
                        } else {
                            0.0
                        };
                        matrix.set(row, column, one + sum);
                    }
                }
                (size, matrix)
            })
        })
    }

    fn product(a: &Panels, b: &Panels, row: usize, column: usize) -> f64 {
        a.row(row).zip(b.row(column)).map(|(a, b)| a * b).sum()
    }

    proptest! {
        #[test]
        fn factors_and_solutions_are_what_they_are_defined_as((size, matrix) in definite(), rows in 1..70_usize) {
            let mut factor = matrix.clone();
            prop_assert!(factorize(&mut factor));
            let mut lower = Panels::zeros(size, size);
            for row in 0..lower.columns() {
                for column in 0..=row {
                    lower.set(row, column, factor.get(row, column));
                }
            }
            let upper = lower.transposed();
            let mut inverse = Panels::zeros(size, size);
            invert_transposed(&factor, &mut inverse);
            for row in 0..size {
                for column in 0..size {
                    let expected = matrix.get(row, column);
                    prop_assert!((product(&lower, &lower, row, column) - expected).abs() < 1e-11);
                    // Row by row: L⁻ᵀ · Lᵀ is the identity.
                    let one = f64::from(u8::from(row == column));
                    prop_assert!((product(&inverse, &lower, row, column) - one).abs() < 1e-11);
                    prop_assert_eq!(upper.get(column, row), lower.get(row, column));
                }
            }
            let mut right = Panels::zeros(rows, size);
            for row in 0..rows {
                for column in 0..size {
                    right.set(row, column, ((row * 7 + column * 3) % 11) as f64 - 5.0);
                }
            }
            let mut solved = right.clone();
            solve_forward(&factor, &mut solved);
            let mut both = solved.clone();
            solve_backward(&upper, &mut both);
            for row in 0..rows {
                for column in 0..size {
                    let expected = right.get(row, column);
                    prop_assert!((product(&solved, &lower, row, column) - expected).abs() < 1e-10);
                    prop_assert!((product(&both, &matrix, row, column) - expected).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn what_is_not_positive_definite_has_no_factor() {
        let mut matrix = Panels::zeros(2, 2);
        for at in 0..SIDE {
            matrix.set(at, at, 1.0);
        }
        matrix.set(1, 0, 1.5);
        assert!(!factorize(&mut matrix));
        let mut matrix = Panels::zeros(1, 1);
        matrix.set(0, 0, f64::NAN);
        assert!(!factorize(&mut matrix));
    }
}
