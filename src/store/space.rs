//! Room on the disk: the ballast, what is kept free, and what the database may hold while there is none.

use std::fs::{self, File};
use std::path::PathBuf;

use rusqlite::OptionalExtension;

use super::database::{Database, file_error};
use super::quota::{NEXT_PICTURE, give_up_picture};
use super::{StoreError, pictures};

const MEBIBYTE: u64 = 1 << 20;
/// The ballast, where the disk is large enough for it.
const BALLAST_BYTES: u64 = 16 * MEBIBYTE;
/// Share of a small disk that the ballast takes.
const BALLAST_SHARE: u64 = 8;
/// Free space, in ballasts, below which it is not made again.
const BALLAST_NEEDS: u64 = 3;
/// Kept free by giving up pictures that were delivered: a share of the disk, and never more than this.
const KEEP_FREE_SHARE: u64 = 10;
const KEEP_FREE_BYTES: u64 = 512 * MEBIBYTE;
/// Pictures of this rank and above are not given up to make room for another one.
const DEAREST: i64 = 3;
/// Rank of pictures that nobody has yet, beside whatever is dearer.
const UNDELIVERED: [i64; 2] = [1, 3];

/// What the file system says, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    free: u64,
    total: u64,
}

impl Space {
    fn ballast(self) -> u64 {
        BALLAST_BYTES.min(self.total / BALLAST_SHARE)
    }

    fn keep_free(self) -> u64 {
        KEEP_FREE_BYTES.min(self.total / KEEP_FREE_SHARE)
    }
}

impl Database {
    /// `None` if the file system does not say.
    fn space(&self) -> Option<Space> {
        let found = rustix::fs::statvfs(&self.directory).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Some(Space { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
    }

    fn ballast(&self) -> PathBuf {
        self.directory.join("ballast")
    }

    pub(super) fn has_ballast(&self) -> bool {
        self.ballast().exists()
    }

    /// Lets the ballast go. From now on, and until it is there again, the database may grow by half of it.
    pub(super) fn release_ballast(&mut self) -> Result<(), StoreError> {
        let path = self.ballast();
        let bytes = fs::metadata(&path).map_or(0, |found| found.len());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(file_error(&path, error)),
            Err(_) => {}
            Ok(()) => self.hard_limit = Some(self.database_bytes()?.saturating_add(bytes / 2)),
        }
        Ok(())
    }

    /// Makes the ballast again when there is room; without room there is none, which is no error, but then the database
    /// may not grow much either.
    pub(super) fn ensure_ballast(&mut self) {
        let (path, Some(space)) = (self.ballast(), self.space()) else { return };
        if path.exists() {
            self.hard_limit = None;
            return;
        }
        if space.free < BALLAST_NEEDS * space.ballast() {
            if self.hard_limit.is_none() {
                let room = space.ballast() / 2;
                self.hard_limit = self.database_bytes().ok().map(|bytes| bytes.saturating_add(room));
            }
            return;
        }
        let made = File::create_new(&path).and_then(|file| {
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, space.ballast()).map_err(Into::into)
        });
        match made {
            Ok(()) => {
                if self.hard_limit.take().is_some() {
                    tracing::info!("there is room on the disk again");
                }
            }
            Err(error) => {
                // Half a ballast would pass for a whole one.
                drop(fs::remove_file(&path));
                tracing::warn!(file = %path.display(), %error, "no ballast");
            }
        }
    }

    /// Bytes that the database may use.
    pub(super) fn database_limit(&self) -> u64 {
        self.hard_limit.unwrap_or(u64::MAX).min(self.limits.database_max_bytes)
    }

    /// Bytes of delivered pictures that have to go so that the disk keeps some room.
    pub(super) fn wanting(&self) -> u64 {
        self.space().map_or(0, |space| space.keep_free().saturating_sub(space.free))
    }

    /// Bytes that are missing so that a picture leaves the database its room: the ballast's, while there is none.
    pub(super) fn lacking_for(&self, bytes: u64) -> u64 {
        self.space().map_or(0, |space| {
            let reserve = if self.hard_limit.is_some() { space.ballast() } else { 0 };
            bytes.saturating_add(reserve).saturating_sub(space.free)
        })
    }

    /// Gives up pictures in the named order, but none that is dearer than a new one, until `bytes` are free; none at all
    /// where that would not be enough.
    pub(super) fn make_room(&mut self, bytes: u64) -> Result<(), StoreError> {
        let (now, folder) = (self.now_ms(), pictures::folder(&self.directory));
        self.transact(|tx| {
            let mut freed = 0;
            while freed < bytes {
                let next = next_picture(tx)?.filter(|next| next.rank < DEAREST);
                let full = || file_error(&folder, std::io::ErrorKind::StorageFull.into());
                let next = next.ok_or_else(full)?;
                give_up_picture(tx, next.id, "disk_full", now)?;
                freed += next.bytes;
            }
            Ok(())
        })?;
        self.collect_garbage()
    }
}

/// The picture that is given up next.
pub(super) struct Next {
    pub(super) id: i64,
    pub(super) bytes: u64,
    /// By the order of the module's documentation.
    rank: i64,
}

impl Next {
    /// Whether the platform has it, or never will.
    pub(super) fn is_delivered(&self) -> bool {
        self.rank < DEAREST && !UNDELIVERED.contains(&self.rank)
    }
}

pub(super) fn next_picture(tx: &rusqlite::Connection) -> Result<Option<Next>, StoreError> {
    let read = |row: &rusqlite::Row<'_>| Ok(Next { id: row.get(0)?, bytes: row.get(1)?, rank: row.get(2)? });
    Ok(tx.prepare_cached(NEXT_PICTURE)?.query_row([], read).optional()?)
}
