//! The catalogue: what a table may measure, by which preset, in which direction.
//!
//! In: a name from a study. Out: an [`Indicator`]. The definitions in words, and the code that counts,
//! are the node's (`node/src/indicators`); here stands what both sides must agree on: spelling, kind of
//! cell, presets, grades, years read and the measure that the books are kept by.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{CategoryError, Grade, Subject};

category! {
    /// Bands of attendance: attended of expected days.
    Band, "band", {
        /// At most 80 %.
        Severe = "severe",
        /// Above 80 %, at most 90 %.
        Moderate = "moderate",
        /// Above 90 %, at most 95 %.
        AtRisk = "at_risk",
        /// Above 95 %.
        Satisfactory = "satisfactory",
    }
}

category! {
    /// Who answers a culture and climate survey.
    Respondent, "respondent", {
        /// A student.
        Student = "student",
        /// A member of staff.
        Staff = "staff",
        /// A parent or guardian.
        Parent = "parent",
    }
}

category! {
    /// The constructs of the surveys: four of culture and climate, four of social-emotional skills.
    Construct, "construct", {
        /// Climate: support for academic learning.
        Support = "support",
        /// Climate: sense of belonging and school connectedness.
        Belonging = "belonging",
        /// Climate: knowledge and fairness of discipline, rules and norms.
        Rules = "rules",
        /// Climate: safety.
        Safety = "safety",
        /// Social-emotional: growth mindset.
        GrowthMindset = "growth_mindset",
        /// Social-emotional: self-efficacy.
        SelfEfficacy = "self_efficacy",
        /// Social-emotional: self-management.
        SelfManagement = "self_management",
        /// Social-emotional: social awareness.
        SocialAwareness = "social_awareness",
    }
}

impl Construct {
    /// Whether it is one of the four social-emotional skills, which only students report.
    #[must_use]
    pub const fn is_sel(self) -> bool {
        matches!(
            self,
            Self::GrowthMindset | Self::SelfEfficacy | Self::SelfManagement | Self::SocialAwareness
        )
    }
}

category! {
    /// Variants of an indicator's rule.
    Preset, "preset", {
        /// California School Dashboard.
        Dashboard = "dashboard",
        /// DataQuest.
        Dataquest = "dataquest",
        /// Education Analytics.
        Ea = "ea",
        /// County offices: half a day of suspension counts.
        County = "county",
        /// Years counted from the first date as an English learner.
        AsEl = "as_el",
        /// Years counted from the first day at the school.
        AtSchool = "at_school",
        /// Performance levels 1 to 4.
        Levels4 = "levels4",
        /// The six bands of the English Learner Progress Indicator.
        Elpi6 = "elpi6",
        /// Credits where a year's course gives ten.
        Credits50 = "credits_50",
        /// Credits where a year's course gives one (Carnegie units).
        Credits5 = "credits_5",
        /// Enrolled within 12 months.
        Months12 = "12_months",
        /// Enrolled within 16 months.
        Months16 = "16_months",
        /// Every respondent counts the same.
        PerRespondent = "respondent",
        /// Every answered item counts the same; `exact` mode only.
        PerItem = "item",
    }
}

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    High,
    /// Less is better.
    Low,
    /// Neither.
    None,
}

impl Better {
    /// The one spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
            Self::None => "none",
        }
    }
}

/// What a table measures: the whole catalogue of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Indicator {
    /// Students enrolled, counted once per district.
    Students,
    /// Mean scale score, points.
    Mean(Subject),
    /// Mean distance from standard: score less the cut of the grade tested, points.
    Dfs(Subject),
    /// Share of scores at or above the standard.
    Met(Subject),
    /// Share of students in tested grades who have a score.
    Participation(Subject),
    /// Share of eligible students absent for a tenth of their expected days or more.
    ChronicAbsenteeism,
    /// Share of eligible students in a band of attendance.
    Attendance(Band),
    /// Share of students suspended.
    Suspension,
    /// Share of students expelled.
    Expulsion,
    /// Share of the four-year cohort that graduated.
    Graduation4,
    /// Share of the four-year cohort that graduated within five.
    Graduation5,
    /// The Dashboard's combined four- and five-year rate.
    GraduationRate,
    /// Share of the four-year cohort that dropped out.
    Dropout,
    /// Share of students completing grade 8 who are ready for high school.
    HsReadiness,
    /// Share of English learners redesignated, of those redesignated and those long not so.
    ElRedesignation,
    /// Share of English learners who progressed.
    ElProgress,
    /// Share of graduates who met the A–G requirements.
    AgCompletion,
    /// Share of students in grade 9 on track to graduate.
    Grade9OnTrack,
    /// Share of completers who enrolled in college.
    CollegeGoing,
    /// Favourable share of answers to a climate construct.
    Climate(Construct, Respondent),
    /// Favourable share of students' answers to a social-emotional construct.
    Sel(Construct),
    /// Share of students in surveyed grades who answered the climate survey.
    ClimateResponse,
    /// Share of students in surveyed grades who answered the social-emotional survey.
    SelResponse,
}

