//! The little linear algebra that is needed here: square matrices, and the axes of symmetric ones.

/// A square matrix, by rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    size: usize,
    cells: Vec<f64>,
}

impl Matrix {
    /// Zeros.
    #[must_use]
    pub fn zeros(size: usize) -> Self {
        Self {
            size,
            cells: vec![0.0; size * size],
        }
    }

    /// Ones in the diagonal.
    #[must_use]
    pub fn identity(size: usize) -> Self {
        let mut matrix = Self::zeros(size);
        for at in 0..size {
            matrix.set(at, at, 1.0);
        }
        matrix
    }

    /// Rows, and columns.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// A cell.
    #[must_use]
    pub fn get(&self, row: usize, column: usize) -> f64 {
        self.cells[row * self.size + column]
    }

    /// Changes a cell.
    pub fn set(&mut self, row: usize, column: usize, value: f64) {
        self.cells[row * self.size + column] = value;
    }

    /// A row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f64] {
        &self.cells[row * self.size..(row + 1) * self.size]
    }

    /// A row, to be changed.
    pub fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.cells[row * self.size..(row + 1) * self.size]
    }

    /// The matrix times a vector.
    #[must_use]
    pub fn times(&self, vector: &[f64]) -> Vec<f64> {
        (0..self.size)
            .map(|row| dot(self.row(row), vector))
            .collect()
    }

    /// The transposed matrix times a vector.
    #[must_use]
    pub fn transposed_times(&self, vector: &[f64]) -> Vec<f64> {
        let mut result = vec![0.0; self.size];
        for (row, factor) in vector.iter().enumerate() {
            for (sum, cell) in result.iter_mut().zip(self.row(row)) {
                *sum += factor * cell;
            }
        }
        result
    }

    /// All cells times a factor.
    pub fn scale(&mut self, factor: f64) {
        for cell in &mut self.cells {
            *cell *= factor;
        }
    }

    /// Adds `factor` · `vector` · `vectorᵀ`.
    pub fn add_outer(&mut self, factor: f64, vector: &[f64]) {
        for (row, own) in vector.iter().enumerate() {
            let weight = factor * own;
            for (cell, other) in self.row_mut(row).iter_mut().zip(vector) {
                *cell += weight * other;
            }
        }
    }

    /// Makes cells that mirror each other equal: rounding makes them differ.
    pub fn symmetrize(&mut self) {
        for row in 0..self.size {
            for column in 0..row {
                let mean = (self.get(row, column) + self.get(column, row)) / 2.0;
                self.set(row, column, mean);
                self.set(column, row, mean);
            }
        }
    }
}

/// The sum of products.
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The length of a vector.
#[must_use]
pub fn norm(vector: &[f64]) -> f64 {
    dot(vector, vector).sqrt()
}

/// The axes of a symmetric matrix: its eigenvalues, rising, and its eigenvectors as the columns of a matrix.
///
/// By Householder's reflections to three diagonals, and from there by the QL algorithm with implicit shifts (Bowdler, Martin, Reinsch
/// and Wilkinson, "The QR and QL algorithms for symmetric matrices", 1968).
#[must_use]
pub fn eigen(matrix: &Matrix) -> (Vec<f64>, Matrix) {
    let mut vectors = matrix.clone();
    let (mut diagonal, mut beside) = tridiagonal(&mut vectors);
    diagonalize(&mut vectors, &mut diagonal, &mut beside);
    sorted(&diagonal, &vectors)
}

/// Reduces to three diagonals, of which the middle one and the one below it are returned; `vectors` becomes the change of base.
#[expect(
    clippy::needless_range_loop,
    reason = "rows and columns of three things are walked together"
)]
fn tridiagonal(vectors: &mut Matrix) -> (Vec<f64>, Vec<f64>) {
    let size = vectors.size();
    let mut diagonal = vec![0.0; size];
    let mut beside = vec![0.0; size];
    if size == 0 {
        return (diagonal, beside);
    }
    diagonal.copy_from_slice(vectors.row(size - 1));
    for at in (1..size).rev() {
        let scale: f64 = diagonal[..at].iter().map(|value| value.abs()).sum();
        let mut square = 0.0;
        if scale == 0.0 {
            beside[at] = diagonal[at - 1];
            for column in 0..at {
                diagonal[column] = vectors.get(at - 1, column);
                vectors.set(at, column, 0.0);
                vectors.set(column, at, 0.0);
            }
        } else {
            for value in &mut diagonal[..at] {
                *value /= scale;
                square += *value * *value;
            }
            let first = diagonal[at - 1];
            let length = -f64::sqrt(square).copysign(first);
            beside[at] = scale * length;
            square -= first * length;
            diagonal[at - 1] = first - length;
            beside[..at].fill(0.0);
            for column in 0..at {
                let own = diagonal[column];
                vectors.set(column, at, own);
                let mut sum = beside[column] + vectors.get(column, column) * own;
                for row in column + 1..at {
                    sum += vectors.get(row, column) * diagonal[row];
                    beside[row] += vectors.get(row, column) * own;
                }
                beside[column] = sum;
            }
            let mut projection = 0.0;
            for column in 0..at {
                beside[column] /= square;
                projection += beside[column] * diagonal[column];
            }
            let half = projection / (square + square);
            for column in 0..at {
                beside[column] -= half * diagonal[column];
            }
            for column in 0..at {
                let (own, other) = (diagonal[column], beside[column]);
                for row in column..at {
                    let cell = vectors.get(row, column);
                    vectors.set(
                        row,
                        column,
                        cell - (own * beside[row] + other * diagonal[row]),
                    );
                }
                diagonal[column] = vectors.get(at - 1, column);
                vectors.set(at, column, 0.0);
            }
        }
        diagonal[at] = square;
    }
    for at in 0..size - 1 {
        let corner = vectors.get(at, at);
        vectors.set(size - 1, at, corner);
        vectors.set(at, at, 1.0);
        let square = diagonal[at + 1];
        if square != 0.0 {
            for (row, value) in diagonal[..=at].iter_mut().enumerate() {
                *value = vectors.get(row, at + 1) / square;
            }
            for column in 0..=at {
                let sum: f64 = (0..=at)
                    .map(|row| vectors.get(row, at + 1) * vectors.get(row, column))
                    .sum();
                for (row, value) in diagonal[..=at].iter().enumerate() {
                    let cell = vectors.get(row, column);
                    vectors.set(row, column, cell - sum * value);
                }
            }
        }
        for row in 0..=at {
            vectors.set(row, at + 1, 0.0);
        }
    }
    for column in 0..size {
        diagonal[column] = vectors.get(size - 1, column);
        vectors.set(size - 1, column, 0.0);
    }
    vectors.set(size - 1, size - 1, 1.0);
    beside[0] = 0.0;
    (diagonal, beside)
}

