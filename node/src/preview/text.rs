//! Numbers and foreign text as people read them, in the table and on the page alike.

use super::view::{CellView, GrowthView, Noise, Preview, Size, WordView};

/// What stands over the column of masked words.
pub(super) const EXAMPLE: &str = "an example: fresh keys each time";

/// Text that came with the study or the files, without anything that steers a terminal or turns
/// the direction of writing.
pub(super) fn shown(text: &str) -> String {
    let steers = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if steers(letter) { '\u{fffd}' } else { letter }).collect()
}

/// With commas between the thousands.
pub(super) fn number(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with commas.
pub(super) fn count(count: usize) -> String {
    number(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A privacy loss, to six digits after the point and no more than needed: 0.1, not
/// 0.09999999999999999.
pub(super) fn loss(rho: f64) -> String {
    let text = format!("{rho:.6}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    // A loss too small for that is written as it is, never as none.
    if short == "0" { rho.to_string() } else { short.to_owned() }
}

/// A cell's name without what is not broken down: `ES,03 sed=yes`, `sed=yes`, `all students`.
pub(super) fn cell_name(name: &str) -> String {
    match name.split_once('/') {
        Some(("all", "all")) => "all students".to_owned(),
        Some(("all", part)) | Some((part, "all")) => shown(part),
        _ => shown(name).replace('/', " "),
    }
}

/// The cell's value with its unit; empty for a count, whose value is n.
pub(super) fn value(cell: &CellView, unit: &str) -> String {
    match (unit, cell.value) {
        ("students", _) => String::new(),
        (_, None) => "-".to_owned(),
        ("share", Some(share)) => format!("{:.1} %", share * 100.0),
        (_, Some(points)) => format!("{points:.2}"),
    }
}

/// The mark of a cell's size; empty where there are students enough.
pub(super) const fn mark(size: Size) -> &'static str {
    match size {
        Size::Enough => "",
        Size::Small => "small",
        Size::Empty => "empty",
    }
}

/// The noise this node adds to a word.
pub(super) fn noise(preview: &Preview, word: &WordView) -> String {
    match word.noise_sd {
        _ if word.sent_as_zero => "sent as 0".to_owned(),
        _ if preview.cost.noise == Noise::None => "none".to_owned(),
        Some(sd) if sd < 10.0 => format!("{sd:.2}"),
        Some(sd) => format!("{sd:.1}"),
        None => "not known".to_owned(),
    }
}

/// The difference of a word to last time.
pub(super) fn change(preview: &Preview, word: &WordView) -> String {
    match word.change {
        Some(0) => "same".to_owned(),
        Some(change) if change > 0 => format!("+{}", number(change)),
        Some(change) => number(change),
        None if preview.last.is_some() => "new".to_owned(),
        None => "-".to_owned(),
    }
}

/// What looking costs, first on every form of a preview.
pub(super) const NOTHING: &str = "Nothing was sent and nothing was spent by looking.";

/// The facts above the cells: a term and what it is, in order.
pub(super) fn facts(preview: &Preview) -> Vec<(&'static str, String)> {
    let Preview { study, small, totals, .. } = preview;
    let mut facts = vec![
        ("study", format!("{}: {}", shown(&study.id), shown(&study.title))),
        ("study file", format!("SHA-256 {}", study.hash)),
        ("school table", format!("SHA-256 {}", study.schools)),
        ("this district", format!("{}; previewed on {}", preview.district, preview.day)),
        ("records", format!("as they stood on {}", study.as_of)),
    ];
    facts.extend(cost(preview));
    facts.extend(preview.refusals.iter().map(|text| ("would refuse", shown(text))));
    let policy = small.policy_min_cell.map_or_else(
        || "this district has no policy.toml".to_owned(),
        |least| format!("this district's policy: {least}"),
    );
    let small = format!(
        "over fewer than {} students (the study withholds below {}; {policy})",
        small.below, small.study_min_n
    );
    facts.push(("small cells", small));
    let cells = format!(
        "{} cells: {} small, {} empty; {} words, {} bytes under masks",
        count(totals.cells),
        count(totals.small),
        count(totals.empty),
        count(totals.words),
        count(totals.bytes),
    );
    facts.push(("in all", cells));
    facts.extend(preview.growth.iter().map(|one| ("growth", growth(one))));
    facts.push(("last time", last_time(preview)));
    facts
}

/// One growth model's words.
fn growth(one: &GrowthView) -> String {
    let rho = one.rho.map_or_else(String::new, |rho| format!("; rho {} for all rounds", loss(rho)));
    let later = one.later_words.map_or_else(
        || "more in later ones, at constants that follow from the first sums".to_owned(),
        |words| format!("{} in later ones", count(words)),
    );
    format!(
        "{}: {} words in a first round, {later}: sums over this district's students of products of {}{rho}",
        one.model,
        count(one.words),
        one.columns.join(", "),
    )
}

/// What it would cost.
fn cost(preview: &Preview) -> Vec<(&'static str, String)> {
    let cost = &preview.cost;
    let mut facts = vec![("guarantee", cost.guarantee.clone())];
    for year in &cost.years {
        let text = year.rho.map_or_else(
            || format!("school year {}: exact, which no budget limits", year.school_year),
            |rho| {
                let (one, two) = (loss(rho), loss(4.0 * rho));
                format!(
                    "school year {}: rho {one} for a student here; {two} for one \
                     with records at two districts",
                    year.school_year
                )
            },
        );
        facts.push(("would cost", text));
    }
    facts.push(("noise", cost.noise.sentence().to_owned()));
    facts
}

fn last_time(preview: &Preview) -> String {
    let Some(last) = &preview.last else {
        return "no earlier preview to compare with".to_owned();
    };
    let study = if last.same_study {
        "this study".to_owned()
    } else {
        format!("study {}, which asked some of the same", shown(&last.study))
    };
    let text = if last.same_text { "" } else { "; its text was another" };
    format!(
        "previewed on {} for {study}{text}: {} cells changed, {} new, {} gone",
        last.day,
        count(preview.totals.changed),
        count(preview.totals.new),
        count(last.gone),
    )
}
