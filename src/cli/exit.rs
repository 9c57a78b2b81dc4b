//! What the process tells its caller.

use std::process::ExitCode;

/// The exit codes; `gridwatch --help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success = 0,
    /// Something failed while it ran.
    Failure = 1,
    /// The command line is not understood.
    Usage = 2,
    /// The configuration is missing or has mistakes.
    Configuration = 3,
    /// The configuration is right, but something that it names does not work.
    CheckFailed = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
