//! The figures as lines of text.

use super::figures::{Figures, Rate};
use super::summary::{KindSummary, LureCounts, Summary};

const HEADER: [&str; 11] = [
    "",
    "scenes",
    "positive",
    "found",
    "missed",
    "false",
    "double",
    "precision",
    "recall",
    "false/day",
    "open s (p95)",
];

/// The whole table.
#[must_use]
pub fn lines(summary: &Summary) -> Vec<String> {
    let mut rows = vec![HEADER.map(str::to_owned), row("all", &summary.all)];
    for (kind, KindSummary { all, by_condition, by_stock, .. }) in &summary.kinds {
        rows.push(row(kind.name(), all));
        rows.extend(by_condition.iter().map(|(name, figures)| row(&format!("  {name}"), figures)));
        rows.extend(by_stock.iter().map(|(name, figures)| row(&format!("  stock: {name}"), figures)));
    }
    let mut lines = aligned(&rows);
    let stories = flawed_stories(summary);
    if !stories.is_empty() {
        lines.push(String::new());
        lines.push("stories with a miss, a false alarm or a duplicate:".to_owned());
        let mut rows = vec![HEADER.map(str::to_owned)];
        rows.extend(stories);
        lines.extend(aligned(&rows));
    }
    lines.push(String::new());
    lines.extend(others(summary));
    lines
}

fn row(name: &str, figures: &Figures) -> [String; 11] {
    let open = figures.open_after_dwell_s;
    let delay = |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1}"));
    [
        name.to_owned(),
        figures.scenes.to_string(),
        figures.positives.to_string(),
        figures.found.to_string(),
        figures.misses.to_string(),
        figures.false_alarms.to_string(),
        figures.duplicates.to_string(),
        rate(&figures.precision),
        rate(&figures.recall),
        figures.false_alarms_per_camera_day.map_or_else(|| "-".to_owned(), |per_day| format!("{per_day:.2}")),
        format!("{} ({})", delay(open.median), delay(open.p95)),
    ]
}

/// `0.950 [0.863, 0.983]`; the counts stand beside it.
fn rate(rate: &Rate) -> String {
    rate.value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3} [{:.3}, {:.3}]", rate.low, rate.high))
}

fn flawed_stories(summary: &Summary) -> Vec<[String; 11]> {
    let stories = summary.kinds.iter().flat_map(|(kind, of_kind)| {
        of_kind.by_story.iter().map(move |(story, figures)| (format!("{}: {story}", kind.name()), figures))
    });
    let flawed = stories.filter(|(_, figures)| figures.misses + figures.false_alarms + figures.duplicates > 0);
    flawed.map(|(name, figures)| row(&name, figures)).collect()
}

fn aligned(rows: &[[String; 11]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
    let line = |row: &[String; 11]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn others(summary: &Summary) -> Vec<String> {
    let coverage = &summary.coverage;
    let mut lines = vec![format!(
        "coverage: {:.2} of {:.2} hours analysed, {} looks, {} failed",
        coverage.analysed_hours, coverage.scheduled_hours, coverage.looks, coverage.looks_failed
    )];
    let lured = |what: &str, counts: LureCounts| {
        (counts.scenes > 0).then(|| format!("{what}: {} incidents from {} scenes", counts.incidents, counts.scenes))
    };
    lines.extend(lured("negatives whose view changes", summary.view_changes));
    lines.extend(lured("negatives on whose ground only the light changes", summary.light_only));
    lines.extend(summary.heads_covered.map(|heads| {
        format!(
            "redaction: {} of {} heads covered in {} published pictures: {}",
            heads.hits,
            heads.of,
            summary.pictures_published,
            rate(&heads)
        )
    }));
    for (role, figures) in &summary.detector {
        let (found, right) = (figures.found, figures.right);
        lines.push(format!(
            "detector, {role}: found {} of {} ({}), right {} of {} ({})",
            found.hits,
            found.of,
            rate(&found),
            right.hits,
            right.of,
            rate(&right)
        ));
    }
    lines
}
