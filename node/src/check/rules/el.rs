//! W107: changes of English learner status that cannot be.

use super::{Found, Seen, over_rows};
use crate::records::{Elas, Rule};

pub(super) fn rules(seen: Seen<'_>, found: &mut Found) {
    let Some(rows) = seen.el_history else { return };
    let (mut back, mut early) = (Vec::new(), Vec::new());
    for student in rows.chunk_by(|a, b| a.student == b.student) {
        for pair in student.windows(2) {
            let native = matches!(pair[1].elas, Elas::EnglishOnly | Elas::InitiallyFluent);
            if pair[0].elas == Elas::Learner && native {
                back.push(u64::from(pair[1].row));
            }
        }
        let first = student.iter().position(|one| one.elas == Elas::Learner);
        let fluent = student.iter().position(|one| one.elas == Elas::Redesignated);
        if let Some(fluent) = fluent
            && first.is_some_and(|first| fluent < first)
        {
            early.push(u64::from(student[fluent].row));
        }
    }
    let told = [
        (
            back,
            ["student goes", "students go"],
            "from EL to EO or IFEP, which CALPADS does not allow",
            "Correct the status in the student system; until then they are not redesignated",
        ),
        (
            early,
            ["student is", "students are"],
            "RFEP before the first EL date",
            "Add the earlier EL row, or correct the date",
        ),
    ];
    for (rows, nouns, problem, hint) in told {
        let finding = over_rows(Rule::W107, rows, nouns, problem, hint);
        found.extend(finding.map(|finding| ("el_history", finding)));
    }
}
