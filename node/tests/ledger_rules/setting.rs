//! A network of districts `d00`, `d01`, …; we are `d00`. Key of district i: seed i + 1.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use flashlight_node::consent::{Decision, Facts, Permit, Policy, Refusal};
use flashlight_node::journal::{Entry, Journal};
use flashlight_node::ledger::{self, Ledger, Spend};
use flashlight_proto::canonical::Digest;
use flashlight_proto::category::Indicator;
use flashlight_proto::identity::{DistrictId, IdentitySecret};
use flashlight_proto::roster::{Member, MemberState, Roster};
use flashlight_proto::secagg::{Party, RoundId};
use flashlight_proto::study::{CohortSizes, Mode, Study};
use flashlight_proto::vouch::Vouch;
use zeroize::Zeroizing;

pub(crate) const ORIGIN: &str = "hub.example/flashlight";

pub(crate) fn id(district: u8) -> DistrictId {
    format!("d{district:02}").parse().unwrap()
}

pub(crate) fn ids(districts: impl IntoIterator<Item = u8>) -> Vec<DistrictId> {
    districts.into_iter().map(id).collect()
}

pub(crate) fn secret(district: u8) -> IdentitySecret {
    IdentitySecret::from_seed(&Zeroizing::new([district + 1; 32])).unwrap()
}

pub(crate) fn member(district: u8, key: u8) -> Member {
    Member {
        district: id(district),
        name: format!("District {district}"),
        key: secret(key).public(),
        certificate: Digest::of(&[district]),
        state: MemberState::Active,
    }
}

pub(crate) fn roster_of(members: Vec<Member>) -> Roster {
    Roster::new(1, secret(200).public(), members).unwrap()
}

/// Forty districts under their own keys.
pub(crate) fn roster() -> Roster {
    roster_of((0..40).map(|district| member(district, district)).collect())
}

/// Twelve districts with one school and 83 students each, in every year.
pub(crate) fn schools_csv() -> String {
    let mut text = "school_id,school_year,school_name,district_id,level,grade_low,grade_high,\
                    enrollment\n"
        .to_owned();
    for (year, school) in (2022..2026).flat_map(|year| (0..12).map(move |one| (year, one))) {
        text += &format!("{school},{year},School {school},{},ES,03,03,83\n", id(school));
    }
    text
}

/// A policy that allows everything and trusts these; `floors`: further lines.
pub(crate) fn policy(trusted: Range<u8>, floors: &str) -> Policy {
    let listed: Vec<String> = trusted
        .map(|district| format!("{} = \"{}\"", id(district), secret(district).public()))
        .collect();
    let text = format!(
        "[allow]\nindicators = [\"students\", \"chronic_absenteeism\", \"math_met\", \"math_mean\"]\n\
         exact_mode = true\nsecond_set = true\n[trust]\ndistricts = {{ {} }}\n[floors]\napproval = \"within-policy\"\n\
         max_rho_round = 1.0\n{floors}",
        listed.join(", ")
    );
    Policy::parse(&text, Path::new("policy.toml")).unwrap()
}

/// Trusts all forty; sets of survivors lie four apart.
pub(crate) fn open() -> Policy {
    policy(0..40, "min_survivors = 4\nmin_honest = 3\nmax_failed_rounds = 1000\n")
}

const GROWTH: &str = r#"
[[test]]
id = "G"
scores.MATH = { "03" = { min = 1, max = 9, met = 5 }, "04" = { min = 1, max = 9, met = 5 } }
[[growth]]
id = "math"
test = "G"
subject = "MATH"
grades = ["04"]
priors = [{ subject = "MATH", years_back = 1 }]
"#;

/// A round as the hub might announce it.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) study_id: &'static str,
    pub(crate) mode: Mode,
    pub(crate) rho: f64,
    pub(crate) indicator: &'static str,
    pub(crate) years: Vec<i16>,
    pub(crate) school_year: i16,
    pub(crate) as_of: &'static str,
    pub(crate) min_n: u32,
    pub(crate) cohort: Vec<u8>,
    pub(crate) dropped: u16,
    pub(crate) colluding: u16,
    /// Instead of what the study and the cohort give.
    pub(crate) sizes: Option<CohortSizes>,
    /// t, where the hub asks for more than the least.
    pub(crate) quorum: Option<u16>,
    /// With a growth model.
    pub(crate) growth: bool,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            study_id: "study",
            mode: Mode::Dp,
            rho: 0.1,
            indicator: "students",
            years: vec![2024],
            school_year: 2024,
            as_of: "2024-06-30",
            min_n: 11,
            cohort: (0..12).collect(),
            dropped: 1,
            colluding: 1,
            sizes: None,
            quorum: None,
            growth: false,
        }
    }
}

