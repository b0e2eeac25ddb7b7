//! Coefficients between points, in which people read them, and the grid, on which parties exchange them.

use super::{COEFFICIENT_BITS, Model};

impl Model {
    /// Public centre of a column, points; of a flag, units.
    #[must_use]
    pub fn centre(&self, column: usize) -> f64 {
        let column = &self.columns[column];
        // Scores and figures are far below 2³¹ units.
        f64::from(i32::try_from(column.centre).unwrap_or(i32::MAX)) / f64::from(column.units)
    }

    /// Coefficients in points, of the centred outcome, in grid units of outcome per grid unit of regressor
    /// and 2^−[`COEFFICIENT_BITS`], nearest. `None` where one is too large.
    #[must_use]
    pub fn on_grid(&self, beta: impl IntoIterator<Item = f64>) -> Option<Vec<i64>> {
        let outcome = f64::from(self.columns[self.outcome()].units);
        let fixed = beta.into_iter().zip(self.regressor_units()).map(|(one, units)| {
            let scaled =
                one * outcome / f64::from(units) * 2f64.powi(COEFFICIENT_BITS.cast_signed());
            #[expect(
                clippy::cast_possible_truncation,
                reason = "within 2⁶² by the check before it"
            )]
            (scaled.abs() < 2f64.powi(62)).then(|| scaled.round() as i64)
        });
        fixed.collect()
    }
}
