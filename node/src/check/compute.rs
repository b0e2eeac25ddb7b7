//! What a district can compute now, and which export unlocks the next indicators.
//!
//! In: the pieces its files hold. Out: every indicator of the catalogue with its school years or the
//! reason it cannot be; and the missing exports, those that unlock most first.

use std::collections::{BTreeMap, BTreeSet};

use flashlight_proto::category::{Indicator, Respondent, Subject};
use serde::Serialize;

use super::pieces::{Piece, Years};
use crate::records::{Records, Report};

/// Whether one indicator can be computed from the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Computable {
    /// Its name in the catalogue.
    pub indicator: Indicator,
    /// The school years it can be computed for, by their springs; empty: none.
    pub years: Vec<i16>,
    /// Why it cannot be computed, or what is lacking although it can.
    pub lacking: Vec<String>,
}

/// An export that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unlock {
    /// The canonical table it becomes.
    pub table: &'static str,
    /// The export's name where districts get it.
    pub export: &'static str,
    /// Why it counts as missing.
    pub reason: String,
    /// Indicators that it alone makes computable.
    pub indicators: Vec<Indicator>,
    /// Indicators that need it and something else too.
    pub with_others: Vec<Indicator>,
}

/// Why nothing can be computed from files that are here.
const REFUSED: &str = "what is refused has to be mended first";

/// The pieces an indicator needs, beside enrolments; and those it does without, less well.
pub(super) fn needs(indicator: Indicator) -> (&'static [Piece], &'static [Piece]) {
    use Piece as P;
    const ELA: &[Piece] = &[P::Scores(Subject::Ela)];
    const MATH: &[Piece] = &[P::Scores(Subject::Math)];
    const SCI: &[Piece] = &[P::Scores(Subject::Sci)];
    const ELP: &[Piece] = &[P::Scores(Subject::Elp)];
    let needed: &[Piece] = match indicator {
        Indicator::Students => &[],
        Indicator::Mean(subject)
        | Indicator::Dfs(subject)
        | Indicator::Met(subject)
        | Indicator::Participation(subject) => match subject {
            Subject::Ela => ELA,
            Subject::Math => MATH,
            Subject::Sci => SCI,
            Subject::Elp => ELP,
        },
        Indicator::ChronicAbsenteeism | Indicator::Attendance(_) => &[P::Attendance],
        Indicator::Suspension => return (&[P::Actions], &[P::Durations]),
        Indicator::Expulsion => &[P::Actions],
        Indicator::Graduation4
        | Indicator::Graduation5
        | Indicator::GraduationRate
        | Indicator::Dropout => &[P::Cohort],
        Indicator::HsReadiness => &[P::Attendance, P::Actions, P::Marks8],
        Indicator::ElRedesignation => &[P::ElHistory],
        Indicator::ElProgress => &[P::Levels],
        Indicator::AgCompletion => &[P::Cohort, P::Ag],
        Indicator::Grade9OnTrack => &[P::Credits9],
        Indicator::CollegeGoing => &[P::Cohort, P::College],
        Indicator::Climate(_, Respondent::Student) | Indicator::ClimateResponse => {
            &[P::Climate(Respondent::Student)]
        }
        Indicator::Climate(_, Respondent::Staff) => &[P::Climate(Respondent::Staff)],
        Indicator::Climate(_, Respondent::Parent) => &[P::Climate(Respondent::Parent)],
        Indicator::Sel(_) | Indicator::SelResponse => &[P::Sel],
    };
    (needed, &[])
}

/// The pieces of the files, and why the others are not there.
pub(super) struct Held {
    years: BTreeMap<Piece, Years>,
    reasons: BTreeMap<Piece, String>,
    /// Pieces of files that are here; nothing can be read from them while one is refused.
    unread: BTreeSet<Piece>,
}

impl Held {
    /// Of the records read; of a folder that was refused, by its report alone.
    pub(super) fn new(records: Option<&Records>, report: &Report) -> Self {
        let mut held =
            Self { years: BTreeMap::new(), reasons: BTreeMap::new(), unread: BTreeSet::new() };
        for piece in Piece::ALL {
            if let Some(years) = records.and_then(|records| piece.years(records)) {
                held.years.insert(piece, years);
            } else if records.is_none() && is_there(piece, report) {
                held.unread.insert(piece);
            } else {
                held.reasons.insert(piece, reason(piece, report));
            }
        }
        held
    }

    /// The years in which all of these are there; `None`: some piece is missing.
    fn years(&self, pieces: &[Piece]) -> Option<BTreeSet<i16>> {
        let Years::Of(mut years) = self.years.get(&Piece::Enrolled)?.clone() else { return None };
        for piece in pieces {
            if let Years::Of(of) = self.years.get(piece)? {
                // Cohorts may be of years whose enrolments are not here.
                years = match piece {
                    Piece::Cohort | Piece::Ag if years.is_disjoint(of) => of.clone(),
                    _ => years.intersection(of).copied().collect(),
                };
            }
        }
        Some(years)
    }
}

/// Whether the piece's file is here, readable or not.
fn is_there(piece: Piece, report: &Report) -> bool {
    let table = piece.table();
    report.files.iter().any(|file| {
        let stem = file.file.rsplit_once('.').map_or(file.file.as_str(), |(stem, _)| stem);
        stem == table || table == "attendance_summary" && stem == "attendance_daily"
    })
}

