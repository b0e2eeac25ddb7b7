//! The district of tests/data/every-indicator: every number of expected.toml, counted by hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use flashlight_node::{
    aggregate::{Whose, aggregate},
    check::Against,
    local::{By, CellAsked, LocalQuery, LocalRow, Scope, cells_of, local, records_behind},
    records::Records,
};
use flashlight_proto::{
    category::{Dimension, Family, Indicator, Preset},
    identity::DistrictId,
    layout::{CellKey, Layout},
    schools::SchoolTable,
    study::Study,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    expect: Vec<Expect>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    indicator: Indicator,
    preset: Option<Preset>,
    year: i16,
    scope: String,
    folder: Option<String>,
    responses: Option<bool>,
    num: Option<i64>,
    den: Option<i64>,
    /// Points, or parts of 1, in decimals.
    sum: Option<String>,
    n: Option<u64>,
    favourable: Option<i64>,
    answered: Option<i64>,
    why: String,
}

/// Numbers on one footing: students, `num`, `den`, and grid units to one.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    n: u64,
    num: i64,
    den: i64,
    units: u32,
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/every-indicator").join(name)
}

struct District {
    study: Study,
    schools: SchoolTable,
    layout: Layout,
    whole: Records,
    daily: Records,
    ours: DistrictId,
}

impl District {
    fn read() -> Self {
        let study = Study::parse(&fs::read(path("study.toml")).unwrap()).unwrap();
        let schools = SchoolTable::parse(&fs::read(path("schools.csv")).unwrap()).unwrap();
        let layout = Layout::derive(&study, &schools).unwrap();
        let (whole, daily) = (Self::records(&path("")), Self::records(&path("daily")));
        Self { study, schools, layout, whole, daily, ours: "D1".parse().unwrap() }
    }

    fn records(folder: &Path) -> Records {
        Records::read(folder).unwrap().0
    }

    /// Every indicator by every break-down.
    fn query(&self, years: &[i16]) -> LocalQuery<'_> {
        let ours = Some(&self.ours);
        let against = Against { study: &self.study, schools: &self.schools, district: ours };
        LocalQuery {
            by: vec![By::School, By::Level, By::Grade, By::Family],
            against: Some(against),
            ..LocalQuery::new(LocalQuery::everything(), years.to_vec())
        }
    }

    fn local(&self, records: &Records, years: &[i16]) -> Vec<LocalRow> {
        local(records, &self.query(years)).rows
    }

    /// The network's cells, by indicator, preset, year and scope.
    fn network(&self, accept_responses: bool) -> BTreeMap<String, Found> {
        let whose = Whose { district: Some(&self.ours), accept_responses };
        let (words, _) =
            aggregate(&self.whole, &self.study, &self.schools, &self.layout, whose).unwrap();
        let mut found = BTreeMap::new();
        for cell in cells_of(&self.study, &self.layout, &words) {
            let block = &self.layout.blocks()[cell.block];
            let table = &self.study.tables[block.table];
            let Some(scope) = scope_of(&block.by, block.family, &cell.key) else { continue };
            let units = self.study.units_per_point(table);
            let first =
                block.first_word() + place(block.cells(), &cell.key) * block.encoding.words();
            let den = match block.encoding.word_names() {
                ["num", "rest", "n"] => words[first] + words[first + 1],
                _ => i64::try_from(cell.n).unwrap(),
            };
            let key = key(table.indicator, table.preset, block.year, &scope);
            found.insert(key, Found { n: cell.n, num: cell.total, den, units });
        }
        found
    }
}

fn place(cells: &[CellKey], key: &CellKey) -> usize {
    cells.iter().position(|one| one == key).unwrap()
}

fn key(indicator: Indicator, preset: Option<Preset>, year: i16, scope: &str) -> String {
    let preset = preset.map(|preset| preset.to_string()).unwrap_or_default();
    format!("{indicator} {preset} {year} {scope}")
}

fn scope_of(by: &[Dimension], family: Option<Family>, key: &CellKey) -> Option<String> {
    match (by, family) {
        ([], None) => Some("network".to_owned()),
        ([], Some(family)) => Some(format!("{family}:{}", family.groups()[key.group])),
        ([Dimension::Level], None) => Some(format!("level:{}", key.level?)),
        _ => None,
    }
}

/// A decimal as units of a grid.
fn in_units(text: &str, units: u32) -> i64 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let scale = 10_i64.pow(u32::try_from(part.len()).unwrap());
    let digits: i64 = format!("{whole}{part}").parse().unwrap();
    assert_eq!(digits * i64::from(units) % scale, 0, "{text} is not on the grid");
    digits * i64::from(units) / scale
}

impl Expect {
    /// What is wrong with what was found, in words.
    fn differs(&self, found: Option<&Found>) -> Option<String> {
        let none = Found { n: 0, num: 0, den: 0, units: 1 };
        let found = found.unwrap_or(&none);
        let is_right = match self {
            Self { num: Some(num), den: Some(den), .. } => (*num, *den) == (found.num, found.den),
            Self { sum: Some(sum), n: Some(n), .. } => {
                (in_units(sum, found.units), *n) == (found.num, found.n)
            }
            Self { favourable: Some(favourable), answered: Some(answered), n: Some(n), .. } => {
                (*favourable, *answered, *n) == (found.num, found.den, found.n)
            }
            Self { n: Some(n), .. } => *n == found.n,
            _ => false,
        };
        let preset = self.preset.map(|preset| preset.to_string()).unwrap_or_default();
        let wrong = || {
            format!(
                "{} {preset} {} {}: found {found:?}, expected num {:?} den {:?} sum {:?} n {:?} \
                 items {:?} of {:?}: {}",
                self.indicator,
                self.year,
                self.scope,
                self.num,
                self.den,
                self.sum,
                self.n,
                self.favourable,
                self.answered,
                self.why
            )
        };
        (!is_right).then(wrong)
    }

