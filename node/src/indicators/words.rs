//! The catalogue in words: docs/INDICATORS.md §3, made of every [`Definition`].
//!
//! In: nothing. Out: Markdown, the same for the same version. A test compares it with the document,
//! and rewrites the document when told to.

use std::fmt::Write as _;

use flashlight_proto::category::{Indicator, Preset};

use super::{Definition, definition};

/// The names that share one definition, and the definition.
struct Entry {
    names: Vec<&'static str>,
    indicator: Indicator,
    definition: &'static Definition,
}

fn entries() -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for indicator in Indicator::ALL {
        let (definition, name) = (definition(*indicator), indicator.as_str());
        match entries.iter_mut().find(|entry| entry.definition.title == definition.title) {
            Some(entry) => entry.names.push(name),
            None => entries.push(Entry { names: vec![name], indicator: *indicator, definition }),
        }
    }
    entries
}

/// An indicator's definition in words, as lines of a name and a text.
#[must_use]
pub fn words_of(indicator: Indicator) -> Vec<(&'static str, String)> {
    let definition = definition(indicator);
    let tables: Vec<_> = std::iter::once("enrollments")
        .chain(definition.tables.iter().map(|table| table.name()))
        .map(|name| format!("`{name}`"))
        .collect();
    let optional: Vec<_> = definition.optional.iter().map(|name| format!("`{name}`")).collect();
    let read_if_there = if optional.is_empty() {
        String::new()
    } else {
        format!("; if there: {}", optional.join(", "))
    };
    let years = match indicator.years_back() {
        0 => "the year".to_owned(),
        1 => "the year and the one before".to_owned(),
        back => format!("the year and the {back} before, as far as they are there"),
    };
    vec![
        ("Numerator", definition.numerator.to_owned()),
        ("Denominator", definition.denominator.to_owned()),
        ("Left out", definition.exclusions.to_owned()),
        ("Presets", presets(definition.presets)),
        ("Better", indicator.better().as_str().to_owned()),
        ("Groups", definition.groups_rule.to_owned()),
        ("School, in local results", definition.school_rule.to_owned()),
        ("Years read", years),
        ("Tables", format!("{}{read_if_there}", tables.join(", "))),
        ("Sensitivity", definition.sensitivity.to_owned()),
        ("Source", definition.source.to_owned()),
    ]
}

/// An indicator's title.
#[must_use]
pub const fn title_of(indicator: Indicator) -> &'static str {
    definition(indicator).title
}

fn presets(presets: &[(Preset, &str)]) -> String {
    let told: Vec<_> = presets.iter().map(|(preset, text)| format!("`{preset}`: {text}")).collect();
    if told.is_empty() { "none".to_owned() } else { told.join("; ") }
}

/// The whole catalogue as Markdown.
#[must_use]
pub fn catalogue() -> String {
    let mut text = String::from(
        "A study can ask for these and nothing else, by `level`, `grade`, both or neither, and for \
         every group\nof the seven families. The first preset is the default. Made from the \
         definitions in `node/src/indicators`\nby a test.\n",
    );
    for entry in entries() {
        let names: Vec<_> = entry.names.iter().map(|name| format!("`{name}`")).collect();
        let _ = write!(text, "\n### {}\n\n{}\n\n", entry.definition.title, names.join(", "));
        for (name, words) in words_of(entry.indicator) {
            let is_nothing = name == "Presets" && entry.definition.presets.is_empty();
            if !is_nothing {
                let better = name == "Better" && entry.names.len() > 1;
                let words = if better { betters(&entry.names) } else { words };
                text.push_str(&wrapped(&format!("* **{name}**: {words}.")));
            }
        }
    }
    text
}

/// The direction of indicators that share a definition and may differ in it.
fn betters(names: &[&str]) -> String {
    let of = |name: &&&str| name.parse::<Indicator>().ok().map(Indicator::better);
    let first = names.first().as_ref().and_then(of);
    if names.iter().all(|name| of(&name) == first) {
        return first.map_or("", |better| better.as_str()).to_owned();
    }
    let told = names.iter().filter_map(|name| Some(format!("`{name}` {}", of(&name)?.as_str())));
    told.collect::<Vec<_>>().join(", ")
}

/// A list item broken into lines of at most 104 characters.
fn wrapped(item: &str) -> String {
    const WIDTH: usize = 104;
    let (mut text, mut length) = (String::new(), 0);
    for word in item.split(' ') {
        let more = word.chars().count() + 1;
        if length > 0 && length + more > WIDTH {
            text.push_str("\n  ");
            length = 2;
        } else if length > 0 {
            text.push(' ');
        }
        text.push_str(word);
        length += more;
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "## 3 The catalogue\n\n";

    #[test]
    fn every_indicators_presets_are_told_in_the_order_of_the_catalogue() {
        for indicator in Indicator::ALL {
            let told = definition(*indicator).presets.iter().map(|(preset, _)| *preset);
            assert_eq!(told.collect::<Vec<_>>(), indicator.presets(), "{indicator}");
        }
    }

    #[test]
    fn the_document_says_what_the_definitions_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/INDICATORS.md");
        let document = std::fs::read_to_string(path).unwrap();
        let start = document.find(HEAD).unwrap() + HEAD.len();
        let end = document[start..].find("\n## ").map_or(document.len(), |at| start + at + 1);
        let made = catalogue();
        if std::env::var_os("FLASHLIGHT_WRITE_DOCS").is_some() {
            let text = format!("{}{made}{}", &document[..start], &document[end..]);
            std::fs::write(path, text).unwrap();
            return;
        }
        assert!(
            document[start..end] == made,
            "docs/INDICATORS.md §3 is not what the definitions say: run this test with \
             FLASHLIGHT_WRITE_DOCS=1"
        );
    }
}