fn reason(piece: Piece, report: &Report) -> String {
    if is_there(piece, report) {
        piece.lacking().to_owned()
    } else {
        format!("there is no {}", piece.table())
    }
}

/// Every indicator of the catalogue.
pub(super) fn computable(held: &Held) -> Vec<Computable> {
    Indicator::ALL.iter().map(|indicator| one(held, *indicator)).collect()
}

fn one(held: &Held, indicator: Indicator) -> Computable {
    let (needed, useful) = needs(indicator);
    let all = || std::iter::once(&Piece::Enrolled).chain(needed);
    let mut lacking: Vec<String> = Vec::new();
    for piece in all().chain(useful) {
        if let Some(reason) = held.reasons.get(piece)
            && !lacking.contains(reason)
        {
            lacking.push(reason.clone());
        }
    }
    let is_unread = all().any(|piece| held.unread.contains(piece));
    if is_unread {
        lacking.insert(0, REFUSED.to_owned());
    }
    let mut years = held.years(needed).unwrap_or_default();
    // Those that read the year before need it there.
    let wanted = match indicator {
        Indicator::ElProgress => Some("ELPAC levels of two school years in a row are needed"),
        Indicator::Graduation5 | Indicator::GraduationRate => {
            Some("cohorts of two school years in a row are needed")
        }
        _ => None,
    };
    if let Some(wanted) = wanted {
        let has_before = |year: &&i16| years.contains(&(**year - 1));
        let both: BTreeSet<_> = years.iter().filter(has_before).copied().collect();
        if both.is_empty() && !years.is_empty() {
            lacking.push(wanted.to_owned());
        }
        years = both;
    }
    if years.is_empty() && lacking.is_empty() {
        lacking.push("no school year has all the tables it needs".to_owned());
    }
    Computable { indicator, years: years.into_iter().collect(), lacking }
}

/// The missing exports, most indicators first.
pub(super) fn unlocks(held: &Held) -> Vec<Unlock> {
    let mut unlocks: Vec<Unlock> = Vec::new();
    // Pieces of one export come together.
    let mut exports: Vec<(&'static str, Vec<Piece>)> = Vec::new();
    for piece in held.reasons.keys() {
        match exports.iter_mut().find(|(export, _)| *export == piece.export()) {
            Some((_, pieces)) => pieces.push(*piece),
            None => exports.push((piece.export(), vec![*piece])),
        }
    }
    for (export, pieces) in exports {
        let (mut indicators, mut with_others) = (Vec::new(), Vec::new());
        for indicator in Indicator::ALL {
            let (needed, _) = needs(*indicator);
            let missing = || {
                let all = std::iter::once(&Piece::Enrolled).chain(needed);
                all.filter(|piece| held.reasons.contains_key(piece))
            };
            if missing().any(|piece| pieces.contains(piece)) {
                let alone = missing().all(|piece| pieces.contains(piece));
                let list = if alone { &mut indicators } else { &mut with_others };
                list.push(*indicator);
            }
        }
        let Some(first) = pieces.first() else { continue };
        let reason = held.reasons.get(first).cloned().unwrap_or_default();
        let is_news = !indicators.is_empty() || !with_others.is_empty();
        if is_news {
            let table = first.table();
            unlocks.push(Unlock { table, export, reason, indicators, with_others });
        }
    }
    let rank = |one: &Unlock| (one.indicators.len(), one.with_others.len());
    unlocks.sort_by_key(|one| std::cmp::Reverse(rank(one)));
    unlocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_needed_by_some_indicator() {
        for piece in Piece::ALL.into_iter().filter(|piece| *piece != Piece::Enrolled) {
            let is_needed = |indicator: &Indicator| {
                let (needed, wanted) = needs(*indicator);
                needed.contains(&piece) || wanted.contains(&piece)
            };
            assert!(Indicator::ALL.iter().any(is_needed), "{piece:?}");
        }
    }

    #[test]
    fn a_refused_folder_is_asked_to_be_mended_and_not_to_bring_what_it_has() {
        let findings = Vec::new();
        let file = "enrollments.csv".to_owned();
        let file = crate::records::FileReport {
            file,
            rows_read: 0,
            rows_kept: 0,
            findings,
            columns: Vec::new(),
        };
        let held = Held::new(None, &Report { files: vec![file], study: Vec::new() });
        assert!(unlocks(&held).iter().all(|one| one.table != "enrollments"));
        assert_eq!(computable(&held)[0].lacking, [REFUSED]);
    }

    #[test]
    fn without_any_file_only_enrolments_unlock_alone_and_everything_needs_them() {
        let held = Held::new(None, &Report::default());
        let unlocks = unlocks(&held);
        assert_eq!(unlocks[0].table, "enrollments");
        assert_eq!(unlocks[0].indicators, [Indicator::Students]);
        assert_eq!(unlocks[0].with_others.len(), Indicator::ALL.len() - 1);
        assert!(unlocks[1..].iter().all(|one| one.indicators.is_empty()));
        assert!(computable(&held).iter().all(|one| one.years.is_empty()));
    }
}