    /// Whether the row is of this expectation's scope.
    fn is(&self, row: &LocalRow) -> bool {
        let preset = self.preset.or_else(|| self.indicator.presets().first().copied());
        let is_scope = match (&row.scope, self.scope.split_once(':')) {
            (Scope::School(id), Some(("school", ours))) => id == ours,
            (Scope::District, None) => true,
            _ => false,
        };
        is_scope
            && (row.indicator, row.preset, row.year) == (self.indicator, preset, self.year)
            && (row.level, row.grade, row.group) == (None, None, None)
    }
}

#[test]
fn margins_add_up_and_every_familys_groups_are_all_students() {
    let district = District::read();
    let rows = district.local(&district.whole, &[2022, 2023, 2024]);
    let of = |row: &LocalRow| (row.indicator, row.preset, row.year, row.scope.clone());
    for total in rows.iter().filter(|row| (row.level, row.grade, row.group) == (None, None, None)) {
        let ours: Vec<_> = rows.iter().filter(|row| of(row) == of(total)).collect();
        let sum = |is: &dyn Fn(&LocalRow) -> bool| {
            let part = ours.iter().filter(|row| is(row));
            part.fold((0, 0, 0), |sum, row| (sum.0 + row.n, sum.1 + row.num, sum.2 + row.den))
        };
        let all = (total.n, total.num, total.den);
        let name = format!("{} {:?} {}", total.indicator, total.scope, total.year);
        let by_grade =
            |row: &LocalRow| row.level.is_none() && row.grade.is_some() && row.group.is_none();
        assert_eq!(sum(&by_grade), all, "{name}");
        for family in Family::ALL {
            let is_group = |row: &LocalRow| {
                let is_total = row.level.is_none() && row.grade.is_none();
                is_total && row.group.is_some_and(|(one, _)| one == *family)
            };
            assert_eq!(sum(&is_group), all, "{name} {family}");
        }
    }
}

#[test]
fn the_order_of_the_rows_in_the_files_does_not_matter() {
    let district = District::read();
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(path("")).unwrap() {
        let from = entry.unwrap().path();
        if from.extension().is_some_and(|end| end == "csv") {
            let text = fs::read_to_string(&from).unwrap();
            let (header, rows) = text.split_once('\n').unwrap();
            let mut lines: Vec<&str> = rows.lines().collect();
            lines.reverse();
            let turned = format!("{header}\n{}\n", lines.join("\n"));
            fs::write(folder.path().join(from.file_name().unwrap()), turned).unwrap();
        }
    }
    let turned = District::records(folder.path());
    let years = [2022, 2023, 2024];
    assert!(district.local(&district.whole, &years) == district.local(&turned, &years));
}

#[test]
fn the_records_behind_a_number_add_up_to_it() {
    let district = District::read();
    let query = district.query(&[2024]);
    for row in local(&district.whole, &query).rows {
        let LocalRow { indicator, preset, year, scope, level, grade, group, .. } = row.clone();
        if !matches!(group, None | Some((Family::El, _))) {
            continue;
        }
        let cell = CellAsked { indicator, preset, year, scope, level, grade, group };
        let behind = records_behind(&district.whole, &query, &cell);
        let sum =
            behind.iter().fold((0, 0, 0), |sum, one| (sum.0 + 1, sum.1 + one.num, sum.2 + one.den));
        assert_eq!(sum, (row.n, row.num, row.den), "{cell:?}");
        assert!(behind.iter().all(|one| !one.rows.is_empty()), "{cell:?}");
    }
}

#[test]
fn every_number_counted_by_hand_is_what_the_indicators_count() {
    let district = District::read();
    let text = fs::read_to_string(path("expected.toml")).unwrap();
    let expected: File = toml::from_str(&text).unwrap();
    let expected = expected.expect;
    let years: BTreeSet<_> = expected.iter().map(|one| one.year).collect();
    let years: Vec<_> = years.into_iter().collect();
    let (open, strict) = (district.network(true), district.network(false));
    let rows = district.local(&district.whole, &years);
    let daily = district.local(&district.daily, &years);
    let mut wrong = Vec::new();
    for one in &expected {
        let is_local = one.scope == "district" || one.scope.starts_with("school:");
        let rows = if one.folder.is_some() { &daily } else { &rows };
        let found = if is_local || one.folder.is_some() {
            rows.iter().find(|row| one.is(row)).map(|row| Found {
                n: row.n,
                num: row.num,
                den: row.den,
                units: row.units,
            })
        } else {
            let preset = one.preset.or_else(|| one.indicator.presets().first().copied());
            let cells = if one.responses == Some(false) { &strict } else { &open };
            cells.get(&key(one.indicator, preset, one.year, &one.scope)).map(|found| Found {
                n: found.n,
                num: found.num,
                den: found.den,
                units: found.units,
            })
        };
        wrong.extend(one.differs(found.as_ref()));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), expected.len(), wrong.join("\n"));
}
