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
    fn a_reader_that_leaves_is_no_failure() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        line_to(&mut writer, "read").expect("written");
        drop(reader);
        assert!(matches!(line_to(&mut writer, "unread"), Err(OutputError::Closed)));
    }
}