impl Ask {
    pub(crate) fn study(&self) -> Study {
        let rho =
            if self.mode == Mode::Dp { format!("rho = {:?}", self.rho) } else { String::new() };
        let scores = self.indicator.starts_with("math");
        let test = if scores { "test = \"T\"" } else { "" };
        let indicator: Indicator = self.indicator.parse().unwrap();
        let adults = indicator.is_of_adults();
        let families = if adults { "" } else { "families = [\"sex\", \"race_ethnicity\"]" };
        let growth = if self.growth { GROWTH } else { "" };
        let text = format!(
            "[study]\nid = {:?}\ntitle = \"A study\"\nschool_year = {}\nas_of = {:?}\n\
             schools = {{ file = \"schools.csv\", sha256 = \"{}\" }}\n[privacy]\nmode = \"{}\"\n{rho}\n\
             [cohort]\nmin_districts = 4\nmax_dropped = 0\nmax_colluding = 1\n\
             [suppression]\nmin_n = {}\n\
             [[test]]\nid = \"T\"\n[test.scores.MATH]\n\"03\" = {{ min = 1, max = 9, met = 5 }}\n\
             [[table]]\nindicator = {:?}\nyears = {:?}\nby = [[]]\n\
             {families}\n{test}\n{growth}",
            self.study_id,
            self.school_year,
            self.as_of,
            Digest::of(schools_csv().as_bytes()),
            self.mode,
            self.min_n,
            self.indicator,
            self.years,
        );
        Study::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn sizes(&self) -> CohortSizes {
        let n = u16::try_from(self.cohort.len()).unwrap();
        let (m, c) = (n - self.dropped, self.colluding);
        let t = self.quorum.unwrap_or((n + c) / 2 + 1);
        self.sizes.unwrap_or(CohortSizes { n, m, t, c, h: m - c })
    }

    /// Judged with more than the usual facts.
    pub(crate) fn judge_with(
        &self,
        policy: &Policy,
        roster: &Roster,
        vouches: &[Vouch],
        decision: Option<&Decision>,
    ) -> Result<Permit, Refusal> {
        let rho = if self.mode == Mode::Dp { self.rho } else { 0.0 };
        let charges: BTreeMap<i16, f64> = self.years.iter().map(|year| (*year, rho)).collect();
        let key = |district: &DistrictId| roster.find(district).unwrap().key;
        let cohort: Vec<Party> = ids(self.cohort.iter().copied())
            .into_iter()
            .map(|district| Party { key: key(&district), district })
            .collect();
        policy.judge(&Facts {
            study: &self.study(),
            charges: &charges,
            sizes: self.sizes(),
            cohort: &cohort,
            roster,
            vouches,
            log_origin: ORIGIN,
            district: &id(0),
            decision,
        })
    }

    pub(crate) fn judge(&self, policy: &Policy) -> Result<Permit, Refusal> {
        self.judge_with(policy, &roster(), &[], None)
    }

    pub(crate) fn permit(&self) -> Permit {
        self.judge(&open()).unwrap()
    }
}

pub(crate) fn round(number: u8) -> RoundId {
    RoundId::from([number; 16])
}

/// A node's books over a journal in memory.
pub(crate) struct Books {
    pub(crate) journal: Journal,
    pub(crate) ledger: Ledger,
    next: u8,
    /// What the clock says, ms.
    pub(crate) now_ms: u64,
}

impl Books {
    pub(crate) fn new() -> Self {
        Self::over(Journal::in_memory())
    }

    pub(crate) fn over(journal: Journal) -> Self {
        let ledger = Ledger::from_journal(&journal).unwrap();
        let next = u8::try_from(journal.head().seq).unwrap();
        Self { journal, ledger, next, now_ms: 1_700_000_000_000 }
    }

    pub(crate) fn charge_permit(&mut self, permit: Permit) -> Result<Spend, ledger::Refusal> {
        self.next += 1;
        self.ledger.charge(&mut self.journal, permit, round(self.next), self.now_ms)
    }

    pub(crate) fn charge(&mut self, ask: &Ask) -> Result<Spend, ledger::Refusal> {
        self.charge_permit(ask.permit())
    }

    pub(crate) fn confirm(
        &mut self,
        spend: &Spend,
        survivors: &[u8],
    ) -> Result<(), ledger::Refusal> {
        let survivors = ids(survivors.iter().copied());
        self.ledger.confirm(&mut self.journal, spend.round(), &survivors, self.now_ms)
    }

    /// A masked vector is about to leave.
    pub(crate) fn mask(&mut self, spend: &Spend) {
        let (round, study) = (spend.round().to_string(), spend.study());
        self.journal.append(&Entry::Masked { round, study, words: 1 }, self.now_ms).unwrap();
    }

    pub(crate) fn publish(&mut self, spend: &Spend) {
        let release = Some(Digest::of(b"release"));
        self.ledger.end(&mut self.journal, spend.round(), release, "", self.now_ms).unwrap();
    }

    pub(crate) fn fail(&mut self, spend: &Spend, code: &str) {
        self.ledger.end(&mut self.journal, spend.round(), None, code, self.now_ms).unwrap();
    }

    /// One whole round: charged, confirmed by everybody, published.
    pub(crate) fn run(&mut self, ask: &Ask, survivors: &[u8]) -> Result<(), ledger::Refusal> {
        let spend = self.charge(ask)?;
        self.mask(&spend);
        self.confirm(&spend, survivors)?;
        self.publish(&spend);
        Ok(())
    }
}

/// The code of a refusal.
pub(crate) fn code<T>(result: Result<T, ledger::Refusal>) -> &'static str {
    match result {
        Ok(_) => "no refusal",
        Err(refusal) => refusal.code(),
    }
}
