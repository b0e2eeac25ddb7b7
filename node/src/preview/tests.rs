//! Previews of made-up words.

use std::fs;

use flashlight_proto::canonical::Digest;
use flashlight_store::files::create_private_dir;
use getrandom::SysRng;
use rand_core::UnwrapErr;

use super::last::day;
use super::text::{cell_name, loss, number, shown};
use super::*;
use crate::journal::{Entry, Journal};

const SCHOOLS: &str = "school_id,school_year,school_name,district_id,level,grade_low,grade_high,enrollment\n\
     1,2024,First,A,ES,KN,05,400\n\
     2,2024,Second,B,ES,KN,05,300\n";

/// 23 November 2026, 12:00 UTC.
const NOON_MS: u64 = 1_795_435_200_000;

/// A study of one school year, and the layout it gives.
struct Fixture {
    study: Study,
    schools: SchoolTable,
    layout: Layout,
    district: DistrictId,
}

impl Fixture {
    fn new(title: &str, privacy: &str, min_score: i64) -> Self {
        let sha256 = Digest::of(SCHOOLS.as_bytes());
        // A JSON string is a TOML string.
        let title = serde_json::to_string(title).unwrap();
        let text = format!(
            "[study]\nid = \"s\"\ntitle = {title}\nschool_year = 2024\nas_of = \"2024-06-30\"\n\
             schools = {{ file = \"schools.csv\", sha256 = \"{sha256}\" }}\n\
             [privacy]\n{privacy}\n\
             [cohort]\nmin_districts = 12\nmax_dropped = 3\nmax_colluding = 1\n\
             [suppression]\nmin_n = 11\n\
             [[test]]\nid = \"T\"\n\
             scores = {{ MATH = {{ \"03\" = {{ min = {min_score}, max = 600, met = 400 }} }} }}\n\
             [[table]]\nindicator = \"students\"\nyears = [2024]\nby = [[]]\nfamilies = [\"sed\"]\n\
             [[table]]\nindicator = \"math_mean\"\ntest = \"T\"\nyears = [2024]\nby = [[]]\n\
             families = []\n\
             [[table]]\nindicator = \"math_met\"\ntest = \"T\"\nyears = [2024]\nby = [[]]\n\
             families = []\n"
        );
        let study = Study::parse(text.as_bytes()).unwrap();
        let schools = SchoolTable::parse(SCHOOLS.as_bytes()).unwrap();
        let layout = Layout::derive(&study, &schools).unwrap();
        Self { study, schools, layout, district: "A".parse().unwrap() }
    }

    fn exact() -> Self {
        Self::new("A study", "mode = \"exact\"", 200)
    }

    fn given(&self) -> Given<'_> {
        Given {
            study: &self.study,
            schools: &self.schools,
            layout: &self.layout,
            district: &self.district,
            min_cell: None,
            accept_responses: false,
            plan: None,
            now_ms: NOON_MS,
        }
    }

    fn preview(&self, words: [i64; 8], last: Option<&LastPreview>) -> (Preview, LastPreview) {
        of(self.given(), words, last)
    }
}

fn of(given: Given<'_>, words: [i64; 8], last: Option<&LastPreview>) -> (Preview, LastPreview) {
    let words = Zeroizing::new(words.to_vec());
    of_words(given, &words, Vec::new(), last, &mut UnwrapErr(SysRng)).unwrap()
}

/// All 60; sed: 50 yes, 10 no, none unknown; 55 scores, 100 points above the centre; 40 met.
const WORDS: [i64; 8] = [60, 50, 10, 0, 100, 55, 40, 15];

fn all_words(preview: &Preview) -> impl Iterator<Item = &WordView> {
    preview.blocks.iter().flat_map(|block| &block.cells).flat_map(|cell| &cell.words)
}

fn masked(preview: &Preview) -> Vec<String> {
    all_words(preview).map(|word| word.masked.clone()).collect()
}