/// Every indicator once, with its one spelling.
macro_rules! indicators {
    ($($indicator:pat, $value:expr => $text:literal;)+) => {
        impl Indicator {
            /// All values, in order.
            pub const ALL: &'static [Self] = &[$($value),+];

            /// The one spelling, as `math_mean`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($indicator => $text,)+
                    // Climate of a social-emotional construct and the like: no name, never read.
                    Self::Climate(..) | Self::Sel(_) => "none",
                }
            }
        }
    };
}

macro_rules! named {
    ($($kind:ident $(($($part:path),+))? => $text:literal;)+) => {
        indicators! {
            $(Self::$kind $(($($part),+))?, Self::$kind $(($($part),+))? => $text;)+
        }
    };
}

named! {
    Students => "students";
    Mean(Subject::Ela) => "ela_mean";
    Mean(Subject::Math) => "math_mean";
    Mean(Subject::Sci) => "sci_mean";
    Mean(Subject::Elp) => "elp_mean";
    Dfs(Subject::Ela) => "ela_dfs";
    Dfs(Subject::Math) => "math_dfs";
    Dfs(Subject::Sci) => "sci_dfs";
    Dfs(Subject::Elp) => "elp_dfs";
    Met(Subject::Ela) => "ela_met";
    Met(Subject::Math) => "math_met";
    Met(Subject::Sci) => "sci_met";
    Met(Subject::Elp) => "elp_met";
    Participation(Subject::Ela) => "ela_participation";
    Participation(Subject::Math) => "math_participation";
    Participation(Subject::Sci) => "sci_participation";
    Participation(Subject::Elp) => "elp_participation";
    ChronicAbsenteeism => "chronic_absenteeism";
    Attendance(Band::Severe) => "attendance_severe";
    Attendance(Band::Moderate) => "attendance_moderate";
    Attendance(Band::AtRisk) => "attendance_at_risk";
    Attendance(Band::Satisfactory) => "attendance_satisfactory";
    Suspension => "suspension";
    Expulsion => "expulsion";
    Graduation4 => "graduation_4yr";
    Graduation5 => "graduation_5yr";
    GraduationRate => "graduation_rate";
    Dropout => "dropout";
    HsReadiness => "hs_readiness";
    ElRedesignation => "el_redesignation";
    ElProgress => "el_progress";
    AgCompletion => "ag_completion";
    Grade9OnTrack => "grade9_on_track";
    CollegeGoing => "college_going";
    Climate(Construct::Support, Respondent::Student) => "climate_support_student";
    Climate(Construct::Belonging, Respondent::Student) => "climate_belonging_student";
    Climate(Construct::Rules, Respondent::Student) => "climate_rules_student";
    Climate(Construct::Safety, Respondent::Student) => "climate_safety_student";
    Climate(Construct::Support, Respondent::Staff) => "climate_support_staff";
    Climate(Construct::Belonging, Respondent::Staff) => "climate_belonging_staff";
    Climate(Construct::Rules, Respondent::Staff) => "climate_rules_staff";
    Climate(Construct::Safety, Respondent::Staff) => "climate_safety_staff";
    Climate(Construct::Support, Respondent::Parent) => "climate_support_parent";
    Climate(Construct::Belonging, Respondent::Parent) => "climate_belonging_parent";
    Climate(Construct::Rules, Respondent::Parent) => "climate_rules_parent";
    Climate(Construct::Safety, Respondent::Parent) => "climate_safety_parent";
    Sel(Construct::GrowthMindset) => "sel_growth_mindset";
    Sel(Construct::SelfEfficacy) => "sel_self_efficacy";
    Sel(Construct::SelfManagement) => "sel_self_management";
    Sel(Construct::SocialAwareness) => "sel_social_awareness";
    ClimateResponse => "climate_response";
    SelResponse => "sel_response";
}

text!(Indicator, "indicator");

impl Indicator {
    /// The subject whose scores it reads against a test of the study, if it does.
    #[must_use]
    pub const fn subject(self) -> Option<Subject> {
        match self {
            Self::Mean(subject)
            | Self::Dfs(subject)
            | Self::Met(subject)
            | Self::Participation(subject) => Some(subject),
            _ => None,
        }
    }

    /// Which way is good.
    #[must_use]
    pub const fn better(self) -> Better {
        match self {
            Self::Students => Better::None,
            Self::ChronicAbsenteeism
            | Self::Attendance(Band::Severe | Band::Moderate | Band::AtRisk)
            | Self::Suspension
            | Self::Expulsion
            | Self::Dropout => Better::Low,
            _ => Better::High,
        }
    }

