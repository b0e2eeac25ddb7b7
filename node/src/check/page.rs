//! The validation report as one HTML page, to read in a browser or on paper.
//!
//! Self-contained: no script, no image, no link; its own policy forbids loading anything. Every text is
//! escaped. The summary comes first; marks are words and not colours alone; light and dark.

use super::{
    compute::{Computable, Unlock},
    coverage::SchoolYear,
    text::{change, grouped},
    view::{Validation, Verdict, spanned, state},
};
use crate::{
    preview::escaped,
    records::{ColumnCounts, Effect, FileReport, Finding},
};

/// Text is at least 7 : 1 against its ground in both schemes.
const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1a1a1a;--soft:#4a4a4a;--ground:#fff;--line:#c8c8c8;\
--ready:#14532d;--ready-g:#e8f5ec;--usable:#5c3d00;--usable-g:#fff4d6;--refused:#7f1d1d;--refused-g:#fdecec}\
@media(prefers-color-scheme:dark){:root{--ink:#ececec;--soft:#bdbdbd;--ground:#161616;--line:#4a4a4a;\
--ready:#9be3b4;--ready-g:#12281b;--usable:#ffd98a;--usable-g:#2e2408;--refused:#ffb4b4;--refused-g:#381414}}\
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);margin:2rem auto;\
max-width:64rem;padding:0 1rem}\
h1{font-size:1.6rem;margin:0 0 .5rem}h2{font-size:1.25rem;margin:2.25rem 0 .5rem}\
h2 small{font-weight:400;font-size:.95rem;color:var(--soft)}h3{font-size:1rem;margin:1.25rem 0 .25rem}\
.verdict{border-left:.4rem solid;padding:.6rem 1rem;font-size:1.1rem;font-weight:600;margin:0}\
.ready{color:var(--ready);background:var(--ready-g)}.usable{color:var(--usable);background:var(--usable-g)}\
.refused{color:var(--refused);background:var(--refused-g)}\
.tag{display:inline-block;padding:0 .5rem;border-radius:.2rem;font-size:.875rem;font-weight:600;\
white-space:nowrap}\
.soft{color:var(--soft)}ol,ul{padding-left:1.4rem}li{margin:.25rem 0}\
.findings{list-style:none;padding:0}.findings li{padding:.35rem 0;border-bottom:1px solid var(--line);\
display:grid;grid-template-columns:8.5rem 1fr;gap:.75rem}\
.scroll{overflow-x:auto}\
table{border-collapse:collapse;width:100%;margin:0 0 1rem;font-size:.9rem}\
caption{text-align:left;font-weight:600;padding:.5rem 0}\
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}\
thead th{border-bottom:2px solid var(--ink)}th.r,td.r{text-align:right;font-variant-numeric:tabular-nums}\
tbody th{font-weight:400}summary{cursor:pointer;font-weight:600;padding:.4rem 0}\
code{font:.875em ui-monospace,monospace}\
@media(max-width:40rem){.findings li{grid-template-columns:1fr;gap:.1rem}}\
@media print{body{margin:0;max-width:none;font-size:10pt}.scroll{overflow:visible}tr,li{break-inside:avoid}\
thead{display:table-header-group}}";

