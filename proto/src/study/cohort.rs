//! How many districts a round needs, may lose and may not trust (docs/PRIVACY.md §2).

use super::StudyError;

/// Most districts in one round: Shamir shares over GF(2⁸) have 254 usable points.
pub const MAX_DISTRICTS: u16 = 254;
/// Least honest survivors h.
pub const MIN_HONEST: u16 = 3;

/// The `[cohort]` section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CohortRule {
    /// Least n: districts at the start of a round, after any re-cut.
    pub min_districts: u16,
    /// Most districts lost once they have masked.
    pub max_dropped: u16,
    /// Most districts c that may collude with the coordinator; at least 1, since any district can
    /// subtract its own part from a release.
    pub max_colluding: u16,
}

/// What the rule comes to with n districts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CohortSizes {
    /// Districts at the start.
    pub n: u16,
    /// Least set of survivors a node signs: n − `max_dropped`.
    pub m: u16,
    /// Shares and signatures needed: ⌊(n + c)/2⌋ + 1, so that 2t > n + c.
    pub t: u16,
    /// Districts that may collude.
    pub c: u16,
    /// Least honest survivors: m − c.
    pub h: u16,
}

impl CohortRule {
    /// The sizes of a round that starts with `n` districts.
    ///
    /// # Errors
    /// [`StudyError::Cohort`] when n is outside `min_districts`..=[`MAX_DISTRICTS`], c = 0, t > m or
    /// h < [`MIN_HONEST`].
    ///
    /// # Source
    /// docs/PRIVACY.md §2; `cohort_sizes_match_the_published_example`.
    pub fn sizes(&self, n: u16) -> Result<CohortSizes, StudyError> {
        let c = self.max_colluding;
        if n < self.min_districts {
            let what = format!("the study needs {} (min_districts)", self.min_districts);
            return Err(StudyError::cohort(n, what));
        }
        if n > MAX_DISTRICTS {
            return Err(StudyError::cohort(n, format!("at most {MAX_DISTRICTS} can take part")));
        }
        if c == 0 {
            let what = "max_colluding must be at least 1: any district knows its own part";
            return Err(StudyError::cohort(n, what));
        }
        let Some(m) = n.checked_sub(self.max_dropped) else {
            let what = format!("max_dropped = {} leaves nobody; lower it", self.max_dropped);
            return Err(StudyError::cohort(n, what));
        };
        let t = n.saturating_add(c) / 2 + 1;
        if t > m {
            let what = format!(
                "m = n - max_dropped = {m} survivors are fewer than the t = (n + c)/2 + 1 = {t} \
                 needed to unmask; raise min_districts, or lower max_dropped ({}) or \
                 max_colluding ({c})",
                self.max_dropped
            );
            return Err(StudyError::cohort(n, what));
        }
        let h = m.saturating_sub(c);
        if h < MIN_HONEST {
            let what = format!(
                "h = n - max_dropped - max_colluding = {h} honest districts, at least \
                 {MIN_HONEST} are needed; raise min_districts or lower max_dropped"
            );
            return Err(StudyError::cohort(n, what));
        }
        Ok(CohortSizes { n, m, t, c, h })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(min_districts: u16, max_dropped: u16, max_colluding: u16) -> CohortRule {
        CohortRule { min_districts, max_dropped, max_colluding }
    }

    #[test]
    fn cohort_sizes_match_the_published_example() {
        let sizes = rule(12, 3, 1).sizes(60).unwrap();
        assert_eq!(sizes, CohortSizes { n: 60, m: 57, t: 31, c: 1, h: 56 });
    }

    #[test]
    fn every_accepted_cohort_has_a_quorum_that_two_halves_cannot_both_reach() {
        for n in 0..=300 {
            for dropped in 0..12 {
                for colluding in 0..12 {
                    let Ok(sizes) = rule(4, dropped, colluding).sizes(n) else { continue };
                    assert!(2 * sizes.t > sizes.n + sizes.c && sizes.t <= sizes.m);
                    assert!(sizes.c >= 1 && sizes.h >= MIN_HONEST && sizes.n <= MAX_DISTRICTS);
                    assert_eq!((sizes.m, sizes.h), (n - dropped, n - dropped - colluding));
                }
            }
        }
    }

    #[test]
    fn the_smallest_cohort_is_four_districts_of_which_none_may_drop() {
        assert!(rule(4, 0, 1).sizes(4).is_ok());
        for (n, dropped, colluding) in
            [(3, 0, 1), (4, 1, 1), (4, 0, 0), (255, 0, 1), (9, 10, 1), (9, 0, u16::MAX)]
        {
            let error = rule(1, dropped, colluding).sizes(n).unwrap_err();
            assert_eq!(error.code(), "cohort_arithmetic", "{n} {dropped} {colluding}");
        }
    }
}
