//! Numbers of 106 bits, as unevaluated sums of two doubles, and the little linear algebra growth needs.
//!
//! In: integers up to 2¹⁰⁶, exactly. Out: results with a relative error near 2⁻¹⁰⁰ per operation, so that
//! centring and solving cost no digit of what is published. Only +, −, ×, ÷ and √: the same on every
//! machine. Algorithms: T. J. Dekker, Numer. Math. 18 (1971) 224–242; D. E. Knuth, TAOCP 2, §4.2.2.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// high + low, |low| at most half a unit in the last place of high.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub(super) struct Dd {
    high: f64,
    low: f64,
}

/// The sum of two doubles and its rounding error.
fn two_sum(a: f64, b: f64) -> Dd {
    let high = a + b;
    let part = high - a;
    Dd { high, low: (a - (high - part)) + (b - part) }
}

/// The same where |a| ≥ |b|.
fn quick_two_sum(a: f64, b: f64) -> Dd {
    let high = a + b;
    Dd { high, low: b - (high - a) }
}

/// The product of two doubles and its rounding error.
fn two_product(a: f64, b: f64) -> Dd {
    let high = a * b;
    Dd { high, low: a.mul_add(b, -high) }
}

impl Dd {
    pub(super) const ZERO: Self = Self { high: 0.0, low: 0.0 };
    pub(super) const ONE: Self = Self { high: 1.0, low: 0.0 };

    /// The nearest double.
    pub(super) const fn value(self) -> f64 {
        self.high
    }

    pub(super) fn sqrt(self) -> Self {
        if self.high <= 0.0 {
            return Self::ZERO;
        }
        let root = self.high.sqrt();
        let rest = self - two_product(root, root);
        quick_two_sum(root, rest.high / (2.0 * root))
    }

    /// 2^bits.
    pub(super) fn power_of_two(bits: i32) -> Self {
        Self::from(2f64.powi(bits))
    }

    pub(super) fn is_positive(self) -> bool {
        self.high > 0.0
    }
}

impl From<f64> for Dd {
    fn from(high: f64) -> Self {
        Self { high, low: 0.0 }
    }
}

impl From<i128> for Dd {
    /// Exact up to 2¹⁰⁵.
    fn from(value: i128) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "the rest is kept")]
        let high = value as f64;
        #[expect(clippy::cast_possible_truncation, reason = "a double that came of an i128")]
        let rest = value.wrapping_sub(high as i128);
        #[expect(clippy::cast_precision_loss, reason = "at most 53 bits are left below 2¹⁰⁵")]
        let low = rest as f64;
        quick_two_sum(high, low)
    }
}

impl Add for Dd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let sum = two_sum(self.high, other.high);
        let rest = two_sum(self.low, other.low);
        let first = quick_two_sum(sum.high, sum.low + rest.high);
        quick_two_sum(first.high, first.low + rest.low)
    }
}

impl Neg for Dd {
    type Output = Self;

    fn neg(self) -> Self {
        Self { high: -self.high, low: -self.low }
    }
}

impl Sub for Dd {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Dd {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let product = two_product(self.high, other.high);
        let cross = self.low.mul_add(other.high, self.high * other.low);
        quick_two_sum(product.high, product.low + cross)
    }
}

impl Div for Dd {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let first = self.high / other.high;
        let rest = self - other * Self::from(first);
        let second = rest.high / other.high;
        let rest = rest - other * Self::from(second);
        let third = rest.high / other.high;
        quick_two_sum(first, second) + Self::from(third)
    }
}

/// A square matrix, by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matrix {
    size: usize,
    entries: Vec<Dd>,
}

impl Matrix {
    pub(super) fn of(size: usize, entry: impl Fn(usize, usize) -> Dd) -> Self {
        let entries = (0..size * size).map(|at| entry(at / size, at % size)).collect();
        Self { size, entries }
    }

    pub(super) const fn size(&self) -> usize {
        self.size
    }

    pub(super) fn at(&self, j: usize, k: usize) -> Dd {
        self.entries[j * self.size + k]
    }

    /// The rows and columns of `places`, in that order.
    pub(super) fn pick(&self, places: &[usize]) -> Self {
        Self::of(places.len(), |j, k| self.at(places[j], places[k]))
    }

    pub(super) fn map(&self, other: &Self, of: impl Fn(Dd, Dd) -> Dd) -> Self {
        Self::of(self.size, |j, k| of(self.at(j, k), other.at(j, k)))
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        self.map(other, |a, b| a - b)
    }

    pub(super) fn times(&self, vector: &[Dd]) -> Vec<Dd> {
        (0..self.size).map(|j| dot((0..self.size).map(|k| self.at(j, k)), vector)).collect()
    }

    /// v'Mv.
    pub(super) fn form(&self, vector: &[Dd]) -> Dd {
        dot(self.times(vector).into_iter(), vector)
    }

    /// ABA of two symmetric matrices, this one outside.
    pub(super) fn sandwich(&self, meat: &Self) -> Self {
        self.product(&meat.product(self))
    }

    pub(super) fn product(&self, other: &Self) -> Self {
        Self::of(self.size, |j, k| {
            (0..self.size).fold(Dd::ZERO, |sum, at| sum + self.at(j, at) * other.at(at, k))
        })
    }

