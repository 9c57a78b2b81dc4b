//! Why a model was not fetched, in words for the person beside the box.

use std::path::PathBuf;

/// Nothing of these leaves a file under the model's name.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Another process has the partial file.
    #[error("{path}: another gridwatch is fetching this file; wait until it is done")]
    Busy {
        /// The partial file.
        path: PathBuf,
    },
    /// No answer, or the connection was lost.
    #[error("{url}: {reason}")]
    Unreachable {
        /// Without credentials.
        url: String,
        /// In words.
        reason: String,
        /// Whether another attempt may succeed.
        temporary: bool,
    },
    /// The server has answered, but not with the file.
    #[error("{url}: the server answers {status}{}", hint(*status))]
    Refused {
        /// Without credentials.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// The server offers something else.
    #[error("{url}: {}", offers(*offered, *wanted, *web_page))]
    OtherSize {
        /// Without credentials.
        url: String,
        /// As the server says.
        offered: u64,
        /// As the catalogue says.
        wanted: u64,
        /// A page for people to look at.
        web_page: bool,
    },
    /// The server sends on and on.
    #[error("{url}: sends more than the {wanted} bytes of the catalogue, so this is not the file; nothing was kept")]
    TooLong {
        /// Without credentials.
        url: String,
        /// As the catalogue says.
        wanted: u64,
    },
    /// The right number of bytes, but not the right ones.
    #[error(
        "{url}: what came has SHA-256 {found}, but the catalogue says {wanted}; it was removed. Either the file was \
         changed at its source or something on the way changes it: try again, or another --mirror"
    )]
    OtherContent {
        /// Without credentials.
        url: String,
        /// Of what came.
        found: String,
        /// As the catalogue says.
        wanted: String,
    },
    /// No room.
    #[error("{path}: the disk is full: {} are needed, {} are free; make room and start again, what has come is kept",
        size(*needed), size(*free))]
    DiskFull {
        /// The folder.
        path: PathBuf,
        /// Bytes still to come.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// Something else with the disk.
    #[error("{path}: {reason}")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// In words.
        reason: String,
    },
}

impl FetchError {
    /// Whether another attempt may succeed without anybody doing anything.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { temporary, .. } => *temporary,
            Self::Refused { status, .. } => matches!(status, 408 | 416 | 425 | 429 | 500..=599),
            Self::Busy { .. }
            | Self::OtherSize { .. }
            | Self::TooLong { .. }
            | Self::OtherContent { .. }
            | Self::DiskFull { .. }
            | Self::Disk { .. } => false,
        }
    }
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => " (it refuses): try another network or --mirror",
        404 | 410 => " (it has no such file): check the address, try --mirror or a newer gridwatch",
        407 => " (a proxy wants a login): put it into HTTPS_PROXY",
        416 => " (it cannot go on from where the download stopped)",
        429 => " (too many requests)",
        500..=599 => " (it has a fault)",
        _ => "",
    }
}

fn offers(offered: u64, wanted: u64, web_page: bool) -> String {
    let thing = if web_page { "a web page" } else { "a file" };
    let advice = if web_page { "; is there a login page or a filter between here and the internet?" } else { "" };
    format!("offers {thing} of {offered} bytes where the catalogue says {wanted}; nothing was taken{advice}")
}

fn size(bytes: u64) -> String {
    if bytes < 10 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}