#[test]
fn a_cell_shows_value_n_and_the_exact_words() {
    let (preview, _) = Fixture::exact().preview(WORDS, None);
    let exact: Vec<i64> = all_words(&preview).map(|word| word.exact).collect();
    assert_eq!(exact, WORDS);
    let mean = &preview.blocks[2];
    assert_eq!((mean.name.as_str(), mean.unit), ("math_mean[T]@2024/network", "points"));
    assert_eq!((mean.cells[0].n, mean.cells[0].value), (55, Some(400.0 + 100.0 / 55.0)));
    assert_eq!(mean.encoding, "sum: of (x - 400), points; n: scores");
    let met = &preview.blocks[3].cells[0];
    assert_eq!((met.n, met.value, met.words[1].part), (55, Some(40.0 / 55.0), "rest"));
    let sed = &preview.blocks[1];
    let names: Vec<&str> = sed.cells.iter().map(|cell| cell.name.as_str()).collect();
    assert_eq!(names, ["all/sed=yes", "all/sed=no", "all/sed=unknown"]);
    assert_eq!((sed.total.n, sed.total.words.as_slice()), (60, &[60][..]));
}

#[test]
fn cells_below_the_studys_least_size_are_marked_small_and_those_over_nobody_empty() {
    let (preview, _) = Fixture::exact().preview(WORDS, None);
    let sizes: Vec<&str> =
        preview.blocks[1].cells.iter().map(|cell| text::mark(cell.size)).collect();
    assert_eq!(sizes, ["", "small", "empty"]);
    assert_eq!((preview.small.below, preview.totals.small, preview.totals.empty), (11, 1, 1));
    let (ten_more, _) = Fixture::exact().preview([61, 50, 11, 0, 100, 55, 40, 15], None);
    assert_eq!(ten_more.totals.small, 0);
}

#[test]
fn a_stricter_policy_of_the_district_marks_more_cells_and_a_laxer_one_no_fewer() {
    let fixture = Fixture::exact();
    let small = |min_cell| {
        let given = Given { min_cell: Some(min_cell), ..fixture.given() };
        of(given, WORDS, None).0.totals.small
    };
    assert_eq!((small(51), small(11), small(3)), (2, 1, 1));
}

#[test]
fn only_small_cells_are_listed_when_asked_and_totals_stay_those_of_all() {
    let (preview, _) = Fixture::exact().preview(WORDS, None);
    let preview = preview.small_only();
    let names: Vec<&str> =
        preview.blocks.iter().flat_map(|block| &block.cells).map(|cell| &*cell.name).collect();
    assert_eq!((names.as_slice(), preview.totals.cells), (&["all/sed=no"][..], 6));
    assert!(preview.to_string().contains("Only small cells are listed; totals are over all."));
}

#[test]
fn masked_words_differ_each_time_and_are_never_the_exact_ones() {
    let fixture = Fixture::exact();
    let first = masked(&fixture.preview(WORDS, None).0);
    let second = masked(&fixture.preview(WORDS, None).0);
    assert_eq!(first.len(), WORDS.len());
    for ((one, other), exact) in first.iter().zip(&second).zip(WORDS) {
        assert_ne!(one, other);
        assert_ne!(*one, format!("{exact:016x}"));
        assert_ne!(*other, format!("{exact:016x}"));
    }
}

#[test]
fn the_example_is_masked_also_for_a_district_named_like_its_made_up_peers() {
    let mut fixture = Fixture::exact();
    fixture.district = "example-2".parse().unwrap();
    assert_eq!(masked(&fixture.preview(WORDS, None).0).len(), WORDS.len());
}

#[test]
fn a_word_that_could_not_be_contributed_is_not_previewed_either() {
    let fixture = Fixture::exact();
    let words = Zeroizing::new(vec![i64::MAX, 0, 0, 0, 0, 0, 0, 0]);
    let refused = of_words(fixture.given(), &words, Vec::new(), None, &mut UnwrapErr(SysRng));
    assert_eq!(refused.err().unwrap().code(), "contribution_too_large");
}

#[test]
fn the_first_preview_has_nothing_to_compare_with() {
    let (preview, _) = Fixture::exact().preview(WORDS, None);
    assert!(preview.last.is_none());
    assert!(all_words(&preview).all(|word| word.change.is_none()));
    assert!(preview.to_string().contains("no earlier preview to compare with"));
}