    /// By row, as doubles.
    pub(super) fn rows(&self) -> Vec<Vec<f64>> {
        let row = |j: usize| (0..self.size()).map(|k| self.at(j, k).value()).collect();
        (0..self.size()).map(row).collect()
    }

    pub(super) fn diagonal(&self) -> impl Iterator<Item = Dd> {
        (0..self.size).map(|at| self.at(at, at))
    }
}

pub(super) fn dot(one: impl Iterator<Item = Dd>, two: &[Dd]) -> Dd {
    one.zip(two).fold(Dd::ZERO, |sum, (a, b)| sum + a * *b)
}

/// LL' of a symmetric positive definite matrix.
pub(super) struct Cholesky {
    size: usize,
    lower: Vec<Dd>,
}

/// A pivot this small beside its diagonal says that the column is a combination of those before it.
const LEAST_PIVOT: f64 = 1e-12;

impl Cholesky {
    /// # Errors
    /// The place of the first column that is, to twelve digits, a combination of those before it, or
    /// makes the matrix indefinite.
    pub(super) fn of(matrix: &Matrix) -> Result<Self, usize> {
        let size = matrix.size();
        let mut lower = vec![Dd::ZERO; size * size];
        for j in 0..size {
            for k in 0..=j {
                let done = (0..k)
                    .fold(Dd::ZERO, |sum, at| sum + lower[j * size + at] * lower[k * size + at]);
                let rest = matrix.at(j, k) - done;
                lower[j * size + k] = if j == k {
                    let least = LEAST_PIVOT * matrix.at(j, j).value();
                    if !(rest.value() > least && rest.is_positive()) {
                        return Err(j);
                    }
                    rest.sqrt()
                } else {
                    rest / lower[k * size + k]
                };
            }
        }
        Ok(Self { size, lower })
    }

    pub(super) fn solve(&self, right: &[Dd]) -> Vec<Dd> {
        let size = self.size;
        let mut found = right.to_vec();
        for j in 0..size {
            let done = (0..j).fold(Dd::ZERO, |sum, k| sum + self.lower[j * size + k] * found[k]);
            found[j] = (found[j] - done) / self.lower[j * size + j];
        }
        for j in (0..size).rev() {
            let done =
                (j + 1..size).fold(Dd::ZERO, |sum, k| sum + self.lower[k * size + j] * found[k]);
            found[j] = (found[j] - done) / self.lower[j * size + j];
        }
        found
    }

    pub(super) fn inverse(&self) -> Matrix {
        let columns: Vec<Vec<Dd>> = (0..self.size)
            .map(|at| {
                let mut unit = vec![Dd::ZERO; self.size];
                unit[at] = Dd::ONE;
                self.solve(&unit)
            })
            .collect();
        Matrix::of(self.size, |j, k| columns[k][j])
    }

    /// log of the determinant.
    pub(super) fn log_determinant(&self) -> f64 {
        (0..self.size).map(|at| 2.0 * self.lower[at * self.size + at].value().ln()).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn integers_of_105_bits_add_and_subtract_exactly(a in -(1_i128 << 104)..1 << 104, b in -(1_i128 << 104)..1 << 104) {
            prop_assert_eq!(Dd::from(a) + Dd::from(b), Dd::from(a + b));
        }

        #[test]
        fn products_of_integers_of_52_bits_are_exact(a in -(1_i64 << 52)..1 << 52, b in -(1_i64 << 52)..1 << 52) {
            let product = i128::from(a) * i128::from(b);
            prop_assert_eq!(Dd::from(i128::from(a)) * Dd::from(i128::from(b)), Dd::from(product));
        }

        #[test]
        fn a_quotient_times_its_divisor_is_the_dividend_to_thirty_digits(a in 1_i128..1 << 100, b in 1_i128..1 << 100) {
            let back = Dd::from(a) / Dd::from(b) * Dd::from(b) - Dd::from(a);
            prop_assert!((back / Dd::from(a)).value().abs() < 1e-30);
            let root = Dd::from(a).sqrt();
            prop_assert!(((root * root - Dd::from(a)) / Dd::from(a)).value().abs() < 1e-30);
        }
    }

    #[test]
    fn a_hilbert_matrix_that_doubles_cannot_invert_is_inverted() {
        let hilbert = Matrix::of(12, |j, k| Dd::ONE / Dd::from(i128::try_from(j + k + 1).unwrap()));
        let inverse = Cholesky::of(&hilbert).unwrap_or_else(|at| panic!("column {at}")).inverse();
        let unit = hilbert.product(&inverse);
        for (j, k) in (0..12).flat_map(|j| (0..12).map(move |k| (j, k))) {
            let want = if j == k { 1.0 } else { 0.0 };
            assert!((unit.at(j, k).value() - want).abs() < 1e-12, "{j} {k}");
        }
    }

    #[test]
    fn a_column_that_is_a_sum_of_others_is_named() {
        let columns = [[1, 2, 3, 4], [5, 6, 7, 9], [6, 8, 10, 13]];
        let cross = Matrix::of(3, |j, k| {
            let sum: i128 = (0..4).map(|row| columns[j][row] * columns[k][row]).sum();
            Dd::from(sum)
        });
        assert_eq!(Cholesky::of(&cross).err(), Some(2));
    }
}
