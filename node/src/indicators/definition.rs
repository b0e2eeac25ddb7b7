//! What each indicator says of itself: docs/INDICATORS.md §3 is made of it.

use flashlight_proto::category::Preset;

use crate::records::Source;

/// One rule in words. Several indicators may share it: subjects, bands, constructs.
pub(crate) struct Definition {
    /// A few words.
    pub(crate) title: &'static str,
    /// Who or what is in the numerator, or what is added up.
    pub(crate) numerator: &'static str,
    /// Who is in the denominator.
    pub(crate) denominator: &'static str,
    /// Who is left out, and what is said about it.
    pub(crate) exclusions: &'static str,
    /// The variants of the rule, the default first.
    pub(crate) presets: &'static [(Preset, &'static str)],
    /// Which school a student counts at, in local results.
    pub(crate) school_rule: &'static str,
    /// When a student is in a group.
    pub(crate) groups_rule: &'static str,
    /// Where the rule comes from, or "our definition".
    pub(crate) source: &'static str,
    /// How far one student can move the numbers of a network table.
    pub(crate) sensitivity: &'static str,
    /// Tables read beside the enrolments.
    pub(crate) tables: &'static [Source],
    /// Columns that may be missing, and sharpen the number where they are there.
    pub(crate) optional: &'static [&'static str],
}

/// The cell of the network table.
pub(super) const AT_PRIMARY_SCHOOL: &str = "the primary school (§0)";
/// The groups of the network table.
pub(super) const AT_PRIMARY_ENROLMENT: &str =
    "as at the latest enrolment of the year at the primary school (§0)";
/// The groups of a cohort.
pub(super) const EVER_IN_COHORT: &str = "el, swd, sed, homeless and foster: yes if ever yes in the years read; sex and race as last supplied";
/// What one student moves of a share.
pub(super) const ONE_OF_TWO: &str = "one student: one of the two words of one cell, by 1, in each block (L2 1; exchanged for another, √2)";
/// What one student moves of a count.
pub(super) const ONE: &str = "one student: the word of one cell, by 1, in each block";