#[test]
fn the_difference_to_last_time_is_exact_word_by_word() {
    let fixture = Fixture::exact();
    let (_, last) = fixture.preview(WORDS, None);
    let (preview, _) = fixture.preview([61, 50, 11, 0, -2_400, 56, 40, 16], Some(&last));
    let changes: Vec<_> = all_words(&preview).map(|word| word.change.unwrap()).collect();
    assert_eq!(changes, [1, 0, 1, 0, -2_500, 1, 0, 1]);
    assert_eq!((preview.totals.changed, preview.totals.new), (4, 0));
    let text = preview.to_string();
    assert!(text.contains("this study: 4 cells changed, 0 new, 0 gone"), "{text}");
    assert!(text.contains("-2,500"), "{text}");
}

#[test]
fn sums_about_another_centre_are_new_and_not_subtracted() {
    let (_, last) = Fixture::exact().preview(WORDS, None);
    let moved = Fixture::new("A study", "mode = \"exact\"", 300);
    let (preview, _) = moved.preview(WORDS, Some(&last));
    let facts = preview.last.as_ref().unwrap();
    assert_eq!((facts.same_study, facts.same_text, facts.gone), (true, false, 1));
    assert_eq!((preview.totals.new, preview.totals.changed), (1, 0));
    assert!(preview.blocks[2].cells[0].words.iter().all(|word| word.change.is_none()));
}

#[test]
fn what_is_kept_is_read_back_and_readable_by_its_owner_alone() {
    let node = tempfile::tempdir().unwrap();
    let (fixture, previews) = (Fixture::exact(), Previews::of(node.path()));
    assert!(previews.last(fixture.given()).0.is_none());
    let (_, kept) = fixture.preview(WORDS, None);
    previews.keep(&kept).unwrap();
    assert!(previews.last(fixture.given()).0.unwrap() == kept);
    let path = node.path().join("state/previews/s.json");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let text = fs::read_to_string(path).unwrap();
    assert!(!text.contains("First"), "no school is named");
}

#[test]
fn a_kept_preview_that_cannot_be_read_counts_as_none_and_is_named() {
    let node = tempfile::tempdir().unwrap();
    let (fixture, previews) = (Fixture::exact(), Previews::of(node.path()));
    let path = node.path().join("state/previews/s.json");
    create_private_dir(path.parent().unwrap()).unwrap();
    for damage in ["", "{", "{\"format\":9}", "[1,2"] {
        fs::write(&path, damage).unwrap();
        let (last, unread) = previews.last(fixture.given());
        assert!(last.is_none());
        assert_eq!(unread.as_ref(), Some(&path));
    }
    previews.keep(&fixture.preview(WORDS, None).1).unwrap();
    assert!(previews.last(fixture.given()).0.is_some());
}

#[test]
fn another_study_that_asked_the_same_is_compared_with_when_this_one_is_new() {
    let node = tempfile::tempdir().unwrap();
    let previews = Previews::of(node.path());
    let mut earlier = Fixture::exact();
    earlier.study.id = "earlier".to_owned();
    previews.keep(&earlier.preview(WORDS, None).1).unwrap();
    let fixture = Fixture::exact();
    let (last, _) = previews.last(fixture.given());
    let (preview, _) = fixture.preview(WORDS, last.as_ref());
    assert_eq!((preview.totals.changed, preview.totals.new), (0, 0));
    assert!(!preview.last.as_ref().unwrap().same_study);
    assert!(preview.to_string().contains("study earlier, which asked some of the same"));
}

#[test]
fn looking_leaves_the_journal_as_it_was_even_while_the_node_holds_it() {
    let node = tempfile::tempdir().unwrap();
    let state = node.path().join("state");
    let mut journal = Journal::open(&state).unwrap();
    let (round, study) = ("00".to_owned(), Digest::of(b"study"));
    journal.append(&Entry::Masked { round, study, words: 8 }, 1).unwrap();
    let (head, bytes) = (journal.head(), fs::read(state.join("journal")).unwrap());
    let (fixture, previews) = (Fixture::exact(), Previews::of(node.path()));
    for _ in 0..2 {
        let (last, _) = previews.last(fixture.given());
        previews.keep(&fixture.preview(WORDS, last.as_ref()).1).unwrap();
    }
    drop(journal);
    assert_eq!(fs::read(state.join("journal")).unwrap(), bytes);
    assert_eq!(Journal::open(&state).unwrap().head(), head);
}

