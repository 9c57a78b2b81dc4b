//! Whether the rows are those that were written.

use super::{AuditRow, cut_subject};
use crate::contract::metrics::AuditHead;

/// What was found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Rows.
    pub rows: u64,
    /// Number of the oldest one that is kept.
    pub first: u64,
    /// The latest.
    pub head: AuditHead,
    /// Published numbers that were cut off since, and cannot be compared any more.
    pub too_old: Vec<u64>,
}

/// The first row that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {number}: {why}")]
pub struct Broken {
    /// Its number.
    pub number: u64,
    /// In words.
    pub why: String,
}

/// Checks rows, the oldest first, against each other, against the `kept` number and hash of the latest one, and against
/// those that were `published`.
pub fn verify(rows: &[AuditRow], kept: &AuditHead, published: &[AuditHead]) -> Result<Verified, Broken> {
    let broken = |number, why: &str| Err(Broken { number, why: why.to_owned() });
    let Some(first) = rows.first() else {
        return broken(kept.number.max(1), "is missing, and so is every other");
    };
    let zeros = "0".repeat(64);
    let mut before: Option<&AuditRow> = None;
    for row in rows {
        let expected = before.map_or(first.number, |before| before.number + 1);
        if row.number != expected {
            return broken(expected, "is missing");
        }
        if row.hash != row.digest() {
            return broken(row.number, "was changed: its hash is another one");
        }
        match before {
            Some(before) if row.previous != before.hash => {
                return broken(row.number, "does not follow the row before it");
            }
            None if row.number == 1 && row.previous != zeros => {
                return broken(1, "names a row before it, and is the first");
            }
            _ => before = Some(row),
        }
    }
    let is_anchor = |row: &&AuditRow| {
        row.what == "cut"
            && row.subject == cut_subject(first.number - 1)
            && row.sha256.as_ref() == Some(&first.previous)
    };
    if first.number > 1 && !rows.iter().any(|row| is_anchor(&row)) {
        return broken(first.number - 1, "is missing, and no row says that it was cut off");
    }
    let last = before.unwrap_or(first);
    if kept.number > last.number {
        return broken(last.number + 1, &format!("is missing; {} was the latest", kept.number));
    }
    if *kept != (AuditHead { number: last.number, sha256: last.hash.clone() }) {
        return broken(kept.number, "is not the latest row that was noted beside the rows");
    }
    let mut too_old = Vec::new();
    for head in published {
        if head.number > last.number {
            return broken(last.number + 1, &format!("is missing; {} was published", head.number));
        }
        match rows.iter().find(|row| row.number == head.number) {
            Some(row) if row.hash != head.sha256 => return broken(row.number, "is not the one that was published"),
            Some(_) => {}
            None => too_old.push(head.number),
        }
    }
    let head = AuditHead { number: last.number, sha256: last.hash.clone() };
    Ok(Verified { rows: rows.len() as u64, first: first.number, head, too_old })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(count: u64) -> Vec<AuditRow> {
        let mut rows: Vec<AuditRow> = Vec::new();
        for number in 1..=count {
            let mut row = AuditRow {
                number,
                at_ms: 1_800_000_000_000 + i64::try_from(number).unwrap(),
                actor: "command".to_owned(),
                what: "acts".to_owned(),
                subject: format!("mute cam-{number} \"街\""),
                sha256: (number % 2 == 0).then(|| "ab".repeat(32)),
                count: 1,
                previous: rows.last().map_or("0".repeat(64), |last| last.hash.clone()),
                hash: String::new(),
            };
            row.hash = row.digest();
            rows.push(row);
        }
        rows
    }

    fn head_of(rows: &[AuditRow]) -> AuditHead {
        let last = rows.last().unwrap();
        AuditHead { number: last.number, sha256: last.hash.clone() }
    }

    /// What docs/audit.md says how to compute with any SHA-256.
    #[test]
    fn the_canonical_form_is_the_documented_one() {
        let row = &chain(1)[0];
        let form = format!(
            "[\"gridwatch-audit-1\",1,1800000000001,\"command\",\"acts\",\"mute cam-1 \\\"街\\\"\",null,1,\"{}\"]",
            "0".repeat(64)
        );
        assert_eq!(row.hash, crate::store::outbox::hexadecimal(&<sha2::Sha256 as sha2::Digest>::digest(form)));
    }

    #[test]
    fn every_kind_of_tampering_names_the_first_row_that_is_wrong() {
        let whole = chain(9);
        let head = head_of(&whole);
        assert_eq!(verify(&whole, &head, &[head_of(&whole[..4])]).unwrap().rows, 9);
        let found = |rows: &[AuditRow]| verify(rows, &head, &[]).unwrap_err().number;
        for at in 0..9 {
            let mut rows = whole.clone();
            rows[at].subject.push('x');
            assert_eq!(found(&rows), at as u64 + 1, "edited");
            // Whoever mends the hash of the row he has edited breaks the next one.
            rows[at].hash = rows[at].digest();
            assert_eq!(found(&rows), (at as u64 + 2).min(9), "edited, hash mended");
            let mut rows = whole.clone();
            rows.remove(at);
            assert_eq!(found(&rows), at as u64 + 1, "deleted");
        }
        for at in 0..8 {
            let mut rows = whole.clone();
            rows.swap(at, at + 1);
            assert_eq!(found(&rows), if at == 0 { 3 } else { at as u64 + 1 }, "reordered");
            // Renumbered as well.
            (rows[at].number, rows[at + 1].number) = (at as u64 + 1, at as u64 + 2);
            assert_eq!(found(&rows), at as u64 + 1, "reordered and renumbered");
        }
        assert_eq!(found(&[]), 9);
    }

    /// Everything written anew, hashes, head and all: only what was published shows it.
    #[test]
    fn a_forged_chain_is_told_by_what_was_published() {
        let published = head_of(&chain(9));
        let mut forged = chain(6);
        assert_eq!(verify(&forged, &head_of(&forged), std::slice::from_ref(&published)).unwrap_err().number, 7);
        forged = chain(12);
        forged[3].subject.push('x');
        for at in 3..12 {
            forged[at].previous = forged[at - 1].hash.clone();
            forged[at].hash = forged[at].digest();
        }
        assert!(verify(&forged, &head_of(&forged), &[]).is_ok());
        assert_eq!(verify(&forged, &head_of(&forged), &[published]).unwrap_err().number, 9);
    }

    #[test]
    fn the_old_end_may_be_cut_only_with_an_anchor() {
        let mut rows = chain(9);
        let mut cut = rows[8].clone();
        (cut.number, cut.previous) = (10, rows[8].hash.clone());
        (cut.what, cut.subject, cut.sha256) = ("cut".to_owned(), cut_subject(5), Some(rows[4].hash.clone()));
        cut.hash = cut.digest();
        rows.push(cut);
        let head = head_of(&rows);
        let verified = verify(&rows[5..], &head, &[head_of(&rows[..3])]).unwrap();
        assert_eq!((verified.first, verified.rows, verified.too_old), (6, 5, vec![3]));
        for from in [3, 4, 6, 7] {
            assert_eq!(verify(&rows[from..], &head, &[]).unwrap_err().number, from as u64);
        }
    }
}
