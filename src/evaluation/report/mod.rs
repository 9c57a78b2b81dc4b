//! The report: one page with everything in it, without a script.

mod drawing;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::exhibit::{Exhibit, What};
use super::figures::{Figures, Rate};
use super::summary::{KindSummary, Rows, Summary};

const STYLE: &str = include_str!("style.css");
const COLUMNS: [&str; 11] = [
    "",
    "scenes",
    "positives",
    "found",
    "missed",
    "false alarms",
    "duplicates",
    "precision",
    "recall",
    "false alarms per camera-day",
    "open after dwell: median, p95",
];

/// The page.
#[must_use]
pub fn html(summary: &Summary) -> String {
    let exhibits: Vec<&Exhibit> = summary.runs.iter().flat_map(|run| &run.exhibits).collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "gridwatch: evaluation" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "How often the rules were right" }
                (introduction(summary))
                h2 { "By kind" }
                (table(std::iter::once(("all", &summary.all)).chain(
                    summary.kinds.iter().map(|(kind, of_kind)| (kind.name(), &of_kind.all)))))
                (other_figures(summary))
                @for (kind, of_kind) in &summary.kinds { (breakdown(kind.name(), of_kind)) }
                h2 id="wrong" { "What went wrong" }
                @if exhibits.is_empty() { p { "Nothing: no miss, no false alarm, no duplicate." } }
                @for what in [What::Miss, What::FalseAlarm, What::Duplicate] {
                    (gallery(what, exhibits.iter().copied().filter(|exhibit| exhibit.what == what)))
                }
                @if !summary.warnings.is_empty() {
                    h2 { "Doubts about the truth" }
                    ul { @for warning in &summary.warnings { li { (warning) } } }
                }
            }
        }
    };
    page.into_string()
}

fn introduction(summary: &Summary) -> Markup {
    let coverage = &summary.coverage;
    html! {
        p {
            (summary.runs_from_pixels) " runs from pixels, " (summary.runs_from_journals) " from journals; "
            (format!("{:.2} of {:.2}", coverage.analysed_hours, coverage.scheduled_hours)) " camera-hours analysed in "
            (coverage.looks) " looks, " (coverage.looks_failed) " of them failed."
            @if !summary.models.is_empty() { " Model: " (summary.models.join(", ")) "." }
            @if let Some(noise) = &summary.noise {
                " Journals were seen with " (noise.misses) " misses, " (noise.false_boxes) " false boxes, "
                (noise.jitter) " jitter, seed " (noise.seed) ", each " (noise.repeats) " times."
            }
        }
        p.small {
            "Brackets are Wilson 95 % intervals. An event that no incident explains is a false alarm, a second event "
            "for the same incident a duplicate; docs/evaluation.md has the rules."
        }
    }
}

fn other_figures(summary: &Summary) -> Markup {
    html! {
        ul {
            @if summary.view_changes.scenes > 0 {
                li { "Negatives whose view changes: " (summary.view_changes.incidents) " incidents from "
                    (summary.view_changes.scenes) " scenes." }
            }
            @if summary.light_only.scenes > 0 {
                li { "Negatives on whose ground only the light changes: " (summary.light_only.incidents)
                    " incidents from " (summary.light_only.scenes) " scenes." }
            }
            @if let Some(heads) = &summary.heads_covered {
                li { "Redaction: the heads of " (heads.hits) " of " (heads.of) " persons in "
                    (summary.pictures_published) " published pictures are covered, " (share(heads)) "." }
            }
        }
        @if !summary.detector.is_empty() {
            h2 { "The detector against the truth's boxes" }
            div.scroll { table {
                tr { th { "role" } th { "found of things ≥ 40 px that stand free" } th { "detections that are right" } }
                @for (role, figures) in &summary.detector {
                    tr { th { (role) } td { (counted(&figures.found)) } td { (counted(&figures.right)) } }
                }
            } }
        }
    }
}

fn breakdown(kind: &str, of_kind: &KindSummary) -> Markup {
    let part = |title: &str, rows: &Rows| {
        html! { @if !rows.is_empty() { h3 { (kind) " by " (title) } (table(rows.iter().map(|(name, figures)| (&**name, figures)))) } }
    };
    html! {
        details open {
            summary { h2 { (kind) } }
            (part("condition", &of_kind.by_condition))
            (part("story", &of_kind.by_story))
            (part("stock", &of_kind.by_stock))
        }
    }
}

fn table<'a>(rows: impl Iterator<Item = (&'a str, &'a Figures)>) -> Markup {
    html! {
        div.scroll { table {
            tr { @for column in COLUMNS { th { (column) } } }
            @for (name, figures) in rows { (row(name, figures)) }
        } }
    }
}

fn row(name: &str, figures: &Figures) -> Markup {
    let flaw = |count: u64| if count > 0 { "flaw" } else { "" };
    let open = &figures.open_after_dwell_s;
    let seconds = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1} s"));
    html! {
        tr {
            th { (name) }
            td { (figures.scenes) } td { (figures.positives) } td { (figures.found) }
            td class=(flaw(figures.misses)) { (figures.misses) }
            td class=(flaw(figures.false_alarms)) { (figures.false_alarms) }
            td class=(flaw(figures.duplicates)) { (figures.duplicates) }
            td { (share(&figures.precision)) } td { (share(&figures.recall)) }
            td { @match figures.false_alarms_per_camera_day { Some(per_day) => (format!("{per_day:.2}")), None => "–" } }
            td { (seconds(open.median)) ", " (seconds(open.p95)) }
        }
    }
}

fn share(rate: &Rate) -> Markup {
    html! {
        @match rate.value {
            Some(value) => { (format!("{value:.3} ")) span.interval { (format!("[{:.3}, {:.3}]", rate.low, rate.high)) } },
            None => "–",
        }
    }
}

fn counted(rate: &Rate) -> Markup {
    html! { (rate.hits) " of " (rate.of) ": " (share(rate)) }
}

fn gallery<'a>(what: What, exhibits: impl Iterator<Item = &'a Exhibit>) -> Markup {
    let exhibits: Vec<&Exhibit> = exhibits.collect();
    html! {
        @if !exhibits.is_empty() {
            h3 { (what.name()) ": " (exhibits.len()) }
            div.gallery { @for exhibit in exhibits {
                figure {
                    (drawing::draw(exhibit))
                    figcaption {
                        b { (exhibit.kind.name()) } " in " (exhibit.zone) ", " (exhibit.story)
                        @if !exhibit.conditions.is_empty() { " (" (exhibit.conditions) ")" }
                        br; (exhibit.words) br;
                        span.small { (exhibit.scene) ", second " (format!("{:.0}", exhibit.at_s))
                            @if exhibit.repeat > 0 { ", repeat " (exhibit.repeat) } }
                    }
                }
            } }
        }
    }
}

#[cfg(test)]
mod tests;
