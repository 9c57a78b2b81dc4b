//! Standard output. It carries results only; whatever else there is to say goes to the log.

use std::io::{ErrorKind, Write};

/// Why a result could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The reader has seen enough (`gridwatch replay … | head`): no reason to complain.
    #[error("standard output was closed")]
    Closed,
    /// A full disk, for instance.
    #[error("standard output: {0}")]
    Failed(std::io::Error),
}

/// Writes a line to standard output at once.
pub fn line(text: &str) -> Result<(), OutputError> {
    line_to(&mut std::io::stdout().lock(), text)
}

/// Lines with the columns under their headings; the last column is as wide as it likes.
pub fn table<const N: usize>(headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Vec<String> {
    let rows = rows.into_iter().map(|row| row.map(|cell| plain(&cell)));
    let rows: Vec<[String; N]> = std::iter::once(headings.map(str::to_owned)).chain(rows).collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The text without what would move a terminal's cursor: a broker's words, or what a damaged disk gave, may hold anything.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn line_to(out: &mut impl Write, text: &str) -> Result<(), OutputError> {
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|error| {
        let has_left = error.kind() == ErrorKind::BrokenPipe;
        if has_left { OutputError::Closed } else { OutputError::Failed(error) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_headings_and_nothing_moves_the_cursor() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        let lines = table(["NAME", "WHY"], [row("a", "no right\u{1b}[2J"), row("longer", "")]);
        assert_eq!(lines, ["NAME    WHY", "a       no right\u{fffd}[2J", "longer"]);
    }

    #[test]
    fn a_reader_that_leaves_is_no_failure() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        line_to(&mut writer, "read").expect("written");
        drop(reader);
        assert!(matches!(line_to(&mut writer, "unread"), Err(OutputError::Closed)));
    }
}
