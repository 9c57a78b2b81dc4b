//! Picture files and the rows that own them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::database::{Database, file_error};
use super::incidents::readable;
use super::{NewPicture, PictureMeta, StoreError};
use crate::contract::grid_event::{EvidenceEntry, Transport};
use crate::domain::Timestamp;
use crate::domain::camera::CameraId;
use crate::domain::incident::SnapshotId;

pub(super) fn folder(directory: &Path) -> PathBuf {
    directory.join("evidence")
}

pub(super) fn file(directory: &Path, picture: i64) -> PathBuf {
    folder(directory).join(format!("{picture}.jpg"))
}

pub(super) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|error| file_error(path, error))
}

impl Database {
    pub(super) fn keep_snapshot(
        &mut self,
        camera: &CameraId,
        snapshot: SnapshotId,
        picture: &NewPicture,
    ) -> Result<(), StoreError> {
        let id = self.write_file_in_room(camera, &picture.jpeg)?;
        let redaction = serde_json::to_string(&picture.redaction)?;
        let number = i64::try_from(snapshot.0).unwrap_or(i64::MAX);
        let belief = self.belief();
        self.transact(|tx| {
            belief.note_picture(tx, id)?;
            tx.execute(
                "INSERT INTO picture(id, bytes, width, height, sha256, redaction, captured_ms) VALUES(?1,?2,?3,?4,?5,?6,?7)",
                params![
                    id,
                    picture.jpeg.len(),
                    picture.width,
                    picture.height,
                    picture.sha256,
                    redaction,
                    picture.captured_at.as_millisecond()
                ],
            )?;
            let_go_of_snapshot(tx, camera, number)?;
            tx.execute("INSERT INTO snapshot VALUES(?1, ?2, ?3)", params![camera.as_str(), number, id])?;
            Ok(())
        })?;
        self.tidy_after(camera);
        Ok(())
    }

    pub(super) fn discard_snapshot(&mut self, camera: &CameraId, snapshot: SnapshotId) -> Result<(), StoreError> {
        let number = i64::try_from(snapshot.0).unwrap_or(i64::MAX);
        self.transact(|tx| let_go_of_snapshot(tx, camera, number))?;
        self.tidy_after(camera);
        Ok(())
    }

    pub(super) fn snapshot_meta(
        &mut self,
        camera: &CameraId,
        snapshots: &[SnapshotId],
    ) -> Result<Vec<(SnapshotId, PictureMeta)>, StoreError> {
        let mut found = Vec::new();
        for &snapshot in snapshots {
            let mut statement = self.connection.prepare_cached(
                "SELECT bytes, width, height, sha256, redaction, captured_ms FROM snapshot
                 JOIN picture ON picture.id = snapshot.picture WHERE camera = ?1 AND snapshot = ?2 AND present",
            )?;
            let number = i64::try_from(snapshot.0).unwrap_or(i64::MAX);
            let row = statement.query_row(params![camera.as_str(), number], |row| picture_meta(row, 0)).optional();
            found.extend(whole(row)?.flatten().map(|meta| (snapshot, meta)));
        }
        Ok(found)
    }

