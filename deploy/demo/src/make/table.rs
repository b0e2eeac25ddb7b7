//! Tables as they are written: rows of text, buffered, to one CSV file each.
//!
//! In: values, column by column. Out: lines of the file, which ends up with `HEADERS`' columns. Nothing
//! here needs quotes: no value holds a comma, a quote or a line break. Memory: a buffer per table.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use super::mess::Mess;

/// The tables, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Schools,
    Enrollments,
    AttendanceSummary,
    Assessments,
    PriorScores,
    Discipline,
    CourseGrades,
    ElHistory,
    Graduation,
    SurveyResponses,
    Postsecondary,
    AttendanceDaily,
}

/// File name and header of each table, in the order of [`Name`].
pub(super) const HEADERS: [(&str, &str); 12] = [
    (
        "schools",
        "school_id,school_year,school_name,district_id,level,charter,instructional_days,\
         grade_low,grade_high",
    ),
    (
        "enrollments",
        "student_id,school_year,school_id,grade,entry_date,exit_date,exit_code,\
         enrollment_status,race_ethnicity,sex,el,swd,sed,frpm,homeless,foster,migrant,military,\
         elas,parent_education",
    ),
    (
        "attendance_summary",
        "student_id,school_year,school_id,days_expected,days_attended,absent_excused,\
         absent_unexcused,absent_oss,absent_incomplete_is,in_school_suspension,tardies,exempt",
    ),
    (
        "assessments",
        "student_id,test_id,test_date,school_year,subject,grade_tested,school_id,scale_score,sem,\
         performance_level,included,admin",
    ),
    ("prior_scores", "student_id,subject,as_of_year,years_back,score,sem,grade,source"),
    (
        "discipline",
        "student_id,incident_id,school_id,school_year,incident_date,offense_code,result,\
         action_seq,duration_days,statutory",
    ),
    (
        "course_grades",
        "student_id,school_year,school_id,section_id,term,course_code,course_title,subject,\
         ag_code,final_grade,grade_points,credits_attempted,credits_earned,grade",
    ),
    ("el_history", "student_id,elas,elas_start_date,elas_end_date,school_id,primary_language"),
    (
        "graduation",
        "student_id,cohort_year,school_id,first_9th_year,exit_date,exit_code,completion_code,\
         outcome,met_ag,seals",
    ),
    (
        "survey_responses",
        "survey_id,respondent_key,item_id,school_id,school_year,respondent,grade,scale,value,\
         scale_max",
    ),
    (
        "postsecondary",
        "student_id,college_seq,hs_grad_date,enrolled_begin,enrolled_end,level,sector,state,\
         degree_date",
    ),
    ("attendance_daily", "student_id,school_id,date,category,fraction_absent"),
];

/// Bytes gathered before they are written.
const BUFFER: usize = 256 * 1024;

/// One table of one district.
pub(super) struct Table {
    file: File,
    lines: Vec<u8>,
    /// Where the row being written begins.
    begin: usize,
    mess: Option<Mess>,
    pub(super) rows: u64,
}

impl Table {
    fn create(folder: &Path, name: Name, mess: Option<Mess>) -> io::Result<Self> {
        let (file, header) = HEADERS[name as usize];
        let file = File::create_new(folder.join(format!("{file}.csv")))?;
        let mut lines = Vec::with_capacity(BUFFER + BUFFER / 4);
        lines.extend_from_slice(header.as_bytes());
        lines.push(b'\n');
        Ok(Self { file, begin: lines.len(), lines, mess, rows: 0 })
    }

    /// A value as text.
    pub(super) fn text(&mut self, value: impl AsRef<[u8]>) -> &mut Self {
        self.lines.extend_from_slice(value.as_ref());
        self.lines.push(b',');
        self
    }

    /// A value that is not there.
    pub(super) fn none(&mut self) -> &mut Self {
        self.lines.push(b',');
        self
    }

    /// A whole number.
    pub(super) fn number(&mut self, value: u32) -> &mut Self {
        self.digits(value);
        self.lines.push(b',');
        self
    }

    /// A school year.
    pub(super) fn year(&mut self, year: i16) -> &mut Self {
        self.number(u32::from(year.unsigned_abs()))
    }

    /// Hundredths, as 3.5; whole without a point.
    pub(super) fn hundredths(&mut self, value: u32) -> &mut Self {
        self.digits(value / 100);
        let rest = value % 100;
        if rest > 0 {
            self.lines.push(b'.');
            self.digits(rest / 10);
            if !rest.is_multiple_of(10) {
                self.digits(rest % 10);
            }
        }
        self.lines.push(b',');
        self
    }

    /// A flag; `None` when not supplied.
    pub(super) fn flag(&mut self, value: Option<bool>) -> &mut Self {
        if let Some(yes) = value {
            self.lines.push(if yes { b'Y' } else { b'N' });
        }
        self.lines.push(b',');
        self
    }

    /// An item of a survey's scale.
    pub(super) fn item(&mut self, scale: &str, item: u32) -> &mut Self {
        self.lines.extend_from_slice(scale.as_bytes());
        self.lines.push(b'-');
        self.number(item)
    }

    fn digits(&mut self, mut value: u32) {
        let mut out = [0; 10];
        let mut from = out.len();
        loop {
            from -= 1;
            out[from] = b'0' + u8::try_from(value % 10).unwrap_or(0);
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.lines.extend_from_slice(&out[from..]);
    }

    /// Ends the row.
    pub(super) fn end(&mut self) {
        if let Some(last) = self.lines.last_mut() {
            *last = b'\n';
        }
        self.rows += 1;
        if let Some(mess) = &mut self.mess {
            self.rows += mess.touch(&mut self.lines, self.begin);
        }
        self.begin = self.lines.len();
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.lines)?;
        self.lines.clear();
        self.begin = 0;
        Ok(())
    }
}

/// All tables of one district.
pub(super) struct Tables {
    tables: Vec<Table>,
}

impl Tables {
    /// Creates the files in `folder`, which is new. `daily`: with the daily attendance.
    pub(super) fn create(
        folder: &Path,
        daily: bool,
        mut mess: impl FnMut(Name) -> Option<Mess>,
    ) -> io::Result<Self> {
        let all = [
            Name::Schools,
            Name::Enrollments,
            Name::AttendanceSummary,
            Name::Assessments,
            Name::PriorScores,
            Name::Discipline,
            Name::CourseGrades,
            Name::ElHistory,
            Name::Graduation,
            Name::SurveyResponses,
            Name::Postsecondary,
            Name::AttendanceDaily,
        ];
        let wanted = all.into_iter().filter(|name| daily || *name != Name::AttendanceDaily);
        let tables = wanted.map(|name| Table::create(folder, name, mess(name)));
        Ok(Self { tables: tables.collect::<io::Result<_>>()? })
    }

    /// A table; without daily attendance there is none, and nobody may ask for it.
    pub(super) fn of(&mut self, name: Name) -> &mut Table {
        let last = self.tables.len() - 1;
        &mut self.tables[(name as usize).min(last)]
    }

    /// Writes what is full; called after every student.
    pub(super) fn write_full(&mut self) -> io::Result<()> {
        for table in &mut self.tables {
            if table.lines.len() >= BUFFER {
                table.flush()?;
            }
        }
        Ok(())
    }

    /// Writes the rest. Returns the rows of all tables.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        for table in &mut self.tables {
            table.flush()?;
        }
        Ok(self.tables.iter().map(|table| table.rows).sum())
    }
}
