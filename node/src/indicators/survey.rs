//! Surveys: culture and climate by construct and respondent (`climate_<construct>_<respondent>`) and
//! social-emotional skills (`sel_<construct>`).

use flashlight_proto::{
    category::{Construct, Grade, Preset, Respondent},
    study::SHARE_UNITS,
};

use super::{
    Amount, Ask, Definition, Notes,
    notes::Gap,
    student::{Counted, Place, Student, unknown},
};
use crate::records::{Answer, Rule, Source};

/// Who answers about social-emotional skills.
pub(super) const STUDENT: Respondent = Respondent::Student;

static STRANGERS: Gap = Gap {
    rule: Rule::E010,
    refused_above: None,
    left_out: true,
    told: |missing, asked| {
        format!(
            "respondents left out because their key is no student's of the district and the policy \
             does not accept responses without one: {missing} of {asked}"
        )
    },
};
static NO_SCHOOL: Gap = Gap {
    rule: Rule::E010,
    refused_above: None,
    left_out: true,
    told: |missing, asked| {
        format!(
            "respondents left out because the school of their answers is empty or not one of this \
             district: {missing} of {asked}"
        )
    },
};

/// In words.
pub(super) const CLIMATE: Definition = Definition {
    title: "Culture and climate: favourable share of answers",
    numerator: "`respondent`: the sum over respondents of favourable / answered items of the construct, \
                in ten thousandths; `item`: favourable items. An answer is favourable when 2 · value > \
                scale_max + 1",
    denominator: "`respondent`: respondents who answered an item of the construct; `item`: items \
                  answered. Of several surveys of the year with the construct the latest counts, by \
                  the text of survey_id",
    exclusions: "items not answered. A student's key that is a student of the network table counts at \
                 that cell; any other key at the school and grade of its answers (UG if none), groups \
                 unknown, and in a round only where the district's policy accepts responses without \
                 a student",
    presets: &[
        (Preset::PerRespondent, "every respondent counts the same"),
        (Preset::PerItem, "every answered item counts the same; `exact` mode only"),
    ],
    school_rule: "that of the answers, else the primary school",
    groups_rule: "as in the network table; unknown for keys that are no student's, and for adults",
    source: "CORE districts' culture-climate surveys (share of questions answered positively)",
    sensitivity: "one respondent: a share and 1 in the two words of one cell; by items: as many as \
                  were answered, which is why it needs `exact`",
    tables: &[Source::Survey],
    optional: &["school_id", "grade", "scale_max"],
};

/// In words.
pub(super) const SEL: Definition = Definition {
    title: "Social-emotional skills: favourable share of answers",
    source: "CORE districts' social-emotional survey: four constructs of Likert items, shown as \
             favourable shares",
    ..CLIMATE
};

/// The answers of a construct that count: those of the latest survey that has it.
pub(super) fn answers(
    answers: &[Answer],
    construct: Construct,
    respondent: Respondent,
) -> impl Iterator<Item = &Answer> + Clone {
    let ours = answers
        .iter()
        .filter(move |row| row.construct == construct && row.respondent == respondent);
    let latest = ours.clone().map(|row| row.survey).max();
    ours.filter(move |row| Some(row.survey) == latest)
}

pub(super) fn one(
    student: &Student<'_>,
    ask: &Ask<'_>,
    construct: Construct,
    respondent: Respondent,
    notes: &mut Notes,
) -> Option<Counted> {
    let ours = answers(student.answers, construct, respondent);
    let (mut answered, mut favourable) = (0_i64, 0_i64);
    for row in ours.clone() {
        answered += i64::from(row.favourable.is_some());
        favourable += i64::from(row.favourable == Some(true));
    }
    if answered == 0 {
        return None;
    }
    let place = place(student, ask, ours, respondent, notes)?;
    let amount = match ask.preset {
        Some(Preset::PerItem) => Amount::Items { favourable, answered },
        _ => Amount::Value(share(favourable, answered)),
    };
    Some(place.counts(amount))
}

/// The one cell, at the school of the answers.
pub(super) fn school(
    student: &Student<'_>,
    construct: Construct,
    respondent: Respondent,
    counted: Counted,
) -> Counted {
    let school = answers(student.answers, construct, respondent).find_map(|row| row.school);
    let place = student.moved(counted.place, school).unwrap_or(counted.place);
    place.counts(counted.amount)
}

/// favourable / answered in ten thousandths, halves up.
fn share(favourable: i64, answered: i64) -> i64 {
    (2 * favourable * i64::from(SHARE_UNITS) + answered) / (2 * answered)
}

/// Where a respondent counts.
fn place<'a>(
    student: &Student<'_>,
    ask: &Ask<'_>,
    mut answers: impl Iterator<Item = &'a Answer>,
    respondent: Respondent,
    notes: &mut Notes,
) -> Option<Place> {
    let is_student = respondent == Respondent::Student;
    let home = student.home.filter(|_| is_student);
    let is_refused = home.is_none() && !ask.accept_responses;
    notes.asked(&STRANGERS, is_refused);
    if is_refused || home.is_some() {
        return home;
    }
    let found = answers.find_map(|row| {
        let school = row.school?;
        let grade = row.grade.filter(|_| is_student).unwrap_or(Grade::UG);
        let level = student.term.level(school)?;
        Some(Place { school: Some(school), level, grade, groups: unknown() })
    });
    notes.asked(&NO_SCHOOL, found.is_none());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_to_ten_thousandths_halves_up() {
        assert_eq!(share(0, 3), 0);
        assert_eq!(share(1, 3), 3333);
        assert_eq!(share(2, 3), 6667);
        assert_eq!(share(1, 32), 313, "312.5");
        assert_eq!(share(7, 7), 10_000);
    }
}