/// Turns what is beside the diagonal to zero, and the base with it.
fn diagonalize(vectors: &mut Matrix, diagonal: &mut [f64], beside: &mut [f64]) {
    let size = diagonal.len();
    if size == 0 {
        return;
    }
    beside.rotate_left(1);
    beside[size - 1] = 0.0;
    let (mut shift, mut largest) = (0.0, 0.0_f64);
    for at in 0..size {
        largest = largest.max(diagonal[at].abs() + beside[at].abs());
        let mut end = at;
        while end < size - 1 && beside[end].abs() > f64::EPSILON * largest {
            end += 1;
        }
        if end == at {
            diagonal[at] += shift;
            beside[at] = 0.0;
            continue;
        }
        loop {
            // The implicit shift.
            let first = diagonal[at];
            let ratio = (diagonal[at + 1] - first) / (2.0 * beside[at]);
            let root = ratio.hypot(1.0).copysign(ratio);
            diagonal[at] = beside[at] / (ratio + root);
            diagonal[at + 1] = beside[at] * (ratio + root);
            let second = diagonal[at + 1];
            let offset = first - diagonal[at];
            for value in &mut diagonal[at + 2..] {
                *value -= offset;
            }
            shift += offset;
            // The QL step.
            let mut value = diagonal[end];
            let (mut cosine, mut before_cosine, mut last_cosine) = (1.0, 1.0, 1.0);
            let (mut sine, mut last_sine) = (0.0, 0.0);
            let next = beside[at + 1];
            for each in (at..end).rev() {
                last_cosine = before_cosine;
                before_cosine = cosine;
                last_sine = sine;
                let turned = cosine * beside[each];
                let other = cosine * value;
                let length = value.hypot(beside[each]);
                beside[each + 1] = sine * length;
                sine = beside[each] / length;
                cosine = value / length;
                value = cosine * diagonal[each] - sine * turned;
                diagonal[each + 1] = other + sine * (cosine * turned + sine * diagonal[each]);
                for row in 0..size {
                    let (left, right) = (vectors.get(row, each), vectors.get(row, each + 1));
                    vectors.set(row, each + 1, sine * left + cosine * right);
                    vectors.set(row, each, cosine * left - sine * right);
                }
            }
            value = -sine * last_sine * last_cosine * next * beside[at] / second;
            beside[at] = sine * value;
            diagonal[at] = cosine * value;
            if beside[at].abs() <= f64::EPSILON * largest {
                break;
            }
        }
        diagonal[at] += shift;
        beside[at] = 0.0;
    }
}

fn sorted(values: &[f64], vectors: &Matrix) -> (Vec<f64>, Matrix) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut columns = Matrix::zeros(values.len());
    for row in 0..values.len() {
        for (column, from) in order.iter().enumerate() {
            columns.set(row, column, vectors.get(row, *from));
        }
    }
    (order.iter().map(|from| values[*from]).collect(), columns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn symmetric() -> impl Strategy<Value = Matrix> {
        (1..12_usize).prop_flat_map(|size| {
            let cell = prop_oneof![Just(0.0), -1.0..1.0_f64, -1e6..1e6_f64];
            prop::collection::vec(cell, size * size).prop_map(move |cells| {
                let mut matrix = Matrix { size, cells };
                matrix.symmetrize();
                matrix
            })
        })
    }

    proptest! {
        #[test]
        fn axes_are_what_they_are_defined_as(matrix in symmetric()) {
            let (values, vectors) = eigen(&matrix);
            let size = matrix.size();
            let scale = values.iter().fold(1.0_f64, |largest, value| largest.max(value.abs()));
            prop_assert!(values.is_sorted());
            for (at, value) in values.iter().enumerate() {
                let vector: Vec<f64> = (0..size).map(|row| vectors.get(row, at)).collect();
                for (turned, own) in matrix.times(&vector).iter().zip(&vector) {
                    prop_assert!((turned - value * own).abs() < 1e-12 * scale * size as f64);
                }
                for other in 0..size {
                    let column: Vec<f64> = (0..size).map(|row| vectors.get(row, other)).collect();
                    let expected = f64::from(u8::from(at == other));
                    prop_assert!((dot(&vector, &column) - expected).abs() < 1e-12 * size as f64);
                }
            }
        }
    }
}
