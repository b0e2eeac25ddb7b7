//! A preview as one HTML page, to read in a browser or on paper.
//!
//! Self-contained: no script, no image, no link; its own policy forbids loading anything. Every text
//! that came from the study or the files is escaped. Tables have captions and headers, marks are words
//! and not colours alone.

use super::text::{NOTHING, cell_name, change, count, facts, mark, noise, number, shown, value};
use super::view::{BlockView, CellView, Compared, Preview, Size};

/// Most cells on a page; the rest is counted in a note.
const CELLS_MAX: usize = 20_000;

/// Contrast of all text at least 7 : 1; headers repeat and rows stay whole in print.
const STYLE: &str = "\
:root{color-scheme:light}\
body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;margin:2rem auto;\
max-width:72rem;padding:0 1rem}\
h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.2rem;margin:2rem 0 .5rem}\
.lead{font-weight:600;border-left:.3rem solid #1b5e20;padding:.25rem .75rem;background:#f1f8f1}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:1rem 0}\
dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}\
.scroll{overflow-x:auto}\
table{border-collapse:collapse;width:100%;margin:0 0 1.5rem;font-size:.875rem}\
caption{text-align:left;font-weight:600;padding:.5rem 0}\
caption span{font-weight:400;color:#404040}\
th,td{padding:.2rem .6rem;border-bottom:1px solid #c8c8c8;text-align:left;vertical-align:top}\
thead th{border-bottom:2px solid #1a1a1a}\
th.r,td.r{text-align:right;font-variant-numeric:tabular-nums}\
tbody th{font-weight:400}tfoot th,tfoot td{font-weight:600}tfoot tr:first-child>*{border-top:2px solid #1a1a1a}\
code{font:.8125rem ui-monospace,monospace}\
tr.small>*{background:#fff4d6}tr.empty>*{color:#595959}\
.mark{font-weight:700;color:#5c3d00}\
@media print{body{margin:0;max-width:none;font-size:9pt}table{font-size:8pt}.scroll{overflow:visible}\
thead{display:table-header-group}tfoot{display:table-row-group}tr{break-inside:avoid}\
caption{break-after:avoid}tr.small>*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}";

const HEADINGS: [(&str, bool); 9] = [
    ("Cell", false),
    ("Size", false),
    ("n", true),
    ("Value", true),
    ("Word", false),
    ("Exact", true),
    ("Noise sd", true),
    ("Would travel as", false),
    ("Since last time", true),
];

impl Preview {
    /// The page, UTF-8.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page =
            String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        page.push_str(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src \
             'unsafe-inline'\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
             <meta name=\"robots\" content=\"noindex\">\n",
        );
        let title = escaped(&self.study.title);
        page.push_str(&format!(
            "<title>Preview: {title}</title>\n<style>{STYLE}</style>\n</head>\n"
        ));
        page.push_str("<body>\n<header>\n");
        page.push_str(&format!(
            "<h1>{title}</h1>\n<p>What district {} would contribute. This page holds exact numbers about \
             students: keep it in the district.</p>\n<p class=\"lead\">{NOTHING}</p>\n</header>\n<main>\n",
            escaped(self.district.as_str())
        ));
        page.push_str("<h2>The study and its cost</h2>\n<dl>\n");
        for (term, text) in facts(self) {
            page.push_str(&format!("<dt>{}</dt><dd>{}</dd>\n", escaped(term), escaped(&text)));
        }
        page.push_str("</dl>\n");
        list(&mut page, "What leaves this district", self.leaves.iter().copied());
        list(&mut page, "What stays here", self.stays.iter().copied());
        list(&mut page, "Left out of the counts", self.left_out.iter().map(String::as_str));
        self.cells(&mut page);
        page.push_str("</main>\n</body>\n</html>\n");
        page
    }

    fn cells(&self, page: &mut String) {
        page.push_str(&format!(
            "<h2>Cell by cell</h2>\n<p>\u{201c}Would travel as\u{201d} is {}. A small cell is over fewer than {} \
             students, an empty one over none.{}</p>\n",
            escaped(self.masked),
            self.small.below,
            if self.only_small { " Only small cells are listed; totals are over all." } else { "" }
        ));
        let (mut left, mut hidden) = (CELLS_MAX, 0);
        for block in &self.blocks {
            let listed = &block.cells[..block.cells.len().min(left)];
            left -= listed.len();
            hidden += block.cells.len() - listed.len();
            if !listed.is_empty() {
                table(page, self, block, listed);
            }
        }
        if hidden > 0 {
            let hidden = count(hidden);
            page.push_str(&format!(
                "<p>{hidden} more cells are not listed; --json has them.</p>\n"
            ));
        }
    }
}

