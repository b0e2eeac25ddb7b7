//! How many districts a round needs, may lose and may not trust (docs/PRIVACY.md §2).

use super::StudyError;

/// Most districts in one round. Every node checks a signature of every other, twice, and is sent the
/// keys of all: 0.2 s and 1 MB each at 2,000 districts.
pub const MAX_DISTRICTS: u16 = 2_000;
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
        if n < self.min_districts {
            let what = format!("the study needs {} (min_districts)", self.min_districts);
            return Err(StudyError::cohort(n, what));
        }
        self.fit(n, self.max_dropped, self.quorum(n))
    }

    /// The sizes of a round of which fewer districts may drop, or more have to sign, than the rule
    /// says: a later round on an answered question, or a retry (docs/PRIVACY.md §2).
    ///
    /// `max_dropped`: at most the rule's; `quorum`: t, at least ⌊(n + c)/2⌋ + 1. n may fall below
    /// `min_districts`, but m may not fall below what the rule leaves of it.
    ///
    /// # Errors
    /// [`StudyError::Cohort`] as [`Self::sizes`], and when a number is laxer than the rule.
    pub fn round(&self, n: u16, max_dropped: u16, quorum: u16) -> Result<CohortSizes, StudyError> {
        let (least, base) = (self.min_districts.saturating_sub(self.max_dropped), self.quorum(n));
        let laxer = |what: String| Err(StudyError::cohort(n, what));
        if max_dropped > self.max_dropped {
            return laxer(format!(
                "the round lets {max_dropped} drop, the study only {} (max_dropped)",
                self.max_dropped
            ));
        }
        if n.saturating_sub(max_dropped) < least {
            return laxer(format!(
                "the study needs {least} survivors (min_districts - max_dropped)"
            ));
        }
        if quorum < base {
            return laxer(format!("t = {quorum} is fewer than (n + c)/2 + 1 = {base}"));
        }
        self.fit(n, max_dropped, quorum)
    }

    /// ⌊(n + c)/2⌋ + 1: with that many signatures no two sets can both be confirmed.
    #[must_use]
    pub const fn quorum(&self, n: u16) -> u16 {
        n.saturating_add(self.max_colluding) / 2 + 1
    }

    fn fit(&self, n: u16, max_dropped: u16, t: u16) -> Result<CohortSizes, StudyError> {
        let c = self.max_colluding;
        if n > MAX_DISTRICTS {
            return Err(StudyError::cohort(n, format!("at most {MAX_DISTRICTS} can take part")));
        }
        if c == 0 {
            let what = "max_colluding must be at least 1: any district knows its own part";
            return Err(StudyError::cohort(n, what));
        }
        let Some(m) = n.checked_sub(max_dropped) else {
            let what = format!("max_dropped = {max_dropped} leaves nobody; lower it");
            return Err(StudyError::cohort(n, what));
        };
        if t > m {
            let what = format!(
                "m = n - max_dropped = {m} survivors are fewer than the t = {t} (at least \
                 (n + c)/2 + 1) needed to unmask; raise min_districts, or lower max_dropped \
                 ({max_dropped}) or max_colluding ({c})"
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
            [(3, 0, 1), (4, 1, 1), (4, 0, 0), (2_001, 0, 1), (9, 10, 1), (9, 0, u16::MAX)]
        {
            let error = rule(1, dropped, colluding).sizes(n).unwrap_err();
            assert_eq!(error.code(), "cohort_arithmetic", "{n} {dropped} {colluding}");
        }
    }

    #[test]
    fn a_round_may_be_stricter_than_its_rule_and_never_laxer() {
        let rule = rule(12, 3, 1);
        let later = rule.round(10, 0, 6).unwrap();
        assert_eq!(later, CohortSizes { n: 10, m: 10, t: 6, c: 1, h: 9 });
        assert_eq!(rule.round(60, 3, 31).unwrap(), rule.sizes(60).unwrap());
        assert_eq!(
            rule.round(60, 1, 40).unwrap(),
            CohortSizes { n: 60, m: 59, t: 40, c: 1, h: 58 }
        );
        for (n, dropped, quorum, why) in [
            (60, 4, 31, "lets 4 drop"),
            (60, 3, 30, "fewer than (n + c)/2 + 1"),
            (8, 0, 5, "needs 9 survivors"),
            (11, 3, 7, "needs 9 survivors"),
            (60, 3, 58, "fewer than the t = 58"),
        ] {
            let error = rule.round(n, dropped, quorum).unwrap_err();
            assert_eq!(error.code(), "cohort_arithmetic");
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
