//! Fetching one file, over as many connections as it takes.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use url::Url;

use super::FetchError;
use super::http::{Answer, Client, lost};
use super::part::{Part, is_here};
use super::source::without_credentials;
use crate::domain::backoff::Backoff;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Failures in a row that bring not one new byte, before it is given up.
const ATTEMPTS: u32 = 6;

/// What to fetch, and where to put it.
#[derive(Debug, Clone, Copy)]
pub struct Fetch<'a> {
    /// Where it comes from.
    pub url: &'a Url,
    /// Size of the file.
    pub bytes: u64,
    /// Of the file, 64 lower-case hexadecimal digits.
    pub sha256: &'a str,
    /// Where it goes; the folder must be there.
    pub target: &'a Path,
}

/// How a fetch ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was there.
    WasHere,
    /// It has come.
    Fetched,
}

/// What goes on meanwhile.
#[derive(Debug)]
pub enum Step<'a> {
    /// So many bytes of the file are here.
    Has(u64),
    /// The connection failed; there is another attempt after `wait`.
    Again {
        /// What was wrong.
        why: &'a FetchError,
        /// How long from now.
        wait: Duration,
    },
    /// What had come cannot be used: the file comes from its first byte again.
    FromStart(&'static str),
}

impl Fetch<'_> {
    /// Fetches; nothing but the whole file with the right SHA-256 ever has the name of the target. `report` is
    /// told what goes on, `pause` waits.
    pub fn run(
        &self,
        client: &Client,
        report: &mut dyn FnMut(Step<'_>),
        pause: &dyn Fn(Duration),
    ) -> Result<Outcome, FetchError> {
        if self.is_here() {
            return Ok(Outcome::WasHere);
        }
        let mut part = Part::open(self.target)?;
        // Who held the lock a moment ago may have been faster.
        if self.is_here() {
            part.discard()?;
            return Ok(Outcome::WasHere);
        }
        if part.length() > self.bytes {
            part.restart()?;
        }
        // Bytes of an older attempt may be those of an older file.
        let mut in_one_piece = part.length() == 0;
        loop {
            let room = part.refuse_full_disk(self.bytes - part.length());
            let came = room.and_then(|()| self.complete(&mut part, &mut in_one_piece, client, report, pause));
            if let Err(why) = came {
                if part.length() == 0 {
                    part.discard()?;
                }
                return Err(why);
            }
            let found = part.sha256()?;
            if found == self.sha256 {
                part.finish()?;
                return Ok(Outcome::Fetched);
            }
            if in_one_piece {
                part.discard()?;
                let (url, wanted) = (without_credentials(self.url), self.sha256.to_owned());
                return Err(FetchError::OtherContent { url, found, wanted });
            }
            part.restart()?;
            in_one_piece = true;
            report(Step::FromStart("the pieces that have come do not belong together (wrong SHA-256)"));
        }
    }

    fn is_here(&self) -> bool {
        is_here(self.target, self.bytes, self.sha256)
    }

    /// Connects until every byte is here.
    fn complete(
        &self,
        part: &mut Part,
        in_one_piece: &mut bool,
        client: &Client,
        report: &mut dyn FnMut(Step<'_>),
        pause: &dyn Fn(Duration),
    ) -> Result<(), FetchError> {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut failures = 0;
        // A server that starts over each time may not start over for ever.
        let mut most = part.length();
        while part.length() < self.bytes {
            report(Step::Has(part.length()));
            let Err(why) = self.attempt(part, in_one_piece, client, report) else { continue };
            if part.length() > most {
                most = part.length();
                failures = 0;
                backoff.reset();
            }
            failures += 1;
            if !why.is_temporary() || failures >= ATTEMPTS {
                return Err(why);
            }
            let wait = backoff.next_delay(rand::random());
            report(Step::Again { why: &why, wait });
            pause(wait);
        }
        Ok(())
    }

    /// One connection.
    fn attempt(
        &self,
        part: &mut Part,
        in_one_piece: &mut bool,
        client: &Client,
        report: &mut dyn FnMut(Step<'_>),
    ) -> Result<(), FetchError> {
        let had = part.length();
        let answer = match client.get(self.url, had, part.etag(self.url.as_str()).as_deref()) {
            Err(FetchError::Refused { url, status: 416 }) => {
                part.restart()?;
                return Err(FetchError::Refused { url, status: 416 });
            }
            answer => answer?,
        };
        if let Some(offered) = answer.size.filter(|size| *size != self.bytes) {
            let (url, web_page) = (without_credentials(self.url), answer.web_page);
            return Err(FetchError::OtherSize { url, offered, wanted: self.bytes, web_page });
        }
        if answer.start == had {
            *in_one_piece &= had == 0;
        } else {
            part.restart()?;
            if answer.start > 0 {
                return Err(self.interrupted("the server sends another part of the file than it was asked for"));
            }
            *in_one_piece = true;
            report(Step::FromStart("the server cannot go on from there, or its file has changed"));
        }
        if part.length() == 0 {
            part.note_etag(self.url.as_str(), answer.etag.as_deref())?;
        }
        self.take(part, answer, report)
    }

    /// Reads until the server has nothing more.
    fn take(&self, part: &mut Part, answer: Answer, report: &mut dyn FnMut(Step<'_>)) -> Result<(), FetchError> {
        let mut body = answer.body;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = body.read(&mut buffer).map_err(|error| lost(self.url, &error.into()))?;
            let missing = self.bytes - part.length();
            if count == 0 && missing > 0 {
                return Err(self.interrupted("the connection ended before the file did"));
            } else if count == 0 {
                return Ok(());
            } else if count as u64 > missing {
                part.restart()?;
                return Err(FetchError::TooLong { url: without_credentials(self.url), wanted: self.bytes });
            }
            part.append(buffer.get(..count).unwrap_or_default(), missing)?;
            report(Step::Has(part.length()));
        }
    }

    fn interrupted(&self, reason: &str) -> FetchError {
        FetchError::Unreachable { url: without_credentials(self.url), reason: reason.to_owned(), temporary: true }
    }
}