impl Validation {
    /// The page, UTF-8.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = String::from(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
             http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src \
             'unsafe-inline'\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<meta \
             name=\"robots\" content=\"noindex\">\n<title>Check of the district's files</title>\n<style>",
        );
        page.push_str(STYLE);
        page.push_str("</style>\n</head>\n<body>\n");
        self.summary(&mut page);
        page.push_str("<main>\n");
        self.report.files.iter().for_each(|file| file_section(&mut page, file));
        if !self.report.study.is_empty() {
            page.push_str("<section>\n<h2>Against the study</h2>\n");
            findings(&mut page, &self.report.study);
            page.push_str("</section>\n");
        }
        coverage(&mut page, &self.coverage.schools, self.coverage.unlisted);
        indicators(&mut page, &self.indicators);
        unlocks(&mut page, &self.unlocks);
        page.push_str("</main>\n</body>\n</html>\n");
        page
    }

    fn summary(&self, page: &mut String) {
        let (word, sentence) = (self.verdict.word(), self.verdict.sentence());
        let count = |effect| self.findings(effect);
        page.push_str(&format!(
            "<header>\n<h1>Check of the district's files</h1>\n<p class=\"verdict {word}\">{}: {sentence}</p>\n\
             <p>{} refused, {} left out, {} noted. {} of {} indicators can be computed{}.</p>\n",
            capital(word),
            count(Effect::Refused),
            count(Effect::LeftOut),
            count(Effect::Noted),
            self.computable(),
            self.indicators.len(),
            match spanned(&self.school_years) {
                years if years.is_empty() => String::new(),
                years => format!("; school years (by their springs): {years}"),
            }
        ));
        page.push_str("<h2>What to do next</h2>\n<ol>\n");
        for step in &self.next {
            page.push_str(&format!("<li>{}</li>\n", escaped(step)));
        }
        page.push_str("</ol>\n");
        page.push_str(
            "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">File</th><th scope=\"col\">State</th>\
             <th scope=\"col\" class=\"r\">Rows read</th><th scope=\"col\" class=\"r\">Kept</th>\
             <th scope=\"col\" class=\"r\">Findings</th></tr></thead>\n<tbody>\n",
        );
        for file in &self.report.files {
            page.push_str(&format!(
                "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td class=\"r\">{}</td><td \
                 class=\"r\">{}</td><td class=\"r\">{}</td></tr>\n",
                escaped(&file.file),
                tag(state(file).word(), state(file).word()),
                grouped_digits(file.rows_read),
                grouped_digits(file.rows_kept),
                file.findings.len()
            ));
        }
        page.push_str(
            "</tbody></table></div>\n<p class=\"soft\">This page names files, columns, row numbers, counts and \
             schools, never a student: it may be mailed to whoever may see the district's own counts. Do not \
             publish it.</p>\n</header>\n",
        );
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn tag(class: &str, text: &str) -> String {
    format!("<span class=\"tag {class}\">{}</span>", escaped(text))
}

/// Digits in threes.
fn grouped_digits(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + 4);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn file_section(page: &mut String, file: &FileReport) {
    page.push_str(&format!(
        "<section>\n<h2><code>{}</code> <small>{} rows read, {} kept</small></h2>\n",
        escaped(&file.file),
        grouped_digits(file.rows_read),
        grouped_digits(file.rows_kept)
    ));
    if file.findings.is_empty() {
        page.push_str("<p>Nothing was found.</p>\n");
    }
    findings(page, &file.findings);
    if !file.columns.is_empty() {
        page.push_str(
            "<details>\n<summary>What stands in the columns</summary>\n<div class=\"scroll\"><table>\n<thead><tr>\
             <th scope=\"col\">Column</th><th scope=\"col\" class=\"r\">Filled</th><th scope=\"col\" \
             class=\"r\">Empty</th><th scope=\"col\">Codes and rows</th></tr></thead>\n<tbody>\n",
        );
        file.columns.iter().for_each(|column| column_row(page, column));
        page.push_str("</tbody></table></div>\n</details>\n");
    }
    page.push_str("</section>\n");
}

fn column_row(page: &mut String, column: &ColumnCounts) {
    let mut codes: Vec<_> = column
        .codes
        .iter()
        .map(|(code, rows)| {
            format!("<code>{}</code>\u{a0}{}", escaped(code), grouped_digits(*rows))
        })
        .collect();
    if column.others > 0 {
        codes.push(format!("not a known code\u{a0}{}", grouped_digits(column.others)));
    }
    page.push_str(&format!(
        "<tr><th scope=\"row\"><code>{}</code></th><td class=\"r\">{}</td><td class=\"r\">{}</td><td>{}</td></tr>\n",
        column.column,
        grouped_digits(column.filled),
        grouped_digits(column.empty),
        codes.join(", ")
    ));
}

fn findings(page: &mut String, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    page.push_str("<ul class=\"findings\">\n");
    for finding in findings {
        let (class, word) = match finding.effect {
            Effect::Refused => (Verdict::Mend.word(), "refused"),
            Effect::LeftOut => (Verdict::Look.word(), "left out"),
            Effect::Noted => (Verdict::Look.word(), "noted"),
        };
        let rule = format!("{:?}", finding.rule);
        page.push_str(&format!(
            "<li><div>{} <code>{rule}</code></div><div>{}</div></li>\n",
            tag(class, word),
            escaped(&finding.message)
        ));
    }
    page.push_str("</ul>\n");
}

fn coverage(page: &mut String, schools: &[SchoolYear], unlisted: u64) {
    if schools.is_empty() {
        return;
    }
    page.push_str(
        "<section>\n<h2>By school and school year</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th \
         scope=\"col\">School</th><th scope=\"col\">Year</th>",
    );
    let headings =
        ["Students", "Change", "Attendance", "Scores", "Discipline", "Marks", "Cohort", "Answers"];
    for heading in headings {
        page.push_str(&format!("<th scope=\"col\" class=\"r\">{heading}</th>"));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for one in schools {
        let name = one.school_name.as_deref().unwrap_or_default();
        page.push_str(&format!(
            "<tr><th scope=\"row\"><code>{}</code> {}</th><td>{}</td><td class=\"r\">{}</td><td \
             class=\"r\">{}</td>",
            escaped(&one.school_id),
            escaped(name),
            one.school_year,
            grouped_digits(one.students),
            change(one)
        ));
        let rest =
            [one.attendance, one.scores, one.actions, one.marks, one.graduation, one.answers];
        for number in rest {
            page.push_str(&format!("<td class=\"r\">{}</td>", grouped_digits(number)));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
    if unlisted > 0 {
        let noun = if unlisted == 1 { "school" } else { "schools" };
        page.push_str(&format!(
            "<p>And {unlisted} {noun} of under 11 students that no school table names.</p>\n"
        ));
    }
    page.push_str("</section>\n");
}

fn indicators(page: &mut String, indicators: &[Computable]) {
    let (now, not): (Vec<_>, Vec<_>) = indicators.iter().partition(|one| !one.years.is_empty());
    page.push_str("<section>\n<h2>What you can compute now</h2>\n");
    if now.is_empty() {
        page.push_str("<p>Nothing yet.</p>\n");
    } else {
        page.push_str(
            "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Indicator</th><th scope=\"col\">School \
             years</th><th scope=\"col\">Lacking</th></tr></thead>\n<tbody>\n",
        );
        for one in &now {
            page.push_str(&format!(
                "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{}</td></tr>\n",
                one.indicator,
                spanned(&one.years),
                escaped(&one.lacking.join("; "))
            ));
        }
        page.push_str("</tbody></table></div>\n");
    }
    if !not.is_empty() {
        page.push_str("<h3>Not yet, and why</h3>\n<ul>\n");
        for (reason, group) in grouped(&not) {
            let names: Vec<_> =
                group.iter().map(|one| format!("<code>{}</code>", one.indicator)).collect();
            page.push_str(&format!(
                "<li><strong>{}</strong>: {}</li>\n",
                escaped(&reason),
                names.join(", ")
            ));
        }
        page.push_str("</ul>\n");
    }
    page.push_str("</section>\n");
}

fn unlocks(page: &mut String, unlocks: &[Unlock]) {
    if unlocks.is_empty() {
        return;
    }
    page.push_str(
        "<section>\n<h2>What unlocks the next indicators</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th \
         scope=\"col\">Export</th><th scope=\"col\">Becomes</th><th scope=\"col\" class=\"r\">Unlocks</th><th \
         scope=\"col\" class=\"r\">With others</th></tr></thead>\n<tbody>\n",
    );
    for one in unlocks {
        page.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td><code>{}</code></td><td class=\"r\">{}</td><td \
             class=\"r\">{}</td></tr>\n",
            escaped(one.export),
            one.table,
            one.indicators.len(),
            one.with_others.len()
        ));
    }
    page.push_str("</tbody></table></div>\n</section>\n");
}
