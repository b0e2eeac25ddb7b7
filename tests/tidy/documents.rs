//! The documents: they have one title each, and what they or the code point at is there.

use crate::report;
use crate::tree::{FILES, File, ending, file, root};

/// The lines outside code blocks.
fn prose(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    file.text.lines().enumerate().filter_map(move |(at, line)| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        (!inside && !fence).then_some((at + 1, line))
    })
}

/// The headings, without their marks.
fn headings(file: &File) -> Vec<&str> {
    prose(file)
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| line.trim_start_matches('#').trim())
        .collect()
}

#[test]
fn every_document_begins_with_its_one_title() {
    let breaches: Vec<String> = ending(".md")
        .filter(|file| {
            let titles = prose(file).filter(|(_, line)| line.starts_with("# "));
            !file.text.starts_with("# ") || titles.count() != 1
        })
        .map(|file| file.path.clone())
        .collect();
    report("one `# ` line, the first", &breaches);
}

#[test]
fn every_relative_link_leads_to_a_file() {
    let mut breaches = Vec::new();
    for file in ending(".md") {
        let folder = root().join(&file.path).parent().unwrap().to_owned();
        for (number, line) in prose(file) {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let path = target.split('#').next().unwrap_or_default();
                let elsewhere =
                    path.is_empty() || path.contains("://") || path.starts_with("mailto:");
                if !elsewhere && !folder.join(path).exists() {
                    breaches.push(format!("{}:{number}: {target}", file.path));
                }
            }
        }
    }
    report("links to nowhere", &breaches);
}

/// The sections a text names, as `PROTOCOL.md §4.1` or `PROTOCOL.md, "Study"`.
fn references(text: &str) -> Vec<(&'static str, String)> {
    const DOCUMENTS: [&str; 4] = ["ARCHITECTURE.md", "INDICATORS.md", "PRIVACY.md", "PROTOCOL.md"];
    let mut found = Vec::new();
    for document in DOCUMENTS {
        for rest in text.split(document).skip(1) {
            let mut rest = rest;
            // "§1, §2" names two sections of one document.
            while let Some(after) = rest.strip_prefix(", §").or_else(|| rest.strip_prefix(" §")) {
                let end =
                    after.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(after.len());
                found.push((document, after[..end].trim_end_matches('.').to_owned()));
                rest = &after[end..];
            }
            let quoted = rest.strip_prefix(", \"").and_then(|after| after.split('"').next());
            found.extend(quoted.map(|name| (document, name.to_owned())));
        }
    }
    found
}

#[test]
fn every_section_that_is_named_is_there() {
    let mut breaches = Vec::new();
    for source in FILES.iter().filter(|one| {
        let text = [".rs", ".proto", ".toml", ".md"].iter().any(|end| one.path.ends_with(end));
        text && !one.path.starts_with("tests/tidy/")
    }) {
        // A sentence may go on in the next line of a comment.
        let lines = source
            .text
            .lines()
            .map(|line| line.trim_start().trim_start_matches(['/', '!', '#']).trim());
        let text = lines.collect::<Vec<_>>().join(" ");
        for (document, section) in references(&text) {
            let headings = headings(file(&format!("docs/{document}")));
            let numbered = |heading: &&str| heading.split(' ').next() == Some(&section);
            let named = |heading: &&str| heading.contains(&section);
            let is_number = section.starts_with(|c: char| c.is_ascii_digit());
            let there =
                if is_number { headings.iter().any(numbered) } else { headings.iter().any(named) };
            if !there {
                breaches.push(format!("{}: {document} §{section}", source.path));
            }
        }
    }
    report("a section that the document does not have", &breaches);
}

/// The words in backticks of a document's prose.
fn quoted(file: &File) -> impl Iterator<Item = (usize, &str)> {
    prose(file)
        .flat_map(|(at, line)| line.split('`').skip(1).step_by(2).map(move |word| (at, word)))
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let is_name = |word: &str| {
        let letters = word.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
        letters && word.matches('_').count() >= 4
    };
    let is_there = |name: &str| {
        let line = format!("fn {name}(");
        ending(".rs").any(|source| source.text.contains(&line))
    };
    let mut breaches = Vec::new();
    for file in ending(".md").filter(|file| file.path.starts_with("docs/")) {
        let named = quoted(file).filter(|(_, word)| is_name(word));
        let missing = named.filter(|(_, word)| !is_there(word));
        breaches.extend(missing.map(|(at, word)| format!("{}:{at}: {word}", file.path)));
    }
    report("an invariant rests on a test that is not there", &breaches);
}

#[test]
fn every_source_file_that_a_document_names_is_there() {
    let is_there = |name: &str| {
        let end = format!("/{}", name.trim_start_matches('/'));
        let folder = format!("{}/", end.trim_end_matches('/'));
        FILES.iter().any(|file| {
            let path = format!("/{}", file.path);
            if name.ends_with('/') { path.contains(&folder) } else { path.ends_with(&end) }
        })
    };
    let is_path = |word: &str| {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"_/.-".contains(&byte);
        let ours = ["node/", "coordinator/", "proto/", "store/", "tests/", "deploy/", "docs/"];
        let rust = word.ends_with(".rs");
        word.bytes().all(letters) && (rust || ours.iter().any(|crate_| word.starts_with(crate_)))
    };
    let mut breaches = Vec::new();
    for file in ending(".md").filter(|file| file.path.starts_with("docs/")) {
        let missing = quoted(file).filter(|(_, word)| is_path(word)).filter(|(_, word)| {
            let folder = format!("{}/", word.trim_end_matches('/'));
            !is_there(word) && !is_there(&folder)
        });
        breaches.extend(missing.map(|(at, word)| format!("{}:{at}: {word}", file.path)));
    }
    report("a file that is not there", &breaches);
}

#[test]
fn the_first_check_of_ci_is_the_test_command_of_the_readme() {
    let first = file(".ci/run").text.lines().find_map(|line| line.strip_prefix("run ")).unwrap();
    let readme = file("README.md");
    let is_there = readme.text.lines().any(|line| line.trim() == first);
    assert!(is_there, "README.md has no line `{first}`");
}
