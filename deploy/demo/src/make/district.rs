//! One district's folder.
//!
//! In: a place in the network. Out: all its tables in a new folder, and a count of each school's
//! students on Census Day, which is public. One student at a time: memory does not grow with them.

use std::{fs, io, path::Path};

use super::{
    absence,
    calendar::{Calendars, DAYS},
    courses,
    english::English,
    exams, leaving,
    life::{Life, NINTH, grade_in},
    mess::Mess,
    network::{District, Network},
    places::{Years, students},
    scores, surveys,
    table::{Name, Tables},
    year::Now,
};

/// What is written beside what must be.
#[derive(Clone, Copy)]
pub(super) struct Extras {
    pub(super) daily: bool,
    pub(super) mess: bool,
}

/// Students of a school on Census Day, and how many of them are disadvantaged.
#[derive(Clone, Copy, Default)]
pub(super) struct Census {
    pub(super) enrolled: u32,
    pub(super) sed: u32,
}

/// What a district's folder came to.
pub(super) struct Made {
    /// By year, then by the district's schools.
    pub(super) census: Vec<Vec<Census>>,
    pub(super) rows: u64,
}

/// Writes district `at` into `folder`, which must not exist. `tick`: called for every student.
pub(super) fn write(
    network: &Network,
    at: usize,
    years: Years,
    extras: Extras,
    (folder, tick): (&Path, &dyn Fn()),
) -> io::Result<Made> {
    fs::create_dir(folder)?;
    let district = &network.districts[at];
    let mess = |name| extras.mess.then(|| Mess::new(district, name));
    let mut writer = Writer {
        district,
        years,
        extras,
        calendars: Calendars::new(years.0 - 4, years.1),
        tables: Tables::create(folder, extras.daily, mess)?,
        census: (years.0..=years.1)
            .map(|_| vec![Census::default(); district.schools.len()])
            .collect(),
    };
    students(network, at, years, |life| {
        tick();
        writer.student(life);
        writer.tables.write_full()
    })?;
    writer.schools()?;
    Ok(Made { census: writer.census, rows: writer.tables.finish()? })
}

struct Writer<'n> {
    district: &'n District,
    years: Years,
    extras: Extras,
    calendars: Calendars,
    tables: Tables,
    census: Vec<Vec<Census>>,
}

impl<'n> Writer<'n> {
    /// The years in which a student is at this district, of all years.
    fn span(&self, life: &Life<'n>) -> Years {
        let here = |year: &i16| std::ptr::eq(life.district(*year), self.district);
        let mut there = (life.first.0..=life.last.0).filter(here);
        let first = there.next().unwrap_or(life.last.0);
        (first, there.next_back().unwrap_or(first))
    }

    fn student(&mut self, life: &Life<'n>) {
        let english = English::of(life);
        let span = self.span(life);
        let (begin, end) = (span.0.max(self.years.0), span.1.min(self.years.1));
        let old = grade_in(life.class, end).is_some_and(|grade| grade >= scores::FIRST);
        let scores =
            if old { scores::scores(life, english.as_ref(), end) } else { scores::UNTESTED };
        for (at, year) in (self.years.0..=self.years.1).enumerate() {
            if (begin..=end).contains(&year) {
                self.year(life, english.as_ref(), (at, year), &scores);
            }
        }
        if begin <= end {
            exams::history(life, english.as_ref(), &mut self.tables, (span.0, end));
        }
        if grade_in(life.class, span.1).is_some_and(|grade| grade >= NINTH) {
            leaving::write(life, &mut self.tables, &self.calendars, (span, self.years));
        }
    }

    fn year(
        &mut self,
        life: &Life<'n>,
        english: Option<&English>,
        (at, year): (usize, i16),
        scores: &scores::Scores,
    ) {
        let Some(mut now) = Now::new(life, english, self.calendars.of(year), year) else { return };
        if let Some(school) = now.census() {
            let census = &mut self.census[at][school];
            census.enrolled += 1;
            census.sed += u32::from(life.sed);
        }
        let tables = &mut self.tables;
        let short = now.enroll(tables, self.extras.mess);
        absence::write(&mut now, tables, short, self.extras.daily && year == self.years.1);
        exams::write(&mut now, tables, scores);
        courses::write(&mut now, tables);
        surveys::write(&mut now, tables);
    }

    /// The district's own list of schools, and their staff's surveys.
    fn schools(&mut self) -> io::Result<()> {
        for (at, year) in (self.years.0..=self.years.1).enumerate() {
            for (place, school) in self.district.schools.iter().enumerate() {
                let [low, high] = school.level.grades();
                let row = self.tables.of(Name::Schools);
                row.text(&school.id).year(year).text(name(self.district, place));
                row.text(&self.district.id).text(school.level.as_str());
                row.flag(Some(school.charter)).number(DAYS).text(low).text(high).end();
                let enrolled = self.census[at][place].enrolled;
                surveys::staff(self.district, school, year, enrolled, &mut self.tables);
                self.tables.write_full()?;
            }
        }
        Ok(())
    }
}

/// A school's name: its kind and number, for no such school exists.
pub(super) fn name(district: &District, place: usize) -> String {
    let school = &district.schools[place];
    format!("{} {:03} of {}", school.level.as_str(), place + 1, district.id)
}