/// Text inside an element or a quoted attribute.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in shown(text).chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(letter),
        }
    }
    safe
}

/// A heading and its list; nothing when there is nothing in it.
fn list<'a>(page: &mut String, heading: &str, lines: impl Iterator<Item = &'a str>) {
    let items: String = lines.map(|line| format!("<li>{}</li>\n", escaped(line))).collect();
    if !items.is_empty() {
        page.push_str(&format!("<h2>{heading}</h2>\n<ul>\n{items}</ul>\n"));
    }
}

fn table(page: &mut String, preview: &Preview, block: &BlockView, listed: &[CellView]) {
    let family = block.family.map_or_else(|| "all students".to_owned(), |of| format!("by {of}"));
    page.push_str(&format!(
        "<div class=\"scroll\">\n<table>\n<caption>{}, {} <span>({})</span></caption>\n<thead><tr>",
        escaped(&block.name),
        escaped(&family),
        escaped(&block.encoding)
    ));
    for (heading, right) in HEADINGS {
        let class = if right { " class=\"r\"" } else { "" };
        page.push_str(&format!("<th scope=\"col\"{class}>{heading}</th>"));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    listed.iter().for_each(|cell| rows(page, preview, block, cell));
    page.push_str("</tbody>\n");
    if block.total.cells > 1 {
        totals(page, block);
    }
    page.push_str("</table>\n</div>\n");
}

/// One row per word; what is the cell's spans them.
fn rows(page: &mut String, preview: &Preview, block: &BlockView, cell: &CellView) {
    let class = match cell.size {
        Size::Enough => "",
        Size::Small => " class=\"small\"",
        Size::Empty => " class=\"empty\"",
    };
    let span = cell.words.len();
    for (at, word) in cell.words.iter().enumerate() {
        page.push_str(&format!("<tr{class}>"));
        if at == 0 {
            page.push_str(&format!(
                "<th scope=\"rowgroup\" rowspan=\"{span}\">{}</th><td rowspan=\"{span}\"><span \
                 class=\"mark\">{}</span></td><td class=\"r\" rowspan=\"{span}\">{}</td><td \
                 class=\"r\" rowspan=\"{span}\">{}</td>",
                escaped(&cell_name(&cell.name)),
                mark(cell.size),
                number(i64::try_from(cell.n).unwrap_or(i64::MAX)),
                value(cell, block.unit)
            ));
        }
        let change = change(preview, word);
        let strong = cell.compared == Some(Compared::Changed) && word.change != Some(0);
        let change = if strong { format!("<strong>{change}</strong>") } else { change };
        page.push_str(&format!(
            "<td>{}</td><td class=\"r\">{}</td><td class=\"r\">{}</td><td><code>{}</code></td><td \
             class=\"r\">{change}</td></tr>\n",
            word.part,
            number(word.exact),
            noise(preview, word),
            escaped(&word.masked)
        ));
    }
}

fn totals(page: &mut String, block: &BlockView) {
    let Some(first) = block.cells.first() else { return };
    let span = first.words.len();
    page.push_str("<tfoot>\n");
    for (at, (word, total)) in first.words.iter().zip(&block.total.words).enumerate() {
        page.push_str("<tr>");
        if at == 0 {
            page.push_str(&format!(
                "<th scope=\"rowgroup\" rowspan=\"{span}\">In all</th><td \
                 rowspan=\"{span}\"></td><td class=\"r\" rowspan=\"{span}\">{}</td><td \
                 rowspan=\"{span}\"></td>",
                number(i64::try_from(block.total.n).unwrap_or(i64::MAX))
            ));
        }
        page.push_str(&format!(
            "<td>{}</td><td class=\"r\">{}</td><td></td><td></td><td></td></tr>\n",
            word.part,
            number(*total)
        ));
    }
    page.push_str("</tfoot>\n");
}