    pub(super) fn evidence_of(&mut self, event: Uuid, transport: Transport) -> Result<Vec<EvidenceEntry>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT bytes, width, height, sha256, redaction, captured_ms, name, role, present FROM evidence
             JOIN picture ON picture.id = evidence.picture WHERE event_id = ?1 ORDER BY evidence.id",
        )?;
        let rows = statement.query_map([event], |row| {
            let meta = picture_meta(row, 0)?;
            Ok((meta, row.get::<_, String>(6)?, row.get::<_, String>(7)?, row.get::<_, bool>(8)?))
        })?;
        let mut entries = Vec::new();
        for row in rows {
            let Some((meta, id, role, present)) = whole(row)? else { continue };
            let Some(role) = readable(serde_json::from_str(&role)) else { continue };
            entries.push(EvidenceEntry {
                id,
                role,
                bytes: meta.bytes,
                width: meta.width,
                height: meta.height,
                sha256: meta.sha256,
                captured_at: meta.captured_at,
                redaction: meta.redaction,
                transport: if present { transport } else { Transport::Gone },
            });
        }
        Ok(entries)
    }

    /// The ballast is for the database: where there is no room for a picture, others are given up for it, or it is not kept.
    fn write_file_in_room(&mut self, camera: &CameraId, jpeg: &[u8]) -> Result<i64, StoreError> {
        let bytes = jpeg.len() as u64;
        let lacking = self.lacking_for(bytes);
        if lacking == 0 {
            match self.write_file(jpeg) {
                Err(StoreError::File { source, .. }) if source.kind() == std::io::ErrorKind::StorageFull => {}
                result => return result,
            }
        }
        tracing::error!(%camera, lacking, "disk full: other pictures have to go for this one");
        // Blocks and folders take some as well.
        self.make_room(lacking.max(2 * bytes))?;
        self.write_file(jpeg)
    }

    fn write_file(&mut self, jpeg: &[u8]) -> Result<i64, StoreError> {
        let id = self.next_picture;
        self.next_picture += 1;
        let (target, folder) = (file(&self.directory, id), folder(&self.directory));
        let temporary = folder.join(format!("{id}.tmp"));
        let write = || {
            let mut file = File::create_new(&temporary)?;
            file.write_all(jpeg)?;
            file.sync_all()?;
            fs::rename(&temporary, &target)
        };
        if let Err(error) = write() {
            // Half a picture takes space that is scarce; what cannot be removed is swept at the next start.
            drop(remove(&temporary));
            return Err(file_error(&temporary, error));
        }
        sync_directory(&folder)?;
        Ok(id)
    }

    /// Deletes the files of pictures that were let go.
    pub(super) fn collect_garbage(&mut self) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT picture FROM garbage")?;
        let garbage: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        drop(statement);
        if garbage.is_empty() {
            return Ok(());
        }
        for &picture in &garbage {
            remove(&file(&self.directory, picture))?;
        }
        sync_directory(&folder(&self.directory))?;
        self.transact(|tx| {
            for picture in &garbage {
                tx.execute("DELETE FROM garbage WHERE picture = ?1", [picture])?;
            }
            Ok(())
        })
    }

    /// Deletes files that a crash left without a row, and finds the next free number.
    pub(super) fn sweep_orphans(&mut self) -> Result<u64, StoreError> {
        let mut statement = self.connection.prepare("SELECT id FROM picture WHERE present")?;
        let known: BTreeSet<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        drop(statement);
        let folder = folder(&self.directory);
        let mut removed = 0;
        for entry in fs::read_dir(&folder).map_err(|error| file_error(&folder, error))?.flatten() {
            let path = entry.path();
            let id = entry.file_name().to_str().and_then(|name| name.strip_suffix(".jpg")?.parse().ok());
            if !id.is_some_and(|id: i64| known.contains(&id)) {
                // Something that is not ours must not keep the program from starting.
                match remove(&path) {
                    Ok(()) => removed += 1,
                    Err(error) => tracing::warn!(%error, "cannot be swept"),
                }
            }
        }
        if removed > 0 {
            sync_directory(&folder)?;
        }
        let last: Option<i64> = self
            .connection
            .query_row("SELECT seq FROM sqlite_sequence WHERE name='picture'", [], |row| row.get(0))
            .optional()?;
        self.next_picture = last.unwrap_or(0) + 1;
        Ok(removed)
    }
}

/// Forgets a snapshot; its picture becomes garbage unless an event uses it.
pub(super) fn let_go_of_snapshot(tx: &Connection, camera: &CameraId, number: i64) -> Result<(), StoreError> {
    let sql = "DELETE FROM snapshot WHERE camera = ?1 AND snapshot = ?2 RETURNING picture";
    let picture: Option<i64> = tx.query_row(sql, params![camera.as_str(), number], |row| row.get(0)).optional()?;
    picture.map_or(Ok(()), |picture| let_go_of_unused(tx, picture))
}

/// Makes a picture garbage if neither a snapshot nor an event owns it.
pub(super) fn let_go_of_unused(tx: &Connection, picture: i64) -> Result<(), StoreError> {
    let sql = "DELETE FROM picture WHERE id = ?1 AND NOT EXISTS(SELECT 1 FROM snapshot WHERE picture = ?1)
               AND NOT EXISTS(SELECT 1 FROM evidence WHERE picture = ?1)";
    if tx.execute(sql, [picture])? > 0 {
        tx.execute("INSERT OR IGNORE INTO garbage VALUES(?1)", [picture])?;
    }
    Ok(())
}

/// `None` for a row of which a value cannot be read; other errors stay.
fn whole<T>(row: rusqlite::Result<T>) -> Result<Option<T>, StoreError> {
    match row {
        Err(error @ rusqlite::Error::FromSqlConversionFailure(..)) => Ok(readable(Err::<T, _>(error))),
        row => Ok(Some(row?)),
    }
}

fn picture_meta(row: &Row<'_>, from: usize) -> rusqlite::Result<PictureMeta> {
    let redaction: String = row.get(from + 4)?;
    let redaction = serde_json::from_str(&redaction).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(from + 4, rusqlite::types::Type::Text, error.into())
    })?;
    Ok(PictureMeta {
        bytes: row.get(from)?,
        width: row.get(from + 1)?,
        height: row.get(from + 2)?,
        sha256: row.get(from + 3)?,
        redaction,
        captured_at: Timestamp::from_millisecond(row.get(from + 5)?).unwrap_or_default(),
    })
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file_error(path, error)),
        _ => Ok(()),
    }
}