    /// Its presets, the default first; empty where the rule has no variants.
    #[must_use]
    pub const fn presets(self) -> &'static [Preset] {
        match self {
            Self::ChronicAbsenteeism => &[Preset::Dashboard, Preset::Dataquest, Preset::Ea],
            Self::Suspension => &[Preset::Dashboard, Preset::Dataquest, Preset::County],
            Self::ElRedesignation => &[Preset::AsEl, Preset::AtSchool],
            Self::ElProgress => &[Preset::Levels4, Preset::Elpi6],
            Self::Grade9OnTrack => &[Preset::Credits50, Preset::Credits5],
            Self::CollegeGoing => &[Preset::Months12, Preset::Months16],
            Self::Climate(..) | Self::Sel(_) => &[Preset::PerRespondent, Preset::PerItem],
            _ => &[],
        }
    }

    /// School years before the one measured whose records it reads.
    #[must_use]
    pub const fn years_back(self) -> i16 {
        match self {
            Self::ElProgress => 1,
            Self::Graduation4 | Self::Dropout | Self::AgCompletion | Self::CollegeGoing => 3,
            Self::Graduation5 | Self::GraduationRate => 4,
            _ => 0,
        }
    }

    /// Whether it is a share of survey answers: a mean of respondents' shares, or by items.
    #[must_use]
    pub const fn is_of_answers(self) -> bool {
        matches!(self, Self::Climate(..) | Self::Sel(_))
    }

    /// School years before the one measured whose class it counts, too: its sums answer questions
    /// about that class as well. The five-year cohort of a year is the four-year cohort of the year
    /// before.
    #[must_use]
    pub const fn classes_back(self) -> i16 {
        match self {
            Self::Graduation5 | Self::GraduationRate | Self::ElProgress => 1,
            _ => 0,
        }
    }

    /// Whether its unit is a response, not a student: it has no grade and no groups.
    #[must_use]
    pub const fn is_of_adults(self) -> bool {
        matches!(self, Self::Climate(_, Respondent::Staff | Respondent::Parent))
    }

    /// Whether students of this grade are counted. Scores count the grades of the study's test.
    #[must_use]
    pub fn counts(self, preset: Option<Preset>, grade: Grade) -> bool {
        match self {
            Self::ChronicAbsenteeism if preset == Some(Preset::Dashboard) => {
                (Grade::KN..=Grade::G08).contains(&grade)
            }
            Self::HsReadiness => grade == Grade::G08,
            Self::Grade9OnTrack => grade == Grade::G09,
            Self::Graduation4
            | Self::Graduation5
            | Self::GraduationRate
            | Self::Dropout
            | Self::AgCompletion
            | Self::CollegeGoing => grade == Grade::G12,
            Self::ClimateResponse | Self::SelResponse => (Grade::G04..=Grade::G12).contains(&grade),
            _ => true,
        }
    }

    /// What the books are kept by: indicators that read the same records of a student are one
    /// measure, since sums of two of them over cohorts one district apart give that district away as
    /// two of one would.
    #[must_use]
    pub fn measure(self) -> String {
        match self {
            Self::Mean(subject)
            | Self::Dfs(subject)
            | Self::Met(subject)
            | Self::Participation(subject) => subject.as_str().to_ascii_lowercase(),
            Self::Attendance(_) => Self::ChronicAbsenteeism.as_str().to_owned(),
            Self::Suspension | Self::Expulsion => "discipline".to_owned(),
            Self::Graduation4
            | Self::Graduation5
            | Self::GraduationRate
            | Self::Dropout
            | Self::AgCompletion
            | Self::CollegeGoing => "graduation".to_owned(),
            Self::ElProgress => "elp".to_owned(),
            Self::Climate(_, respondent) => format!("climate_{respondent}"),
            Self::ClimateResponse => "climate_student".to_owned(),
            Self::Sel(_) | Self::SelResponse => "sel".to_owned(),
            _ => self.as_str().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_indicator_has_one_name_of_its_own_and_is_read_back_from_it() {
        let names: BTreeSet<_> = Indicator::ALL.iter().map(|one| one.as_str()).collect();
        assert_eq!(names.len(), Indicator::ALL.len());
        assert!(!names.contains("none"));
        for indicator in Indicator::ALL {
            assert_eq!(indicator.as_str().parse(), Ok(*indicator));
        }
    }

    #[test]
    fn climate_and_social_emotional_constructs_are_never_mixed_up() {
        for indicator in Indicator::ALL {
            match indicator {
                Indicator::Climate(construct, _) => assert!(!construct.is_sel(), "{indicator}"),
                Indicator::Sel(construct) => assert!(construct.is_sel(), "{indicator}"),
                _ => {}
            }
        }
    }

    #[test]
    fn low_is_better_only_where_a_large_number_is_bad_news() {
        let low = Indicator::ALL.iter().filter(|one| one.better() == Better::Low);
        let low: Vec<_> = low.map(|one| one.as_str()).collect();
        let bad = [
            "chronic_absenteeism",
            "attendance_severe",
            "attendance_moderate",
            "attendance_at_risk",
            "suspension",
            "expulsion",
            "dropout",
        ];
        assert_eq!(low, bad);
    }
}