#[test]
fn an_exact_study_says_that_there_is_no_noise_and_no_guarantee() {
    let (preview, _) = Fixture::exact().preview(WORDS, None);
    assert!(all_words(&preview).all(|word| word.noise_sd == Some(0.0)));
    let text = preview.to_string();
    assert!(text.contains("no formal privacy guarantee"), "{text}");
    assert!(text.contains("school year 2024: exact, which no budget limits"), "{text}");
}

#[test]
fn a_private_study_shows_the_noise_of_the_plan_and_what_each_year_is_charged() {
    let fixture = Fixture::new("A study", "mode = \"dp\"\nrho = 0.1", 200);
    let Fixture { study, layout, schools, .. } = &fixture;
    let plan = NoisePlan::new(study, layout, schools, 12).unwrap();
    let given = Given { plan: Some(&plan), ..fixture.given() };
    let (preview, _) = of(given, WORDS, None);
    let mut planned = vec![0.0; layout.words()];
    for block in plan.blocks() {
        block.block.words().for_each(|word| planned[word] = block.share_variance.sqrt());
    }
    let sd: Vec<f64> = all_words(&preview).map(|word| word.noise_sd.unwrap()).collect();
    assert_eq!(sd, planned);
    let zero: Vec<bool> = all_words(&preview).map(|word| word.sent_as_zero).collect();
    assert_eq!(zero, [false, false, false, false, false, true, false, false]);
    let year = &preview.cost.years[0];
    assert_eq!((year.school_year, year.rho), (2024, plan.charges().get(&2024).copied()));
    let text = preview.to_string();
    assert!(text.contains("rho 0.1 for a student here; 0.4 for one with"), "{text}");
    assert!(text.contains("sent as 0"), "{text}");
}

#[test]
fn a_word_beyond_its_public_bound_is_named_as_what_a_round_would_be_refused_for() {
    let fixture = Fixture::new("A study", "mode = \"dp\"\nrho = 0.1", 200);
    let Fixture { study, layout, schools, .. } = &fixture;
    let plan = NoisePlan::new(study, layout, schools, 12).unwrap();
    let bound = i64::try_from(plan.bound(&plan.blocks()[0].block, &fixture.district)).unwrap();
    let given = Given { plan: Some(&plan), ..fixture.given() };
    let refusals = |all| of(given, [all, 50, 10, 0, 100, 55, 40, 15], None).0.refusals;
    assert!(refusals(bound).is_empty());
    let text = "students@2024/network/all/all/n is beyond what the public enrolment of this \
                district's schools allows";
    assert_eq!(refusals(bound + 1), [text]);
}

#[test]
fn a_private_study_without_a_plan_says_that_its_noise_is_not_known() {
    let fixture = Fixture::new("A study", "mode = \"dp\"\nrho = 0.1", 200);
    let (preview, _) = fixture.preview(WORDS, None);
    assert!(all_words(&preview).all(|word| word.noise_sd.is_none()));
    assert_eq!(preview.refusals.len(), 1);
    let text = preview.to_string();
    assert!(
        text.contains("not known") && text.contains("would refuse   the noise cannot"),
        "{text}"
    );
}

#[test]
fn a_hostile_title_does_not_break_out_of_the_page() {
    let title = "</title><script>alert('x')</script><img src=x onerror=\"a&b\">\u{202e}";
    let (preview, _) = Fixture::new(title, "mode = \"exact\"", 200).preview(WORDS, None);
    let page = preview.page();
    for broken in ["<script", "<img", "alert('", "\u{202e}", "onerror=\""] {
        assert!(!page.contains(broken), "{broken}");
    }
    let title = "&lt;/title&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&lt;img src=x \
                 onerror=&quot;a&amp;b&quot;&gt;\u{fffd}";
    assert!(page.contains(&format!("<h1>{title}</h1>")));
    assert_eq!(page.matches(title).count(), 3, "title, heading and facts");
}

#[test]
fn the_page_loads_nothing_and_its_tables_have_captions_and_headers() {
    let (preview, _) = Fixture::exact().preview(WORDS, None);
    let page = preview.page();
    assert!(page.contains("default-src 'none'"));
    for loads in ["http://", "https://", "src=", "href=", "url(", "@import", "<link", "<script"] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
    let count = |text| page.matches(text).count();
    assert_eq!((count("<table>"), count("<caption>")), (4, 4));
    assert_eq!(count("<th scope=\"col\""), 4 * 9);
    assert_eq!(count("<th scope=\"rowgroup\""), 6 + 1, "cells, and the sum of several");
    assert_eq!((count("<tr"), count("</tr>")), (4 + 8 + 1, 4 + 8 + 1));
    assert!(page.contains("<tr class=\"small\"><th scope=\"rowgroup\" rowspan=\"1\">sed=no</th>"));
}

#[test]
fn the_json_holds_every_cell_and_says_what_the_masked_words_are() {
    let (preview, _) = Fixture::exact().preview(WORDS, None);
    let json: serde_json::Value = serde_json::to_value(&preview).unwrap();
    assert_eq!(json["format"], "flashlight/preview/v1");
    assert_eq!(json["masked"], "an example: fresh keys each time");
    assert_eq!(json["day"], "2026-11-23");
    assert_eq!(json["cost"]["mode"], "exact");
    assert_eq!(json["blocks"][1]["cells"][1]["size"], "small");
    assert_eq!(json["blocks"][1]["cells"][1]["words"][0]["exact"], 10);
    assert_eq!(json["last"], serde_json::Value::Null);
}

#[test]
fn a_long_table_is_cut_with_a_note_and_its_columns_stay_aligned() {
    let (mut preview, _) = Fixture::exact().preview(WORDS, None);
    let block = &mut preview.blocks[1];
    let cell = |at: usize| CellView {
        name: format!("all/group={at}"),
        n: 1_234,
        value: None,
        size: Size::Enough,
        compared: None,
        words: vec![WordView {
            part: "n",
            exact: 1_234,
            noise_sd: Some(0.0),
            sent_as_zero: false,
            masked: "0".repeat(16),
            change: None,
        }],
    };
    block.cells = (0..3_000).map(cell).collect();
    let text = preview.to_string();
    assert!(
        text.contains("1,003 more cells are not listed; --json"),
        "{}",
        &text[text.len() - 200..]
    );
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("group=")).collect();
    let columns: Vec<_> = lines.iter().map(|line| line.find("1,234").unwrap()).collect();
    assert_eq!(lines.len(), 1_999);
    assert!(columns.iter().all(|column| *column == columns[0]));
}

#[test]
fn numbers_and_days_are_written_as_people_read_them() {
    let written: Vec<_> = [0, 999, -1_000, 1_234_567, i64::MIN].into_iter().map(number).collect();
    assert_eq!(written, ["0", "999", "-1,000", "1,234,567", "-9,223,372,036,854,775,808"]);
    let days = [0, 951_782_400_000, 951_868_800_000, 1_735_689_599_999].map(day);
    assert_eq!(days, ["1970-01-01", "2000-02-29", "2000-03-01", "2024-12-31"]);
    let losses = [0.1 - 1e-17, 0.4, 1.0, 1.25e-9, 12.5].map(loss);
    assert_eq!(losses, ["0.1", "0.4", "1", "0.00000000125", "12.5"]);
    let names = ["all/all", "all/sed=yes", "ES,03/all", "ES,03/sed=yes"].map(cell_name);
    assert_eq!(names, ["all students", "sed=yes", "ES,03", "ES,03 sed=yes"]);
    assert_eq!(shown("a\u{1b}[31mb\u{202e}c"), "a\u{fffd}[31mb\u{fffd}c");
}
